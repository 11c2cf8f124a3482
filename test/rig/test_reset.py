#!/usr/bin/env python3
# weft-test: name=reset time=180 needs=root tier=normal build=gcc
"""weftd --reset: refused while an agent runs; then everything of Weft's is gone, nothing else is,
and forwarding is as it was; with CAP_NET_ADMIN alone, and completed after kills in the middle. A
node that left first has its name back, one that did not is told so."""

import signal
import subprocess

import check
import probe
from check import Cluster, fail_on_difference, must, must_equal, step
from node import CONFINE, TOOLS
from space import NotYet, wait_until

CONF_DIR, BIN_DIR = "/var/lib/cni/net.d", "/var/lib/cni/bin"
RUNTIME = ("--cni-conf-dir", CONF_DIR, "--cni-bin-dir", BIN_DIR, "--cni-shim", f"{TOOLS}/weft")
PLATFORM = {"WEFT_CNI_CONF_DIR": CONF_DIR, "WEFT_CNI_BIN_DIR": BIN_DIR}
WITHOUT_CAPABILITY = ("setpriv", "--no-new-privs", "--inh-caps=-all", "--bounding-set=-all")
STRANGER = "wf00000000beef"  # called like a host end, and of nobody known
KILLS = 40
WAIT_S = 30


def world(node):
    """What a reset must bring back: what the node was before its agent started."""
    cards = [l["ifname"] for l in node.json("ip", "-j", "link", "show")]
    return {
        "links": node.run("ip", "-d", "link", "show"),
        "addresses": node.run("ip", "-4", "-o", "addr", "show"),
        "routes": node.run("ip", "-4", "route", "show", "table", "all"),
        "nftables": node.run("nft", "list", "ruleset"),
        "forwarding": {c: node.sysctl(f"net/ipv4/conf/{c}/forwarding") for c in cards},
        "files": sorted(node.run("find", "/var/lib", "/run", "-mindepth", "1", "-not", "-path",
                                 "/run/netns*").split()),
    }


def add_foreign(node):
    """Of others, each beside something of ours."""
    node.ip("""link add foreign0 type veth peer name foreign1
               link set foreign0 up
               link set foreign1 up
               addr add 203.0.113.1/24 dev foreign0
               route add 203.0.114.0/24 via 203.0.113.2 proto 99""")
    node.nft("table inet other { set opened { type ifname; elements = { eth0 }; }; }")
    node.run("mkdir", "-p", CONF_DIR, BIN_DIR, "/var/lib/weft")
    for path in (f"{CONF_DIR}/99-other.conflist", f"{BIN_DIR}/portmap", "/var/lib/weft/notes"):
        node.run("tee", path, stdin="of somebody else\n")


class Runtimes(Cluster):
    """Agents that also serve a container runtime. In n2 the directories are mounts, as in a
    container, which cannot be removed from inside."""

    def start_agents(self, extra=()):
        self.before = {}
        for node in self.nodes:
            add_foreign(node)
        self.nodes[1].run("mkdir", "/run/weft")
        for path in ("/var/lib/weft", "/run/weft"):
            self.nodes[1].run("mount", "--bind", path, path)
        for node in self.nodes:
            self.before[node] = world(node)
        super().start_agents((*RUNTIME, *extra))


def reset(node, confine=CONFINE):
    """As a container would run it: settings come from the environment."""
    return node.run(*confine, f"{TOOLS}/weftd", "--reset", env=PLATFORM, check=False)


def must_reset(node):
    done = reset(node)
    must(done.returncode == 0, f"reset of {node.name} ended with {done.returncode}: {done.stderr}")
    return done.stderr


def must_say(said, *words):
    for word in words:
        must(word in said, f"'{word}' is not in what was said:\n{said}")


def must_not_say(said, *words):
    for word in words:
        must(word not in said, f"'{word}' is in what was said:\n{said}")


def routes_of(node):
    return len(node.json("ip", "-j", "-4", "route", "show", "table", "all", "proto", "87"))


# ---- refusal

def check_refused(cluster, pods):
    """With a running agent nothing is touched, not even in passing."""
    node = cluster.nodes[1]
    before = node.state()
    files = world(node)["files"]
    with probe.Stream(pods[0], pods[-1]) as stream:
        done = reset(node)
        must_equal(done.returncode, 1, "exit code of a reset with a running agent")
        must_say(done.stderr, f"another weftd (pid {node.agent.pid}) uses /var/lib/weft",
                 "stop it first")
        stream.wait_more(200)
        must_equal(stream.end()["lost"], 0, "lost while a reset was refused")
    fail_on_difference(before, node.state(), "after a reset that was refused")
    must_equal(world(node)["files"], files, "files after a reset that was refused")


# ---- the whole

def check_gone(cluster, node, why):
    must_equal(node.weft_links(), [], f"Weft's links {why}")
    fail_on_difference(cluster.before[node], world(node), why)


def check_reset(cluster):
    """Everything goes at once, what looks like ours stays, and once more there is nothing."""
    node = cluster.nodes[1]
    must_equal([node.sysctl(f"net/ipv4/conf/{c}/forwarding") for c in ("eth0", "eth1")],
               ["1", "1"], "forwarding that the agent switched on")
    node.agent.stop()
    node.ip(f"link add {STRANGER} type veth peer name stranger1")
    routes = routes_of(node)
    said = must_reset(node)
    must_say(said, f"2 pods' interfaces, tunnel weft-vx, {routes} routes, nftables table inet weft"
                   " -> removed", f"{CONF_DIR}/10-weft.conflist -> removed",
             f"{BIN_DIR}/weft -> removed", "forwarding of eth0, eth1", "switched off again",
             f"{STRANGER}: called like", "2 pods are without a network", "had not left", "1 block ")
    for pod in node.pods.values():
        must(pod.run("ip", "link", "show", "eth0", check=False).returncode,
             f"{pod.name} still has its eth0")
    node.ip(f"link del {STRANGER}")
    check_gone(cluster, node, "after a reset")
    said = must_reset(node)
    must_say(said, "nothing of Weft's was found")
    must_not_say(said, " -> removed", "switched off", "had not left")
    check_gone(cluster, node, "after a second reset")


def forget_pods(node):
    for pod in list(node.pods.values()):
        pod.remove_netns()


def serves(cluster, node, name):
    """Its agent takes in a pod, and every pair of pods reaches the other."""
    node.agent.wait_ready(60)
    node.pod(name).attach()
    cluster.wait_connected()
    probe.must_all_answer(probe.matrix(cluster, [p for n in cluster.nodes
                                                 for p in n.pods.values()]))


def wait_state(node, state):
    def reached():
        status = node.agent.status()
        return bool(status and status["state"] == state) or NotYet(str(status))
    wait_until(reached, WAIT_S, f"state '{state}' of {node.name}")


def check_without_leave(cluster):
    """The ledger knows the old identity: its name is refused to the new one, another is not."""
    node = cluster.nodes[1]
    forget_pods(node)
    node.agent.start()
    wait_state(node, "denied")
    must_say(node.agent.status()["detail"], "earlier identity", "--name")
    node.agent.stop()
    must_not_say(must_reset(node), "had not left")  # it never was a member
    check_gone(cluster, node, "after a reset of a node that was denied")
    node.agent.start(*node.agent.options, "--name", "n2-again")
    serves(cluster, node, "n2-new")


def check_after_leave(cluster):
    """Left first: nothing stays taken, and the same name serves again with another identity."""
    node = cluster.nodes[1]
    uid = node.agent.status()["uid"]
    node.pods["n2-new"].remove()
    node.run("weftctl", "leave")
    wait_state(node, "left")
    node.agent.stop()
    must_not_say(must_reset(node), "had not left")
    check_gone(cluster, node, "after leave and reset")
    node.agent.start()
    serves(cluster, node, "n2-newer")
    must(node.agent.status()["uid"] != uid, "the identity outlived a reset")


# ---- what can go wrong

def killed_reset(node, number):
    """One that is killed when it asks the kernel for its number-th change. False: it had ended."""
    done = node.run("strace", "-qq", "-o", "/dev/null", "-e",
                    f"inject=sendto,unlinkat:signal=KILL:when={number}", *CONFINE,
                    f"{TOOLS}/weftd", "--reset", env=PLATFORM, check=False)
    return done.returncode != 0


def check_killed(cluster):
    """kill -9 at every step in turn; whoever comes next goes on."""
    node = cluster.nodes[1]
    for letter in "xyz":
        node.pod(letter).attach()
    node.agent.kill()
    number = 1
    while killed_reset(node, number):
        number += 1
        must(number <= KILLS, f"a reset still gets killed at its {number}th step")
    must(number > 10, f"only {number} steps were tried")
    check_gone(cluster, node, f"after {number - 1} resets that were killed")
    must_say(must_reset(node), "nothing of Weft's was found")
    return number - 1


def check_incapable(cluster):
    """Without the capability it does what it can and fails; what is left goes with the next."""
    node = cluster.nodes[0]
    node.agent.stop()
    done = reset(node, WITHOUT_CAPABILITY)
    must_equal(done.returncode, 1, "exit code of a reset without CAP_NET_ADMIN")
    must_say(done.stderr, "CAP_NET_ADMIN", "not all of Weft's could be removed",
             "kept its cluster's ledger", f"{CONF_DIR}/10-weft.conflist -> removed")
    must("weft-vx" in node.weft_links(), "the tunnel went without CAP_NET_ADMIN")
    must(node.weft_table(), "the table went without CAP_NET_ADMIN")


def watch(node):
    return node.popen(*CONFINE, f"{TOOLS}/weftd", "--reset=watch", env=PLATFORM,
                      stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def check_watch(node):
    """It stays while the node is clean, removes nothing, and tells when Weft was started again."""
    must_reset(node)
    watcher = watch(node)
    must_say(watcher.stderr.readline(), "-> watching that it stays so")
    node.agent.start()
    said = watcher.communicate(timeout=WAIT_S)[1]
    must_equal(watcher.returncode, 1, "exit code of --reset=watch when Weft is back")
    must_say(said, "/var/lib/weft/identity is there: Weft was started here after the reset")
    node.agent.wait_listening()
    node.agent.stop()
    must_say(watch(node).communicate(timeout=WAIT_S)[1], "nothing is removed")
    must_equal(node.run("test", "-e", "/var/lib/weft/identity", check=False).returncode, 0,
               "is the identity still there?")
    must_reset(node)
    last = watch(node)
    must_say(last.stderr.readline(), "-> watching that it stays so")
    last.send_signal(signal.SIGTERM)
    last.communicate(timeout=WAIT_S)
    must_equal(last.returncode, 0, "exit code of --reset=watch after SIGTERM")


def check_forwarding_host(cluster):
    """A host that was told meanwhile to forward goes on doing so."""
    node = cluster.nodes[0]
    node.sysctl("net/ipv4/ip_forward", 1)
    must_say(must_reset(node), "2 pods' interfaces", "left on, since net.ipv4.ip_forward is on")
    must_equal(node.sysctl("net/ipv4/conf/eth0/forwarding"), "1", "forwarding of eth0")
    node.sysctl("net/ipv4/ip_forward", 0)
    node.run("rm", "/var/lib/weft/notes")
    must_reset(node)
    after, before = world(node), dict(cluster.before[node])
    before["files"] = [f for f in before["files"] if not f.startswith("/var/lib/weft")]
    fail_on_difference(before, after, "after the reset of a whole node")


def test():
    with Runtimes(2) as cluster:
        pods = cluster.attach_pods(2)
        cluster.wait_connected()
        probe.must_all_answer(probe.matrix(cluster, pods))
        check_refused(cluster, pods)
        step("refused while an agent runs")
        check_reset(cluster)
        step("all of Weft's is gone, nothing else; a second reset finds nothing")
        check_without_leave(cluster)
        step("without leave the old name is refused, another one serves")
        check_after_leave(cluster)
        step("after leave the same name serves again")
        step(f"completed after {check_killed(cluster)} kills")
        check_incapable(cluster)
        check_forwarding_host(cluster)
        step("completed after one that lacked the capability; a host that forwards goes on")
        check_watch(cluster.nodes[0])
        step("--reset=watch tells when Weft is back")


if __name__ == "__main__":
    check.main(test)
