"""A frame for tests that are many small cases: each runs, each failure is told, none stops the
others. No case at all is a failure too."""

import functools
import os
import subprocess
import sys
import traceback

SKIP = 77
CASES = []


def case(function):
    CASES.append((function.__name__.replace("_", " "), function, ()))
    return function


def table(rows):
    """The function once for each row; its first field names it."""
    def add(function):
        for row in rows:
            CASES.append((f"{function.__name__.replace('_', ' ')}: {row[0]}", function, row[1:]))
        return function
    return add


def equal(have, want, what):
    if have != want:
        raise AssertionError(f"{what} is\n  {have!r}\nand should be\n  {want!r}")


def contains(have, part, what):
    if part not in have:
        raise AssertionError(f"{what} should contain {part!r} and is\n  {have!r}")


def source_directory():
    here = os.path.dirname(os.path.abspath(__file__))
    return os.environ.get("WEFT_SOURCE") or os.path.realpath(os.path.join(here, "..", ".."))


def builds(*variables):
    """Build directories from the environment; by hand, the usual one."""
    found = [os.environ[v] for v in variables if os.environ.get(v)]
    return found or [os.path.join(source_directory(), "build")]


def programs(*where):
    """A program in each build of this test: the release one, and the sanitized one if asked for."""
    return [os.path.join(build, *where) for build in builds("WEFT_BUILD", "WEFT_BUILD_SANITIZED")]


def with_each(those):
    """A decorator: the function once for each of these, which is then its first argument."""
    def decorate(function):
        @functools.wraps(function)
        def run(*arguments):
            for program in those:
                function(program, *arguments)
        return run
    return decorate


class Netns:
    """A network namespace that lives as long as a process of ours, and its path."""

    def __init__(self):
        self.holder = subprocess.Popen(["unshare", "--net", "sh", "-c", "echo ready; exec cat"],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.holder.stdout.readline()
        self.path = f"/proc/{self.holder.pid}/ns/net"

    def close(self):
        self.holder.stdin.close()
        self.holder.wait()
        self.holder.stdout.close()


def main():
    failed = []
    for name, function, arguments in CASES:
        try:
            function(*arguments)
        except Exception:  # a broken case must not hide the others
            failed.append(name)
            print(f"FAILED {name}\n{traceback.format_exc(limit=-2)}", flush=True)
    print(f"{len(CASES)} cases, {len(failed)} failed")
    sys.exit(1 if failed or not CASES else 0)
