#!/usr/bin/env python3
# weft-test: name=frames time=300 needs=root tier=normal build=gcc
"""Random and damaged frames at the peers' TCP port, read by the agent and not only sent, and as
many at the local socket: the agent lives, its memory does not grow, its log does not flood, and it
goes on serving. A share of them; the million at each is test_frames_million.py."""

import datetime
import json
import os
import subprocess
import sys
from dataclasses import dataclass

import check
import probe
from check import Cluster, must, must_equal, step
from node import SOCKET
from space import RigError, wait_until

@dataclass
class Sizes:
    frames: int         # at each of the two doors
    warm_up: int
    flood: int          # connections


SHARE = Sizes(frames=100_000, warm_up=20_000, flood=20_000)
MILLION = Sizes(frames=1_000_000, warm_up=50_000, flood=100_000)
ROUND = 50_000          # a restart of the thrower between two
THROW_S = 1000
GROWTH_KIB = 1024
LINES_A_SECOND = 10     # in any second, and over longer times
WINDOWS_S = (1, 10)
PORT = 6785
PREAMBLE = 48


class Lines:
    """What an agent logs meanwhile, counted by the lines' own times."""

    def __init__(self, agent):
        self.log = agent.log

    def __enter__(self):
        self.from_byte = os.path.getsize(self.log)
        return self

    def __exit__(self, *_):
        with open(self.log, "rb") as f:
            f.seek(self.from_byte)
            text = f.read().decode("utf-8", "replace")
        stamps = [line.split(" ")[0] for line in text.splitlines()]
        self.times_s = [datetime.datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp()
                        for stamp in stamps]

    def most(self, seconds):
        """In any window of so many seconds."""
        most = first = 0
        for last, time_s in enumerate(self.times_s):
            while time_s - self.times_s[first] >= seconds:
                first += 1
            most = max(most, last + 1 - first)
        return most

    def check(self):
        """A sentence for the step; complains of a flood."""
        most = {seconds: self.most(seconds) for seconds in WINDOWS_S}
        must(all(most[seconds] <= LINES_A_SECOND * seconds for seconds in most),
             f"lines logged at most within so many seconds: {most}")
        return f"{len(self.times_s)} lines, within seconds at most: {most}"


def helper_result(process, what):
    process.stdin.close()
    heard = json.loads(probe.wait_line(process, 20, what))
    probe.stop(process)
    return heard


def record_peers(cluster):
    """What n3 and the others say to each other while it joins; then n3 is gone for ever. Its
    conversations are what is thrown: without a secret whoever says that he is n1 or n2 is
    believed, and would do harm without any damage to a frame."""
    node = cluster.nodes[2]
    cluster.power_off(node)
    cluster.power_on(node)
    process = cluster.underlay.popen(*probe.python("frames"), "capture", node.name, PORT,
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    probe.wait_line(process, 30, "capture")
    cluster.start_agent(node)
    node.agent.wait_ready()
    node.pod("recorded").attach()
    wait_until(lambda: node.agent.count("links_up") > 1, 30, "links of n3")
    heard = helper_result(process, "capture")
    uids = [n.agent.status()["uid"] for n in cluster.nodes]
    cluster.power_off(node)
    cluster.nodes.remove(node)
    must(len(heard) >= 4 and all(len(h["hex"]) > 2 * PREAMBLE for h in heard),
         f"recorded only {heard}")
    for number, uid in enumerate(uids[:2]):
        for one in heard:
            one["hex"] = one["hex"].replace(uid, bytes([0xa5 + number] * 16).hex())
    return {"seeds": [one["hex"] for one in heard], "preamble": PREAMBLE, "speaker": uids[2],
            "speaks": [one["hex"] for one in heard if one["from"] == node.address]}


def record_local(node):
    """What weftctl and the shim say to the agent; a sink stands in for it."""
    path = "/run/sink.sock"
    process = node.popen(*probe.python("frames"), "sink", path, stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE)
    probe.wait_line(process, 30, "sink")
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
    done = place.run(*probe.python("frames"), "throw", stdin=json.dumps(order), timeout_s=THROW_S)
    return json.loads(done)


def messages(agent):
    """How many frames of other agents the agent could read, by its own count."""
    return agent.status()["counters"]["messages received"]


def throw_until_read(agent, place, order, count):
    """In rounds, until the agent has read so many. Returns the sum of their tallies."""
    goal = messages(agent) + count
    total = {}
    for number in range(3 * count // ROUND + 1):
        tally = throw(place, {**order, "count": ROUND, "seed": order["seed"] + number})
        total = {key: round(total.get(key, 0) + tally[key], 1) for key in tally}
        read = messages(agent)
        if read >= goal:
            return {"read": read - goal + count, **total}
    raise RigError(f"of {total} the agent has read {read - goal + count}")


def throw_all(_agent, place, order, count):
    return throw(place, {**order, "count": count})


def bombard(cluster, place, order, how, sizes, what):
    """Warm up, then the frames that count; returns nothing and complains of everything."""
    agent = cluster.nodes[0].agent
    pid = agent.pid
    how(agent, place, {**order, "seed": order["seed"] + 1000}, sizes.warm_up)
    before, fds = agent.rss_kib(), len(os.listdir(f"/proc/{pid}/fd"))
    with Lines(agent) as lines:
        tally = how(agent, place, order, sizes.frames)
    must(agent.alive and agent.pid == pid, f"the agent ended with {agent.process.returncode}")
    grown = agent.rss_kib() - before
    step(f"{what}: {tally}, RSS {before} KiB and {grown:+} KiB, {lines.check()}")
    must(tally["frames"] >= sizes.frames, f"thrown: {tally}")
    must(grown <= GROWTH_KIB, f"RSS grew by {grown} KiB")
    wait_until(lambda: len(os.listdir(f"/proc/{pid}/fd")) <= fds + 2, 30,
               "descriptors of closed connections")


def check_flood(cluster, peers, connections):
    """More connections than an agent takes: it goes on taking the others' words."""
    agent = cluster.nodes[0].agent
    with Lines(agent) as lines:
        tally = throw(cluster.outside, {**peers, "count": 0, "connections": connections,
                                        "connects_a_second": connections})
    must(agent.alive, f"the agent ended with {agent.process.returncode}")
    must(tally["turned_away"] > connections // 2 > tally["refused"], f"no flood: {tally}")
    step(f"flood: {tally}, {lines.check()}")
    wait_until(lambda: agent.count("links_up") > 0, 60, "n1's link to n2 after the flood")


def test(sizes):
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else int.from_bytes(os.urandom(3), "big")
    step(f"seed {seed} (run it again: {sys.argv[0]} {seed})")
    with Cluster(3, default_via="eth0") as cluster:
        pods = [node.pod(f"{node.name}-a").attach() for node in cluster.nodes[:2]]
        cluster.wait_connected()
        peers = {**record_peers(cluster), "seed": seed}
        target = cluster.nodes[0]
        local = {"unix": SOCKET, "seeds": record_local(target), "seed": seed}
        peers["tcp"] = [target.address, PORT]
        with probe.Stream(pods[0], pods[1]) as stream:
            check_flood(cluster, peers, sizes.flood)
            bombard(cluster, target, local, throw_all, sizes, "local socket")
            bombard(cluster, cluster.outside, peers, throw_until_read, sizes, "peers' port")
            result = stream.end()
        must_equal(result["lost"], 0, f"packets lost meanwhile {result}")
        target.agent.wait_ready()
        fresh = target.pod("after").attach()
        probe.must_all_answer(probe.matrix(cluster, [*pods, fresh]))


if __name__ == "__main__":
    check.main(lambda: test(SHARE))
