#!/usr/bin/env python3
# weft-test: name=shim time=120 needs=root tier=quick build=gcc
"""The real shim, as a runtime executes it, against a FAKE agent (fakeagent.py): what the shim
itself answers for. What the agent answers for (the configuration's content, results, the pod's
interface) is tested with a real agent elsewhere."""

import atexit
import fcntl
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "rig"))

import cases
import fakeagent
from cases import case, contains, equal, table
from fakeagent import FakeAgent, answers
from space import wait_until

SHIM = os.path.join(cases.builds("WEFT_BUILD")[0], "cni-shim", "weft")
WAIT_S = 20
CONFIG = b'{"cniVersion":"1.0.0","name":"pods","type":"weft"}'
SIOCGSKNS = 0x894C  # the namespace of a socket
ALL = {"ADD": ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"),
       "CHECK": ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"),
       "DEL": ("CNI_CONTAINERID", "CNI_IFNAME")}

tmp = tempfile.mkdtemp(prefix="weft-s-")  # short: a socket's path has 107 bytes
atexit.register(shutil.rmtree, tmp)
sockets = 0
netns = None


def new_path():
    """Short enough for a socket, different for each case."""
    global sockets
    sockets += 1
    return os.path.join(tmp, f"s{sockets}")


def env_of(command, path, **changes):
    """A runtime's environment. A change to None takes the variable out."""
    env = {"CNI_COMMAND": command, "CNI_CONTAINERID": "c0ffee", "CNI_NETNS": netns.path,
           "CNI_IFNAME": "eth0", "WEFT_SOCKET": path, **changes}
    return {name: value for name, value in env.items() if value is not None}


class Done:
    """How a shim ended. stdout is either nothing or one JSON object with a newline."""

    def __init__(self, process, stdout, stderr):
        self.code, self.stdout, self.stderr = process.returncode, stdout, stderr

    def problem(self, code):
        """The CNI error object, which must be one and nothing else."""
        equal(self.code, 1, "exit status")
        equal(self.stderr, b"", "stderr")
        error = json.loads(self.stdout.decode("utf-8"))
        equal(sorted(set(error) - {"details"}), ["cniVersion", "code", "msg"], "keys")
        equal(error["cniVersion"], "1.1.0", "cniVersion")
        equal(error["code"], code, f"code of {error}")
        if len(self.stdout) > 1024:
            raise AssertionError(f"{len(self.stdout)} bytes are too many for an event")
        return error["msg"] + "; " + error.get("details", "")


def start(command, path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, program=(SHIM,), **changes):
    return subprocess.Popen(program, env=env_of(command, path, **changes), cwd="/", stdin=stdin,
                            stdout=stdout, stderr=subprocess.PIPE)


def finish(process, stdin=None):
    try:
        return Done(process, *process.communicate(stdin, timeout=WAIT_S))
    finally:
        process.kill()


def run(command, path, stdin=CONFIG, **changes):
    return finish(start(command, path, **changes), stdin)


def nobody():
    """A path where nobody may be asked: the case fails if the shim dials it."""
    return FakeAgent(new_path(), answers(exit_code=99, output=b"asked"))


def asks_nobody(code, command, stdin=CONFIG, **changes):
    with nobody() as agent:
        text = run(command, agent.path, stdin, **changes).problem(code)
        equal(agent.requests + agent.errors, [], "what the agent was asked")
    return text


def carried(command, stdin=CONFIG, **changes):
    """The request that the agent got; the shim must pass on its answer."""
    with FakeAgent(new_path(), answers(output=b"{}")) as agent:
        done = run(command, agent.path, stdin, **changes)
        equal((done.code, done.stdout, done.stderr), (0, b"{}", b""), "the shim's end")
        return agent.only_request()["cni"]


# ---- the environment

@table([("lower case", "add"), ("unknown", "FOO"), ("a blank", "ADD "), ("long", "A" * 5000)])
def unknown_command(command):
    contains(asks_nobody(4, command), "unknown CNI_COMMAND: " + command[:100], "message")


@table([("unset", None), ("empty", "")])
def without_a_command(command):
    done = run(command, "/nowhere", CNI_CONTAINERID=None)
    equal((done.code, done.stdout), (0, b""), "end")
    contains(done.stderr, b"CNI weft plugin v", "stderr")
    contains(done.stderr, b"0.4.0, 1.0.0, 1.1.0", "stderr")


def missing_rows():
    for command, names in ALL.items():
        for mask in range(1, 1 << len(names)):
            missing = [name for i, name in enumerate(names) if mask >> i & 1]
            for empty in (None, ""):
                how = "empty" if empty == "" else "unset"
                yield f"{command} {'+'.join(missing)} {how}", command, missing, empty


@table(missing_rows())
def missing_variables(command, missing, empty):
    text = asks_nobody(4, command, **dict.fromkeys(missing, empty))
    contains(text, f"required env variables [{','.join(missing)}] missing", "message")


@case
def path_is_carried_nowhere():
    carried("DEL", CNI_PATH="/opt/cni/bin")
    carried("DEL", CNI_PATH=None)


@table([("one", "a"), ("hex", "0f" * 32), ("253", "b" * 253), ("4096", "c" * 4096),
        ("all kinds", "A9z_.-"), ("as ctr", "default-web.1")])
def good_id(container_id):
    equal(carried("DEL", CNI_CONTAINERID=container_id)["container_id"], container_id, "id")


@table([("dash first", "-a"), ("dot first", ".a"), ("line first", "_a"), ("plus", "a+b"),
        ("slash", "a/../b"), ("percent", "a%62"), ("blank", "a b"), ("newline", "ab\n"),
        ("umlaut", "\u00e4"), ("not UTF-8", "a\udcff"), ("quote", 'a"b\\')])
def bad_id(container_id):
    text = asks_nobody(4, "ADD", CNI_CONTAINERID=container_id)
    contains(text, container_id.replace("\udcff", "\ufffd"), "message")


@table([("15 bytes", "i" * 15), ("one", "e"), ("15 bytes of UTF-8", "\u00e9" * 7 + "1"),
        ("dots", "..."), ("a dash", "eth-0.1@x")])
def good_ifname(ifname):
    equal(carried("DEL", CNI_IFNAME=ifname)["ifname"], ifname, "ifname")


@table([("16 bytes", "i" * 16), ("16 bytes of UTF-8", "\u00e9" * 8), ("dot", "."), ("dots", ".."),
        ("slash", "a/b"), ("colon", "a:b"), ("blank", "eth 0"), ("tab", "eth\t0"),
        ("newline", "eth0\n"), ("carriage return", "\reth0"), ("vertical tab", "a\vb"),
        ("form feed", "a\fb"), ("U+0085", "a\u0085"), ("U+00A0", "a\u00a0b"),
        ("U+1680", "a\u1680"), ("U+2000", "a\u2000b"), ("U+200A", "a\u200ab"),
        ("U+2028", "a\u2028b"), ("U+2029", "a\u2029b"), ("U+202F", "a\u202fb"),
        ("U+205F", "a\u205fb"), ("U+3000", "a\u3000b"),
        ("a byte that the kernel takes for a space", "\u00e0"), ("a pattern", "eth%d")])
def bad_ifname(ifname):
    for command in ALL:
        contains(asks_nobody(4, command, CNI_IFNAME=ifname), "CNI_IFNAME", "message")


@case
def neighbours_of_white_space_are_none():
    for ifname in ("a\u200b", "a\u2013b", "a\u2027"):
        equal(carried("DEL", CNI_IFNAME=ifname)["ifname"], ifname, "ifname")


@case
def netns_is_echoed_as_it_was_said():
    path = netns.path.replace("/proc/", "/proc/../proc//./")
    equal(carried("ADD", CNI_NETNS=path)["netns"], path, "netns")


def no_namespaces():
    plain, fifo = os.path.join(tmp, "plain"), os.path.join(tmp, "fifo")
    with open(plain, "wb"):
        os.mkfifo(fifo)
    return [("missing", "/run/netns/weft-s-none"), ("plain file", plain), ("fifo", fifo),
            ("directory", tmp), ("another kind", "/proc/self/ns/uts"), ("device", "/dev/null"),
            ("too long", "/" + "n" * 5000)]


@table(no_namespaces())
def no_namespace(path):
    contains(asks_nobody(8, "ADD", CNI_NETNS=path), path[:200], "message")
    # For DEL the namespace is gone, which is no reason to keep the address.
    equal(carried("DEL", CNI_NETNS=path)["netns"], path, "netns")


@case
def empty_namespace_is_gone_for_DEL():
    for path in ("", None):
        equal(carried("DEL", CNI_NETNS=path)["netns"], "", "netns")


@table([("ADD", "ADD"), ("DEL", "DEL")])
def own_namespace(command):
    own = f"/proc/{os.getpid()}/ns/net"
    contains(asks_nobody(8, command, CNI_NETNS=own), "should not be the same", "message")
    for value in ("0", "yes", ""):
        asks_nobody(8, command, CNI_NETNS=own, CNI_NETNS_OVERRIDE=value)
    for value in ("1", "TRUE", "true", "tRuE"):
        equal(carried(command, CNI_NETNS=own, CNI_NETNS_OVERRIDE=value)["netns"], own, "netns")


@table([("absent", None), ("empty", ""), ("anything", "IgnoreUnknown=1;;=;K8S_POD_NAME=\u00e4"),
        ("long", "A=" + "b" * 60000)])
def args_are_carried_unread(said):
    equal(carried("ADD", CNI_ARGS=said)["args"], said or "", "args")


@case
def nothing_is_forked_or_linked_at_run_time():
    headers = subprocess.run(["readelf", "-lW", SHIM], capture_output=True, text=True, check=True)
    for kind in ("INTERP", "DYNAMIC"):
        equal(kind in headers.stdout, False, f"{kind} among the program headers")
    symbols = subprocess.run(["nm", SHIM], capture_output=True, text=True, check=True)
    names = {line.split()[-1] for line in symbols.stdout.splitlines()}
    contains(names, "talk_ask", "symbols")
    equal(names & {"fork", "vfork", "clone", "__clone", "execve", "posix_spawn", "system", "popen",
                   "pthread_create", "__pthread_create", "cJSON_Parse", "dlopen"}, set(), "calls")


@case
def nobody_reads_the_answer():
    with FakeAgent(new_path(), answers(output=b"{}")) as agent:
        process = start("ADD", agent.path)
        process.stdout.close()
        process.stdout = None
        done = finish(process, CONFIG)
        equal((done.code, done.stderr), (1, b""), "end")


@table([("stdin", "0<&-"), ("stdout", "1>&-"), ("stderr", "2>&-"), ("all", "0<&- 1>&- 2>&-")])
def closed_descriptors_are_not_reused(redirections):
    """The agent must get a namespace and a route socket, and never the runtime's answer."""
    with FakeAgent(new_path(), answers(output=b"{}")) as agent:
        process = start("ADD", agent.path,
                        program=("sh", "-c", f"exec {SHIM} {redirections}"))
        equal(finish(process, b"" if "0" in redirections else CONFIG).code, 0, "exit status")
        agent.only_request()
        check_descriptors(agent)


# ---- stdin

@table([("empty", b""), ("no JSON", b"\0\xff\x80{"), ("1 MiB", b"x" * (1 << 20))])
def stdin_is_carried_as_it_is(config):
    request = carried("ADD", config)
    equal(len(request["config"]), len(config), "length of the configuration")
    equal(request["config"] == config, True, "configuration is the same")


@case
def stdin_may_come_in_pieces():
    with FakeAgent(new_path(), answers(output=b"{}")) as agent:
        process = start("DEL", agent.path)
        for i in range(len(CONFIG)):
            process.stdin.write(CONFIG[i:i + 1])
            process.stdin.flush()
        equal(finish(process).stdout, b"{}", "stdout")
        equal(agent.only_request()["cni"]["config"], CONFIG, "configuration")


@case
def configuration_too_long():
    contains(asks_nobody(7, "ADD", b"x" * ((1 << 20) + 1)), "longer than 1048576", "message")


@case
def stdin_cannot_be_read():
    with nobody() as agent:
        directory = os.open(tmp, os.O_RDONLY)
        done = finish(start("ADD", agent.path, stdin=directory))
        os.close(directory)
        contains(done.problem(5), "stdin", "message")
        equal(agent.requests, [], "requests")


# ---- the conversation

def inode(fd):
    stat = os.fstat(fd)
    return stat.st_dev, stat.st_ino


def check_descriptors(agent):
    """The namespace and a route netlink socket in it."""
    (fds,) = agent.fds
    equal(len(fds), 2, "descriptors")
    pod = os.stat(netns.path)
    equal(inode(fds[0]), (pod.st_dev, pod.st_ino), "the namespace")
    route = socket.socket(fileno=os.dup(fds[1]))
    with route:
        equal((route.family, route.proto), (socket.AF_NETLINK, socket.NETLINK_ROUTE), "the socket")
        inside = fcntl.ioctl(route.fileno(), SIOCGSKNS)
        equal(inode(inside), (pod.st_dev, pod.st_ino), "the socket's namespace")
        os.close(inside)


@case
def ADD_carries_everything():
    with FakeAgent(new_path(), answers(output=b"{}")) as agent:
        equal(run("ADD", agent.path, CNI_ARGS="A=b").code, 0, "exit status")
        request = agent.only_request()
        number = request["cni"].pop("number")
        equal(request, {"version": 1, "status": None, "leave": None, "kube": None, "cni": {
            "command": "ADD", "container_id": "c0ffee", "netns": netns.path, "ifname": "eth0",
            "args": "A=b", "config": CONFIG, "plain": False}}, "request")
        equal(number != 0, True, "number is set")
        check_descriptors(agent)


@case
def DEL_carries_no_descriptors():
    with FakeAgent(new_path(), answers()) as agent:
        done = run("DEL", agent.path)
        equal((done.code, done.stdout, done.stderr), (0, b"", b""), "end")
        equal(agent.only_request()["cni"]["command"], "DEL", "command")
        equal(agent.fds, [[]], "descriptors")


@case
def every_call_has_a_number_of_its_own():
    numbers = {carried("DEL")["number"] for _ in range(20)}
    equal(len(numbers), 20, "different numbers")


@table([("0", 0, 0), ("1", 1, 1), ("4", 4, 4), ("255", 255, 255), ("256 is no success", 256, 1),
        ("negative is no success", -1, 1), ("large", 1 << 30, 1)])
def exit_code_is_the_agents(said, wanted):
    output = b' {"cniVersion":"1.0.0", "code":7 ,"msg":"\xc3\xa4"}\n\n'
    with FakeAgent(new_path(), answers(exit_code=said, output=output)) as agent:
        done = run("ADD", agent.path)
        equal((done.code, done.stdout, done.stderr), (wanted, output, b""), "end")


@case
def large_answer_is_printed_whole():
    output = b'{"x":"' + b"y" * 3_000_000 + b'"}'
    with FakeAgent(new_path(), answers(output=output)) as agent:
        equal(run("ADD", agent.path).stdout == output, True, "stdout is the answer")


@table([("ADD without a result", "ADD", {}, "a result"),
        ("ADD that failed", "ADD", {"exit_code": 1}, "a reason"),
        ("DEL that failed", "DEL", {"exit_code": 1, "error": "because"}, "because")])
def an_answer_without_words_gets_some(command, answer, words):
    with FakeAgent(new_path(), answers(**answer)) as agent:
        contains(run(command, agent.path).problem(100), words, "message")


@table([("in pieces", fakeagent.answers_in_pieces(output=b"{}")),
        ("before it is asked", fakeagent.answers_unread(output=b"{}")),
        ("with fields not yet invented", answers(output=b"{}", version=2, not_yet_invented="x"))])
def odd_answer(behaviour):
    with FakeAgent(new_path(), behaviour) as agent:
        done = run("ADD", agent.path, b"x" * (1 << 20))
        equal((done.code, done.stdout), (0, b"{}"), "end")
        equal((len(agent.requests), agent.errors), (1, []), "connections")


@table([("no message", fakeagent.frame(b"\xff\xff\xff")),
        ("too long", b"\xff\xff\xff\xff"),
        ("not UTF-8 in a wrong type", fakeagent.frame(b"\x12\x01\xff"))])
def garbled_answer(data):
    with FakeAgent(new_path(), fakeagent.answers_bytes(data)) as agent:
        contains(run("ADD", agent.path).problem(100), "cannot be read", "message")
        equal(len(agent.requests), 1, "requests")


@table([("without an answer", fakeagent.hangs_up),
        ("in the middle of it", fakeagent.hangs_up_in_answer)])
def agent_restarts_under_a_call(behaviour):
    """The same question again, descriptors included, and then the answer."""
    with FakeAgent(new_path(), behaviour, behaviour, answers(output=b"{}")) as agent:
        done = run("ADD", agent.path)
        equal((done.code, done.stdout), (0, b"{}"), "end")
        equal((len(agent.requests), agent.errors), (3, []), "connections")
        equal(agent.requests[1:], agent.requests[:1] * 2, "the later requests")
        equal([len(fds) for fds in agent.fds], [2, 2, 2], "descriptors")


@case
def agent_that_only_hangs_up():
    with FakeAgent(new_path(), fakeagent.hangs_up) as agent:
        contains(run("ADD", agent.path).problem(11), "hung up 3 times", "message")
        equal(len(agent.requests), 3, "requests")


def waits_in_poll(process):
    """Does the shim wait before it dials again? x86-64 and arm64 number poll and ppoll so."""
    with open(f"/proc/{process.pid}/syscall", encoding="ascii") as f:
        return f.read().split()[0] in ("7", "73", "271")


@case
def agent_comes_while_it_is_dialled():
    path = new_path()
    process = start("ADD", path)
    process.stdin.write(CONFIG)
    process.stdin.close()
    process.stdin = None
    wait_until(lambda: waits_in_poll(process), WAIT_S, "shim waits for an agent", [process])
    with FakeAgent(path, answers(output=b"{}")) as agent:
        equal(finish(process).stdout, b"{}", "stdout")
        agent.only_request()


# ---- no agent

def dead_socket():
    path = new_path()
    left = socket.socket(socket.AF_UNIX)
    left.bind(path)
    left.close()
    return path


def full_socket():
    """Somebody who listens and takes no connection; the queue is filled by one of ours."""
    path = new_path()
    busy, waiting = socket.socket(socket.AF_UNIX), []
    busy.bind(path)
    busy.listen(0)
    while True:
        waiting.append(socket.socket(socket.AF_UNIX))
        waiting[-1].setblocking(False)
        try:
            waiting[-1].connect(path)
        except BlockingIOError:
            return path, [busy, *waiting]


def absent_agents():
    full, held = full_socket()
    return [("no socket", new_path(), "ENOENT", []),
            ("dead socket", dead_socket(), "ECONNREFUSED", []),
            ("full queue", full, "EAGAIN", held)]


ABSENT = absent_agents()


@case
def no_agent_ADD_and_DEL():
    """Together, since each dials for some seconds. containerd takes a DEL whose error has one of
    the two phrases for done, and the address would leak."""
    begun = time.monotonic()
    running = [(start(command, path, stdin=subprocess.DEVNULL), command, errno)
               for _, path, errno, _ in ABSENT for command in ("ADD", "DEL")]
    for process, command, errno in running:
        text = finish(process).problem(11)
        contains(text, "the agent is not running on this node", f"{command} message")
        contains(text, errno, f"{command} message")
        for phrase in ("not found", "no such file or directory"):
            equal(phrase in text.lower(), False, f"'{phrase}' in {text!r}")
    equal(time.monotonic() - begun > 3, True, "an agent that restarts is waited for")


@table(ABSENT)
def no_agent_STATUS(path, errno, _):
    text = run("STATUS", path, stdin=None).problem(50)
    contains(text, errno, "message")


@table([("path through a file", SHIM + "/s"), ("path too long", "/" + "s" * 200)])
def no_agent_ever(path):
    """Waiting would mend nothing, so the shim does not."""
    begun = time.monotonic()
    contains(run("ADD", path).problem(11), path[:100], "message")
    equal(time.monotonic() - begun < 3, True, "the answer comes at once")


@case
def silent_agent_STATUS():
    with FakeAgent(new_path(), fakeagent.says_nothing) as agent:
        contains(run("STATUS", agent.path).problem(50), "did not answer within", "message")


@case
def silent_agent_ADD():
    if os.environ.get("WEFT_TIER", "quick") == "quick":
        return  # takes the whole half minute that the shim waits
    with FakeAgent(new_path(), fakeagent.says_nothing) as agent:
        process = start("ADD", agent.path)
        done = Done(process, *process.communicate(CONFIG, timeout=45))
        contains(done.problem(11), "did not answer within 30000 ms", "message")


# ---- the other commands

@case
def STATUS_ready():
    with FakeAgent(new_path(), answers(status={"state": "ready"})) as agent:
        done = run("STATUS", agent.path, CNI_CONTAINERID=None, CNI_NETNS=None, CNI_IFNAME=None)
        equal((done.code, done.stdout, done.stderr), (0, b"", b""), "end")
        equal(agent.only_request()["status"], {"peers": False, "blocks": False, "pods": False},
              "question")


@table([("waiting", {"status": {"state": "waiting", "detail": "no keeper reachable: start n1"}},
         "no keeper reachable: start n1"),
        ("no status", {"error": "not now"}, "not now"), ("nothing", {}, "not ready")])
def STATUS_not_ready(answer, words):
    with FakeAgent(new_path(), answers(**answer)) as agent:
        contains(run("STATUS", agent.path).problem(50), words, "message")


@table([("as podman", dict(CNI_CONTAINERID="", CNI_NETNS="dummy", CNI_IFNAME="dummy",
                           CNI_PATH="dummy"), b'{"cniVersion":"1.0.0"}'),
        ("bare", dict(CNI_CONTAINERID=None, CNI_NETNS=None, CNI_IFNAME=None), b""),
        ("broken environment", dict(CNI_CONTAINERID="///", CNI_IFNAME="a b"), b"{")])
def VERSION_without_an_agent(changes, stdin):
    done = run("VERSION", "/nowhere/at/all", stdin, **changes)
    equal((done.code, done.stderr), (0, b""), "end")
    equal(json.loads(done.stdout), {"cniVersion": "1.1.0", "supportedVersions":
                                    ["0.4.0", "1.0.0", "1.1.0"]}, "answer")


@case
def VERSION_does_not_wait_for_stdin():
    process = start("VERSION", "/nowhere")
    equal(process.wait(WAIT_S), 0, "exit status")  # stdin is open still
    finish(process)


@table([("CHECK", "CHECK", "disableCheck"), ("GC", "GC", "disableGC")])
def not_yet_implemented(command, setting):
    text = asks_nobody(110, command)
    contains(text, f"{command} is not implemented yet", "message")
    contains(text, setting, "advice")


@case
def the_usual_socket():
    """Without WEFT_SOCKET, in a mount namespace of its own with a /run of its own."""
    holder = subprocess.Popen(
        ["unshare", "--mount", "--propagation", "private", "sh", "-c",
         "mount -t tmpfs weft-s /run && mkdir /run/weft && echo ready && exec cat"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        equal(holder.stdout.readline(), b"ready\n", "holder")
        with FakeAgent(f"/proc/{holder.pid}/root/run/weft/weft.sock",
                       answers(output=b"{}")) as agent:
            process = start("ADD", "", program=("nsenter", "-t", str(holder.pid), "-m", SHIM))
            equal(finish(process, CONFIG).stdout, b"{}", "stdout")
            agent.only_request()
    finally:
        holder.stdin.close()
        holder.wait()
        holder.stdout.close()


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("needs root: it makes network namespaces")
        sys.exit(cases.SKIP)
    netns = cases.Netns()
    try:
        cases.main()
    finally:
        netns.close()
