"""Other pod networks, built as test/kube/build builds the rest, for test/bench/kube alone: no test
needs them. Each is an image archive; its manifest is in manifests/.

flannel's plugin is the last that its authors' CNI plugins still had: the later ones are not in
Go's module proxy. flanneld is without its backend for one provider's cloud, whose library is not
there either; like its release for amd64 it has the C code of another backend, linked statically.
"""

import glob
import json
import os
import shutil
import sys

import cache
import programs
import rigpath

sys.path.append(os.path.join(rigpath.SOURCE, "deploy", "image"))
import libraries  # noqa: E402
from archive import write_image  # noqa: E402

FLANNEL = "github.com/flannel-io/flannel"
PLUGINS = "github.com/containernetworking/plugins"
PLUGINS_VERSION = "v0.9.1"
LEFT_OUT = "tencentvpc"
IMAGE = f"weft.test/flannel:{cache.FLANNEL}"
IPTABLES = ("iptables", "iptables-save", "iptables-restore")


def flanneld(work, out):
    said = programs.run("go", "mod", "download", "-json", f"{FLANNEL}@{cache.FLANNEL}", cwd=work)
    source = os.path.join(work, "flannel")
    shutil.copytree(json.loads(said)["Dir"], source)
    shutil.rmtree(os.path.join(source, "pkg", "backend", LEFT_OUT))
    main = os.path.join(source, "main.go")
    with open(main, encoding="utf-8") as f:
        lines = f.readlines()
    programs.write(main, "".join(line for line in lines if f'backend/{LEFT_OUT}"' not in line))
    flags = f"{programs.STRIP} -X {FLANNEL}/pkg/version.Version={cache.FLANNEL} -extldflags -static"
    programs.run("env", "CGO_ENABLED=1", "go", "build", "-trimpath", "-tags", "netgo,osusergo",
                 "-ldflags", flags, "-o", out, ".", cwd=source)


def plugin(work, out):
    module = os.path.join(work, "plugin")
    os.mkdir(module)
    programs.write(os.path.join(module, "go.mod"),
                   f"module weft.test/flannel\n\nrequire {PLUGINS} {PLUGINS_VERSION}\n")
    programs.go_build(module, f"{PLUGINS}/plugins/meta/flannel", out)


def iptables():
    """{path in the image: path here}: the program of all its names, and what it loads."""
    program = os.path.realpath(shutil.which("iptables"))
    needed = libraries.needed_by([program])
    xtables = next(path for path in needed if "/libxtables." in path)
    extensions = os.path.join(os.path.dirname(os.path.realpath(xtables)), "xtables", "*.so")
    return {program: program, **{path: path for path in (*needed, *glob.glob(extensions))}}


def build(out, work, say):
    """Archives into `out`; `work` is an empty directory for what is not kept."""
    say(f"flannel {cache.FLANNEL} (3 minutes at first)")
    daemon, cni = os.path.join(work, "flanneld"), os.path.join(work, "flannel-cni")
    flanneld(work, daemon)
    plugin(work, cni)
    files = iptables()
    multi = os.path.realpath(shutil.which("iptables"))
    links = {f"/usr/sbin/{name}": os.path.basename(multi) for name in IPTABLES}
    write_image(os.path.join(out, "flannel.tar"), IMAGE,
                {"/opt/bin/flanneld": daemon, "/flannel": cni,
                 "/bin/busybox": shutil.which("busybox"), **files},
                links={"/bin/cp": "busybox", **links}, entrypoint=["/opt/bin/flanneld"])
