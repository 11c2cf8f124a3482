#include "base/guess.h"

#include <string.h>

#include "check.h"

static const char *const names[] = {
	"peer",       "init", "auth",    "blocks",   "port",
	"vxlan-port", "vni",  "node-ip", "node-ref", "no-masquerade-nodes"
};

enum { N_NAMES = sizeof(names) / sizeof(names[0]) };

static const char *name_at(const void *table, size_t i)
{
	const char *const *all = table;

	return all[i];
}

static const char *guess(const char *typed)
{
	size_t i = guess_name(typed, strlen(typed), names, N_NAMES, name_at);

	return i < N_NAMES ? names[i] : "nothing";
}

static void near_ones(void)
{
	CHECK_STR(guess("pear"), "peer");      /* another letter */
	CHECK_STR(guess("pee"), "peer");       /* the beginning */
	CHECK_STR(guess("peers"), "peer");     /* one more */
	CHECK_STR(guess("prot"), "port");      /* swapped */
	CHECK_STR(guess("nodeip"), "node-ip"); /* one less */
	CHECK_STR(guess("vxlanpotr"), "vxlan-port");
	CHECK_STR(guess("no-masquarade-nodes"), "no-masquerade-nodes");
	CHECK_STR(guess("no-m"), "no-masquerade-nodes");
}

/* Each has letters in common with a name and is no slip of it. */
static void far_ones(void)
{
	CHECK_STR(guess("bogus"), "nothing");
	CHECK_STR(guess("pod"), "nothing");
	CHECK_STR(guess("frob"), "nothing");
	CHECK_STR(guess("authenticate"), "nothing");
	CHECK_STR(guess("node"), "nothing"); /* the beginning of two */
	CHECK_STR(guess("p"), "nothing");
	CHECK_STR(guess(""), "nothing");
	CHECK_STR(guess("no-masquerade-nodes-and-forty-letters-more"), "nothing");
}

static void only_the_bytes_given(void)
{
	CHECK_UINT(guess_name("init=alone", 4, names, N_NAMES, name_at), 1);
}

int main(void)
{
	RUN(near_ones);
	RUN(far_ones);
	RUN(only_the_bytes_given);
	return check_report();
}
