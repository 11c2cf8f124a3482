"""What goes wrong on a cluster, made to happen: agents die and are replaced, the API server is
away, pods come and go by dozens, a node is deleted and comes back."""

import json

import kubectl
import networks
import pods
import probe
import weft
from check import must, must_equal, step
from node import TOOLS
from space import NotYet, wait_until

LOAD = "load"
CHANGE_S = 120


def must_lose_nothing(stream, what):
    result = stream.end()
    must_equal(result["lost"], 0, f"packets lost while {what} {json.dumps(result)}")
    step(f"{what}: 0 of {result['sent']} packets lost, longest gap "
         f"{result['longest_gap_ms']:.0f} ms")


# ---- agents

def container(pod, name):
    return next((c for c in pod["status"].get("containerStatuses", []) if c["name"] == name), None)


def kill_in(node, program):
    """kill -9 of a container's program, as the kernel does it when memory is short."""
    node.run("sh", "-c", f"kill -9 $(pidof {program})")


def agent_is_back(node, before):
    """Ready again, and younger than before."""
    status = networks.status(node)
    if status and status["uptime_ms"] >= before["uptime_ms"]:
        return NotYet("it has not ended yet")
    return status


def kill_agent(node):
    """Both of the pod's programs; kubelet starts them again."""
    before = wait_until(lambda: networks.status(node), CHANGE_S, f"agent on {node.name} ready")
    for program in ("weftd", "weft-kube"):
        kill_in(node, program)
    wait_until(lambda: agent_is_back(node, before), CHANGE_S, f"agent on {node.name} again")


def delete_agent(cluster, node):
    pod = weft.agent_pods(cluster)[node.name]
    cluster.kubectl("-n", weft.NAMESPACE, "delete", "pod", pod["metadata"]["name"])
    weft.wait_rolled_out(cluster)


def roll(cluster):
    cluster.kubectl("-n", weft.NAMESPACE, "rollout", "restart", "ds/weft")
    weft.wait_rolled_out(cluster)


def agents_die(cluster, source, target):
    with probe.Stream(source, target) as stream:
        kill_agent(source.machine)
        kill_agent(target.machine)
        delete_agent(cluster, source.machine)
        roll(cluster)
        stream.wait_more(500)
        must_lose_nothing(stream, "agents were killed, a pod of Weft deleted, the DaemonSet rolled")


# ---- the API server

def api_away(cluster, source, target, packets):
    """It hangs: connections stay open and nobody answers. Traffic, agents and new pods on known
    nodes go on; the stream's packets are the clock, 1,000 a second."""
    api = cluster.control.daemons["kube-apiserver"]
    node = source.machine
    with probe.Stream(source, target) as stream:
        api.pause()
        try:
            kill_agent(node)
            step("an agent restarted while the API server was away")
            attach_by_hand(node, target)
            while stream.heard < packets:
                stream.wait_more(500)
        finally:
            api.resume()
        cluster.wait_api()
        networks.wait_ready(cluster)
        must_lose_nothing(stream, f"the API server was away for {packets // 1000} s")


def attach_by_hand(node, target):
    """What kubelet asks of CNI for a pod that it knows already; here without kubelet."""
    name = "by-hand"
    netns = node.add_netns(name)
    node.run(f"{TOOLS}/weftctl", "attach", netns.path)
    answer = probe.ping(netns, target.address)
    must(answer is None, f"a pod attached while the API server was away -> {target.name}: {answer}")
    node.run(f"{TOOLS}/weftctl", "detach", netns.path)
    netns.remove()


# ---- pods

def load_manifest(replicas):
    pod = {"terminationGracePeriodSeconds": 1,
           "containers": [{"name": "it", "image": "weft.test/pause:1",
                           "imagePullPolicy": "Never"}]}
    return json.dumps({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": LOAD},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": LOAD}},
                 "template": {"metadata": {"labels": {"app": LOAD}}, "spec": pod}}})


def all_running(replicas, others=()):
    """A condition for a watch: so many run, and none of `others` is there any more."""
    def condition(found):
        left = [p for p in found if p["metadata"]["uid"] in others]
        run = [p for p in found if pods.running(p)]
        if len(run) == replicas and len(found) == replicas and not left:
            return run
        return NotYet(f"{len(run)} run, {len(left)} of the old ones are left, {len(found)} in all")
    return condition


def start_load(cluster, replicas):
    """Pods that do nothing. Returns them when all run."""
    cluster.kubectl("apply", "-f", "-", stdin=load_manifest(replicas))
    with kubectl.Watch(cluster, "pods", "-l", f"app={LOAD}") as watch:
        found = watch.until(all_running(replicas), CHANGE_S, f"{replicas} pods run")
    step(f"{replicas} pods run")
    return found


def end_load(cluster):
    cluster.kubectl("delete", "deployment", LOAD)
    with kubectl.Watch(cluster, "pods", "-l", f"app={LOAD}") as watch:
        watch.until(lambda found: not found or NotYet(f"{len(found)} are left"), CHANGE_S,
                    "no pod is left")


def churn(cluster, replicas):
    """All deleted and made again at once: each agent then says what kubelet says."""
    uids = {pod["metadata"]["uid"] for pod in start_load(cluster, replicas)}
    tell_memory(cluster)
    with kubectl.Watch(cluster, "pods", "-l", f"app={LOAD}") as watch:
        cluster.kubectl("delete", "pods", "-l", f"app={LOAD}", "--wait=false")
        watch.until(all_running(replicas, uids), CHANGE_S, "as many others run")
    step(f"{replicas} pods deleted and made again")
    compare_addresses(cluster)
    end_load(cluster)
    compare_addresses(cluster)
    step("each agent knows the pods that its node has, and no others")


def compare_addresses(cluster):
    """What the API server, the agent's pods and the agent's blocks say, node by node. A node that
    is deleted keeps its pods, and nobody speaks for them."""
    names = {node["metadata"]["name"] for node in cluster.get("nodes")["items"]}
    for node in (node for node in cluster.nodes if node.name in names):
        wait_until(lambda: addresses_agree(cluster, node), 30, f"pods of {node.name}")


def addresses_agree(cluster, node):
    """All three are asked anew each time: pods of a deleted node may be moving here just now."""
    wanted = {p["metadata"]["namespace"] + "/" + p["metadata"]["name"]: p["status"]["podIP"]
              for p in cluster.get("pods", "-A")["items"] if pods.running(p)
              and not p["spec"].get("hostNetwork") and p["spec"].get("nodeName") == node.name}
    held = {p["pod"]: p["ip"] for p in weft.ask(node, "pods")["pods"]}
    if held != wanted:
        return NotYet(f"only the agent has {sorted(held.items() - wanted.items())}, only "
                      f"the API server {sorted(wanted.items() - held.items())}")
    used = sum(b["used"] for b in weft.ask(node, "ipam")["blocks"] if b["own"])
    return used == len(wanted) or NotYet(f"{len(wanted)} pods, {used} addresses used")


def tell_memory(cluster):
    """VmRSS by program, in MB; flanneld has 41 to 44 here."""
    script = "for p in $(pidof weftd weft-kube); do grep -hE '^(Name|VmRSS)' /proc/$p/status; done"
    for node in cluster.nodes:
        words = node.run("sh", "-c", script).split()
        found = [f"{words[i + 1]} {int(words[i + 3]) / 1024:.1f} MB"
                 for i in range(0, len(words), 5)]
        step(f"memory on {node.name}: {', '.join(found)}")


# ---- nodes

ODD = "weft.test/odd"


def odd_node(cluster, node):
    """Anybody with a kubelet's rights may do this to their own Node: text with a NUL, and more than
    a megabyte of JSON. Nobody's weft-kube may mind, neither in its watch nor in its list."""
    annotate(cluster, node, "a\0" + "\1" * 200_000)
    try:
        before = weft.agent_pods(cluster)
        roll(cluster)
        must(not {p["metadata"]["uid"] for p in before.values()}
             & {p["metadata"]["uid"] for p in weft.agent_pods(cluster).values()},
             "a pod of Weft is still the one before the roll")
        wait_until(lambda: all_have_read(cluster), CHANGE_S, "lists of nodes")
        annotate(cluster, node, "b\0")
        must_hear_of_changes(cluster)
    finally:
        annotate(cluster, node, None)


def all_have_read(cluster):
    for name, log in weft.logs(cluster, "weft-kube").items():
        must("cannot be read" not in log, f"weft-kube on {name}: {log[-500:]}")
        if f"{len(cluster.nodes)} nodes in the API server's list" not in log:
            return NotYet(f"not on {name}: {log[-500:]}")
    return True


def annotate(cluster, node, text):
    patch = json.dumps({"metadata": {"annotations": {ODD: text}}})
    cluster.kubectl("patch", "node", node.name, "--type=merge", "--patch-file=/dev/stdin",
                    stdin=patch)


def must_hear_of_changes(cluster):
    """A Node that comes and goes, in the logs of all."""
    name = "passing"
    cluster.kubectl("create", "-f", "-", stdin=json.dumps(
        {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}))
    cluster.kubectl("delete", "node", name)

    def heard():
        deaf = [node for node, log in weft.logs(cluster, "weft-kube").items()
                if f"node {name} was deleted" not in log]
        return not deaf or NotYet(f"not on {', '.join(sorted(deaf))}")
    wait_until(heard, CHANGE_S, f"{name} seen by each weft-kube")


def take_node(cluster, node):
    """Its kubelet is away and the Node is deleted; the machine runs on."""
    node.daemons["kubelet"].kill()
    cluster.kubectl("delete", "node", node.name)
    step(f"{node.name} deleted")


def register_again(suite, node):
    """Deleted by mistake, and its kubelet registers it anew: same name, same pods, another UID."""
    cluster = suite.cluster
    before = suite.places("client")
    uid = cluster.get("node", node.name)["metadata"]["uid"]
    with probe.Stream(suite.clients["n1"], suite.clients[node.name]) as stream:
        take_node(cluster, node)
        node.daemons["kubelet"].start()
        cluster.kubectl("wait", "--for=create", f"node/{node.name}", f"--timeout={CHANGE_S}s")
        networks.wait_ready(cluster)
        must_lose_nothing(stream, "its Node was deleted and made again")
    must(cluster.get("node", node.name)["metadata"]["uid"] != uid, "it is the same Node")
    must_equal([(p.name, p.address) for p in suite.places("client")],
               [(p.name, p.address) for p in before], "pods of client")
    suite.pod_to_pod()


def pods_move(suite, node, patient):
    """Kubernetes' garbage collector of pods takes 40 to 80 s to believe it; who is not patient
    does what it will do."""
    if not patient:
        suite.cluster.kubectl("delete", "pods", "-A", "--force", "--grace-period=0",
                              f"--field-selector=spec.nodeName={node.name}")
    with kubectl.Watch(suite.cluster, "pods", "-n", "verify", "-l", "app=web") as watch:
        def moved(found):
            here = [p for p in found if p["spec"].get("nodeName") == node.name]
            ready = [p for p in found if pods.running(p) and container(p, "it")["ready"]]
            return not here and len(ready) == 6 or NotYet(f"{len(here)} are still there")
        watch.until(moved, CHANGE_S, f"pods of {node.name} elsewhere")


def give_node_back(suite, node):
    """It registers again under its name, with another UID: its old and new pods work."""
    cluster = suite.cluster
    node.daemons["kubelet"].start()
    cluster.kubectl("wait", "--for=create", f"node/{node.name}", f"--timeout={CHANGE_S}s")
    networks.wait_ready(cluster)
    weft.wait_rolled_out(cluster)
    suite.kubectl("apply", "-f", "-", stdin=late_manifest(node))
    suite.kubectl("wait", "--for=condition=Ready", "pod/late", f"--timeout={CHANGE_S}s")
    suite.kubectl("rollout", "status", "ds/client", f"--timeout={CHANGE_S}s")
    suite.look()
    late, = suite.places("late")
    for other in suite.clients.values():
        suite.source_kept(other, late)
        must(probe.ping(late, other.address) is None, f"{late.name} does not reach {other.name}")
    suite.pod_to_pod()
    compare_addresses(cluster)


def late_manifest(node):
    server = {"name": "it", "image": "weft.test/agnhost:1", "imagePullPolicy": "Never",
              "args": ["netexec", "--http-port=8080", "--udp-port=-1"],
              "readinessProbe": {"httpGet": {"path": "/hostname", "port": 8080},
                                 "periodSeconds": 1}}
    return json.dumps({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "late", "labels": {"app": "late"}},
        "spec": {"nodeName": node.name, "terminationGracePeriodSeconds": 1,
                 "containers": [server]}})
