#pragma once
/*
 * Everything that can happen to an agent. One event goes in (core.h: core_step), actions come out
 * (action.h). The event and all it points to are borrowed for the step: the core copies what it
 * keeps.
 *
 * GLOSSARY: one meaning each, here, in logs and in what people read.
 *
 *   node         a machine (or namespace) that runs an agent; its name is unique in the cluster
 *   agent        weftd, the process
 *   peer         another node's agent
 *   uid          16 bytes: hash of an agent's static key; outlives restarts, not its disk
 *   incarnation  counts process starts of a uid
 *   version      counts what a life said since; (incarnation, version) orders its statements
 *   boot         the life of one kernel (network namespace and /run included); pods live no longer
 *   member       what everybody knows about an agent from gossip: one record, said by itself
 *   link         one TCP connection between two agents, from dial to close
 *   host end     the veth's end outside the pod
 *   range        all pod addresses of the cluster (10.32.0.0/12)
 *   block        an aligned part of it (/26), owned by one node
 *   ledger       the one value that says who owns which block; has a version
 *   keeper       an agent that votes on the ledger; nobody else changes it
 *   view         the version of the ledger that an agent shows and acts on
 *   session      (uid, epoch): the right of one life to command; issued at ATTACH
 *   confirmed    a block of ours that this life has seen to be ours; only these give new addresses
 *   rest         how long a freed address waits before it is given again
 *   cool         the same for a whole block
 *   record       what /run keeps of a pod: (container id, interface) -> address
 *   wire         make a pod's veth, address and routes
 *   tunnel       the VXLAN device weft-vx
 *   underlay     the network that carries it
 *   node address an address in the range for the node itself: offset 1 of its earliest block
 *   want, have   what the kernel should hold, what it holds
 */
#include "core/action.h"
#include "core/message.h"
#include "core/record.h"

enum event_type {
	EVENT_SAVED,          /* one record read back from a log, before START */
	EVENT_START,          /* the world as found; after it the core acts */
	EVENT_TIME,           /* the deadline has come, or nothing but time passed */
	EVENT_LINK_ACCEPTED,  /* somebody dialled us */
	EVENT_LINK_CONNECTED, /* our dial succeeded at TCP */
	EVENT_LINK_SECURED,   /* preambles (later: the Noise handshake) are exchanged; messages may
				 flow */
	EVENT_LINK_MESSAGE,
	EVENT_LINK_WRITABLE, /* after a SEND: less than 64 KiB are queued */
	EVENT_LINK_CLOSED,   /* gone, for whatever reason; the id is never used again */
	EVENT_STORED,        /* a STORE finished */
	EVENT_REQUEST,       /* a local client asks */
	EVENT_REQUEST_GONE,  /* ... and left before it was answered */
	EVENT_POD_WIRED,     /* a WIRE finished */
	EVENT_POD_UNWIRED,   /* an UNWIRE finished: the name is free again */
	EVENT_PEERS,         /* addresses of --peer became known */
	EVENT_RUNTIME,       /* what may keep a container runtime from calling us */
	EVENT_UNDERLAY,      /* the underlay's address, device or MTU changed */
	EVENT_KERNEL,        /* a pass of want against have finished */
	EVENT_HOST_ENDS,     /* host ends that exist now (after a dump) */
	EVENT_STOP,          /* SIGTERM: say goodbye, leave the data plane */
	EVENT_TYPE_COUNT,
};

/* What the agent is told once, from flags, environment and identity file. Strings are borrowed for
 * the step. */
struct settings {
	struct uid uid;
	uint8_t static_pk[32];
	uint64_t incarnation;
	uint64_t nonce;     /* random per start */
	uint64_t seed;      /* for choices that may be predicted */
	uint64_t keeper_id; /* random; used if this agent becomes a keeper without an id of its own
			       on disk */
	struct uuid new_cluster; /* random; used if this agent founds a cluster */
	struct binding binding;
	struct boot_id boot;
	struct mac vtep_mac;
	char name[NAME_LEN_MAX + 1];
	char cluster_name[64]; /* for people; links are greeted by it (wire/conn.h) */
	char node_ref[NODE_REF_MAX + 1];
	char agent_version[AGENT_VERSION_MAX + 1];
	struct prefix range;
	uint8_t block_len;
	uint32_t pid;  /* for people */
	uint16_t port; /* TCP of peers */
	uint16_t vxlan_port;
	uint32_t vni;
	uint32_t first_blocks; /* blocks of the first grant */
	bool auth_none;
	bool init, init_alone;
	bool platform; /* Kubernetes says who founds and where nodes are, through weft-kube */
	bool masquerade, masquerade_nodes;
	bool allow_overlap; /* the host has routes inside the range: unreachable routes per own
			       block only */
	size_t n_peers;
	const struct endpoint *peers; /* --peer, as far as known at start */
	const char *missing_peer;     /* a name among them without address yet, or "" */
#ifdef WEFT_MUTANTS
	uint32_t mutants; /* mutants.h: rules taken out, in the simulator's own build only */
#endif
};

/* A host end found in the kernel. */
struct host_end {
	char host_if[IFNAME_LEN_MAX + 1];
	char container_id[CONTAINER_ID_MAX + 1]; /* from its alias; empty: it has none */
	char ifname[IFNAME_LEN_MAX + 1];
	uint32_t ip; /* of its host route; 0: none */
	uint32_t mtu;
};

struct host_ends {
	size_t n;
	const struct host_end *ends;
};

struct underlay {
	bool have; /* false: no usable address now; `text` says why */
	uint32_t ip;
	uint32_t ifindex;
	char dev[IFNAME_LEN_MAX + 1];
	uint32_t mtu;
	char text[TEXT_LEN_MAX + 1]; /* why this one */
};

struct start {
	const struct settings *settings;
	struct host_ends host_ends;
	struct underlay underlay;
	bool store_lost[STORE_FILE_COUNT]; /* unusable, not merely absent: treated as lost, said
					      loudly */
};

enum request_type {
	REQUEST_ADD,
	REQUEST_DEL,
	REQUEST_STATUS,
	REQUEST_LEAVE,
	REQUEST_READY,    /* would an ADD succeed? Answered with its refusal if not */
	REQUEST_PLATFORM, /* weft-kube tells, and is told how things are here */
};

struct pod_request {
	char container_id[CONTAINER_ID_MAX + 1];
	char ifname[IFNAME_LEN_MAX + 1];
	char netns[NETNS_PATH_MAX + 1];
	char pod[POD_NAME_MAX + 1]; /* "namespace/name", or empty */
	uint64_t number;            /* the same number again is the same request again */
	uint64_t wall_s;            /* for people */
};

/* A node of the platform's. */
struct platform_node {
	char name[NAME_LEN_MAX + 1];
	char ref[NODE_REF_MAX + 1]; /* tells machines of one name apart */
	uint32_t ip;                /* 0: none yet */
	bool gone;
};

struct platform_founding {
	struct uuid cluster;
	struct uid founder;
	char node[NAME_LEN_MAX + 1]; /* the founder's */
};

struct platform_news {
	uint64_t list;    /* the nodes are of this list; 0: nothing about nodes */
	bool first, last; /* it begins with them, it is whole with them; else they changed */
	size_t n;
	const struct platform_node *nodes;
	const struct platform_founding *founding; /* NULL: not known */
	char trouble[TEXT_LEN_MAX + 1];           /* what keeps the news away; or empty */
};

struct request {
	enum request_type type;
	uint32_t
		client; /* names the connection; every request gets exactly one ANSWER or is GONE */
	struct pod_request pod;               /* ADD, DEL */
	const struct platform_news *platform; /* borrowed for the step */
};

struct kernel_report {
	uint32_t wanted, repaired, failed;
	uint64_t spoofed_packets;
	char text[TEXT_LEN_MAX + 1]; /* the first failure, or empty */
};

struct event {
	enum event_type type;
	struct instant now; /* CLOCK_BOOTTIME */
	union {
		const struct record *saved;
		const struct start *start;
		struct {
			uint32_t link;
			struct endpoint from; /* ACCEPTED: the other side's address */
			const struct message *message;
			const char *reason; /* CLOSED: one clause, never NULL */
		} link;
		struct {
			uint64_t tag;
			int error;        /* 0 or errno */
			const char *text; /* on error: one clause naming the file */
		} stored;
		const struct request *request;
		uint32_t client; /* REQUEST_GONE */
		struct {
			uint32_t job;     /* of the WIRE or UNWIRE */
			int error;        /* 0 or errno */
			const char *text; /* on error: what the kernel refused, for the person who
					     reads the pod's event */
		} pod;
		struct {
			size_t n;
			const struct endpoint *peers; /* all that are known */
			const char *missing;          /* a name that has no address now, or "" */
		} peers;
		/* One sentence each, or "": why no ADD can come; what else people must know. */
		struct {
			const char *trouble, *warning;
		} runtime;
		const struct underlay *underlay;
		const struct kernel_report *kernel;
		struct host_ends host_ends;
	};
};
