/* What a peer that lies, or is broken, cannot do to a view. Honest feeds are in
 * core_ledger_feed.c. */
#include "core/ledger_rows.h"
#include "ledgers.h"

struct scene {
	struct arena arena;
	struct history history;
	struct ledger_intake intake;
	struct ledger view;   /* at an earlier version of the history */
	struct ledger before; /* the same, to compare with */
	struct feed feed;     /* the whole way from the view to the history */
	struct peer_row *peers;
	struct block_change *blocks;
	struct ledger_config config;
};

/* A private copy of the rows, to be spoilt. */
static void take_apart(struct scene *scene)
{
	struct rows *rows = &scene->feed.rows;

	scene->peers =
		arena_memdup(&scene->arena, rows->peers, rows->n_peers * sizeof(*rows->peers));
	scene->blocks =
		arena_memdup(&scene->arena, rows->blocks, rows->n_blocks * sizeof(*rows->blocks));
	rows->peers = scene->peers;
	rows->blocks = scene->blocks;
	if (rows->config) {
		scene->config = *rows->config;
		rows->config = &scene->config;
	}
}

static void scene_init(struct scene *scene, unsigned view_versions, unsigned versions)
{
	memset(scene, 0, sizeof(*scene));
	arena_init(&scene->arena, ARENA_UNLIMITED);
	history_init(&scene->history, 77, 20);
	ledger_init(&scene->view);
	if (view_versions > 0) {
		history_run(&scene->history, view_versions);
		ledger_copy(&scene->view, &scene->history.ledger);
	}
	history_run(&scene->history, versions);
	ledger_init(&scene->before);
	ledger_copy(&scene->before, &scene->view);
	intake_init(&scene->intake);
	ledger_feed_next(&scene->history.ledger, scene->view.version, 0, 1 << 20, &scene->arena,
			 &scene->feed);
	REQUIRE(scene->feed.complete && scene->feed.rows.n_peers > 2 &&
		scene->feed.rows.n_blocks > 2);
	take_apart(scene);
}

static void scene_done(struct scene *scene)
{
	intake_done(&scene->intake);
	ledger_done(&scene->view);
	ledger_done(&scene->before);
	ledger_done(&scene->history.ledger);
	arena_done(&scene->arena);
}

static enum intake_result give(struct scene *scene)
{
	return intake_feed(&scene->intake, &scene->view, &scene->feed);
}

/* The frame, spoilt, has this result and no effect, and an honest one after it is taken. */
static void spoilt(struct scene *scene, enum intake_result expected, const char *what)
{
	enum intake_result result = give(scene);
	struct feed honest;

	if (result != expected)
		printf("%s: result %d\n", what, result);
	CHECK_INT(result, expected);
	CHECK(same_ledger(&scene->view, &scene->before));
	CHECK_UINT(ledger_digest_recompute(&scene->view), scene->view.digest);
	CHECK_UINT(intake_wants(&scene->intake, &scene->view),
		   result == INTAKE_FALSE ? 0 : scene->view.version);
	ledger_feed_next(&scene->history.ledger, intake_wants(&scene->intake, &scene->view), 0,
			 1 << 20, &scene->arena, &honest);
	CHECK_INT(intake_feed(&scene->intake, &scene->view, &honest), INTAKE_SHOWN);
	CHECK(same_ledger(&scene->view, &scene->history.ledger));
	scene_done(scene);
}

#define SPOILT(view_versions, expected, change)    \
	do {                                       \
		static struct scene s;             \
		scene_init(&s, view_versions, 60); \
		change;                            \
		spoilt(&s, expected, #change);     \
	} while (0)

static void rows_that_are_not_the_ledger(void)
{
	for (unsigned from = 0; from <= 40; from += 40) {
		SPOILT(from, INTAKE_FALSE, s.feed.digest++);
		SPOILT(from, INTAKE_FALSE, s.peers[1].nonce++);
		SPOILT(from, INTAKE_FALSE, s.blocks[1].row.weak = !s.blocks[1].row.weak);
		SPOILT(from, INTAKE_FALSE, s.blocks[1].block ^= 1);
		SPOILT(from, INTAKE_FALSE, s.feed.rows.n_peers--);
		SPOILT(from, INTAKE_FALSE, s.feed.rows.n_blocks--);
		/* Who is shown already has a name. */
		SPOILT(from, from ? INTAKE_REFUSED : INTAKE_FALSE,
		       memcpy(s.peers[0].name, "nobody", 7));
	}
}

static void frames_that_break_the_order(void)
{
	for (unsigned from = 0; from <= 40; from += 40) {
		SPOILT(from, INTAKE_REFUSED, s.peers[1].changed = s.peers[0].changed - 1);
		SPOILT(from, INTAKE_REFUSED, s.blocks[2].row.changed = s.blocks[1].row.changed - 1);
		SPOILT(from, INTAKE_REFUSED, s.peers[0].changed = s.feed.after);
		SPOILT(from, INTAKE_REFUSED, s.blocks[0].row.changed = s.feed.after);
		SPOILT(from, INTAKE_REFUSED,
		       s.peers[s.feed.rows.n_peers - 1].changed = s.feed.upto + 1);
		SPOILT(from, INTAKE_REFUSED,
		       s.blocks[s.feed.rows.n_blocks - 1].row.changed = UINT64_MAX);
		SPOILT(from, INTAKE_REFUSED, s.feed.cursor--);
		SPOILT(from, INTAKE_REFUSED, s.feed.complete = false);
		SPOILT(from, INTAKE_REFUSED, s.feed.cursor = s.feed.upto + 1);
		SPOILT(from, INTAKE_REFUSED, s.feed.after = s.feed.cursor + 1);
	}
}

static void rows_that_no_ledger_holds(void)
{
	for (unsigned from = 0; from <= 40; from += 40) {
		SPOILT(from, INTAKE_REFUSED, s.peers[0].name[0] = '\0');
		SPOILT(from, INTAKE_REFUSED, s.peers[0].uid = (struct uid){ 0 });
		SPOILT(from, INTAKE_REFUSED, s.peers[0].uid = s.peers[1].uid);
		SPOILT(from, INTAKE_REFUSED, s.peers[0].epoch = 0);
		SPOILT(from, INTAKE_REFUSED, s.peers[0].status = PEER_STATUS_UNKNOWN);
		SPOILT(from, INTAKE_REFUSED, s.peers[0].status = (enum peer_status)9);
		SPOILT(from, INTAKE_REFUSED, s.peers[0].last_reply.n_blocks = 17);
		SPOILT(from, INTAKE_REFUSED, s.peers[0].endpoint.ip_len = 17);
		SPOILT(from, INTAKE_REFUSED, s.blocks[0].block = BLOCKS_MAX);
		SPOILT(from, INTAKE_REFUSED, s.blocks[0].block = 64);
		SPOILT(from, INTAKE_REFUSED, s.blocks[0].row.state = (enum block_state)9);
		SPOILT(from, INTAKE_REFUSED,
		       (s.blocks[0].row.state = BLOCK_OWNED,
			s.blocks[0].row.owner = (struct uid){ 0 }));
		SPOILT(from, INTAKE_REFUSED,
		       (s.blocks[0].row.state = BLOCK_FREE, s.blocks[0].row.owner = uid_of(1)));
	}
	SPOILT(0, INTAKE_REFUSED, s.config.n_keepers = 0);
	SPOILT(0, INTAKE_REFUSED, s.config.n_keepers = KEEPERS_MAX + 1);
	SPOILT(0, INTAKE_REFUSED, s.config.n_next = KEEPERS_MAX + 1);
	SPOILT(0, INTAKE_REFUSED, s.config.range.len = 27);
	SPOILT(0, INTAKE_REFUSED, s.config.range.len = 11);
	SPOILT(0, INTAKE_REFUSED, s.config.block_len = 40);
	SPOILT(0, INTAKE_REFUSED, s.config.range.ip++);
	SPOILT(0, INTAKE_REFUSED, s.config.cluster = (struct uuid){ 0 });
	SPOILT(0, INTAKE_REFUSED, s.feed.rows.config = NULL);
}

static void another_cluster_is_refused(void)
{
	static struct scene scene;
	struct ledger_config other;

	for (int i = 0; i < 3; i++) {
		scene_init(&scene, 40, 60);
		other = scene.view.config;
		other.changed = scene.feed.upto;
		if (i == 0)
			other.cluster.b[3] ^= 1;
		if (i == 1)
			other.range.len++;
		if (i == 2)
			other.block_len--;
		scene.feed.rows.config = &other;
		spoilt(&scene, INTAKE_REFUSED, "another cluster");
	}
}

static void a_version_jump_is_refused(void)
{
	struct ledger far = ledger_of(20), view = ledger_of(20), none;
	struct ledger_intake intake;
	struct arena arena;
	struct feed feed;

	arena_init(&arena, ARENA_UNLIMITED);
	intake_init(&intake);
	far.version = 1 + (1 << 20);
	ledger_feed_next(&far, 1, 0, 1000, &arena, &feed);
	CHECK_INT(intake_feed(&intake, &view, &feed), INTAKE_SHOWN);
	far.version = view.version + (1 << 20) + 1;
	ledger_feed_next(&far, view.version, 0, 1000, &arena, &feed);
	CHECK_INT(intake_feed(&intake, &view, &feed), INTAKE_REFUSED);
	/* Who knows nothing yet may join an old cluster. */
	ledger_init(&none);
	intake_restart(&intake, 0);
	ledger_feed_next(&far, 0, 0, 1000, &arena, &feed);
	CHECK_INT(intake_feed(&intake, &none, &feed), INTAKE_SHOWN);
	ledger_done(&none);
	intake_done(&intake);
	arena_done(&arena);
	ledger_done(&view);
	ledger_done(&far);
}

static void what_is_old_is_passed_over(void)
{
	static struct scene scene;

	scene_init(&scene, 40, 60);
	CHECK_INT(give(&scene), INTAKE_SHOWN);
	CHECK_INT(give(&scene), INTAKE_OLD);
	scene.feed.digest++; /* it is not even looked at: nothing would be taken */
	CHECK_INT(give(&scene), INTAKE_OLD);
	CHECK(same_ledger(&scene.view, &scene.history.ledger));
	scene_done(&scene);
}

static void a_missing_frame_is_a_gap(void)
{
	static struct scene scene;
	struct feed first, second;

	scene_init(&scene, 40, 60);
	ledger_feed_next(&scene.history.ledger, 41, 0, 1000, &scene.arena, &first);
	ledger_feed_next(&scene.history.ledger, first.cursor, 0, 1 << 20, &scene.arena, &second);
	CHECK(!first.complete && second.complete);
	CHECK_INT(intake_feed(&scene.intake, &scene.view, &second), INTAKE_GAP);
	CHECK_UINT(intake_wants(&scene.intake, &scene.view), 41);
	CHECK_INT(intake_feed(&scene.intake, &scene.view, &first), INTAKE_MORE);
	CHECK(same_ledger(&scene.view, &scene.before));
	CHECK_INT(intake_feed(&scene.intake, &scene.view, &second), INTAKE_SHOWN);
	CHECK(same_ledger(&scene.view, &scene.history.ledger));
	scene_done(&scene);
}

/* Rows of a newer version are held; an older sender then claims to be complete. It left out what
 * the newer one had not sent yet, so this is not a version. */
static void an_older_end_does_not_complete_newer_rows(void)
{
	static struct scene scene;
	struct ledger older;
	struct feed feed;

	scene_init(&scene, 40, 60);
	ledger_init(&older);
	ledger_copy(&older, &scene.history.ledger);
	history_run(&scene.history, 200);
	ledger_feed_next(&scene.history.ledger, 41, 0, 1, &scene.arena, &feed);
	CHECK_INT(intake_feed(&scene.intake, &scene.view, &feed), INTAKE_MORE);
	ledger_feed_next(&older, feed.cursor < older.version ? feed.cursor : older.version, 0,
			 1 << 20, &scene.arena, &feed);
	CHECK_INT(intake_feed(&scene.intake, &scene.view, &feed), INTAKE_GAP);
	CHECK(same_ledger(&scene.view, &scene.before));
	ledger_feed_next(&older, intake_wants(&scene.intake, &scene.view), 0, 1 << 20, &scene.arena,
			 &feed);
	CHECK_INT(intake_feed(&scene.intake, &scene.view, &feed), INTAKE_SHOWN);
	CHECK(same_ledger(&scene.view, &older));
	ledger_done(&older);
	scene_done(&scene);
}

/* A view that went wrong, by whatever mistake, is replaced by a full copy of the same version, and
 * rows that the truth does not know are gone. */
static void a_full_copy_mends_a_view(void)
{
	static struct scene scene;
	struct peer_row bogus = { .epoch = 1, .status = PEER_ATTACHED, .uid = uid_of(999) };
	struct feed feed;

	scene_init(&scene, 40, 60);
	CHECK_INT(give(&scene), INTAKE_SHOWN);
	memcpy(bogus.name, "bogus", 6);
	bogus.changed = 5;
	ledger_put_peer(&scene.view, &bogus);
	CHECK(scene.view.digest != scene.history.ledger.digest);
	intake_restart(&scene.intake, 0);
	ledger_feed_next(&scene.history.ledger, 60, 0, 1 << 20, &scene.arena, &feed);
	CHECK_INT(intake_feed(&scene.intake, &scene.view, &feed), INTAKE_GAP);
	CHECK_UINT(intake_wants(&scene.intake, &scene.view), 0);
	ledger_feed_next(&scene.history.ledger, 0, 0, 1 << 20, &scene.arena, &feed);
	CHECK_INT(intake_feed(&scene.intake, &scene.view, &feed), INTAKE_SHOWN);
	CHECK(same_ledger(&scene.view, &scene.history.ledger));
	check_ledger(&scene.view);
	/* An older copy does not bring it back. */
	intake_restart(&scene.intake, 0);
	ledger_feed_next(&scene.before, 0, 0, 1 << 20, &scene.arena, &feed);
	CHECK_INT(intake_feed(&scene.intake, &scene.view, &feed), INTAKE_OLD);
	CHECK(same_ledger(&scene.view, &scene.history.ledger));
	scene_done(&scene);
}

static void a_liar_cannot_make_us_hold_more_than_a_ledger(void)
{
	struct ledger view = ledger_of(20);
	struct ledger_intake intake;
	struct peer_row row = { .epoch = 1, .status = PEER_ATTACHED, .uid = uid_of(5) };
	struct feed feed = { .upto = 1 << 20, .rows = { .n_peers = 1, .peers = &row } };
	enum intake_result result = INTAKE_MORE;
	unsigned n = 0;

	intake_init(&intake);
	for (; result == INTAKE_MORE && n < 2 * MEMBERS_MAX; n++) {
		snprintf(row.name, sizeof(row.name), "node-%u", n * 7919 % 100003);
		feed.after = n + 1;
		feed.cursor = row.changed = n + 2;
		result = intake_feed(&intake, &view, &feed);
	}
	CHECK_INT(result, INTAKE_REFUSED);
	CHECK_UINT(n, MEMBERS_MAX + 1);
	CHECK_UINT(intake.n_peers, 0);
	intake_done(&intake);
	ledger_done(&view);
}

/* ---- from a log */

/* The uid of somebody whom the view shows under another name, which stays. */
static void a_shown_uid_gets_no_second_name(void)
{
	static struct scene s;
	struct peer_row row;

	scene_init(&s, 40, 60);
	row = s.view.peers[0];
	strcpy(row.name, "another");
	row.changed = s.feed.upto;
	s.feed.rows = (struct rows){ .n_peers = 1, .peers = &row };
	spoilt(&s, INTAKE_REFUSED, "a second name");
	scene_done(&s);
	scene_init(&s, 40, 60);
	CHECK(!ledger_overlay(&s.view, 40, s.feed.upto,
			      &(struct rows){ .n_peers = 1, .peers = &row }));
	CHECK(same_ledger(&s.view, &s.before));
	scene_done(&s);
}

static void overlay_takes_all_or_nothing(void)
{
	static struct scene scene;
	struct peer_row twice[2];

	scene_init(&scene, 40, 60);
	scene.blocks[1].block = 64;
	CHECK(!ledger_overlay(&scene.view, 41, scene.feed.upto, &scene.feed.rows));
	CHECK(same_ledger(&scene.view, &scene.before));
	scene_done(&scene);

	scene_init(&scene, 40, 60);
	CHECK(!ledger_overlay(&scene.view, 41, 40, &scene.feed.rows));
	CHECK(!ledger_overlay(&scene.view, scene.peers[1].changed, scene.feed.upto,
			      &scene.feed.rows));
	twice[0] = twice[1] = scene.peers[0];
	CHECK(!ledger_overlay(&scene.view, 41, scene.feed.upto,
			      &(struct rows){ .n_peers = 2, .peers = twice }));
	CHECK(same_ledger(&scene.view, &scene.before));
	CHECK(ledger_overlay(&scene.view, 41, scene.feed.upto, &scene.feed.rows));
	CHECK(same_ledger(&scene.view, &scene.history.ledger));
	scene_done(&scene);
}

static void overlay_needs_a_config(void)
{
	static struct scene scene;

	scene_init(&scene, 0, 60);
	scene.feed.rows.config = NULL;
	CHECK(!ledger_overlay(&scene.view, 0, scene.feed.upto, &scene.feed.rows));
	CHECK_UINT(scene.view.version, 0);
	scene.feed.rows.config = &scene.config;
	CHECK(ledger_overlay(&scene.view, 0, scene.feed.upto, &scene.feed.rows));
	CHECK(same_ledger(&scene.view, &scene.history.ledger));
	scene_done(&scene);
}

int main(void)
{
	RUN(rows_that_are_not_the_ledger);
	RUN(frames_that_break_the_order);
	RUN(rows_that_no_ledger_holds);
	RUN(another_cluster_is_refused);
	RUN(a_version_jump_is_refused);
	RUN(what_is_old_is_passed_over);
	RUN(a_missing_frame_is_a_gap);
	RUN(an_older_end_does_not_complete_newer_rows);
	RUN(a_full_copy_mends_a_view);
	RUN(a_liar_cannot_make_us_hold_more_than_a_ledger);
	RUN(a_shown_uid_gets_no_second_name);
	RUN(overlay_takes_all_or_nothing);
	RUN(overlay_needs_a_config);
	return check_report();
}
