"""Control groups of a cluster: one group in every hierarchy of version 1, and one below it for
each machine, which is the root that the machine's kubelet sees.

They are the proof that a cluster is gone: a process that survived everything would still be in
one of them, and a group with a process in it cannot be removed.
"""

import os

from space import NotYet, RigError, wait_until

MOUNTS = "/sys/fs/cgroup"
NEEDED = ("cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids",
          "name=systemd")
# At 1024 a whole cluster is worth one busy process of the host, and misses every deadline
# beside a build.
CPU_SHARES = 4096

# Puts the shell into the groups of $1 (by blanks), then becomes the rest of its arguments.
JOIN = 'for d in $1; do echo $$ >"$d/cgroup.procs" || exit 1; done; shift; exec "$@"'


def own_paths():
    """Hierarchy -> the path of our own group in it, as /proc/self/cgroup tells."""
    with open("/proc/self/cgroup", encoding="ascii") as f:
        fields = (line.rstrip("\n").split(":", 2) for line in f)
        return {names: path for number, names, path in fields if number != "0"}


def unsupported():
    """Why no cluster can be made here, in a sentence; "" when it can."""
    missing = sorted(set(NEEDED) - set(own_paths()))
    if missing:
        return ("needs control groups of version 1 with a hierarchy each; here is none for "
                + ", ".join(missing))
    return ""


def write(directory, name, text):
    with open(os.path.join(directory, name), "w", encoding="ascii") as f:
        f.write(str(text))


def read(directory, name):
    with open(os.path.join(directory, name), encoding="ascii") as f:
        return f.read()


def make(path, hierarchy):
    os.mkdir(path)
    if hierarchy == "cpuset":  # a new one has no CPU and takes no process
        for name in ("cpuset.cpus", "cpuset.mems"):
            write(path, name, read(os.path.dirname(path), name))


def remove_trees(tops, seconds=10):
    """Remove groups with what is below them, as soon as their processes are gone."""
    def gone():
        left = []
        for top in tops:
            for where, _, _ in os.walk(top, topdown=False):
                try:
                    os.rmdir(where)
                except FileNotFoundError:
                    pass
                except OSError:
                    left.append(where)
        return not left or NotYet(f"{left[0]} has processes {pids_in(left)}")
    wait_until(gone, seconds, "removal of control groups")


def pids_in(directories):
    found = set()
    for top in directories:
        for where, _, _ in os.walk(top):
            try:
                found.update(map(int, read(where, "cgroup.procs").split()))
            except OSError:
                pass  # removed meanwhile
    return sorted(found)


class Groups:
    def __init__(self, name):
        reason = unsupported()
        if reason:
            raise RigError(reason)
        self.tops = {}
        for hierarchy, own in own_paths().items():
            if hierarchy in NEEDED:
                mount = os.path.join(MOUNTS, hierarchy.removeprefix("name="))
                self.tops[hierarchy] = os.path.join(mount, own.strip("/"), name)

    def make(self):
        for hierarchy, top in self.tops.items():
            make(top, hierarchy)
        write(self.tops["cpu"], "cpu.shares", CPU_SHARES)

    def add(self, machine):
        """The machine's own groups; what runs through `join` of the result is in them."""
        paths = []
        for hierarchy, top in self.tops.items():
            paths.append(os.path.join(top, machine))
            if not os.path.isdir(paths[-1]):
                make(paths[-1], hierarchy)
        return ("sh", "-c", JOIN, "join", " ".join(paths))

    def pids(self):
        return pids_in(self.tops.values())

    def remove(self):
        remove_trees(list(self.tops.values()))
