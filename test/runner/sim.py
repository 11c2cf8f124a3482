"""The simulator as tests: a seed twice, and the mutants.

  sim.py seed SIM OTHER_SIM SEED NODES MINUTES
      Once with each of two builds (release and sanitized): no violation, and the same trace. A
      trace that depends on addresses, on uninitialised memory or on the compiler differs.
  sim.py mutants SIM
      Without a mutant the simulator must be content; with each it must not."""

import json
import shlex
import subprocess
import sys

FIELDS = ("seed", "nodes", "events", "violations", "simulated_s", "real_s", "trace")


def run(argv):
    """(exit code, the JSON line or {}, all output); the line is the last that begins with {"""
    print("$ " + shlex.join(argv), flush=True)
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace", check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    try:
        return done.returncode, json.loads(lines[-1]) if lines else {}, done.stdout
    except json.JSONDecodeError:
        return done.returncode, {}, done.stdout


def content(argv):
    """The result of a run that must be without violation, or None after saying what is wrong."""
    code, result, output = run(argv)
    missing = [field for field in FIELDS if field not in result]
    if code != 0 or result.get("violations") != 0:
        print(output)
        print(f"exit code {code}, violations {result.get('violations')}: expected 0 and 0")
        return None
    if missing:
        print(f"{output}\nits JSON line lacks {', '.join(missing)}")
        return None
    if result["events"] <= 0:
        print(f"{output}\nnothing happened: a run without events proves nothing")
        return None
    print(json.dumps(result))
    return result


def seed(fast, careful, number, nodes, minutes):
    arguments = ["--seed", number, "--nodes", nodes, "--minutes", minutes]
    first = content([fast, *arguments])
    second = content([careful, *arguments]) if first else None
    if not first or not second:
        return 1
    for field in ("seed", "nodes", "events", "simulated_s", "trace"):
        if first[field] != second[field]:
            print(f"the two runs differ in {field}: {first[field]} and {second[field]}")
            return 1
    return 0


def mutants(sim):
    listed = subprocess.run([sim, "--list-mutants"], stdout=subprocess.PIPE, text=True,
                            check=True).stdout.split("\n")
    names = [line.split()[0] for line in listed if line.strip()]
    if len(names) < 2:
        print(f"{len(names)} mutants: at least two are promised")
        return 1
    if not content([sim, "--seed", "1", "--nodes", "3", "--minutes", "10"]):
        print("it complains without a mutant too, so it proves nothing about them")
        return 1
    survived = []
    for name in names:
        code, result, output = run([sim, "--mutant", name])
        # A crash says nothing about the rule: it must have been missed, and be told by line.
        if code == 1 and result.get("violations", 0) > 0:
            print(f"caught {name}")
            continue
        survived.append(name)
        print(output)
        print(f"NOT caught: {name} (exit code {code}, violations {result.get('violations')}: "
              "expected 1 and at least 1)")
    print(f"{len(names) - len(survived)} of {len(names)} mutants caught")
    return 1 if survived else 0


def main(argv):
    if len(argv) == 6 and argv[0] == "seed":
        return seed(*argv[1:])
    if len(argv) == 2 and argv[0] == "mutants":
        return mutants(argv[1])
    print(__doc__)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
