"""The records of runs: who made what the host can see, so that the next run removes what a killed
one left.

DIRECTORY/ID/owner holds the pid and start time of the owner, other files what the maker wants to
know later. A record appears complete, in one step: without an owner it would be dead. The
directory is there only while a record is; runs beside each other make and remove it as they come
and go.
"""

import contextlib
import os
import shutil

import space

NEW = "new-"  # a record that has no owner file yet


def owner_text(pid):
    return f"{pid} {space.start_time(pid)}\n"


class Records:
    def __init__(self, directory):
        self.directory = directory

    def path(self, run_id):
        return os.path.join(self.directory, run_id)

    def make(self, run_id, **files):
        """A file for each of `files`, and the one that names us as the owner."""
        # The owner's pid in the name: so long as that lives, nobody takes the record for dead.
        fresh = self.path(f"{NEW}{os.getpid()}-{run_id}")
        self.make_directory(fresh)
        for name, text in {"owner": owner_text(os.getpid()), **files}.items():
            with open(os.path.join(fresh, name), "w", encoding="utf-8") as f:
                f.write(text)
        os.rename(fresh, self.path(run_id))

    def make_directory(self, path):
        while True:
            with contextlib.suppress(FileExistsError):
                os.mkdir(self.directory, 0o755)
            # The last of the other runs may remove the directory in between.
            with contextlib.suppress(FileNotFoundError):
                os.mkdir(path)
                return

    def read(self, run_id, name):
        try:
            with open(os.path.join(self.path(run_id), name), encoding="utf-8") as f:
                return f.read()
        except OSError:
            return ""

    def remove(self, run_id):
        shutil.rmtree(self.path(run_id), ignore_errors=True)
        with contextlib.suppress(OSError):  # somebody else's record is in it, or it is gone
            os.rmdir(self.directory)

    def names(self):
        try:
            return sorted(os.listdir(self.directory))
        except FileNotFoundError:
            return []

    def lives(self, run_id):
        text = self.read(run_id, "owner")
        return text != "" and text == owner_text(text.split()[0])

    def dead(self):
        """Runs whose owner is gone. Records that were never finished are removed at once."""
        found = []
        for name in self.names():
            if name.startswith(NEW):
                if space.start_time(name.split("-")[1]) is None:
                    self.remove(name)
            elif not self.lives(name):
                found.append(name)
        return found

    def wait_tidy(self):
        """A run that ended leaves no empty directory. Another run's is empty between two calls."""
        space.wait_until(lambda: self.names() or not os.path.isdir(self.directory), 2,
                         f"{self.directory} is removed by the last that used it")
