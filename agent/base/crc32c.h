/* CRC-32C (Castagnoli, as in iSCSI, RFC 3720 appendix B.4): notices what disks and cut writes do to
 * bytes. No protection against anybody who wants to change them. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Of the concatenation, piece by piece: begin with 0, pass on what came back. */
uint32_t crc32c(uint32_t crc, const void *data, size_t len);
