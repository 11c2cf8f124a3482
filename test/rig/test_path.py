#!/usr/bin/env python3
# weft-test: name=path time=180 needs=root tier=normal build=gcc
"""Three nodes, two pods on each: everything that should reach something does, with the source
address that it should have, at full MTU; whichever card the default route uses."""

import ipaddress
import os

import check
import probe
from check import Cluster, Skip, must, must_equal, step
from node import OUTSIDE, RANGE

ECHO_BYTES = 4 << 20
IP_AND_ICMP = 28


def has_ipv6():
    return os.path.exists("/proc/sys/net/ipv6")


def in_range(address):
    return ipaddress.ip_address(address) in ipaddress.ip_network(RANGE)


def check_agents(cluster):
    for node in cluster.nodes:
        held = node.agent.confinement()
        must_equal([held[k] for k in ("CapPrm", "CapEff", "CapBnd", "NoNewPrivs")],
                   ["0000000000001000"] * 3 + ["1"], f"what the agent on {node.name} may do")
        status = node.agent.status()
        must_equal((status["auth"], status["cluster_name"], status["underlay"],
                    status["underlay_dev"]), ("none", "weft", node.address, "eth0"),
                   f"status of {node.name}")
        must(status["kernel"]["failed"] == 0, f"{node.name}: {status['kernel']}")
    first_line = cluster.nodes[0].run("weftctl", "status").splitlines()[0]
    must("auth=NONE" in first_line, f"the first line hides auth=none: {first_line}")


def check_addresses(cluster, pods):
    """All different, each in a block of its node's, no two nodes with one block."""
    addresses = [pod.address for pod in pods] + [n.overlay_address() for n in cluster.nodes]
    must_equal(len(set(addresses)), len(addresses), f"different addresses of {addresses}")
    must(all(map(in_range, addresses)), f"an address outside {RANGE}: {addresses}")
    owners = {}
    for node in cluster.nodes:
        block = ipaddress.ip_network(node.overlay_address() + "/26", strict=False)
        must(block not in owners, f"{node.name} and {owners.get(block)} both have {block}")
        owners[block] = node.name
        for pod in node.pods.values():
            must(ipaddress.ip_address(pod.address) in block, f"{pod.name} is not in {block}")
        listed = sorted(p["ip"] for p in node.agent.status("pods")["pods"])
        must_equal(listed, sorted(p.address for p in node.pods.values()), "weftctl pods")


def check_sources(cluster, pods):
    """Pods see pods and nodes by their addresses in the range; the outside sees nodes only."""
    near, far = pods[0], pods[-1]
    server = probe.start_server(far, "tcp", far.name, 8080)
    must_equal(probe.ask(near, far.address, 8080, ECHO_BYTES),
               {"name": far.name, "client": near.address, "echoed": ECHO_BYTES}, "pod to pod")
    node = near.node
    must_equal(probe.ask(node, far.address, 8080)["client"], node.overlay_address(),
               "the source of a node that asks a remote pod")
    probe.stop(server)
    server = probe.start_server(cluster.outside, "tcp", "outside", 80)
    for place in (near, far, node):
        answer = probe.ask(place, OUTSIDE, 80, 1 << 20)
        must(not in_range(answer["client"]), f"{place.name} was not masqueraded: {answer}")
        must_equal(answer["echoed"], 1 << 20, f"bytes echoed by the outside to {place.name}")
    probe.stop(server)


def check_ipv6(cluster):
    """The host's own IPv6 is none of Weft's business: what a node sends keeps its source, also
    one with bytes where an IPv4 header has an address of the range (0a20 is 10.32)."""
    node, far, _ = cluster.nodes
    for place, address in ((node, "fd99::1"), (far, "fd99::2")):
        place.sysctl("net/ipv6/conf/all/disable_ipv6", 0)
        place.ip(f"addr add {address}/64 dev eth0 nodad")
    server = probe.start_server(far, "tcp", far.name, 8086)
    for source in ("fd77::1", "fd77:0:a20::1"):
        node.ip(f"addr add {source}/128 dev lo nodad")
        far.ip(f"route add {source} via fd99::1")
        must_equal(probe.ask(node, "fd99::2", 8086, ECHO_BYTES, source),
                   {"name": far.name, "client": source, "echoed": ECHO_BYTES},
                   "a node's IPv6, as another node sees it")
    probe.stop(server)


def check_mtu(pods):
    near, far = pods[0], pods[-1]
    mtu = near.link("eth0")["mtu"]
    must_equal(mtu, 1450, "MTU of a pod on an underlay of 1500")
    full = probe.ping(near, far.address, 2, "-M", "do", "-s", mtu - IP_AND_ICMP)
    must(full is None, f"a packet of {mtu} bytes does not pass: {full}")
    must(probe.ping(near, far.address, 1, "-M", "do", "-s", mtu - IP_AND_ICMP + 1),
         "a packet above the MTU passed")


def unowned_address(cluster):
    """Blocks are drawn by lot, so no address can be named beforehand."""
    owned = {b["prefix"] for b in cluster.nodes[0].agent.status("ipam")["blocks"]}
    must(len(owned) >= len(cluster.nodes), f"n1 knows of the blocks {owned} only")
    blocks = ipaddress.ip_network(RANGE).subnets(new_prefix=26)
    return str(next(block for block in blocks if str(block) not in owned)[7])


def check_nothing_leaks(cluster, pods):
    """What nobody owns in the range is answered with "unreachable", not with the default route."""
    nobody = unowned_address(cluster)
    route = cluster.nodes[0].route_to(nobody)
    must(not route, f"{nobody} would leave the node by {route}")
    answer = probe.ping(pods[0], nobody, 1)
    must(answer, f"{nobody} was answered")


def tour(default_via):
    with Cluster(3, default_via=default_via) as cluster:
        pods = cluster.attach_pods(2)
        cluster.wait_connected()
        step(f"{len(pods)} pods, default route by {default_via}")
        answered = probe.must_all_answer(probe.matrix(cluster, pods))
        step(f"{answered} pings answered")
        check_agents(cluster)
        check_addresses(cluster, pods)
        check_sources(cluster, pods)
        if has_ipv6():
            check_ipv6(cluster)
        check_mtu(pods)
        check_nothing_leaks(cluster, pods)
        for node in cluster.nodes:
            node.agent.stop()
        probe.must_all_answer(probe.matrix(cluster, pods))
        step("agents stopped, data plane stays")


def test():
    tour("eth1")
    tour("eth0")
    if not has_ipv6():
        raise Skip("this kernel has no IPv6: everything else passed, the host's own IPv6 could "
                   "not be tried")


if __name__ == "__main__":
    check.main(test)
