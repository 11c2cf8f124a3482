#!/usr/bin/env python3
# weft-test: name=second time=120 needs=root tier=normal build=gcc
"""An interface that comes to a namespace which has a way out already, as multus and
`weftctl attach --ifname` make them: the way out stays, both addresses are reached and answer, and
when the first interface goes the second takes over."""

import check
import probe
from check import Cluster, must, must_equal, step
from node import OUTSIDE
from space import Place

PORT = 7080
FOREIGN = "172.31.7"  # another network that a namespace has


def address_of(pod, interface):
    return next(a["local"] for a in pod.link(interface)["addr_info"] if a["family"] == "inet")


def way_to(pod, address, *source):
    route = pod.json("ip", "-j", "route", "get", address, *source)[0]
    return route["dev"]


def rules(pod):
    lines = (line.split(":")[1].strip() for line in pod.run("ip", "rule").splitlines())
    return sorted(line for line in lines if "proto 87" in line)


def be_strict(pod):
    """As a host may be whose settings new namespaces inherit: answers that would not go back
    where a packet came from make it a stranger's."""
    place = Place()
    place.name = pod.name
    place.enter = ("nsenter", f"--net={pod.space.root(pod.path)}", "--")
    for key in ("all", "default"):
        place.run("tee", f"/proc/sys/net/ipv4/conf/{key}/rp_filter", stdin="1\n")


def must_reach(cluster, far, pod, interface):
    """Both ways, by packet and by connection, and nobody is taken for a spoofer."""
    address = address_of(pod, interface)
    before = pod.node.agent.status()["kernel"]["spoofed_packets"]
    for place in (far, pod.node, far.node):
        answer = probe.ping(place, address)
        must(answer is None, f"{place.name} -> {interface} of {pod.name} ({address}): {answer}")
    server = probe.start_server(pod, "tcp", pod.name, PORT)
    try:
        must_equal(probe.ask(far, address, PORT, 100000)["client"], far.address, "the client")
    finally:
        probe.stop(server)
    for target in (far.address, OUTSIDE):
        answer = probe.ping(pod, target, 2, "-I", address)
        must(answer is None, f"{interface} of {pod.name} -> {target}: {answer}")
    must_equal(pod.node.agent.status()["kernel"]["spoofed_packets"], before, "spoofed packets")


def check_weftctl(cluster, far):
    node = cluster.nodes[0]
    pod = node.pod("plain")
    be_strict(pod)
    for interface in ("eth0", "eth1", "eth2"):
        node.run("weftctl", "attach", pod.path, "--ifname", interface)
        must_equal(way_to(pod, OUTSIDE), "eth0", f"the way out once {interface} is there")
        must_equal(way_to(pod, far.address), "eth0", f"the way to pods once {interface} is there")
    for interface in ("eth0", "eth1", "eth2"):
        must_reach(cluster, far, pod, interface)
    listed = sorted((p["ifname"], p["ip"]) for p in node.agent.status("pods")["pods"]
                    if p["netns"] == pod.path)
    must_equal(listed, [(i, address_of(pod, i)) for i in ("eth0", "eth1", "eth2")], "weftctl pods")
    step("three interfaces of one namespace")

    done = node.run("weftctl", "attach", pod.path, "--ifname", "eth1", check=False)
    must(done.returncode == 1 and "weftctl detach plain-plain --ifname eth1" in done.stderr,
         f"eth1 once more: {done.stderr}")
    old = address_of(pod, "eth2")
    for _ in range(3):  # what an interface leaves behind does not pile up, and is in nobody's way
        node.run("weftctl", "detach", pod.path, "--ifname", "eth2")
        node.run("weftctl", "attach", pod.path, "--ifname", "eth2")
    must(address_of(pod, "eth2") != old, f"{old} did not rest")
    must_reach(cluster, far, pod, "eth2")
    must_equal(rules(pod), sorted(f"from {address_of(pod, i)} lookup {table} proto 87"
                                  for i, table in (("eth1", 8701), ("eth2", 8702))), "rules")
    step("attached again")

    node.run("weftctl", "detach", pod.path, "--ifname", "eth0")
    must_equal(way_to(pod, OUTSIDE), "eth1", "the way out without eth0")
    answer = probe.ping(pod, far.address)
    must(answer is None, f"{pod.name} without eth0 -> {far.name}: {answer}")
    must_reach(cluster, far, pod, "eth1")
    node.run("weftctl", "attach", pod.path)
    must_reach(cluster, far, pod, "eth0")
    must_equal(way_to(pod, OUTSIDE), "eth1", "the way out when eth0 comes last")
    step("the second takes over from the first")


def check_foreign(cluster, far):
    """eth0 and the default route are another network's: it keeps all but the way to pods."""
    node = cluster.nodes[0]
    pod = node.pod("foreign")
    be_strict(pod)
    other = node.pod("other")
    node.ip(f"link add eth0 netns {pod.name} type veth peer name eth0 netns {other.name}")
    other.ip(f"addr add {FOREIGN}.1/24 dev eth0\nlink set eth0 up")
    pod.ip(f"""addr add {FOREIGN}.2/24 dev eth0
               link set eth0 up
               route add default via {FOREIGN}.1 metric 100""")
    node.run("weftctl", "attach", pod.path, "--ifname", "net1")
    must_equal(way_to(pod, OUTSIDE), "eth0", "the way out")
    must_equal(way_to(pod, far.address), "net1", "the way to pods")
    answer = probe.ping(pod, far.address)
    must(answer is None, f"{pod.name} -> {far.name}: {answer}")
    must_reach(cluster, far, pod, "net1")
    node.run("weftctl", "attach", pod.path, "--ifname", "net2")
    must_equal((way_to(pod, OUTSIDE), way_to(pod, far.address)), ("eth0", "net1"), "ways")
    must_reach(cluster, far, pod, "net2")
    node.run("weftctl", "detach", pod.path, "--ifname", "net1")
    must_equal((way_to(pod, OUTSIDE), way_to(pod, far.address)), ("eth0", "net2"), "ways")
    step("beside another network")


def check_cni(cluster, far):
    """One container id, two interfaces: a DEL of one is not the other's."""
    pod = cluster.nodes[0].pod("multus").attach()
    code, result = pod.cni("ADD", CNI_IFNAME="net1")
    must_equal(code, 0, f"ADD of net1: {result}")
    must_equal(result["ips"][0]["address"], f"{address_of(pod, 'net1')}/32", "the address")
    must_reach(cluster, far, pod, "eth0")
    must_reach(cluster, far, pod, "net1")
    code, result = pod.cni("DEL", CNI_IFNAME="net1")
    must_equal((code, pod.link("eth0") is None), (0, False), f"DEL of net1: {result}")
    must_reach(cluster, far, pod, "eth0")
    step("by CNI")


def test():
    with Cluster(2) as cluster:
        far = cluster.nodes[1].pod("far").attach()
        check_weftctl(cluster, far)
        check_foreign(cluster, far)
        check_cni(cluster, far)


if __name__ == "__main__":
    check.main(test)
