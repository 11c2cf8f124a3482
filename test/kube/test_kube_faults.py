#!/usr/bin/env python3
# weft-test: name=kube-faults time=400 needs=root tier=normal build=gcc
"""Weft on a real cluster when things go wrong: agents killed and replaced under a stream, 60 pods
deleted and made at once, a node deleted and registered again, the API server away."""

import os

import faults
import kubetest
from check import step
from suite import Suite

PODS = 60
LONG = os.environ.get("WEFT_TIER") == "long"
AWAY_PACKETS = 120_000 if LONG else 10_000  # 1,000 a second


def test():
    with kubetest.weft_cluster(proxy="nftables") as cluster:
        suite = Suite(cluster)
        suite.install()
        step("the workloads are ready")
        pair = suite.clients["n1"], suite.clients["n3"]
        suite.check("agents die and are replaced", faults.agents_die, cluster, *pair)
        n3 = cluster.node("n3")
        suite.check("a Node with odd contents", faults.odd_node, cluster, cluster.node("n2"))
        suite.check("a node registers again at once", faults.register_again, suite, n3)
        faults.take_node(cluster, n3)
        suite.check(f"{PODS} pods come and go", faults.churn, cluster, PODS)
        suite.check("a deleted node's pods move to the others", faults.pods_move, suite, n3,
                    LONG)
        suite.check("a node that comes back", faults.give_node_back, suite, n3)
        pair = suite.clients["n1"], suite.clients["n3"]
        suite.check("the API server is away", faults.api_away, cluster, *pair,
                    AWAY_PACKETS)
        suite.end()


if __name__ == "__main__":
    kubetest.main(test)
