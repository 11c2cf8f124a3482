#!/usr/bin/env python3
# weft-test: name=runtime time=60 needs=root tier=normal build=gcc
"""What keeps a container runtime from asking Weft is a warning in status for as long as it is so:
another network that sorts before ours, and a configuration that cannot be put there."""

import check
from check import Cluster, must, must_equal, step
from node import TOOLS
from space import NotYet, wait_until

CONF_DIR = "/var/lib/cni/net.d"
OURS, OTHER = f"{CONF_DIR}/10-weft.conflist", f"{CONF_DIR}/00-other.conflist"


class Runtime(Cluster):
    def start_agents(self, extra=()):
        self.nodes[0].run("mkdir", "-p", CONF_DIR)
        super().start_agents(("--cni-conf-dir", CONF_DIR, "--cni-bin-dir", CONF_DIR, "--cni-shim",
                              f"{TOOLS}/weft", *extra))


def has_ours(node):
    return node.run("test", "-f", OURS, check=False).returncode == 0


def started_again(node, words):
    """It looks at each start, and each minute. Is it ready, and says so?"""
    node.agent.stop()
    node.agent.start()
    node.agent.wait_ready()

    def said():
        warnings = node.agent.status()["warnings"]
        found = [w for w in warnings if words in w]
        return found or NotYet(f"{words}: only {warnings}")
    return wait_until(said, 10, "the warning", [node.agent.process])


def must_be_over(node, *words):
    node.agent.stop()
    node.agent.start()
    node.agent.wait_ready()
    wait_until(lambda: has_ours(node) or NotYet("no"), 10, OURS)
    for word in words:
        must(not [w for w in node.agent.status()["warnings"] if word in w], f"still: {word}")


def test():
    with Runtime(1) as cluster:
        node, = cluster.nodes
        wait_until(lambda: has_ours(node) or NotYet("no"), 10, OURS)
        must_equal(node.agent.status()["state"], "ready", "state")
        node.run("cp", OURS, OTHER)
        started_again(node, f"{OTHER} sorts before Weft's 10-weft.conflist")
        step("another network is told")
        node.run("rm", OTHER, OURS)
        node.run("mkdir", OURS)
        started_again(node, "the CNI configuration cannot be put where the runtime looks")
        step("a configuration that cannot be written is told")
        node.run("rmdir", OURS)
        must_be_over(node, "sorts before", "cannot be put")
        step("and is over when it is")


if __name__ == "__main__":
    check.main(test)
