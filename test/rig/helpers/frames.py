#!/usr/bin/env python3
"""Frames nobody should send: recorded ones damaged in every way, and plain noise.

frames.py capture IF PORT    record TCP conversations with PORT until stdin ends; prints
                             a JSON list of what each side sent, in hex
frames.py sink PATH          accept on a unix socket, read what comes, hang up, until stdin ends;
                             prints a JSON list of it in hex
frames.py throw              reads a JSON order from stdin:
    {"tcp": [ADDRESS, PORT] or "unix": PATH, "seeds": [HEX...], "preamble": BYTES, "count": N,
     "seed": N}
  and prints {"frames", "connections", "hung_up", "refused", "seconds"}. `seeds` are whole
  recordings: a preamble of that many bytes, then frames of u32 length | bytes.
"""

import array
import json
import os
import random
import select
import selectors
import socket
import struct
import sys
import time

LENGTH = struct.Struct("!I")
FRAME_MAX = 65536
AT_ONCE = 24            # connections; a peer that is full must still see new ones
BATCH = 6               # frames in one write
PER_CONNECTION = 5000
REFUSED_MAX = 2000      # in a row: nobody is there any more


# ---- recording

def capture(interface, port):
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    sock.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)
    sock.bind((interface, 3))
    print("ready", flush=True)
    streams = {}
    while True:
        ready, _, _ = select.select([sock, 0], [], [])
        if sock in ready:
            add_segment(streams, sock.recv(65536), port)
        elif not os.read(0, 1):
            break
    print(json.dumps([joined(s).hex() for s in streams.values() if joined(s)]))


def add_segment(streams, data, port):
    """Keep a TCP segment of interest by its sequence number."""
    if data[12:14] != b"\x08\x00" or data[23] != 6:
        return
    ip_len, total = (data[14] & 15) * 4, struct.unpack_from("!H", data, 16)[0]
    tcp = 14 + ip_len
    source, target, number = struct.unpack_from("!HHI", data, tcp)
    if port not in (source, target):
        return
    payload = data[tcp + (data[tcp + 12] >> 4) * 4:14 + total]
    stream = streams.setdefault(data[26:34] + data[tcp:tcp + 4], {})
    if data[tcp + 13] & 2:
        stream["first"] = number + 1
    elif payload:
        stream[number] = payload


def joined(stream):
    """What came from the first byte on, until the first gap. Empty if the start is missing."""
    at, out = stream.get("first"), b""
    while at in stream:
        payload = stream[at]
        out += payload
        at = (at + len(payload)) & 0xffffffff
    return out


def sink(path):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(16)
    print("ready", flush=True)
    heard = []
    while True:
        ready, _, _ = select.select([listener, 0], [], [])
        if listener in ready:
            sock, _ = listener.accept()
            with sock:
                sock.settimeout(2)
                heard.append(read_frame(sock).hex())
        elif not os.read(0, 1):
            break
    print(json.dumps(heard))


def read_frame(sock):
    data = b""
    while len(data) < 4 or len(data) < 4 + LENGTH.unpack_from(data)[0]:
        data_now, fds, _, _ = socket.recv_fds(sock, 65536, 8)
        for fd in fds:
            os.close(fd)
        if not data_now:
            break
        data += data_now
    return data


# ---- damaging

def split(recording, preamble):
    frames, at = [], preamble
    while at + 4 <= len(recording):
        length = LENGTH.unpack_from(recording, at)[0]
        frames.append(recording[at + 4:at + 4 + length])
        at += 4 + length
    return frames


def flip(dice, body):
    if not body:
        return dice.randbytes(2)
    out = bytearray(body)
    for _ in range(dice.choice((1, 1, 1, 2, 8))):
        out[dice.randrange(len(out))] ^= 1 << dice.randrange(8)
    return bytes(out)


def overwrite(dice, body):
    out = bytearray(body or b"\0")
    at = dice.randrange(len(out))
    out[at:at + dice.randint(1, 9)] = dice.choice(
        (dice.randbytes(dice.randint(1, 12)), b"\xff" * 9 + b"\x01", b"\x80" * 10, b"\0" * 8))
    return bytes(out)


def cut(dice, body):
    return body[:dice.randrange(len(body) + 1)]


def repeat(dice, body):
    at = dice.randrange(len(body) + 1)
    piece = body[at:at + dice.randint(1, 64)]
    return body[:at] + piece * dice.randint(2, 40) + body[at:]


def noise(dice, body):
    return body[:2] + dice.randbytes(dice.choice((0, 1, 5, 40, 300, 3000)))


def pure_noise(dice, _body):
    return dice.randbytes(dice.choice((1, 2, 7, 64, 700)))


def whole(_dice, body):
    return body


DAMAGES = (flip, flip, flip, overwrite, overwrite, cut, repeat, noise, pure_noise, whole)


class Thrower:
    def __init__(self, order):
        self.order = order
        self.dice = random.Random(order["seed"])
        recordings = [bytes.fromhex(text) for text in order["seeds"]]
        self.preambles = [r[:order["preamble"]] for r in recordings if order["preamble"]]
        self.stories = [split(r, order["preamble"]) for r in recordings]
        self.stories = [story for story in self.stories if story]
        self.frames = [frame for story in self.stories for frame in story]
        self.in_a_row = 0
        self.tally = {"frames": 0, "connections": 0, "hung_up": 0, "refused": 0}

    def frame(self):
        """One damaged frame with its length, which now and then is a lie."""
        dice = self.dice
        body = dice.choice(DAMAGES)(dice, dice.choice(self.frames))[:FRAME_MAX]
        if "unix" in self.order and asks_to_leave(body):
            body = b""
        length = len(body)
        if dice.random() < 0.02:
            length = dice.choice((0, 1, length + 1, FRAME_MAX, FRAME_MAX + 1, 0xffffffff,
                                  dice.getrandbits(32)))
        return LENGTH.pack(length) + body

    def opening(self):
        """How a connection begins: mostly so that the other side listens to what follows."""
        dice, kind = self.dice, self.dice.random()
        if not self.preambles:
            return b""
        if kind < 0.05:
            return dice.randbytes(dice.randint(0, 200))
        preamble = dice.choice(self.preambles)
        if kind < 0.15:
            return flip(dice, preamble)
        if kind < 0.3:
            return preamble
        greeting = dice.choice(self.stories)[0]
        return preamble + LENGTH.pack(len(greeting)) + greeting

    def connect(self):
        if "tcp" in self.order:
            sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            target = tuple(self.order["tcp"])
        else:
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            target = self.order["unix"]
        sock.settimeout(5)
        try:
            sock.connect(target)
        except OSError:
            sock.close()
            self.tally["refused"] += 1
            self.in_a_row += 1
            if self.in_a_row > REFUSED_MAX:
                raise SystemExit(f"{target} refuses every connection: {self.tally}") from None
            return None
        self.in_a_row = 0
        self.tally["connections"] += 1
        return sock

    def send(self, sock, data):
        """With a descriptor now and then: it must be closed by whoever gets it unasked."""
        if "unix" in self.order and self.dice.random() < 0.1:
            fds = array.array("i", [self.null] * self.dice.randint(1, 5))
            sock.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
        else:
            sock.sendall(data)

    def run(self):
        self.null = os.open("/dev/null", os.O_RDWR)
        begun = time.monotonic()
        if "unix" in self.order:
            self.throw_one_each()
        else:
            self.throw_many_each()
        self.tally["seconds"] = round(time.monotonic() - begun, 1)
        return self.tally

    def throw_one_each(self):
        """A conversation of one question: read the answer, or hang up first."""
        while self.tally["frames"] < self.order["count"]:
            sock = self.connect()
            if sock is None:
                continue
            try:
                self.send(sock, self.frame())
                self.tally["frames"] += 1
                if self.dice.random() < 0.9:
                    sock.shutdown(socket.SHUT_WR)
                    while sock.recv(65536):
                        pass
                    self.tally["hung_up"] += 1
            except OSError:
                self.tally["hung_up"] += 1
            sock.close()

    def throw_many_each(self):
        selector = selectors.DefaultSelector()
        while self.tally["frames"] < self.order["count"]:
            while len(selector.get_map()) < AT_ONCE:
                sock = self.connect()
                if sock is None:
                    break
                sock.setblocking(False)
                selector.register(sock, selectors.EVENT_READ | selectors.EVENT_WRITE,
                                  {"left": PER_CONNECTION, "due": self.opening()})
            for key, events in selector.select(0.1):
                if not self.go_on(key.fileobj, key.data, events):
                    selector.unregister(key.fileobj)
                    key.fileobj.close()

    def go_on(self, sock, state, events):
        """A few more frames on an open connection. False when it is over."""
        try:
            if events & selectors.EVENT_READ and not sock.recv(65536):
                self.tally["hung_up"] += 1
                return False
            if events & selectors.EVENT_WRITE:
                if not state["due"]:
                    state["due"] = b"".join(self.frame() for _ in range(BATCH))
                    self.tally["frames"] += BATCH
                    state["left"] -= BATCH
                state["due"] = state["due"][sock.send(state["due"]):]
        except BlockingIOError:
            pass
        except OSError:
            self.tally["hung_up"] += 1
            return False
        return state["left"] > 0


def asks_to_leave(body):
    """Whether a local request could be Leave (field 12): damage must not hit on the one order
    that ends the node's membership, which root may give."""
    at = 0
    while at < len(body):
        tag, at = varint(body, at)
        if tag >> 3 == 12:
            return True
        kind = tag & 7
        if kind == 0:
            _, at = varint(body, at)
        elif kind == 2:
            length, at = varint(body, at)
            at += length
        else:
            at += {1: 8, 5: 4}.get(kind, len(body))
    return False


def varint(body, at):
    value = shift = 0
    while at < len(body):
        value |= (body[at] & 127) << shift
        shift += 7
        at += 1
        if not body[at - 1] & 128:
            break
    return value, at


def main(argv):
    if argv[0] == "capture":
        capture(argv[1], int(argv[2]))
    elif argv[0] == "sink":
        sink(argv[1])
    else:
        print(json.dumps(Thrower(json.load(sys.stdin)).run()))


if __name__ == "__main__":
    main(sys.argv[1:])
