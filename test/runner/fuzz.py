"""One fuzz target for some seconds: fuzz.py PROGRAM SEEDS SECONDS

SEEDS is the directory with the inputs that are in the tree, if there is one. What libFuzzer adds
stays beside the program, so that a second run begins where the first ended. A crash's input is
kept there too, and the way to repeat it is printed."""

import os
import re
import subprocess
import sys

MAX_INPUT = 1 << 17  # above every frame that wire/ accepts
RSS_LIMIT_MB = 1024
HANG_S = 10


def main(argv):
    program, seeds, seconds = argv
    found = program + ".corpus"
    crashes = program + ".crash-"
    os.makedirs(found, exist_ok=True)
    command = [program, f"-max_total_time={seconds}", f"-max_len={MAX_INPUT}",
               f"-rss_limit_mb={RSS_LIMIT_MB}", f"-timeout={HANG_S}",
               f"-artifact_prefix={crashes}", "-print_final_stats=1", found]
    if os.path.isdir(seeds):
        command.append(seeds)
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace", check=False)
    print(done.stdout)
    kept = re.findall(r"Test unit written to (\S+)", done.stdout)
    for path in kept:
        print(f"repeat it with: {program} {path}")
    executed = re.search(r"stat::number_of_executed_units:\s+(\d+)", done.stdout)
    if done.returncode == 0 and (not executed or int(executed.group(1)) < 100):
        print("it ran fewer than 100 inputs, which proves nothing")
        return 1
    return 0 if done.returncode == 0 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
