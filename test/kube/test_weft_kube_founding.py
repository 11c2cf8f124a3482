#!/usr/bin/env python3
# weft-test: name=weft-kube-founding time=200 tier=normal build=gcc,sanitized
"""The real weft-kube between a FAKE API server and a FAKE agent (weftkube.py): the ConfigMap that
says who founds the cluster, this node's condition, --reset, and the program itself. Every case
runs with the release build and with the sanitized one."""

import json
import subprocess
import time

from weftkube import (CERTIFICATE, CLUSTER, CLUSTER_TEXT, THREE, TOLD_THREE, UID, Kube, World,
                      each_program, new_path)
import cases
from cases import case, contains, equal, table
from fakeagent import FakeAgent
from fakeapi import (CREATED, LISTED, LOOKED, NETWORK_UP, PATCHED, READ, WAIT_S, FakeApi, hangs,
                     node, refuses, says)

OTHER_UID = bytes(range(17, 33))


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
        with conn.api.changed:
            conn.api.configmap = configmap()
        conn.api.do_create(conn, request)
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
        conn.api.do_create(Nowhere(), request)
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
            kube.process.terminate()
            # Less than the 15 s that the request may take.
            equal(kube.process.wait(10), 0, "the end")
    agent.stop()


# ---- --reset

def reset(program, api, *seen):
    """Ends by itself, whatever the agent does, with these lines behind the first."""
    with Kube(program, api, "/nowhere/kube.sock", "--reset") as kube:
        equal(kube.process.wait(WAIT_S), 0, "its end")
    lines = kube.log().splitlines()[1:]
    equal(len(lines), len(seen), f"lines: {lines}")
    for line, part in zip(lines, seen):
        contains(line, part, "a line")


def others(condition):
    return {**NETWORK_UP, "reason": condition}


@case
@each_program
def reset_removes_the_condition(program):
    with FakeApi(CERTIFICATE, [node("n1", conditions=[NETWORK_UP])]) as api:
        reset(program, api, "node n1 had Weft's condition NetworkUnavailable=False -> removed")
        left = api.nodes["n1"]["status"]["conditions"]
        equal([c["type"] for c in left], ["Ready"], "what is left")
        reset(program, api, "has no condition that Weft set -> nothing to remove")
        equal((api.count(LISTED), api.count(READ)), (0, 0), "other requests")


@case
@each_program
def reset_leaves_what_others_set(program):
    with FakeApi(CERTIFICATE, [node("n1", conditions=[others("OtherIsUp")])]) as api:
        reset(program, api, "has no condition that Weft set -> nothing to remove")
        equal(api.count(PATCHED), 0, "patches")
    with FakeApi(CERTIFICATE, []) as api:
        reset(program, api, "is not known to the API server -> nothing to remove")


@case
@each_program
def reset_and_another_network_at_once(program):
    with FakeApi(CERTIFICATE, [node("n1", conditions=[NETWORK_UP])]) as api:
        def overtaken(conn, request):
            api.happens("MODIFIED", node("n1", conditions=[others("OtherIsUp")]))
            api.do_patch(conn, request)
        api.plans[PATCHED] = [overtaken]
        reset(program, api, "has no condition that Weft set -> nothing to remove")
        contains(str(api.nodes["n1"]), "OtherIsUp", "the Node")


@case
@each_program
def reset_without_rights(program):
    with FakeApi(CERTIFICATE, [node("n1", conditions=[NETWORK_UP])]) as api:
        api.plans[LOOKED] = [refuses(403, message="never")]
        reset(program, api, "does not let us read this node (403: never)", "that is over",
              "-> removed")


@case
@each_program
def reset_waits_until_weft_is_gone(program):
    there = says('{"kind":"Namespace"}')
    with FakeApi(CERTIFICATE, [node("n1", conditions=[NETWORK_UP])]) as api:
        api.plans["GET /api/v1/namespaces/weft"] = [there, there]
        reset(program, api, "namespace weft is there, and Weft with it -> nothing is removed",
              "-> removed")
        equal(api.count("GET /api/v1/namespaces/weft"), 3, "looks")


@case
@each_program
def reset_is_interrupted(program):
    with FakeApi(CERTIFICATE) as api:
        api.plans[LOOKED] = [hangs]
        kube = Kube(program, api, "/nowhere/kube.sock", "--reset")
        api.wait(lambda a: a.count(LOOKED) == 1, "for a request")
        kube.process.terminate()
        equal(kube.process.wait(WAIT_S), 1, "its end")
        kube.reader.join(WAIT_S)
        kube.process.stderr.close()


if __name__ == "__main__":
    cases.main()
