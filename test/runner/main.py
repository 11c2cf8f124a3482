"""test/run, once its packages are there: finds, builds, runs, reports."""

import argparse
import os
import pwd
import secrets
import shutil
import signal
import sys
import tempfile
import time

import builds
import discover
import leftovers
import processes
from report import Report

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"
INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SKIP_CODE = 77
SANITIZER_ENV = {
    "ASAN_OPTIONS": "detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
}


def parse_arguments(argv):
    parser = argparse.ArgumentParser(prog="test/run", description="Build Weft and test it.")
    parser.add_argument("--list", action="store_true", help="name the tests, run none")
    parser.add_argument("--only", metavar="NAME", action="append", default=[],
                        help="run the tests of this name, or whose names begin so; repeatable")
    parser.add_argument("--quick", action="store_const", const="quick", dest="tier",
                        help="under two minutes once built")
    parser.add_argument("--long", action="store_const", const="long", dest="tier",
                        help="also what does not fit in 25 minutes")
    parser.add_argument("--build-dir", metavar="DIR",
                        help="the release build; the others are DIR-* (build)")
    parser.add_argument("--root", metavar="DIR", help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    options.tier = options.tier or "normal"
    here = os.path.dirname(os.path.abspath(__file__))
    options.root = os.path.realpath(options.root or os.path.join(here, "..", ".."))
    options.build_dir = os.path.abspath(options.build_dir or os.path.join(options.root, "build"))
    return options


class Runner:
    def __init__(self, options, all_builds, report):
        self.options = options
        self.builds = all_builds
        self.report = report
        self.built = {}  # name -> success
        self.run_id = secrets.token_hex(4)
        self.logs = options.build_dir + "-logs"
        os.makedirs(self.logs, exist_ok=True)
        self.tmp = tempfile.TemporaryDirectory(prefix="weft-test-", ignore_cleanup_errors=True)

    def done(self):
        """What a test made that was interrupted has not been removed yet."""
        leftovers.remove(self.run_id, leftovers.escaped_links())
        self.tmp.cleanup()

    def environment(self, extra=None):
        env = {**SANITIZER_ENV, **os.environ}
        env.update({
            "WEFT_SOURCE": self.options.root,
            "WEFT_BUILD": self.builds["gcc"].directory,
            "WEFT_BUILD_SANITIZED": self.builds["sanitized"].directory,
            "WEFT_BUILD_FUZZ": self.builds["fuzz"].directory,
            "WEFT_RUN_ID": self.run_id,
            "WEFT_TIER": self.options.tier,
            "PYTHONDONTWRITEBYTECODE": "1",
        })
        env.update(extra or {})
        return env

    def log_path(self, test):
        return os.path.join(self.logs, test.name.replace("/", "-") + ".log")

    def build(self, name, log, time_s):
        deadline = time.monotonic() + time_s

        def run(argv, env):
            log.write(" ".join(argv) + "\n")
            log.flush()
            return processes.run(argv, self.environment(env), self.options.root, log,
                                 max(1, deadline - time.monotonic()), self.report.tick)

        self.built[name] = False
        self.built[name] = builds.build(self.options.root, self.builds[name], run)
        return self.built[name]

    def execute(self, test, log):
        """(outcome, reason)"""
        if test.kind == "build":
            ok = self.build(test.builds[0], log, test.time_s)
            return (PASSED, "") if ok else (FAILED, "it does not build")
        if "root" in test.needs and os.geteuid() != 0:
            return SKIPPED, "needs root"
        links = leftovers.escaped_links()
        tmp = tempfile.mkdtemp(dir=self.tmp.name)
        code = processes.run(test.command, self.environment({"WEFT_TMP": tmp}),
                             self.options.root, log, test.time_s, self.report.tick)
        shutil.rmtree(tmp, ignore_errors=True)
        return self.judge(test, code, processes.remove_children() +
                          leftovers.remove(self.run_id, links))

    def judge(self, test, code, left):
        if code is None:
            return FAILED, f"not finished after {test.time_s} s -> ended"
        if left and code in (0, SKIP_CODE):
            return FAILED, "left behind, now ended: " + ", ".join(left)
        if code == 0:
            return PASSED, ""
        if code == SKIP_CODE and test.kind in ("script", "check"):
            return SKIPPED, self.report.last_line(self.log_path(test)) or "it does not say why"
        if code < 0:
            return FAILED, f"ended by {signal.Signals(-code).name}"
        return FAILED, f"exit code {code}"

    def run(self, test):
        failed = [name for name in test.builds if self.built.get(name) is False]
        if test.kind != "build" and failed:
            self.report.finished(test, SKIPPED, f"build/{failed[0]} failed", None, 0)
            return
        self.report.started(test)
        begun = time.monotonic()
        try:
            with open(self.log_path(test), "w", encoding="utf-8") as log:
                outcome, reason = self.execute(test, log)
        except OSError as error:
            outcome, reason = FAILED, f"cannot be run: {error}"
        self.report.finished(test, outcome, reason, self.log_path(test),
                             time.monotonic() - begun)


def list_tests(tests):
    for test in tests:
        print(f"{test.name:28} {test.tier:7} {','.join(test.needs):5} {test.what}")


def first_that_exists(path):
    while not os.path.lexists(path):
        path = os.path.dirname(path)
    return path


def user_name(uid):
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def refusal(directories):
    """Why a run cannot write its builds and logs, in a sentence; "" when it can."""
    for directory in directories:
        place = first_that_exists(directory)
        if not os.access(place, os.W_OK | os.X_OK):
            owner = user_name(os.stat(place).st_uid)
            otherwise = f", or run it as {owner}" if os.geteuid() != 0 else ""
            return (f"builds and logs go to {directory}, and {user_name(os.geteuid())} cannot "
                    f"write to {place} -> nothing is run: say --build-dir DIR with a directory "
                    f"of your own{otherwise}")
    return ""


def interrupt(*_):
    """The first one ends the run; a second must not cut short what cleans up after it."""
    for number in INTERRUPTS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def heed_interrupts():
    for number in INTERRUPTS:
        if signal.getsignal(number) != signal.SIG_IGN:  # else it is nohup's wish
            signal.signal(number, interrupt)


def run_tests(options, all_builds, tests, left_out):
    report = Report(len(tests))
    processes.adopt_orphans()
    runner = Runner(options, all_builds, report)
    interrupted = False
    try:
        for test in tests:
            runner.run(test)
    except KeyboardInterrupt:
        interrupted = True
    finally:
        runner.done()
    return report.end(left_out, interrupted)


def main(argv):
    heed_interrupts()
    try:
        return find_and_run(parse_arguments(argv))
    except KeyboardInterrupt:
        print("interrupted before the first test\n0 passed, 1 failed, 0 skipped")
        return 130


def find_and_run(options):
    all_builds = builds.builds_in(options.build_dir)
    try:
        tests = discover.discover(options.root, all_builds, options.tier)
    except discover.RegistrationError as error:
        print(f"{error}\n0 passed, 1 failed, 0 skipped")
        return 1
    for name in options.only:
        if not discover.select(tests, options.tier, [name])[0]:
            print(f"no test is called {name}, and no name begins so: test/run --list names them")
            print("0 passed, 1 failed, 0 skipped")
            return 2
    if options.list:
        list_tests(discover.select(tests, "long", options.only)[0])
        return 0
    chosen, left_out = discover.select(tests, options.tier, options.only)
    used = {name for test in chosen for name in test.builds}
    refused = refusal([options.build_dir + "-logs",
                       *(all_builds[name].directory for name in sorted(used))])
    if refused:
        print(f"{refused}\n0 passed, 1 failed, 0 skipped")
        return 1
    return run_tests(options, all_builds, chosen, left_out)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
