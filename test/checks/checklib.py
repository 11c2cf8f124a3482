"""What the checks share. A check is two functions: run(), which returns complaints about the
project, and self_test(), which returns complaints about the check itself after holding it
against something bad. main() calls both: a check that cannot fail does not pass."""

import os
import subprocess
import sys

SOURCE = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))


def command(*argv, cwd=SOURCE, text_in=None):
    """(exit code, output and errors together)"""
    done = subprocess.run(argv, cwd=cwd, input=text_in, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace", check=False)
    return done.returncode, done.stdout


def must(*argv, cwd=SOURCE):
    code, output = command(*argv, cwd=cwd)
    if code != 0:
        sys.exit(f"{' '.join(argv)}: exit code {code}\n{output}")
    return output


def project_files(*endings):
    """Files of the project with one of these endings ("" for files without any), by name."""
    # safe.directory: a checkout of somebody else's, tested by root, is still only read.
    code, listed = command("git", "-c", "safe.directory=*", "ls-files", "-z")
    if code == 0:
        names = listed.split("\0")
    else:  # an unpacked archive
        names = [os.path.relpath(os.path.join(where, name), SOURCE)
                 for where, _, found in os.walk(SOURCE) for name in found]
        names = [name for name in names if not name.startswith(("build", ".git/"))]
    return sorted(name for name in names if os.path.splitext(name)[1] in endings
                  and os.path.isfile(os.path.join(SOURCE, name)))


def read(name):
    with open(os.path.join(SOURCE, name), encoding="utf-8", errors="replace") as f:
        return f.read()


def main(run, self_test, what_to_do):
    complaints = self_test()
    if complaints:
        print("this check is broken, it does not see what it should:")
        print("\n".join(complaints))
        return 1
    complaints = run()
    if complaints:
        print("\n".join(complaints))
        print(f"\n{len(complaints)} found. {what_to_do}")
        return 1
    return 0
