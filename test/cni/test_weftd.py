#!/usr/bin/env python3
# weft-test: name=weftd time=120 needs=root tier=quick build=gcc,sanitized
"""The real weftd at its door: whom it turns away, in which one sentence, and that nothing stays
behind. It runs in a network and a file system of its own."""

import os
import subprocess
import sys

import cases
from cases import case, contains, equal, table

PROGRAMS = cases.programs("agent", "weftd")
each_program = cases.with_each(PROGRAMS)
WAIT_S = 20
FAILED = 1

# /run is memory and /run/disk, an overlay on it, is none: it stands for a disk.
SETUP = """
mount -t tmpfs -o size=16m weft-d /run
cd /run
mkdir lower upper work disk
mount -t overlay -o lowerdir=lower,upperdir=upper,workdir=work weft-d disk
echo 2001:db8::7 six >hosts
mount --bind hosts /etc/hosts
ip link set lo up
ip link add uplink type veth peer name cable
ip addr add 192.0.2.7/24 dev uplink
ip link set cable up
ip link set uplink up
echo ready
exec cat
"""

place = None


class Place:
    """Namespaces that live as long as a process of ours."""

    def __init__(self):
        self.holder = subprocess.Popen(
            ["unshare", "--net", "--mount", "--propagation", "private", "sh", "-ec", SETUP],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        equal(self.holder.stdout.readline(), b"ready\n", "namespaces")

    def argv(self, *words):
        return ["nsenter", "-t", str(self.holder.pid), "-n", "-m", "--", *words]

    def run(self, *words):
        return subprocess.run(self.argv(*words), stdin=subprocess.DEVNULL, text=True, cwd="/",
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=WAIT_S,
                              env={"PATH": os.environ["PATH"]})

    def close(self):
        self.holder.stdin.close()
        self.holder.wait()
        self.holder.stdout.close()


def weftd(program, *options, state="/run/state", run="/run/weft"):
    return [program, "--auth=none", "--name=n1", "--log-time=off", f"--state={state}",
            f"--run={run}", *options]


def refused(program, *options, **directories):
    """Its last line, without what is said of every refusal."""
    done = place.run(*weftd(program, *options, **directories))
    equal((done.returncode, done.stdout), (FAILED, ""), "the end")
    line = done.stderr.splitlines()[-1]
    contains(line, " -> not started", "the last line")
    return line.removesuffix(" -> not started")


@table([("itself", "/run/disk"), ("below it", "/run/disk/weft"),
        ("far below it", "/run/disk/a/b/weft/")])
@each_program
def pods_records_on_a_disk(program, run):
    said = refused(program, run=run, state="/run/disk/state")
    contains(said, f"{run.rstrip('/')} is on a disk", "the refusal")
    contains(said, "mount a tmpfs, or name another directory with --run", "the refusal")
    equal(place.run("ls", "-A", "/run/disk").stdout, "", "what stays behind")


@case
@each_program
def a_route_in_the_range(program):
    place.run("ip", "route", "add", "10.40.0.0/16", "via", "192.0.2.1")
    try:
        said = refused(program)
        contains(said, "the range 10.32.0.0/12 overlaps the route 10.40.0.0/16 on uplink", "what")
        for advice in ("another --range", "--allow-overlap"):
            equal(said.count(advice), 1, f"times that {advice} is advised in {said!r}")
        shared(program)
    finally:
        place.run("ip", "route", "del", "10.40.0.0/16")


@case
@each_program
def a_peer_whose_name_is_not_known(program):
    """It starts, says so, and waits: DNS may come after the network. Then it goes on."""
    with open(f"/proc/{place.holder.pid}/root/run/hosts", "w") as f:
        f.write("2001:db8::7 six\n")
    # A directory of its own: who has a cluster on disk founds none.
    state = f"/run/names-{PROGRAMS.index(program)}"
    process = start(program, "--peer=six", "--init", state=state)
    try:
        wait_for_line(process, "--peer six: it has no IPv4 address (IPv6 is not carried yet) -> "
                               "asked again every 5 s, going on without it")
        # An address of this node itself: nobody else is left to be asked.
        with open(f"/proc/{place.holder.pid}/root/run/hosts", "w") as f:
            f.write("192.0.2.7 six\n")
        wait_for_line(process, "--peer six is at 192.0.2.7")
        wait_for_line(process, "founding a cluster here")
    finally:
        end(process)


def start(program, *options, **directories):
    return subprocess.Popen(place.argv(*weftd(program, *options, **directories)), text=True,
                            stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)


def wait_for_line(process, text):
    lines = []
    for line in process.stderr:
        lines.append(line)
        if text in line:
            return
    raise AssertionError(f"it ended with {process.wait()}, without {text!r}: {lines}")


def end(process):
    process.kill()
    process.wait()
    process.stderr.close()


def shared(program):
    """--allow-overlap starts, and says so."""
    process = start(program, "--allow-overlap")
    try:
        wait_for_line(process, " -> shared\n")
    finally:
        end(process)


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("needs root: it makes namespaces")
        sys.exit(cases.SKIP)
    place = Place()
    try:
        cases.main()
    finally:
        place.close()
