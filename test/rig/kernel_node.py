"""A node whose kernel is programmed by test/rig/kernel_test.c in the place of an agent, and the
want of a small cluster, as the core would say it."""

import ctypes
import json
import os
import shutil
import re
import socket

from check import build_directory, must, must_equal
from node import CONFINE, TOOLS, RANGE
from space import RigError, wait_until

ANSWER_MAX = 65536
CLONE_NEWNET = 0x40000000
MTU = 1450
METRIC_LAST = 4294967295


class Driver:
    """kernel_test, as confined as an agent. call("pass") is one datagram there and one back."""

    def __init__(self, node, log):
        self.node, self.log = node, log
        self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(30)
        # Through the tools: a node has a /tmp of its own, and the checkout may lie in the host's.
        program = os.path.join(TOOLS, "kernel_test")
        shutil.copy(os.path.join(build_directory(), "test", "rig", "kernel_test"),
                    os.path.join(node.tools, f"kernel_test.{os.getpid()}.{node.name}"))
        os.replace(os.path.join(node.tools, f"kernel_test.{os.getpid()}.{node.name}"),
                   os.path.join(node.tools, "kernel_test"))
        with open(log, "ab") as stderr:
            self.process = node.popen(*CONFINE, program, stdin=theirs, stderr=stderr)
        theirs.close()

    def call(self, text, descriptors=()):
        socket.send_fds(self.socket, [text.encode()], list(descriptors))
        answer = self.socket.recv(ANSWER_MAX).decode()
        if not answer:
            raise RigError(f"kernel_test on {self.node.name} ended with "
                           f"{self.process.wait(10)}; its last lines:\n{self.lines()[-10:]}")
        return answer

    def ask(self, text):
        return json.loads(self.call(text))

    def lines(self):
        with open(self.log, encoding="utf-8") as f:
            return f.read().splitlines()

    def kill(self):
        """kill -9, as an agent may die at any time."""
        self.process.kill()
        self.process.wait()
        self.socket.close()

    def end(self):
        self.socket.close()
        must_equal(self.process.wait(20), 0, f"how kernel_test on {self.node.name} ended")


def route_socket(netns):
    """What the shim does: a route socket inside a pod's namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    back = os.open("/proc/self/ns/net", os.O_RDONLY)
    try:
        if libc.setns(netns, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")
        try:
            return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        finally:
            if libc.setns(back, CLONE_NEWNET):
                os._exit(1)  # every later step would be in the wrong place
    finally:
        os.close(back)


class Peer:
    """What a node is to the others. Each has the blocks number-1 and 100+number-1 of the range."""

    def __init__(self, node):
        self.node, self.number, self.address = node, node.number, node.address
        self.vtep = f"02:99:00:00:00:{self.number:02x}"
        self.next_hop = f"169.254.7.{self.number}"
        self.block = (self.number - 1) * 64
        self.overlay = f"10.32.0.{self.block + 1}"

    def route(self, prefix, index, source):
        length = int(prefix.partition("/")[2])
        return f"route {prefix} {(index + 1) * 32 + length} {self.next_hop} {source}"


class KernelNode(Peer):
    """A node with a driver, and its want. Change the attributes, then want()."""

    def __init__(self, node, log_directory):
        super().__init__(node)
        self.log = os.path.join(log_directory, f"{node.name}.log")
        self.driver = Driver(node, self.log)
        self.peers, self.pods = [], []
        self.overlap = False
        self.routes = None  # None: one for each peer's block
        self.settings = {"masquerade": 1, "masquerade_nodes": 1, "peers_known": 1}
        self.tunnel = {"vni": 6785, "port": 6785, "mtu": MTU}
        found = self.underlay(node_ip=self.address)
        must(found["have"], f"no underlay: {found['text']}")
        self.device = found

    def underlay(self, node_ip="-", iface="-", peers=None):
        peers = [peer.address for peer in self.peers] if peers is None else peers
        return self.driver.ask(f"underlay {node_ip} {iface} {RANGE} {' '.join(peers)}")

    def lines_of_want(self):
        t, s = self.tunnel, self.settings
        yield "clear"
        yield (f"tunnel weft-vx {t['vni']} {t['port']} {self.vtep} {t['mtu']} {self.address} "
               f"{self.device['index']}")
        yield (f"range {RANGE} {self.overlay} {s['masquerade']} {s['masquerade_nodes']} "
               f"{s['peers_known']}")
        for peer in self.peers:
            yield f"peer {peer.vtep} {peer.address} {peer.next_hop}"
        yield from self.routes or [peer.route(f"10.32.0.{peer.block}/26", peer.block // 64,
                                              self.overlay) for peer in self.peers]
        yield f"route {RANGE} {METRIC_LAST} - -"
        yield f"route 10.32.0.{self.block}/26 {METRIC_LAST} - -"
        for pod in self.pods:
            yield f"pod {pod.host_if} {pod.address} {pod.mac} {pod.container_id}/eth0"

    def want(self, *more):
        must_equal(self.driver.call("\n".join([*self.lines_of_want(), *more, "want"])), "ok",
                   "want")

    def make_pass(self):
        return self.driver.ask("pass")

    def good_pass(self):
        report = self.make_pass()
        must_equal((report["failed"], report["text"]), (0, ""), f"pass of {self.node.name}")
        return report

    def quiet_pass(self, why):
        """A pass that finds everything as wanted sends nothing, and gives no reason for another."""
        self.drain()
        report = self.good_pass()
        must_equal((report["sent"], report["repaired"]), (0, 0), f"pass of {self.node.name} {why}")
        news = self.news()
        must(not (news["drift"] or news["underlay"] or news["pods"]),
             f"after a pass of {self.node.name} that sent nothing: {news}")
        return report

    def news(self, wait_ms=0):
        return self.driver.ask(f"events {wait_ms}")

    def drain(self):
        """Forget what the monitors hold."""
        while self.news()["any"]:
            pass

    def wait_news(self, kind):
        """Until the monitors say this; what else they say is lost."""
        return wait_until(lambda: next((n for n in [self.news(100)] if n[kind]), None), 30,
                          f"{kind} heard on {self.node.name}")

    # ---- pods

    def add_pod(self, letter):
        """A namespace that is wanted and not wired yet."""
        pod = self.node.pod(f"{self.node.name}-{letter}")
        number = ord(letter) - ord("a") + 2
        pod.address = f"10.32.0.{self.block + number}"
        pod.mac = f"02:aa:00:00:{self.number:02x}:{number:02x}"
        pod.host_if = f"wf{self.number:06x}{number:06x}"
        self.pods.append(pod)
        return pod

    def wire(self, pod, replace=0, netns=None, route_netns=None, **changed):
        """Answers "ok MICROSECONDS" or "error ERRNO TEXT"."""
        words = {"host_if": pod.host_if, "pod_if": "eth0", "alias": f"{pod.container_id}/eth0",
                 "ip": pod.address, "node_ip": self.overlay, "mtu": MTU,
                 "host_mac": "02:bb:00:00:00:01", "pod_mac": pod.mac} | changed
        namespace = os.open(netns or self.node.root(pod.path), os.O_RDONLY)
        inside = os.open(route_netns or self.node.root(pod.path), os.O_RDONLY)
        try:
            with route_socket(inside) as route:
                return self.driver.call(" ".join(map(str, ["wire", *words.values(), replace])),
                                        [namespace, route.fileno()])
        finally:
            os.close(namespace)
            os.close(inside)

    def attach(self, letter):
        pod = self.add_pod(letter)
        self.want()
        must(self.wire(pod).startswith("ok "), f"{pod.name} was not wired: {self.lines_tail()}")
        return pod

    def lines_tail(self):
        return self.driver.lines()[-5:]

    def restart(self):
        self.driver.kill()
        self.driver = Driver(self.node, self.log)
        self.want()

    # ---- drift

    def must_mend(self, what, change, line=None, heard=True):
        """`change` is another program's: heard, put back in one pass, and said."""
        self.drain()
        before = len(self.driver.lines())
        change()
        if heard:
            self.wait_news("drift")
        report = self.good_pass()
        must(report["repaired"] > 0 and report["sent"] > 0, f"{what}: not mended: {report}")
        said = self.driver.lines()[before:]
        pattern = line or f"{re.escape(what)}.* -> "
        must([l for l in said if l.startswith("warn ") and re.search(pattern, l)],
             f"{what}: no line with '{pattern}' among {said}")
        self.quiet_pass(f"after '{what}' was mended")
