"""The records of clusters, so that what a killed run left is removed by the next.

/run/weft-kube/ID holds the owner's pid and start time, and the control groups that were made;
/dev/shm/weft-kube-ID the files: memory, because removing them from a disk can take longer than
all the rest. The record goes last: an interrupted removal can be taken up again.
"""

import os
import shutil

import groups
import rig
import space

RECORDS = "/run/weft-kube"
FILES = "/dev/shm"


def tag(run_id):
    return f"weft-kube-{run_id}"


def record(run_id):
    return os.path.join(RECORDS, run_id)


def files(run_id):
    return os.path.join(FILES, tag(run_id))


def make(run_id, group_directories):
    """The record appears complete, in one step: without an owner it would be dead."""
    os.makedirs(RECORDS, mode=0o755, exist_ok=True)
    fresh = os.path.join(RECORDS, f"{rig.NEW}{os.getpid()}-{run_id}")
    os.mkdir(fresh)
    contents = {"owner": rig.owner_text(os.getpid()), "groups": "\n".join(group_directories)}
    for name, text in contents.items():
        with open(os.path.join(fresh, name), "w", encoding="utf-8") as f:
            f.write(text)
    os.rename(fresh, record(run_id))
    os.mkdir(files(run_id), mode=0o755)


def read(run_id, name):
    try:
        with open(os.path.join(record(run_id), name), encoding="utf-8") as f:
            return f.read()
    except OSError:
        return ""


def remove(run_id):
    space.kill_members(f"{tag(run_id)}-")
    groups.remove_trees(read(run_id, "groups").splitlines())
    shutil.rmtree(files(run_id), ignore_errors=True)
    shutil.rmtree(record(run_id), ignore_errors=True)


def remove_dead():
    """What killed runs left. Returns their ids."""
    removed = []
    for name in sorted(os.listdir(RECORDS)) if os.path.isdir(RECORDS) else []:
        directory = record(name)
        if name.startswith(rig.NEW):
            if space.start_time(name.split("-")[1]) is None:
                shutil.rmtree(directory, ignore_errors=True)
        elif not rig.owner_lives(directory):
            remove(name)
            removed.append(name)
    return removed


def leftovers(run_id, group_directories):
    """What is still there of a run, in words; empty when it is gone completely."""
    left = [f"process {pid}" for pid in space.members(f"{tag(run_id)}-")]
    left += [p for p in (record(run_id), files(run_id), *group_directories)
             if os.path.exists(p)]
    with open("/proc/self/mountinfo", encoding="utf-8") as f:
        left += [f"mount {line.split()[4]}" for line in f if run_id in line]
    return left
