/* Where the programs of one node find each other. */
#pragma once

/* root's only (0600); one connection carries one question and one answer (proto/local.proto) */
#define WEFT_SOCKET_PATH "/run/weft/weft.sock"

/* Names another socket to weft and weftctl: for tests, and for two agents on one machine. Whoever
 * may set a container runtime's environment is root already, so nothing is given away. */
#define WEFT_SOCKET_ENV "WEFT_SOCKET"
