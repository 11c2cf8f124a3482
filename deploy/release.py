"""The release build, made when somebody needs its programs, and the lines that say so meanwhile.
deploy/try and deploy/image/build share it; its directory is that of test/run."""

import fcntl
import os
import re
import subprocess
import sys
import textwrap
import time

ROOT = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.path.append(os.path.join(ROOT, "test", "runner"))

import builds  # noqa: E402

WIDTH = 90


class BuildError(Exception):
    """Weft does not build here."""


class Screen:
    """What the person sees: a line when something begins, the seconds when it has ended."""

    def __init__(self, stream):
        self.stream = stream
        self.begun = time.monotonic()
        self.failures = []

    def restart(self):
        self.begun = time.monotonic()

    @property
    def seconds(self):
        return time.monotonic() - self.begun

    def say(self, text=""):
        print(text, file=self.stream, flush=True)

    def step(self, text):
        stamp = f"[{self.seconds:5.1f} s] "
        self.say(textwrap.fill(text, WIDTH, initial_indent=stamp,
                               subsequent_indent=" " * len(stamp), break_long_words=False,
                               break_on_hyphens=False))

    def detail(self, text, indent=10):
        for line in text.splitlines():
            self.say(f"{' ' * indent}{line}".rstrip())

    def failed(self, text):
        self.failures.append(text)
        self.step(f"FAILED: {text}")

    def passing(self, text):
        """A line that the next one overwrites; only where there is somebody to see it move."""
        if self.stream.isatty():
            width = os.get_terminal_size(self.stream.fileno()).columns
            print(f"\r{text[:width - 1]:{width - 1}}\r", end="", file=self.stream, flush=True)


def run_build_command(screen, argv, env, log):
    process = subprocess.Popen(argv, env={**os.environ, **env}, cwd=ROOT, text=True,
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, start_new_session=True)
    try:
        for line in process.stdout:
            log.append(line)
            if re.match(r"\[\d+/\d+\]", line):
                screen.passing(f"[{screen.seconds:5.1f} s] building {line.strip()}")
    finally:
        if process.poll() is None and sys.exc_info()[0]:
            process.terminate()
        process.wait()
    return process.returncode


def build(screen, directory=None):
    """The directory of the programs. WEFT_BUILD names one that is built already."""
    ready = os.environ.get("WEFT_BUILD")
    if ready and directory is None:
        return ready
    wanted = builds.builds_in(directory or os.path.join(ROOT, "build"))["gcc"]
    log = []
    screen.step("building (about a minute the first time)")
    # Two of us side by side share the directory: one builds, the other waits for it.
    lock = os.open(ROOT, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        built = builds.build(ROOT, wanted, lambda argv, env:
                             run_build_command(screen, argv, env, log))
    finally:
        os.close(lock)
    if not built:
        screen.say("".join(log[-30:]))
        raise BuildError("Weft does not build on this machine; the lines above say why")
    return wanted.directory
