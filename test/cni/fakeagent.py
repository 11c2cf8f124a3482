"""An agent's socket without an agent: it takes the real programs' connections, keeps what they
sent, and behaves as each case wants. Whether the real agent behaves so is for other tests."""

import array
import os
import socket
import struct
import threading

import localproto

LENGTH = struct.Struct(">I")
WAIT_S = 20  # longer than any program here waits, so a case that hangs fails in the program


def frame(answer):
    data = answer if isinstance(answer, bytes) else localproto.encode("Answer", answer)
    return LENGTH.pack(len(data)) + data


class Conn:
    """One connection, seen from the agent."""

    def __init__(self, sock):
        self.sock = sock
        self.fds = []

    def read(self, size):
        """Exactly size bytes. Descriptors count only if they come with the very first byte."""
        data = b""
        while len(data) < size:
            room = socket.CMSG_SPACE(4 * array.array("i").itemsize)
            some, control, flags, _ = self.sock.recvmsg(size - len(data), room)
            if not some:
                raise EOFError(f"{len(data)} of {size} bytes, then the end")
            if flags & socket.MSG_CTRUNC:
                raise ValueError("more descriptors than anybody expects")
            for level, kind, raw in control:
                if (level, kind) != (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                    raise ValueError(f"control message {level}/{kind}")
                fds = array.array("i")
                fds.frombytes(raw)
                self.fds += fds
            data += some
        return data

    def request(self):
        first = self.read(1)
        self.fds, early = [], self.fds
        (size,) = LENGTH.unpack(first + self.read(LENGTH.size - 1))
        data = self.read(size)
        if self.fds:
            raise ValueError("descriptors after the first byte")
        self.fds = early
        return localproto.decode("Request", data)


def answers(**fields):
    """A behaviour: read the request, answer it."""
    def behave(conn, agent):
        agent.note(conn)
        conn.sock.sendall(frame({"version": 1, **fields}))
    return behave


def answers_bytes(data):
    """The same with bytes that are whatever they are, a frame or not."""
    def behave(conn, agent):
        agent.note(conn)
        conn.sock.sendall(data)
    return behave


def answers_in_pieces(**fields):
    def behave(conn, agent):
        agent.note(conn)
        for byte in frame({"version": 1, **fields}):
            conn.sock.sendall(bytes([byte]))
    return behave


def answers_unread(**fields):
    """Answers before the request has come, as for a frame that is refused by its length."""
    def behave(conn, agent):
        conn.read(LENGTH.size)
        agent.requests.append(None)
        conn.sock.sendall(frame({"version": 1, **fields}))
    return behave


def hangs_up(conn, agent):
    agent.note(conn)


def hangs_up_in_answer(conn, agent):
    agent.note(conn)
    conn.sock.sendall(frame({"version": 1, "output": b"half of this"})[:9])


def says_nothing(conn, agent):
    """Until the program gives up."""
    agent.note(conn)
    conn.sock.recv(1)


class FakeAgent:
    """Behaves as `behaviours` say, one a connection, the last one for all that follow."""

    def __init__(self, path, *behaviours):
        self.path = path
        self.behaviours = list(behaviours)
        self.requests, self.fds, self.errors = [], [], []
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(path)
        self.socket.listen(16)
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def note(self, conn):
        self.requests.append(conn.request())
        self.fds.append(conn.fds)

    def serve(self):
        while True:
            try:
                sock, _ = self.socket.accept()
            except OSError:
                return  # stop
            behave = self.behaviours.pop(0) if len(self.behaviours) > 1 else self.behaviours[0]
            sock.settimeout(WAIT_S)
            with sock:
                try:
                    behave(Conn(sock), self)
                except (OSError, EOFError, ValueError, KeyError) as error:
                    self.errors.append(repr(error))

    def stop(self):
        """Nobody listens afterwards; the socket stays in the file system, as after a crash."""
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join(WAIT_S)
        for fd in sum(self.fds, []):
            os.close(fd)

    def only_request(self):
        if self.errors or len(self.requests) != 1:
            raise AssertionError(f"{len(self.requests)} requests, errors {self.errors}")
        return self.requests[0]
