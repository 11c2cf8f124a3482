#!/usr/bin/env python3
# weft-test: name=restart time=240 needs=root tier=normal build=gcc
"""What outlives what: an agent's restart and stop, a node's reboot, a lost disk, DEL while the
agent is away, and things that another program took away."""

import ipaddress

import check
import probe
from check import Cluster, fail_on_difference, must, must_equal, step
from space import NotYet, wait_until
from test_kill import check_books, everything


def own_blocks(node):
    return sorted(b["prefix"] for b in node.agent.status("ipam")["blocks"] if b["own"])


def check_continuity(cluster, pods):
    """Cut off from everybody, the agent serves on from its own blocks after a restart."""
    node = cluster.nodes[2]
    before, blocks = everything(cluster, pods), own_blocks(node)
    cluster.cut([node])
    node.agent.stop()
    cluster.start_agent(node)
    pod = node.pod("alone").attach()
    taken = [other.address for other in pods]
    must(pod.address not in taken, f"{pod.address} was given twice")
    must_equal(own_blocks(node), blocks, "blocks after a restart without anybody else")
    pod.remove()
    cluster.heal()
    node.agent.wait_ready()
    fail_on_difference(before, everything(cluster, pods), "after a restart in a partition")


def check_del_while_away(cluster):
    """DEL without an agent either succeeds or says "try again" (11). The namespace goes in any
    case, as runtimes do it, and the DEL that is tried again frees what is left."""
    node = cluster.nodes[1]
    pod = node.pod("leaver").attach()
    node.agent.stop()
    code, answer = pod.cni("DEL")
    must(code == 0 or answer["code"] == 11, f"DEL without an agent: {code}, {answer}")
    pod.remove_netns()
    cluster.start_agent(node)
    node.agent.wait_ready()
    for what in ("tried again", "of a pod that is unknown"):
        code, answer = pod.cni("DEL")
        must(code == 0, f"DEL {what} ended with {code}: {answer}")
    check_books(node)
    other = node.pod("successor").attach()
    must(other.address != pod.address, "an address was given again without a rest")
    other.remove()


def check_reboot(cluster, pods):
    """Power is gone: pods, links and /run with it. The node gets its blocks back, and nobody
    else's pods notice."""
    node = cluster.nodes[1]
    others = [pod for pod in pods if pod.node is not node]
    blocks = own_blocks(node)
    old = [pod.address for pod in node.pods.values()]
    with probe.Stream(others[0], others[-1]) as stream:
        cluster.power_off(node)
        stream.wait_more(300)
        cluster.power_on(node)
        cluster.start_agent(node)
        new = serves_again(cluster, node)
        must_equal(stream.end()["lost"], 0, "lost between other nodes during a reboot")
    must_equal(own_blocks(node), blocks, "blocks after a reboot")
    probe.must_all_answer(probe.matrix(cluster, others + new))
    check_books(node)
    step(f"pods had {old}, now {[pod.address for pod in new]}")
    return others + new


def serves_again(cluster, node):
    node.agent.wait_ready(60)
    new = [node.pod(f"again-{n}").attach() for n in "ab"]
    cluster.wait_connected()
    return new


def check_lost_disk(cluster, pods):
    """The identity is gone with the disk, and its name and blocks are not given to another: the
    agent is told so, and serves under the name that it is advised to take."""
    node = cluster.nodes[1]
    others = [pod for pod in pods if pod.node is not node]
    blocks = own_blocks(node)

    def denied():
        status = node.agent.status()
        return bool(status and status["state"] == "denied") or NotYet(str(status))
    with probe.Stream(others[0], others[-1]) as stream:
        cluster.power_off(node)
        node.forget_disk()
        cluster.power_on(node)
        cluster.start_agent(node)
        wait_until(denied, 30, "the agent that lost its disk is denied its old name")
        said = node.agent.status()["detail"]
        must("earlier identity" in said and "--name" in said, f"why it is denied: {said}")
        code, answer = node.pod("early").cni("ADD")
        must(code and answer["code"] == 11 and "earlier identity" in answer["msg"],
             f"ADD on a node that is denied: {code}, {answer}")
        node.pods["early"].remove_netns()
        node.agent.stop()
        node.agent.start(*node.agent.options, "--name", "n2-again")
        new = serves_again(cluster, node)
        must_equal(stream.end()["lost"], 0, "lost between other nodes meanwhile")
    taken = set(own_blocks(node)) & set(blocks)
    must(not taken, f"{taken} of the lost identity was given to another one")
    probe.must_all_answer(probe.matrix(cluster, others + new))
    check_books(node)


def check_repair(cluster, pods):
    """Another program deletes what is ours: it is put back, and said so."""
    node = cluster.nodes[0]
    before = everything(cluster, pods)
    remote = next(pod for pod in pods if pod.node is not node)
    near = next(iter(node.pods.values()))

    def put_back():
        state = everything(cluster, pods)
        changed = [part for part in before if state[part] != before[part]]
        return NotYet(f"not as before: {changed}") if changed else True
    for damage in (f"route del {near.address}", f"neigh flush dev {near.host_end} nud permanent",
                   "neigh flush dev weft-vx nud permanent", "route flush proto 87",
                   f"addr del {node.overlay_address()}/32 dev weft-vx"):
        node.run("ip", *damage.split())
        wait_until(put_back, 90, f"repair after 'ip {damage}'")
        step(f"put back: {damage}")
    for entry in node.json("bridge", "-j", "fdb", "show", "dev", "weft-vx"):
        if "dst" in entry:
            node.run("bridge", "fdb", "del", entry["mac"], "dev", "weft-vx", "dst", entry["dst"])
    wait_until(lambda: not probe.ping(node, remote.address, 1), 90, "repair of the FDB")
    rules = node.run("nft", "list", "table", "inet", "weft").count("\n")
    node.run("nft", "flush", "table", "inet", "weft")
    wait_until(lambda: node.run("nft", "list", "table", "inet", "weft").count("\n") == rules, 90,
               "rules of a table that was flushed")
    node.run("nft", "delete", "table", "inet", "weft")
    wait_until(lambda: len(node.weft_table()) > 1, 90, "table that was deleted")
    must("put back" in node.agent.log_text(), "the log does not say that something was put back")
    probe.must_all_answer(probe.matrix(cluster, pods))


def check_tunnel_lost(cluster, pods):
    node = cluster.nodes[2]
    node.run("ip", "link", "del", "weft-vx")
    cluster.wait_connected(90)
    probe.must_all_answer(probe.matrix(cluster, pods))


def ways(node):
    """Prefix -> next hop of every route over the tunnel, and what else says where peers are."""
    routes = {route["dst"]: route["gateway"]
              for route in node.json("ip", "-j", "route", "show", "proto", "87", "dev", "weft-vx")}
    entries = {entry["dst"] for entry in node.json("bridge", "-j", "fdb", "show", "dev", "weft-vx")
               if "dst" in entry}
    return routes, entries, node.run("nft", "list", "set", "inet", "weft", "members")


def check_left_beside_dead(cluster):
    """One identity is dead for ever. To an agent that starts now it has not been heard of: its
    ways stay, and they keep nobody else's: who leaves is gone from the kernel."""
    first, last = cluster.nodes[0], cluster.nodes[2]
    first.agent.stop()
    cluster.start_agent(first)
    cluster.wait_connected()
    routes, entries, members = ways(first)
    blocks = [ipaddress.ip_network(prefix) for prefix in own_blocks(last)]
    stay = {dst: via for dst, via in routes.items()
            if not any(ipaddress.ip_network(dst).overlaps(block) for block in blocks)}
    must(len(set(stay.values())) == 2, f"besides {last.name} one lives and one is dead: {routes}")
    must(last.address in entries and last.address in members, f"{entries}, {members}")
    for pod in list(last.pods.values()):
        pod.remove()
    last.run("weftctl", "leave")

    def gone():
        now = ways(first)
        return now[0] == stay and last.address not in now[1] and last.address not in now[2] or \
            NotYet(f"{now}, not {stay}")
    wait_until(gone, 30, f"{last.name}'s ways are gone from {first.name}, the dead one's are not")


def test():
    with Cluster(3) as cluster:
        pods = cluster.attach_pods(2)
        cluster.wait_connected()
        probe.must_all_answer(probe.matrix(cluster, pods))
        check_continuity(cluster, pods)
        step("continuity: serves at once, alone")
        check_del_while_away(cluster)
        step("DEL while the agent is away")
        check_repair(cluster, pods)
        check_tunnel_lost(cluster, pods)
        step("what others deleted was put back")
        pods = check_reboot(cluster, pods)
        step("reboot with its disk")
        check_lost_disk(cluster, pods)
        step("reboot without its disk: its old name is refused, another one serves")
        check_left_beside_dead(cluster)
        step("who left is gone from a kernel that holds a dead node's ways")


if __name__ == "__main__":
    check.main(test)
