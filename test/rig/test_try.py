#!/usr/bin/env python3
# weft-test: name=try time=300 needs=root tier=normal build=gcc
"""deploy/try as people run it: two side by side, --once --json, Ctrl-C, without root, and after a
run that was killed. The host is as before each time."""

import json
import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile

import check
import probe
import rig
import space
from check import Skip, build_directory, must, must_equal, source_directory, step
from test_rig import host_state

TRY = os.path.join(source_directory(), "deploy", "try")
TOUR_S = 60  # the promise for two cores that have nothing else to do; two run at once here
KEYS = {"pings_ok", "pings_failed", "lost_on_kill", "seconds"}


def start(*options, **kwargs):
    env = {**os.environ, "WEFT_BUILD": build_directory()}
    return subprocess.Popen([TRY, *options], env=env, text=True, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, start_new_session=True, **kwargs)


def check_outcome(process, stdout, stderr):
    must_equal(process.returncode, 0, f"exit of deploy/try --once --json\n{stderr}")
    must_equal(stdout.count("\n"), 1, f"lines on stdout:\n{stdout}")
    outcome = json.loads(stdout)
    must_equal(set(outcome), KEYS, "keys of the JSON line")
    must_equal((outcome["pings_failed"], outcome["lost_on_kill"]), (0, 0), "losses")
    must(outcome["pings_ok"] >= 100, f"only {outcome['pings_ok']} pings")
    must(outcome["seconds"] < 2 * TOUR_S, f"{outcome['seconds']} s, two at a time")
    return outcome


def check_two_at_once():
    runs = [start("--once", "--json", stderr=subprocess.PIPE) for _ in range(2)]
    for run in runs:
        step(json.dumps(check_outcome(run, *run.communicate(timeout=200))))


def read_until(process, pattern, lines):
    for line in process.stdout:
        lines.append(line)
        found = re.search(pattern, line)
        if found:
            return found
    raise space.RigError(f"no line with {pattern} before the end:\n{''.join(lines)}")


def check_stay_and_leave():
    """It stays with commands that work when they are copied, and Ctrl-C removes everything."""
    process, lines = start(stderr=subprocess.STDOUT), []
    run_id = read_until(process, r"\(run ([0-9a-f]{8})\)", lines)[1]
    read_until(process, "commands to copy", lines)
    commands = []
    while len(commands) < 3:
        commands.append(read_until(process, r"^  (nsenter .*)", lines)[1])
    read_until(process, "Ctrl-C", lines)
    must(process.poll() is None, "it did not stay")
    for command in commands:
        command = command.replace(" ping ", " ping -c 1 ")
        done = subprocess.run(["sh", "-c", command], input="weftctl peers\n", text=True,
                              capture_output=True, timeout=20)
        must_equal(done.returncode, 0, f"'{command}': {done.stdout}{done.stderr}")
        step(f"works when copied: {command}")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    must_equal(process.returncode, 0, "exit after Ctrl-C")
    must_equal(rig.leftovers(run_id), [], "left after Ctrl-C")


def check_after_kill():
    """kill -9 in the middle; the next run removes what is left of it."""
    process, lines = start(stderr=subprocess.STDOUT), []
    run_id = read_until(process, r"\(run ([0-9a-f]{8})\)", lines)[1]
    read_until(process, "agents ready", lines)
    process.kill()
    process.communicate()
    must(rig.leftovers(run_id), "kill -9 left nothing: what is tested here?")
    with rig.Rig(1):
        must_equal(rig.leftovers(run_id), [], "left of a killed run")


def check_without_root():
    def drop():
        nobody = pwd.getpwnam("nobody")
        os.setgid(nobody.pw_gid)
        os.setuid(nobody.pw_uid)
    # A copy, because nobody may not be able to read the checkout.
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        copy = shutil.copy(TRY, os.path.join(directory, "try"))
        done = subprocess.run([copy, "--once"], capture_output=True, text=True, cwd="/",
                              preexec_fn=drop)
    must(done.returncode == 1 and "root" in done.stderr and "sudo" in done.stderr and
         "Traceback" not in done.stderr, f"without root: {done}")


def test():
    if not os.access(TRY, os.X_OK):
        raise Skip(f"{TRY} is not there")
    before = host_state()
    check_without_root()
    check_two_at_once()
    must_equal(host_state(), before, "the host after two runs")
    check_stay_and_leave()
    check_after_kill()
    must_equal(host_state(), before, "the host")


if __name__ == "__main__":
    check.main(test)
