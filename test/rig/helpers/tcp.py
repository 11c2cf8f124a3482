#!/usr/bin/env python3
"""Who answers, and whom does it see?

tcp.py serve NAME PORT...         to everybody who connects: a JSON line with NAME and the
                                  client's address, then what it sends, until it has sent all
tcp.py ask ADDRESS PORT [BYTES [SOURCE]]
                                  connect, send BYTES bytes, print that line with "echoed" added
"""

import json
import selectors
import socket
import sys

TIMEOUT_S = 10


def serve(name, ports):
    selector = selectors.DefaultSelector()
    for port in ports:
        for listener in listeners(port):
            selector.register(listener, selectors.EVENT_READ)
    print("ready", flush=True)
    while True:
        for key, _ in selector.select():
            try:
                answer(name, key.fileobj)
            except OSError:
                pass  # the client is gone or slow; the next one waits


def listeners(port):
    """One a family, so that clients are named as they are and not mapped."""
    yield socket.create_server(("0.0.0.0", port), backlog=64)
    if socket.has_dualstack_ipv6():
        yield socket.create_server(("::", port), family=socket.AF_INET6, backlog=64)


def answer(name, listener):
    sock, client = listener.accept()
    with sock:
        sock.settimeout(TIMEOUT_S)
        sock.sendall(json.dumps({"name": name, "client": client[0]}).encode() + b"\n")
        while data := sock.recv(65536):
            sock.sendall(data)


def ask(address, port, length, source):
    with socket.create_connection((address, port), TIMEOUT_S, source and (source, 0)) as sock:
        sock.settimeout(TIMEOUT_S)
        stream = sock.makefile("rb")
        said = json.loads(stream.readline())
        echoed, chunk = 0, bytes(16384)
        while echoed < length:
            part = chunk[:length - echoed]
            sock.sendall(part)
            echoed += len(stream.read(len(part)))
        said["echoed"] = echoed
    print(json.dumps(said))


def main(argv):
    if argv[0] == "serve":
        serve(argv[1], [int(port) for port in argv[2:]])
    ask(argv[1], int(argv[2]), int(argv[3]) if len(argv) > 3 else 0,
        argv[4] if len(argv) > 4 else None)


if __name__ == "__main__":
    main(sys.argv[1:])
