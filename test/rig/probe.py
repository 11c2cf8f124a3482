"""What the rig measures from inside a place: pings, a stream that counts losses, TCP.

Each probe runs a program in the pod or node, as a person at a shell would.
"""

import json
import os
import select
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from node import OUTSIDE, TOOLS
from space import RigError

AT_ONCE = 12             # pings in flight: two cores have to carry them
STREAM_PORT = 7000
RATE_HZ = 1000
PING_S = 5               # an answer ends the wait; a loaded machine may take its time


def python(helper):
    """A helper (test/rig/helpers) as a place can run it."""
    return sys.executable, "-B", "-I", f"{TOOLS}/{helper}.py"


def ping(place, address, seconds=PING_S, *options):
    """One echo request. None when it was answered, else ping's own words."""
    done = place.run("ping", "-n", "-c", "1", "-W", seconds, *options, address, check=False)
    if done.returncode == 0:
        return None
    words = (done.stderr + done.stdout).strip().splitlines()
    return words[-1] if words else "no answer"


def ping_all(pairs, seconds=PING_S):
    """`pairs`: (place, address, what it is). Returns (how many were answered, failures as text)."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(lambda pair: ping(pair[0], pair[1], seconds), pairs))
    failures = [f"{place.name} -> {what} ({address}): {answer}"
                for (place, address, what), answer in zip(pairs, answers) if answer]
    return len(pairs) - len(failures), failures


def matrix(rig, pods):
    """Every pair that must work: pod to pod, to its own and the other nodes by both of their
    addresses, and to the outside; node to every pod."""
    targets = [(pod.address, pod.name) for pod in pods]
    targets += [(node.address, node.name) for node in rig.nodes]
    targets += [(node.overlay_address(), f"{node.name} in the range") for node in rig.nodes]
    targets.append((OUTSIDE, "the outside host"))
    pairs = [(pod, address, what) for pod in pods for address, what in targets
             if address != pod.address]
    pairs += [(node, pod.address, pod.name) for node in rig.nodes for pod in pods]
    return pairs


def must_all_answer(pairs, seconds=PING_S):
    if not pairs:
        raise RigError("nobody was asked: there is no pair to ping")
    answered, failures = ping_all(pairs, seconds)
    if failures:
        raise RigError(f"{len(failures)} of {len(pairs)} pings were not answered:\n  " +
                       "\n  ".join(failures[:20]))
    return answered


def wait_line(process, seconds, what):
    """The next line of a program's output."""
    fd = process.stdout.fileno()
    deadline = time.monotonic() + seconds
    line = b""
    while not line.endswith(b"\n"):
        if not select.select([fd], [], [], max(0, deadline - time.monotonic()))[0]:
            raise RigError(f"{what}: no line within {seconds} s")
        byte = os.read(fd, 1)
        if not byte:
            raise RigError(f"{what}: ended with {process.wait()}")
        line += byte
    return line.decode().strip()


def start_server(place, helper, *arguments):
    process = place.popen(*python(helper), "serve", *arguments, stdout=subprocess.PIPE)
    wait_line(process, 30, f"{helper} server in {place.name}")
    return process


def stop(process):
    process.kill()
    process.wait()
    process.stdout.close()


class Stream:
    """A running echo stream from one place to another. `with Stream(...) as s: ...; s.end()`"""

    def __init__(self, source, target, address=None, rate=RATE_HZ, port=STREAM_PORT):
        self.name = f"stream {source.name} -> {target.name}"
        self.server = start_server(target, "stream", port)
        self.sender = source.popen(*python("stream"), "send", address or target.address, port,
                                   rate, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.result = None
        self.heard = 0

    def __enter__(self):
        try:
            self.wait_more(200)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def wait_more(self, count, seconds=20):
        """Until that many further echoes have come (in hundreds)."""
        self.drain()
        wanted = self.heard + count
        while self.heard < wanted:
            self.heard = int(wait_line(self.sender, seconds, self.name))

    def drain(self):
        """Skip the lines that say what was heard until now."""
        while select.select([self.sender.stdout], [], [], 0)[0]:
            self.heard = int(wait_line(self.sender, 1, self.name))

    def end(self):
        """Stop sending, wait for the last echoes and return what became of all of them."""
        self.sender.stdin.close()
        line = "0"
        while not line.startswith("{"):
            line = wait_line(self.sender, 30, self.name)
        self.result = json.loads(line)
        return self.result

    def close(self):
        for process in (self.sender, self.server):
            stop(process)
        if not self.sender.stdin.closed:
            self.sender.stdin.close()


def ask(place, address, port, length=0, *source):
    """Connect from a place, from a source of one's choice; the server's name, the client it saw
    and the bytes it echoed."""
    done = place.run(*python("tcp"), "ask", address, port, length, *source, check=False)
    if done.returncode:
        words = done.stderr.strip().splitlines() or ["no reason given"]
        raise RigError(f"{place.name} -> {address}:{port}: {words[-1]}")
    return json.loads(done.stdout)
