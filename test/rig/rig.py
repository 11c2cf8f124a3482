"""A cluster of nodes on one machine, in namespaces of its own, and its complete removal.

    host          nothing: no link, no rule, no mount, no named namespace
    underlay      a Space with two bridges and three kinds of named namespaces behind them
      lan         bridge: eth0 of every node (192.168.56.11 ...) and the router (.1)
      beyond      bridge: the router, every node's NAT box and the outside host (198.51.100.10)
      router      between lan and beyond
      nat-nK      gateway 10.0.2.2 of node K's eth1, as Vagrant's NAT: masquerades to beyond
      outside     a host that knows 192.168.56.0/24 and 198.51.100.0/24 and nothing else
    n1, n2 ...    Nodes (node.py)

A run is named by a random id: its record is /run/weft-rig/ID (records.py), its files are in
/var/tmp/weft-ID. Whoever starts a run first removes those whose owner is gone.
"""

import atexit
import os
import secrets
import shutil
import signal
import threading

import space
from node import BEYOND, NAT_ADDRESS, NAT_ROUTER, OUTSIDE, TOOLS, UNDERLAY, Node
from records import Records
from space import NotYet, RigError, Space, wait_until

RECORDS = Records("/run/weft-rig")
FILES = "/var/tmp"
HELPERS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "helpers")
PROGRAMS = ("agent/weftd", "agent/cli/weftctl", "cni-shim/weft")

# $0 tag, $1 name, $2 tools
UNDERLAY_SETUP = f"""
hostname "$1"
ip link set lo up
mount --bind "$2" {TOOLS}
mount -t sysfs "$0" /sys
mount -t tmpfs -o mode=755,size=16m "$0" /run
mkdir /run/netns /run/lock
"""


def files_path(run_id):
    return os.path.join(FILES, f"weft-{run_id}")


def remove_run(run_id):
    """Everything of a run, in an order in which an interrupted removal can be taken up again:
    the record goes last."""
    space.kill_members(f"weft-{run_id}-")
    shutil.rmtree(files_path(run_id), ignore_errors=True)
    RECORDS.remove(run_id)


def remove_dead_runs():
    """What killed runs left."""
    for run_id in RECORDS.dead():
        remove_run(run_id)
    for name in os.listdir(FILES):
        # Files without a record: /run did not survive a reboot of the machine, /var/tmp did.
        if is_files_name(name) and not os.path.isdir(RECORDS.path(name[len("weft-"):])):
            shutil.rmtree(os.path.join(FILES, name), ignore_errors=True)


def is_files_name(name):
    run_id = name[len("weft-"):]
    return name.startswith("weft-") and len(run_id) == 8 and not run_id.strip("0123456789abcdef")


def leftovers(run_id):
    """What is still there of a run, in words; empty when it is gone completely."""
    left = [f"process {pid}" for pid in space.members(f"weft-{run_id}-")]
    left += [p for p in (RECORDS.path(run_id), files_path(run_id)) if os.path.exists(p)]
    with open("/proc/self/mountinfo") as f:
        left += [f"mount {line.split()[4]}" for line in f if f"weft-{run_id}" in line]
    return left


def fill_tools(directory, build):
    """Programs and helpers are copied: the agent may not read everything that root may, and a
    rebuild must not change a cluster that runs."""
    os.mkdir(directory)
    sources = [os.path.join(HELPERS, n) for n in os.listdir(HELPERS) if n.endswith(".py")]
    if build:
        sources += [os.path.join(build, program) for program in PROGRAMS]
    for source in sources:
        if not os.path.exists(source):
            raise RigError(f"{source} is not there: build first (meson setup, ninja)")
        target = os.path.join(directory, os.path.basename(source))
        shutil.copyfile(source, target)
        os.chmod(target, 0o755)


class Underlay(Space):
    """Where the cables of a cluster's machines end. Frames between machines are the cable's
    business: no netfilter of this namespace."""

    def __init__(self, name, run_tag, tools):
        super().__init__(name, f"{run_tag}-underlay", UNDERLAY_SETUP, [name, tools])
        for family in ("ip", "ip6", "arp"):
            key = f"net/bridge/bridge-nf-call-{family}tables"
            if os.path.exists(f"/proc/sys/{key}"):
                self.sysctl(key, 0)


class Owned:
    """What the process that made it removes on every way out but kill -9. A subclass says how, in
    `remove`, and calls `own` before it makes anything."""

    def own(self):
        self.owner, self.closed = os.getpid(), False
        end_on_signals()
        atexit.register(self.close)

    def close(self):
        if self.closed or os.getpid() != self.owner:
            return
        self.closed = True
        with deaf_to_signals():
            self.remove()
        atexit.unregister(self.close)


class Rig(Owned):
    """Use as a context manager."""

    def __init__(self, nodes=3, build=None, default_via="eth1"):
        """`build` is the directory of the programs; None: kernel only, no agents.
        `default_via` names the card of the nodes' default route."""
        self.size, self.build, self.default_via = nodes, build, default_via
        self.id = secrets.token_hex(4)
        self.tag = f"weft-{self.id}"
        self.nodes = []
        self.underlay = self.outside = None

    def __enter__(self):
        self.own()
        remove_dead_runs()
        try:
            RECORDS.make(self.id)
            self.make_files()
            self.make_underlay()
            for number in range(1, self.size + 1):
                self.add_node(number)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def remove(self):
        self.save_logs()
        space.kill_members(f"{self.tag}-")
        for place in [*self.nodes, self.underlay]:
            if place is not None:
                place.destroy()
        remove_run(self.id)

    def save_logs(self):
        """For a person who debugs: WEFT_RIG_LOGS=DIR keeps the agents' logs."""
        keep = os.environ.get("WEFT_RIG_LOGS")
        if keep and os.path.isdir(self.logs):
            shutil.copytree(self.logs, os.path.join(keep, self.id), dirs_exist_ok=True)

    # ---- making

    @property
    def logs(self):
        return os.path.join(files_path(self.id), "log")

    def make_files(self):
        os.mkdir(files_path(self.id), mode=0o755)
        os.mkdir(self.logs)
        self.tools = os.path.join(files_path(self.id), "tools")
        fill_tools(self.tools, self.build)

    def make_underlay(self):
        self.underlay = Underlay("underlay", self.tag, self.tools)
        self.underlay.ip("""link add lan type bridge
                            link set lan up
                            link add beyond type bridge
                            link set beyond up""")
        self.router = self.underlay.add_netns("router")
        self.plug(self.router, "lan", "router-lan", "eth0", f"{UNDERLAY}.1/24")
        self.plug(self.router, "beyond", "router-out", "eth1", f"{BEYOND}.1/24")
        self.router.run("tee", "/proc/sys/net/ipv4/ip_forward", stdin="1\n")
        self.outside = self.underlay.add_netns("outside")
        self.plug(self.outside, "beyond", "outside", "eth0", f"{OUTSIDE}/24")
        self.outside.ip(f"route add {UNDERLAY}.0/24 via {BEYOND}.1")

    def plug(self, netns, bridge, port, card, address):
        """A cable from a bridge to a named namespace of the underlay."""
        self.underlay.ip(f"link add {port} master {bridge} type veth peer name {card} "
                         f"netns {netns.name}\nlink set {port} up")
        netns.ip(f"link set lo up\naddr add {address} dev {card}\nlink set {card} up")

    def add_node(self, number):
        node = Node(number, self.tag, self.tools, os.path.join(files_path(self.id), f"n{number}"),
                    self.logs)
        self.nodes.append(node)
        self.make_nat(node)
        self.plug_node(node)
        return node

    def make_nat(self, node):
        nat = self.underlay.add_netns(f"nat-{node.name}")
        self.plug(nat, "beyond", f"{node.name}-out", "eth1", f"{BEYOND}.{20 + node.number}/24")
        nat.run("tee", "/proc/sys/net/ipv4/ip_forward", stdin="1\n")
        nat.nft("""table ip nat {
            chain out {
                type nat hook postrouting priority srcnat
                oifname eth1 masquerade
            }
        }
        """)

    def plug_node(self, node):
        pid = node.holder.pid
        self.underlay.ip(f"""link add {node.name} master lan type veth peer name eth0 \
                                address {node.macs[0]} netns {pid}
                             link set {node.name} up
                             link add {node.name}-nat netns nat-{node.name} type veth peer \
                                name eth1 address {node.macs[1]} netns {pid}""")
        nat = space.Netns(self.underlay, f"nat-{node.name}")
        nat.ip(f"link set {node.name}-nat up\naddr add {NAT_ROUTER}/24 dev {node.name}-nat")
        gateway = {"eth0": f"{UNDERLAY}.1", "eth1": NAT_ROUTER}[self.default_via]
        node.ip(f"""addr add {node.address}/24 dev eth0
                    addr add {NAT_ADDRESS}/24 dev eth1
                    link set eth0 up
                    link set eth1 up
                    route add default via {gateway} dev {self.default_via}""")

    # ---- agents

    def start_agents(self, extra=()):
        for node in self.nodes:
            self.start_agent(node, extra)
        for node in self.nodes:
            node.agent.wait_ready()

    def start_agent(self, node, extra=()):
        """n1 is the one that begins the cluster."""
        node.start_agent([n for n in self.nodes if n is not node], node is self.nodes[0], extra)

    def wait_connected(self, seconds=30):
        """Until every node would send to every other node's overlay address through the tunnel:
        asked of the kernel, not of the agent."""
        def connected():
            addresses = {node.name: node.overlay_address() for node in self.nodes}
            for node in self.nodes:
                for name, address in addresses.items():
                    if address is None:
                        return NotYet(f"{name} has no address in the range")
                    if name != node.name and (node.route_to(address) or [0])[0] != "weft-vx":
                        return NotYet(f"{node.name} has no route to {name} ({address})")
            return True
        wait_until(connected, seconds, "routes between all nodes",
                   [node.agent.process for node in self.nodes if node.agent.alive])

    def attach_pods(self, per_node=2):
        """Pods n1-a, n1-b, n2-a ... by the real shim."""
        return [node.pod(f"{node.name}-{'abcdefgh'[i]}").attach()
                for node in self.nodes for i in range(per_node)]

    # ---- faults

    def cut(self, *groups):
        """Nodes of different groups no longer reach each other; a node in no group stays with the
        router. Nobody loses carrier: it is the path that is gone, not the card."""
        for number, group in enumerate(groups):
            self.underlay.ip(f"link add cut{number} type bridge\nlink set cut{number} up")
            for node in group:
                self.underlay.ip(f"link set {node.name} master cut{number}")

    def heal(self):
        for node in self.nodes:
            self.underlay.ip(f"link set {node.name} master lan")
        for link in self.underlay.json("ip", "-j", "link", "show", "type", "bridge"):
            if link and link["ifname"].startswith("cut"):
                self.underlay.ip(f"link del {link['ifname']}")

    def power_off(self, node):
        """The machine loses power: processes, pods, links and /run are gone, the disk stays."""
        node.destroy()
        node.agent.process = None
        self.underlay.run("ip", "link", "del", node.name, check=False)
        nat = space.Netns(self.underlay, f"nat-{node.name}")
        nat.run("ip", "link", "del", f"{node.name}-nat", check=False)

    def power_on(self, node):
        node.boot()
        self.plug_node(node)


def end_on_signals():
    """Let the usual signals unwind the stack, so that `with Rig()` cleans up."""
    def end(number, _frame):
        raise SystemExit(128 + number)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, end)
        signal.signal(signal.SIGHUP, end)


class deaf_to_signals:
    """Cleaning up takes a second; an impatient second Ctrl-C must not cut it short."""

    SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def __enter__(self):
        self.before = signal.pthread_sigmask(signal.SIG_BLOCK, self.SIGNALS)

    def __exit__(self, *_):
        signal.pthread_sigmask(signal.SIG_SETMASK, self.before)
