/* Any split, repetition or resumption of the change feed, interleaved with
 * new versions in any way, gives the same ledger. */
#include "ledgers.h"

static struct feed next(const struct ledger *ledger, uint64_t after, size_t max_bytes,
			struct arena *arena)
{
	struct feed feed;

	ledger_feed_next(ledger, after, 0, max_bytes, arena, &feed);
	CHECK_UINT(feed.after, after);
	CHECK_UINT(feed.upto, ledger->version);
	CHECK(feed.complete == (feed.cursor == ledger->version));
	CHECK(feed.complete || feed.cursor > after);
	CHECK(feed.rows.n_peers <= FEED_PEERS_MAX && feed.rows.n_blocks <= FEED_BLOCKS_MAX);
	return feed;
}

/* ---- what is sent */

static void rows_come_in_order_and_once(void)
{
	struct history history;
	struct arena arena;

	arena_init(&arena, ARENA_UNLIMITED);
	history_init(&history, 1, 18);
	history_run(&history, 500);
	for (size_t max_bytes = 1; max_bytes < 100000; max_bytes *= 7) {
		uint64_t cursor = 0, last = 0;
		size_t peers = 0, blocks = 0, touched = 0;

		for (bool complete = false; !complete;) {
			struct feed feed = next(&history.ledger, cursor, max_bytes, &arena);

			for (size_t i = 0; i < feed.rows.n_blocks; i++) {
				CHECK(feed.rows.blocks[i].row.changed > cursor);
				CHECK(feed.rows.blocks[i].row.changed <= feed.cursor);
				CHECK(feed.rows.blocks[i].row.changed >= last);
				last = feed.rows.blocks[i].row.changed;
			}
			for (size_t i = 0; i < feed.rows.n_peers; i++)
				CHECK(feed.rows.peers[i].changed > cursor &&
				      feed.rows.peers[i].changed <= feed.cursor);
			peers += feed.rows.n_peers;
			blocks += feed.rows.n_blocks;
			cursor = feed.cursor;
			complete = feed.complete;
		}
		for (uint32_t i = 0; i < history.ledger.n_blocks; i++)
			touched += history.ledger.blocks[i].changed > 0;
		CHECK_UINT(peers, history.ledger.n_peers);
		CHECK_UINT(blocks, touched);
		arena_reset(&arena);
	}
	arena_done(&arena);
	ledger_done(&history.ledger);
}

static void frames_are_about_as_large_as_asked(void)
{
	struct history history;
	struct arena arena;
	size_t rows;

	arena_init(&arena, ARENA_UNLIMITED);
	history_init(&history, 2, 16);
	history_run(&history, 3000);
	rows = next(&history.ledger, 0, 16384, &arena).rows.n_blocks;
	CHECK(rows > 100 && rows < 16384 / 20);
	CHECK(next(&history.ledger, 0, 1, &arena).rows.n_blocks <= OWN_BLOCKS_MAX);
	arena_done(&arena);
	ledger_done(&history.ledger);
}

static void nothing_new_is_an_empty_frame(void)
{
	struct ledger ledger = ledger_of(20);
	struct arena arena;
	struct feed feed;

	arena_init(&arena, ARENA_UNLIMITED);
	feed = next(&ledger, 1, 1000, &arena);
	CHECK(feed.complete && feed.rows.n_peers + feed.rows.n_blocks == 0 && !feed.rows.config);
	/* A neighbour that claims a version we do not have is not believed. */
	ledger_feed_next(&ledger, 99, 0, 1000, &arena, &feed);
	CHECK_UINT(feed.after, 1);
	CHECK(feed.complete);
	ledger_feed_next(&ledger, 0, 1, 1000, &arena, &feed);
	CHECK_UINT(feed.after, 1);
	arena_done(&arena);
	ledger_done(&ledger);
}

/* The largest thing that one command does: leaving with all the blocks one may own. */
static void one_version_is_never_split(void)
{
	struct ledger ledger = ledger_of(12), view;
	struct ledger_intake intake;
	struct arena arena;
	struct feed feed;

	arena_init(&arena, ARENA_UNLIMITED);
	ledger_init(&view);
	intake_init(&intake);
	must(&ledger, attach_of(1, "node-a", 0, 1, 1));
	for (uint64_t seq = 1; seq <= 16; seq++)
		must(&ledger, acquire_of(1, 1, seq, 16));
	must(&ledger, command_of(1, 1, 17, COMMAND_LEAVE));
	feed = next(&ledger, 1, 1, &arena);
	CHECK(feed.complete);
	CHECK_UINT(feed.rows.n_blocks, 256);
	feed = next(&ledger, 0, 1 << 20, &arena);
	CHECK_INT(intake_feed(&intake, &view, &feed), INTAKE_SHOWN);
	CHECK(same_ledger(&view, &ledger));
	intake_done(&intake);
	ledger_done(&view);
	arena_done(&arena);
	ledger_done(&ledger);
}

/* ---- V7 */

enum { SEEDS = 150, TURNS = 400, KEPT = 24, SENDERS = 3, LINKS = 2 };

/* Several copies of one history at different versions, a network that keeps frames, and a receiver
 * with two links that shows one view. */
struct net {
	struct history history; /* the newest version */
	struct prng prng;
	struct ledger senders[SENDERS];
	uint64_t cursors[SENDERS]; /* where each goes on */
	struct ledger view;
	struct ledger_intake links[LINKS];
	struct arena arena; /* of all frames of this run */
	size_t n_kept;
	struct feed kept[KEPT];
	unsigned shown, gaps;
};

static unsigned below(struct net *net, unsigned n)
{
	return (unsigned)prng_below(&net->prng, n);
}

/* Whatever else is true: the view is a version that the history went through, and never an older
 * one. Versions are remembered by their digest. */
static void receive(struct net *net, unsigned link, const struct feed *feed,
		    const uint64_t *digests)
{
	uint64_t before = net->view.version, digest = net->view.digest;
	enum intake_result result = intake_feed(&net->links[link], &net->view, feed);

	switch (result) {
	case INTAKE_SHOWN:
		net->shown++;
		CHECK(net->view.version > before);
		CHECK_UINT(net->view.version, feed->upto);
		CHECK_UINT(net->view.digest, digests[net->view.version]);
		CHECK_UINT(ledger_digest_recompute(&net->view), net->view.digest);
		return;
	case INTAKE_GAP:
		net->gaps++;
		break;
	case INTAKE_MORE:
	case INTAKE_OLD:
		break;
	case INTAKE_FALSE:
	case INTAKE_REFUSED:
		CHECK(result != INTAKE_FALSE);
		CHECK(result != INTAKE_REFUSED);
		break;
	}
	CHECK_UINT(net->view.version, before);
	CHECK_UINT(net->view.digest, digest);
}

static void send(struct net *net, const uint64_t *digests)
{
	unsigned from = below(net, SENDERS), link = below(net, LINKS);
	struct feed feed;

	/* Begin anew, resume where the receiver says, or just go on. */
	if (below(net, 12) == 0)
		net->cursors[from] = 0;
	else if (below(net, 4) == 0)
		net->cursors[from] = intake_wants(&net->links[link], &net->view);
	if (net->cursors[from] > net->senders[from].version)
		return;
	feed = next(&net->senders[from], net->cursors[from], 1 + below(net, 3000), &net->arena);
	net->cursors[from] = feed.cursor;
	if (net->n_kept < KEPT)
		net->kept[net->n_kept++] = feed;
	else
		net->kept[below(net, KEPT)] = feed;
	if (below(net, 6) > 0) /* else it is lost, or comes late */
		receive(net, link, &feed, digests);
}

static void turn(struct net *net, uint64_t *digests)
{
	struct history *history = &net->history;
	unsigned dice = below(net, 10);

	if (dice == 0) {
		history_run(history, 1);
		digests[history->ledger.version] = history->ledger.digest;
	} else if (dice == 1) { /* a sender catches up; it never goes back */
		ledger_copy(&net->senders[below(net, SENDERS)], &history->ledger);
	} else if (dice == 2 && below(net, 10) == 0) { /* a link is new */
		intake_restart(&net->links[below(net, LINKS)], net->view.version);
	} else if (dice <= 4 && net->n_kept > 0) {
		receive(net, below(net, LINKS), &net->kept[below(net, (unsigned)net->n_kept)],
			digests);
	} else {
		send(net, digests);
	}
}

static void net_init(struct net *net, uint64_t seed)
{
	memset(net, 0, sizeof(*net));
	prng_seed(&net->prng, seed ^ 0x5eed);
	history_init(&net->history, seed, 20);
	arena_init(&net->arena, ARENA_UNLIMITED);
	for (int i = 0; i < SENDERS; i++)
		ledger_copy(&net->senders[i], &net->history.ledger);
}

static void net_done(struct net *net)
{
	for (int i = 0; i < LINKS; i++)
		intake_done(&net->links[i]);
	for (int i = 0; i < SENDERS; i++)
		ledger_done(&net->senders[i]);
	ledger_done(&net->view);
	ledger_done(&net->history.ledger);
	arena_done(&net->arena);
}

/* Peace: one sender, one link, whatever is held there now; it must end at the sender's version. */
static void settle(struct net *net, const uint64_t *digests)
{
	const struct ledger *newest = &net->history.ledger;
	struct ledger_intake *link = &net->links[0];

	for (int i = 0; i < 1000 && net->view.version < newest->version; i++) {
		uint64_t after = intake_wants(link, &net->view);
		struct feed feed = next(newest, after, 1 + below(net, 500), &net->arena);

		receive(net, 0, &feed, digests);
	}
	CHECK(same_ledger(&net->view, newest));
	check_ledger(&net->view);
}

static void any_order_gives_the_same_ledger(void)
{
	static struct net net;
	static uint64_t digests[TURNS + 100];
	unsigned shown = 0, gaps = 0;

	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		net_init(&net, seed);
		digests[1] = net.history.ledger.digest;
		for (int i = 0; i < 30; i++) {
			history_run(&net.history, 1);
			digests[net.history.ledger.version] = net.history.ledger.digest;
		}
		for (int i = 0; i < TURNS; i++)
			turn(&net, digests);
		settle(&net, digests);
		shown += net.shown;
		gaps += net.gaps;
		net_done(&net);
	}
	printf("%u versions shown, %u gaps\n", shown, gaps);
	CHECK(shown > 5 * SEEDS && gaps > SEEDS);
}

/* Resumption saves work: what was received before a link broke does not come again. */
static void a_broken_transfer_resumes(void)
{
	struct history history;
	struct ledger_intake intake;
	struct ledger view;
	struct arena arena;
	struct feed feed, first;

	arena_init(&arena, ARENA_UNLIMITED);
	history_init(&history, 9, 18);
	history_run(&history, 400);
	ledger_init(&view);
	intake_init(&intake);
	for (int i = 0; i < 3; i++) {
		feed = next(&history.ledger, intake_wants(&intake, &view), 500, &arena);
		CHECK_INT(intake_feed(&intake, &view, &feed), INTAKE_MORE);
		if (i == 0)
			first = feed;
	}
	CHECK_INT(intake_feed(&intake, &view, &first), INTAKE_MORE); /* loses no progress */
	CHECK_UINT(intake_wants(&intake, &view), feed.cursor);
	history_run(&history, 1); /* meanwhile it moved on */
	feed = next(&history.ledger, intake_wants(&intake, &view), 1 << 20, &arena);
	CHECK_INT(intake_feed(&intake, &view, &feed), INTAKE_SHOWN);
	CHECK(same_ledger(&view, &history.ledger));
	intake_done(&intake);
	ledger_done(&view);
	arena_done(&arena);
	ledger_done(&history.ledger);
}

int main(void)
{
	RUN(rows_come_in_order_and_once);
	RUN(frames_are_about_as_large_as_asked);
	RUN(nothing_new_is_an_empty_frame);
	RUN(one_version_is_never_split);
	RUN(any_order_gives_the_same_ledger);
	RUN(a_broken_transfer_resumes);
	return check_report();
}
