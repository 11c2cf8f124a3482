/* A connection, fed whatever comes in pieces of any size: the pieces change nothing, memory stays
 * bounded, broken stays broken.
 *
 * Input: u8 how | u8 size of pieces | the stream. Odd `how`: a good preamble has come already. */
#include "wire/conn.h"

#include <stdlib.h>

#include "wire_messages.h"

struct course { /* what the stream led to */
	size_t n_messages;
	bool secured, broken;
	uint32_t types; /* of the messages, folded */
};

static void must(bool held)
{
	if (!held)
		abort();
}

static void check_bounds(const struct wire_conn *conn)
{
	must(conn->in_len <= WIRE_FRAME_MAX + 4);
	must(conn->in_cap <= 2 * (WIRE_FRAME_MAX + 4));
	must(conn->arena.used <= WIRE_FRAME_ARENA_MAX);
}

static void drain(struct wire_conn *conn, struct course *course)
{
	struct message message;
	enum wire_conn_result result;

	while ((result = wire_conn_next(conn, &message)) != WIRE_CONN_MORE) {
		check_bounds(conn);
		if (result == WIRE_CONN_BROKEN) {
			must(conn->err.code > 0 && *conn->err.text);
			must(wire_conn_next(conn, &message) == WIRE_CONN_BROKEN);
			course->broken = true;
			return;
		}
		must(!course->broken);
		if (result == WIRE_CONN_SECURED) {
			must(!course->secured && course->n_messages == 0);
			course->secured = true;
			continue;
		}
		must(course->secured);
		course->n_messages++;
		course->types = course->types * 31 + message.type;
	}
}

static void feed(struct wire_conn *conn, struct bytes stream, size_t piece_max,
		 struct course *course)
{
	size_t at = 0;

	while (at < stream.len) {
		size_t piece = stream.len - at < piece_max ? stream.len - at : piece_max;
		size_t taken = wire_conn_feed(conn, (struct bytes){ stream.data + at, piece });

		must(taken > 0 && taken <= piece);
		at += taken;
		check_bounds(conn);
		drain(conn, course);
	}
}

static struct course run(struct bytes stream, bool open, size_t piece_max)
{
	struct wire_conn_settings settings = { .cluster_name = "weft" };
	struct wire_conn conn;
	struct course course = { 0 };

	wire_conn_init(&conn, &settings);
	if (open)
		feed(&conn, wire_conn_preamble(&conn), SIZE_MAX, &course);
	feed(&conn, stream, piece_max, &course);
	wire_conn_done(&conn);
	return course;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct course whole, pieces;
	struct bytes stream;

	if (size < 2)
		return 0;
	stream = (struct bytes){ data + 2, size - 2 };
	whole = run(stream, data[0] & 1, SIZE_MAX);
	/* single bytes of a long stream would only be slow */
	pieces = run(stream, data[0] & 1, (size_t)1 + data[1] + stream.len / 1024);
	must(whole.n_messages == pieces.n_messages && whole.types == pieces.types);
	must(whole.secured == pieces.secured && whole.broken == pieces.broken);
	return 0;
}
