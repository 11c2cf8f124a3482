"""A machine of the cluster: all namespaces of its own, with a PID 1 that only reaps.

  files    the host's, read-only; /etc, /var and /opt are overlays whose changes are on the
           machine's disk (a directory of the run), containerd's and kubelet's directories lie on
           that disk without an overlay, /run and /tmp are memory; the images are the cache's own
           files, of which containerd's overlays read
  /sys     of its own network, with its own control groups as the root of the tree
  network  one card, eth0, plugged into the underlay by the cluster

Killing PID 1 ends everything in the machine, containers too; mounts, links and pods' namespaces
go with the namespaces. PID 1 ends when its standard input does, that is with the rig's owner.
"""

import os
import shutil
import signal
import subprocess

import containerd
import space
from groups import NEEDED
from node import TOOLS
from space import RigError, Space, wait_until

# What kubelet sets for the whole host. It is shown files that hold what it wants already.
HOST_SYSCTLS = {"vm/overcommit_memory": 1, "vm/panic_on_oom": 0, "kernel/panic": 10,
                "kernel/panic_on_oops": 1, "kernel/keys/root_maxkeys": 1000000,
                "kernel/keys/root_maxbytes": 25000000}

# $0 tag, $1 name, $2 disk, $3 tools, $4 hierarchies, $5 address, $6 the cache's containerd or
# nothing. /etc/cni and /opt/cni are emptied once: a container engine of the host may have left a
# network there, and nodes would be Ready at once with the wrong one. /sys is unmounted before it
# is mounted: with the old one below, each control group is there twice and runc takes the wrong
# one. SIGCHLD ignored: the kernel reaps.
SETUP = """
hostname "$1"
mount --bind "$2" /mnt
mkdir -p /mnt/log /mnt/containerd /mnt/kubelet
for top in etc var opt; do
	mkdir -p /mnt/over/$top /mnt/spare/$top
	changes="upperdir=/mnt/over/$top,workdir=/mnt/spare/$top"
	mount -t overlay -o "lowerdir=/$top,$changes" "$0" /$top
done
if [ ! -e /mnt/installed ]; then
	rm -rf /etc/cni /opt/cni /var/lib/weft
	mkdir -p /etc/cni/net.d /opt/cni/bin /etc/containerd /var/lib/containerd /var/lib/kubelet
	printf '127.0.0.1 localhost\\n%s %s\\n' "$5" "$1" >/etc/hosts
	echo "$1" >/etc/hostname
	echo "$1" | md5sum | cut -c1-32 >/etc/machine-id
	: >/etc/resolv.conf
	touch /mnt/installed
fi
mount --bind /mnt/containerd /var/lib/containerd
mount --bind /mnt/kubelet /var/lib/kubelet
if [ -n "$6" ]; then
	cd /var/lib/containerd
	mkdir -p CONTENT /mnt/content /mnt/content-work
	mount -t overlay -o "lowerdir=$6/CONTENT,upperdir=/mnt/content,workdir=/mnt/content-work" \
		"$0" CONTENT
	for snapshot in "$6"/SNAPSHOTS/*; do
		mkdir -p "SNAPSHOTS/${snapshot##*/}"
		mount --bind "$snapshot" "SNAPSHOTS/${snapshot##*/}"
		mount -o remount,bind,ro "SNAPSHOTS/${snapshot##*/}"
	done
	cd /
fi
mount --bind "$3" TOOLS
umount -l /sys
mount -t sysfs sysfs /sys
mount -t tmpfs -o mode=755 "$0" /sys/fs/cgroup
for hierarchy in $4; do
	name=${hierarchy#name=}
	mkdir "/sys/fs/cgroup/$name"
	[ "$name" = "$hierarchy" ] || hierarchy="none,$hierarchy"
	mount -t cgroup -o "$hierarchy" cgroup "/sys/fs/cgroup/$name"
done
mount -o remount,bind,ro /
mount -t tmpfs -o mode=1777 "$0" /tmp
mount -t tmpfs -o mode=755 "$0" /run
mkdir /run/lock /run/netns /run/sysctl
mount --bind /proc/sys /proc/sys
mount -o remount,bind,ro /proc/sys
mount --bind /proc/sys/net /proc/sys/net
mount -o remount,bind,rw /proc/sys/net
for setting in SYSCTLS; do
	path=${setting%=*}
	echo "${setting#*=}" >"/run/sysctl/${path##*/}"
	mount --bind "/run/sysctl/${path##*/}" "/proc/sys/$path"
done
mount --make-rshared /
ip link set lo up
echo 1 >/proc/sys/net/ipv4/ip_forward
echo 0 >/proc/sys/net/ipv4/conf/all/rp_filter
echo 0 >/proc/sys/net/ipv4/conf/default/rp_filter
for family in ip ip6; do
	call=/proc/sys/net/bridge/bridge-nf-call-${family}tables
	[ ! -e $call ] || echo 1 >$call
done
trap '' CHLD
""".replace("TOOLS", TOOLS).replace("CONTENT", containerd.CONTENT).replace(
    "SNAPSHOTS", containerd.SNAPSHOTS).replace(
    "SYSCTLS", " ".join(f"{path}={value}" for path, value in HOST_SYSCTLS.items()))

UNSHARE = ("unshare", "--net", "--mount", "--uts", "--ipc", "--pid", "--cgroup", "--fork",
           "--kill-child=KILL", "--mount-proc", "--propagation", "private")


class Daemon:
    """A program of a machine that runs until it is told otherwise; its output is in a log."""

    def __init__(self, machine, name, *argv):
        self.machine, self.name, self.argv = machine, name, argv
        self.log = os.path.join(machine.disk, "log", f"{name}.log")
        self.process = None

    def start(self, *argv):
        """With these arguments, or with those of the last start."""
        self.argv = argv or self.argv
        with open(self.log, "ab") as log:
            self.process = self.machine.popen_inside(*self.argv, stdout=log, stderr=log)
        return self

    @property
    def alive(self):
        return self.process is not None and self.process.poll() is None

    @property
    def pid(self):
        """The program's own, as the host counts: `process` is the nsenter above it."""
        return wait_until(lambda: child_of(self.process.pid), 5, f"{self.name} started",
                          [self.process])

    def pause(self):
        """It hangs: connections stay, nobody answers."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self):
        """The nsenter too: it stops when its child does, and only it can reap that."""
        os.kill(self.pid, signal.SIGCONT)
        self.process.send_signal(signal.SIGCONT)

    def kill(self):
        """kill -9, and not of the nsenter: its child would become a child of whoever adopts
        orphans, and PID 1 of the machine could not end before that one reaps it."""
        if self.alive:
            os.kill(self.pid, signal.SIGKILL)
            self.process.wait()

    def log_text(self):
        try:
            with open(self.log, encoding="utf-8", errors="replace") as f:
                return f.read()
        except OSError:
            return ""


def child_of(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
            found = f.read().split()
    except OSError:
        return None
    return int(found[0]) if found else None


class Machine(Space):
    def __init__(self, name, tag, address, disk, tools, join, template=""):
        self.name, self.tag, self.address = name, f"{tag}-{name}", address
        self.disk, self.tools, self.join, self.template = disk, tools, join, template
        self.daemons = {}
        self.killed = False  # when it was told to end and did not
        os.makedirs(disk, exist_ok=True)
        if template:
            shutil.copytree(template, os.path.join(disk, "containerd"),
                            ignore=shutil.ignore_patterns("blobs", "[0-9]*"))
        self.boot()

    def boot(self):
        script = f"set -e\n{SETUP}\necho ready\nexec cat >/dev/null\n"
        self.holder = subprocess.Popen(
            [*self.join, *UNSHARE, "sh", "-c", script, self.tag, self.name, self.disk, self.tools,
             " ".join(NEEDED), self.address, self.template],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=space.environment(), start_new_session=True, cwd="/")
        if self.holder.stdout.readline() != "ready\n":
            reason = self.holder.stderr.read().strip()
            self.holder.kill()
            self.holder.wait()
            raise RigError(f"machine {self.name} not made: {reason}")
        self.init = child_of(self.holder.pid)

    @property
    def enter(self):
        return ("nsenter", "-t", str(self.init), "-n", "-m", "-u", "-i", "-p", "--")

    def popen_inside(self, *argv, **kwargs):
        """As `popen`, in the machine's control groups too, and ending with the nsenter."""
        enter = (*self.join, *self.enter[:-1], "-C", "--", "setpriv", "--pdeathsig", "KILL")
        return subprocess.Popen([*enter, *map(str, argv)], env=space.environment(), cwd="/",
                                stdin=subprocess.DEVNULL, start_new_session=True, **kwargs)

    def root(self, path):
        return f"/proc/{self.init}/root{path}"

    def write(self, path, text):
        """A file inside; its directory is made."""
        self.run("mkdir", "-p", os.path.dirname(path))
        self.run("tee", path, stdin=text)

    def start(self, name, *argv):
        self.daemons[name] = Daemon(self, name, *argv).start()
        return self.daemons[name]

    def must_run(self):
        for daemon in self.daemons.values():
            if daemon.process is not None and not daemon.alive:
                raise RigError(f"{daemon.name} on {self.name} ended with "
                               f"{daemon.process.returncode}: {daemon.log_text()[-600:]}")

    def destroy(self):
        """PID 1 ends, and the kernel kills the rest before unshare hears of it."""
        self.holder.stdin.close()
        try:
            self.holder.wait(10)
        except subprocess.TimeoutExpired:
            self.killed = True
            self.holder.kill()
            self.holder.wait()
        space.kill_members(self.tag + " ")
        for daemon in self.daemons.values():
            if daemon.process is not None:
                daemon.process.wait()
        for pipe in (self.holder.stdout, self.holder.stderr):
            pipe.close()
