#!/usr/bin/env python3
# weft-test: name=spoof time=120 needs=root tier=normal build=gcc
"""A hostile pod sends with another pod's address and MAC, claims others' addresses by ARP, and
sends VXLAN to the nodes' port. The victims lose nothing, nothing arrives, the sender receives
nothing, and a counter in `inet weft` says so. At the end the guards are taken away and the same
packets must arrive: else this test would not have seen them before either."""

import json
import subprocess

import check
import probe
from check import Cluster, must, must_equal, step
from space import wait_until

COUNT = 500
PORT = 7100
VXLAN_PORT = 6785
VNI = 6785
GATEWAY = "169.254.1.1"


class Listener:
    """Counts frames with the token, and those for the given addresses, while it is open."""

    def __init__(self, place, interface, *addresses):
        self.process = place.popen(*probe.python("spoof"), "listen", interface, *addresses,
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        probe.wait_line(self.process, 30, f"listener in {place.name}")

    def end(self):
        self.process.stdin.close()
        counts = json.loads(probe.wait_line(self.process, 30, "listener"))
        probe.stop(self.process)
        return counts


def spoof(place, *arguments):
    place.run(*probe.python("spoof"), *arguments)


def drops(node):
    """Packets counted by the rules of `inet weft` that drop."""
    return sum(node.drop_counters().values())


class Scene:
    """n1-a is hostile. Victims: n1-b beside it, n2-a elsewhere. n3-a is who is written to."""

    def __init__(self, cluster):
        self.cluster = cluster
        n1, n2, n3 = cluster.nodes
        self.attacker, self.beside = n1.pods["n1-a"], n1.pods["n1-b"]
        self.remote, self.goal = n2.pods["n2-a"], n3.pods["n3-a"]
        self.victims = [self.beside, self.remote]
        self.gateway_mac = next(n["lladdr"] for n in self.attacker.json(
            "ip", "-j", "neigh", "show", "dev", "eth0") if n["dst"] == GATEWAY)
        self.vtep_macs = {node.name: node.json("ip", "-j", "link", "show", "weft-vx")[0]["address"]
                          for node in cluster.nodes}

    def send_as(self, victim):
        spoof(self.attacker, "udp", "eth0", self.gateway_mac, victim.link("eth0")["address"],
              victim.address, self.goal.address, PORT, COUNT)

    def claim(self, victim):
        spoof(self.attacker, "arp", "eth0", self.attacker.link("eth0")["address"], victim.address,
              COUNT // 10)

    def send_vxlan(self, place, node, target):
        """A frame for `target` as if it came from a peer, wrapped and sent to node's port."""
        spoof(place, "vxlan", node.address, VXLAN_PORT, VNI, self.vtep_macs[node.name],
              self.remote.address if target is not self.remote else self.goal.address,
              target.address, PORT, COUNT)

    def attack(self):
        """Everything at once. Returns what the listeners counted."""
        n1, n2, _ = self.cluster.nodes
        listeners = [Listener(pod, "eth0") for pod in (self.goal, self.beside, self.remote)]
        own = Listener(self.attacker, "eth0", *[victim.address for victim in self.victims])
        for victim in self.victims:
            self.send_as(victim)
            self.claim(victim)
        self.send_vxlan(self.attacker, n1, self.beside)
        self.send_vxlan(self.attacker, n2, self.remote)
        self.send_vxlan(self.cluster.outside, n1, self.beside)
        return [listener.end()["tokens"] for listener in listeners], own.end()


def check_guarded(scene):
    n1, n2, _ = scene.cluster.nodes
    before = {node.name: drops(node) for node in scene.cluster.nodes}
    told = n1.agent.status()["kernel"]["spoofed_packets"]
    with probe.Stream(scene.beside, scene.goal) as near, \
            probe.Stream(scene.remote, scene.goal, port=7001) as far:
        arrived, own = scene.attack()
        for stream in (near, far):
            stream.wait_more(200)
            must_equal(stream.end()["lost"], 0, f"lost by a victim, {stream.name}")
    must_equal(arrived, [0, 0, 0], "forged packets at n3-a, n1-b, n2-a")
    must_equal(own, {"tokens": 0, "for_others": 0}, "what the sender received")
    # On n1: two forged sources, VXLAN from a pod to two nodes, VXLAN from outside.
    counted = drops(n1) - before["n1"]
    must(counted >= 5 * COUNT, f"counters of n1 rose by {counted}, {5 * COUNT} were sent")
    wait_until(lambda: n1.agent.count("kernel", "spoofed_packets") > told, 90,
               "weftctl status on n1 tells of spoofed packets")
    step(f"nothing arrived, nothing lost, {counted} counted on n1")


def check_unguarded(scene):
    """The same without table and rp_filter: now it must arrive, or the listeners are blind."""
    for node in scene.cluster.nodes:
        node.agent.stop()
        node.run("nft", "delete", "table", "inet", "weft")
        for name in ("all", *[link for link in node.weft_links()]):
            node.sysctl(f"net/ipv4/conf/{name}/rp_filter", 0)
    arrived, _ = scene.attack()
    must(all(arrived), f"without any guard only {arrived} arrived: this test cannot see")
    step(f"without guards {arrived} arrived: the listeners see")


def test():
    with Cluster(3) as cluster:
        pods = cluster.attach_pods(2)
        cluster.wait_connected()
        probe.must_all_answer([(pod, other.address, other.name) for pod in pods for other in pods
                               if pod is not other])
        scene = Scene(cluster)
        check_guarded(scene)
        check_unguarded(scene)


if __name__ == "__main__":
    check.main(test)
