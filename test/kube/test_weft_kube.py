#!/usr/bin/env python3
# weft-test: name=weft-kube time=300 tier=normal build=gcc,sanitized
"""The real weft-kube between a FAKE API server (fakeapi.py) and a FAKE agent: what a real API server
cannot be made to do. 410 Gone, garbage, an answer byte by byte, one cut off, 429 and 500, another
token, the wrong CA, redirects. Every case runs with the release build and with the sanitized one,
except those that must wait for a time-out."""

import atexit
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.join(HERE, "..", "cni"))

import cases
import fakeapi
from cases import case, contains, equal, table
from fakeagent import FakeAgent, frame
from fakeapi import (CREATED, LISTED, NETWORK_UP, PATCHED, READ, TOKEN, WAIT_S, WATCHED, FakeApi,
                     breaks_off, dribbles, hangs, node, refuses, says, sends, status, streams)

PROGRAMS = [os.path.join(build, "agent", "kube", "weft-kube")
            for build in cases.builds("WEFT_BUILD", "WEFT_BUILD_SANITIZED")]
UID = bytes(range(1, 17))
OTHER_UID = bytes(range(17, 33))
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

    def __init__(self, program, api, agent, **files):
        self.token = files.get("token", write(new_path("token"), TOKEN + "\n"))
        self.ca = files.get("ca", CA)
        self.lines, self.heard = [], threading.Condition()
        self.process = subprocess.Popen(
            [program, "--node", "n1", "--api-server", api if isinstance(api, str) else api.url,
             "--token-file", self.token, "--ca-file", self.ca, "--namespace", "weft", "--socket",
             agent if isinstance(agent, str) else agent.path],
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

    def wait_line(self, part):
        with self.heard:
            if not self.heard.wait_for(lambda: any(part in line for line in self.lines), WAIT_S):
                raise AssertionError(f"waited {WAIT_S} s for a line with {part!r}")

    def must_run(self):
        equal(self.process.poll(), None, "the program's end")


def each_program(function):
    def run(*arguments):
        for program in PROGRAMS:
            function(program, *arguments)
    run.__name__ = function.__name__
    return run


def once(function):
    def run(*arguments):
        function(PROGRAMS[0], *arguments)
    run.__name__ = function.__name__
    return run


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


# ---- as it should be

@case
@each_program
def nodes_come_and_change(program):
    with World(program) as (api, agent, kube):
        agent.wait_nodes(TOLD_THREE)
        equal(agent.messages[-1]["trouble"], "", "trouble")
        api.wait(lambda a: a.streams == 1, "for a watch")
        equal(api.last(WATCHED).query["resourceVersion"], "100", "where the watch begins")
        equal(api.last(LISTED).headers["user-agent"], "weft-kube/0.1.0", "who asks")
        api.happens("ADDED", node("n4", address="192.0.2.4"))
        agent.wait_nodes({**TOLD_THREE, "n4": ("uid-of-n4", "192.0.2.4")})
        api.happens("MODIFIED", node("n4", address="192.0.2.44"))
        agent.wait_nodes({**TOLD_THREE, "n4": ("uid-of-n4", "192.0.2.44")})
        api.happens("DELETED", node("n4", address="192.0.2.44"))
        agent.wait_nodes(TOLD_THREE)
        api.happens("ADDED", node("n4", uid="other", address=None))
        agent.wait_nodes({**TOLD_THREE, "n4": ("other", "")})
        equal((api.count(LISTED), api.count(WATCHED)), (1, 1), "lists and watches")


@case
@each_program
def a_node_that_only_reports_its_health_is_no_news(program):
    with World(program) as (api, agent, kube):
        agent.wait_nodes(TOLD_THREE)
        api.wait(lambda a: a.streams == 1, "for a watch")
        api.happens("MODIFIED", node("n2", address="192.0.2.2", padding=50))
        api.happens("ADDED", node("n4", address="192.0.2.4"))
        agent.wait(lambda a: "n4" in a.nodes, "for n4")
        changes = [m for m in agent.messages if m["nodes"] and not m["first"]]
        equal([[n["name"] for n in m["nodes"]] for m in changes], [["n4"]], "what was told")


@case
@each_program
def pages_of_a_list(program):
    nodes = [node(f"m{i}", address=f"198.51.100.{i % 250}") for i in range(700)]
    with World(program, nodes=nodes, page=90) as (api, agent, kube):
        agent.wait(lambda a: len(a.nodes) == 700, "for 700 nodes")
        equal(api.count(LISTED), 8, "pages")
        whole = [m for m in agent.messages if m["nodes"]]
        equal([(m["first"], m["last"], len(m["nodes"])) for m in whole],
              [(True, False, 256), (False, False, 256), (False, True, 188)], "messages")
        equal(api.last(LISTED).query["limit"], "100", "what is asked for")


@case
@each_program
def a_cluster_without_nodes(program):
    with World(program, nodes=[]) as (api, agent, kube):
        agent.wait_nodes({})
        api.happens("ADDED", node("n1"))
        agent.wait_nodes({"n1": ("uid-of-n1", "192.0.2.1")})


@case
@each_program
def an_agent_restarts(program):
    with World(program) as (api, agent, kube):
        agent.wait_nodes(TOLD_THREE)
        with agent.changed:
            agent.forget()
        agent.wait_nodes(TOLD_THREE)
        equal(api.count(LISTED), 1, "lists")


@case
@each_program
def the_agent_comes_late_goes_and_comes(program):
    with FakeApi(CERTIFICATE, THREE) as api:
        path = new_path("kube")
        with Kube(program, api, path) as kube:
            kube.wait_line("the agent does not answer at " + path)
            kube.wait_line("3 nodes in the API server's list")
            agent = Agent(path)
            agent.wait_nodes(TOLD_THREE)
            kube.wait_line("the agent of node n1 answers, in no cluster yet, not ready yet")
            agent.stop()
            api.happens("ADDED", node("n4", address="192.0.2.4"))
            kube.wait_line("node n4 is new (192.0.2.4)")
            os.unlink(path)
            agent = Agent(path, ready=True, cluster=CLUSTER)
            agent.wait_nodes({**TOLD_THREE, "n4": ("uid-of-n4", "192.0.2.4")})
            kube.wait_line(f"the agent of node n1 answers, in cluster {CLUSTER_TEXT}")
            agent.stop()
            equal(kube.count("the agent does not answer") <= 2, True, "one line per change")


@case
@each_program
def an_agent_that_refuses(program):
    def refuse(conn, agent):
        conn.request()
        conn.sock.sendall(frame({"version": 1, "exit_code": 1, "error": "never heard of it"}))
    agent = FakeAgent(new_path("kube"), refuse)
    with FakeApi(CERTIFICATE, THREE) as api, Kube(program, api, agent) as kube:
        kube.wait_line("does not take what it is told (never heard of it)")
        api.wait(lambda a: a.streams == 1, "for a watch")
    agent.stop()
    equal(kube.count("does not take"), 1, "lines")


# ---- lists and watches that fail

@case
@each_program
def gone_while_listing(program):
    with World(program, page=1, plans={LISTED: [lambda c, r: api_list(c, r), refuses(410)]}
               ) as (api, agent, kube):
        api_list = api.do_list
        agent.wait_nodes(TOLD_THREE)
        lists = [r.query.get("continue") for r in api.requests if r.kind == LISTED]
        equal(lists, [None, "from=/1", None, "from=/1", "from=/2"], "pages")
        kube.wait_line("forgot the list that it was telling (410) -> asked anew")


def watch_then(program, *plans, nodes=THREE):
    return World(program, nodes=nodes, plans={WATCHED: plans})


@table([("http", refuses(410)),
        ("event", streams({"type": "ERROR", "object": status(410, "too old", reason="Expired")},
                          end=None))])
@each_program
def gone_while_watching(program, gone):
    with watch_then(program, gone) as (api, agent, kube):
        api.wait(lambda a: a.count(LISTED) == 2 and a.streams == 1, "for a second list")
        agent.wait_nodes(TOLD_THREE)
        kube.wait_line("(410) -> listed anew")
        agent.wait_no_trouble()


@case
@each_program
def history_is_forgotten_while_it_is_away(program):
    with World(program) as (api, agent, kube):
        agent.wait_nodes(TOLD_THREE)
        api.wait(lambda a: a.streams == 1, "for a watch")
        api.stop()
        agent.wait_trouble("cannot be reached")
        with api.changed:
            del api.nodes["n2"]
        api.forget_history()
        api.start()
        agent.wait_nodes({name: TOLD_THREE[name] for name in ("n1", "n3")})
        agent.wait_no_trouble()
        kube.wait_line("that is over -> going on")


def bookmark(version):
    return {"type": "BOOKMARK", "object": {"kind": "Node", "apiVersion": "v1", "metadata": {
        "resourceVersion": str(version), "creationTimestamp": None}, "spec": {}}}


@table([("ended", True), ("cut off", False)])
@each_program
def a_watch_goes_on_where_it_was(program, end):
    plans = [streams(bookmark(120), bookmark(130), '{"type":"ADDED","obj', end=end)]
    with watch_then(program, *plans) as (api, agent, kube):
        api.wait(lambda a: a.count(WATCHED) == 2, "for a second watch")
        equal(api.last(WATCHED).query["resourceVersion"], "130", "where it goes on")
        equal(api.count(LISTED), 1, "lists")
        agent.wait_nodes(TOLD_THREE)
        equal(agent.messages[-1]["trouble"], "", "trouble")
    equal(kube.count(" warn ") + kube.count(" err "), 0, "complaints")


@case
@each_program
def a_line_in_pieces(program):
    text = json.dumps({"type": "ADDED", "object": node("n4", version=150, address="192.0.2.4",
                                                       padding=1000)}) + "\n"
    pieces = [text[i:i + 7919] for i in range(0, len(text), 7919)]
    with watch_then(program, streams(*pieces, bookmark(160), end=None)) as (api, agent, kube):
        agent.wait_nodes({**TOLD_THREE, "n4": ("uid-of-n4", "192.0.2.4")})


GARBAGE = "cannot be read"


@table([("no JSON", "Once upon a time\n", GARBAGE),
        ("another object", json.dumps({"type": "ADDED", "object": {"kind": "Pod"}}) + "\n",
         "object.kind: expected Node"),
        ("depth", "[" * 100_000 + "\n", "too many levels"),
        ("a line without an end", "x" * ((1 << 20) + 1), "a line of more than 1048576 bytes"),
        ("an error", json.dumps({"type": "ERROR", "object": status(500, "etcd is ill")}) + "\n",
         "500: etcd is ill")])
@each_program
def nonsense_in_a_watch(program, line, words):
    with watch_then(program, streams(line, end=None)) as (api, agent, kube):
        agent.wait_trouble(words)
        contains(agent.told["trouble"], api.url, "trouble")
        api.wait(lambda a: a.count(LISTED) == 2 and a.streams == 1, "for a second list")
        api.happens("ADDED", node("n4", address="192.0.2.4"))
        agent.wait_nodes({**TOLD_THREE, "n4": ("uid-of-n4", "192.0.2.4")})
        agent.wait_no_trouble()


NO_UID = node("n2")
del NO_UID["metadata"]["uid"]


def a_list(*items):
    return json.dumps({"kind": "NodeList", "metadata": {"resourceVersion": "7"}, "items": items})


@table([("nothing", says(""), GARBAGE), ("no JSON", says("<html>"), GARBAGE),
        ("another list", says('{"kind":"PodList","metadata":{},"items":[]}'), "NodeList"),
        ("a node without uid", says(a_list(THREE[0], NO_UID)), "node 2 of the page: metadata.uid"),
        ("no end", says(a_list(*THREE)[:-9]), GARBAGE),
        ("too many nodes", says(a_list(*[{}] * 16385)), "more than 16384 nodes"),
        ("cut off", breaks_off(a_list(*THREE)[:99]), "breaks off its answer"),
        ("no HTTP", sends("220 smtp.test\r\n"), "cannot be reached"),
        ("400", refuses(400, message="bad request"), "400: bad request"),
        ("429", refuses(429, message="too many"), "429: too many"),
        ("500", refuses(500, message="etcd is ill"), "500: etcd is ill"),
        ("503 of a proxy", sends("HTTP/1.1 503 No\r\nContent-Length: 2\r\n\r\nno"), "(503)"),
        ("403", refuses(403, message="nodes is forbidden"), "(403: nodes is forbidden) -> apply")])
@each_program
def a_list_fails(program, plan, words):
    with World(program, plans={LISTED: [plan]}) as (api, agent, kube):
        agent.wait_trouble(words)
        contains(agent.told["trouble"], api.url, "trouble")
        contains(agent.told["trouble"], " -> ", "trouble")
        agent.wait_nodes(TOLD_THREE)
        agent.wait_no_trouble()
        kube.wait_line("that is over")
        equal(kube.count(words), 1, "lines")


@case
@each_program
def an_answer_without_end_is_refused(program):
    def pour(conn, request):
        conn.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(17):
            conn.chunk(" " * (1 << 20))
        conn.wait_for_end()
    with World(program, plans={LISTED: [pour]}) as (api, agent, kube):
        agent.wait_trouble("answers more than a cluster of 16384 nodes can have")
        agent.wait_nodes(TOLD_THREE)


@case
@each_program
def it_waits_as_long_as_it_is_asked_to(program):
    with World(program, plans={LISTED: [refuses(429, "Retry-After: 3\r\n")]}) as (api, agent, kube):
        api.wait(lambda a: a.count(LISTED) == 1, "for a list")
        began = time.monotonic()
        api.wait(lambda a: a.count(LISTED) == 2, "for a second list")
        equal(2.9 < time.monotonic() - began < 6, True, "it waits 3 s and a bit")


@case
@each_program
def it_waits_longer_each_time(program):
    with World(program, plans={LISTED: [refuses(500)] * 4}) as (api, agent, kube):
        began = time.monotonic()
        agent.wait_nodes(TOLD_THREE)
        # at least half of 0.5, 1, 2 and 4 s
        equal(time.monotonic() - began > 3.75, True, "more than 3.75 s")
    equal(kube.count(" warn the API server"), 1, "lines")


@case
@once
def too_slow(program):
    """At once, because each takes its 15 s: byte by byte, and not at all."""
    with World(program, plans={LISTED: [dribbles("{")]}) as (api, agent, kube), \
            World(program, plans={LISTED: [hangs], READ: [hangs]}) as (api2, agent2, kube2):
        began = time.monotonic()
        agent.wait_trouble("does not answer in time when asked to list nodes")
        equal(14 < time.monotonic() - began < 20, True, "15 s")
        agent2.wait_trouble("does not answer in time")
        agent.wait_nodes(TOLD_THREE)
        agent2.wait_nodes(TOLD_THREE)
        agent2.wait_no_trouble()


# ---- who speaks with whom

@case
@each_program
def the_token_is_read_for_each_request(program):
    with World(program) as (api, agent, kube):
        agent.wait_nodes(TOLD_THREE)
        api.wait(lambda a: a.streams == 1, "for a watch")
        equal(api.last(LISTED).headers["authorization"], "Bearer " + TOKEN, "the token")
        write(kube.token, "second-token")
        with api.changed:
            api.tokens = {"second-token"}
        agent.now(ready=True)
        api.wait(lambda a: a.count(PATCHED) == 1, "for a request")
        equal(api.last(PATCHED).headers["authorization"], "Bearer second-token", "the token")


@case
@each_program
def a_token_that_is_not_taken(program):
    api = FakeApi(CERTIFICATE, THREE)
    api.tokens = {"second-token"}
    agent = Agent(new_path("kube"))
    with api, Kube(program, api, agent) as kube:
        agent.wait_trouble("does not accept the token")
        contains(agent.told["trouble"], kube.token, "trouble")
        write(kube.token, "second-token")
        agent.wait_nodes(TOLD_THREE)
        agent.wait_no_trouble()
        equal(kube.count("does not accept the token"), 1, "lines")
    agent.stop()


@table([("none", None, "No such file or directory"), ("empty", "\n", "has something else"),
        ("two lines", "a\nInjected: b", "has something else"),
        ("endless", "x" * 20_000, "has more than a token has")])
@each_program
def no_token(program, text, words):
    path = new_path("token")
    if text is not None:
        write(path, text)
    agent = Agent(new_path("kube"))
    with FakeApi(CERTIFICATE, THREE) as api, Kube(program, api, agent, token=path) as kube:
        agent.wait_trouble("there is no token to show to")
        contains(agent.told["trouble"], words, "trouble")
        equal(len(api.requests), 0, "requests")
        write(path, TOKEN)
        agent.wait_nodes(TOLD_THREE)
    agent.stop()


@table([("another CA", CERTIFICATE, OTHER_CA), ("another name", ELSEWHERE, CA)])
@each_program
def an_api_server_that_is_not_ours(program, certificate, ca):
    agent = Agent(new_path("kube"))
    with FakeApi(certificate, THREE) as api, Kube(program, api, agent, ca=ca) as kube:
        agent.wait_trouble(f"{ca} does not vouch for the API server at {api.url}")
        kube.wait_line(" err ")
        equal(len(api.requests), 0, "requests")
        equal(kube.count(" err "), 1, "lines")
    agent.stop()


@case
@each_program
def the_ca_is_replaced(program):
    agent = Agent(new_path("kube"))
    path = new_path("ca")
    with FakeApi(CERTIFICATE, THREE) as api, Kube(program, api, agent, ca=path) as kube:
        agent.wait_trouble("has no certificates that could vouch for")
        shutil.copy(OTHER_CA, path)
        agent.wait_trouble("does not vouch for")
        with open(CA, encoding="ascii") as f:
            write(path, f.read())
        agent.wait_nodes(TOLD_THREE)
        agent.wait_no_trouble()
    agent.stop()


@case
@each_program
def redirects_are_not_followed(program):
    with FakeApi(CERTIFICATE, THREE) as other:
        there = f"Location: {other.url}/api/v1/nodes?limit=100\r\n"
        with World(program, plans={LISTED: [refuses(302, there)], READ: [refuses(307, there)]}
                   ) as (api, agent, kube):
            agent.wait_trouble("sends us elsewhere")
            agent.wait_nodes(TOLD_THREE)
        equal(len(other.requests), 0, "requests elsewhere")


@case
@each_program
def nobody_is_there(program):
    agent = Agent(new_path("kube"))
    with Kube(program, "https://127.0.0.1:1", agent) as kube:
        agent.wait_trouble("https://127.0.0.1:1 cannot be reached (Connection refused)")
        agent.wait(lambda a: len(a.messages) > 5, "for more messages")
        kube.must_run()
        equal(kube.count("cannot be reached"), 1, "lines")
    agent.stop()


# ---- founding

def configmap(**data):
    return {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "weft"}, "data": {
        "cluster": CLUSTER_TEXT, "founder": OTHER_UID.hex(), "node": "n2", **data}}


def founding(cluster=CLUSTER, founder=OTHER_UID, name="n2"):
    return {"cluster": cluster, "founder": founder, "node": name}


def wait_founding(agent, want):
    agent.wait(lambda a: a.told and a.told["founding"] == want, f"for founding {want}")


@case
@each_program
def nothing_is_created_unasked(program):
    with World(program) as (api, agent, kube):
        agent.wait_nodes(TOLD_THREE)
        seen = len(agent.messages)
        agent.wait(lambda a: len(a.messages) > seen + 2, "for more messages")
        equal((api.count(READ), api.count(CREATED)), (1, 0), "reads and creates")
        equal(agent.told["founding"], None, "founding")


@case
@each_program
def the_first_founds(program):
    with World(program, wants_founding=True) as (api, agent, kube):
        agent.wait(lambda a: a.told and a.told["founding"], "for a founding")
        told = agent.told["founding"]
        equal((told["founder"], told["node"]), (UID, "n1"), "founder")
        equal((told["cluster"][6] >> 4, told["cluster"][8] >> 6), (4, 2), "version and variant")
        made = json.loads(api.last(CREATED).body)
        equal((made["metadata"]["name"], made["metadata"]["namespace"], made["immutable"]),
              ("weft", "weft", True), "the ConfigMap")
        equal(made["data"]["cluster"].replace("-", ""), told["cluster"].hex(), "cluster")
        equal((api.count(CREATED), api.count(READ)), (1, 2), "creates and reads")


@case
@each_program
def the_second_reads_what_the_first_wrote(program):
    def another_was_first(conn, request):
        with api.changed:
            api.configmap = configmap()
        api.do_create(conn, request)
    with World(program, plans={CREATED: [another_was_first]}) as (api, agent, kube):
        agent.wait_nodes(TOLD_THREE)
        agent.now(wants_founding=True)
        wait_founding(agent, founding())
        kube.wait_line("was created by another node first")
        equal(api.count(CREATED), 1, "creates")


@case
@each_program
def nothing_is_founded_without_the_list(program):
    """An agent that has met nobody has asked nobody as long as it does not know the nodes."""
    with World(program, wants_founding=True, plans={LISTED: [refuses(500)] * 3}
               ) as (api, agent, kube):
        api.wait(lambda a: a.count(LISTED) == 3, "for three lists")
        equal(api.count(CREATED), 0, "creates")
        agent.wait(lambda a: a.told and a.told["founding"], "for a founding")


@case
@each_program
def it_comes_back_with_the_agents_cluster(program):
    with World(program, cluster=CLUSTER, ready=True) as (api, agent, kube):
        wait_founding(agent, founding(founder=UID, name="n1"))
        equal(json.loads(api.last(CREATED).body)["data"]["cluster"], CLUSTER_TEXT, "cluster")


@table([("cluster", configmap(cluster="mine"), "data.cluster: expected a UUID"),
        ("founder", configmap(founder="n2"), "data.founder: expected 32 hex digits"),
        ("node", configmap(node="a b"), "data.node: expected"),
        ("nothing", {"kind": "ConfigMap", "metadata": {}}, "data.cluster")])
@each_program
def a_configmap_that_cannot_be_read(program, wrong, words):
    with World(program, nodes=THREE, wants_founding=True,
               plans={READ: [says(json.dumps(wrong))] * 2}) as (api, agent, kube):
        agent.wait_trouble(words)
        contains(agent.told["trouble"], "ConfigMap weft/weft", "trouble")
        contains(agent.told["trouble"], "-> delete it", "trouble")
        agent.wait_nodes(TOLD_THREE)
        equal((agent.told["founding"], api.count(CREATED)), (None, 0), "founding")


@case
@each_program
def a_create_whose_answer_is_lost(program):
    def lose(conn, request):
        api.do_create(Nowhere(), request)
        conn.hang_up()
    with World(program, wants_founding=True, plans={CREATED: [lose]}) as (api, agent, kube):
        agent.wait(lambda a: a.told and a.told["founding"], "for a founding")
        equal(agent.told["founding"]["cluster"].hex(),
              api.configmap["data"]["cluster"].replace("-", ""), "cluster")


class Nowhere:
    def reply(self, *_):
        pass


@case
@each_program
def a_create_that_is_forbidden(program):
    with World(program, wants_founding=True, plans={CREATED: [refuses(403, message="never")]}
               ) as (api, agent, kube):
        agent.wait_trouble("does not let us create the ConfigMap weft (403: never)")
        agent.wait(lambda a: a.told["founding"], "for a founding")


# ---- the node's condition

@case
@each_program
def the_condition_is_set_when_the_agent_is_ready(program):
    with World(program) as (api, agent, kube):
        agent.wait_nodes(TOLD_THREE)
        equal(api.count(PATCHED), 0, "patches")
        agent.now(ready=True)
        api.wait(lambda a: NETWORK_UP["type"] in str(a.nodes["n1"]), "for the condition")
        request = api.last(PATCHED)
        equal(request.headers["content-type"], "application/strategic-merge-patch+json", "type")
        equal(request.path, "/api/v1/nodes/n1/status", "path")
        condition = json.loads(request.body)["status"]["conditions"][0]
        equal({**condition, **NETWORK_UP}, condition, "condition")
        equal(abs(time.mktime(time.strptime(condition["lastTransitionTime"],
                                            "%Y-%m-%dT%H:%M:%SZ")) - time.timezone
                  - time.time()) < 60, True, "its time is now")
        agent.wait(lambda a: len(a.messages) > 3, "for more messages")
        equal(api.count(PATCHED), 1, "patches")


@case
@each_program
def the_condition_is_there_already(program):
    with World(program, nodes=[node("n1", conditions=[NETWORK_UP])], ready=True
               ) as (api, agent, kube):
        agent.wait(lambda a: len(a.messages) > 3 and a.list, "for more messages")
        equal(api.count(PATCHED), 0, "patches")


@case
@each_program
def the_condition_is_set_again(program):
    """Somebody takes it away; the node is registered again under its name."""
    with World(program, ready=True) as (api, agent, kube):
        api.wait(lambda a: a.count(PATCHED) == 1, "for a patch")
        api.happens("MODIFIED", node("n1", address="192.0.2.1", conditions=[
            {**NETWORK_UP, "status": "True"}]))
        api.wait(lambda a: a.count(PATCHED) == 2, "for a second patch")
        api.happens("DELETED", node("n1"))
        api.happens("ADDED", node("n1", uid="new", address="192.0.2.1"))
        api.wait(lambda a: a.count(PATCHED) == 3, "for a third patch")
        api.wait(lambda a: "WeftIsUp" in str(a.nodes["n1"]), "for the condition")


@case
@each_program
def the_condition_is_refused(program):
    with World(program, ready=True, plans={PATCHED: [refuses(403, message="never")]}
               ) as (api, agent, kube):
        agent.wait_trouble("does not let us set this node's condition (403: never)")
        api.wait(lambda a: "WeftIsUp" in str(a.nodes["n1"]), "for the condition")
        agent.wait_no_trouble()


# ---- the program

@table([("no node", [], "--node: expected the node's name"),
        ("a node's name", ["--node", "N 1"], "--node: expected the node's name"),
        ("no server", ["--node", "n1"], "--api-server: expected https://HOST:PORT, or"),
        ("http", ["--node", "n1", "--api-server=http://a"], "--api-server: expected https://"),
        ("a flag", ["--nodes", "n1"], "there is no --nodes"),
        ("no value", ["--node"], "--node: expected NAME behind it"),
        ("a level", ["--node", "n1", "--log-level", "loud"], "expected err, warn, info or debug"),
        ("no namespace", ["--node", "n1", "--api-server", "https://a", ], "--namespace: expected")])
@each_program
def wrong_options(program, options, words):
    done = subprocess.run([program, *options], env={}, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=WAIT_S)
    equal((done.returncode, done.stdout, done.stderr.count("\n")), (2, "", 1), "the end")
    contains(done.stderr, words, "stderr")


@case
@each_program
def help_and_version(program):
    for flag, words in (("--help", "--token-file FILE"), ("--version", "weft-kube 0.1.0\n")):
        done = subprocess.run([program, flag], env={}, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=WAIT_S)
        equal((done.returncode, done.stderr), (0, ""), "the end")
        contains(done.stdout, words, "stdout")
        equal(all(len(line) <= 100 for line in done.stdout.splitlines()), True, "100 columns")


@case
@each_program
def it_ends_at_once(program):
    """Also while an agent takes questions and does not answer, and requests hang."""
    def silence(conn, agent):
        conn.request()
        conn.sock.recv(1)
    agent = FakeAgent(new_path("kube"), silence)
    with FakeApi(CERTIFICATE, THREE) as api:
        api.plans[LISTED] = [hangs]
        with Kube(program, api, agent) as kube:
            kube.wait_line("it takes the question and does not answer")
            began = time.monotonic()
            kube.process.terminate()
            equal(kube.process.wait(WAIT_S), 0, "the end")
            equal(time.monotonic() - began < 2.5, True, "within the agent's second")
    agent.stop()


if __name__ == "__main__":
    cases.main()
