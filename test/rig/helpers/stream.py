#!/usr/bin/env python3
"""A stream of numbered UDP packets that are echoed, to count what a path loses.

stream.py serve PORT                 echo for ever; prints "ready"
stream.py send ADDRESS PORT RATE     send until stdin ends, wait for the last echoes, print JSON

The sender prints the number of echoes so far, a line for every hundred: that is how the rig
waits for traffic instead of for time.
"""

import json
import os
import select
import socket
import struct
import sys
import time

HEAD = struct.Struct("!Qd")
BUFFER = 8 << 20        # a CPU that is busy elsewhere must not look like a lost packet
LAST_ECHO_S = 5.0


def udp_socket():
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    # SO_RCVBUFFORCE: over the limit of net.core.rmem_max.
    sock.setsockopt(socket.SOL_SOCKET, 33, BUFFER)
    return sock


def serve(port):
    sock = udp_socket()
    sock.bind(("0.0.0.0", port))
    print("ready", flush=True)
    while True:
        data, sender = sock.recvfrom(2048)
        try:
            sock.sendto(data, sender)
        except OSError:
            pass  # no route at the moment: that is a lost packet, and the sender counts it


class Sender:
    def __init__(self, address, port, rate):
        self.sock = udp_socket()
        self.sock.connect((address, port))
        self.sock.setblocking(False)
        self.interval = 1.0 / rate
        self.sent = self.refused = 0
        self.heard = set()
        self.duplicates = 0
        self.last_echo = None
        self.longest_gap = 0.0

    def send(self):
        try:
            self.sock.send(HEAD.pack(self.sent, time.monotonic()) + bytes(48))
        except OSError:
            self.refused += 1  # counts as sent and lost
        self.sent += 1

    def receive(self):
        while True:
            try:
                data = self.sock.recv(2048)
            except BlockingIOError:
                return
            except OSError:
                continue  # an ICMP error of an earlier packet
            now = time.monotonic()
            number = HEAD.unpack_from(data)[0]
            if number in self.heard:
                self.duplicates += 1
                continue
            self.heard.add(number)
            if self.last_echo is not None:
                self.longest_gap = max(self.longest_gap, now - self.last_echo)
            self.last_echo = now
            if len(self.heard) % 100 == 0:
                self.progress()

    def progress(self):
        try:
            os.write(1, b"%d\n" % len(self.heard))
        except BlockingIOError:
            pass  # nobody reads at the moment; the next line says more anyway

    def run(self):
        os.set_blocking(1, False)
        due = time.monotonic()
        while True:
            wait = max(0.0, due - time.monotonic())
            ready, _, _ = select.select([self.sock, 0], [], [], wait)
            if 0 in ready and not os.read(0, 1):
                return
            if self.sock in ready:
                self.receive()
            # After a pause of the scheduler send what is due, but never a burst of a second.
            now = time.monotonic()
            due = max(due, now - 0.05)
            while due <= now:
                self.send()
                due += self.interval

    def wait_last(self):
        deadline = time.monotonic() + LAST_ECHO_S
        while len(self.heard) < self.sent and time.monotonic() < deadline:
            select.select([self.sock], [], [], 0.05)
            self.receive()

    def result(self):
        missing = sorted(set(range(self.sent)) - self.heard)
        return {"sent": self.sent, "received": len(self.heard), "lost": len(missing),
                "refused": self.refused, "duplicates": self.duplicates,
                "longest_gap_ms": round(self.longest_gap * 1000, 1),
                "first_lost": missing[:3], "last_lost": missing[-3:]}


def main(argv):
    if argv[0] == "serve":
        serve(int(argv[1]))
    sender = Sender(argv[1], int(argv[2]), int(argv[3]))
    sender.run()
    sender.wait_last()
    os.set_blocking(1, True)
    print(json.dumps(sender.result()), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
