#!/usr/bin/env python3
# weft-test: name=kill time=240 needs=root tier=normal build=gcc
"""kill -9 of any agent at any time: no packet is lost, addresses, links and routes stay as they
were; also in the middle of ADD and DEL. Without the --init node pods keep their addresses and new
pods start in blocks that are owned."""

import ipaddress
import os
import random
import sys
import threading

import check
import probe
from check import Cluster, fail_on_difference, must, must_equal, step
from node import CniRefused
from space import NotYet, wait_until

ROUNDS = 6
ADDS_UNDER_FIRE = 25
KILLS_UNDER_FIRE = 4
KEPT_UNDER_FIRE = 10


def everything(cluster, pods):
    """What the data plane is made of, on every node and in every pod."""
    state = {}
    for place in [*cluster.nodes, *pods]:
        for part, value in place.state().items():
            state[f"{place.name} {part}"] = value
    return state


def check_kills_under_streams(cluster, pods, dice):
    """One agent after another in an order of the dice, now and then two, at odd moments."""
    before = everything(cluster, pods)
    streams = [(pods[0], pods[-1]), (pods[2], pods[1]), (pods[0], pods[1])]
    running = [probe.Stream(a, b, port=7000 + i) for i, (a, b) in enumerate(streams)]
    try:
        for stream in running:
            stream.wait_more(100)
        for _ in range(ROUNDS):
            victims = dice.sample(cluster.nodes, dice.choice((1, 1, 2)))
            for node in victims:
                node.agent.kill()
            running[0].wait_more(100 * dice.randint(1, 4))
            for node in victims:
                cluster.start_agent(node)
            if dice.random() < 0.5:
                for node in victims:
                    node.agent.wait_ready()
        for node in cluster.nodes:
            node.agent.wait_ready()
        for stream in running:
            stream.wait_more(100)
            result = stream.end()
            must_equal(result["lost"], 0, f"lost by {stream.name}: {result}")
    finally:
        for stream in running:
            stream.close()
    fail_on_difference(before, everything(cluster, pods), "after the kills")
    probe.must_all_answer(probe.matrix(cluster, pods))


def retry_as_kubelet(pod, seconds=60):
    """A failed ADD is followed by DEL, until that succeeds, and another ADD, until it works."""
    return wait_until(lambda: tried(pod), seconds, f"{pod.name} attached")


def tried(pod):
    try:
        return pod.attach()
    except CniRefused as error:
        wait_until(lambda: deleted(pod), 30, f"DEL of {pod.name} after a failed ADD")
        return NotYet(str(error))


def deleted(pod):
    """DEL may find no agent (11: try again); any other failure is one."""
    code, answer = pod.cni("DEL")
    must(code == 0 or answer["code"] == 11, f"{pod.name}: DEL ended with {code}: {answer}")
    return code == 0 or NotYet(answer["msg"])


def removed(pod):
    wait_until(lambda: deleted(pod), 30, f"DEL of {pod.name}")
    pod.remove_netns()


def check_kills_during_adds(cluster, dice):
    """Pods come and go on n2 while its agent is killed at moments that have nothing to do with
    what it is doing. In the end it has exactly the pods that the runtime has."""
    node = cluster.nodes[1]
    over = threading.Event()
    kills = []

    def assassin():
        while not over.wait(dice.uniform(0.02, 0.25)):
            node.agent.kill()
            cluster.start_agent(node)
            kills.append(1)
    killer = threading.Thread(target=assassin)
    killer.start()
    kept = []
    try:
        number = -1
        # However fast ADDs are: until the agent has died often enough among them.
        while number + 1 < ADDS_UNDER_FIRE or len(kills) < KILLS_UNDER_FIRE:
            number += 1
            must(number < 50 * ADDS_UNDER_FIRE, f"the agent was killed {len(kills)} times only")
            pod = retry_as_kubelet(node.pod(f"fire-{number}"))
            if number % 3 or len(kept) == KEPT_UNDER_FIRE:
                removed(pod)
            else:
                kept.append(pod)
    finally:
        over.set()
        killer.join()
    node.agent.wait_ready()
    check_books(node)
    probe.must_all_answer([(pod, node.address, node.name) for pod in kept] +
                          [(cluster.nodes[2], pod.address, pod.name) for pod in kept])
    step(f"{number + 1} pods came and {number + 1 - len(kept)} went under "
         f"{len(kills)} kills, books are right")
    for pod in kept:
        pod.remove()


def check_books(node):
    """The runtime, the agent and the kernel name the same pods with the same addresses. Host ends
    of pods that were detached while the agent was away go after its next look."""
    have = sorted(pod.address for pod in node.pods.values() if pod.address)

    def agrees():
        status = node.agent.status("pods")
        if not status:
            return status
        listed = sorted(pod["ip"] for pod in status["pods"])
        if listed != have:
            return NotYet(f"weftctl pods: {listed}, the runtime: {have}")
        ends = [name for name in node.weft_links() if name != "weft-vx"]
        if len(ends) != len(have):
            return NotYet(f"host ends {ends} for {have}")
        return True
    wait_until(agrees, 90, f"runtime, agent and kernel of {node.name} agree")


def check_without_init(cluster, pods):
    first, second, third = cluster.nodes
    before = everything(cluster, pods)
    owned = {n.name: n.agent.status("ipam")["blocks"] for n in (second, third)}
    first.agent.kill()
    fresh = []
    for node in (second, third):
        node.agent.kill()
        cluster.start_agent(node)
        pod = retry_as_kubelet(node.pod(f"{node.name}-new"))
        blocks = [b["prefix"] for b in owned[node.name] if b["own"]]
        must(any(inside(pod.address, prefix) for prefix in blocks),
             f"{pod.name} has {pod.address}, {node.name} owns {blocks}")
        fresh.append(pod)
    probe.must_all_answer(probe.matrix(cluster, pods + fresh))
    for pod in fresh:
        pod.remove()
    fail_on_difference(before, everything(cluster, pods), "while the --init node's agent was away")
    cluster.start_agent(first)
    first.agent.wait_ready()


def inside(address, prefix):
    return ipaddress.ip_address(address) in ipaddress.ip_network(prefix)


def test():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else int.from_bytes(os.urandom(3), "big")
    step(f"seed {seed} (run it again: {sys.argv[0]} {seed})")
    dice = random.Random(seed)
    with Cluster(3) as cluster:
        pods = cluster.attach_pods(2)
        cluster.wait_connected()
        probe.must_all_answer(probe.matrix(cluster, pods))
        check_kills_under_streams(cluster, pods, dice)
        step(f"{ROUNDS} rounds of kills under three streams, nothing lost, nothing moved")
        check_kills_during_adds(cluster, dice)
        check_without_init(cluster, pods)
        step("without the --init node: addresses stay, new pods start")


if __name__ == "__main__":
    check.main(test)
