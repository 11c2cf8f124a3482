#!/usr/bin/env python3
# weft-test: name=frames time=600 needs=root tier=normal build=gcc
"""A million random and damaged frames at the peers' TCP port, and as many at the local socket: the
agent lives, its memory does not grow, its log does not flood, and it goes on serving."""

import json
import os
import subprocess
import sys
import threading

import check
import probe
from check import Cluster, must, must_equal, step
from node import SOCKET
from space import wait_until

FRAMES = 1_000_000
WARM_UP = 50_000
GROWTH_KIB = 1024
LINES_A_SECOND = 10
WINDOW_S = 5
PORT = 6785
PREAMBLE = 48


class Watch:
    """Counts the lines of an agent's log in windows of some seconds."""

    def __init__(self, agent):
        self.agent = agent
        self.over = threading.Event()
        self.windows = []
        self.thread = threading.Thread(target=self.watch)

    def watch(self):
        last = self.lines()
        while not self.over.wait(WINDOW_S):
            now = self.lines()
            self.windows.append(now - last)
            last = now

    def lines(self):
        return self.agent.log_text().count("\n")

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()

    @property
    def worst(self):
        return max(self.windows, default=0) / WINDOW_S


def helper_result(process, what):
    process.stdin.close()
    heard = json.loads(probe.wait_line(process, 20, what))
    probe.stop(process)
    return heard


def record_peers(cluster):
    """What two agents say to each other: n2 starts anew while we listen on its cable."""
    node = cluster.nodes[1]
    process = cluster.underlay.popen(*probe.python("frames"), "capture", node.name, PORT,
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    probe.wait_line(process, 10, "capture")
    node.agent.kill()
    cluster.start_agent(node)
    node.agent.wait_ready()
    node.pod("recorded").attach()
    wait_until(lambda: node.agent.status()["links_up"] > 0, 20, "a link of n2")
    heard = helper_result(process, "capture")
    must(len(heard) >= 2 and all(len(h) > 2 * PREAMBLE for h in heard), f"recorded only {heard}")
    return heard


def record_local(node):
    """What weftctl and the shim say to the agent; a sink stands in for it."""
    path = "/run/sink.sock"
    process = node.popen(*probe.python("frames"), "sink", path, stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE)
    probe.wait_line(process, 10, "sink")
    env = {"WEFT_SOCKET": path}
    for verb in ("status", "peers", "ipam", "pods"):
        node.run("weftctl", verb, env=env, check=False)
    pod = node.pod("sunk")
    for command in ("ADD", "DEL"):
        pod.cni(command, WEFT_SOCKET=path)
    heard = helper_result(process, "sink")
    must(len(heard) >= 6, f"recorded only {len(heard)} requests")
    return heard


def throw(place, order):
    done = place.run(*probe.python("frames"), "throw", stdin=json.dumps(order), timeout_s=500)
    return json.loads(done)


def bombard(cluster, place, order, what):
    """Warm up, then the million; returns nothing and complains of everything."""
    node = cluster.nodes[0]
    agent = node.agent
    pid = agent.pid
    throw(place, {**order, "count": WARM_UP, "seed": order["seed"] + 1})
    before, fds = agent.rss_kib(), len(os.listdir(f"/proc/{pid}/fd"))
    with Watch(agent) as watch:
        tally = throw(place, {**order, "count": FRAMES})
    must(agent.alive and agent.pid == pid, f"the agent ended with {agent.process.returncode}")
    grown = agent.rss_kib() - before
    step(f"{what}: {tally}, RSS {before} KiB and {grown:+} KiB, {watch.worst} lines a second at "
         "worst")
    must(tally["frames"] >= FRAMES, f"thrown: {tally}")
    must(grown <= GROWTH_KIB, f"RSS grew by {grown} KiB")
    must(watch.worst <= LINES_A_SECOND, f"log lines in {WINDOW_S} s each: {watch.windows}")
    wait_until(lambda: len(os.listdir(f"/proc/{pid}/fd")) <= fds + 2, 30,
               "descriptors of closed connections")


def test():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else int.from_bytes(os.urandom(3), "big")
    step(f"seed {seed} (run it again: {sys.argv[0]} {seed})")
    with Cluster(2, default_via="eth0") as cluster:
        pods = cluster.attach_pods(1)
        cluster.wait_connected()
        target = cluster.nodes[0]
        peers, local = record_peers(cluster), record_local(target)
        with probe.Stream(pods[0], pods[1]) as stream:
            bombard(cluster, cluster.outside, {"tcp": [target.address, PORT], "seeds": peers,
                                               "preamble": PREAMBLE, "seed": seed}, "peers' port")
            bombard(cluster, target, {"unix": SOCKET, "seeds": local, "preamble": 0,
                                      "seed": seed}, "local socket")
            result = stream.end()
        must_equal(result["lost"], 0, f"packets lost meanwhile {result}")
        target.agent.wait_ready()
        fresh = target.pod("after").attach()
        probe.must_all_answer(probe.matrix(cluster, [*pods, fresh]))


if __name__ == "__main__":
    check.main(test)
