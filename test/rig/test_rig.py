#!/usr/bin/env python3
# weft-test: name=rig time=120 needs=root tier=normal
"""The rig itself, with kernel tools alone: what it promises about its networks and its removal.
A rig that leaves something behind, or that cannot see a lost packet, makes every other test lie."""

import os
import re
import signal
import subprocess
import sys
import tempfile

import check
import probe
import rig
import space
from check import must, must_equal, step
from node import CONFINE, OUTSIDE
from records import Records
from rig import Rig

OWNER = """
import sys
sys.path.insert(0, sys.argv[1])
from rig import Rig
with Rig(2) as r:
    r.nodes[0].popen("tail", "-f", "/dev/null")
    r.nodes[0].pod("orphan").popen("tail", "-f", "/dev/null")
    print(r.id, flush=True)
    sys.stdin.read()
"""
# $1 directory of the modules, $2 of the records, $3 an id
COMES_AND_GOES = """
import sys
sys.path.insert(0, sys.argv[1])
from records import Records
records = Records(sys.argv[2])
print("begun", flush=True)
sys.stdin.read()
for _ in range(1000):
    records.make(sys.argv[3])
    assert records.lives(sys.argv[3]) and sys.argv[3] not in records.dead()
    records.remove(sys.argv[3])
"""


# Nodes and what is named after them, bridges, NATs, tunnel and host ends, directories of a run.
RIGS_OWN = re.compile(r"(n[0-9]+|nat-n[0-9]+|cut[0-9]+|weft)([-.].*)?$|lan$|beyond$|outside$|"
                      r"wf[0-9a-f]{12}$")


def host_state():
    """What a rig must never change. The host's other users go on meanwhile: of links, mounts and
    namespaces only what a rig calls its own is looked at."""
    def output(*argv):
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout

    def of_a_rig(names):
        return sorted(name for name in names if RIGS_OWN.match(name))
    with open("/proc/self/mounts") as f:
        mounts = of_a_rig(os.path.basename(line.split()[1]) for line in f)
    links = of_a_rig(line.split()[1].split("@")[0].rstrip(":")
                     for line in output("ip", "-o", "link").splitlines())
    names = of_a_rig(os.listdir("/run/netns")) if os.path.isdir("/run/netns") else []
    with open("/proc/sys/net/ipv4/ip_forward") as f:
        forward = f.read()
    return links, mounts, names, os.uname().nodename, forward, output("ip", "route")


def plain_cable(r):
    """Stand-ins for pods: a namespace on each node, routed by hand, without any Weft."""
    pods = []
    for node in r.nodes:
        pod = node.pod(f"{node.name}-a")
        pod.address = f"172.31.{node.number}.2"
        node.ip(f"""link add c type veth peer name eth0 netns {pod.name}
                    addr add 172.31.{node.number}.1/24 dev c
                    link set c up""")
        pod.ip(f"""addr add {pod.address}/24 dev eth0
                   link set eth0 up
                   route add default via 172.31.{node.number}.1""")
        node.sysctl("net/ipv4/ip_forward", 1)
        for other in r.nodes:
            if other is not node:
                node.ip(f"route add 172.31.{other.number}.0/24 via {other.address}")
        pods.append(pod)
    return pods


def check_node(r):
    node = r.nodes[1]
    must_equal(node.run("hostname").strip(), "n2", "hostname")
    must_equal(node.sysctl("net/ipv4/ip_forward"), "0", "ip_forward at start")
    must(node.run("sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward", check=False).returncode,
         "/proc/sys can be written inside a node")
    must(node.run("touch", "/etc/rig-was-here", check=False).returncode, "/ can be written")
    must_equal(node.run("cat", "/etc/machine-id").strip(), f"{2:032x}", "machine id")
    must_equal(node.run("stat", "-f", "-c", "%T", "/run").strip(), "tmpfs", "/run")
    addresses = [n.run("ip", "-br", "-4", "addr", "show", "eth1").split()[2] for n in r.nodes]
    must_equal(set(addresses), {"10.0.2.15/24"}, "eth1 of all nodes")
    confined = node.run(*CONFINE, "cat", "/proc/self/status")
    for line in ("CapEff:\t0000000000001000", "CapPrm:\t0000000000001000",
                 "CapBnd:\t0000000000001000", "NoNewPrivs:\t1"):
        must(line in confined, f"an agent would not run with {line}")


def check_paths(r):
    probe.must_all_answer([(node, target, name) for node in r.nodes for target, name in
                           [(other.address, other.name) for other in r.nodes] +
                           [(OUTSIDE, "outside")]])
    routes = r.outside.run("ip", "route", "get", "10.32.0.1", check=False)
    must(routes.returncode, "the outside host has a route into the range")
    server = probe.start_server(r.outside, "tcp", "outside", 80)
    seen = {probe.ask(node, OUTSIDE, 80)["client"] for node in r.nodes}
    probe.stop(server)
    must_equal(seen, {"198.51.100.21", "198.51.100.22"}, "who the outside host sees (NAT)")


def check_stream(r, pods):
    """The stream must say 0 where nothing is lost, and must not say 0 where something is."""
    with probe.Stream(*pods) as stream:
        stream.wait_more(300)
        clean = stream.end()
    must_equal(clean["lost"], 0, f"lost on a path without faults {clean}")
    with probe.Stream(*pods) as stream:
        r.cut([r.nodes[0]], [r.nodes[1]])
        must(probe.ping(r.nodes[0], r.nodes[1].address, 1), "nodes still reach each other")
        r.heal()
        stream.wait_more(100)
        broken = stream.end()
    must(broken["lost"] > 0 and broken["longest_gap_ms"] > 100,
         f"a path that was cut lost nothing: {broken}")
    must_equal(broken["sent"] - broken["received"], broken["lost"], "arithmetic of the stream")


def check_power(r):
    node = r.nodes[0]
    node.run("sh", "-c", "mkdir -p /var/lib/weft; echo kept >/var/lib/weft/note; touch /run/gone")
    before = node.run("cat", "/sys/class/net/eth0/address", "/etc/machine-id")
    r.power_off(node)
    r.power_on(node)
    must_equal(node.run("cat", "/var/lib/weft/note").strip(), "kept", "the disk after a reboot")
    must(node.run("ls", "/run/gone", check=False).returncode, "/run survived a reboot")
    must_equal(node.run("cat", "/sys/class/net/eth0/address", "/etc/machine-id"), before,
               "MAC and machine id after a reboot")
    probe.must_all_answer([(node, r.nodes[1].address, "n2"), (r.nodes[1], node.address, "n1")])


def check_removal_of_killed(before):
    """The owner is killed with -9; a run beside it that lives is not touched."""
    here = os.path.dirname(os.path.abspath(__file__))
    owner = subprocess.Popen([sys.executable, "-B", "-c", OWNER, here], text=True,
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    dead_id = owner.stdout.readline().strip()
    with Rig(1) as living:
        must(dead_id in rig.RECORDS.names(), "a run that lives was removed by another")
        owner.send_signal(signal.SIGKILL)
        owner.wait()
        owner.stdin.close()
        owner.stdout.close()
        must(len(space.members(f"weft-{dead_id}-")) >= 2, "the killed run left nothing to clean")
        with Rig(1):
            must_equal(rig.leftovers(dead_id), [], "left of the killed run")
        must(rig.leftovers(living.id) and not probe.ping(living.nodes[0], "192.168.56.1"),
             "a living run was harmed")
    must_equal(rig.leftovers(living.id), [], "left of a run")
    must_equal(host_state(), before, "the host")


def check_signals(before):
    """Ctrl-C and SIGTERM clean up as a regular end does."""
    here = os.path.dirname(os.path.abspath(__file__))
    for number in (signal.SIGINT, signal.SIGTERM):
        owner = subprocess.Popen([sys.executable, "-B", "-c", OWNER, here], text=True,
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                 stderr=subprocess.DEVNULL)
        run_id = owner.stdout.readline().strip()
        owner.send_signal(number)
        code = owner.wait(60)
        owner.stdin.close()
        owner.stdout.close()
        must(code != 0, f"signal {number} was ignored")
        must_equal(rig.leftovers(run_id), [], f"left after signal {number}")
    must_equal(host_state(), before, "the host")


def check_records():
    """Runs that come and go at once take the directory from each other, and nobody minds."""
    here = os.path.dirname(os.path.abspath(__file__))
    with tempfile.TemporaryDirectory() as above:
        records = Records(os.path.join(above, "records"))
        runs = [subprocess.Popen([sys.executable, "-B", "-c", COMES_AND_GOES, here,
                                  records.directory, f"{number:08x}"], text=True,
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE)
                for number in range(4)]
        for run in runs:
            run.stdout.readline()
        for run in runs:
            run.stdin.close()
        must_equal([run.wait(60) for run in runs], [0] * len(runs), "exit codes")
        for run in runs:
            run.stdout.close()
        records.wait_tidy()


def check_exception():
    class Wanted(Exception):
        pass
    try:
        with Rig(1) as r:
            raise Wanted
    except Wanted:
        must_equal(rig.leftovers(r.id), [], "left after an exception")


def test():
    rig.remove_dead_runs()
    before = host_state()
    with Rig(2) as r:
        step(f"two nodes, run {r.id}")
        must_equal(host_state(), before, "the host while a run lives")
        check_node(r)
        check_paths(r)
        step("nodes, router, NAT and outside are as drawn")
        check_stream(r, plain_cable(r))
        step("the stream counts")
        check_power(r)
        step("a reboot keeps the disk and nothing else")
    must_equal(rig.leftovers(r.id), [], "left of a run")
    with Rig(1, default_via="eth0") as one, Rig(1, default_via="eth0") as two:
        must(one.id != two.id, "two runs have one id")
        for side in (one, two):
            probe.must_all_answer([(side.nodes[0], OUTSIDE, "outside")])
        two.close()
        must(rig.RECORDS.lives(one.id), "a run that ended took its neighbour's record")
    step("two side by side")
    check_records()
    step("runs that come and go do not disturb each other")
    check_exception()
    check_signals(before)
    check_removal_of_killed(before)
    rig.RECORDS.wait_tidy()
    step("nothing is left on any way out, and a killed run is removed by the next")


if __name__ == "__main__":
    check.main(test, agents=False)
