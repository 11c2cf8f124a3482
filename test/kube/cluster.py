"""A Kubernetes of its own: a control plane and nodes, each a Machine, on one bridge.

    host        nothing but control groups, a record and files, all named by the run (runs.py)
    underlay    a Space with a bridge: 10.99.0.254, default route of all, and a host outside
    cp          10.99.0.100: etcd, API server, controller-manager, scheduler; no kubelet
    n1, n2 ...  10.99.0.1 ...: containerd, kubelet, kube-proxy

`with Cluster() as cluster:` has the nodes registered and no network: they are not Ready before
somebody installs one. Everything is removed on every way out; kill -9 of the owner ends all
processes, and the next cluster removes the files.
"""

import json
import os
import secrets
import shutil
import time
from concurrent.futures import ThreadPoolExecutor

import rigpath  # noqa: F401: test/rig's modules
import cache
import components
import containerd
import groups
import kubectl
import rig
import runs
from check import TAIL_LINES, step
from machine import Machine
from pki import Pki
from space import NotYet, wait_until

UNDERLAY = "10.99.0"
API_ADDRESS = f"{UNDERLAY}.100"
OUTSIDE = f"{UNDERLAY}.254"
PLUGINS = "/usr/lib/cni"  # of Debian's containernetworking-plugins
# What every node of kubeadm's has: containerd makes no sandbox without the first.
STANDARD_PLUGINS = ("loopback", "portmap")
UP_S = 120                # with ten others at work; 10 s on a machine of its own


class Cluster(rig.Owned):
    def __init__(self, nodes=3, proxy="iptables", build=None):
        """`build`: directory of Weft's programs for the machines' PATH."""
        self.size, self.proxy_mode, self.build = nodes, proxy, build
        self.id = secrets.token_hex(4)
        self.tag = runs.tag(self.id)
        self.groups = groups.Groups(self.tag)
        self.nodes, self.underlay, self.control = [], None, None
        self.outside = None
        self.begun = time.monotonic()

    def __enter__(self):
        self.own()
        runs.remove_dead()
        try:
            runs.make(self.id, self.groups.tops.values())
            self.groups.make()
            self.make_files()
            self.make_machines()
            self.start_control_plane()
            self.start_nodes()
        except BaseException:
            self.show_logs()
            self.close()
            raise
        step(f"{self.size} nodes registered in {time.monotonic() - self.begun:.1f} s, run "
             f"{self.id}, kube-proxy {self.proxy_mode}")
        return self

    def __exit__(self, kind, *_):
        if kind not in (None, SystemExit, KeyboardInterrupt):
            self.show_logs()
        begun = time.monotonic()
        self.close()
        step(f"removed in {time.monotonic() - begun:.1f} s")

    def remove(self):
        self.save_logs()
        places = [p for p in (*self.machines, self.underlay) if p]
        with ThreadPoolExecutor(len(places) or 1) as pool:
            list(pool.map(lambda place: place.destroy(), places))
        runs.remove(self.id)

    @property
    def machines(self):
        return [m for m in (self.control, *self.nodes) if m]

    def leftovers(self):
        return runs.leftovers(self.id, self.groups.tops.values())

    # ---- making

    def path(self, *names):
        return os.path.join(runs.files(self.id), *names)

    def make_files(self):
        self.tools = self.path("tools")
        rig.fill_tools(self.tools, self.build)
        self.make_certificates()

    def make_certificates(self):
        pki = self.pki = Pki(self.path("pki"))
        pki.authority("ca")
        pki.authority("front-proxy-ca")
        pki.key_pair("sa")
        names = ("kubernetes", "kubernetes.default", "kubernetes.default.svc",
                 f"kubernetes.default.svc.{components.DOMAIN}", "localhost")
        addresses = (components.API_SERVICE, API_ADDRESS, "127.0.0.1")
        wanted = [
            ("apiserver", "/CN=kube-apiserver", "serverAuth",
             ",".join([f"DNS:{n}" for n in names] + [f"IP:{a}" for a in addresses])),
            ("kubelet-client", "/O=system:masters/CN=kubelet-client"),
            ("front-proxy-client", "/CN=front-proxy-client", "clientAuth", "", "front-proxy-ca"),
            ("admin", "/O=system:masters/CN=admin"),
            ("controller-manager", "/CN=system:kube-controller-manager"),
            ("scheduler", "/CN=system:kube-scheduler"),
            ("kube-proxy", "/CN=system:kube-proxy")]
        wanted += [(f"n{i}", f"/O=system:nodes/CN=system:node:n{i}", "clientAuth,serverAuth",
                    f"DNS:n{i},IP:{UNDERLAY}.{i}") for i in range(1, self.size + 1)]
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda certificate: pki.certificate(*certificate), wanted))
        for name in [w[0] for w in wanted if w[0] not in ("apiserver", "front-proxy-client")]:
            pki.kubeconfig(name, f"https://{API_ADDRESS}:{components.API_PORT}")

    def make_machines(self):
        self.underlay = self.outside = rig.Underlay("outside", self.tag, self.tools)
        self.underlay.ip(f"""link add lan type bridge
                             addr add {OUTSIDE}/24 dev lan
                             link set lan up""")
        self.control = self.make_machine("cp", 100)
        for number in range(1, self.size + 1):
            self.nodes.append(self.make_machine(f"n{number}", number))

    def make_machine(self, name, number):
        disk = self.path(name)
        shutil.copytree(self.pki.directory, os.path.join(disk, "pki"))
        template = "" if name == "cp" else os.path.join(cache.images(), "containerd")
        machine = Machine(name, self.tag, f"{UNDERLAY}.{number}", disk, self.tools,
                          self.groups.add(name), template)
        self.plug(machine)
        return machine

    def plug(self, machine):
        self.underlay.ip(f"""link add {machine.name} master lan type veth peer name eth0 netns \
                             {machine.holder.pid}
                             link set {machine.name} up""")
        machine.ip(f"""addr add {machine.address}/24 dev eth0
                       link set eth0 up
                       route add default via {OUTSIDE}""")

    # ---- starting

    def start_control_plane(self):
        self.control.start("etcd", *components.etcd())
        self.start_component("kube-apiserver", components.apiserver, API_ADDRESS)
        # Before that its rules for the other components are not there, and they exit.
        self.wait_api()
        step("API server ready")
        self.start_component("kube-controller-manager", components.controller_manager)
        self.start_component("kube-scheduler", components.scheduler)

    def start_component(self, name, arguments, *more):
        return self.control.start(name, *arguments(cache.program(name), *more))

    def wait_api(self, seconds=UP_S):
        def ready():
            self.control.must_run()
            said = self.control.run(
                "curl", "-s", "-m", "5", "--cacert", "/mnt/pki/ca.crt", "--cert",
                "/mnt/pki/admin.crt", "--key", "/mnt/pki/admin.key",
                f"https://{API_ADDRESS}:{components.API_PORT}/readyz", check=False).stdout
            return said == "ok" or NotYet(said[-200:] or "no answer")
        wait_until(ready, seconds, "API server ready")

    def start_nodes(self):
        for node in self.nodes:
            node.write(containerd.CONFIG, containerd.config())
            node.run("cp", *(f"{PLUGINS}/{name}" for name in STANDARD_PLUGINS), "/opt/cni/bin")
            node.start("containerd", "containerd", "-c", containerd.CONFIG)
            node.write("/etc/kubelet.json", components.kubelet_config(node.name))
        for node in self.nodes:
            wait_until(lambda: node.run("test", "-S", containerd.SOCKET,
                                        check=False).returncode == 0,
                       30, f"containerd on {node.name}", [node.daemons["containerd"].process])
            node.start("kubelet", cache.program("kubelet"), "--config=/etc/kubelet.json",
                       f"--kubeconfig={components.PKI}/{node.name}.conf",
                       f"--hostname-override={node.name}", f"--node-ip={node.address}")
            self.start_proxy(node, self.proxy_mode)
        for node in self.nodes:  # of several, kubectl waits for the first alone
            self.kubectl("wait", "--for=create", f"--timeout={UP_S}s", f"node/{node.name}")

    def start_proxy(self, node, mode, pod_range=""):
        node.write("/etc/kube-proxy.json", components.proxy_config(node.name, mode, pod_range))
        node.start("kube-proxy", cache.program("kube-proxy"), "--config=/etc/kube-proxy.json")

    def switch_proxy(self, mode, pod_range=""):
        """kube-proxy removes its rules of the other mode when it starts."""
        for node in self.nodes:
            node.daemons["kube-proxy"].kill()
            self.start_proxy(node, mode, pod_range)
        self.proxy_mode = mode

    def proxy_rules(self, node):
        """Whose mode the rules in the kernel are of."""
        found = []
        if "table ip kube-proxy" in node.run("nft", "list", "tables"):
            found.append("nftables")
        if ":KUBE-SERVICES " in node.run("iptables-save", "-t", "nat"):
            found.append("iptables")
        return found

    def node(self, name):
        return next(node for node in self.nodes if node.name == name)

    # ---- asking

    def kubectl(self, *argv, check=True, stdin=None, seconds=UP_S):
        return kubectl.run(self, argv, check, stdin, seconds)

    def get(self, *argv):
        return json.loads(self.kubectl("get", *argv, "-o", "json"))

    # ---- logs

    def save_logs(self):
        """For a person who debugs: WEFT_RIG_LOGS=DIR keeps the logs."""
        keep = os.environ.get("WEFT_RIG_LOGS")
        for machine in self.machines if keep else ():
            shutil.copytree(os.path.join(machine.disk, "log"),
                            os.path.join(keep, self.id, machine.name), dirs_exist_ok=True)

    def show_trouble(self):
        """What the API server knows of pods that do not run, and why."""
        for what in (("get", "pods", "-A", "-o", "wide"),
                     ("get", "events", "-A", "--field-selector=type!=Normal")):
            done = self.kubectl(*what, check=False)
            print("\n".join((done.stdout + done.stderr).splitlines()[-TAIL_LINES:]), flush=True)

    def show_logs(self):
        for machine in self.machines:
            for daemon in machine.daemons.values():
                lines = daemon.log_text().splitlines()
                state = "runs" if daemon.alive else "does not run"
                print(f"--- {daemon.name} of {machine.name} ({state}), the last of {len(lines)} "
                      "lines")
                print("\n".join(line[:400] for line in lines[-TAIL_LINES // 4:]), flush=True)
