#!/usr/bin/env python3
"""Frames nobody should send: recorded ones damaged in every way, and plain noise.

frames.py capture IF PORT    record TCP conversations with PORT until stdin ends; prints a JSON
                             list of {"from", "hex"}: what each side sent
frames.py sink PATH          accept on a unix socket, read what comes, hang up, until stdin ends;
                             prints a JSON list of it in hex
frames.py throw              reads a JSON order from stdin:
    {"unix": PATH, "seeds": [HEX...], "count": N, "seed": N}
    {"tcp": [ADDRESS, PORT], "seeds": [HEX...], "preamble": BYTES, "speaks": [HEX...],
     "speaker": HEX, "count": N, "seed": N}
  and prints {"frames", "connections", "hung_up", "refused", "seconds"}. `seeds` are recordings: a
  preamble of that many bytes, then frames of u32 length | bytes. Connections greet as in
  `speaks`, with other uids in place of `speaker`. "connections" and "connects_a_second" make it a
  flood.
"""

import array
import functools
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
AT_ONCE = 20            # connections
CONNECTS_A_SECOND = 60  # more than an agent takes
SPEAKERS = 500          # who greets; a second connection of one ends its first
PING = b"\x03"
NAMING = (b"\x09", b"\x0a")   # FEED names the cluster, COMMAND its speaker: both are looked at
CLOSING = (b"\x01", b"\x02")  # types that end a connection when they come again: HELLO, BYE
HARSH = 0.003           # frames that most likely end the connection, among those that do not
BENT_AT_WILL = 0.008    # up to here; a third of these end it, too
BATCH = 12              # frames in one write
PER_CONNECTION = 20000
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
    print(json.dumps([{"from": socket.inet_ntoa(ends[:4]), "hex": joined(stream).hex()}
                      for ends, stream in streams.items() if joined(stream)]))


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


def leaves(body, at, end, depth=0):
    """Where the values of a protobuf message are, messages inside it included: a list of (kind,
    from, to). None if this is no message."""
    found = []
    while at < end:
        tag, at = varint(body, at)
        kind, start = tag & 7, at
        if kind == 0:
            _, at = varint(body, at)
        elif kind == 2:
            length, start = varint(body, at)
            at = start + length
        elif kind in (1, 5):
            at += 8 if kind == 1 else 4
        if at > end or at <= start - (kind == 2) or tag < 8 or kind in (3, 4, 6, 7):
            return None
        inside = leaves(body, start, at, depth + 1) if kind == 2 and depth < 4 else None
        found += inside or ([(kind, start, at)] if at > start else [])
    return found


def bend(dice, body, gently=False):
    """Another message of the same shape: some of its values are others. Gently: only values of
    which any will do, as nonces, digests, versions and identities are."""
    out = bytearray(body)
    where = values(body, gently)
    for kind, start, end in dice.sample(where, min(len(where), dice.choice((1, 1, 1, 2, 5)))):
        if kind == 0:
            for at in range(start, end):
                out[at] = out[at] & 128 | dice.randrange(128)
            out[end - 1] |= end > start + 1  # no padded number
        elif dice.random() < 0.5:
            out[dice.randrange(start, end)] ^= 1 << dice.randrange(8)
        else:
            out[start:end] = dice.randbytes(end - start)
    return bytes(out)


@functools.lru_cache(1000)
def values(body, gently):
    where = leaves(body, 2, len(body))
    return [leaf for leaf in where if not gently or any_will_do(body, *leaf)]


def any_will_do(body, kind, start, end):
    if kind == 2:
        return end - start in (16, 32) and body[:1] not in NAMING
    return kind in (1, 5) or body[:1] == PING


DAMAGES = (flip, flip, flip, overwrite, overwrite, cut, repeat, noise, pure_noise, whole)


class Thrower:
    """Throws until `count` frames have gone to somebody who was there to read them."""

    def __init__(self, order):
        self.order = order
        self.dice = random.Random(order["seed"])
        self.null = os.open("/dev/null", os.O_RDWR)
        self.in_a_row = 0
        self.tally = {"frames": 0, "connections": 0, "hung_up": 0, "refused": 0}

    def run(self):
        begun = time.monotonic()
        self.throw()
        self.tally["seconds"] = round(time.monotonic() - begun, 1)
        return self.tally

    def connect(self, family, target):
        """A connected socket, or None."""
        sock = socket.socket(family, socket.SOCK_STREAM)
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

    def damaged(self, frames):
        return self.dice.choice(DAMAGES)(self.dice, self.dice.choice(frames))[:FRAME_MAX]

    def with_length(self, body):
        """Now and then the length is a lie."""
        length, dice = len(body), self.dice
        if dice.random() < 0.02:
            length = dice.choice((0, 1, length + 1, FRAME_MAX, FRAME_MAX + 1, 0xffffffff,
                                  dice.getrandbits(32)))
        return LENGTH.pack(length) + body


class LocalThrower(Thrower):
    """A conversation of one question each: read the answer, or hang up first."""

    def throw(self):
        frames = [frame for seed in self.order["seeds"] for frame in split(bytes.fromhex(seed), 0)]
        while self.tally["frames"] < self.order["count"]:
            sock = self.connect(socket.AF_UNIX, self.order["unix"])
            if sock is None:
                continue
            with sock:
                self.ask(sock, self.damaged(frames))

    def ask(self, sock, body):
        try:
            self.send(sock, self.with_length(b"" if asks_to_leave(body) else body))
            self.tally["frames"] += 1
            if self.dice.random() < 0.9:
                sock.shutdown(socket.SHUT_WR)
                while sock.recv(65536):
                    pass
                self.tally["hung_up"] += 1
        except OSError:
            self.tally["hung_up"] += 1

    def send(self, sock, data):
        """With descriptors now and then: they must be closed by whoever gets them unasked."""
        if self.dice.random() < 0.1:
            fds = array.array("i", [self.null] * self.dice.randint(1, 5))
            sock.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
        else:
            sock.sendall(data)


class Talk:
    """One connection with an agent: what is due to be said, and whether anybody listens."""

    def __init__(self, sock, due, frames, harsh):
        self.sock, self.due, self.frames, self.harsh = sock, due, frames, harsh
        self.heard = 0  # bytes; an agent that takes a connection says its preamble at once
        self.left = PER_CONNECTION


class PeerThrower(Thrower):
    """An agent takes 50 connections a second, and one frame that cannot be read ends a
    connection. So most connections go on with frames that can be read and mean something else
    (bent), and end in one that cannot; the others are broken from the start."""

    def throw(self):
        order = self.order
        recordings = [bytes.fromhex(text) for text in order["seeds"]]
        self.preambles = [r[:order["preamble"]] for r in recordings]
        self.stories = [split(r, order["preamble"]) for r in recordings]
        self.greetings = [split(bytes.fromhex(text), order["preamble"])[0]
                          for text in order["speaks"]]
        self.speaker = bytes.fromhex(order["speaker"])
        self.uids = [self.dice.randbytes(len(self.speaker)) for _ in range(SPEAKERS)]
        self.selector = selectors.DefaultSelector()
        self.tally.update(turned_away=0)
        due = time.monotonic()
        interval = 1 / order.get("connects_a_second", CONNECTS_A_SECOND)
        while self.goes_on():
            if len(self.selector.get_map()) < AT_ONCE and time.monotonic() >= due:
                due = max(due + interval, time.monotonic() - 1)
                self.begin()
            for key, events in self.selector.select(interval):
                if not self.go_on(key.data, events):
                    self.selector.unregister(key.fileobj)
                    key.fileobj.close()

    def goes_on(self):
        return (self.tally["frames"] < self.order["count"] or
                self.tally["connections"] < self.order.get("connections", 0))

    def begin(self):
        sock = self.connect(socket.AF_INET, tuple(self.order["tcp"]))
        if sock is None:
            return
        sock.setblocking(False)
        # What lies unread when the agent hangs up was thrown for nothing.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        uid = self.dice.choice(self.uids)
        frames = [frame.replace(self.speaker, uid) for story in self.stories for frame in story]
        gentle = [frame for frame in frames if frame[:1] not in CLOSING]
        due, greeted = self.opening(uid)
        talk = Talk(sock, due, gentle if greeted else frames, not greeted)
        self.selector.register(sock, selectors.EVENT_READ | selectors.EVENT_WRITE, talk)

    def opening(self, uid):
        """How a connection begins, and whether the other side listens to what follows."""
        dice, kind = self.dice, self.dice.random()
        if kind < 0.05:
            return dice.randbytes(dice.randint(0, 200)), False
        preamble = dice.choice(self.preambles)
        if kind < 0.1:
            return flip(dice, preamble), False
        if kind < 0.2:
            return preamble, False
        greeting = dice.choice(self.greetings).replace(self.speaker, uid)
        if kind < 0.3:
            return preamble + self.with_length(self.damaged([greeting])), False
        return preamble + LENGTH.pack(len(greeting)) + greeting, True

    def next_frame(self, talk):
        dice, kind = self.dice, self.dice.random()
        if talk.harsh or kind < HARSH:
            return self.with_length(self.damaged(talk.frames))
        body = dice.choice(talk.frames)
        if kind < 0.8:
            body = bend(dice, body, kind > BENT_AT_WILL)
        elif kind < 0.9:  # of a type that nobody knows, and that may be skipped
            body = bytes([dice.randint(100, 255), 0]) + dice.randbytes(dice.randint(0, 300))
        return LENGTH.pack(len(body)) + body

    def go_on(self, talk, events):
        """A few more frames on an open connection. False when it is over."""
        try:
            if events & selectors.EVENT_READ:
                data = talk.sock.recv(65536)
                talk.heard += len(data)
                if not data:
                    raise ConnectionResetError
            if events & selectors.EVENT_WRITE and (talk.heard or talk.left == PER_CONNECTION):
                self.say(talk)
        except BlockingIOError:
            pass
        except OSError:
            self.tally["hung_up" if talk.heard else "turned_away"] += 1
            return False
        return talk.left > 0

    def say(self, talk):
        """Nothing beyond the opening before the agent has shown that it reads."""
        if not talk.due:
            if not talk.heard:
                return
            talk.due = b"".join(self.next_frame(talk) for _ in range(BATCH))
            self.tally["frames"] += BATCH
            talk.left -= BATCH
        talk.due = talk.due[talk.sock.send(talk.due):]


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
        order = json.load(sys.stdin)
        print(json.dumps((PeerThrower if "tcp" in order else LocalThrower)(order).run()))


if __name__ == "__main__":
    main(sys.argv[1:])
