/* Identity: keys and hashes against published values, the file at every cut and flip. */
#include "wire/identity.h"

#include "base/text.h"

#include "check.h"

/* RFC 7748, 6.1: Alice's keys. */
static const char alice_secret[] =
	"77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a";
static const char alice_public[] =
	"8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a";

static void from_hex(const char *hex, void *ret, size_t len)
{
	struct err err;

	REQUIRE(text_parse_hex(hex, ret, len, &err) == 0);
}

static struct identity alice(void)
{
	struct binding binding = { { { 1 }, { 2 }, { 3 } } };
	struct identity identity;
	uint8_t secret[32];

	from_hex(alice_secret, secret, 32);
	identity_make(&identity, secret, &binding);
	return identity;
}

static void keys_and_uid(void)
{
	struct identity identity = alice();
	uint8_t public_key[32], uid_bytes[16];
	struct uid uid = identity_uid(&identity);

	from_hex(alice_public, public_key, 32);
	CHECK_MEM(identity.public_key, public_key, 32);
	CHECK_UINT(identity.incarnation, 0);
	/* BLAKE2b-128 of the public key, by Python's hashlib */
	from_hex("15b689321abfea25a478a451efca7847", uid_bytes, 16);
	CHECK_MEM(uid.b, uid_bytes, 16);
}

static void macs_are_local_and_differ(void)
{
	struct mac seen[512];
	struct uid uid = { 0 };
	size_t n = 0;

	for (int i = 0; i < 256; i++)
		for (uint8_t attempt = 0; attempt < 2; attempt++) {
			uid.b[7] = (uint8_t)i;
			seen[n] = identity_vtep_mac(&uid, attempt);
			CHECK_UINT(seen[n].b[0] & 3u, 2);
			for (size_t k = 0; k < n; k++)
				CHECK(memcmp(seen[k].b, seen[n].b, 6) != 0);
			n++;
		}
}

static struct bytes text(const char *t)
{
	return (struct bytes){ (const uint8_t *)t, strlen(t) };
}

static void two_of_three_are_a_clone(void)
{
	struct binding a = identity_binding(text("m1"), text("p1"), text("n1"));
	struct binding nic = identity_binding(text("m1"), text("p1"), text("n2"));
	struct binding clone = identity_binding(text("m1"), text("p2"), text("n2"));
	struct binding other = identity_binding(text("m2"), text("p2"), text("n2"));
	struct binding unsaid = identity_binding(text("m2"), text(""), text("n1"));
	struct binding less = identity_binding(text("m2"), text(""), text("n2"));
	static const uint8_t zero[8];

	CHECK(!identity_is_clone(&a, &a));
	CHECK(!identity_is_clone(&a, &nic));
	CHECK(identity_is_clone(&a, &clone));
	CHECK(identity_is_clone(&a, &other));
	CHECK(!identity_is_clone(&a, &unsaid));
	CHECK(identity_is_clone(&a, &less));
	CHECK_MEM(less.part[1], zero, 8);
	/* the same words in another place are another fact */
	a = identity_binding(text("x"), text("x"), text("x"));
	CHECK(memcmp(a.part[0], a.part[1], 8) != 0 && memcmp(a.part[1], a.part[2], 8) != 0);
}

static void boots_differ_in_each_part(void)
{
	uint8_t random[16] = { 1 }, other[16] = { 2 };
	struct boot_id a = identity_boot(text("boot"), 1, random), b;

	b = identity_boot(text("boot"), 1, random);
	CHECK(boot_eq(&a, &b));
	b = identity_boot(text("boos"), 1, random);
	CHECK(!boot_eq(&a, &b));
	b = identity_boot(text("boot"), 2, random);
	CHECK(!boot_eq(&a, &b));
	b = identity_boot(text("boot"), 1, other);
	CHECK(!boot_eq(&a, &b));
}

static void the_file_comes_back(void)
{
	struct identity identity = alice(), back;
	uint8_t file[IDENTITY_FILE_MAX];
	size_t len;

	identity.incarnation = 0x0102030405060708;
	len = identity_encode(&identity, file);
	CHECK_UINT(len, 108);
	REQUIRE(identity_decode((struct bytes){ file, len }, &back, NULL) == 0);
	CHECK_MEM(&back, &identity, sizeof(identity));
}

static void refused(const uint8_t *file, size_t len, const char *why)
{
	struct identity back;
	struct err err = { 0 };

	CHECK(identity_decode((struct bytes){ file, len }, &back, &err) < 0);
	if (why)
		CHECK_STR(err.text, why);
	CHECK(*err.text);
}

static void damage_is_seen(void)
{
	struct identity identity = alice();
	uint8_t file[IDENTITY_FILE_MAX];
	size_t len = identity_encode(&identity, file);

	for (size_t cut = 0; cut < len; cut++)
		refused(file, cut, NULL);
	refused(file, len + 1, "it has 109 bytes, expected 108");
	for (size_t bit = 0; bit < 8 * len; bit++) {
		file[bit / 8] ^= (uint8_t)(1 << bit % 8);
		refused(file, len, NULL);
		file[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	file[7] = 2;
	refused(file, len, "its format is 2, this agent reads 1");
	file[7] = 1;
	file[3]++;
	refused(file, len, "this is no identity file");
}

/* A good checksum over keys that somebody put together by hand. */
static void keys_must_match(void)
{
	struct identity identity = alice();
	uint8_t file[IDENTITY_FILE_MAX];

	identity.public_key[5] ^= 1;
	refused(file, identity_encode(&identity, file), "its keys do not belong to each other");
}

int main(void)
{
	RUN(keys_and_uid);
	RUN(macs_are_local_and_differ);
	RUN(two_of_three_are_a_clone);
	RUN(boots_differ_in_each_part);
	RUN(the_file_comes_back);
	RUN(damage_is_seen);
	RUN(keys_must_match);
	return check_report();
}
