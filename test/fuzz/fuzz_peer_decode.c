/* The body of every type of message: what is taken is within bounds and survives being passed on.
 *
 * Input: u8 which type | body. */
#include "wire/peer_codec.h"

#include <stdlib.h>

#include "wire_messages.h"

static void must(bool held)
{
	if (!held)
		abort();
}

static void pass_on(const struct message *message)
{
	struct arena arena;
	struct message back;
	struct err err = { 0 };
	struct bytes packed, again;

	arena_init(&arena, ARENA_UNLIMITED);
	packed = peer_encode(message, &arena);
	must(peer_decode(message->type, packed, &arena, &back, &err));
	must(same_message(message, &back));
	again = peer_encode(&back, &arena);
	must(bytes_equal(packed, again));
	arena_done(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct message message;
	struct arena arena;
	struct err err = { 0 };

	if (size < 1 || size > 65535)
		return 0;
	arena_init(&arena, 1 << 20);
	if (peer_decode(all_types[data[0] % N_TYPES], (struct bytes){ data + 1, size - 1 }, &arena,
			&message, &err))
		pass_on(&message);
	else
		must(err.code > 0 && *err.text);
	must(arena.used <= 1 << 20);
	arena_done(&arena);
	return 0;
}
