#!/usr/bin/env python3
# weft-test: name=weft-kube time=300 tier=normal build=gcc,sanitized
"""The real weft-kube between a FAKE API server and a FAKE agent (weftkube.py): what a real API
server cannot be made to do with its nodes. 410 Gone, garbage, an answer byte by byte, one cut off,
429 and 500, another token, the wrong CA, redirects. The last case has the real agent instead of
the fake one, and asks the real weftctl. Every case runs with the release build and with the
sanitized one, except those that must wait for a time-out."""

import json
import os
import shutil
import subprocess
import threading
import time

from weftkube import (CA, CERTIFICATE, CLUSTER, CLUSTER_TEXT, ELSEWHERE, OTHER_CA, THREE,
                      TOLD_THREE, Agent, Kube, World, each_program, new_path, once, write)
import cases
from cases import case, contains, equal, table
from fakeagent import FakeAgent, frame
from fakeapi import (LISTED, PATCHED, READ, TOKEN, WAIT_S, WATCHED, FakeApi, breaks_off, dribbles,
                     hangs, node, refuses, says, sends, status, streams)


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
            kube.wait_line("the agent does not answer", times=2)
            api.happens("ADDED", node("n4", address="192.0.2.4"))
            kube.wait_line("node n4 is new (192.0.2.4)")
            os.unlink(path)
            agent = Agent(path, ready=True, cluster=CLUSTER)
            agent.wait_nodes({**TOLD_THREE, "n4": ("uid-of-n4", "192.0.2.4")})
            kube.wait_line(f"the agent of node n1 answers, in cluster {CLUSTER_TEXT}")
            agent.stop()
            equal(kube.count("the agent does not answer"), 2, "one line per change")


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
    with World(program, page=1, plans={LISTED: [None, refuses(410)]}) as (api, agent, kube):
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
        ("depth", "[" * 100_000 + "\n", GARBAGE),
        ("a line without an end", "x" * ((16 << 20) + 1), "a line of more than 16777216 bytes"),
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
        ("a node without uid", says(a_list(THREE[0], NO_UID)), "item 2: metadata.uid"),
        ("no end", says(a_list(*THREE)[:-9]), GARBAGE),
        ("too many nodes", says(a_list(*[{}] * 16385)), "more than 16384 nodes"),
        ("cut off", breaks_off(a_list(*THREE)[:99]), "breaks off its answer"),
        ("no HTTP", sends("220 smtp.test\r\n"), "cannot be reached"),
        ("400", refuses(400, message="bad request"), "400: bad request"),
        ("429", refuses(429, message="too many"), "429: too many"),
        ("500", refuses(500, message="etcd is ill"), "500: etcd is ill"),
        ("503 of a proxy", sends("HTTP/1.1 503 No\r\nContent-Length: 2\r\n\r\nno"), "(503)"),
        ("403", refuses(403, message="nodes is forbidden"), "(403: nodes is forbidden) -> if")])
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
def answers_without_end_are_refused(program):
    def pour(conn, request):
        conn.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(17):
            conn.chunk(" " * (1 << 20))
        conn.wait_for_end()
    with World(program, plans={LISTED: [pour] * 7}) as (api, agent, kube):
        agent.wait_trouble("answers more than 16 MB when asked to list nodes")
        agent.wait_nodes(TOLD_THREE)
        equal([r.query["limit"] for r in api.requests if r.kind == LISTED],
              ["100", "50", "25", "12", "6", "3", "1", *"111"], "nodes asked for at once")


@case
@each_program
def it_waits_as_long_as_it_is_asked_to(program):
    with World(program, plans={LISTED: [refuses(429, "Retry-After: 3\r\n")]}) as (api, agent, kube):
        api.wait(lambda a: a.count(LISTED) == 1, "for a list")
        began = time.monotonic()
        api.wait(lambda a: a.count(LISTED) == 2, "for a second list")
        equal(time.monotonic() - began > 2.9, True, "it waits 3 s")


@case
@each_program
def what_was_answered_to_one_question_lets_others_ask(program):
    """A 403 is what an API server that has just started says to all."""
    with World(program, plans={LISTED: [refuses(403)],
                               READ: [refuses(403, "Retry-After: 100\r\n")]}
               ) as (api, agent, kube):
        agent.wait_trouble("403")
        agent.wait_nodes(TOLD_THREE)
        agent.wait_no_trouble()


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
        equal(time.monotonic() - began > 14, True, "it waits 15 s")
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


# ---- what people see of it

class Weftd(Kube):
    """The real agent, in a network and a /run of its own, and what it prints."""

    SETUP = """
mount -t tmpfs -o size=16m weft-k /run
ip link set lo up
ip link add uplink type veth peer name cable
ip addr add 192.0.2.1/24 dev uplink
ip link set cable up
ip link set uplink up
exec "$@" --auth=none --kube --name=n1 --state=/run/state --metrics-address=off
"""

    def __init__(self, program):
        agent = os.path.dirname(os.path.dirname(program))
        self.weftctl = os.path.join(agent, "cli", "weftctl")
        self.lines, self.heard = [], threading.Condition()
        as_root = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
        self.process = subprocess.Popen(
            ["unshare", *as_root, "--net", "--mount", "--propagation", "private",
             "sh", "-ec", self.SETUP, "sh", os.path.join(agent, "weftd")],
            cwd="/", stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def socket(self, name):
        return f"/proc/{self.process.pid}/root/run/weft/{name}.sock"

    def show(self, *options):
        return subprocess.run([self.weftctl, "--socket", self.socket("weft"), "status", *options],
                              check=True, stdout=subprocess.PIPE, text=True, timeout=WAIT_S).stdout

    def state_and_warnings(self):
        shown = json.loads(self.show("-o", "json"))
        return shown["state"], shown["warnings"]


@case
@each_program
def people_see_while_the_api_server_is_away(program):
    with FakeApi(CERTIFICATE, THREE[:1]) as api, Weftd(program) as weftd, \
            Kube(program, api, weftd.socket("kube")):
        api.wait(lambda a: a.count(PATCHED) == 1, "for the condition of a node that is ready")
        equal(weftd.state_and_warnings(), ("ready", []), "before")
        api.stop()
        about = f"weft-kube: the API server at {api.url} "
        weftd.wait_line(about)
        (state, warnings), text = weftd.state_and_warnings(), weftd.show()
        api.start()
        equal((state, len(warnings)), ("ready", 1), "state and warnings")
        contains(warnings[0], about, "the warning")
        contains(warnings[0], "meanwhile traffic goes on; new nodes may not be noticed", "it")
        contains(text, f"\n  WARNING    {about}", "status")
        weftd.wait_line("weft-kube: that is over")
        equal(weftd.state_and_warnings(), ("ready", []), "afterwards")


if __name__ == "__main__":
    cases.main()
