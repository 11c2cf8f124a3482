"""Builds the programs of the cache: through Go's module proxy with the ordinary go command, and
pause with the C compiler. Called by test/kube/build alone."""

import json
import os
import re
import subprocess
import sys

import cache
from rigpath import HERE

COMPONENTS = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
AGNHOST = "k8s.io/kubernetes/test/images/agnhost"
PLUGINS = ("cache", "errors", "health", "kubernetes", "loadbalance", "ready", "reload")
STRIP = "-s -w"


class BuildError(Exception):
    """A sentence for the person who started the build."""


def environment():
    caches = os.path.join(cache.root(), "cache")
    env = {k: v for k, v in os.environ.items() if not k.startswith("GO") or k == "GOPROXY"}
    env.update({"GOMODCACHE": os.path.join(caches, "gomod"), "CGO_ENABLED": "0",
                "GOCACHE": os.path.join(caches, "gobuild"), "GOTOOLCHAIN": "local",
                "GOFLAGS": "-buildvcs=false -modcacherw -mod=mod",
                "GOTMPDIR": os.path.join(caches, "gotmp")})
    os.makedirs(env["GOTMPDIR"], exist_ok=True)
    return env


def run(*argv, cwd=None):
    """Standard output; what else the command says goes to the person."""
    done = subprocess.run(argv, cwd=cwd, env=environment(), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=sys.stderr, text=True, check=False)
    if done.returncode:
        raise BuildError(f"{' '.join(argv[:4])} ... ended with {done.returncode}")
    return done.stdout


def write(path, text):
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


def module_text(upstream):
    """A go.mod of our own that requires Kubernetes. `go install k8s.io/kubernetes/...@VERSION` is
    refused because its go.mod replaces the staging modules by directories; they are all
    published, so ours replaces them by these releases. All other modules are taken at the
    version that upstream tested with."""
    staging = sorted({r["Old"]["Path"] for r in upstream["Replace"]
                      if r["New"]["Path"].startswith("./staging/")})
    release = cache.KUBERNETES.replace("v1.", "v0.", 1)
    lines = ["module weft.test/k8s", f"go {upstream['Go']}"]
    lines += [f"godebug {g['Key']}={g['Value']}" for g in upstream.get("Godebug") or []]
    lines += [f"require k8s.io/kubernetes {cache.KUBERNETES}"]
    lines += [f"require {r['Path']} {r['Version']}" for r in upstream["Require"]
              if r["Path"] not in staging]
    for path in staging:
        lines += [f"require {path} {release}", f"replace {path} => {path} {release}"]
    return "\n".join(lines) + "\n"


def must_be_new_enough(wanted):
    have = re.match(r"go version go(\d+)\.(\d+)", run("go", "version"))
    if not have or tuple(map(int, have.groups())) < tuple(map(int, wanted.split(".")[:2])):
        raise BuildError(f"Kubernetes {cache.KUBERNETES} wants Go {wanted}, and `go version` "
                         "tells an older one")


def kubernetes_module(directory):
    os.makedirs(directory)
    said = run("go", "mod", "download", "-json", f"k8s.io/kubernetes@{cache.KUBERNETES}",
               cwd=directory)
    source = json.loads(said)["Dir"]
    upstream = json.loads(run("go", "mod", "edit", "-json", os.path.join(source, "go.mod")))
    must_be_new_enough(upstream["Go"])
    write(os.path.join(directory, "go.mod"), module_text(upstream))
    with open(os.path.join(source, "go.sum"), encoding="utf-8") as f:
        write(os.path.join(directory, "go.sum"), f.read())
    os.mkdir(os.path.join(directory, "hyperkube"))
    with open(os.path.join(HERE, "src", "hyperkube.go"), encoding="utf-8") as f:
        write(os.path.join(directory, "hyperkube", "main.go"), f.read())


def version_flags():
    """What `kubectl version` says, and what clients hold their skew against."""
    values = {"gitVersion": cache.KUBERNETES, "gitMajor": "1", "gitTreeState": "clean",
              "gitMinor": cache.KUBERNETES.split(".")[1], "gitCommit": "0" * 40,
              "buildDate": "1970-01-01T00:00:00Z"}
    return " ".join([STRIP, *(f"-X {component}.{name}={value}" for component in COMPONENTS
                              for name, value in values.items())])


def go_build(module, package, out, flags=STRIP):
    run("go", "build", "-trimpath", "-ldflags", flags, "-o", out, package, cwd=module)


def coredns_module(directory):
    os.makedirs(directory)
    write(os.path.join(directory, "go.mod"),
          f"module weft.test/coredns\n\nrequire github.com/coredns/coredns {cache.COREDNS}\n")
    imports = "".join(f'\t_ "github.com/coredns/coredns/plugin/{name}"\n' for name in PLUGINS)
    write(os.path.join(directory, "main.go"),
          "package main\n\nimport (\n" + imports + '\n\t"github.com/coredns/coredns/coremain"\n)'
          "\n\nfunc main() {\n\tcoremain.Run()\n}\n")


def build(out, work, say):
    """Everything into `out`; `work` is an empty directory for what is not kept."""
    kubernetes, coredns = os.path.join(work, "k8s"), os.path.join(work, "coredns")
    say(f"Kubernetes {cache.KUBERNETES}: modules")
    kubernetes_module(kubernetes)
    say(f"Kubernetes {cache.KUBERNETES}: one binary of all six programs (7 minutes at first)")
    go_build(kubernetes, "./hyperkube", os.path.join(out, "hyperkube"), version_flags())
    for name in cache.KUBERNETES_NAMES:
        os.symlink("hyperkube", os.path.join(out, name))
    say("agnhost, Kubernetes' own test server")
    go_build(kubernetes, AGNHOST, os.path.join(out, "agnhost"))
    say(f"CoreDNS {cache.COREDNS} (2 minutes at first)")
    coredns_module(coredns)
    go_build(coredns, ".", os.path.join(out, "coredns"))
    say("pause")
    run("gcc", "-Os", "-static", "-s", "-o", os.path.join(out, "pause"),
        os.path.join(HERE, "src", "pause.c"))
