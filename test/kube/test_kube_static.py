#!/usr/bin/env python3
# weft-test: name=kube-static time=400 needs=root tier=long
"""The checks of kube-network, on a network without any agent: when they fail here too, it is the
cluster's fault and not Weft's."""

import kubetest
import networks
from suite import CHECKS, Suite
from cluster import Cluster


def test():
    for mode in ("iptables", "nftables"):
        with Cluster(3, mode) as cluster:
            networks.static(cluster)
            suite = Suite(cluster)
            suite.install()
            for what, check, _ in CHECKS:
                suite.check(what, check, suite)
            suite.end()


if __name__ == "__main__":
    kubetest.main(test)
