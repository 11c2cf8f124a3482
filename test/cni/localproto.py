"""proto/local.proto by hand: protobuf's wire format for the few messages of the local conversation.

The numbers stand here a second time on purpose. Shim and agent may be one version apart during an
upgrade, so a field that changes its number or type breaks a node, and then this disagrees."""

import struct

MESSAGES = {
    "Request": {1: ("version", "uint"), 10: ("cni", "Cni"), 11: ("status", "StatusAsk"),
                12: ("leave", "Leave"), 13: ("kube", "Kube")},
    "Cni": {1: ("command", "string"), 2: ("container_id", "string"), 3: ("netns", "string"),
            4: ("ifname", "string"), 5: ("args", "string"), 6: ("config", "bytes"),
            7: ("number", "fixed64"), 8: ("plain", "bool")},
    "StatusAsk": {1: ("peers", "bool"), 2: ("blocks", "bool"), 3: ("pods", "bool")},
    "Leave": {1: ("confirmed", "bool")},
    "Kube": {1: ("list", "fixed64"), 2: ("first", "bool"), 3: ("last", "bool"),
             4: ("nodes", "KubeNode*"), 5: ("founding", "Founding"), 6: ("trouble", "string")},
    "KubeNode": {1: ("name", "string"), 2: ("uid", "string"), 3: ("address", "string"),
                 4: ("gone", "bool")},
    "Founding": {1: ("cluster", "bytes"), 2: ("founder", "bytes"), 3: ("node", "string")},
    "Answer": {1: ("version", "uint"), 2: ("exit_code", "int32"), 3: ("output", "bytes"),
               4: ("error", "string"), 10: ("status", "Status"), 11: ("pod", "Pod"),
               12: ("kube", "KubeAnswer"),
               99: ("not_yet_invented", "string")},
    "KubeAnswer": {1: ("uid", "bytes"), 2: ("name", "string"), 3: ("cluster", "bytes"),
                   4: ("list", "fixed64"), 5: ("wants_founding", "bool"), 6: ("ready", "bool"),
                   7: ("detail", "string")},
    "Status": {1: ("agent_version", "string"), 2: ("name", "string"), 3: ("uid", "bytes"),
               4: ("auth_none", "bool"), 5: ("cluster_uuid", "bytes"),
               6: ("cluster_name", "string"), 7: ("state", "string"), 8: ("detail", "string"),
               9: ("uptime_ms", "uint"), 10: ("pid", "uint"), 11: ("range", "string"),
               12: ("block_len", "uint"), 13: ("epoch", "uint"), 14: ("node_ip", "string"),
               15: ("underlay", "string"), 16: ("underlay_dev", "string"),
               17: ("underlay_reason", "string"), 18: ("mtu", "uint"),
               20: ("ledger_version", "uint"), 21: ("keepers", "string*"),
               22: ("is_keeper", "bool"), 23: ("keeper_path", "string"), 24: ("members", "uint"),
               25: ("links_up", "uint"), 26: ("pods_up", "uint"), 27: ("blocks_own", "uint"),
               28: ("addresses_free", "uint"), 29: ("addresses_resting", "uint"),
               30: ("blocks_free", "uint"), 31: ("blocks_total", "uint"),
               32: ("warnings", "string*"), 33: ("counters", "Counter*"), 40: ("peers", "Peer*"),
               41: ("blocks", "Block*"), 42: ("pods", "Pod*"), 43: ("kernel", "Kernel"),
               44: ("port", "uint"),
               99: ("not_yet_invented", "string")},
    "Counter": {1: ("name", "string"), 2: ("value", "uint")},
    "Peer": {1: ("name", "string"), 2: ("uid", "bytes"), 3: ("state", "string"),
             4: ("endpoint", "string"), 5: ("underlay", "string"), 6: ("vtep_mac", "string"),
             7: ("mtu", "uint"), 8: ("link", "string"), 9: ("since_ms", "uint"),
             10: ("epoch", "uint"), 11: ("blocks", "uint"), 12: ("incarnation", "uint"),
             13: ("agent_version", "string"), 14: ("node_ip", "string"), 15: ("why", "string")},
    "Block": {1: ("prefix", "string"), 2: ("state", "string"), 3: ("owner", "string"),
              4: ("own", "bool"), 5: ("confirmed", "bool"), 6: ("used", "uint"),
              7: ("resting", "uint"), 8: ("free", "uint"), 9: ("count", "uint")},
    "Pod": {1: ("container_id", "string"), 2: ("ifname", "string"), 3: ("ip", "string"),
            4: ("host_if", "string"), 5: ("pod", "string"), 6: ("state", "string"),
            7: ("since_ms", "uint"), 8: ("mac", "string"), 9: ("mtu", "uint"),
            10: ("netns", "string")},
    "Kernel": {1: ("passes", "uint"), 2: ("repaired", "uint"), 3: ("wanted", "uint"),
               4: ("failed", "uint"), 5: ("last_error", "string"),
               6: ("spoofed_packets", "uint")},
}

VARINT, FIXED64, BYTES = 0, 1, 2
DEFAULTS = {"string": "", "bytes": b"", "bool": False, "uint": 0, "int32": 0, "fixed64": 0}


def varint(value):
    out = bytearray()
    value &= (1 << 64) - 1  # negative numbers travel as ten bytes
    while value > 0x7f:
        out.append(value & 0x7f | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def encode_field(number, kind, value):
    if kind in ("uint", "int32", "bool"):
        return varint(number << 3 | VARINT) + varint(int(value))
    if kind == "fixed64":
        return varint(number << 3 | FIXED64) + struct.pack("<Q", value)
    if kind == "string":
        value = value.encode("utf-8", "surrogateescape")
    elif kind != "bytes":
        value = encode(kind, value)
    return varint(number << 3 | BYTES) + varint(len(value)) + value


def encode(message, fields):
    """Bytes of `message` with the given fields; a name that it does not have is a mistake."""
    numbers = {name: (number, kind) for number, (name, kind) in MESSAGES[message].items()}
    out = b""
    for name, value in fields.items():
        number, kind = numbers[name]
        for item in value if kind.endswith("*") else [value]:
            out += encode_field(number, kind.rstrip("*"), item)
    return out


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, size):
        if self.at + size > len(self.data):
            raise ValueError("message ends in the middle")
        self.at += size
        return self.data[self.at - size:self.at]

    def varint(self):
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 0x7f) << shift
            if byte < 0x80:
                return value
            shift += 7


def decode_value(kind, raw):
    if kind == "string":
        return raw.decode("utf-8", "surrogateescape")
    if kind == "bool":
        return bool(raw)
    if kind in ("bytes", "uint", "int32", "fixed64"):
        return raw
    return decode(kind, raw)


def decode(message, data):
    """Fields of a message; scalars that are absent have their default, messages are None, what
    repeats is a list."""
    fields = {name: [] if kind.endswith("*") else DEFAULTS.get(kind)
              for name, kind in MESSAGES[message].values()}
    reader = Reader(data)
    while reader.at < len(data):
        key = reader.varint()
        wire = key & 7
        if wire == VARINT:
            raw = reader.varint()
        elif wire == FIXED64:
            raw = struct.unpack("<Q", reader.take(8))[0]
        elif wire == BYTES:
            raw = reader.take(reader.varint())
        else:
            raise ValueError(f"wire type {wire} of field {key >> 3}")
        name, kind = MESSAGES[message][key >> 3]  # a field we do not know is a KeyError
        if kind.endswith("*"):
            fields[name].append(decode_value(kind.rstrip("*"), raw))
        else:
            fields[name] = decode_value(kind, raw)
    return fields
