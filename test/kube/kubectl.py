"""kubectl as a person runs it, from the control plane's network, as admin unless told otherwise."""

import json
import os
import select
import subprocess
import time

import cache
import space
from space import RigError


def place(cluster, user):
    """Where its arguments are all that is missing. Its caches go where the cluster's files are,
    and away with them."""
    found = space.Place()
    found.name = "kubectl"
    found.enter = ("nsenter", "-t", str(cluster.control.init), "-n", "--",
                   cache.program("kubectl"), f"--kubeconfig={cluster.pki.path(user + '.conf')}",
                   f"--cache-dir={cluster.path('kubectl')}")
    return found


def command(cluster):
    """For a shell; its arguments come behind."""
    return place(cluster, "admin").enter


def run(cluster, argv, check=True, stdin=None, seconds=60, user="admin"):
    """The output; with check=False the CompletedProcess."""
    return place(cluster, user).run(*argv, check=check, stdin=stdin, timeout_s=seconds + 10)


def popen(cluster, *argv):
    return place(cluster, "admin").popen(*argv, stdout=subprocess.PIPE,
                                         stderr=subprocess.DEVNULL)


class Watch:
    """What `kubectl get ... --watch` tells, kept by name, for waits that it has no word for."""

    def __init__(self, cluster, *argv):
        self.what = " ".join(argv)
        self.process = popen(cluster, "get", *argv, "-o", "json", "--watch",
                             "--output-watch-events")
        self.buffer, self.objects = "", {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def take(self):
        """The events that are in the buffer whole."""
        decoder = json.JSONDecoder()
        while True:
            text = self.buffer.lstrip()
            try:
                event, end = decoder.raw_decode(text)
            except ValueError:
                self.buffer = text
                return
            self.buffer = text[end:]
            thing = event["object"]
            name = (thing["metadata"].get("namespace"), thing["metadata"]["name"])
            if event["type"] == "DELETED":
                self.objects.pop(name, None)
            else:
                self.objects[name] = thing

    def until(self, condition, seconds, what):
        """condition(objects) is asked after every event; what is not falsy is returned."""
        deadline = time.monotonic() + seconds
        fd = self.process.stdout.fileno()
        while True:
            value = condition(list(self.objects.values()))
            if value:
                return value
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([fd], [], [], left)[0]:
                raise RigError(f"{what}: not within {seconds} s ({value})")
            data = os.read(fd, 1 << 20)
            if not data:
                raise RigError(f"{what}: watching {self.what} ended")
            self.buffer += data.decode()
            self.take()
