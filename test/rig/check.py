"""The frame of a rig test: `check.main(test)` runs it, tells its steps with seconds, shows the
agents' logs when it fails, and exits 0, 1 or 77 (skipped, with the reason as the last line)."""

import os
import sys
import time
import traceback

from rig import Rig
from space import RigError

SKIP = 77
TAIL_LINES = 40
BEGUN = time.monotonic()


class Skip(Exception):
    """This machine cannot run the test; the text says why."""


def step(text):
    print(f"[{time.monotonic() - BEGUN:6.1f} s] {text}", flush=True)


def must(condition, what):
    if not condition:
        raise RigError(what)


def must_equal(have, want, what):
    if have != want:
        raise RigError(f"{what}: is\n  {have}\nand should be\n  {want}")


def source_directory():
    here = os.path.dirname(os.path.abspath(__file__))
    return os.environ.get("WEFT_SOURCE") or os.path.realpath(os.path.join(here, "..", ".."))


def build_directory():
    return os.environ.get("WEFT_BUILD") or os.path.join(source_directory(), "build")


class Cluster(Rig):
    """A Rig whose agents run, and whose logs are shown when the test fails."""

    def __init__(self, nodes=3, **options):
        super().__init__(nodes, build_directory(), **options)

    def __enter__(self):
        super().__enter__()
        try:
            step(f"{len(self.nodes)} nodes, run {self.id}")
            self.start_agents()
            step("agents ready")
        except BaseException:
            self.show_logs()
            self.close()
            raise
        return self

    def __exit__(self, kind, *rest):
        if kind is not None and kind is not SystemExit:
            self.show_logs()
        super().__exit__(kind, *rest)

    def show_logs(self):
        for node in self.nodes:
            lines = node.agent.log_text().splitlines()
            state = "runs" if node.agent.alive else "does not run"
            print(f"--- agent of {node.name} ({state}), last {TAIL_LINES} of {len(lines)} lines")
            print("\n".join(lines[-TAIL_LINES:]), flush=True)


def fail_on_difference(before, after, what):
    """Two results of Place.state(), told by what differs."""
    for part in {**before, **after}:
        if before.get(part) != after.get(part):
            raise RigError(f"{what}: {part} changed:\n  before {before.get(part)}\n"
                           f"  after  {after.get(part)}")


def main(test, agents=True):
    """`agents`: the test starts weftd."""
    if os.geteuid() != 0:
        print("needs root: it makes namespaces")
        sys.exit(SKIP)
    try:
        if agents and not os.path.exists(os.path.join(source_directory(), "agent", "main.c")):
            raise Skip("there is no agent/main.c yet")
        test()
    except Skip as reason:
        print(reason)
        sys.exit(SKIP)
    except RigError as error:
        print(f"FAILED: {error}", flush=True)
        traceback.print_exc(limit=-3)
        sys.exit(1)
    step("done")
