/* What the network looks like to pods, wherever they are. */
#pragma once

/* The gateway of every pod, 169.254.1.1. Nobody has this address and nobody answers ARP for it: the
 * pod gets a permanent neighbour instead. */
#define WEFT_POD_GATEWAY 0xa9fe0101U

/* What the tunnel adds to a packet: Ethernet 14, IPv4 20, UDP 8, VXLAN 8. */
#define WEFT_TUNNEL_OVERHEAD 50
