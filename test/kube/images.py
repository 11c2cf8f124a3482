"""Makes the images of the cache, and a containerd's directory that has them imported, which every
node gets a copy of: importing would take a node 5 seconds. Called by test/kube/build alone."""

import os
import shutil
import subprocess
import sys

import cache
import containerd
import rigpath
from space import Space, wait_until

sys.path.append(os.path.join(rigpath.SOURCE, "deploy", "image"))
from archive import write_image  # noqa: E402

APPLETS = ("cat", "ls", "nslookup", "sh", "wget")
TEMPLATE_TAG = "weft-kube-template"
# $0 tag, $1 containerd's directory, $2 its configuration
SETUP = """
mount -t tmpfs -o mode=755 "$0" /run
mkdir -p /run/over /run/work /run/disk
mount --bind "$1" /run/disk
mount -t overlay -o lowerdir=/var,upperdir=/run/over,workdir=/run/work "$0" /var
mkdir -p /var/lib/containerd
mount --bind /run/disk /var/lib/containerd
"""


def write_archives(directory):
    program = cache.program
    busybox = shutil.which("busybox")
    archives = {
        "pause": (containerd.PAUSE, {"/pause": program("pause")}, {}, ["/pause"]),
        "agnhost": ("weft.test/agnhost:1",
                    {"/agnhost": program("agnhost"), "/bin/busybox": busybox},
                    {f"/bin/{name}": "busybox" for name in APPLETS}, ["/agnhost"]),
        "coredns": ("weft.test/coredns:1", {"/coredns": program("coredns")}, {}, ["/coredns"]),
    }
    for name, (reference, files, links, entry) in archives.items():
        write_image(os.path.join(directory, f"{name}.tar"), reference, files, links=links,
                    entrypoint=entry)
    return sorted(archives)


def import_all(out, names):
    """A containerd of our own imports them: it must not meet one that the host may run."""
    disk = os.path.join(out, "containerd")
    os.mkdir(disk)
    space = Space("template", f"{TEMPLATE_TAG}-{os.getpid()}", SETUP, [disk])
    config = "/run/config.toml"
    space.run("tee", config, stdin=containerd.config())
    server = space.popen("containerd", "-c", config, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: space.run("test", "-S", containerd.SOCKET, check=False).returncode == 0,
                   30, "containerd listens", [server])
        for name in names:
            containerd.import_image(space, os.path.join(out, f"{name}.tar"))
        server.terminate()
        server.wait(10)
    finally:
        space.destroy()
        server.wait()


def build(out, say):
    names = write_archives(out)
    for name in names:
        say(f"image {name}: {os.path.getsize(os.path.join(out, name + '.tar')) >> 20} MB")
    say("importing them once, for all nodes")
    import_all(out, names)
    for name in names:
        os.unlink(os.path.join(out, f"{name}.tar"))
    say("uses " + subprocess.run(["du", "-sh", out], capture_output=True, text=True,
                                 check=True).stdout.split()[0])
