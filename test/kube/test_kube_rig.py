#!/usr/bin/env python3
# weft-test: name=kube-rig time=240 needs=root tier=normal
"""The cluster itself, without Weft: nodes that wait for a network and are Ready with one, two
clusters side by side, nothing of the host changed, nothing left on any way out."""

import os
import re
import signal
import subprocess
import sys
import tempfile

import kubetest
import networks
import probe
import runs
import space
from check import must, must_equal, step
from cluster import Cluster
from pods import places
from records import Records
from rigpath import HERE

# What moves by itself, and what belongs to links.
VOLATILE = re.compile(r"^(fs/(dentry-state|file-nr|inode-.*|aio-nr|quota/.*|epoll/.*)|"
                      r"kernel/(ns_last_pid|pty/nr|random/.*|perf_.*|tainted|sched_.*)|"
                      r"net/netfilter/nf_conntrack_count|net/ipv[46]/(conf|neigh|route)/.*|"
                      r"vm/stat_refresh|debug/.*)$")
# $1 directory of the modules, $2 of the records
OWNER = """
import sys
sys.path.insert(0, sys.argv[1])
import rigpath
import runs
from cluster import Cluster
runs.RECORDS.directory = sys.argv[2]
with Cluster(1) as cluster:
    print("run", cluster.id, flush=True)
    sys.stdin.read()
"""
OURS = re.compile(r"\b(n[123]|cp|lan|outside)(@|:|$)|10\.99\.0\.|kube-proxy")


def host_settings():
    found = {}
    for where, _, names in os.walk("/proc/sys"):
        for path in (os.path.join(where, name) for name in names):
            key = os.path.relpath(path, "/proc/sys")
            if VOLATILE.match(key):
                continue
            try:
                with open(path, encoding="latin-1") as f:
                    found[key] = f.read()
            except OSError:
                pass  # nobody may read it
    return found


def host_lines():
    """What the host has of links, mounts, named namespaces and routes, a line each. Others may
    work here too: only what carries our names is held against us."""
    found = []
    for argv in (("ip", "-o", "link"), ("ip", "route", "show", "table", "all"),
                 ("ip", "netns", "list"), ("nft", "list", "tables")):
        found += subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split("\n")
    with open("/proc/self/mounts", encoding="utf-8") as f:
        return found + f.read().split("\n") + [os.uname().nodename]


def must_see_nothing(cluster):
    seen = [line for line in host_lines() if OURS.search(line) or cluster.id in line]
    must(not seen, f"the host sees of the cluster: {seen}")


def start_owner(records=runs.RECORDS):
    """Another process that has a cluster, and the cluster's id."""
    owner = subprocess.Popen([sys.executable, "-B", "-c", OWNER, HERE, records.directory],
                             text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    for line in owner.stdout:
        if line.startswith("run "):
            return owner, line.split()[1]
    raise space.RigError(f"a cluster's owner ended with {owner.wait()}")


def end_owner(owner, number):
    """Returns what its parent is told."""
    owner.send_signal(number)
    code = owner.wait(30)
    owner.stdin.close()
    owner.stdout.close()
    return code


def check_not_ready(cluster):
    for node in cluster.get("nodes")["items"]:
        ready, = [c for c in node["status"]["conditions"] if c["type"] == "Ready"]
        must_equal(ready["status"], "False", f"{node['metadata']['name']} without a network")
        must("cni" in ready["message"].lower(), ready["message"])


def check_node(cluster):
    """A machine like any other, that cannot touch the host."""
    node = cluster.nodes[0]
    must_equal(node.run("hostname").strip(), "n1", "hostname")
    must(node.run("touch", "/usr/here", check=False).returncode, "/usr can be written")
    must(node.run("sh", "-c", "echo 1 >/proc/sys/kernel/sysrq", check=False).returncode,
         "a setting of the host can be written")
    must_equal(node.run("cat", "/proc/self/cgroup").count("weft"), 0, "sees the host's groups")
    must_equal(node.run("ls", "/etc/cni/net.d").strip(), "", "networks before there is one")


def check_pods(cluster):
    """A pod on every node, by the static network: ping and source addresses."""
    cluster.kubectl("create", "deployment", "it", "--image=weft.test/pause:1",
                    f"--replicas={2 * len(cluster.nodes)}")
    cluster.kubectl("rollout", "status", "deploy/it", "--timeout=60s")
    found = places(cluster, "default")
    must_equal({p.machine.name for p in found}, {n.name for n in cluster.nodes}, "nodes used")
    probe.must_all_answer([(a, b.address, b.name) for a in found for b in found])


def check_killed(living):
    """kill -9 of the owner: all processes end at once, the next cluster removes the rest, and a
    cluster beside it that lives is not touched."""
    owner, dead = start_owner()
    pids = space.members(f"{runs.tag(dead)}-")
    must(len(pids) > 5, f"only {pids} of the killed cluster")
    end_owner(owner, signal.SIGKILL)
    space.wait_until(lambda: not space.members(f"{runs.tag(dead)}-"), 10,
                     "processes of a killed cluster end by themselves")
    groups = runs.recorded_groups(dead)
    must(runs.leftovers(dead, groups), "the killed cluster left nothing to clean")
    must(dead in runs.remove_dead(), "the killed cluster was not found")
    must_equal(runs.leftovers(dead, groups), [], "left of the killed cluster")
    living.kubectl("get", "nodes")


def check_terminated():
    """With records where nobody else has any: their directory goes too."""
    with tempfile.TemporaryDirectory() as above:
        records = Records(os.path.join(above, "records"))
        owner, ended = start_owner(records)
        groups = records.read(ended, "groups").splitlines()
        must(groups and runs.leftovers(ended, groups), "a cluster that lives is not found")
        must_equal(end_owner(owner, signal.SIGTERM), 128 + signal.SIGTERM, "exit after SIGTERM")
        must_equal(runs.leftovers(ended, groups) + os.listdir(above), [], "left after SIGTERM")


def must_be_same(have, want):
    changed = {k: (want[k], have[k]) for k in want if k in have and have[k] != want[k]}
    must(not changed, f"the host's settings changed (before, now): {changed}")


def test():
    runs.remove_dead()
    settings, name = host_settings(), os.uname().nodename
    with Cluster(3, proxy="nftables") as cluster:
        check_not_ready(cluster)
        check_node(cluster)
        must_see_nothing(cluster)
        networks.static(cluster)
        step("Ready with a static network")
        check_pods(cluster)
        with Cluster(1) as other:
            must(other.id != cluster.id, "two clusters have one id")
            must_equal(other.nodes[0].address, cluster.nodes[0].address, "both have the same n1")
            other.kubectl("get", "nodes")
        must_equal(other.leftovers(), [], "left of the cluster beside it")
        must(runs.RECORDS.lives(cluster.id), "it took its neighbour's record")
        step("two clusters side by side")
        check_killed(cluster)
        step("a killed cluster was cleaned up")
    must_equal(cluster.leftovers(), [], "left of a cluster")
    must_equal([m.name for m in cluster.machines if m.killed], [], "machines that had to be killed")
    check_terminated()
    must_equal(os.uname().nodename, name, "the host's name")
    must_see_nothing(cluster)
    must_be_same(host_settings(), settings)
    step("nothing is left, and the host is as before")


if __name__ == "__main__":
    kubetest.main(test)
