"""What a run says while it runs and at its end."""

import os
import shlex
import sys
import time

TAIL_LINES = 40
STILL_EVERY_S = 30


class Report:
    def __init__(self, total):
        self.total = total
        self.number = 0
        self.counts = {"passed": 0, "failed": 0, "skipped": 0}
        self.failures = []  # (test, reason)
        self.skips = []
        self.begun = time.monotonic()
        self.current = None
        self.said_at_s = 0
        self.terminal = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"

    def started(self, test):
        self.current = test
        self.said_at_s = 0
        self.tick(0)

    def tick(self, seconds):
        """The test is still running. A terminal sees the seconds pass, a log a line at times."""
        if self.terminal:
            print(f"\r\033[K  ...  {self.current.name} {seconds:.0f} s", end="", flush=True)
        elif seconds - self.said_at_s >= STILL_EVERY_S:
            self.said_at_s = seconds
            print(f"  ...  {self.current.name} {seconds:.0f} s", flush=True)

    def finished(self, test, outcome, reason, log_path, seconds):
        self.number += 1
        self.counts[outcome] += 1
        mark = {"passed": "ok", "failed": "FAIL", "skipped": "skip"}[outcome]
        clear = "\r\033[K" if self.terminal else ""
        because = f"  {reason}" if reason else ""
        print(f"{clear}[{self.number:3}/{self.total}] {mark:4} {test.name:28} {seconds:7.1f} s"
              f"{because}", flush=True)
        if outcome == "failed":
            self.failures.append((test, reason))
            self.print_tail(log_path)
            print(f"       again: {self.again(test)}", flush=True)
        elif outcome == "skipped":
            self.skips.append((test, reason))

    @staticmethod
    def again(test):
        return f"test/run --only {shlex.quote(test.name)}"

    @staticmethod
    def read_lines(path):
        try:
            with open(path, encoding="utf-8", errors="replace") as f:
                return f.read().splitlines()
        except OSError:
            return []  # the test that could not write it has failed, and says why

    def last_line(self, path):
        lines = [line for line in self.read_lines(path) if line.strip()]
        return lines[-1].strip() if lines else ""

    def print_tail(self, path):
        lines = self.read_lines(path) if path else []
        if len(lines) > TAIL_LINES:
            print(f"       {len(lines) - TAIL_LINES} lines before these: {path}")
        for line in lines[-TAIL_LINES:]:
            print("     | " + line)

    def end(self, left_out, interrupted):
        """The exit code. The last line's form is a promise to whoever reads it by machine."""
        print()
        if left_out:
            tiers = sorted({test.tier for test in left_out})
            option = "--long" if "long" in tiers else "without --quick"
            print(f"not part of this run: {len(left_out)} tests ({option})")
        for reason in dict.fromkeys(reason for _, reason in self.skips):
            names = [test.name for test, why in self.skips if why == reason]
            print(f"skipped {', '.join(names)}: {reason}")
        for test, reason in self.failures:
            print(f"failed  {test.name}: {reason}; again: {self.again(test)}")
        print(f"{time.monotonic() - self.begun:.0f} s")
        if interrupted:
            not_run = self.total - self.number
            self.counts["failed"] += not_run
            print(f"interrupted: {not_run} tests did not run to their end -> counted as failed")
        print("{passed} passed, {failed} failed, {skipped} skipped".format(**self.counts),
              flush=True)
        if interrupted:
            return 130
        return 1 if self.counts["failed"] or self.counts["passed"] == 0 else 0
