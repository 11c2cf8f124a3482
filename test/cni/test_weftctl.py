#!/usr/bin/env python3
# weft-test: name=weftctl time=120 needs=root tier=quick build=gcc,sanitized
"""The real weftctl against a FAKE agent (fakeagent.py) that gives canned answers: what people and
scripts see, what is asked, and what is said when there is no answer. Every case runs with the
release build and with the sanitized one."""

import atexit
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading

import cases
import fakeagent
from cases import case, contains, equal, table
from fakeagent import FakeAgent, answers

PROGRAMS = cases.programs("agent", "cli", "weftctl")
each_program = cases.with_each(PROGRAMS)
WAIT_S = 20
OK, FAILED, USAGE = 0, 1, 2
UID = bytes(range(1, 17))
UID_TEXT = "0102030405060708090a0b0c0d0e0f10"

tmp = tempfile.mkdtemp(prefix="weft-s-")
atexit.register(shutil.rmtree, tmp)
sockets = 0
netns = None

NODE = {
    "agent_version": "0.1.0", "name": "n1", "uid": UID, "auth_none": True, "port": 6785,
    "cluster_uuid": bytes(range(16, 32)), "state": "ready", "uptime_ms": 185_000, "pid": 4711,
    "range": "10.32.0.0/12", "block_len": 26, "epoch": 3, "node_ip": "10.32.0.1",
    "underlay": "192.168.50.1", "underlay_dev": "eth0",
    "underlay_reason": "192.168.50.1 on eth0: given as --node-ip",
    "mtu": 1450, "ledger_version": 7, "keepers": ["n1"], "is_keeper": True,
    "keeper_path": "this node", "members": 3, "links_up": 2, "pods_up": 2, "blocks_own": 1,
    "addresses_free": 60, "addresses_resting": 1, "blocks_free": 16381, "blocks_total": 16384,
    "counters": [{"name": "pods attached", "value": 3}, {"name": "pods detached", "value": 0},
                 {"name": "links opened", "value": 2}],
    "kernel": {"passes": 12, "repaired": 1, "wanted": 31, "spoofed_packets": 4},
}
PEERS = [
    {"name": "n1", "uid": UID, "state": "this node", "endpoint": "192.168.50.1:6785",
     "underlay": "192.168.50.1", "vtep_mac": "02:00:00:00:00:01", "mtu": 1450, "link": "self",
     "since_ms": 185_000, "epoch": 3, "blocks": 1, "incarnation": (1 << 63) + 1,
     "agent_version": "0.1.0", "node_ip": "10.32.0.1"},
    {"name": "n2.eu-central-1.compute.internal", "state": "linked", "link": "dialled",
     "endpoint": "192.168.50.2:6785", "since_ms": 7_500_000, "blocks": 4,
     "agent_version": "0.2.0", "node_ip": "10.32.1.1"},
    {"name": "n3", "state": "known", "link": "none", "since_ms": 9_000,
     "why": "no link\x1b[2J: dialled again\u009bK soon"},
]
BLOCKS = [
    {"prefix": "10.32.0.0/26", "state": "owned", "owner": "n1", "own": True, "confirmed": True,
     "used": 2, "resting": 1, "free": 60, "count": 1},
    {"prefix": "10.32.0.64/26", "state": "owned", "owner": "n1", "own": True, "free": 63,
     "count": 1},
    {"prefix": "10.32.1.0/24", "state": "owned", "owner": "n2", "count": 4},
    {"prefix": "10.40.0.0/13", "state": "free", "count": 8192},
]
PLAIN = {"container_id": "plain-a", "ifname": "eth0", "ip": "10.32.0.2",
         "host_if": "wf0123456789ab", "state": "up", "since_ms": 61_000,
         "mac": "0a:00:0a:20:00:02", "mtu": 1450, "netns": "/run/netns/a"}
KUBE = {"container_id": "f" * 64, "ifname": "eth0", "ip": "10.32.0.3", "host_if": "wfba98765432",
        "pod": "default/web-1", "state": "up", "since_ms": 183_600_000, "netns": "/run/netns/cni-1"}
SECOND = {**PLAIN, "ifname": "net1", "ip": "10.32.0.4"}

STATUS_TEXT = """\
weft n1: ready   auth=NONE (any host that reaches TCP 6785 can join: for labs only)

  agent      weftd 0.1.0, pid 4711, up 3 min
  node       10.32.0.1 is this node's own address in the range
  underlay   192.168.50.1 on eth0: given as --node-ip; MTU of pods 1450
  range      10.32.0.0/12 in blocks of /26
  cluster    10111213-1415-1617-1819-1a1b1c1d1e1f, epoch 3 of this node
  ledger     version 7, kept by this node alone
  members    3, linked to 2 of them
  pods       2
  addresses  60 free, 1 resting, in 1 block of this node; 16381 of 16384 blocks are free
  kernel     31 things wanted, 1 put right in 12 passes
  spoofed    4 packets dropped
  counters   pods attached 3, links opened 2
"""
PEERS_TEXT = """\
PEER                          STATE      LINK     FOR        ENDPOINT           NODE ADDRESS  BLOCKS
n1                            this node  -        3 min      192.168.50.1:6785  10.32.0.1          1
n2.eu-central-1.compute.in..  linked     dialled  2 h 5 min  192.168.50.2:6785  10.32.1.1          4
    runs weftd 0.2.0, this node 0.1.0
n3                            known      none     9 s        -                  -                  0
    no link?[2J: dialled again??K soon
"""
IPAM_TEXT = """\
10.32.0.0/12 in blocks of /26: 16381 of 16384 blocks are free, this node owns 1

ADDRESSES      BLOCKS  STATE               OWNER  USED  RESTING  FREE
10.32.0.0/26        1  owned               n1        2        1    60
10.32.0.64/26       1  owned, unconfirmed  n1        0        0    63
10.32.1.0/24        4  owned               n2        -        -     -
10.40.0.0/13     8192  free                -         -        -     -
"""
PODS_TEXT = """\
ADDRESS    INTERFACE  HOST END        STATE  FOR      POD
10.32.0.2  eth0       wf0123456789ab  up     61 s     plain-a
10.32.0.3  eth0       wfba98765432    up     2 d 3 h  default/web-1
"""
LISTS = {"peers": PEERS, "blocks": BLOCKS, "pods": [PLAIN, KUBE]}


def new_path():
    global sockets
    sockets += 1
    return os.path.join(tmp, f"s{sockets}")


def weftctl(program, path, *arguments, stdout=subprocess.PIPE, become=()):
    env = {"PATH": os.environ["PATH"], "WEFT_SOCKET": path}
    return subprocess.run([*become, program, *arguments], env=env, cwd="/", text=True,
                          stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE,
                          timeout=WAIT_S)


def told(done, code, stdout, stderr):
    equal((done.returncode, done.stdout, done.stderr), (code, stdout, stderr), "the end")


# ---- showing

@table([("status", "status", None, STATUS_TEXT), ("peers", "peers", "peers", PEERS_TEXT),
        ("ipam", "ipam", "blocks", IPAM_TEXT), ("pods", "pods", "pods", PODS_TEXT)])
@each_program
def text_of(program, verb, part, text):
    status = {**NODE, part: LISTS[part]} if part else NODE
    with FakeAgent(new_path(), answers(status=status)) as agent:
        told(weftctl(program, agent.path, verb), OK, text, "")
        asked = {"peers": False, "blocks": False, "pods": False, **({part: True} if part else {})}
        equal(agent.only_request()["status"], asked, "what is asked for")
        for line in text.splitlines():
            equal(len(line) <= 100, True, f"{line!r} fits 100 columns")


def filled(kinds, values):
    """What JSON must show of a message: each key there, absent ones with their default."""
    return {key: values.get(key, default) for key, default in kinds.items()}


PEER_KEYS = {"name": "", "state": "", "link": "", "since_ms": 0, "endpoint": "", "underlay": "",
             "vtep_mac": "", "mtu": 0, "node_ip": "", "epoch": 0, "incarnation": 0, "blocks": 0,
             "agent_version": "", "why": ""}
BLOCK_KEYS = {"prefix": "", "count": 0, "state": "", "owner": "", "own": False,
              "confirmed": False, "used": 0, "resting": 0, "free": 0}
POD_KEYS = {"container_id": "", "ifname": "", "ip": "", "mac": "", "mtu": 0, "host_if": "",
            "netns": "", "pod": "", "state": "", "since_ms": 0}
STATUS_JSON = {
    **{k: v for k, v in NODE.items() if k not in ("uid", "auth_none", "cluster_uuid", "counters")},
    "uid": UID_TEXT, "auth": "none", "cluster_uuid": "10111213-1415-1617-1819-1a1b1c1d1e1f",
    "detail": "", "cluster_name": "", "warnings": [],
    "counters": {"pods attached": 3, "pods detached": 0, "links opened": 2},
    "kernel": {"passes": 12, "repaired": 1, "wanted": 31, "failed": 0, "last_error": "",
               "spoofed_packets": 4},
}
EXPECTED_JSON = {
    "status": STATUS_JSON,
    "peers": {"node": "n1", "peers": [{**filled(PEER_KEYS, peer),
                                       "uid": UID_TEXT if "uid" in peer else ""}
                                      for peer in PEERS]},
    "ipam": {"node": "n1", "blocks": [filled(BLOCK_KEYS, block) for block in BLOCKS],
             **{key: NODE[key] for key in ("range", "block_len", "blocks_own", "blocks_free",
                                           "blocks_total", "addresses_free",
                                           "addresses_resting")}},
    "pods": {"node": "n1", "pods": [filled(POD_KEYS, pod) for pod in (PLAIN, KUBE)]},
}


@table([(verb, verb) for verb in EXPECTED_JSON])
@each_program
def json_of(program, verb):
    with FakeAgent(new_path(), answers(status={**NODE, **LISTS})) as agent:
        done = weftctl(program, agent.path, verb, "-o", "json")
        equal((done.returncode, done.stderr), (OK, ""), "end")
        equal(json.loads(done.stdout), EXPECTED_JSON[verb], "JSON")


@case
@each_program
def json_keys_are_there_when_there_is_nothing(program):
    """An agent that has just begun: the keys must not come and go with the values."""
    with FakeAgent(new_path(), answers(status={})) as agent:
        for verb, full in EXPECTED_JSON.items():
            done = weftctl(program, agent.path, "-o", "json", verb)
            equal(set(json.loads(done.stdout)), set(full), f"keys of {verb}")


@case
@each_program
def status_of_a_beginner(program):
    status = {"name": "n2", "state": "searching", "agent_version": "0.1.0", "pid": 7,
              "detail": "no answer from 192.168.50.1:6785 -> dialled again every few seconds; "
                        "check that the first node runs with --init",
              "range": "10.32.0.0/12", "block_len": 26,
              "underlay_reason": "no route to any --peer", "not_yet_invented": "?",
              "kernel": {"failed": 2, "last_error": "route 10.32.4.0/24: file exists"},
              "warnings": ["a\nwarning"]}
    with FakeAgent(new_path(), answers(status=status)) as agent:
        told(weftctl(program, agent.path, "status"), OK, """\
weft n2: searching   auth=secret
             no answer from 192.168.50.1:6785 -> dialled again every few seconds; check that the
             first node runs with --init

  agent      weftd 0.1.0, pid 7, up 0 s
  node       no address in the range yet: it comes with the first block
  underlay   none: no route to any --peer
  range      10.32.0.0/12 in blocks of /26
  cluster    none yet
  ledger     not known yet
  members    0, linked to 0 of them
  pods       0
  addresses  0 free, 0 resting, in 0 blocks of this node
  kernel     0 things wanted, 0 put right in 0 passes
             2 REFUSED: route 10.32.4.0/24: file exists
  spoofed    0 packets dropped
  WARNING    a?warning
""", "")


@table([("another's", dict(is_keeper=False, keepers=["n1", "n2"], keeper_path="linked"),
         "version 7, kept by n1, n2 (linked)"),
        ("shared", dict(is_keeper=True, keepers=["n1", "n2", "n3"]),
         "version 7, kept by n1, n2, n3, this node being one")])
@each_program
def status_says_who_keeps_the_ledger(program, changes, words):
    with FakeAgent(new_path(), answers(status={**NODE, **changes})) as agent:
        contains(weftctl(program, agent.path, "status").stdout, f"  ledger     {words}\n", "text")


@case
@each_program
def no_pods(program):
    with FakeAgent(new_path(), answers(status={"name": "n1"})) as agent:
        told(weftctl(program, agent.path, "pods"), OK, "no pods on n1\n", "")


@case
@each_program
def ten_thousand_peers(program):
    peers = [{**PEERS[1], "name": f"n{i}"} for i in range(10_000)]
    with FakeAgent(new_path(), answers(status={**NODE, "peers": peers})) as agent:
        done = weftctl(program, agent.path, "peers")
        equal((done.returncode, done.stdout.count("\n")), (OK, 20_001), "end and lines")


@case
@each_program
def nowhere_to_write(program):
    with FakeAgent(new_path(), answers(status=NODE)) as agent, open("/dev/full", "w") as full:
        done = weftctl(program, agent.path, "status", stdout=full)
        equal(done.returncode, FAILED, "exit status")
        contains(done.stderr, "weftctl: cannot write the answer", "stderr")


# ---- attach and detach

def inode(path_or_fd):
    stat = os.stat(path_or_fd)
    return stat.st_dev, stat.st_ino


@table([("default names", [], {}), ("id", ["--id", "mine"], {"container_id": "mine"}),
        ("ifname", ["--ifname=net1"], {"ifname": "net1"})])
@each_program
def attach_asks(program, options, changes):
    with FakeAgent(new_path(), answers(pod=PLAIN)) as agent:
        done = weftctl(program, agent.path, "attach", netns.path, *options)
        told(done, OK, f"{netns.path} has 10.32.0.2 on eth0 (host end wf0123456789ab)\n", "")
        request = agent.only_request()["cni"]
        equal(request.pop("number") != 0, True, "number is set")
        equal(request, {"command": "ADD", "container_id": f"plain-{os.stat(netns.path).st_ino}",
                        "netns": netns.path, "ifname": "eth0", "args": "", "config": b"",
                        "plain": True, **changes}, "request")
        namespace, route = agent.fds[0]
        equal(inode(namespace), inode(netns.path), "the namespace")
        with socket.socket(fileno=os.dup(route)) as route_socket:
            equal((route_socket.family, route_socket.proto),
                  (socket.AF_NETLINK, socket.NETLINK_ROUTE), "the other descriptor")


@case
@each_program
def attach_json(program):
    with FakeAgent(new_path(), answers(pod=PLAIN)) as agent:
        done = weftctl(program, agent.path, "attach", netns.path, "-o", "json")
        equal(json.loads(done.stdout), filled(POD_KEYS, PLAIN), "JSON")


@case
@each_program
def attach_by_name(program):
    """As `ip netns` names it, in a mount namespace whose /run/netns is its own."""
    holder = subprocess.Popen(
        ["unshare", "--mount", "--propagation", "private", "sh", "-c",
         "mount -t tmpfs weft-s /run && ip netns add a && ip netns add b+c && echo ready && "
         "exec cat"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        equal(holder.stdout.readline(), b"ready\n", "holder")
        become = ("nsenter", "-t", str(holder.pid), "-m")
        with FakeAgent(new_path(), answers(pod=PLAIN)) as agent:
            for word in ("a", "/run/netns/a", "/run/../run/netns//a"):
                done = weftctl(program, agent.path, "attach", word, become=become)
                told(done, OK,
                     "/run/netns/a has 10.32.0.2 on eth0 (host end wf0123456789ab)\n", "")
                request = agent.requests[-1]["cni"]
                equal((request["container_id"], request["netns"]), ("plain-a", "/run/netns/a"),
                      f"request for {word}")
            weftctl(program, agent.path, "attach", "b+c", become=become)
            contains(re.sub(r"\d{4,}", "INODE", agent.requests[-1]["cni"]["container_id"]),
                     "plain-INODE", "id for a name that no id may have")
    finally:
        holder.stdin.close()
        holder.wait()
        holder.stdout.close()


@table([("missing", "weft-s-none", "cannot open '/run/netns/weft-s-none'", "ip netns add"),
        ("no namespace", "/dev/null", "'/dev/null' is not a network namespace", ""),
        ("another kind", "/proc/self/ns/uts", "is not a network namespace", ""),
        ("its own", "/proc/self/ns/net", "needs no attaching", "")])
@each_program
def attach_where_it_cannot(program, place, words, advice):
    with FakeAgent(new_path(), answers(pod=PLAIN)) as agent:
        done = weftctl(program, agent.path, "attach", place)
        equal((done.returncode, done.stdout), (FAILED, ""), "end")
        contains(done.stderr, words, "stderr")
        contains(done.stderr, advice, "stderr")
        equal(agent.requests, [], "what the agent was asked")


@case
@each_program
def attach_refused(program):
    error = "no free address: 10.32.0.0/26 has 61 in use -> detach something"
    with FakeAgent(new_path(), answers(exit_code=11, error=error)) as agent:
        told(weftctl(program, agent.path, "attach", netns.path), FAILED, "", f"weftctl: {error}\n")


@table([("name", ["a"]), ("path", ["/run/netns/a"]), ("id", ["plain-a"]),
        ("with its interface", ["a", "--ifname", "eth0"])])
@each_program
def detach_finds(program, words):
    with FakeAgent(new_path(), answers(status={**NODE, "pods": [KUBE, PLAIN]}),
                   answers()) as agent:
        told(weftctl(program, agent.path, "detach", *words), OK,
             "/run/netns/a no longer has 10.32.0.2 on eth0\n", "")
        request = agent.requests[1]["cni"]
        request.pop("number")
        equal(request, {"command": "DEL", "container_id": "plain-a", "netns": "/run/netns/a",
                        "ifname": "eth0", "args": "", "config": b"", "plain": True}, "request")
        equal(agent.fds, [[], []], "descriptors")


@table([("nothing", ["b"], FAILED, "nothing is attached as 'b' on n1"),
        ("not this interface", ["a", "--ifname", "net9"], FAILED,
         "nothing is attached as 'a' with net9"),
        ("two interfaces", ["a"], USAGE, "--ifname eth0 or --ifname net1")])
@each_program
def detach_finds_not_one(program, words, code, text):
    with FakeAgent(new_path(), answers(status={**NODE, "pods": [PLAIN, SECOND]})) as agent:
        done = weftctl(program, agent.path, "detach", *words)
        equal((done.returncode, done.stdout), (code, ""), "end")
        contains(done.stderr, text, "stderr")
        equal([request["cni"] for request in agent.requests], [None], "commands sent")


# ---- the command line

@table([("nothing", [], "usage: weftctl VERB"),
        ("a typing error", ["statsu"], "did you mean 'weftctl status'?"),
        ("a letter less", ["ipm"], "did you mean 'weftctl ipam'?"),
        ("a letter more", ["podds"], "did you mean 'weftctl pods'?"),
        ("the beginning", ["de", "x"], "did you mean 'weftctl detach'?"),
        ("nothing like it", ["frobnicate"], "'weftctl help' tells"),
        ("very long", ["x" * 10_000], "'weftctl help' tells"),
        ("empty", [""], "'weftctl help' tells"),
        ("help for a typing error", ["help", "peer"], "did you mean 'weftctl peers'?"),
        ("option of another verb", ["status", "--id", "x"], "'status' has no --id"),
        ("another option of another verb", ["pods", "--ifname", "x"], "'pods' has no --ifname"),
        ("a form that is none", ["status", "-o", "yaml"], "-o yaml: expected json or text"),
        ("an argument too few", ["attach"], "usage: weftctl attach NETNS"),
        ("an argument too many", ["attach", "a", "b"], "'b' is one word too many"),
        ("an argument for nothing", ["pods", "b"], "'b' is one word too many")])
@each_program
def usage_error(program, words, text):
    done = weftctl(program, "/nowhere", *words)
    equal((done.returncode, done.stdout), (USAGE, ""), "end")
    contains(done.stderr, text, "stderr")


@table([("unknown", ["status", "--bogus"],
         "there is no --bogus; 'weftctl help' tells what there is"),
        ("unknown, with a value", ["status", "--bogus=1"],
         "there is no --bogus; 'weftctl help' tells what there is"),
        ("a typing error", ["--scoket", "/x", "pods"],
         "there is no --scoket; did you mean --socket?"),
        ("a letter", ["pods", "-x"], "there is no -x; 'weftctl help' tells what there is"),
        ("no value", ["pods", "-o"], "-o: expected a value behind it"),
        ("an empty value", ["attach", "ns", "--id", ""],
         "--id: expected a value, not an empty one"),
        ("no value for a long one", ["pods", "--socket"], "--socket: expected a value behind it"),
        ("a value for none", ["--help=yes"], "--help takes no value")])
@each_program
def wrong_option(program, words, text):
    """One sentence, and weftctl by its name, wherever it lies."""
    told(weftctl(program, "/nowhere", *words), USAGE, "", f"weftctl: {text}\n")


@table([("--version", ["--version"], "weftctl 0."), ("help", ["help"], "usage: weftctl VERB"),
        ("--help", ["--help"], "usage: weftctl VERB"),
        *[(f"help {verb}", ["help", verb], f"usage: weftctl {verb}")
          for verb in ("status", "peers", "ipam", "pods", "attach", "detach")],
        ("pods --help", ["pods", "--help"], "usage: weftctl pods")])
@each_program
def help_needs_no_agent(program, words, text):
    done = weftctl(program, "/nowhere", *words)
    equal((done.returncode, done.stderr), (OK, ""), "end")
    contains(done.stdout, text, "stdout")


@case
@each_program
def socket_option_wins(program):
    with FakeAgent(new_path(), answers(status={"name": "n1"})) as agent:
        told(weftctl(program, "/nowhere", "pods", "--socket", agent.path), OK,
             "no pods on n1\n", "")


# ---- no answer

def dead_socket():
    path = new_path()
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(path)
    return path


@table([("no socket", os.path.join(tmp, "none"), "ENOENT"),
        ("dead socket", dead_socket(), "ECONNREFUSED")])
@each_program
def no_agent(program, path, errno):
    for words in (["status"], ["pods", "-o", "json"], ["detach", "a"], ["attach", netns.path]):
        done = weftctl(program, path, *words)
        equal((done.returncode, done.stdout), (FAILED, ""), "end")
        for part in (f"weftctl: the agent is not running on this node: tried {path} ({errno}",
                     "which is /run/weft/weft.sock", "next: systemctl status weftd"):
            contains(done.stderr, part, f"stderr of {words}")


@case
@each_program
def not_root(program):
    # A copy that nobody can reach, wherever the build directory is.
    with tempfile.TemporaryDirectory(prefix="weft-s-") as directory:
        os.chmod(directory, 0o755)
        copy = shutil.copy(program, directory)
        with FakeAgent(os.path.join(directory, "s"), answers(status=NODE)) as agent:
            os.chmod(agent.path, 0o600)
            done = weftctl(copy, agent.path, "status",
                           become=("setpriv", "--reuid=65534", "--clear-groups"))
            told(done, FAILED, "",
                 f"weftctl: the agent talks to root only ({agent.path})\n  next: use sudo\n")


@table([("hangs up", fakeagent.hangs_up, "hung up 3 times without an answer"),
        ("garbled", fakeagent.answers_bytes(fakeagent.frame(b"\xff")), "cannot be read"),
        ("no status", answers(), "cannot be read"),
        ("refuses", answers(exit_code=1, error="not while leaving"), "weftctl: not while leaving"),
        ("refuses without a word", answers(exit_code=1), "refused without a reason")])
@each_program
def no_use_of_the_answer(program, behaviour, words):
    with FakeAgent(new_path(), behaviour) as agent:
        done = weftctl(program, agent.path, "status")
        equal((done.returncode, done.stdout), (FAILED, ""), "end")
        contains(done.stderr, words, "stderr")


def ask_in_vain(program, agent):
    """weftctl, and what it says first: before it ends."""
    process = subprocess.Popen([program, "status", "--socket", agent.path],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    equal(process.stderr.readline(), f"weftctl: the agent at {agent.path} does not answer -> "
          "waiting, 5 s in all\n", "what is said meanwhile")
    equal(process.poll(), None, "the end, so early")
    return process


@case
def silent_agent():
    """All programs at once: each waits its five seconds."""
    with FakeAgent(new_path(), fakeagent.says_nothing) as agent:
        for process in [ask_in_vain(program, agent) for program in PROGRAMS]:
            stdout, stderr = process.communicate(timeout=WAIT_S)
            equal((process.returncode, stdout), (FAILED, ""), "end")
            contains(stderr, f"weftctl: the agent at {agent.path} did not answer within 5 s\n"
                     "  next: see whether it is stopped", "stderr")


@case
@each_program
def slow_agent(program):
    """Its answer still counts."""
    answer = threading.Event()

    def behave(conn, agent):
        agent.note(conn)
        answer.wait(WAIT_S)
        conn.sock.sendall(fakeagent.frame({"version": 1, "status": NODE}))

    with FakeAgent(new_path(), behave) as agent:
        process = ask_in_vain(program, agent)
        answer.set()
        stdout, stderr = process.communicate(timeout=WAIT_S)
        equal((process.returncode, stdout, stderr), (OK, STATUS_TEXT, ""), "end")


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("needs root: it makes network namespaces")
        sys.exit(cases.SKIP)
    netns = cases.Netns()
    try:
        cases.main()
    finally:
        netns.close()
