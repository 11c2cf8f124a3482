#!/usr/bin/env python3
# weft-test: name=kube-install time=300 needs=root tier=normal build=gcc
"""Weft's life on a cluster: what it may do, what it says, delete and apply again under a stream,
and removal for good, after which every node is as before."""

import json
import os

import faults
import kubetest
import pods
import probe
import weft
from check import must, must_equal, step
from cluster import API_ADDRESS, Cluster
from components import API_PORT
from node import RANGE, kernel_state
from rigpath import HERE
from space import NotYet, wait_until

NAMESPACE = "default"
CAP_NET_ADMIN = f"{1 << 12:016x}"
NO_CAP = f"{0:016x}"
ACCOUNT = "system:serviceaccount:weft:weft"
TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount/token"
LEFT = ("/var/lib/weft", "/run/weft", "/opt/cni/bin/weft", "/etc/cni/net.d/10-weft.conflist")
PODS = 8


# ---- what it may do

def rights(cluster):
    said = cluster.kubectl("auth", "can-i", "--list", f"--as={ACCOUNT}", "-n", weft.NAMESPACE)
    return sorted(" ".join(line.split()) for line in said.splitlines()[1:])


def check_rights(cluster):
    """What is in the file and not about weft is what every service account may."""
    with open(os.path.join(HERE, "rbac.txt"), encoding="ascii") as f:
        wanted = [line for line in f.read().splitlines() if not line.startswith("#")]
    must_equal(rights(cluster), wanted, f"rights of {ACCOUNT} in its namespace")
    for what in ("nodes", "secrets", "pods"):
        done = cluster.kubectl("auth", "can-i", "update", what, f"--as={ACCOUNT}", check=False)
        must_equal(done.stdout.strip(), "no", f"may it update {what}?")


def check_narrowed(cluster):
    """A token that was taken from one node writes that Node's status, and no other's."""
    here, elsewhere = cluster.nodes
    _, root = process(here, "weft-kube")
    token = here.run("cat", root + TOKEN)
    condition = {"status": {"conditions": [{"type": "Tried", "status": "True"}]}}
    others = ({"metadata": {"labels": {"tried": "yes"}}},
              {"metadata": {"annotations": {"tried": "yes"}}},
              {"status": {"addresses": [{"type": "InternalIP", "address": "192.0.2.1"}]}},
              {"status": {"capacity": {"weft.test/tried": "1"}}})

    def tried(node, patch):
        """What the API server answers; nothing is written."""
        return json.loads(cluster.control.run(
            "curl", "-sS", "-m", "10", "--cacert", "/mnt/pki/ca.crt", "-X", "PATCH",
            "-d", json.dumps(patch), "-H", "Content-Type: application/strategic-merge-patch+json",
            "-H", f"Authorization: Bearer {token}", f"https://{API_ADDRESS}:{API_PORT}"
            f"/api/v1/nodes/{node.name}/status?dryRun=All"))

    def refused():
        """A policy counts from a moment after it was made."""
        answer = tried(elsewhere, condition)
        return "writes the status of its own node alone" in answer.get("message", "") or NotYet(
            answer["kind"])
    wait_until(refused, 30, f"{here.name}'s token is refused for {elsewhere.name}")
    must_equal(tried(here, condition)["kind"], "Node", "the answer for its own node")
    for patch in others:
        must("writes a condition alone" in tried(here, patch).get("message", ""),
             f"its own Node took {patch}")


def process(node, program):
    """/proc/PID/status of a container's program, and a path to its root."""
    pid = node.run("pidof", program).split()[0]
    lines = node.run("cat", f"/proc/{pid}/status").splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line), f"/proc/{pid}/root"


def check_confinement(node):
    agent, agent_root = process(node, "weftd")
    kube, kube_root = process(node, "weft-kube")
    for status, capabilities, uid in ((agent, CAP_NET_ADMIN, "0"), (kube, NO_CAP, "6786")):
        for name in ("CapEff", "CapPrm", "CapBnd"):
            must_equal(status[name], capabilities, f"{name} of {status['Name']}")
        must_equal((status["NoNewPrivs"], status["Seccomp"]), ("1", "2"), status["Name"])
        must_equal(status["Uid"].split()[1], uid, f"user of {status['Name']}")
    for root, has_token in ((agent_root, False), (kube_root, True)):
        done = node.run("test", "-e", root + TOKEN, check=False)
        must_equal(done.returncode == 0, has_token, f"a token in {root}")
        done = node.run("touch", f"{root}/usr/sbin/here", check=False)
        must("Read-only file system" in done.stderr, f"{root} can be written: {done.stderr}")


# ---- what it says

def check_words(cluster, load):
    """As Weave's users found it: kubectl logs, grep."""
    logs = weft.logs(cluster)
    for node in cluster.nodes:
        must(RANGE in logs[node.name], f"{node.name} never says the range {RANGE}")
        for block in (b for b in weft.ask(node, "ipam")["blocks"] if b["own"]):
            must(any("ipalloc" in line and block["prefix"] in line
                     for line in logs[node.name].splitlines()), f"no line of {block['prefix']}")
    for pod in load:
        name = f"{NAMESPACE}/{pod.name}"
        must(any("ipalloc" in line and f"{pod.address} given" in line and name in line
                 for line in logs[pod.machine.name].splitlines()),
             f"no line of {pod.address} and {name}")


# ---- delete and apply

def founding(cluster):
    return cluster.get("configmap", "weft", "-n", weft.NAMESPACE)["data"]


def delete(cluster):
    cluster.kubectl("delete", "-f", weft.MANIFEST, "--timeout=60s")


def check_apply_again(cluster, load):
    """Nothing that runs notices. The cluster is the same one: the disks know it."""
    said = cluster.kubectl("apply", "-f", weft.MANIFEST)
    must(all(line.endswith("unchanged") for line in said.splitlines()),
         f"applied twice, something changed:\n{said}")
    before = founding(cluster)
    blocks = [weft.ask(node, "ipam")["blocks"] for node in cluster.nodes]
    with probe.Stream(load[0], load[-1]) as stream:
        delete(cluster)
        step("Weft deleted")
        weft.install(cluster)
        weft.wait_rolled_out(cluster)
        wait_until(lambda: cluster.kubectl("get", "configmap", "weft", "-n", weft.NAMESPACE,
                                           check=False).returncode == 0 or NotYet("none"),
                   30, "the ConfigMap is there again")
        faults.must_lose_nothing(stream, "Weft was deleted and applied again")
    must_equal(founding(cluster)["cluster"], before["cluster"], "the cluster")
    must_equal([weft.ask(node, "ipam")["blocks"] for node in cluster.nodes], blocks, "the blocks")


# ---- removal

def state(cluster, node):
    """What a node has of links, routes, rules and files, and what its Node says of it."""
    kernel = kernel_state(node)
    kernel["conditions"] = sorted(
        c["type"] for c in cluster.get("node", node.name)["status"]["conditions"])
    kernel["nft"] = sorted(node.run("nft", "list", "tables").splitlines())
    kernel["files"] = sorted(
        path for path in node.run("find", "/opt/cni", "/etc/cni", "/var/lib/weft", "/run/weft",
                                  check=False).stdout.splitlines())
    settings = node.run("sh", "-c", "grep -H . /proc/sys/net/ipv4/conf/*/forwarding "
                        "/proc/sys/net/ipv4/conf/*/rp_filter")
    kernel["settings"] = sorted(settings.splitlines())
    return kernel


def has_condition(cluster, node):
    return any((c["type"], c["status"], c["reason"]) == ("NetworkUnavailable", "False", "WeftIsUp")
               for c in cluster.get("node", node.name)["status"]["conditions"])


def wait_reset_waits(cluster):
    """A reset beside a living Weft does nothing, also not when it finds a node without agent."""
    def waits():
        said = cluster.kubectl("-n", "weft-reset", "logs", "ds/weft-reset", "-c", "condition",
                               "--all-pods", check=False).stdout
        return said.count("namespace weft is there, and Weft with it") == len(cluster.nodes) or \
            NotYet(said[-300:])
    wait_until(waits, 60, "a reset that waits")
    for node in cluster.nodes:
        left = [path for path in LEFT if node.run("test", "-e", path, check=False).returncode]
        must(not left, f"{node.name} lost {left} while Weft was there")


def wait_clean(cluster):
    cluster.kubectl("-n", "weft-reset", "rollout", "status", "ds/weft-reset", "--timeout=60s")
    for node in cluster.nodes:
        left = [path for path in LEFT if node.run("test", "-e", path, check=False).returncode == 0]
        must(not left, f"{node.name} still has {left}")


def check_forgotten_reset(cluster):
    """Weft is applied again, and the reset is still there: it does nothing, and does not go on
    saying that nodes are clean."""
    weft.install(cluster)
    weft.wait_rolled_out(cluster)

    def tells():
        ready = cluster.get("ds", "weft-reset", "-n", "weft-reset")["status"]["numberReady"]
        said = cluster.kubectl("-n", "weft-reset", "logs", "ds/weft-reset", "--all-pods",
                               check=False).stdout
        return ready == 0 and "Weft was started here after the reset" in said or NotYet(
            f"{ready} ready, {said[-200:]}")
    wait_until(tells, 60, "the reset tells that it is over")
    cluster.kubectl("delete", "-f", weft.RESET, "--timeout=60s")
    for node in cluster.nodes:
        must_equal(weft.ask(node, "status")["state"], "ready", f"state of {node.name}")


def check_reset(cluster, before):
    for node in cluster.nodes:
        wait_until(lambda: has_condition(cluster, node) or NotYet("no"), 30,
                   f"Weft's condition of {node.name}")
    cluster.kubectl("apply", "-f", weft.RESET)
    wait_reset_waits(cluster)
    step("a reset beside a living Weft waits")
    delete(cluster)
    wait_clean(cluster)
    check_forgotten_reset(cluster)
    step("a reset that was forgotten touches nothing and says so")
    delete(cluster)
    cluster.kubectl("apply", "-f", weft.RESET)
    wait_clean(cluster)
    cluster.kubectl("delete", "-f", weft.RESET, "--timeout=60s")
    for node in cluster.nodes:
        must_equal(state(cluster, node), before[node.name], f"{node.name} after Weft was removed")


def test():
    with kubetest.told(Cluster(2, build=kubetest.build_directory())) as cluster:
        weft.load_image(cluster)
        before = {node.name: state(cluster, node) for node in cluster.nodes}
        weft.install(cluster)
        weft.wait_rolled_out(cluster)
        check_rights(cluster)
        for node in cluster.nodes:
            check_confinement(node)
        check_narrowed(cluster)
        step("it may do what the file says, and no more, and that to its own node alone")
        faults.start_load(cluster, PODS)
        load = pods.places(cluster, NAMESPACE)
        check_words(cluster, load)
        step("its log tells the range, the blocks and each address")
        check_apply_again(cluster, load)
        faults.end_load(cluster)
        check_reset(cluster, before)
        step("removed: every node is as before")


if __name__ == "__main__":
    kubetest.main(test)
