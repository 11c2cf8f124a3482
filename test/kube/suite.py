"""What a cluster's network must do, each asked of the running cluster (manifests/workloads.yaml).

A check is a function of a Suite that raises RigError. All are tried, then the failed ones are
told together: on a network that is new, the pattern of failures says more than the first one.
"""

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor

import components
import kubectl
import pods
import probe
from check import must, must_equal, step
from cluster import OUTSIDE
from rigpath import HERE
from space import NotYet, RigError, wait_until

NAMESPACE = "verify"
AT_ONCE = 6
BIG = "head -c 1500000 /dev/zero | base64 -w0"
BIG_BYTES = 2_000_000
TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount/token"


def manifest(name):
    return os.path.join(HERE, "manifests", f"{name}.yaml")


class Suite:
    def __init__(self, cluster):
        self.cluster = cluster
        self.passed, self.failures = 0, []
        self.clients, self.web, self.one = {}, [], None

    def kubectl(self, *argv, **options):
        return self.cluster.kubectl("-n", NAMESPACE, *argv, **options)

    def get(self, *argv):
        return self.cluster.get("-n", NAMESPACE, *argv)

    # ---- running

    def check(self, what, function, *argv):
        begun = time.monotonic()
        try:
            function(*argv)
        except RigError as error:
            self.failures.append(f"{what}: {error}")
            step(f"FAIL {what}: {error}")
            return
        self.passed += 1
        step(f"ok   {what} ({time.monotonic() - begun:.1f} s)")

    def end(self):
        step(f"{self.passed} passed, {len(self.failures)} failed")
        must(not self.failures, f"{len(self.failures)} checks failed: {'; '.join(self.failures)}")

    @staticmethod
    def all_of(function, cases):
        """function(*case) for every case, a few at once; the first failure is raised."""
        must(cases, "there is nothing to ask")
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(lambda case: function(*case), cases))

    # ---- workloads

    def install(self):
        """Everything at once: what is slow is slow together."""
        self.cluster.kubectl("create", "namespace", NAMESPACE)
        self.cluster.kubectl("apply", "-f", manifest("coredns"))
        self.kubectl("apply", "-f", manifest("workloads"))
        self.cluster.kubectl("-n", "kube-system", "rollout", "status", "deploy/coredns",
                             "--timeout=90s")
        for name in ("deploy/web", "ds/client", "deploy/one", "deploy/hostport"):
            self.kubectl("rollout", "status", name, "--timeout=90s")
        self.look()
        self.wait_services()

    def wait_services(self, seconds=30):
        """Until kube-proxy has told every node's kernel, in its mode and no other."""
        address, _ = self.service("web")

        def told(node):
            rules = self.cluster.proxy_rules(node)
            if rules != [self.cluster.proxy_mode]:
                return NotYet(f"the rules are of {rules}")
            return self.answered(node, f"http://{address}/hostname") or NotYet("no answer")
        for node in self.cluster.nodes:
            wait_until(lambda: told(node), seconds, f"Services on {node.name}",
                       [node.daemons["kube-proxy"].process])

    def look(self):
        """Where everybody is now; again whenever pods were replaced."""
        self.clients = {p.machine.name: p for p in self.places("client")}
        self.web = self.places("web")
        self.one, = self.places("one")

    def places(self, app):
        return pods.places(self.cluster, NAMESPACE, "-l", f"app={app}")

    def exec(self, pod, *argv):
        return self.kubectl("exec", pod.name, "--", *argv)

    def service(self, name):
        spec = self.get("service", name)["spec"]
        return spec["clusterIP"], spec["ports"][0].get("nodePort")

    # ---- pods

    def nodes_ready(self):
        for node in self.cluster.get("nodes")["items"]:
            ready = [c for c in node["status"]["conditions"] if c["type"] == "Ready"]
            must(ready and ready[0]["status"] == "True", f"{node['metadata']['name']}: {ready}")

    def spread(self):
        must_equal(sorted({p.machine.name for p in self.web}),
                   [n.name for n in self.cluster.nodes], "nodes with a pod of web")

    def pairs(self):
        clients = list(self.clients.values())
        return [(a, b) for a in clients for b in clients]

    def source_kept(self, a, b):
        seen = pods.http(a, f"http://{b.address}:8080/clientip").rpartition(":")[0]
        must_equal(seen, a.address, f"{a.name} as {b.name} sees it")

    def pod_to_pod(self):
        self.all_of(self.source_kept, self.pairs())

    def pings(self):
        probe.must_all_answer([(a, b.address, b.name) for a, b in self.pairs()])

    def big_answer(self, a, b):
        got = pods.http(a, f"http://{b.address}:8080/shell?cmd=" + BIG.replace(" ", "%20")
                        .replace("|", "%7C"), 10)
        must(len(got) > BIG_BYTES, f"{a.name} got {len(got)} bytes of {b.name}")

    def big(self):
        self.all_of(self.big_answer, self.pairs())

    def node_to_pod(self):
        self.all_of(pods.http, [(node, f"http://{pod.address}:8080/hostname")
                                for node in self.cluster.nodes for pod in self.clients.values()])

    def pod_to_node(self):
        probe.must_all_answer([(pod, node.address, node.name)
                               for pod in self.clients.values() for node in self.cluster.nodes])

    # ---- Services

    def answers(self, place, url, count=1):
        return {pods.http(place, url) for _ in range(count)}

    def cluster_ip(self):
        address, _ = self.service("web")
        names = {p.name for p in self.web}

        def everybody(client):
            heard = set()
            for _ in range(80):
                heard |= self.answers(client, f"http://{address}/hostname")
                if heard == names:
                    return
            raise RigError(f"{client.name} reaches {sorted(heard)} of {sorted(names)}")
        self.all_of(everybody, [(c,) for c in self.clients.values()])

    def cluster_ip_of_nodes(self):
        address, _ = self.service("web")
        self.all_of(self.answers, [(n, f"http://{address}/hostname", 5)
                                   for n in self.cluster.nodes])

    def node_port(self):
        _, port = self.service("web")
        self.all_of(self.answers, [(self.cluster.outside, f"http://{n.address}:{port}/hostname", 4)
                                   for n in self.cluster.nodes])

    def only_local(self, place, address):
        """externalTrafficPolicy Local: the pod's node answers and sees the client, the others
        do not answer anybody from outside."""
        _, port = self.service("one")

        def ask(node):
            url = f"http://{node.address}:{port}/clientip"
            if node is self.one.machine:
                seen = pods.http(place, url).rpartition(":")[0]
                must_equal(seen, address, f"{place.name} as the pod behind {url} sees it")
            elif place not in self.cluster.nodes:
                must(not self.answered(place, url), f"{node.name} answers for a pod elsewhere")
        self.all_of(ask, [(node,) for node in self.cluster.nodes])

    @staticmethod
    def answered(place, url):
        return place.run("curl", "-s", "-m", "1", url, check=False).returncode == 0

    def local_from_outside(self):
        self.only_local(self.cluster.outside, OUTSIDE)

    def local_from_nodes(self):
        for node in self.cluster.nodes:
            if node is not self.one.machine:
                self.only_local(node, node.address)

    def hairpin(self):
        address, _ = self.service("one")
        must_equal(self.answers(self.one, f"http://{address}/hostname", 5), {self.one.name},
                   "who answers a pod that asks its own Service")

    def affinity(self):
        address, _ = self.service("sticky")
        must_equal(len(self.answers(self.clients["n1"], f"http://{address}/hostname", 10)), 1,
                   "pods that answer one client")

    def udp(self):
        address, _ = self.service("web")

        def dial(client):
            said = pods.http(client, "http://127.0.0.1:8080/dial?request=hostname&protocol=udp&"
                             f"host={address}&port=90&tries=1", 8)
            must('"web-' in said, f"{client.name}: {said}")
        self.all_of(dial, [(c,) for c in self.clients.values()])

    def host_port(self):
        pod, = self.places("hostport")
        self.answers(self.cluster.outside, f"http://{pod.machine.address}:8099/hostname")

    def ingress(self):
        """From outside to a NodePort, whose pod asks a Service by name for the answer."""
        _, port = self.service("one")
        said = pods.http(self.cluster.outside, f"http://{self.one.machine.address}:{port}/dial?"
                         "request=hostname&protocol=http&host=web&port=80&tries=1", 10)
        must('"web-' in said, said)

    # ---- DNS

    def dns(self):
        def look_up(client):
            said = self.exec(client, "nslookup", f"kubernetes.default.svc.{components.DOMAIN}")
            must(components.API_SERVICE in said, f"{client.name}: {said}")
        self.all_of(look_up, [(c,) for c in self.clients.values()])

    def search_list(self):
        def ask(client):
            said = self.exec(client, "wget", "-q", "-O", "-", "http://web/hostname")
            must(said.startswith("web-"), f"{client.name}: {said}")
        self.all_of(ask, [(c,) for c in self.clients.values()])

    # ---- the API server

    def api(self, path):
        """A question to the API server from a pod's network with the pod's own token."""
        token = self.exec(self.one, "cat", TOKEN)
        return self.one.run("curl", "-sS", "-m", "5", "--cacert", "/mnt/pki/ca.crt", "-H",
                            f"Authorization: Bearer {token}",
                            f"https://{components.API_SERVICE}/{path}")

    def token(self):
        must("gitVersion" in self.api("version"), "no version")

    def rbac(self):
        must_equal(json.loads(self.api("api/v1/nodes"))["code"], 403, "answer for nodes")

    def node_authorizer(self):
        done = kubectl.run(self.cluster, ("get", "secrets", "-A"), check=False, user="n1")
        must("Forbidden" in done.stderr, done.stdout + done.stderr)

    def webhook(self):
        """The API server itself dials pods on every node, as it does for webhooks."""
        for pod in self.clients.values():
            path = f"/api/v1/namespaces/{NAMESPACE}/pods/{pod.name}:8080/proxy/clientip"
            said = self.kubectl("get", "--raw", path)
            # It is no node: what it sends has an address that the node can send back to.
            must(said.rpartition(":")[0], "no client address")
            step(f"     {pod.name} sees the API server as {said.rpartition(':')[0]}")

    def logs(self):
        for pod in self.clients.values():
            must(self.kubectl("logs", pod.name, "--tail=1").strip(), f"{pod.name}: no line")

    def executes(self):
        for pod in self.clients.values():
            must_equal(self.exec(pod, "sh", "-c", "echo $((6*7))").strip(), "42", pod.name)

    def port_forward(self):
        forward = kubectl.popen(self.cluster, "-n", NAMESPACE, "port-forward", self.one.name,
                                "18080:8080")
        try:
            probe.wait_line(forward, 10, "kubectl port-forward")
            pods.http(self.cluster.control, "http://127.0.0.1:18080/hostname")
        finally:
            probe.stop(forward)

    def rolling_update(self):
        self.kubectl("set", "env", "ds/client", f"ROLLED={time.monotonic()}")
        self.kubectl("rollout", "status", "ds/client", "--timeout=90s")
        self.look()
        self.pod_to_pod()


# (what, method, whether kube-proxy's mode may matter)
CHECKS = (
    ("all nodes are Ready", Suite.nodes_ready, False),
    ("the pods of web are on all nodes", Suite.spread, False),
    ("pod to pod, every pair of nodes, source address kept", Suite.pod_to_pod, False),
    ("ping, every pair of nodes", Suite.pings, False),
    ("2 MB answer, every pair of nodes", Suite.big, False),
    ("node to pod, every pair", Suite.node_to_pod, False),
    ("pod to node, every pair", Suite.pod_to_node, False),
    ("ClusterIP from a pod of every node reaches all pods", Suite.cluster_ip, True),
    ("ClusterIP from every node itself", Suite.cluster_ip_of_nodes, True),
    ("NodePort from outside through every node", Suite.node_port, True),
    ("externalTrafficPolicy Local: only the pod's node answers, client's address kept",
     Suite.local_from_outside, True),
    ("externalTrafficPolicy Local asked from a node: its address kept", Suite.local_from_nodes,
     True),
    ("hairpin: a pod reaches itself through its Service", Suite.hairpin, True),
    ("sessionAffinity ClientIP", Suite.affinity, True),
    ("UDP through ClusterIP from a pod of every node", Suite.udp, True),
    ("hostPort", Suite.host_port, True),
    ("CoreDNS answers a pod of every node", Suite.dns, True),
    ("short names of Services through the search list", Suite.search_list, True),
    ("an ingress-like pod behind a NodePort", Suite.ingress, True),
    ("a pod reaches the API server by its Service with its token", Suite.token, True),
    ("RBAC refuses it what it may not read", Suite.rbac, False),
    ("the Node authorizer refuses a kubelet all secrets", Suite.node_authorizer, False),
    ("the API server, which is no node, dials a pod on every node", Suite.webhook, False),
    ("kubectl logs from every node", Suite.logs, False),
    ("kubectl exec on every node", Suite.executes, False),
    ("kubectl port-forward", Suite.port_forward, False),
    ("DaemonSet rolling update", Suite.rolling_update, False),
)
