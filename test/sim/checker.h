#pragma once
/*
 * The judge with global knowledge. It sees what an outsider could: answers, stored records, host
 * ends, messages on the wire, and the read-only look inside of core/inspect.h. It stops the run at
 * the first broken rule, with the rule's name:
 *
 *   V1   a version of the ledger has one value, built on the version before
 *   V2   an address is in use only where its block is owned
 *   V3   an address is in use on one node: the property that all others serve
 *   V4   a new address comes from a block that this life of the process has confirmed: a view with
 *        this session and its last command shows it, or continuity does
 *   V5   a block is released only when it has no use and node.log names it no more
 *   V6   what a node shows is a chosen version; it never goes back within one life
 *   V7   the change feed, split, repeated or resumed in any way, gives the same ledger
 *   V8   epochs rise, rows stay, an epoch is one session, a uid is attached under one name
 *   V9   an owned block has an owner who is attached, any other has none
 *   V10  a pod's record, its block's map, its host end and what its ADD was told agree
 *   V11  a block cools before somebody else owns it
 *   L1   once faults stop, all show the newest version, and what was asked for is done
 *   L3   below low water, with something free, a block comes within seconds
 *   ways what a node wants of its kernel leads to whom its view shows attached, and a route to the
 *        owner of each block in it: who has left has no FDB entry, no route, no place in the filter
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
