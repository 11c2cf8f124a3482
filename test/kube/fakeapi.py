"""A FAKE API server, for what a real one cannot be made to do: it speaks HTTPS and knows Nodes, one
ConfigMap, pages, watches and bookmarks well enough for weft-kube, and before that it does whatever
a test has put into its plans. What a real one does is for other tests."""

import collections
import copy
import json
import os
import re
import socket
import ssl
import subprocess
import threading
import urllib.parse

WAIT_S = 30
LISTED = "list"
WATCHED = "watch"
READ = "read"
CREATED = "create"
PATCHED = "patch"
LOOKED = "look"
TOKEN = "first-token"

Request = collections.namedtuple("Request", "kind method path query headers body")


# ---- certificates

def openssl(directory, *arguments):
    subprocess.run(["openssl", *arguments], cwd=directory, check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.PIPE)


def make_authority(directory, name):
    """NAME.crt, whose key signs servers."""
    openssl(directory, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
            "-nodes", "-days", "2", "-subj", f"/CN={name}", "-keyout", f"{name}.key",
            "-out", f"{name}.crt")


def make_server(directory, name, authority, address="127.0.0.1"):
    """NAME.pem: key and certificate of a server at that address."""
    openssl(directory, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
            "-nodes", "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
    with open(os.path.join(directory, f"{name}.ext"), "w", encoding="ascii") as f:
        f.write(f"subjectAltName=IP:{address}\n")
    openssl(directory, "x509", "-req", "-in", f"{name}.csr", "-CA", f"{authority}.crt", "-CAkey",
            f"{authority}.key", "-CAcreateserial", "-days", "2", "-extfile", f"{name}.ext",
            "-out", f"{name}.crt")
    with open(os.path.join(directory, f"{name}.pem"), "w", encoding="ascii") as whole:
        for part in ("key", "crt"):
            with open(os.path.join(directory, f"{name}.{part}"), encoding="ascii") as f:
                whole.write(f.read())
    return os.path.join(directory, f"{name}.pem")


# ---- objects

def node(name, uid=None, address="192.0.2.1", version=1, padding=0, conditions=()):
    addresses = [{"type": "Hostname", "address": name}]
    if address:
        addresses.insert(0, {"type": "InternalIP", "address": address})
    return {
        "kind": "Node", "apiVersion": "v1",
        "metadata": {"name": name, "uid": uid or f"uid-of-{name}",
                     "resourceVersion": str(version),
                     "labels": {"kubernetes.io/hostname": name}, "annotations": {"é": "\n\"{["}},
        "spec": {"taints": [{"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}]},
        "status": {"conditions": [{"type": "Ready", "status": "True"}, *conditions],
                   "addresses": addresses,
                   "images": [{"names": [f"registry.test/image@sha256:{i:064x}"],
                               "sizeBytes": 12345678 + i} for i in range(padding)]},
    }


def status(code, message="no", **more):
    return {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
            "message": message, **more}


NETWORK_UP = {"type": "NetworkUnavailable", "status": "False", "reason": "WeftIsUp"}


# ---- what it may be made to do: each is given the connection and the request

def refuses(code, headers="", message="no"):
    def do(conn, request):
        conn.reply(code, status(code, message), headers)
    return do


def says(text, headers=""):
    """200 and this text, whatever it is."""
    def do(conn, request):
        conn.reply(200, text, headers)
    return do


def breaks_off(text, length=100_000):
    """A promise of so many bytes, some of them, and the end."""
    def do(conn, request):
        conn.send(f"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{text}")
        conn.hang_up()
    return do


def sends(data):
    """Bytes that need not be HTTP, and the end."""
    def do(conn, request):
        conn.send(data)
        conn.hang_up()
    return do


def hangs(conn, request):
    conn.wait_for_end()


def dribbles(text):
    """A byte of the answer whenever the other side has not hung up for a tenth of a second."""
    def do(conn, request):
        conn.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        for byte in text * 100_000:
            conn.send(byte)
            if conn.has_ended(0.1):
                break
        conn.hang_up()
    return do


def streams(*lines, end=True):
    """A watch with these lines, then its end, proper or (None) not at all, or (False) cut off."""
    def do(conn, request):
        conn.begin_stream()
        for line in lines:
            conn.chunk(line if isinstance(line, str) else json.dumps(line) + "\n")
        if end is None:
            conn.wait_for_end()
        elif end:
            conn.send("0\r\n\r\n")
        else:
            conn.hang_up()
    return do


class Conn:
    def __init__(self, api, sock):
        self.api = api
        self.sock = sock
        self.buffer = b""
        self.over = False

    def send(self, data):
        self.sock.sendall(data.encode() if isinstance(data, str) else data)

    def hang_up(self):
        self.over = True

    def reply(self, code, body, headers=""):
        data = body if isinstance(body, str) else json.dumps(body)
        self.send(f"HTTP/1.1 {code} Word\r\nContent-Type: application/json\r\n{headers}"
                  f"Content-Length: {len(data.encode())}\r\n\r\n{data}")

    def begin_stream(self):
        self.send("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                  "Transfer-Encoding: chunked\r\n\r\n")

    def chunk(self, text):
        data = text.encode()
        self.send(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def has_ended(self, seconds):
        """True when the other side hung up within that time."""
        self.sock.settimeout(seconds)
        try:
            return not self.sock.recv(1)
        except TimeoutError:
            return False
        except OSError:
            return True
        finally:
            self.sock.settimeout(WAIT_S)

    def wait_for_end(self):
        self.has_ended(WAIT_S)
        self.hang_up()

    def fill(self):
        some = self.sock.recv(65536)
        if not some:
            raise EOFError
        self.buffer += some

    def request(self):
        while b"\r\n\r\n" not in self.buffer:
            self.fill()
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = {name.lower(): value.strip()
                   for name, _, value in (line.partition(":") for line in lines)}
        while len(self.buffer) < int(headers.get("content-length", 0)):
            self.fill()
        body, self.buffer = self.buffer, b""
        method, target, _ = first.split(" ")
        path, _, query = target.partition("?")
        query = dict(urllib.parse.parse_qsl(query))
        return Request(kind_of(method, path, query), method, path, query, headers, body)


def kind_of(method, path, query):
    if path == "/api/v1/nodes" and method == "GET":
        return WATCHED if "watch" in query else LISTED
    if method == "PATCH" and re.fullmatch(r"/api/v1/nodes/[^/]+/status", path):
        return PATCHED
    if method == "GET" and re.fullmatch(r"/api/v1/nodes/[^/]+", path):
        return LOOKED
    if path == "/api/v1/namespaces/weft/configmaps/weft" and method == "GET":
        return READ
    if path == "/api/v1/namespaces/weft/configmaps" and method == "POST":
        return CREATED
    return f"{method} {path}"


class FakeApi:
    """Does what is planned for a kind of request, one plan each, None for nothing special, and
    afterwards what an API server does. All that it holds may be looked at and changed under
    `changed`, a condition."""

    def __init__(self, certificate, nodes=(), page=None):
        self.certificate = certificate
        self.changed = threading.Condition()
        self.version = 100
        self.nodes = {n["metadata"]["name"]: n for n in nodes}
        self.events = []  # (version, type, object)
        self.oldest = 0   # versions before it were forgotten
        self.configmap = None
        self.page = page  # nodes, instead of what is asked for
        self.tokens = {TOKEN}
        self.requests, self.streams = [], 0
        self.plans = collections.defaultdict(list)
        self.stopping = False
        self.conns, self.threads = set(), []
        self.socket = None
        self.port = 0
        self.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    @property
    def url(self):
        return f"https://127.0.0.1:{self.port}"

    def start(self):
        """Also after stop(), at the same port."""
        self.stopping = False
        self.socket = socket.create_server(("127.0.0.1", self.port), backlog=64)
        self.port = self.socket.getsockname()[1]
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate)
        self.spawn(self.accept, context)

    def stop(self):
        with self.changed:
            self.stopping = True
            self.changed.notify_all()
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        for sock in list(self.conns):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        for thread in self.threads:
            thread.join(WAIT_S)
        self.threads.clear()

    def spawn(self, function, *arguments):
        thread = threading.Thread(target=function, args=arguments, daemon=True)
        self.threads.append(thread)
        thread.start()

    def accept(self, context):
        while True:
            try:
                sock, _ = self.socket.accept()
            except OSError:
                return
            self.spawn(self.serve, sock, context)

    def serve(self, sock, context):
        sock.settimeout(WAIT_S)
        self.conns.add(sock)
        try:
            with context.wrap_socket(sock, server_side=True) as secure:
                self.conns.add(secure)
                conn = Conn(self, secure)
                while not conn.over and not self.stopping:
                    self.answer(conn, conn.request())
                self.conns.discard(secure)
        except (OSError, EOFError, ValueError):
            pass  # the other side went away, or would not have us
        finally:
            self.conns.discard(sock)
            sock.close()

    def answer(self, conn, request):
        with self.changed:
            plan = self.plans[request.kind].pop(0) if self.plans[request.kind] else None
            self.requests.append(request)
            self.changed.notify_all()
        if plan:
            plan(conn, request)
        elif request.headers.get("authorization", "").removeprefix("Bearer ") not in self.tokens:
            conn.reply(401, status(401, "Unauthorized"))
        else:
            getattr(self, "do_" + request.kind, self.do_not_found)(conn, request)

    # ---- what an API server does

    def do_not_found(self, conn, request):
        conn.reply(404, status(404, f"{request.kind} is not here"))

    def do_list(self, conn, request):
        with self.changed:
            names = sorted(self.nodes)
            limit = self.page or int(request.query.get("limit", len(names) or 1))
            at = int(request.query.get("continue", "0").removeprefix("from=/"))
            rest = {"continue": f"from=/{at + limit}"} if at + limit < len(names) else {}
            body = {"kind": "NodeList", "apiVersion": "v1",
                    "metadata": {"resourceVersion": str(self.version), **rest},
                    "items": [self.nodes[name] for name in names[at:at + limit]]}
        conn.reply(200, body)

    def do_watch(self, conn, request):
        at = int(request.query["resourceVersion"])
        if at < self.oldest:
            conn.reply(410, status(410, f"too old resource version: {at}", reason="Expired"))
            return
        conn.begin_stream()
        with self.changed:
            self.streams += 1
            self.changed.notify_all()
        try:
            while True:
                with self.changed:
                    self.changed.wait_for(lambda: self.stopping or self.version > at, WAIT_S)
                    if self.stopping:
                        return
                    news = [e for e in self.events if e[0] > at]
                    at = self.version
                for _, kind, what in news:
                    conn.chunk(json.dumps({"type": kind, "object": what}) + "\n")
        finally:
            conn.hang_up()

    def do_read(self, conn, request):
        if self.configmap:
            conn.reply(200, self.configmap)
        else:
            conn.reply(404, status(404, 'configmaps "weft" not found', reason="NotFound"))

    def do_create(self, conn, request):
        with self.changed:
            if self.configmap:
                conn.reply(409, status(409, "already exists", reason="AlreadyExists"))
                return
            self.configmap = json.loads(request.body)
            self.changed.notify_all()
        conn.reply(201, self.configmap)

    def do_look(self, conn, request):
        found = self.nodes.get(request.path.split("/")[4])
        conn.reply(200 if found else 404, found or status(404, "no such node"))

    def do_patch(self, conn, request):
        name = request.path.split("/")[4]
        patch = json.loads(request.body)
        conditions = patch["status"]["conditions"]
        wanted = patch.get("metadata", {}).get("resourceVersion")
        with self.changed:
            new = copy.deepcopy(self.nodes.get(name))
            if new and wanted not in (None, new["metadata"]["resourceVersion"]):
                conn.reply(409, status(409, "the object has been modified", reason="Conflict"))
                return
            if new:
                kept = [c for c in new["status"]["conditions"]
                        if c["type"] not in {p["type"] for p in conditions}]
                new["status"]["conditions"] = kept + [c for c in conditions
                                                      if c.get("$patch") != "delete"]
                self.happened("MODIFIED", new)
        conn.reply(200 if new else 404, new or status(404, "no such node"))

    # ---- what happens in the cluster

    def happened(self, kind, what):
        """An event for all watches, under `changed`; the object gets its version."""
        self.version += 1
        what["metadata"]["resourceVersion"] = str(self.version)
        self.events.append((self.version, kind, what))
        if kind == "DELETED":
            self.nodes.pop(what["metadata"]["name"], None)
        elif kind != "BOOKMARK":
            self.nodes[what["metadata"]["name"]] = what
        self.changed.notify_all()

    def happens(self, kind, what):
        with self.changed:
            self.happened(kind, copy.deepcopy(what))

    def forget_history(self):
        with self.changed:
            self.version += 10
            self.oldest = self.version
            self.events.clear()

    def count(self, kind):
        return sum(request.kind == kind for request in self.requests)

    def last(self, kind):
        return [request for request in self.requests if request.kind == kind][-1]

    def wait(self, condition, what):
        with self.changed:
            if not self.changed.wait_for(lambda: condition(self), WAIT_S):
                raise AssertionError(f"waited {WAIT_S} s: {what}; requests: "
                                     f"{[(r.kind, r.query) for r in self.requests][-10:]}")
