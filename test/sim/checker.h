#pragma once
/*
 * The judge with global knowledge (protocol.md 4.1). It sees what an outsider could: answers,
 * stored records, host ends, messages on the wire, and the read-only look inside of core/inspect.h.
 * It stops the run at the first broken rule, with the rule's name.
 */
#include "chosen.h"
#include "core/action.h"
#include "world.h"

struct checker;
struct node;
struct shim;

struct checker *checker_new(struct world *world);
void checker_free(struct checker *checker);
const struct chosen *checker_chosen(const struct checker *checker);

/* After each step of a core. */
void checker_step(struct world *world, struct node *node);
/* A host end came or went, or the node's address. */
void checker_use_changed(struct world *world, struct node *node);

/* Before the twin carries these out. */
void checker_stores(struct world *world, struct node *node, const struct action *store);
void checker_sends(struct world *world, struct node *node, const struct message *message);
void checker_answers(struct world *world, struct node *node, const struct shim *shim,
		     const struct answer *answer);

/* Bytes of a store: visible to a reader, and later safe from a crash. */
void checker_written(struct world *world, struct node *node, enum store_file file,
		     struct bytes bytes, bool replace);
void checker_durable(struct world *world, struct node *node, enum store_file file,
		     struct bytes bytes, bool replace);

/* A process begins; what it reads back, record by record (durable by then); all is read. */
void checker_process_begins(struct world *world, struct node *node);
void checker_saved(struct world *world, struct node *node, enum store_file file,
		   const struct record *record);
void checker_process_read(struct world *world, struct node *node);
void checker_host_died(struct world *world, struct node *node);

/* Nothing is asked, nothing breaks, a moment has passed. */
void checker_settled(struct world *world, struct node *node);
