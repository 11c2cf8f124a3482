"""Running one program with a time limit, and leaving nothing of it behind.

The runner is a subreaper: whatever a test starts and forgets becomes the runner's child, even
from a session or a namespace of its own. So after a test the runner's children are exactly what
that test left, and nobody else's processes are ever touched."""

import ctypes
import os
import signal
import subprocess
import time

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
LIBC = ctypes.CDLL(None, use_errno=True)
TERM_GRACE_S = 10  # for a test to clean up after itself before it is killed
KILL_WAIT_S = 10


def adopt_orphans():
    if LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def begin_test():
    """In the child: if the runner is killed, the test is told to clean up. A runner behind "&" or
    nohup ignores signals, a test that sends them to its own children must not inherit that."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def children():
    """Our children that are alive, as (pid, name). Zombies are reaped on the way."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat", encoding="utf-8", errors="replace") as f:
                stat = f.read()
        except OSError:
            continue  # it has ended meanwhile
        name = stat[stat.index("(") + 1:stat.rindex(")")]
        state, parent = stat[stat.rindex(")") + 2:].split()[:2]
        if int(parent) != os.getpid():
            continue
        if state == "Z":
            reap(int(entry))
        else:
            found.append((int(entry), name))
    return found


def reap(pid):
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        pass


def remove_children():
    """Kill what the last program left and return the names. Children of the killed become ours
    in turn, hence the loop."""
    names = []
    deadline = time.monotonic() + KILL_WAIT_S
    while time.monotonic() < deadline:
        left = children()
        if not left:
            return names
        for pid, name in left:
            text = f"{name} (pid {pid})"
            if text not in names:
                names.append(text)
            try:
                os.kill(pid, signal.SIGKILL)  # ours and not reaped: the pid is still its own
            except ProcessLookupError:
                pass
        time.sleep(0.01)  # weft-tidy: the kernel tells no one when an adopted child has ended
    raise RuntimeError("processes that cannot be killed: " + ", ".join(names))


def end_group(process):
    """Ask the group to end, so that it removes its namespaces, then insist."""
    for sig, wait_s in ((signal.SIGTERM, TERM_GRACE_S), (signal.SIGKILL, KILL_WAIT_S)):
        try:
            os.killpg(process.pid, sig)
        except ProcessLookupError:
            pass
        try:
            process.wait(wait_s)
            return
        except subprocess.TimeoutExpired:
            continue


def run(argv, env, cwd, log, time_s, tick=None):
    """Run argv in a session of its own with its output in `log`. Returns the exit code (negative
    for a signal), or None when it ran out of time. tick(seconds) is called now and then."""
    begun = time.monotonic()
    process = subprocess.Popen(argv, env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=log,
                               stderr=subprocess.STDOUT, start_new_session=True,
                               preexec_fn=begin_test)
    try:
        while True:
            elapsed = time.monotonic() - begun
            if elapsed >= time_s:
                end_group(process)
                return None
            try:
                return process.wait(min(1.0, time_s - elapsed))
            except subprocess.TimeoutExpired:
                if tick:
                    tick(time.monotonic() - begun)
    except BaseException:
        end_group(process)
        remove_children()
        raise
