"""Which tests exist. Nothing is registered by hand:

  build   the four builds, as tests: warnings are errors (builds.py)
  unit    test/unit/ROOM_MODULE.c, one program each
  fuzz    test/fuzz/fuzz_MODULE.c, one target each
  sim     fixed seeds and the mutants, as soon as test/sim has a program
  script  any file in test/*/ that says so in its first ten lines:

    # weft-test: name=service time=60 needs=root tier=normal build=gcc

  time   seconds after which it is ended and has failed (60)
  needs  root: skipped for other users (nothing)
  tier   quick, normal or long: the shortest run that includes it (normal)
  build  the builds that it uses, by comma (none)

A script passes with 0 and skips with 77 and the reason in its last line. It finds what it needs
in the environment: WEFT_SOURCE, WEFT_BUILD and WEFT_BUILD_SANITIZED (directories), WEFT_TIER,
WEFT_TMP (an empty directory, removed afterwards), WEFT_RUN_ID (eight letters that must be in the
name of whatever it makes where the host sees it).
"""

import dataclasses
import os
import re

TIERS = ("quick", "normal", "long")
MAX_TIME_S = 1500
HEADER = re.compile(r"^(?:#|//|/\*) weft-test:(.*?)(?:\*/)?$", re.M)

# (tier, seed, nodes, simulated minutes). A few shapes, so that three nodes, thirty, and a long
# life are all there; --long adds many seeds of the common shape.
SIM_RUNS = [
    ("quick", 1, 3, 30),
    ("quick", 2, 5, 30),
    ("quick", 3, 9, 10),
    ("normal", 4, 3, 240),
    ("normal", 5, 7, 60),
    ("normal", 6, 12, 30),
    ("normal", 7, 30, 5),
] + [("long", seed, 3 + seed % 10, 30) for seed in range(100, 140)]

FUZZ_SECONDS = {"quick": 2, "normal": 5, "long": 60}


class RegistrationError(Exception):
    """A test that cannot be registered: it would silently never run."""


@dataclasses.dataclass
class Test:
    name: str
    command: list
    kind: str
    time_s: int = 60
    tier: str = "normal"
    needs: tuple = ()
    builds: tuple = ()
    what: str = ""  # one line for --list


def read_head(path):
    with open(path, "rb") as f:
        return b"".join(f.readline(500) for _ in range(10)).decode("utf-8", "replace")


def parse_header(path):
    """The header's fields, or None for a file that is no test."""
    found = HEADER.search(read_head(path))
    if not found:
        return None
    fields = {}
    for word in found.group(1).split():
        key, equals, value = word.partition("=")
        if not equals or key not in ("name", "time", "needs", "tier", "build"):
            raise RegistrationError(f"{path}: '{word}' in its weft-test header is not known "
                                    "(name= time= needs= tier= build=)")
        fields[key] = value
    return fields


def script(root, path, builds):
    fields = parse_header(path)
    if fields is None:
        return None
    name = fields.get("name", os.path.splitext(os.path.basename(path))[0])
    tier = fields.get("tier", "normal")
    time_s = fields.get("time", "60")
    needs = tuple(filter(None, fields.get("needs", "").split(",")))
    uses = tuple(filter(None, fields.get("build", "").split(",")))
    where = os.path.relpath(path, root)
    if tier not in TIERS:
        raise RegistrationError(f"{where}: tier={tier} is none of {', '.join(TIERS)}")
    if not time_s.isdigit() or not 0 < int(time_s) <= MAX_TIME_S:
        raise RegistrationError(f"{where}: time={time_s} is not 1 to {MAX_TIME_S} seconds")
    if set(needs) - {"root"}:
        raise RegistrationError(f"{where}: needs={','.join(needs)}: only root is known")
    if set(uses) - set(builds):
        raise RegistrationError(f"{where}: build={','.join(uses)} is not of "
                                f"{', '.join(builds)}")
    if not os.access(path, os.X_OK):
        raise RegistrationError(f"{where}: is not executable: chmod +x {where}")
    return Test(name, [path], "script", int(time_s), tier, needs, uses, where)


def must_be_test(directory, name):
    """Places where a file without a header is a mistake and not a helper."""
    return directory == "checks" and "." not in name or name.startswith("test_")


def scripts(root, builds):
    tests = []
    for directory in sorted(os.listdir(os.path.join(root, "test"))):
        where = os.path.join(root, "test", directory)
        if not os.path.isdir(where) or directory == "runner":
            continue
        for name in sorted(os.listdir(where)):
            path = os.path.join(where, name)
            if not os.path.isfile(path) or name.endswith((".c", ".h", ".build", ".md")):
                continue
            test = script(root, path, builds)
            if test:
                tests.append(test)
            elif must_be_test(directory, name):
                raise RegistrationError(f"test/{directory}/{name} has no weft-test header "
                                        "(test/runner/discover.py tells its form)")
    return tests


def c_files(root, directory, prefix=""):
    where = os.path.join(root, "test", directory)
    if not os.path.isdir(where):
        return []
    return sorted(n[:-2] for n in os.listdir(where) if n.startswith(prefix) and n.endswith(".c"))


def unit_tests(root, builds):
    program = os.path.join(builds["sanitized"].directory, "test", "unit", "unit_%s")
    return [Test(f"unit/{name}", [program % name], "unit", 60, "quick", (), ("sanitized",),
                 f"test/unit/{name}.c") for name in c_files(root, "unit")]


def fuzz_tests(root, builds, tier):
    tests = []
    here = os.path.dirname(os.path.abspath(__file__))
    for name in c_files(root, "fuzz", "fuzz_"):
        module = name.removeprefix("fuzz_")
        program = os.path.join(builds["fuzz"].directory, "test", "fuzz", name)
        seeds = os.path.join(root, "test", "fuzz", "corpus", module)
        seconds = FUZZ_SECONDS[tier]
        command = ["python3", "-B", os.path.join(here, "fuzz.py"), program, seeds, str(seconds)]
        tests.append(Test(f"fuzz/{module}", command, "fuzz", seconds + 60, "quick", (), ("fuzz",),
                          f"{seconds} s of test/fuzz/{name}.c"))
    return tests


def has_simulator(root):
    where = os.path.join(root, "test", "sim")
    for name in c_files(root, "sim"):
        with open(os.path.join(where, name + ".c"), encoding="utf-8") as f:
            if re.search(r"^int main\(", f.read(), re.M):
                return True
    return False


def sim_tests(root, builds):
    if not has_simulator(root):
        return []
    here = os.path.dirname(os.path.abspath(__file__))
    fast = os.path.join(builds["gcc"].directory, "test", "sim", "sim")
    careful = os.path.join(builds["sanitized"].directory, "test", "sim", "sim")
    helper = ["python3", "-B", os.path.join(here, "sim.py")]
    tests = [Test("sim/mutants", [*helper, "mutants", fast], "sim", 600, "quick", (), ("gcc",),
                  "every rule that is taken out must be missed")]
    for tier, seed, nodes, minutes in SIM_RUNS:
        tests.append(Test(f"sim/seed-{seed}", [*helper, "seed", fast, careful, str(seed),
                                               str(nodes), str(minutes)], "sim", 600, tier, (),
                          ("gcc", "sanitized"), f"{nodes} nodes, {minutes} minutes, twice"))
    return tests


def build_tests(root, builds):
    return [Test(f"build/{name}", [], "build", 1500, "quick", (), (name,), build.what)
            for name, build in builds.items()
            if name != "fuzz" or c_files(root, "fuzz", "fuzz_")]


def discover(root, builds, tier):
    tests = build_tests(root, builds) + scripts(root, builds) + unit_tests(root, builds)
    tests += fuzz_tests(root, builds, tier) + sim_tests(root, builds)
    order = ("build", "check", "unit", "sim", "fuzz", "script")
    for test in tests:
        if test.kind == "script" and test.what.startswith("test/checks/"):
            test.kind = "check"
    names = [test.name for test in tests]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise RegistrationError(f"two tests have the name {twice[0]}")
    return sorted(tests, key=lambda test: order.index(test.kind))


def select(tests, tier, only):
    """The tests to run, with the builds that they use, and those of a longer tier, left out."""
    if only:
        chosen = [test for test in tests if any(matches(tests, test, name) for name in only)]
        used = {name for test in chosen for name in test.builds}
        return [test for test in tests if test in chosen or
                test.kind == "build" and used.intersection(test.builds)], []
    rank = TIERS.index(tier)
    return ([test for test in tests if TIERS.index(test.tier) <= rank],
            [test for test in tests if TIERS.index(test.tier) > rank])


def matches(tests, test, wanted):
    """An exact name means that test alone, anything else is the beginning of names."""
    if any(wanted == other.name for other in tests):
        return test.name == wanted
    return test.name.startswith(wanted) or os.path.basename(test.name).startswith(wanted)
