#!/usr/bin/env python3
# weft-test: name=kernel time=120 needs=root tier=normal build=gcc
"""The kernel side of io/ on real namespaces, without core and agent: two nodes and their pods are
programmed by test/rig/kernel_test.c with CAP_NET_ADMIN alone, no_new_privs and a read-only
/proc/sys, from ip_forward=0. What it makes works; a second pass sends nothing; what others
change is heard, mended and said; what is replaced loses no packet."""

import json
import os
import subprocess

import check
import probe
from check import must, must_equal, step
from kernel_node import METRIC_LAST, MTU, Driver, KernelNode, Peer
from node import OUTSIDE, RANGE
from rig import Rig

SPOOFED = "10.32.0.50"  # in the block of n1, of no pod


def confined(kernel):
    with open(f"/proc/{kernel.driver.process.pid}/status") as f:
        status = f.read()
    for line in ("CapEff:\t0000000000001000", "NoNewPrivs:\t1"):
        must(line in status, f"kernel_test does not run with {line}")
    must_equal(kernel.node.sysctl("net/ipv4/ip_forward"), "0", "ip_forward")


# ---- what is made

def check_pass(kernels):
    for kernel in kernels:
        kernel.peers = [Peer(other.node) for other in kernels if other is not kernel]
        kernel.want()
        report = kernel.good_pass()
        must(report["sent"] > 0 and report["repaired"] == 0, f"first pass: {report}")
        kernel.quiet_pass("after the first")
        kernel.attach("a")
        kernel.quiet_pass("after a pod was wired")
        kernel.attach("b")
        kernel.quiet_pass("after another one was")


def pairs(r, kernels):
    """The matrix of the rig, with addresses known here."""
    pods = [pod for kernel in kernels for pod in kernel.pods]
    targets = [(pod.address, pod.name) for pod in pods]
    for kernel in kernels:
        targets += [(kernel.address, kernel.node.name), (kernel.overlay, f"{kernel.node.name}*")]
    targets.append((OUTSIDE, "outside"))
    every = [(pod, address, what) for pod in pods for address, what in targets
             if address != pod.address]
    return every + [(node, pod.address, pod.name) for node in r.nodes for pod in pods]


def check_sources(r, kernels):
    """Who is seen: a pod by pods and, masqueraded, by what is outside the range; a node by its
    address in the range."""
    first, second = kernels
    pod, far = first.pods[0], second.pods[0]
    for place, server, address, want in (
            (pod, far, far.address, pod.address),
            (first.node, far, far.address, first.overlay),
            (pod, second.node, second.overlay, pod.address),
            (pod, second.node, second.address, first.address),
            (pod, r.outside, OUTSIDE, "198.51.100.21")):
        process = probe.start_server(server, "tcp", server.name, 7080)
        try:
            seen = probe.ask(place, address, 7080)["client"]
        finally:
            probe.stop(process)
        must_equal(seen, want, f"whom {server.name} sees when {place.name} asks {address}")


def check_masquerade_nodes(kernels):
    """--no-masquerade-nodes: other nodes see a pod's own address. One change of the rules, none
    of the sets."""
    first, second = kernels
    capture = second.node.popen("tcpdump", "-lnni", "eth0", "-c1", f"icmp and dst {second.address}",
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    must(b"listening" in capture.stderr.readline() + capture.stderr.readline(), "tcpdump")
    first.settings["masquerade_nodes"] = 0
    first.want()
    must(first.good_pass()["sent"] > 0, "other rules were not sent")
    probe.ping(first.pods[0], second.address, 1)
    seen = probe.wait_line(capture, 30, "tcpdump")
    probe.stop(capture)
    capture.stderr.close()
    must(f"{first.pods[0].address} > {second.address}" in seen, f"n2 saw {seen}")
    first.settings["masquerade_nodes"] = 1
    first.want()
    first.good_pass()


def check_segments(kernels):
    """A pod that believes in more than fits the tunnel is told so in its TCP handshake."""
    first, second = kernels
    pod, far = first.pods[0], second.pods[0]
    capture = far.popen("tcpdump", "-lnni", "eth0", "-c1", "tcp[tcpflags] & tcp-syn != 0",
                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    must(b"listening" in capture.stderr.readline() + capture.stderr.readline(), "tcpdump")
    first.node.ip(f"link set {pod.host_if} mtu 1500")
    pod.ip("link set eth0 mtu 1500")
    server = probe.start_server(far, "tcp", far.name, 7080)
    probe.ask(pod, far.address, 7080)
    probe.stop(server)
    seen = probe.wait_line(capture, 30, "tcpdump")
    probe.stop(capture)
    capture.stderr.close()
    must(f"mss {MTU - 40}" in seen, f"a SYN through the tunnel: {seen}")
    first.node.ip(f"link set {pod.host_if} mtu {MTU}")
    pod.ip(f"link set eth0 mtu {MTU}")


def check_unreachable(kernels):
    """An address of the range that nobody owns goes nowhere, least of all through the default
    route."""
    done = kernels[0].pods[0].run("ping", "-n", "-c1", "-W1", "10.47.255.1", check=False)
    must("Unreachable" in done.stdout, f"ping to nobody's address: {done.stdout}")


# ---- what pods must not do

def send_udp(place, address, port):
    place.run("bash", "-c", f"echo x >/dev/udp/{address}/{port}")


def check_guards(r, kernels):
    first, second = kernels
    pod = first.pods[0]
    before = first.good_pass()["spoofed"]
    pod.ip(f"addr add {SPOOFED}/32 dev eth0")
    must(probe.ping(pod, second.pods[0].address, 1, "-I", SPOOFED), "a spoofed ping was answered")
    must(first.good_pass()["spoofed"] > before, "spoofed packets were not counted")
    counted = first.good_pass()["spoofed"]

    drops = first.node.drop_counters()
    send_udp(pod, first.address, 6785)
    send_udp(pod, second.address, 6785)
    must_equal(first.node.drop_counters()["vxlan_from_pods"], drops["vxlan_from_pods"] + 2,
               "VXLAN from a pod")
    send_udp(r.outside, first.address, 6785)
    must_equal(first.node.drop_counters()["vxlan_not_member"], drops["vxlan_not_member"] + 1,
               "VXLAN from an outsider")

    # The table is the second line: without it the filter of the host end holds, and the counters
    # go on where they were when it comes back.
    first.node.run("nft", "delete", "table", "inet", "weft")
    must(probe.ping(pod, second.pods[0].address, 1, "-I", SPOOFED), "rp_filter lets it through")
    must_equal(first.good_pass()["spoofed"], counted, "the counter after the table was put back")
    pod.ip(f"addr del {SPOOFED}/32 dev eth0")


# ---- what others change

def check_drift_of_routes(kernel, peer):
    node, pod = kernel.node, kernel.pods[0]
    block = f"10.32.0.{peer.block}/26"
    metric = (peer.block // 64 + 1) * 32 + 26
    tunnel = "dev weft-vx"
    for what, command in (
            (f"route to {block} gone (deleted by another program)", f"route del {block}"),
            (f"route to {block}", f"route replace {block} metric {metric} via {peer.next_hop} "
             f"{tunnel} onlink proto static"),
            (f"route to {block} changed", f"route replace {block} metric {metric} "
             f"{tunnel} proto 87"),
            (f"route to 10.40.0.0/16 added", f"route add 10.40.0.0/16 {tunnel} proto 87"),
            (f"unreachable route {RANGE} gone", f"route del unreachable {RANGE} metric "
             f"{METRIC_LAST}"),
            (f"route to {pod.address}/32 gone", f"route del {pod.address}"),
            (f"neighbour {pod.address}", f"neigh del {pod.address} dev {pod.host_if}"),
            (f"neighbour {peer.next_hop}", f"neigh del {peer.next_hop} {tunnel}"),
            (f"neighbour {peer.next_hop}", f"neigh replace {peer.next_hop} lladdr "
             f"02:00:00:00:00:77 {tunnel} nud permanent"),
            (f"neighbour 169.254.9.9", f"neigh add 169.254.9.9 lladdr 02:00:00:00:00:77 {tunnel} "
             "nud permanent"),
            (f"address {kernel.overlay}/32 gone", f"addr del {kernel.overlay}/32 {tunnel}"),
            (f"address 10.99.0.1/32 added", f"addr add 10.99.0.1/32 {tunnel}"),
            (f"address 10.99.0.2/32 added", f"addr add 10.99.0.2/32 dev {pod.host_if}")):
        kernel.must_mend(what, lambda: node.ip(command))
    for what, command in (
            (f"forwarding entry {peer.vtep}", f"fdb del {peer.vtep} {tunnel}"),
            (f"forwarding entry {peer.vtep}", f"fdb replace {peer.vtep} {tunnel} dst 192.168.56.99 "
             "self permanent"),
            ("forwarding entry 02:00:00:00:00:66", f"fdb add 02:00:00:00:00:66 {tunnel} "
             "dst 192.168.56.99 self permanent")):
        kernel.must_mend(what, lambda: node.run("bridge", *command.split()))


def check_drift_of_links(kernel):
    node, pod = kernel.node, kernel.pods[0]
    for what, command in (
            ("MTU of weft-vx", "link set weft-vx mtu 1400"),
            ("MAC of weft-vx", "link set weft-vx address 02:00:00:00:00:55"),
            ("state 'up' of weft-vx", "link set weft-vx down"),
            ("tunnel weft-vx gone", "link del weft-vx"),
            (f"host end {pod.host_if}: state 'up'", f"link set {pod.host_if} down")):
        kernel.must_mend(what, lambda: node.ip(command))
    kernel.must_mend(f"host end {pod.host_if}: alias",
                     lambda: node.ip(f"link set {pod.host_if} alias other"), heard=False)
    for what, key, value in (
            ("forwarding of eth1 switched off", "net/ipv4/conf/eth1/forwarding", 0),
            ("forwarding of eth0 switched off", "net/ipv4/conf/eth0/forwarding", 0),
            ("forwarding or source check of weft-vx", "net/ipv4/conf/weft-vx/forwarding", 0),
            ("forwarding or source check of weft-vx", "net/ipv4/conf/weft-vx/rp_filter", 1),
            (f"host end {pod.host_if}: forwarding or source check",
             f"net/ipv4/conf/{pod.host_if}/rp_filter", 0)):
        kernel.must_mend(what, lambda: node.sysctl(key, value))

    # What a script of the host may well do: the value for all sets every device's.
    node.sysctl("net/ipv4/ip_forward", 1)
    kernel.must_mend("forwarding of eth0 switched off",
                     lambda: node.sysctl("net/ipv4/ip_forward", 0))


def check_drift_of_table(kernel, peer):
    node, pod = kernel.node, kernel.pods[0]

    def handle(comment):
        return next(i["rule"]["handle"] for i in node.weft_table()
                    if "rule" in i and comment in i["rule"].get("comment", ""))
    table = "inet weft"
    for what, command in (
            ("gone .deleted by", f"delete table {table}"),
            ("rule 'not the pod's own address", "delete rule inet weft from_pods handle "
             f"{handle('not the pod')}"),
            ("rule '.*added", f"insert rule {table} forward accept"),
            ("rule '127.0.0.0/8", "replace rule inet weft prerouting handle {} accept"),
            ("policy", f"add chain {table} forward {{ policy drop; }}"),
            ("chain mine added", f"add chain {table} mine"),
            ("set mine", f"add set {table} mine {{ type ipv4_addr; }}"),
            ("flags", f"add table {table} {{ flags dormant; }}"),
            (f"{pod.address} of {pod.host_if} gone",
             f"delete element {table} pods {{ {pod.host_if} . {pod.address} }}"),
            (f"{peer.address} gone from set members",
             f"delete element {table} members {{ {peer.address} }}")):
        if "{}" in command:
            command = command.format(handle("127.0.0.0/8"))
        elif "from_pods" in command:
            command = f"delete rule inet weft from_pods handle {handle('not the pod')}"
        kernel.must_mend(what, lambda: node.nft(command), f"table inet weft.*{what}.*->")

    # An element too many is taken out again, without the whole table being written.
    kernel.drain()
    node.nft(f"add element {table} members {{ 192.168.56.99 }}")
    kernel.wait_news("drift")
    must_equal(kernel.good_pass()["sent"], 1, "messages that take one element out")

    # Other tables are none of our business, and nobody's rules but ours are touched.
    kernel.quiet_pass("before another table comes")
    node.nft("add table ip other\nadd chain ip other input { type filter hook input priority 0; }")
    must(not kernel.news(100)["drift"], "somebody else's table was taken for ours")
    kernel.quiet_pass("beside another table")
    must("ip other" in node.run("nft", "list", "tables"), "another table went away")


# ---- what we change

def check_changes(kernels):
    """Each of these under a stream that must lose nothing."""
    first, second = kernels
    other = f"10.32.0.{first.block + 40}"
    base, halves = first.overlay, [f"10.32.0.{second.block}/27", f"10.32.0.{second.block + 32}/27"]
    with probe.Stream(first.pods[0], second.pods[0]) as stream:
        for overlay in (other, base, other, base):
            first.overlay = overlay
            first.want()
            must(first.good_pass()["repaired"] == 0, "a change of ours taken for drift")
            first.quiet_pass("after the node's address changed")
        for routes in ([Peer(second.node).route(half, 40 + i, base)
                        for i, half in enumerate(halves)], None):
            first.routes = routes
            first.want()
            first.good_pass()
        for mtu in (1400, MTU):
            first.tunnel["mtu"] = mtu
            first.want()
            must(first.good_pass()["repaired"] == 0, "a change of ours taken for drift")
        for masquerade in (0, 1):
            first.settings["masquerade"] = masquerade
            first.want()
            must(first.good_pass()["repaired"] == 0, "a change of ours taken for drift")
        first.restart()
        first.quiet_pass("of a new process")
        stream.wait_more(300)
        must_equal(stream.end()["lost"], 0, "lost while wants changed and the process was killed")


def check_kept(kernel):
    """What belongs to a peer that was not heard of stays, with all that it needs; what is another's
    goes, though it is in the same block."""
    node, peer = kernel.node, kernel.peers[0]
    gone = "02:99:00:00:00:77"

    def held():
        return (node.run("ip", "-4", "route", "show", "proto", "87", "dev", "weft-vx") +
                node.run("ip", "-4", "neigh", "show", "nud", "permanent", "dev", "weft-vx") +
                node.run("bridge", "fdb", "show", "dev", "weft-vx") +
                node.run("nft", "list", "set", "inet", "weft", "members"))
    before = held()
    half = f"route 10.32.0.{peer.block}/28 777 169.254.7.77 -"
    kernel.want(f"peer {gone} 192.168.56.77 169.254.7.77", half,
                "route 10.32.6.0/26 778 169.254.7.77 -")
    kernel.good_pass()
    must(held().count("169.254.7.77") == 3 and held().count("192.168.56.77") == 2,
         f"of the second peer there is: {held()}")
    peers, kernel.peers = kernel.peers, []
    keep = f"keep 10.32.0.{peer.block}/26 {peer.next_hop}"
    for what in ("of the same process", "of a new process"):
        kernel.want(keep)
        kernel.good_pass()
        must_equal(held(), before, "what is kept")
        kernel.quiet_pass(f"{what} that keeps a way")
        kernel.driver.kill()
        kernel.driver = Driver(node, kernel.log)
    kernel.peers = peers
    kernel.want()
    kernel.good_pass()
    kernel.quiet_pass("after the peer was heard of")
    must_equal(held(), before, "after the peer was heard of")


def check_peers(kernel):
    """Peers stay while there is no ledger, and go when there is one; a VNI needs another
    device."""
    peers, kernel.peers = kernel.peers, []
    kernel.settings["peers_known"] = 0
    kernel.want()
    must_equal(kernel.good_pass()["sent"], 0, "messages without a ledger")
    kernel.settings["peers_known"] = 1
    kernel.want()
    # route, neighbour, forwarding entry and member
    must_equal(kernel.good_pass()["sent"], 4, "messages that take a peer away")
    must_equal(kernel.node.json("bridge", "-j", "fdb", "show", "dev", "weft-vx"), [], "entries")
    kernel.peers = peers
    kernel.want()
    must_equal(kernel.good_pass()["sent"], 4, "messages that add a peer")
    kernel.want(f"peer {peers[0].vtep} 192.168.56.77 169.254.7.77")
    kernel.good_pass()
    kernel.quiet_pass("with two peers of one MAC")
    kernel.want()
    for vni in (99, 6785):
        kernel.tunnel["vni"] = vni
        kernel.want()
        kernel.good_pass()
        link = kernel.node.json("ip", "-j", "-d", "link", "show", "weft-vx")[0]
        must_equal(link["linkinfo"]["info_data"]["id"], vni, "VNI")
        kernel.quiet_pass("after the tunnel was made anew")


def check_small(kernel):
    """Below 1280 bytes a link has no IPv6, and the kernel refuses settings of it."""
    kernel.node.ip("link del weft-vx")
    kernel.tunnel["mtu"] = 1200
    kernel.want()
    kernel.good_pass()
    pod = kernel.add_pod("s")
    must(kernel.wire(pod, mtu=1200).startswith("ok"), "a pod with a small MTU")
    kernel.want()
    kernel.quiet_pass("with a small MTU")
    must(kernel.driver.call(f"unwire {pod.host_if}").startswith("ok"), "unwire")
    kernel.pods.remove(pod)
    kernel.tunnel["mtu"] = MTU
    kernel.want()
    kernel.good_pass()


def check_foreign_link(kernel):
    """A link that has our name and is not ours is not touched, and the report says so, once."""
    kernel.node.ip("link del weft-vx")
    kernel.node.ip("link add weft-vx type bridge")
    for _ in range(2):
        report = kernel.make_pass()
        must(report["failed"] >= 1 and "bridge" in report["text"], f"a bridge weft-vx: {report}")
    said = [line for line in kernel.driver.lines() if "bridge" in line]
    must_equal(len(said), 1, f"lines about it: {said}")
    must_equal(kernel.node.json("ip", "-j", "-d", "link", "show", "weft-vx")[0]["linkinfo"]
               ["info_kind"], "bridge", "what weft-vx is")
    kernel.node.ip("link del weft-vx")
    kernel.good_pass()
    kernel.quiet_pass("after the bridge went away")


# ---- wiring

def has_link(place, name):
    return place.run("ip", "link", "show", name, check=False).returncode == 0


def must_refuse(kernel, pod, words, **how):
    links = kernel.node.weft_links()
    answer = kernel.wire(pod, **how)
    must(answer.startswith("error") and words in answer, f"expected '{words}', got '{answer}'")
    must_equal(kernel.node.weft_links(), links, f"links after '{answer}'")


def check_wiring(kernel):
    pod, known = kernel.add_pod("c"), kernel.pods[0]
    kernel.want()
    own = f"/proc/{kernel.node.holder.pid}/ns/net"
    must_refuse(kernel, pod, "the node's own", netns=own, route_netns=own)
    must_refuse(kernel, pod, "not of the pod's", route_netns=kernel.node.root(known.path))
    must_refuse(kernel, pod, "exists already on the node", host_if=known.host_if)
    must_refuse(kernel, known, "eth0 exists already in the pod's", host_if="wf0123456789ab")
    pod.ip("link add gw type veth peer name gw2\nlink set gw up\naddr add 10.9.9.1/24 dev gw\n"
           "route add default via 10.9.9.2 metric 4294967295")  # nothing comes behind it
    must_refuse(kernel, pod, "the default route")
    must(not has_link(pod, "eth0"), "eth0 was left behind")
    pod.ip("link del gw")
    must(kernel.wire(pod).startswith("ok"), "the pod after the refusals")
    must(kernel.wire(pod, replace=1).startswith("ok"), "the same pod again")
    probe.must_all_answer([(pod, known.address, known.name), (kernel.node, pod.address, pod.name)])
    # The node's address is about to change: the route comes without it, the next pass sets it.
    must(kernel.wire(pod, replace=1, node_ip="10.32.0.61").startswith("ok"), "an address not there")
    must(kernel.good_pass()["sent"] >= 1, "the route's source was not set")
    listed = sorted(map(tuple, kernel.driver.ask("pods")))
    must_equal(listed, sorted((p.host_if, p.container_id, "eth0", p.address, MTU)
                              for p in kernel.pods), "pods found in the kernel")


def check_unwiring(kernel):
    pod = kernel.pods.pop()
    kernel.want()
    kernel.drain()
    must(kernel.driver.call(f"unwire {pod.host_if}").startswith("ok"), "unwire")
    news = kernel.wait_news("pods")
    must_equal(news["gone"], [pod.host_if], "host ends heard to be gone")
    must(not news["drift"], "the end of a pod was taken for drift")
    must(kernel.driver.call(f"unwire {pod.host_if}").startswith("ok"), "unwire of what is gone")
    must(not has_link(pod, "eth0"), "the pod kept its eth0")
    must_equal(kernel.good_pass()["sent"], 1, "messages that take the pod's address out of the set")

    # The runtime removes the namespace first: the host end goes by itself.
    pod = kernel.attach("d")
    kernel.drain()
    pod.remove_netns()
    must_equal(kernel.wait_news("pods")["gone"], [pod.host_if], "host ends heard to be gone")
    kernel.pods.remove(pod)
    kernel.want()
    kernel.good_pass()
    kernel.quiet_pass("after pods went away")


def check_many_unwired(kernel, count=32):
    """Barriers overlap: all at once takes about as long as one."""
    pods = [kernel.node.pod(f"many-{i}") for i in range(count)]
    for i, pod in enumerate(pods):
        pod.address, pod.mac = f"10.32.9.{i}", f"02:aa:00:00:09:{i:02x}"
        pod.host_if = f"wf9999999999{i:02x}"
    wired = [int(kernel.wire(pod).split()[1]) for pod in pods]
    one = int(kernel.driver.call(f"unwire {pods[0].host_if}").split()[1])
    rest = int(kernel.driver.call("unwire " + " ".join(p.host_if for p in pods[1:])).split()[1])
    step(f"wire {sorted(wired)[count // 2]} us (median), unwire one {one} us, "
         f"{count - 1} at once {rest} us")
    for pod in pods:
        pod.remove_netns()
    kernel.good_pass()


# ---- the host, and size

def check_host(kernel, peer):
    node = kernel.node
    by_peer = kernel.underlay(peers=[peer.address])
    must_equal((by_peer["ip"], by_peer["dev"], by_peer["mtu"]), (kernel.address, "eth0", 1500),
               "underlay")
    must("10.0.2.15 on eth1" in by_peer["text"], f"who was passed over: {by_peer['text']}")
    must_equal(kernel.underlay(peers=[])["ip"], "10.0.2.15", "underlay without peers")
    must_equal(kernel.underlay(iface="eth0", peers=[])["ip"], kernel.address, "--iface")
    must_equal(kernel.underlay(node_ip="10.0.2.15")["dev"], "eth1", "--node-ip")
    for how in ({"node_ip": "192.0.2.1"}, {"iface": "eth7"}, {"node_ip": kernel.overlay}):
        must(not kernel.underlay(**how)["have"], f"an underlay for {how}")

    must_equal(kernel.driver.call(f"overlap {RANGE}"), "ok", "overlap with what is ours")
    for route in ("10.33.0.0/16", "10.0.0.0/8"):
        node.ip(f"route add {route} dev eth1")
        answer = kernel.driver.call(f"overlap {RANGE}")
        must(f"{route} on eth1" in answer and "--allow-overlap" in answer, f"overlap: {answer}")
        node.ip(f"route del {route} dev eth1")

    facts = kernel.driver.ask(f"facts {by_peer['index']}")
    must_equal((facts["mac"], facts["machine"]), (node.macs[0], f"{node.number:032x}"), "facts")
    must(facts["cookie"] > 0 and len(facts["boot"]) == 36, f"facts: {facts}")
    must_equal([kernel.driver.call(f"memory {path}") for path in ("/run", "/proc")],
               ["memory", "disk"], "file systems")


def check_size(r):
    """Messages grow with the peers and nothing else does; seconds are told, not judged."""
    times = {}
    for count in (1000, 5000):
        node = r.add_node(len(r.nodes) + 1)
        kernel = KernelNode(node, r.logs)
        kernel.want(f"peers {count}")
        first = kernel.good_pass()
        times[count] = first["us"] / 1000
        # A peer is a route, a neighbour and a forwarding entry; a thousand members are a message.
        fixed = first["sent"] - 3 * count - count // 1000
        must(0 < fixed < 60, f"{count} peers took {first['sent']} messages")
        quiet = kernel.quiet_pass(f"with {count} peers")
        kernel.want(f"peers {count - 1}")
        must_equal(kernel.good_pass()["sent"], 4, f"messages that take one of {count} away")
        step(f"{count} peers: {times[count]:.0f} ms, {quiet['us'] / 1000:.0f} ms to find nothing")
        kernel.driver.end()
    step(f"5 times the peers took {times[5000] / times[1000]:.1f} times as long")


def test():
    with Rig(2) as r:
        kernels = [KernelNode(node, r.logs) for node in r.nodes]
        try:
            run(r, kernels)
        except BaseException:
            for kernel in kernels:
                print(f"--- {kernel.node.name}", *kernel.driver.lines()[-30:], sep="\n")
            raise


def check_masquerade_is_named(kernel):
    """The chain sees the host's own traffic, IPv6 included: only the range may lose its source."""
    rules = kernel.node.run("nft", "list", "chain", "inet", "weft", "postrouting").splitlines()
    masquerading = [line for line in rules if "masquerade" in line]
    must(masquerading, "nothing is masqueraded")
    for line in masquerading:
        must("ip saddr 10.32.0.0/12" in line, f"masquerades more than the range: {line.strip()}")


def run(r, kernels):
    first, second = kernels
    confined(first)
    check_pass(kernels)
    answered = probe.must_all_answer(pairs(r, kernels))
    step(f"{answered} pings, with CAP_NET_ADMIN alone and ip_forward=0")
    check_sources(r, kernels)
    check_masquerade_is_named(first)
    check_masquerade_nodes(kernels)
    check_segments(kernels)
    check_unreachable(kernels)
    check_guards(r, kernels)
    step("sources, segments, guards")
    check_drift_of_routes(first, second)
    step("routes mended")
    check_drift_of_links(first)
    step("links mended")
    check_drift_of_table(first, second)
    step("table mended")
    check_changes(kernels)
    step("changes of ours lose nothing")
    check_kept(first)
    check_peers(first)
    check_small(first)
    check_foreign_link(first)
    check_wiring(first)
    check_unwiring(first)
    check_many_unwired(first)
    probe.must_all_answer(pairs(r, kernels))
    check_host(first, second)
    for kernel in kernels:
        kernel.driver.end()
    check_size(r)


if __name__ == "__main__":
    check.main(test, agents=False)
