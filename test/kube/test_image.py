#!/usr/bin/env python3
# weft-test: name=image time=120 needs=root tier=normal build=gcc
"""The container image: the same bits every time, what it holds and nothing else, small enough, and
its programs start with nothing but the image around them."""

import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import tarfile
import tempfile

import rigpath
import check
from check import build_directory, must, must_equal, step

BUILD_IMAGE = os.path.join(rigpath.SOURCE, "deploy", "image", "build")
AGENT_LIMIT, ALL_LIMIT = 8_000_000, 25_000_000
OURS = {"usr/sbin/weftd": "agent/weftd", "usr/bin/weftctl": "agent/cli/weftctl",
        "usr/lib/weft/weft": "cni-shim/weft", "usr/sbin/weft-kube": "agent/kube/weft-kube"}
TEXTS = ("etc/passwd", "etc/group")
LICENCES = ("usr/share/doc/", "usr/share/common-licenses/")
LINE = re.compile(r"^ *([0-9,]+)  (agent|weft-kube) +(/\S+)", re.M)
VERSION_CONFIG = '{"cniVersion":"1.0.0"}'
HOST = """
#include <netdb.h>
int main(void)
{
	struct addrinfo *found;
	return getaddrinfo("here.test", 0, 0, &found) != 0;
}
"""


def build_image(out, build=None, umask=0o022, **env):
    """(exit code, the list, the complaints)"""
    done = subprocess.run([BUILD_IMAGE, "--out", out], text=True, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False,
                          umask=umask, cwd=os.path.dirname(out),
                          env={**os.environ, "WEFT_BUILD": build or build_directory(), **env})
    return done.returncode, done.stdout, done.stderr


def must_build(out, **how):
    code, listed, said = build_image(out, **how)
    must(code == 0, f"deploy/image/build ended with {code}: {said}")
    return listed


def content(path):
    with open(path, "rb") as f:
        return f.read()


class Archive:
    """An image archive, held against its own digests."""

    def __init__(self, path):
        with tarfile.open(path) as archive:
            self.files = {m.name: archive.extractfile(m).read() for m in archive.getmembers()}
        manifests = json.loads(self.files["index.json"])["manifests"]
        must_equal(len(manifests), 1, "manifests")
        self.digest = manifests[0]["digest"]
        manifest = json.loads(self.blob(manifests[0]))
        self.config = json.loads(self.blob(manifest["config"]))
        must_equal(len(manifest["layers"]), 1, "layers")
        self.layer = self.blob(manifest["layers"][0])
        must_equal(self.config["rootfs"]["diff_ids"], [manifest["layers"][0]["digest"]],
                   "diff_ids of an uncompressed layer")
        docker = json.loads(self.files["manifest.json"])[0]
        must_equal([self.files[name] for name in docker["Layers"]], [self.layer],
                   "the layer that docker load reads")
        with tarfile.open(fileobj=io.BytesIO(self.layer)) as layer:
            self.entries = layer.getmembers()

    def blob(self, described):
        algorithm, _, digest = described["digest"].partition(":")
        blob = self.files[f"blobs/{algorithm}/{digest}"]
        must_equal((hashlib.sha256(blob).hexdigest(), len(blob)), (digest, described["size"]),
                   "a blob's digest and size")
        return blob

    def unpack(self, directory):
        os.mkdir(directory, 0o755)
        subprocess.run(["tar", "-xpf", "-", "-C", directory], input=self.layer, check=True)
        return directory


def check_same(tmp):
    """Nothing of the moment, the place or the person is in it."""
    first, second = os.path.join(tmp, "first.tar"), os.path.join(tmp, "second.tar")
    listed = must_build(first)
    os.mkdir(os.path.join(tmp, "elsewhere"))
    again = must_build(second, umask=0o077, TZ="Asia/Kathmandu", HOME="/", LC_ALL="C",
                       TMPDIR=os.path.join(tmp, "elsewhere"))
    must_equal(listed.splitlines()[:-1], again.splitlines()[:-1], "the second list")
    must(content(first) == content(second), "the second archive differs from the first")
    archive = Archive(first)
    must(archive.digest in listed, f"{archive.digest} is not told")
    return archive, listed


def check_entries(archive, listed):
    """What is printed is what is in it; owners, times and modes say nothing of this machine."""
    for entry in archive.entries:
        must_equal((entry.uid, entry.gid, entry.uname + entry.gname, entry.mtime),
                   (0, 0, "", 0), f"owner and time of {entry.name}")
        must(entry.isdir() or entry.isfile(), f"{entry.name} is neither file nor directory")
        must(entry.mode == 0o755 or entry.isfile() and entry.mode == 0o644,
             f"{entry.name} has mode {entry.mode:o}")
    told = {path.lstrip("/"): int(size.replace(",", ""))
            for size, _, path in LINE.findall(listed)}
    held = {entry.name: entry.size for entry in archive.entries if entry.isfile()}
    must_equal(told, held, "the list that is printed")
    return held


def readelf(tree, name):
    """(the loader, the libraries) that a program asks for"""
    said = subprocess.run(["readelf", "-W", "-l", "-d", os.path.join(tree, name)], text=True,
                          capture_output=True, check=True, env={**os.environ, "LC_ALL": "C"})
    return (re.findall(r"interpreter: /(\S+)\]", said.stdout),
            re.findall(r"\(NEEDED\).*\[(\S+)\]", said.stdout))


def reachable(tree, held, programs):
    """The programs and what they link: found apart from how deploy/image/build finds it."""
    by_name = {os.path.basename(name): name for name in held if name.startswith("lib")}
    found, todo = set(), list(programs)
    while todo:
        name = todo.pop()
        if name in found:
            continue
        found.add(name)
        loader, libraries = readelf(tree, name)
        absent = [library for library in libraries if library not in by_name]
        must(not absent, f"{name} links {absent}, and the image lacks it")
        todo += loader + [by_name[library] for library in libraries]
    return found


def check_contents(tree, held):
    """Programs, libraries that they reach, two texts, licences. So there is no shell either."""
    programs = [name for name, built in OURS.items()
                if os.path.exists(os.path.join(build_directory(), built))]
    must("usr/sbin/weftd" in programs, "there is no weftd")
    wanted = reachable(tree, held, programs)
    left = set(held) - wanted - set(TEXTS)
    more = sorted(name for name in left if not name.startswith(LICENCES))
    must(not more, f"nobody needs {', '.join(more)}")
    must_equal(readelf(tree, "usr/lib/weft/weft"), ([], []), "what the CNI binary links")
    for name in left:
        content(os.path.join(tree, name)).decode("utf-8")
        must(not os.access(os.path.join(tree, name), os.X_OK), f"{name} is executable")
    must(b"weft:x:6786:6786:" in content(os.path.join(tree, "etc/passwd")), "no user weft")
    for name in programs:
        for place in (rigpath.SOURCE, build_directory()):
            must(os.path.realpath(place).encode() not in content(os.path.join(tree, name)),
                 f"{name} names {place}: another checkout would give another image")
    return programs


def check_sizes(tree, held, programs, listed):
    agent = reachable(tree, held, [name for name in programs if name != "usr/sbin/weft-kube"])
    texts = [name for name in held if name in TEXTS or name.startswith(LICENCES)]
    # All licences are counted as the agent's: more than it is told to have, never less.
    agent_bytes = sum(held[name] for name in agent | set(texts))
    must(agent_bytes < AGENT_LIMIT, f"the agent's part has {agent_bytes} bytes")
    must(sum(held.values()) < ALL_LIMIT, f"the image has {sum(held.values())} bytes")
    told = int(re.search(r"^ *([0-9,]+)  agent  of", listed, re.M)[1].replace(",", ""))
    must(sum(held[name] for name in agent) <= told <= agent_bytes,
         f"the agent's part is told to have {told} bytes, and has up to {agent_bytes}")


def inside(tree, *argv, stdin="", **env):
    """Runs it with the image as its root: no /proc, no network, nothing of the host."""
    return subprocess.run(["unshare", "--mount", "--net", "--ipc", "--pid", "--fork",
                           "--kill-child", f"--root={tree}", "--wd=/", *argv], input=stdin,
                          text=True, capture_output=True, check=False, env=env, timeout=20)


def must_say(tree, wanted, *argv, **how):
    done = inside(tree, *argv, **how)
    must(done.returncode == 0 and re.search(wanted, done.stdout + done.stderr),
         f"{' '.join(argv)} ended with {done.returncode} inside the image and said:\n"
         f"{done.stdout}{done.stderr}")


def check_starts(tree, programs):
    must_say(tree, r"\b0\.\d+\.\d+", "/usr/sbin/weftd", "--version")
    must_say(tree, "status", "/usr/bin/weftctl", "--help")
    must_say(tree, '"supportedVersions"', "/usr/lib/weft/weft", stdin=VERSION_CONFIG,
             CNI_COMMAND="VERSION")
    if "usr/sbin/weft-kube" in programs:
        must_say(tree, r"\b0\.\d+\.\d+", "/usr/sbin/weft-kube", "--version")


def compile_program(source, out, *options):
    subprocess.run(["gcc", "-x", "c", "-", "-x", "none", "-o", out, *options], input=source,
                   text=True, check=True)
    return out


def check_names(tree):
    """Names are found without any further file: the agent looks its peers up."""
    compile_program(HOST, os.path.join(tree, "host"))
    must(inside(tree, "/host").returncode == 1, "a name is found that is nowhere")
    with open(os.path.join(tree, "etc/hosts"), "w", encoding="ascii") as f:
        f.write("10.9.8.7 here.test\n")
    must(inside(tree, "/host").returncode == 0, "a name in /etc/hosts is not found")


def check_alone(tree, held):
    """Were anything of the host visible, a library that is taken away would be found there."""
    library = next(name for name in held if "/libuv.so" in name)
    os.unlink(os.path.join(tree, library))
    done = inside(tree, "/usr/sbin/weftd", "--version")
    must(done.returncode != 0 and "libuv.so" in done.stderr,
         f"weftd starts without {library}: the host is visible")


def other_build(tmp, name, replaced, source, *options):
    """A build directory with a program of another kind in the place of one of ours."""
    directory = os.path.join(tmp, name)
    for built in OURS.values():
        program = os.path.join(build_directory(), built)
        os.makedirs(os.path.join(directory, os.path.dirname(built)), exist_ok=True)
        if os.path.exists(program):
            shutil.copy(program, os.path.join(directory, built))
    compile_program(source, os.path.join(directory, replaced), *options)
    return directory


def must_refuse(tmp, build, why):
    out = os.path.join(tmp, "refused.tar")
    code, listed, said = build_image(out, build=build)
    must(code == 1 and why in " ".join(said.split()),
         f"exit code {code}, not refused because '{why}': {listed}{said}")
    must(not os.path.exists(out), f"refused because '{why}', and yet an archive is there")


def check_refusals(tmp):
    """A limit that is crossed, a library of no package and a program that is not built."""
    big = "char big[%d] = { 1 }; int main(void) { return big[0]; }"
    must_refuse(tmp, other_build(tmp, "big", "agent/weftd", big % AGENT_LIMIT), "agent has")
    must_refuse(tmp, other_build(tmp, "vast", "agent/kube/weft-kube", big % ALL_LIMIT), "all has")
    private = os.path.join(tmp, "libprivate.so")
    compile_program("int private(void) { return 0; }", private, "-shared", "-fPIC")
    must_refuse(tmp, other_build(tmp, "private", "agent/weftd",
                                 "int private(void); int main(void) { return private(); }",
                                 private, f"-Wl,-rpath,{tmp}"), "is of no Debian package")
    lacking = other_build(tmp, "lacking", "agent/weftd", "int main(void) { return 0; }")
    os.unlink(os.path.join(lacking, "agent/cli/weftctl"))
    must_refuse(tmp, lacking, "weftctl is not built")


def check_parts(tmp):
    """What only weft-kube needs is weft-kube's part."""
    out = os.path.join(tmp, "parts.tar")
    source = "double cbrt(double); int main(int n, char **v) { return (int)cbrt(n); }"
    build = other_build(tmp, "parts", "agent/kube/weft-kube", source, "-fno-builtin", "-lm")
    parts = {os.path.basename(path): part for _, part, path in LINE.findall(
        must_build(out, build=build))}
    must_equal((parts["weft-kube"], parts["libm.so.6"], parts["libc.so.6"], parts["passwd"]),
               ("weft-kube", "weft-kube", "agent", "agent"), "whose part a file is")


def test():
    with tempfile.TemporaryDirectory(dir=os.environ.get("WEFT_TMP")) as tmp:
        archive, listed = check_same(tmp)
        print(listed)
        step("built twice, the same bits")
        held = check_entries(archive, listed)
        tree = archive.unpack(os.path.join(tmp, "tree"))
        programs = check_contents(tree, held)
        check_sizes(tree, held, programs, listed)
        step("it holds what its programs link, and its list")
        check_starts(tree, programs)
        check_names(tree)
        check_alone(tree, held)
        step("its programs start with nothing around them")
        check_refusals(tmp)
        check_parts(tmp)
        step("what is too big, foreign or missing is refused")


if __name__ == "__main__":
    check.main(test)
