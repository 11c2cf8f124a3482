"""The frame of a test on a cluster: skips where none can be made, and shows what the cluster and
Weft have to say when the test fails."""

import contextlib

import rigpath  # noqa: F401: test/rig's modules
import cache
import check
import groups
import weft
from check import Skip, build_directory
from cluster import Cluster
from space import RigError


def main(test):
    def run():
        reason = cache.missing() or groups.unsupported()
        if reason:
            raise Skip(reason)
        test()
    check.main(run)


@contextlib.contextmanager
def told(cluster):
    """The cluster; on failure also what it and Weft say about it."""
    with cluster:
        try:
            yield cluster
        except RigError:
            cluster.show_trouble()
            weft.show(cluster)
            raise


@contextlib.contextmanager
def weft_cluster(nodes=3, proxy="iptables"):
    """Nodes that are Ready with Weft's manifest, and the control plane's machine a plain host of
    the same network."""
    with told(Cluster(nodes, proxy, build_directory())) as cluster:
        weft.load_image(cluster)
        weft.install(cluster)
        weft.join_control_plane(cluster)
        yield cluster
