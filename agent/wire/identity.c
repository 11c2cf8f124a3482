#include "wire/identity.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>

#include "base/crc32c.h"

enum { FORMAT = 1, FILE_LEN = 8 + 32 + 32 + 24 + 8 + 4 };

static const uint8_t magic[7] = { 'w', 'e', 'f', 't', '-', 'i', 'd' };

/* BLAKE2b over a label and parts, each with its length in front: no two inputs run into each other,
 * and hashes of one purpose never stand for another. */
struct hasher {
	crypto_generichash_state state;
	size_t len;
};

static void hash_part(struct hasher *hasher, const void *data, size_t len)
{
	uint8_t prefix[8];
	struct writer w = writer_to(prefix, sizeof(prefix));

	writer_be64(&w, len);
	(void)crypto_generichash_update(&hasher->state, prefix, sizeof(prefix));
	(void)crypto_generichash_update(&hasher->state, data, len);
}

static void hash_begin(struct hasher *hasher, const char *label, size_t len)
{
	int failed = crypto_generichash_init(&hasher->state, NULL, 0, len);

	assert(!failed);
	hasher->len = len;
	hash_part(hasher, label, strlen(label));
}

static void hash_end(struct hasher *hasher, uint8_t *ret)
{
	int failed = crypto_generichash_final(&hasher->state, ret, hasher->len);

	assert(!failed);
}

static void derive_public_key(const uint8_t secret[32], uint8_t ret_public[32])
{
	int failed = crypto_scalarmult_base(ret_public, secret);

	assert(!failed);
}

void identity_make(struct identity *ret, const uint8_t random[32], const struct binding *binding)
{
	*ret = (struct identity){ .binding = *binding };
	memcpy(ret->secret_key, random, sizeof(ret->secret_key));
	derive_public_key(ret->secret_key, ret->public_key);
}

struct uid identity_uid(const struct identity *identity)
{
	struct uid uid;
	int failed = crypto_generichash(uid.b, sizeof(uid.b), identity->public_key,
					sizeof(identity->public_key), NULL, 0);

	assert(!failed);
	return uid;
}

struct mac identity_vtep_mac(const struct uid *uid, uint8_t attempt)
{
	struct hasher hasher;
	struct mac mac;

	hash_begin(&hasher, "weft vtep mac", sizeof(mac.b));
	hash_part(&hasher, uid->b, sizeof(uid->b));
	hash_part(&hasher, &attempt, 1);
	hash_end(&hasher, mac.b);
	mac.b[0] = (uint8_t)((mac.b[0] & ~1) | 2); /* one host's; locally administered */
	return mac;
}

static void bind_part(struct binding *binding, size_t i, const char *label, struct bytes fact)
{
	struct hasher hasher;

	if (fact.len == 0)
		return;
	hash_begin(&hasher, label, sizeof(binding->part[i]));
	hash_part(&hasher, fact.data, fact.len);
	hash_end(&hasher, binding->part[i]);
}

struct binding identity_binding(struct bytes machine_id, struct bytes product_uuid,
				struct bytes primary_mac)
{
	struct binding binding = { 0 };

	bind_part(&binding, 0, "weft machine id", machine_id);
	bind_part(&binding, 1, "weft product uuid", product_uuid);
	bind_part(&binding, 2, "weft primary mac", primary_mac);
	return binding;
}

bool identity_is_clone(const struct binding *was, const struct binding *is)
{
	static const uint8_t unknown[sizeof(was->part[0])];
	unsigned n_different = 0;

	for (size_t i = 0; i < 3; i++) {
		const uint8_t *a = was->part[i], *b = is->part[i];
		size_t len = sizeof(unknown);

		if (memcmp(a, unknown, len) != 0 && memcmp(b, unknown, len) != 0)
			n_different += memcmp(a, b, len) != 0;
	}
	return n_different >= 2;
}

struct boot_id identity_boot(struct bytes kernel_boot_id, uint64_t netns_cookie,
			     const uint8_t run_random[16])
{
	uint8_t cookie[8];
	struct writer w = writer_to(cookie, sizeof(cookie));
	struct hasher hasher;
	struct boot_id boot;

	writer_be64(&w, netns_cookie);
	hash_begin(&hasher, "weft boot", sizeof(boot.b));
	hash_part(&hasher, kernel_boot_id.data, kernel_boot_id.len);
	hash_part(&hasher, cookie, sizeof(cookie));
	hash_part(&hasher, run_random, 16);
	hash_end(&hasher, boot.b);
	return boot;
}

/* ---- the file */

size_t identity_encode(const struct identity *identity, uint8_t buf[static IDENTITY_FILE_MAX])
{
	struct writer w = writer_to(buf, IDENTITY_FILE_MAX);

	writer_put(&w, magic, sizeof(magic));
	writer_u8(&w, FORMAT);
	writer_put(&w, identity->secret_key, sizeof(identity->secret_key));
	writer_put(&w, identity->public_key, sizeof(identity->public_key));
	writer_put(&w, identity->binding.part, sizeof(identity->binding.part));
	writer_be64(&w, identity->incarnation);
	writer_be32(&w, crc32c(0, buf, w.len));
	assert(!w.broken && w.len == FILE_LEN);
	return w.len;
}

static int check_head(struct bytes file, struct err *err)
{
	if (file.len < sizeof(magic) + 1 || memcmp(file.data, magic, sizeof(magic)) != 0)
		return err_set(err, EBADMSG, "this is no identity file");
	if (file.data[sizeof(magic)] != FORMAT)
		return err_set(err, EBADMSG, "its format is %u, this agent reads %d",
			       file.data[sizeof(magic)], FORMAT);
	if (file.len != FILE_LEN)
		return err_set(err, EBADMSG, "it has %zu bytes, expected %d", file.len, FILE_LEN);
	return 0;
}

int identity_decode(struct bytes file, struct identity *ret, struct err *err)
{
	struct reader r = reader_of(file);
	struct identity identity;
	uint8_t public_key[32];
	int error = check_head(file, err);

	if (error < 0)
		return error;
	reader_bytes(&r, sizeof(magic) + 1);
	reader_copy(&r, identity.secret_key, sizeof(identity.secret_key));
	reader_copy(&r, identity.public_key, sizeof(identity.public_key));
	reader_copy(&r, identity.binding.part, sizeof(identity.binding.part));
	identity.incarnation = reader_be64(&r);
	if (reader_be32(&r) != crc32c(0, file.data, FILE_LEN - 4))
		return err_set(err, EBADMSG, "its checksum is wrong: the file is damaged");
	assert(reader_done(&r));
	derive_public_key(identity.secret_key, public_key);
	if (memcmp(public_key, identity.public_key, sizeof(public_key)) != 0)
		return err_set(err, EBADMSG, "its keys do not belong to each other");
	*ret = identity;
	return 0;
}
