"""Weft on a cluster as a user has it: the image, the manifest, and what its agents say."""

import json
import os
import re
import subprocess

import kubectl
import networks
from check import build_directory, must_equal, source_directory, step
from node import TOOLS
from space import RigError

NAMESPACE = "weft"
MANIFESTS = os.path.join(source_directory(), "deploy", "kubernetes")
MANIFEST = os.path.join(MANIFESTS, "weft.yaml")
RESET = os.path.join(MANIFESTS, "reset.yaml")
READY_S = 120


def build_image(out):
    done = subprocess.run([os.path.join(source_directory(), "deploy", "image", "build"), "--out",
                           out], capture_output=True, text=True, check=False,
                          env={**os.environ, "WEFT_BUILD": build_directory()})
    if done.returncode:
        raise RigError(f"deploy/image/build: {done.stderr.strip()}")
    name = done.stdout.strip().splitlines()[-2].split()[0]
    for path in (MANIFEST, RESET):
        with open(path, encoding="utf-8") as f:
            named = set(re.findall(r"^ *image: (\S+)$", f.read(), re.M))
        must_equal(named, {name}, f"images that {os.path.basename(path)} names")


def load_image(cluster):
    """Into every node, as a user without a registry does."""
    archive = cluster.path("weft.tar")
    build_image(archive)
    networks.load(cluster, archive)
    step("Weft's image is on every node")


def install(cluster):
    """kubectl apply, and nothing else."""
    seconds = networks.apply(cluster, MANIFEST, READY_S)
    step(f"nodes Ready {seconds:.1f} s after kubectl apply of Weft")


def join_control_plane(cluster):
    """The control plane's machine has no kubelet: there weftd runs as on any Linux host, so that
    the API server reaches pods."""
    networks.start_weftd(cluster.control, cluster.nodes)
    networks.wait_weftd(cluster.control)


def wait_rolled_out(cluster, seconds=READY_S):
    cluster.kubectl("-n", NAMESPACE, "rollout", "status", "ds/weft", f"--timeout={seconds}s",
                    seconds=seconds)


def agent_pods(cluster):
    """Node's name -> the pod of Weft there."""
    return {pod["spec"]["nodeName"]: pod
            for pod in cluster.get("pods", "-n", NAMESPACE)["items"]}


def logs(cluster, container="weftd"):
    """Node's name -> its log."""
    return {node: cluster.kubectl("-n", NAMESPACE, "logs", pod["metadata"]["name"], "-c",
                                  container)
            for node, pod in agent_pods(cluster).items()}


def ask(machine, *argv):
    return json.loads(machine.run(f"{TOOLS}/weftctl", *argv, "-o", "json"))


def show(cluster):
    """For a test that failed."""
    for container in ("weftd", "weft-kube"):
        done = kubectl.run(cluster, ("-n", NAMESPACE, "logs", "ds/weft", "-c", container,
                                     "--all-pods", "--prefix", "--tail=40"), check=False)
        print(f"--- {container}\n{done.stdout}{done.stderr}", flush=True)
