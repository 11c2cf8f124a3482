#!/usr/bin/env python3
"""What a hostile pod can put on its wire, and a listener that tells whether it arrived.

spoof.py udp IF DST-MAC SRC-MAC SRC-IP DST-IP PORT COUNT   frames with a source of one's choice
spoof.py arp IF SRC-MAC IP COUNT                           "IP is at SRC-MAC", to everybody
spoof.py vxlan DST-IP PORT VNI INNER-MAC SRC-IP DST-IP INNER-PORT COUNT
                                                           a datagram with a frame inside
spoof.py listen IF [IP...]    counts frames that carry the token or go to one of these addresses
                              until stdin ends, prints JSON
"""

import json
import os
import select
import socket
import struct
import sys

TOKEN = b"weft rig spoof token"
ETH_P_IP = 0x0800
ETH_P_ARP = 0x0806
ETH_P_ALL = 0x0003


def mac_bytes(text):
    return bytes.fromhex(text.replace(":", ""))


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def udp_packet(source, target, port, payload):
    """IPv4 and UDP with no UDP checksum, which the standard allows."""
    udp = struct.pack("!HHHH", 40000, port, 8 + len(payload), 0) + payload
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0,
                       socket.inet_aton(source), socket.inet_aton(target))
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + udp


def frame(target_mac, source_mac, protocol, payload):
    return mac_bytes(target_mac) + mac_bytes(source_mac) + struct.pack("!H", protocol) + payload


def raw_socket(interface):
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    sock.bind((interface, 0))
    return sock


def send_udp(interface, target_mac, source_mac, source, target, port, count):
    sock = raw_socket(interface)
    packet = udp_packet(source, target, int(port), TOKEN)
    for _ in range(int(count)):
        sock.send(frame(target_mac, source_mac, ETH_P_IP, packet))


def send_arp(interface, source_mac, address, count):
    sock = raw_socket(interface)
    for operation in (1, 2):
        packet = struct.pack("!HHBBH6s4s6s4s", 1, ETH_P_IP, 6, 4, operation,
                             mac_bytes(source_mac), socket.inet_aton(address), b"\xff" * 6,
                             socket.inet_aton(address))
        for _ in range(int(count)):
            sock.send(frame("ff:ff:ff:ff:ff:ff", source_mac, ETH_P_ARP, packet))


def send_vxlan(address, port, vni, inner_mac, source, target, inner_port, count):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    inner = frame(inner_mac, "02:00:00:00:00:99", ETH_P_IP,
                  udp_packet(source, target, int(inner_port), TOKEN))
    datagram = struct.pack("!II", 0x08000000, int(vni) << 8) + inner
    for _ in range(int(count)):
        try:
            sock.sendto(datagram, (address, int(port)))
        except OSError:
            pass  # refused on the way is as good as dropped


def listen(interface, addresses):
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    sock.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)
    sock.bind((interface, ETH_P_ALL))
    targets = {socket.inet_aton(address) for address in addresses}
    tokens = for_others = 0
    print("ready", flush=True)
    while True:
        ready, _, _ = select.select([sock, 0], [], [])
        if sock in ready:
            data, sender = sock.recvfrom(4096)
            if sender[2] == socket.PACKET_OUTGOING:
                continue
            tokens += TOKEN in data
            for_others += data[12:14] == b"\x08\x00" and data[30:34] in targets
        elif not os.read(0, 1):
            break  # only after everything that had come was counted
    print(json.dumps({"tokens": tokens, "for_others": for_others}))


def main(argv):
    verbs = {"udp": send_udp, "arp": send_arp, "vxlan": send_vxlan}
    if argv[0] == "listen":
        listen(argv[1], argv[2:])
    else:
        verbs[argv[0]](*argv[1:])


if __name__ == "__main__":
    main(sys.argv[1:])
