#!/usr/bin/env python3
# weft-test: name=start time=120 needs=root tier=normal build=gcc
"""What the agent refuses to start with, in one sentence each; what it makes of a cloned disk; and
what people see who ask for an agent that is not there."""

import os
import subprocess

import check
import probe
from check import build_directory, must, must_equal, step
from node import CONFINE, RANGE, TOOLS
from rig import Rig
from space import RigError

REFUSAL_S = 30
OVERLAP = "10.40.0.0/16"


def refusal(node, *options, env=None, confine=CONFINE):
    """Start an agent that must not start. Returns its last words."""
    words = ("--name", node.name, "--init", "--auth=none", "--node-ip", node.address)
    try:
        done = node.run(*confine, f"{TOOLS}/weftd", *words, *options, env=env, check=False,
                        timeout_s=REFUSAL_S)
    except subprocess.TimeoutExpired:
        raise RigError(f"weftd {' '.join(options)} {env or ''} started, or says nothing for "
                       f"{REFUSAL_S} s") from None
    lines = done.stderr.strip().splitlines()
    must(done.returncode > 0, f"weftd {' '.join(options)} {env or ''} ended with "
                              f"{done.returncode}: {done.stderr}")
    must(lines, f"weftd {' '.join(options)} {env or ''} does not say why it ends")
    return lines[-1]


def check_values(node):
    """A wrong value is named, and what was expected instead."""
    for option, value in (("--range", "10.32.0.0/33"), ("--range", "tomorrow"),
                          ("--node-ip", "192.168.56"), ("--auth", "maybe"),
                          ("--peer", "a b"), ("--iface", "eth7")):
        for words, env in (((f"{option}={value}",), None),
                           ((), {"WEFT_" + option[2:].replace("-", "_").upper(): value})):
            if env and option in ("--auth", "--node-ip"):
                continue  # the command line, which has them already, goes first
            said = refusal(node, *words, env=env)
            must(value in said, f"{words or env}: the value is not named: {said}")
    must("--colour" in refusal(node, "--colour=red"), "an unknown flag is not named")


def check_world(node):
    node.ip(f"route add {OVERLAP} via 192.168.56.1")
    said = refusal(node)
    must(OVERLAP in said and RANGE in said, f"overlapping route: {said}")
    node.ip(f"route del {OVERLAP} via 192.168.56.1")
    said = refusal(node, confine=("setpriv", "--no-new-privs", "--bounding-set=-all"))
    must("NET_ADMIN" in said, f"without CAP_NET_ADMIN: {said}")
    node.run("mkdir", "-p", "/run/weft", "/var/lib/disk")
    node.run("mount", "--bind", "/var/lib/disk", "/run/weft")
    said = refusal(node)
    must("/run/weft" in said, f"/run/weft on a disk: {said}")
    node.run("umount", "/run/weft")


def check_absence(node):
    for verb in ("status", "peers", "ipam", "pods"):
        done = node.run("weftctl", verb, check=False)
        must(done.returncode != 0 and "not running" in done.stderr and not done.stdout,
             f"weftctl {verb} without an agent: {done}")


def start_alone(rig):
    node = rig.nodes[0]
    node.start_agent([], init=True)
    status = node.agent.wait_ready()
    must_equal(status["auth"], "none", "auth")
    return status["uid"]


def check_plain_pods(node):
    """weftctl attach and detach: the same for plain Linux, without a runtime."""
    pods = [node.pod(name) for name in ("p1", "p2")]
    for pod in pods:
        node.run("weftctl", "attach", pod.path)
        pod.address = next(a["local"] for a in pod.link("eth0")["addr_info"]
                           if a["family"] == "inet")
    must(probe.ping(pods[0], pods[1].address) is None, "plain pods do not reach each other")
    must_equal(sorted(p["ip"] for p in node.agent.status("pods")["pods"]),
               sorted(p.address for p in pods), "weftctl pods")
    for pod in pods:
        node.run("weftctl", "detach", pod.path)
        must(pod.run("ip", "link", "show", "eth0", check=False).returncode,
             f"{pod.name} still has its eth0")
    must_equal(node.agent.status("pods")["pods"], [], "weftctl pods after detach")


def check_binding(rig):
    """One new card is a repair, another machine id and card are another machine: a cloned disk
    takes a new identity."""
    node = rig.nodes[0]
    uid = start_alone(rig)
    for bit, replace_id, same in ((0x80, False, True), (0x40, True, False)):
        node.agent.stop()
        rig.power_off(node)
        node.macs = [mac[:-2] + f"{int(mac[-2:], 16) ^ bit:02x}" for mac in node.macs]
        if replace_id:
            with open(node.machine_id, "w") as f:
                f.write(f"{0xabcd:032x}\n")
        rig.power_on(node)
        node.start_agent([], init=True)
        node.agent.wait_listening()
        now = node.agent.status()["uid"]
        must_equal(now == uid, same, f"same uid after a new card{' and id' * replace_id}")


def test():
    must(os.path.exists(os.path.join(build_directory(), "agent", "weftd")), "no agent was built")
    with Rig(1, build_directory()) as rig:
        node = rig.nodes[0]
        check_absence(node)
        check_values(node)
        step("wrong values are refused by name")
        check_world(node)
        step("a world that does not fit is refused")
        start_alone(rig)
        check_plain_pods(node)
        node.agent.stop()
        check_absence(node)
        step("plain pods; weftctl without an agent")
    with Rig(1, build_directory()) as rig:
        check_binding(rig)
        step("a new card keeps the identity, a new machine does not")


if __name__ == "__main__":
    check.main(test)
