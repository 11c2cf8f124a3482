#pragma once
/*
 * What one keeper has promised and accepted, as keeper.log keeps it: values as
 * changes to the one before, and now and then a whole one. Private to keeper.c.
 */
#include "core/ledger.h"
#include "core/out.h"

struct acceptor {
	uint64_t id; /* the keeper id this log votes under; 0: none */
	struct ballot promised, accepted;
	struct ballot
		begun; /* the newest whose value was seen, complete or not: never used again */
	struct ledger value; /* the accepted one; version 0: none */
	bool contradictory;  /* the log cannot be what this agent wrote */

	struct acceptor_parts { /* of a value that spans records, until its last one */
		bool open, whole;
		uint64_t base_version, version;
		uint64_t after; /* where the next part's rows begin */
		size_t bytes;
		struct ledger value;
	} parts;

	size_t whole_bytes, change_bytes; /* what the log holds, estimated */
	size_t written_bytes;             /* by the store under way */
	bool written_whole;
	bool rewrite; /* a store failed half-way, perhaps: the next one replaces the file */
};

void acceptor_init(struct acceptor *acceptor);
void acceptor_done(struct acceptor *acceptor);

/* One record, oldest first. False: it contradicts what came before. */
bool acceptor_read(struct acceptor *acceptor, const struct record_keeper *record);

/* A ballot above every one that this log has seen. */
struct ballot acceptor_next_ballot(const struct acceptor *acceptor);

/* Ask io/ to make promise and acceptance of `next` under this ballot durable, as one store: with
 * one keeper nobody can ask in between. */
void acceptor_write(struct acceptor *acceptor, struct ballot ballot, const struct ledger *next,
		    uint64_t tag, struct out *out);
/* It is durable: `next` becomes the accepted value; `next` gets the old value's memory. */
void acceptor_written(struct acceptor *acceptor, struct ballot ballot, struct ledger *next);
/* It is not, and the file may have a torn tail. The ballot is spent. */
void acceptor_not_written(struct acceptor *acceptor, struct ballot ballot);
