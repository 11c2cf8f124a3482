"""Nodes, the agents on them and their pods.

A Node is a machine to the agent: a network of its own with two cards, its own hostname, machine
id, /run (memory), /var/lib (a directory that outlives a reboot), a read-only root and a
read-only /proc/sys. eth1 has the same address on every node, as Vagrant's NAT card has.
"""

import json
import os
import secrets
import signal
import subprocess

import space
from space import Netns, NotYet, RigError, Space, wait_until

RANGE = "10.32.0.0/12"
UNDERLAY = "192.168.56"      # .1 is the router, .11 n1, .12 n2 ...
NAT_ADDRESS = "10.0.2.15"    # of every node's eth1
NAT_ROUTER = "10.0.2.2"
BEYOND = "198.51.100"        # what lies behind the router
OUTSIDE = f"{BEYOND}.10"     # the outside host
TOOLS = "/usr/local/sbin"    # where a node finds our programs: first in everybody's PATH
SOCKET = "/run/weft/weft.sock"
CONFIG = {"cniVersion": "1.0.0", "name": "weft", "type": "weft"}
READY_S = 30

# $1 name, $2 disk, $3 tools, $4 machine id, $0 tag. A new network inherits the host's IPv4
# settings, hence ip_forward=0 by hand: forwarding is the agent's job. The root is read-only so
# that nothing of the host can change; tmpfs comes after everything that is bound from there.
SETUP = f"""
hostname "$1"
echo 0 >/proc/sys/net/ipv4/ip_forward
echo 0 >/proc/sys/net/ipv4/conf/all/rp_filter
echo 0 >/proc/sys/net/ipv4/conf/default/rp_filter
ip link set lo up
mount --bind "$2" /var/lib
mount --bind "$3" {TOOLS}
if [ ! -e /etc/machine-id ]; then
	mount -t tmpfs "$0" /mnt
	mkdir /mnt/over /mnt/spare
	mount -t overlay -o lowerdir=/etc,upperdir=/mnt/over,workdir=/mnt/spare "$0" /etc
	touch /etc/machine-id
	umount -l /mnt
fi
mount --bind "$4" /etc/machine-id
mount -t sysfs -o ro "$0" /sys
mount --bind /proc/sys /proc/sys
mount -o remount,bind,ro /proc/sys
mount -o remount,bind,ro /
mount -t tmpfs -o mode=1777,size=64m "$0" /tmp
mount -t tmpfs -o mode=755,size=64m "$0" /run
mkdir /run/netns /run/lock
"""

# What an unprivileged container with NET_ADMIN has: no other capability, and no way to get one.
CONFINE = ("setpriv", "--no-new-privs", "--inh-caps=-all", "--bounding-set=-all,+net_admin")


class CniRefused(RigError):
    """ADD answered with an error; nothing else is wrong."""


class Agent:
    """One weftd process after another on one node; all write to one log."""

    def __init__(self, node, log):
        self.node, self.log = node, log
        self.process = None
        self.options = []

    def start(self, *options):
        """Start with these options, or with those of the last start."""
        self.options = list(map(str, options)) or self.options
        self.last_start = os.path.getsize(self.log) if os.path.exists(self.log) else 0
        with open(self.log, "ab") as log:
            self.process = self.node.popen(*CONFINE, f"{TOOLS}/weftd", *self.options,
                                           stdout=log, stderr=log)

    @property
    def pid(self):
        return self.process.pid

    @property
    def alive(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        """kill -9; returns when the process is gone."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self, seconds=20):
        """SIGTERM; the agent leaves the data plane as it is and exits with 0."""
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise RigError(f"agent on {self.node.name}: SIGTERM, and alive {seconds} s later"
                           ) from None
        if code:
            raise RigError(f"agent on {self.node.name}: SIGTERM ended it with {code}")

    def status(self, *sections):
        """`weftctl status -o json`, or NotYet with its sentence when nobody answers."""
        done = self.node.run("weftctl", *(sections or ("status",)), "-o", "json", check=False)
        if done.returncode:
            return NotYet((done.stderr or done.stdout).strip() or "weftctl says nothing")
        return json.loads(done.stdout)

    def count(self, *keys):
        """A number of the status, to wait for: 0 while nobody answers."""
        value = self.status()
        for key in keys:
            value = value[key] if value else 0
        return value

    def wait_ready(self, seconds=READY_S):
        def ready():
            status = self.status()
            if not status or status.get("state") == "ready":
                return status
            return NotYet(f"{status.get('state')}: {status.get('detail')}")
        return wait_until(ready, seconds, f"agent on {self.node.name} ready", [self.process])

    def wait_listening(self, seconds=READY_S):
        """Until the local socket is there; says nothing about the cluster."""
        return wait_until(lambda: self.status() or NotYet("no answer on the local socket"),
                          seconds, f"agent on {self.node.name} answers", [self.process])

    def log_text(self, last_start_only=False):
        try:
            with open(self.log, encoding="utf-8", errors="replace") as f:
                f.seek(self.last_start if last_start_only else 0)
                return f.read()
        except OSError:
            return ""

    def confinement(self):
        """The lines of /proc/PID/status that tell what the process may do."""
        with open(f"/proc/{self.pid}/status") as f:
            lines = dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)
        return {k: lines[k] for k in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb",
                                      "NoNewPrivs")}

    def rss_kib(self):
        with open(f"/proc/{self.pid}/status") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("VmRSS:"))


class Pod(Netns):
    """A pod as a runtime makes it: a named network namespace, then the CNI binary."""

    def __init__(self, node, name):
        super().__init__(node, name)
        self.node = node
        self.container_id = secrets.token_hex(32)
        self.address = None
        self.result = None

    def make(self):
        self.node.run("ip", "netns", "add", self.name)
        self.run("ip", "link", "set", "lo", "up")
        return self

    def cni(self, command, config=None, seconds=30, **changed):
        """Execute the shim as a runtime would. Returns (exit code, what it printed as JSON)."""
        env = {"CNI_COMMAND": command, "CNI_CONTAINERID": self.container_id,
               "CNI_NETNS": self.path, "CNI_IFNAME": "eth0", "CNI_PATH": TOOLS,
               "CNI_ARGS": f"IgnoreUnknown=1;K8S_POD_NAMESPACE=rig;K8S_POD_NAME={self.name}"}
        env.update(changed)
        done = self.node.run(f"{TOOLS}/weft", stdin=json.dumps(config or CONFIG), env=env,
                             check=False, timeout_s=seconds)
        text = done.stdout.strip()
        try:
            return done.returncode, json.loads(text) if text else None
        except ValueError:
            raise RigError(f"{self.name}: CNI {command} printed no JSON: {text[:200]!r} "
                           f"{done.stderr[:200]!r}") from None

    def attach(self, config=None):
        code, result = self.cni("ADD", config)
        if code:
            raise CniRefused(f"{self.name}: CNI ADD ended with {code}: {json.dumps(result)}")
        self.result = result
        self.address = self.check_result(result, config or CONFIG)
        return self

    def check_result(self, result, config):
        """What a runtime needs of the result, and that the pod has what the result says."""
        def must(condition, what):
            if not condition:
                raise RigError(f"{self.name}: CNI result: {what}: {json.dumps(result)}")
        must(result.get("cniVersion") == config["cniVersion"], "cniVersion is another")
        must(len(result.get("ips", [])) == 1, "not exactly one address")
        ip, interfaces = result["ips"][0], result.get("interfaces", [])
        must(isinstance(ip.get("interface"), int) and ip["interface"] < len(interfaces),
             "the address names no interface")
        inside = interfaces[ip["interface"]]
        must(inside.get("name") == "eth0" and inside.get("sandbox") == self.path,
             "the address is not on the pod's eth0")
        address, _, length = ip["address"].partition("/")
        must(length == "32", "a pod's address is a /32")
        have = [(a["local"], a["prefixlen"]) for a in self.link("eth0")["addr_info"]
                if a["family"] == "inet"]
        must(have == [(address, 32)], f"the pod has {have}")
        must(inside.get("mac") == self.link("eth0")["address"], "another MAC than the pod's")
        must([i for i in interfaces if not i.get("sandbox")], "no host end among the interfaces")
        return address

    @property
    def host_end(self):
        return next(i["name"] for i in self.result["interfaces"] if not i.get("sandbox"))

    def link(self, name):
        found = [l for l in self.json("ip", "-j", "addr", "show", "dev", name) if l]
        return found[0] if found else None

    def detach(self):
        code, result = self.cni("DEL")
        if code:
            raise RigError(f"{self.name}: CNI DEL ended with {code}: {json.dumps(result)}")
        self.address = None

    def remove(self):
        """DEL, then the namespace, as a runtime does."""
        self.detach()
        self.remove_netns()

    def remove_netns(self):
        """The namespace alone: DEL was not possible, or comes later."""
        super().remove()
        self.node.pods.pop(self.name, None)

    def state(self):
        """What must not change while nobody asks for it: links, addresses, routes, neighbours."""
        return kernel_state(self)


class Node(Space):
    """One machine. `number` is 1 for n1; the addresses and MACs follow from it."""

    def __init__(self, number, run_tag, tools, directory, log_directory):
        self.number = number
        self.directory = directory
        self.tools = tools
        self.address = f"{UNDERLAY}.{10 + number}"
        self.macs = [f"02:57:{card:02x}:00:00:{number:02x}" for card in (0, 1)]
        self.pods = {}
        name = f"n{number}"
        os.makedirs(os.path.join(directory, "var-lib"), exist_ok=True)
        self.machine_id = os.path.join(directory, "machine-id")
        with open(self.machine_id, "w") as f:
            f.write(f"{number:032x}\n")
        self.agent = Agent(self, os.path.join(log_directory, f"{name}.log"))
        self.name, self.tag = name, f"{run_tag}-{name}"
        self.boot()

    def boot(self):
        """Make the namespaces; the disk is what it was. The cards come from the underlay."""
        self.pods = {}
        super().__init__(self.name, self.tag, SETUP,
                         [self.name, os.path.join(self.directory, "var-lib"), self.tools,
                          self.machine_id])

    def forget_disk(self):
        """What a new disk would do; only while the node is down."""
        path = os.path.join(self.directory, "var-lib", "weft")
        for entry in os.listdir(path) if os.path.isdir(path) else []:
            os.unlink(os.path.join(path, entry))

    def start_agent(self, peers, init=False, extra=()):
        options = ["--name", self.name, "--auth=none", "--node-ip", self.address]
        options += [word for peer in peers for word in ("--peer", peer.address)]
        self.agent.start(*options, *(["--init"] if init else []), *extra)

    def pod(self, name):
        """A pod's namespace, not attached yet."""
        self.pods[name] = Pod(self, name).make()
        return self.pods[name]

    def weft_links(self):
        """Names of Weft's links: the tunnel and the pods' host ends."""
        links = self.json("ip", "-j", "link", "show")
        return sorted(l["ifname"] for l in links if l["ifname"].startswith(("wf", "weft-")))

    def overlay_address(self):
        """The node's address in the range, None before its first block."""
        if "weft-vx" not in self.weft_links():
            return None
        links = self.json("ip", "-j", "addr", "show", "dev", "weft-vx")
        found = [a["local"] for l in links if l for a in l["addr_info"] if a["family"] == "inet"]
        return found[0] if found else None

    def route_to(self, address):
        """(device, source) for an address, or NotYet with the kernel's sentence."""
        done = self.run("ip", "-j", "route", "get", address, check=False)
        if done.returncode:
            return NotYet(done.stderr.strip())
        route = json.loads(done.stdout)[0]
        return route.get("dev"), route.get("prefsrc")

    def weft_table(self):
        """The rules of `inet weft` as nft's JSON; [] when there is no such table."""
        done = self.run("nft", "-j", "list", "table", "inet", "weft", check=False)
        return [] if done.returncode else json.loads(done.stdout)["nftables"]

    def drop_counters(self):
        """Packets of every rule of `inet weft` that counts and drops, by chain and handle, or by
        the name of the counter that it uses."""
        table = self.weft_table()
        named = {i["counter"]["name"]: i["counter"]["packets"] for i in table if "counter" in i}
        found = {}
        for rule in (item["rule"] for item in table if "rule" in item):
            if not any("drop" in part for part in rule["expr"]):
                continue
            for counter in (p["counter"] for p in rule["expr"] if "counter" in p):
                if isinstance(counter, str):
                    found[counter] = named[counter]
                else:
                    found[f"{rule['chain']}/{rule['handle']}"] = counter["packets"]
        return found

    def state(self):
        return kernel_state(self)

    def owned_pids(self):
        return space.members(self.tag + " ")


def kernel_state(place):
    """Links with their addresses, routes and permanent neighbours of a place, without what
    moves by itself (counters, ages), so that two of them can be compared."""
    links = {}
    for link in place.json("ip", "-j", "addr", "show"):
        if link:
            links[link["ifname"]] = (link["ifindex"], link["address"], link["mtu"], sorted(
                (a["local"], a["prefixlen"]) for a in link["addr_info"] if a["family"] == "inet"))
    routes = sorted(json.dumps(r, sort_keys=True) for r in
                    place.json("ip", "-j", "route", "show", "table", "all", "proto", "87"))
    neighbours = sorted(json.dumps(n, sort_keys=True) for n in
                        place.json("ip", "-j", "neigh", "show", "nud", "permanent"))
    return {"links": links, "routes": routes, "neighbours": neighbours}
