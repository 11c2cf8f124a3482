/* Where the programs of one node find each other. */
#pragma once

/* root's only (0600); one connection carries one question and one answer (proto/local.proto) */
#define WEFT_SOCKET_PATH "/run/weft/weft.sock"

/* Names another socket to weft and weftctl: for tests, and for two agents on one machine. Whoever
 * may set a container runtime's environment is root already, so nothing is given away. */
#define WEFT_SOCKET_ENV "WEFT_SOCKET"

/* weft-kube's own (its group's, 0660): what it tells is heard there and nowhere else */
#define WEFT_KUBE_SOCKET_PATH "/run/weft/kube.sock"

/* Where an image holds the CNI program, to be put on the host from there. */
#define WEFT_SHIM_PATH "/usr/lib/weft/weft"
