#!/usr/bin/env python3
# weft-test: name=service time=120 needs=root tier=normal build=gcc
"""Services as kube-proxy makes them: DNAT with a mark for what must be masqueraded, in nft, on
every node, with bridge-nf-call-iptables 0 and 1 (kubeadm's guides set it to 1, and a bridged pod
network then loses pod -> ClusterIP -> pod on the same node)."""

import os

import check
import probe
from check import Cluster, Skip, must, must_equal, step
from node import RANGE

SERVICE_NET = "10.96.0"
PORT = 80
TARGET_PORT = 8080
NODE_PORT = 30080
BYTES = 100_000
BRIDGE_NF = "net/bridge/bridge-nf-call-iptables"


class Service:
    """One ClusterIP and one NodePort with one endpoint, so that each path can be asked for."""

    def __init__(self, number, pod):
        self.pod = pod
        self.name = pod.name.replace("-", "_")
        self.cluster_ip = f"{SERVICE_NET}.{10 + number}"
        self.node_port = NODE_PORT + number

    def chains(self):
        """svc_, ext_ and sep_ as KUBE-SVC, KUBE-EXT and KUBE-SEP: masquerade what comes from
        outside the cluster, what came by NodePort, and the endpoint that meets itself."""
        return f"""
            chain sep_{self.name} {{
                ip saddr {self.pod.address} meta mark set meta mark or 0x4000
                meta l4proto tcp dnat to {self.pod.address}:{TARGET_PORT}
            }}
            chain svc_{self.name} {{
                ip saddr != {RANGE} ip daddr {self.cluster_ip} meta mark set meta mark or 0x4000
                jump sep_{self.name}
            }}
            chain ext_{self.name} {{
                meta mark set meta mark or 0x4000
                jump svc_{self.name}
            }}"""

    def matches(self):
        return (f"ip daddr {self.cluster_ip} tcp dport {PORT} jump svc_{self.name}\n"
                f"fib daddr type local tcp dport {self.node_port} jump ext_{self.name}\n")


def rules(services):
    chains = "".join(service.chains() for service in services)
    matches = "".join(service.matches() for service in services)
    return f"""table ip kube {{
        {chains}
        chain services {{
            {matches}
        }}
        chain prerouting {{
            type nat hook prerouting priority dstnat
            jump services
        }}
        chain output {{
            type nat hook output priority -100
            jump services
        }}
        chain postrouting {{
            type nat hook postrouting priority srcnat
            meta mark and 0x4000 == 0 return
            meta mark set meta mark xor 0x4000
            masquerade fully-random
        }}
        chain forward {{
            type filter hook forward priority filter
            ct state invalid drop
            meta mark and 0x4000 == 0x4000 accept
            ct state related,established accept
        }}
    }}
    """


def add_bridge(node):
    """A container engine's bridge with something on it: br_netfilter does nothing without."""
    other = node.pod("engine")
    node.ip(f"""link add docker0 type bridge
                addr add 172.17.0.1/16 dev docker0
                link set docker0 up
                link add engine master docker0 type veth peer name eth0 netns {other.name}
                link set engine up""")
    other.ip("addr add 172.17.0.2/16 dev eth0\nlink set eth0 up")
    must(probe.ping(node, "172.17.0.2") is None, "the bridge beside Weft does not work")


def check_answer(place, address, port, pod, client=None):
    answer = probe.ask(place, address, port, BYTES)
    must_equal((answer["name"], answer["echoed"]), (pod.name, BYTES),
               f"{place.name} -> {address}:{port}")
    if client:
        must_equal(answer["client"], client, f"who asked, as {pod.name} sees it")


def check_paths(cluster, services):
    n1, n2, _ = cluster.nodes
    by_pod = {service.pod.name: service for service in services}
    asker = n1.pods["n1-a"]
    for name in ("n1-b", "n2-a", "n3-b"):
        service = by_pod[name]
        check_answer(asker, service.cluster_ip, PORT, service.pod, client=asker.address)
    check_answer(asker, by_pod["n1-a"].cluster_ip, PORT, asker)
    for name in ("n1-a", "n2-a", "n3-a"):
        service = by_pod[name]
        check_answer(n1, service.cluster_ip, PORT, service.pod)
        check_answer(n2, n1.address, service.node_port, service.pod)
        check_answer(n1, n1.address, service.node_port, service.pod)
        check_answer(asker, n2.address, service.node_port, service.pod)


def test():
    bridge_nf = os.path.exists(f"/proc/sys/{BRIDGE_NF}")
    with Cluster(3) as cluster:
        pods = cluster.attach_pods(2)
        cluster.wait_connected()
        servers = [probe.start_server(pod, "tcp", pod.name, TARGET_PORT) for pod in pods]
        services = [Service(number, pod) for number, pod in enumerate(pods)]
        for node in cluster.nodes:
            node.nft(rules(services))
            add_bridge(node)
        step("services on every node")
        for value in (0, 1) if bridge_nf else (None,):
            for node in cluster.nodes if bridge_nf else ():
                node.sysctl(BRIDGE_NF, value)
                must_equal(node.sysctl(BRIDGE_NF), str(value), BRIDGE_NF)
            check_paths(cluster, services)
            step(f"bridge-nf-call-iptables={value}: same node, other node, hairpin, node, NodePort")
        for server in servers:
            probe.stop(server)
    if not bridge_nf:
        raise Skip("br_netfilter is not loaded: everything passed without it, and could not be "
                   "run with bridge-nf-call-iptables=1")


if __name__ == "__main__":
    check.main(test)
