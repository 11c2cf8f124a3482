#!/usr/bin/env python3
# weft-test: name=image-import time=120 needs=root tier=normal build=gcc
"""containerd takes the container image: it is there under its name and digest, for this machine,
its programs start from what containerd unpacked, and removed it is gone."""

import os
import shutil
import subprocess
import tempfile

import rigpath
import check
import containerd
from check import Skip, build_directory, must, must_equal, step
from space import Space, wait_until

# $0 tag; containerd keeps everything below these two
SETUP = """
mount -t tmpfs -o mode=755 "$0" /run
mkdir /run/disk /run/image
mkdir -p /var/lib/containerd
mount -t tmpfs "$0" /var/lib/containerd
"""


def build_image(out):
    """(name, architecture, digest)"""
    done = subprocess.run([os.path.join(rigpath.SOURCE, "deploy/image/build"), "--out", out],
                          env={**os.environ, "WEFT_BUILD": build_directory()}, text=True,
                          stdout=subprocess.PIPE, check=True)
    return done.stdout.splitlines()[-2].split()


def images(space):
    """name -> (digest, platforms)"""
    lines = space.run(*containerd.ctr("images", "list")).splitlines()
    rows = [line.split() for line in lines[1:]]
    return {row[0]: (row[2], row[5]) for row in rows}


def check_import(space, archive, name, architecture, digest):
    containerd.import_image(space, archive)
    # The second is the kubelet's side of containerd, which lists it by its configuration too.
    wait_until(lambda: len(images(space)) == 2, 20, "the kubelet's side has the image")
    have = images(space)
    must_equal(have.get(name), (digest, f"linux/{architecture}"), f"{name} of {have}")
    step(f"imported: {name} {digest}")
    space.run(*containerd.ctr("images", "mount", "--snapshotter", "overlayfs", name, "/run/image"))
    said = space.run("chroot", "/run/image", "/usr/sbin/weftd", "--version")
    must("0." in said, f"weftd from containerd's snapshot says {said!r}")
    space.run(*containerd.ctr("images", "unmount", "--rm", "--snapshotter", "overlayfs",
                              "/run/image"))
    space.run(*containerd.ctr("images", "remove", "--sync", *have))
    must_equal(images(space), {}, "containerd's images, once it is removed")
    must_equal(space.run(*containerd.ctr("content", "list", "--quiet")), "",
               "what containerd keeps of an image that is removed")
    step("its program starts from the snapshot; removed, nothing is left")


def test():
    for program in ("containerd", "ctr"):
        if not shutil.which(program):
            raise Skip(f"{program} is not installed: deploy/install-packages kube")
    with tempfile.TemporaryDirectory(dir=os.environ.get("WEFT_TMP")) as tmp:
        archive = os.path.join(tmp, "weft.tar")
        image = build_image(archive)
        run_id = os.environ.get("WEFT_RUN_ID", f"image{os.getpid()}")
        space = Space("containerd", f"weft-{run_id}-containerd", SETUP)
        server = None
        try:
            space.run("tee", "/run/config.toml", stdin=containerd.config())
            server = space.popen("containerd", "-c", "/run/config.toml",
                                 stderr=subprocess.DEVNULL)
            wait_until(lambda: space.run("test", "-S", containerd.SOCKET,
                                         check=False).returncode == 0,
                       30, "containerd listens", [server])
            step("containerd listens")
            check_import(space, archive, *image)
        finally:
            space.destroy()
            if server:
                server.wait()


if __name__ == "__main__":
    check.main(test)
