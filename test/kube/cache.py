"""What the tests need of Kubernetes and Debian does not have, made once by test/kube/build: where
it lies, outside the checkout, and whether it is there.

  $WEFT_KUBE_CACHE, else $XDG_CACHE_HOME/weft-kube, else ~/.cache/weft-kube
    programs-VERSION-KEY   Kubernetes as one binary and its names, CoreDNS, test servers
    images-VERSION-KEY     image archives, and a containerd's directory that has them imported
    peers-VERSION-KEY      another network's image, for test/bench/kube; only build --peers makes it
    cache                  Go's modules and objects

A key is a hash of the files that made the directory, so another checkout makes its own. A
directory appears under its name when it is complete.
"""

import functools
import glob
import hashlib
import os
import shutil

from rigpath import HERE, SOURCE

KUBERNETES = os.environ.get("WEFT_KUBE_VERSION", "v1.35.4")
COREDNS = "v1.15.0"
FLANNEL = "v0.28.4"
COMMAND = "test/kube/build"
KUBERNETES_NAMES = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet",
                    "kube-proxy", "kubectl")
PROGRAM_SOURCES = ("programs.py", "src/*")
IMAGE_SOURCES = (*PROGRAM_SOURCES, "images.py", "containerd.py")
PEER_SOURCES = ("peers.py",)
# Programs that a cluster needs and a minimal Debian has not; deploy/packages, group kube.
NEEDED = ("etcd", "containerd", "ctr", "runc", "iptables", "nft", "conntrack", "curl", "openssl")


def root():
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.path.abspath(os.environ.get("WEFT_KUBE_CACHE") or os.path.join(base, "weft-kube"))


@functools.cache
def key(patterns):
    """Of the files as they were when it was first asked for."""
    digest = hashlib.sha256(COREDNS.encode())
    for path in sorted(p for pattern in patterns for p in glob.glob(os.path.join(HERE, pattern))):
        if os.path.isfile(path):
            with open(path, "rb") as f:
                digest.update(f"{os.path.relpath(path, SOURCE)}\0".encode() + f.read())
    return digest.hexdigest()[:12]


def programs():
    return os.path.join(root(), f"programs-{KUBERNETES}-{key(PROGRAM_SOURCES)}")


def images():
    return os.path.join(root(), f"images-{KUBERNETES}-{key(IMAGE_SOURCES)}")


def peers():
    return os.path.join(root(), f"peers-{FLANNEL}-{key(PEER_SOURCES)}")


def program(name):
    return os.path.join(programs(), name)


def missing():
    """Why no cluster can be started yet, in a sentence with the command; "" when it can."""
    lacking = [name for name in NEEDED if not shutil.which(name)]
    if lacking:
        return f"{', '.join(lacking)} not installed: run {COMMAND} once"
    for directory in (programs(), images()):
        if not os.path.isdir(directory):
            return (f"Kubernetes {KUBERNETES} is not built ({directory} is not there): run "
                    f"{COMMAND} once, it takes 10 minutes")
    return ""


def missing_peers():
    if not os.path.isdir(peers()):
        return (f"flannel {FLANNEL} is not built ({peers()} is not there): run {COMMAND} --peers "
                "once, it takes 4 minutes")
    return ""
