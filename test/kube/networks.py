"""Networks by kubectl, and by hand: one without any agent, which tells whether the rig is at fault
or Weft is, and weftd as on a plain Linux host."""

import json
import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor

import components
import containerd
from cluster import PLUGINS
from node import CONFINE, TOOLS
from space import NotYet, wait_until

CONFLISTS = "/etc/cni/net.d"
CNI_BIN = "/opt/cni/bin"


def write_conflist(node, name, *plugins):
    node.write(f"{CONFLISTS}/10-{name}.conflist",
               json.dumps({"cniVersion": "1.0.0", "name": name, "plugins": plugins}))


def wait_ready(cluster, seconds=120):
    cluster.kubectl("wait", "--for=condition=Ready", "node", "--all", f"--timeout={seconds}s",
                    seconds=seconds)


def wait_ranges(cluster):
    """Until every node has its share of the pod range."""
    cluster.kubectl("wait", "--for=jsonpath={.spec.podCIDR}", "node", "--all", "--timeout=60s")


def load(cluster, archive):
    """An image into every node."""
    def load_one(node):
        shutil.copy(archive, node.disk)
        containerd.import_image(node, f"/mnt/{os.path.basename(archive)}")
    with ThreadPoolExecutor(len(cluster.nodes)) as pool:
        list(pool.map(load_one, cluster.nodes))


def apply(cluster, manifest, seconds=120):
    """Returns the seconds until all nodes were Ready."""
    begun = time.monotonic()
    cluster.kubectl("apply", "-f", manifest)
    wait_ready(cluster, seconds)
    return time.monotonic() - begun


def give_bridge(node):
    """Plugins that kubeadm's packages bring, for networks that are made of them."""
    node.run("cp", *(f"{PLUGINS}/{name}" for name in ("bridge", "host-local")), CNI_BIN)


def static(cluster):
    """A bridge on every node, Debian's plugins, the node's podCIDR and a route by hand to it."""
    wait_ranges(cluster)
    ranges = {node["metadata"]["name"]: node["spec"]["podCIDR"]
              for node in cluster.get("nodes")["items"]}
    for node in cluster.nodes:
        give_bridge(node)
        node.run("iptables", "-w", "-t", "nat", "-A", "POSTROUTING", "-s", components.POD_RANGE,
                 "!", "-d", components.POD_RANGE, "-j", "MASQUERADE")
        bridge = {"type": "bridge", "bridge": "cni0", "isGateway": True, "hairpinMode": True,
                  "ipam": {"type": "host-local", "ranges": [[{"subnet": ranges[node.name]}]],
                           "routes": [{"dst": "0.0.0.0/0"}]}}
        write_conflist(node, "static", bridge,
                       {"type": "portmap", "capabilities": {"portMappings": True}})
    for machine in cluster.machines:
        machine.ip("\n".join(f"route add {ranges[node.name]} via {node.address}"
                             for node in cluster.nodes if node is not machine))
    wait_ready(cluster)


def start_weftd(machine, peers, *options):
    """weftd as on a plain Linux host: the programs by hand, the same flags."""
    peer_options = [word for peer in peers for word in ("--peer", peer.address)]
    machine.start("weftd", *CONFINE, f"{TOOLS}/weftd", "--name", machine.name, "--auth=none",
                  "--node-ip", machine.address, *peer_options, *options)


def status(machine):
    done = machine.run(f"{TOOLS}/weftctl", "status", "-o", "json", check=False)
    if done.returncode:
        return NotYet((done.stderr or done.stdout).strip())
    said = json.loads(done.stdout)
    return said if said.get("state") == "ready" else NotYet(f"{said['state']}: {said['detail']}")


def wait_weftd(machine, seconds=60):
    return wait_until(lambda: status(machine), seconds, f"weftd on {machine.name} ready",
                      [machine.daemons["weftd"].process])
