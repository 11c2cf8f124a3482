"""Pods as places that a test can stand in, and what it asks from there."""

import json

from space import Netns, RigError

LIST = 'for n in $(ls /run/netns); do printf "%s " "$n"; ip -n "$n" -j -4 addr; done'


def namespaces(machine):
    """IPv4 address -> name of the pod's namespace on this machine."""
    found = {}
    for line in machine.run("sh", "-c", LIST).splitlines():
        name, _, links = line.partition(" ")
        for link in filter(None, json.loads(links or "[]")):
            found.update({a["local"]: name for a in link["addr_info"]
                          if not a["local"].startswith("127.")})
    return found


class PodPlace(Netns):
    """A pod's network, entered with the node's files: curl, ping and the rig's helpers are there
    whatever the pod's image has."""

    def __init__(self, machine, netns, pod):
        super().__init__(machine, netns)
        self.name = pod["metadata"]["name"]
        self.machine, self.pod, self.address = machine, pod, pod["status"]["podIP"]


def running(pod):
    return (pod["status"].get("podIP") and "deletionTimestamp" not in pod["metadata"]
            and pod["status"]["phase"] == "Running")


def places(cluster, namespace, *selector):
    """The running pods with addresses of their own, by node and name."""
    pods = [p for p in cluster.get("pods", "-n", namespace, *selector)["items"] if running(p)]
    pods.sort(key=lambda p: (p["spec"]["nodeName"], p["metadata"]["name"]))
    names = {}
    found = []
    for pod in pods:
        node = cluster.node(pod["spec"]["nodeName"])
        if node.name not in names:
            names[node.name] = namespaces(node)
        address = pod["status"]["podIP"]
        if address not in names[node.name]:
            raise RigError(f"{pod['metadata']['name']} is said to run on {node.name} with "
                           f"{address}, and no namespace there has it")
        found.append(PodPlace(node, names[node.name][address], pod))
    return found


def http(place, url, seconds=4):
    """The body; an error in one sentence when there is none."""
    done = place.run("curl", "-sS", "-f", "-m", seconds, url, check=False)
    if done.returncode:
        raise RigError(f"{place.name} -> {url}: {done.stderr.strip()}")
    return done.stdout
