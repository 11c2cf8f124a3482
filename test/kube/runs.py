"""The records of clusters, so that what a killed run left is removed by the next.

/run/weft-kube/ID (test/rig/records.py) also tells the control groups that were made;
/dev/shm/weft-kube-ID the files: memory, because removing them from a disk can take longer than
all the rest. The record goes last: an interrupted removal can be taken up again.
"""

import os
import shutil

import groups
import space
from records import Records

RECORDS = Records("/run/weft-kube")
FILES = "/dev/shm"


def tag(run_id):
    return f"weft-kube-{run_id}"


def files(run_id):
    return os.path.join(FILES, tag(run_id))


def make(run_id, group_directories):
    RECORDS.make(run_id, groups="\n".join(group_directories))
    os.mkdir(files(run_id), mode=0o755)


def recorded_groups(run_id):
    return RECORDS.read(run_id, "groups").splitlines()


def remove(run_id):
    space.kill_members(f"{tag(run_id)}-")
    groups.remove_trees(recorded_groups(run_id))
    shutil.rmtree(files(run_id), ignore_errors=True)
    RECORDS.remove(run_id)


def remove_dead():
    """What killed runs left. Returns their ids."""
    dead = RECORDS.dead()
    for run_id in dead:
        remove(run_id)
    return dead


def leftovers(run_id, group_directories):
    """What is still there of a run, in words; empty when it is gone completely."""
    left = [f"process {pid}" for pid in space.members(f"{tag(run_id)}-")]
    left += [p for p in (RECORDS.path(run_id), files(run_id), *group_directories)
             if os.path.exists(p)]
    with open("/proc/self/mountinfo", encoding="utf-8") as f:
        left += [f"mount {line.split()[4]}" for line in f if run_id in line]
    return left
