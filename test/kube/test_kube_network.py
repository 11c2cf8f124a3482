#!/usr/bin/env python3
# weft-test: name=kube-network time=300 needs=root tier=normal build=gcc
"""What Kubernetes wants of a network, asked of Weft on a real cluster, with kube-proxy in both of
its modes. In the second it is also told of a pod range that is not Weft's, as on a cluster that
was made for another network."""

import components
import kubetest
from check import step
from suite import CHECKS, Suite


def test():
    with kubetest.weft_cluster() as cluster:
        suite = Suite(cluster)
        suite.install()
        step("CoreDNS and the workloads are ready")
        for what, check, _ in CHECKS:
            suite.check(what, check, suite)
        cluster.switch_proxy("nftables", components.POD_RANGE)
        suite.wait_services()
        step("kube-proxy in nftables mode")
        for what, check, proxied in CHECKS:
            if proxied:
                suite.check(f"nftables: {what}", check, suite)
        suite.end()


if __name__ == "__main__":
    kubetest.main(test)
