"""Writes a container image into one tar archive: no container engine, no registry, no root.

The archive is an OCI image layout and holds the older manifest.json beside it, so that both
`ctr -n k8s.io images import` and `docker load` take it. The image has one layer, not compressed:
a compressor's output changes with its version, and what is loaded from a local file gains
nothing. Same files, same bytes: names are sorted, owners 0, times 0, modes 0755 or 0644.

deploy/image/build makes Weft's image with it, test/kube the images of its tests.

    write_image("test.tar", "weft-test:1", {"/bin/busybox": "/usr/bin/busybox"},
                links={"/bin/sh": "busybox"}, entrypoint=["/bin/sh"])
"""

import contextlib
import dataclasses
import hashlib
import io
import json
import os
import struct
import tarfile
import tempfile

LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'
OCI = "application/vnd.oci.image."
INDEX, MANIFEST, CONFIG = OCI + "index.v1+json", OCI + "manifest.v1+json", OCI + "config.v1+json"
LAYER = OCI + "layer.v1.tar"
EPOCH = "1970-01-01T00:00:00Z"
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# e_machine of an ELF file, and the name that images have for it
MACHINES = {3: "386", 21: "ppc64le", 22: "s390x", 40: "arm", 62: "amd64", 183: "arm64",
            243: "riscv64"}


class ImageError(Exception):
    """An image that cannot be made as asked; the text is for people."""


@dataclasses.dataclass(frozen=True)
class Image:
    ref: str  # the full name, as the container runtime lists it
    digest: str  # of the manifest: what registries and `ctr images list` show
    architecture: str
    layer_bytes: int


@dataclasses.dataclass(frozen=True)
class Blob:
    digest: str
    size: int
    content: object  # bytes, or an open file

    @property
    def path(self):
        return "blobs/sha256/" + self.digest.removeprefix("sha256:")

    def described(self, media_type, **more):
        return {"mediaType": media_type, "digest": self.digest, "size": self.size, **more}


def full_name(ref):
    """The name that a kubelet looks for: it takes `weft:1` to mean Docker Hub's library."""
    first, slash, rest = ref.partition("/")
    if not slash:
        ref = "docker.io/library/" + ref
    elif "." not in first and ":" not in first and first != "localhost":
        ref = "docker.io/" + ref
    elif first == "docker.io" and "/" not in rest:
        ref = "docker.io/library/" + rest
    return ref if ":" in ref.rpartition("/")[2] else ref + ":latest"


def architecture_of(head):
    """The image architecture that an ELF file's first bytes name; None for any other file."""
    if head[:4] != b"\x7fELF" or len(head) < 20:
        return None
    order = "<" if head[5] == 1 else ">"
    machine = struct.unpack_from(order + "H", head, 18)[0]
    if machine not in MACHINES:
        raise ImageError(f"ELF machine {machine} has no name among images' architectures")
    return MACHINES[machine]


def inside(path):
    """A path of the image as the layer names it."""
    name = os.path.normpath(path).lstrip("/")
    if name in ("", ".") or name.startswith("../") or name == "..":
        raise ImageError(f"{path!r} is no path inside an image")
    return name


def entries(files, links, directories):
    """name -> (type, what), parents included, in the order in which they are written."""
    found = {}
    for kind, given in ((tarfile.REGTYPE, files), (tarfile.SYMTYPE, links),
                        (tarfile.DIRTYPE, directories)):
        for path, what in given.items():
            name = inside(path)
            if name in found:
                raise ImageError(f"/{name} is given twice")
            found[name] = (kind, what)
    for name in list(found):
        while name := os.path.dirname(name):
            if found.setdefault(name, (tarfile.DIRTYPE, 0o755))[0] != tarfile.DIRTYPE:
                raise ImageError(f"/{name} is a file or a link, and something is below it")
    return sorted(found.items())


def open_source(what):
    """(an open file, its size, its mode in the image)"""
    if isinstance(what, bytes):
        return io.BytesIO(what), len(what), 0o644
    source = open(what, "rb")
    status = os.fstat(source.fileno())
    return source, status.st_size, 0o755 if status.st_mode & 0o111 else 0o644


def add_file(layer, info, what):
    """Returns the architecture, if it is a program or a library."""
    source, info.size, info.mode = open_source(what)
    with source:
        head = source.read(20)
        source.seek(0)
        layer.addfile(info, source)
    return architecture_of(head)


def write_layer(stream, listed):
    """Returns the architectures of the programs in it."""
    architectures = set()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as layer:
        for name, (kind, what) in listed:
            info = tarfile.TarInfo(name)
            info.type = kind
            if kind == tarfile.REGTYPE:
                architectures.add(add_file(layer, info, what))
                continue
            info.mode = what if kind == tarfile.DIRTYPE else 0o777
            info.linkname = what if kind == tarfile.SYMTYPE else ""
            layer.addfile(info)
    return architectures - {None}


def sha256_of(stream):
    stream.seek(0)
    digest = hashlib.sha256()
    while piece := stream.read(1 << 20):
        digest.update(piece)
    return "sha256:" + digest.hexdigest()


def blob_of(value):
    content = json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
    return Blob("sha256:" + hashlib.sha256(content).hexdigest(), len(content), content)


def write_archive(out, parts):
    """Appears under its name when it is whole."""
    unfinished = f"{out}.{os.getpid()}.new"
    try:
        with tarfile.open(unfinished, "w", format=tarfile.PAX_FORMAT) as archive:
            for name, size, content in parts:
                info = tarfile.TarInfo(name)
                info.size = size
                stream = io.BytesIO(content) if isinstance(content, bytes) else content
                stream.seek(0)
                archive.addfile(info, stream)
        os.rename(unfinished, out)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(unfinished)


def one_architecture(named, found):
    if len(found | {named} - {None}) > 1:
        raise ImageError("programs of several architectures: "
                         + ", ".join(sorted(found | {named} - {None})))
    return named or next(iter(found), None) or architecture_of(host_program())


def host_program():
    with open("/proc/self/exe", "rb") as f:
        return f.read(20)


def write_image(out, ref, files, links=None, directories=None, *, entrypoint=(), command=(),
                environment=(PATH,), user="", workdir="/", architecture=None):
    """Writes the archive `out` of the image `ref` and returns its Image.

    files        {path in the image: path on this machine, or bytes}; a symbolic link on this
                 machine is followed; mode 0755 if anybody may execute the source, else 0644
    links        {path in the image: target of a symbolic link}
    directories  {path in the image: mode}; parents of everything come by themselves, 0755
    entrypoint, command, environment ("K=V"), user, workdir: the image's configuration
    architecture is read from the programs among the files unless it is told
    """
    listed = entries(files, links or {}, directories or {})
    where = os.path.dirname(os.path.abspath(out))
    with tempfile.TemporaryFile(dir=where) as stream:
        found = write_layer(stream, listed)
        architecture = one_architecture(architecture, found)
        layer = Blob(sha256_of(stream), stream.tell(), stream)
        settings = {"Entrypoint": list(entrypoint), "Cmd": list(command),
                    "Env": list(environment), "User": user, "WorkingDir": workdir}
        config = blob_of({
            "architecture": architecture, "os": "linux", "created": EPOCH,
            "config": {name: value for name, value in settings.items() if value},
            "rootfs": {"type": "layers", "diff_ids": [layer.digest]},
            "history": [{"created": EPOCH, "created_by": "deploy/image"}]})
        name = full_name(ref)
        manifest = blob_of({"schemaVersion": 2, "mediaType": MANIFEST,
                            "config": config.described(CONFIG),
                            "layers": [layer.described(LAYER)]})
        index = blob_of({"schemaVersion": 2, "mediaType": INDEX, "manifests": [manifest.described(
            MANIFEST, platform={"architecture": architecture, "os": "linux"},
            annotations={"io.containerd.image.name": name,
                         "org.opencontainers.image.ref.name": name.rpartition(":")[2]})]})
        docker = blob_of([{"Config": config.path, "Layers": [layer.path], "RepoTags": [name]}])
        write_archive(out, [("oci-layout", len(LAYOUT), LAYOUT),
                            ("index.json", index.size, index.content),
                            ("manifest.json", docker.size, docker.content),
                            *((blob.path, blob.size, blob.content)
                              for blob in (manifest, config, layer))])
    return Image(name, manifest.digest, architecture, layer.size)
