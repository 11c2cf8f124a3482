#!/usr/bin/env python3
"""Builds Weft and shows it at work: three nodes on this machine, two pods on each, an outside host.

Everything lives in namespaces made for this run (test/rig/rig.py): the host's links, rules and
routes are neither used nor changed, and everything is removed at the end.
"""

import argparse
import json
import os
import signal
import sys
import time

ROOT = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.path[:0] = [os.path.join(ROOT, "test", "rig"), os.path.join(ROOT, "deploy")]

import probe  # noqa: E402
import release  # noqa: E402
from rig import Rig  # noqa: E402
from space import NotYet, RigError, wait_until  # noqa: E402

PACKETS_AROUND_KILL = 500
CAP_NET_ADMIN = f"{1 << 12:016x}"
NOTICE_S = 30  # a link that says nothing for 12 s is given up
HEAL_S = 60


# ---- what is shown

def show_nodes(screen, rig):
    screen.step(f"{len(rig.nodes)} nodes, each with its own network, mounts and hostname "
                f"(run {rig.id})")
    for node in rig.nodes:
        screen.detail(f"{node.name}   eth0 {node.address}   eth1 10.0.2.15, as on every node")
    screen.detail("outside 198.51.100.10, behind a router")


def start_agents(screen, rig):
    rig.start_agents()
    held = rig.nodes[0].agent.confinement()
    alone = held["CapEff"] == held["CapBnd"] == CAP_NET_ADMIN
    screen.step(f"agents ready, with {'CAP_NET_ADMIN alone' if alone else held['CapEff']}, "
                f"no_new_privs {held['NoNewPrivs']} and a read-only /proc/sys")


def attach_pods(screen, rig):
    begun = time.monotonic()
    pods = rig.attach_pods(2)
    each_ms = (time.monotonic() - begun) * 1000 / len(pods)
    screen.step(f"{len(pods)} pods, attached by the CNI binary as a runtime does "
                f"({each_ms:.0f} ms each)")
    for node in rig.nodes:
        screen.detail(f"{node.name}   " + "   ".join(
            f"{pod.name} {pod.address}" for pod in node.pods.values()))
    rig.wait_connected()
    return pods


class Pings:
    def __init__(self, screen):
        self.screen = screen
        self.ok = self.failed = 0

    def run(self, pairs, what):
        ok, failures = probe.ping_all(pairs)
        self.ok += ok
        self.failed += len(failures)
        if not failures:
            self.screen.step(f"{ok} of {ok} pings answered: {what}")
            return
        self.screen.failed(f"{len(failures)} of {len(pairs)} pings not answered: {what}")
        self.screen.detail("\n".join(failures[:12]))


def show_status(screen, rig):
    screen.step("weftctl status on n1 says:")
    screen.say()
    screen.detail(rig.nodes[0].run("weftctl", "status"), 4)
    screen.say()
    screen.detail(rig.nodes[0].run("weftctl", "peers"), 4)
    screen.say()


def kill_under_stream(screen, rig, pods):
    """Returns the packets lost; None when there was no stream to lose any."""
    source, target = pods[0], pods[-1]
    node = target.node
    with probe.Stream(source, target) as stream:
        node.agent.kill()
        screen.step(f"kill -9 of the agent on {node.name}, while {source.name} sends "
                    f"{target.name} {probe.RATE_HZ} packets a second ...")
        stream.wait_more(PACKETS_AROUND_KILL)
        rig.start_agent(node)
        node.agent.wait_ready()
        stream.wait_more(PACKETS_AROUND_KILL)
        result = stream.end()
    text = (f"{result['lost']} of {result['sent']} packets lost, longest silence "
            f"{result['longest_gap_ms']} ms; the agent is back and ready")
    if result["lost"]:
        screen.failed(text)
    else:
        screen.step(text)
    return result["lost"]


def links_of(node):
    status = node.agent.status()
    return status["links_up"] if status else 0


def wait_links(node, some, seconds, what):
    """Until the agent has no link to any other, or at least one. Returns the seconds it took."""
    begun = time.monotonic()
    wait_until(lambda: (links_of(node) > 0) == some or NotYet(f"{links_of(node)} links"),
               seconds, what)
    return time.monotonic() - begun


def partition(screen, rig, pods, pings):
    lone, rest = rig.nodes[-1], rig.nodes[:-1]
    far, near = pods[-1], pods[0]
    rig.cut([lone])
    if probe.ping(near, far.address, 1):
        screen.step(f"partition: {lone.name} is cut off, {near.name} does not reach {far.name}; "
                    "agents notice later ...")
    else:
        screen.failed(f"{lone.name} was cut off and {near.name} still reaches {far.name}")
    notice_s = wait_links(lone, False, NOTICE_S, f"{lone.name} notices that it is cut off")
    screen.step(f"{lone.name} has given up its links, {notice_s:.1f} s later")
    inside = [(near, p.address, p.name) for p in pods if p.node in rest and p is not near]
    inside += [(far, p.address, p.name) for p in pods if p.node is lone and p is not far]
    pings.run(inside, "inside each side of the partition")
    late = lone.pod(f"{lone.name}-late").attach()
    screen.step(f"a new pod on {lone.name}, cut off as it is: {late.address}, from a block it owns")
    rig.heal()
    begun = time.monotonic()
    wait_until(lambda: not probe.ping(near, far.address, 1), HEAL_S, "traffic after healing")
    traffic_s = time.monotonic() - begun
    screen.step(f"healed: traffic after {traffic_s:.1f} s, before the agents have a link again ...")
    wait_links(lone, True, HEAL_S, f"{lone.name} has a link again")
    screen.step(f"links after {time.monotonic() - begun:.1f} s")
    pods.append(late)


def show_commands(screen, rig, pods):
    pid = rig.nodes[0].holder.pid
    enter = f"nsenter -t {pid} -n -m -u"
    screen.say("\nIt is all yours. Three commands to copy into another terminal, as root:\n")
    screen.say(f"  {enter} weftctl status")
    screen.say(f"  {enter} ip netns exec {pods[0].name} ping {pods[-1].address}")
    screen.say(f"  {enter} bash          # a shell on n1: weftctl peers, ipam, pods; ip route")
    screen.say("\nCtrl-C removes everything.")


def wait_for_the_end():
    try:
        signal.pause()
    except KeyboardInterrupt:
        pass


# ---- the run

def tour(screen, rig, outcome):
    pings = outcome["pings"]
    show_nodes(screen, rig)
    start_agents(screen, rig)
    pods = attach_pods(screen, rig)
    pings.run(probe.matrix(rig, pods), "each pod to each pod, to all nodes and to "
              "the outside; each node to each pod")
    show_status(screen, rig)
    outcome["lost"] = kill_under_stream(screen, rig, pods)
    partition(screen, rig, pods, pings)
    pings.run(probe.matrix(rig, pods), "all of it again, the new pod included")
    return pods


def show_agent_logs(screen, rig):
    for node in rig.nodes:
        lines = node.agent.log_text().splitlines()
        screen.say(f"--- the agent of {node.name} "
                   f"{'runs' if node.agent.alive else 'does not run'}; its last lines:")
        screen.say("\n".join(lines[-15:]))


def go(screen, options, outcome):
    directory = release.build(screen)
    screen.restart()
    rig = Rig(3, directory)
    try:
        with rig:
            try:
                pods = tour(screen, rig, outcome)
                if not options.once:
                    show_commands(screen, rig, pods)
                    wait_for_the_end()
            except RigError:
                show_agent_logs(screen, rig)
                raise
    finally:
        outcome["seconds"] = round(screen.seconds, 1)
    screen.step("everything removed")


def main():
    parser = argparse.ArgumentParser(prog="deploy/try", description=__doc__.split("\n\n")[0])
    parser.add_argument("--once", action="store_true",
                        help="end after the tour; the exit status tells whether all went well")
    parser.add_argument("--json", action="store_true",
                        help="with --once: one line of JSON as the only output")
    options = parser.parse_args()
    if options.json and not options.once:
        parser.error("--json goes with --once")
    screen = release.Screen(sys.stderr if options.json else sys.stdout)
    outcome = {"pings": Pings(screen), "lost": None, "seconds": 0.0}
    try:
        go(screen, options, outcome)
    except (RigError, release.BuildError) as error:
        screen.failed(str(error))
    except KeyboardInterrupt:
        screen.say("\nstopped; everything removed")
        return 130
    if options.json:
        print(json.dumps({"pings_ok": outcome["pings"].ok,
                          "pings_failed": outcome["pings"].failed,
                          "lost_on_kill": outcome["lost"], "seconds": outcome["seconds"]}))
    if screen.failures:
        screen.say(f"{len(screen.failures)} failed: " + "; ".join(screen.failures))
    return 1 if screen.failures else 0


if __name__ == "__main__":
    sys.exit(main())
