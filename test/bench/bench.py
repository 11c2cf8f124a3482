"""What the benches share. Progress goes to standard error, the result to standard output."""

import argparse
import os
import subprocess
import sys
import time

ROOT = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
sys.path[:0] = [os.path.join(ROOT, "test", part) for part in ("rig", "runner", "kube")]

import builds  # noqa: E402
from space import RigError  # noqa: E402

BEGUN = time.monotonic()


def say(text):
    print(f"[{time.monotonic() - BEGUN:6.1f} s] {text}", file=sys.stderr, flush=True)


def count(text):
    number = int(text)
    if not 1 <= number <= 1000:
        raise argparse.ArgumentTypeError("1 to 1000")
    return number


def add_build_option(parser):
    parser.add_argument("--build-dir", default=os.path.join(ROOT, "build"), metavar="DIR",
                        help="where the release build is or is to be made (build); the "
                        "environment's WEFT_BUILD names one to use as it is")


def build(options):
    """The directory of the release build, made if need be."""
    if os.environ.get("WEFT_BUILD"):
        return os.environ["WEFT_BUILD"]
    directory = os.path.abspath(options.build_dir)
    say(f"building in {directory}")
    wanted = builds.builds_in(directory)["gcc"]
    lines = []

    def run(argv, env):
        done = subprocess.run(argv, env={**os.environ, **env}, cwd=ROOT, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)
        lines.extend(done.stdout.splitlines())
        return done.returncode
    if not builds.build(ROOT, wanted, run):
        raise RigError("Weft does not build: " + "\n  ".join(lines[-20:]))
    return directory


def main(prog, run, options):
    """Exit code: whether everything went well. run(options) prints the result."""
    if os.geteuid() != 0:
        sys.exit(f"{prog} makes network namespaces, and only root may do that")
    try:
        run(options)
    except RigError as error:
        say(f"FAILED: {error}")
        return 1
    except KeyboardInterrupt:
        say("stopped; everything removed")
        return 130
    return 0
