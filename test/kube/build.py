"""test/kube/build, once its packages are there."""

import argparse
import contextlib
import fcntl
import glob
import os
import shutil
import sys
import tempfile
import time

import rigpath  # noqa: F401: images.py uses test/rig
import cache
import images
import peers
import programs
from archive import ImageError  # images.py knows where it is
from space import RigError

LOWEST = 10  # niceness: whoever waits for this has something else to do meanwhile


@contextlib.contextmanager
def locked(directory):
    """One build at a time; a second one waits and finds everything there."""
    os.makedirs(directory, exist_ok=True)
    with open(os.path.join(directory, "lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def appearing(path):
    """A directory to fill, which has the name `path` once that went well, and is gone else."""
    fresh = f"{path}.new"
    shutil.rmtree(fresh, ignore_errors=True)
    os.mkdir(fresh)
    try:
        yield fresh
        os.rename(fresh, path)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def working():
    return tempfile.TemporaryDirectory(dir=cache.root(), prefix="work-")


def build(say, with_peers):
    if not shutil.which("go"):
        raise programs.BuildError("there is no `go` in PATH, and Debian's is too old for "
                                  "Kubernetes: install one from go.dev")
    with locked(cache.root()):
        if not os.path.isdir(cache.programs()):
            with appearing(cache.programs()) as out, working() as work:
                programs.build(out, work, say)
        if not os.path.isdir(cache.images()):
            with appearing(cache.images()) as out:
                images.build(out, say)
        if with_peers and not os.path.isdir(cache.peers()):
            with appearing(cache.peers()) as out, working() as work:
                peers.build(out, work, say)
    ours = [cache.programs(), cache.images()] + [cache.peers()] * os.path.isdir(cache.peers())
    say("complete: " + f"\n{' ' * 10}and ".join(ours))
    others = sorted(set(glob.glob(os.path.join(cache.root(), "*-v*"))) - set(ours))
    if others:
        say(f"of other versions or checkouts, may be removed: {' '.join(others)}")


def main(argv):
    parser = argparse.ArgumentParser(
        prog=cache.COMMAND, epilog="WEFT_KUBE_VERSION=v1.36.3 asks for another Kubernetes, "
        "WEFT_KUBE_CACHE=DIR for another place.",
        description=f"Build Kubernetes {cache.KUBERNETES} and what its tests need.")
    parser.add_argument("--peers", action="store_true",
                        help="also the networks that test/bench/kube holds Weft against")
    options = parser.parse_args(argv)
    begun = time.monotonic()

    def say(text):
        print(f"[{time.monotonic() - begun:5.0f} s] {text}", flush=True)
    os.nice(LOWEST)
    try:
        build(say, options.peers)
    except (programs.BuildError, ImageError, RigError) as error:
        print(f"{cache.COMMAND}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
