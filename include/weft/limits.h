/* Bounds that both ends of the local conversation must agree on. */
#pragma once

enum {
	WEFT_LOCAL_VERSION = 1,    /* of the conversation, in every Request */
	WEFT_CONFIG_MAX = 1 << 20, /* the network configuration on a CNI call's stdin */
	/* Status of 10,000 peers with all blocks is about 3 MiB. */
	WEFT_ANSWER_MAX = 16 << 20,
};
