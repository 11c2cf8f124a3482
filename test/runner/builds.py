"""The builds, each in a directory of its own beside build/, kept from run to run."""

import dataclasses
import hashlib
import os
import shutil


@dataclasses.dataclass
class Build:
    name: str
    directory: str
    compiler: str
    options: tuple
    target: str  # of ninja
    what: str


SANITIZE = "-Db_sanitize=address,undefined"


def builds_in(directory):
    """`directory` is the release build; the others stand beside it."""
    return {build.name: build for build in (
        Build("gcc", directory, "gcc", (), "all", "release build with gcc, hardened"),
        Build("sanitized", directory + "-sanitized", "gcc", (SANITIZE,), "all",
              "gcc with AddressSanitizer and UBSan"),
        Build("clang", directory + "-clang", "clang", (), "all", "release build with clang"),
        Build("fuzz", directory + "-fuzz", "clang",
              (SANITIZE, "-Dfuzz=true", "-Db_lundef=false"), "fuzz", "clang with libFuzzer"),
    )}


def source_list(root):
    """Names of what meson looks at while it configures: files that come or go reconfigure."""
    names = []
    for top in ("agent", "cni-shim", "include", "proto", "test"):
        for where, _, files in os.walk(os.path.join(root, top)):
            names += [os.path.join(where, name) for name in files
                      if name.endswith((".c", ".h", ".proto"))]
    return "\n".join(sorted(os.path.relpath(name, root) for name in names)).encode()


def wanted_stamp(root, build):
    text = "\0".join((root, build.compiler, *build.options)).encode()
    return hashlib.sha256(text).hexdigest() + " " + hashlib.sha256(source_list(root)).hexdigest()


def read_stamp(build):
    try:
        with open(os.path.join(build.directory, "weft-stamp"), encoding="ascii") as f:
            return f.read()
    except OSError:
        return ""


def write_stamp(root, build):
    with open(os.path.join(build.directory, "weft-stamp"), "w", encoding="ascii") as f:
        f.write(wanted_stamp(root, build))


def refuse_foreign(build):
    """A directory that is in the way is deleted only if it is a build directory."""
    if os.path.isdir(build.directory) and os.listdir(build.directory) and not os.path.isdir(
            os.path.join(build.directory, "meson-private")):
        raise NotADirectoryError(f"{build.directory} is there and is no build directory of "
                                 "meson: move it away, or say --build-dir DIR")


def build(root, build_, run):
    """Configure if needed, then compile. run(argv, env) returns an exit code. True on success."""
    env = {"CC": build_.compiler}
    setup = ["meson", "setup", *build_.options, build_.directory, root]
    have, want = read_stamp(build_), wanted_stamp(root, build_)

    if have != want:
        refuse_foreign(build_)
        if have.split(" ")[0] == want.split(" ")[0]:
            configured = run([*setup, "--reconfigure"], env) == 0
        else:
            shutil.rmtree(build_.directory, ignore_errors=True)
            configured = run(setup, env) == 0
        if not configured:
            return False
        write_stamp(root, build_)
    jobs = os.environ.get("WEFT_JOBS") or str(os.cpu_count() or 1)
    return run(["ninja", "-C", build_.directory, "-j", jobs, build_.target], env) == 0
