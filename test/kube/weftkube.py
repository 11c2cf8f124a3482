"""weft-kube between the FAKE API server of fakeapi.py and a FAKE agent, for its tests."""

import atexit
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.join(HERE, "..", "cni"))

import cases
import fakeapi
from fakeagent import FakeAgent, frame
from fakeapi import TOKEN, WAIT_S, FakeApi, node

PROGRAMS = cases.programs("agent", "kube", "weft-kube")
each_program = cases.with_each(PROGRAMS)
once = cases.with_each(PROGRAMS[:1])
UID = bytes(range(1, 17))
CLUSTER = bytes(range(64, 80))
CLUSTER_TEXT = "40414243-4445-4647-4849-4a4b4c4d4e4f"
THREE = [node(f"n{i}", address=f"192.0.2.{i}") for i in (1, 2, 3)]
TOLD_THREE = {f"n{i}": (f"uid-of-n{i}", f"192.0.2.{i}") for i in (1, 2, 3)}

tmp = tempfile.mkdtemp(prefix="weft-k-")
atexit.register(shutil.rmtree, tmp)
places = 0


def new_path(name):
    global places
    places += 1
    return os.path.join(tmp, f"{name}{places}")


def write(path, text):
    """As kubelet does it: the old file until the new one is whole."""
    with open(path + ".new", "w", encoding="utf-8") as f:
        f.write(text)
    os.rename(path + ".new", path)
    return path


fakeapi.make_authority(tmp, "ca")
fakeapi.make_authority(tmp, "other-ca")
CERTIFICATE = fakeapi.make_server(tmp, "server", "ca")
ELSEWHERE = fakeapi.make_server(tmp, "elsewhere", "ca", "127.0.0.2")
CA = os.path.join(tmp, "ca.crt")
OTHER_CA = os.path.join(tmp, "other-ca.crt")


class Agent(FakeAgent):
    """Takes what it is told as weftd does: a list from `first` to `last`, then its changes."""

    def __init__(self, path, **view):
        self.changed = threading.Condition()
        self.view = {"uid": UID, "name": "n1", **view}
        self.forget()
        self.messages = []
        self.told = None  # the last message
        super().__init__(path, self.behave)

    def forget(self):
        """A restart, seen from outside."""
        self.list, self.arriving, self.nodes, self.coming = 0, 0, {}, {}

    def take(self, kube):
        if kube["list"] and kube["first"]:
            self.arriving, self.coming = kube["list"], {}
        if kube["list"]:
            nodes = (self.coming if kube["list"] == self.arriving else
                     self.nodes if kube["list"] == self.list else {})
            for one in kube["nodes"]:
                if one["gone"]:
                    nodes.pop(one["name"], None)
                else:
                    nodes[one["name"]] = (one["uid"], one["address"])
        if kube["list"] and kube["last"] and kube["list"] == self.arriving:
            self.list, self.nodes, self.arriving = self.arriving, self.coming, 0

    def behave(self, conn, agent):
        kube = conn.request()["kube"]
        with self.changed:
            if len(kube["nodes"]) > 256:
                raise ValueError("more than 256 nodes in a message")
            self.take(kube)
            self.told = kube
            self.messages.append(kube)
            answer = frame({"version": 1, "kube": {**self.view, "list": self.list}})
            self.changed.notify_all()
        conn.sock.sendall(answer)

    def now(self, **view):
        with self.changed:
            self.view.update(view)

    def wait(self, condition, what):
        with self.changed:
            if not self.changed.wait_for(lambda: condition(self), WAIT_S):
                raise AssertionError(f"waited {WAIT_S} s: {what}; nodes {self.nodes}, told "
                                     f"{self.told}, errors {self.errors}")

    def wait_nodes(self, nodes):
        self.wait(lambda agent: agent.list and agent.nodes == nodes, f"for nodes {nodes}")

    def wait_trouble(self, part):
        self.wait(lambda agent: agent.told and part in agent.told["trouble"],
                  f"for trouble {part!r}")

    def wait_no_trouble(self):
        self.wait(lambda agent: agent.told and not agent.told["trouble"], "for no trouble")


class Kube:
    """The program, its token, and what it prints."""

    def __init__(self, program, api, agent, *flags, **files):
        self.token = files.get("token", write(new_path("token"), TOKEN + "\n"))
        self.ca = files.get("ca", CA)
        self.lines, self.heard = [], threading.Condition()
        self.process = subprocess.Popen(
            [program, "--node", "n1", "--api-server", api if isinstance(api, str) else api.url,
             "--token-file", self.token, "--ca-file", self.ca, "--namespace", "weft", "--socket",
             agent if isinstance(agent, str) else agent.path, *flags],
            env={"PATH": "/nowhere", "https_proxy": "http://127.0.0.1:1"}, cwd="/",
            stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stderr:
            with self.heard:
                self.lines.append(line)
                self.heard.notify_all()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(WAIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = "no end after SIGTERM"
            self.process.wait()
        self.reader.join(WAIT_S)
        self.process.stderr.close()
        if kind:
            print(self.log(), flush=True)
        elif code != 0:
            raise AssertionError(f"ended with {code}:\n{self.log()}")

    def log(self):
        with self.heard:
            return "".join(self.lines)

    def count(self, part):
        return self.log().count(part)

    def wait_line(self, part, times=1):
        with self.heard:
            if not self.heard.wait_for(
                    lambda: sum(part in line for line in self.lines) >= times, WAIT_S):
                raise AssertionError(f"waited {WAIT_S} s for a line with {part!r}")

    def must_run(self):
        cases.equal(self.process.poll(), None, "the program's end")


class World:
    """An API server, an agent and the program between them."""

    def __init__(self, program, nodes=THREE, plans=None, page=None, **view):
        self.api = FakeApi(CERTIFICATE, nodes, page)
        for kind, plan in (plans or {}).items():
            self.api.plans[kind] = list(plan)
        self.agent = Agent(new_path("kube"), **view)
        self.kube = Kube(program, self.api, self.agent)

    def __enter__(self):
        return self.api, self.agent, self.kube

    def __exit__(self, *error):
        try:
            self.kube.__exit__(*error)
        finally:
            self.agent.stop()
            self.api.stop()
