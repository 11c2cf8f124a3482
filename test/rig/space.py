"""Places: namespaces of our own, and the processes inside them.

A Space is a set of new namespaces (network, mount, uts) kept alive by one holder process; a
Netns is a named network namespace inside a Space, made as a container runtime makes it. Both
can run commands. Nothing is created in the host's own namespaces.

Every Space mounts a tmpfs whose source names the run ("weft-<runid>-<name>"). Whoever lives in
one of our mount namespaces therefore shows the tag in /proc/PID/mountinfo: that is how a run,
or a later one, finds every process of a run and no other. A pid or a namespace's inode number
could be somebody else's by then; a random tag cannot.
"""

import json
import os
import select
import signal
import subprocess
import time

POLL_S = 0.02
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PASSED_ON = ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS", "LLVM_PROFILE_FILE")


class RigError(Exception):
    """The rig, or what it tests, did not do what was asked; the text is for people."""


class NotYet(str):
    """A falsy answer of a wait_until condition that says what is still missing."""

    def __bool__(self):
        return False

    def __getitem__(self, key):
        raise RigError(f"no '{key}': {self}")


def wait_until(condition, seconds, what, processes=()):
    """Poll until condition() is truthy and return its value.

    A process among `processes` that ends meanwhile ends the wait at once: what we wait for
    will not come any more. The reason of the last NotYet is told on time-out.
    """
    deadline = time.monotonic() + seconds
    fds = [os.pidfd_open(p.pid) for p in processes if p.poll() is None]
    try:
        while True:
            value = condition()
            if value:
                return value
            for process in processes:
                if process.poll() is not None:
                    raise RigError(f"{what}: {os.path.basename(str(process.args[-1]))} "
                                   f"(pid {process.pid}) ended with {process.returncode}")
            if time.monotonic() > deadline:
                reason = f" ({value})" if isinstance(value, str) and len(value) else ""
                raise RigError(f"{what}: not within {seconds} s{reason}")
            select.select(fds, [], [], POLL_S)
    finally:
        for fd in fds:
            os.close(fd)


def environment(extra=None):
    env = {"PATH": PATH, "LANG": "C.UTF-8"}
    env.update({k: os.environ[k] for k in PASSED_ON if k in os.environ})
    env.update(extra or {})
    return env


class Place:
    """Somewhere a command can run. Subclasses give `enter`, the argv that leads there."""

    name = "?"
    enter = ()

    def popen(self, *argv, env=None, **kwargs):
        """Start a process here, in a session of its own: Ctrl-C is for the rig's owner alone."""
        kwargs.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.Popen([*self.enter, *map(str, argv)], env=environment(env),
                                start_new_session=True, cwd="/", **kwargs)

    def run(self, *argv, check=True, stdin=None, timeout_s=60, env=None):
        """Run to the end. Returns the output; with check=False the CompletedProcess."""
        done = subprocess.run([*self.enter, *map(str, argv)], env=environment(env), cwd="/",
                              input=stdin, stdin=subprocess.DEVNULL if stdin is None else None,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              timeout=timeout_s, start_new_session=True)
        if not check:
            return done
        if done.returncode:
            raise RigError(f"{self.name}: '{' '.join(map(str, argv))}' ended with "
                           f"{done.returncode}: {(done.stderr or done.stdout).strip()}")
        return done.stdout

    def json(self, *argv):
        return json.loads(self.run(*argv) or "[]")

    def ip(self, lines):
        """Several ip commands, one a line, in one process; the first failure ends it."""
        self.run("ip", "-batch", "-", stdin="\n".join(l.strip() for l in lines.splitlines()))

    def nft(self, rules):
        self.run("nft", "-f", "-", stdin=rules)


class Space(Place):
    """New network, mount and uts namespaces, held by a process that ends with its owner."""

    def __init__(self, name, tag, setup, args=()):
        """`setup` is a shell script with $1.. = args, run inside before anybody else enters."""
        self.name, self.tag = name, tag
        script = f"set -e\n{setup}\necho ready\nexec cat >/dev/null\n"
        self.holder = subprocess.Popen(
            ["unshare", "--net", "--mount", "--uts", "--propagation", "private",
             "sh", "-c", script, tag, *map(str, args)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=environment(), start_new_session=True, cwd="/")
        if self.holder.stdout.readline() != "ready\n":
            reason = self.holder.stderr.read().strip()
            self.holder.kill()
            self.holder.wait()
            raise RigError(f"namespaces for {name} not made: {reason}")

    @property
    def enter(self):
        pid = str(self.holder.pid)
        return ("nsenter", "-t", pid, "-n", "-m", "-u", "--")

    @property
    def enter_net_only(self):
        """The node's network with the host's mounts: for sysctls that are read-only inside."""
        return ("nsenter", "-t", str(self.holder.pid), "-n", "--")

    def root(self, path):
        """A path of this mount namespace as the host can open it."""
        return f"/proc/{self.holder.pid}/root{path}"

    def add_netns(self, name):
        self.run("ip", "netns", "add", name)
        return Netns(self, name)

    def sysctl(self, key, value=None):
        path = f"/proc/sys/{key}"
        place = Place()
        place.name, place.enter = self.name, self.enter_net_only
        if value is None:
            return place.run("cat", path).strip()
        place.run("tee", path, stdin=f"{value}\n")
        return str(value)

    def destroy(self):
        """Kill everybody inside; the kernel takes the namespaces with the last of them."""
        kill_members(self.tag + " ")
        self.holder.wait()
        for pipe in (self.holder.stdin, self.holder.stdout, self.holder.stderr):
            pipe.close()


class Netns(Place):
    """A network namespace with a name in its Space's /run/netns, as runtimes make them."""

    def __init__(self, space, name):
        self.space, self.name = space, name
        self.path = f"/run/netns/{name}"

    @property
    def enter(self):
        pid = str(self.space.holder.pid)
        return ("nsenter", "-t", pid, "-m", "-u", f"--net={self.space.root(self.path)}", "--")

    def remove(self):
        self.space.run("ip", "netns", "del", self.name)


def start_time(pid):
    """When the process started, in ticks since boot; None when there is none. With the pid it
    names a process for good."""
    try:
        with open(f"/proc/{pid}/stat") as f:
            fields = f.read().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]


def members(tag):
    """Pids that live in a mount namespace where `tag` begins the source of a mount: a trailing
    blank means this Space alone (n1, not n10), a trailing dash the whole run."""
    needle = f" {tag}"
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        try:
            with open(f"/proc/{entry}/mountinfo") as f:
                if needle in f.read():
                    found.append(int(entry))
        except OSError:
            pass  # ended meanwhile
    return found


def kill_member(pid, tag):
    """SIGKILL through a pidfd taken before the second look: never somebody else's pid."""
    try:
        fd = os.pidfd_open(pid)
    except OSError:
        return
    try:
        with open(f"/proc/{pid}/mountinfo") as f:
            if f" {tag}" in f.read():
                signal.pidfd_send_signal(fd, signal.SIGKILL)
    except OSError:
        pass
    finally:
        os.close(fd)


def kill_members(tag, seconds=30):
    """Kill whoever is inside, again and again until nobody is: forks may outrun one round."""
    def nobody_left():
        left = members(tag)
        for pid in left:
            kill_member(pid, tag)
        return not left or NotYet(f"pids {left} of {tag} still there")
    wait_until(nobody_left, seconds, f"end of all processes of {tag}")
