#include "base/flags.h"

#include <errno.h>

#include "base/text.h"
#include "check.h"

struct options {
	char colour[20], node_ip[20], socket[20];
	bool wait, help;
};

static int set_colour(struct options *o, const char *text, struct err *err)
{
	return text_parse_word(text, o->colour, 19, TEXT_SMALL, "a colour", err);
}

static int set_node_ip(struct options *o, const char *text, struct err *err)
{
	return text_parse_word(text, o->node_ip, 19, TEXT_SMALL ".", "an address", err);
}

static int set_socket(struct options *o, const char *text, struct err *err)
{
	return text_parse_path(text, o->socket, 19, err);
}

static int set_wait(struct options *o, const char *text, struct err *err)
{
	return text_parse_switch(text, &o->wait, err);
}

static int set_help(struct options *o, const char *text, struct err *err)
{
	return text_parse_switch(text, &o->help, err) < 0 ? -EINVAL : o->help;
}

static const struct flag all[] = {
	{ "colour", "WORD", set_colour, "of all" },
	{ "node-ip", "ADDR", set_node_ip, "an address,\n      and more" },
	{ "socket", "FILE", set_socket, "a path", "WEFT_OTHER_SOCKET" },
	{ "wait", "[on|off]", set_wait, "or not" },
	{ "help", "[]", set_help, "print this", "" },
};

static const struct flags flags = { "painter", all, sizeof(all) / sizeof(all[0]), 16, 0 };

/* Up to three arguments and two variables; NULL is none. */
struct given {
	const char *arguments[3], *environment[2];
};

/* flags_parse takes what main has, which is not const. */
static int parse(struct given given, struct options *ret, struct err *err)
{
	char room[5][100], *argv[5] = { (char[]){ "painter" } }, *environment[3] = { 0 };

	for (size_t i = 0; i < 3 && given.arguments[i]; i++)
		argv[i + 1] = strcpy(room[i], given.arguments[i]);
	for (size_t i = 0; i < 2 && given.environment[i]; i++)
		environment[i] = strcpy(room[3 + i], given.environment[i]);
	*ret = (struct options){ 0 };
	return flags_parse(&flags, ret, argv, environment, err);
}

static struct options taken(struct given given)
{
	struct err err = { 0 };
	struct options o;

	if (!CHECK_INT(parse(given, &o, &err), 0))
		printf("  %s\n", err.text);
	return o;
}

static void refused(struct given given, const char *why)
{
	struct err err = { 0 };
	struct options o;

	CHECK_INT(parse(given, &o, &err), -EINVAL);
	CHECK_STR(err.text, why);
}

static void values(void)
{
	struct options o = taken((struct given){ { "--colour", "red", "--node-ip=1.2" } });

	CHECK_STR(o.colour, "red");
	CHECK_STR(o.node_ip, "1.2");
	CHECK(!o.wait);
	CHECK_STR(taken((struct given){ { "--colour=a", "--colour", "b" } }).colour, "b");
}

static void bare(void)
{
	struct options o = taken((struct given){ { "--wait", "--colour", "red" } });

	CHECK(o.wait);
	CHECK_STR(o.colour, "red");
	CHECK(!taken((struct given){ { "--wait", "--wait=off" } }).wait);
}

static void variables(void)
{
	struct options o = taken(
		(struct given){ .environment = { "WEFT_NODE_IP=9", "WEFT_OTHER_SOCKET=/s" } });

	CHECK_STR(o.node_ip, "9");
	CHECK_STR(o.socket, "/s");
	o = taken((struct given){ .environment = { "WEFT_SOCKET=x", "WEFT_COLOURS=x" } });
	CHECK_STR(o.socket, "");
	CHECK_STR(o.colour, "");
	o = taken((struct given){ .environment = { "WEFT_HELP=on", "=on" } });
	CHECK(!o.help);
	o = taken((struct given){ .environment = { "WEFT_NODE_IP=", "WEFT_WAIT=1" } });
	CHECK_STR(o.node_ip, "");
	CHECK(o.wait);
}

static void flags_win(void)
{
	struct given given = { { "--node-ip", "1" }, { "WEFT_NODE_IP=!", "WEFT_COLOUR=red" } };
	struct options o = taken(given);

	CHECK_STR(o.node_ip, "1");
	CHECK_STR(o.colour, "red");
}

static void help_ends_it(void)
{
	struct given given = { { "--wait", "--help", "--bogus" }, { "WEFT_COLOUR=!" } };
	struct options o;

	CHECK_INT(parse(given, &o, NULL), 1);
	CHECK(o.wait && o.help);
	refused((struct given){ { "--bogus", "--help" } },
		"there is no --bogus; 'painter --help' tells what there is");
}

static void culprits(void)
{
	refused((struct given){ { "--colour=RED" } }, "--colour: expected a colour, got 'RED'");
	refused((struct given){ { "--colour=" } }, "--colour: expected a colour, got ''");
	refused((struct given){ { "--colour" } }, "--colour: expected WORD behind it");
	refused((struct given){ .environment = { "WEFT_NODE_IP=A" } },
		"WEFT_NODE_IP: expected an address, got 'A'");
	refused((struct given){ .environment = { "WEFT_OTHER_SOCKET=s" } },
		"WEFT_OTHER_SOCKET: expected an absolute path of at most 19 bytes, got 's'");
	refused((struct given){ { "--color=red" } }, "there is no --color; did you mean --colour?");
	refused((struct given){ { "--node-ips" } },
		"there is no --node-ips; did you mean --node-ip?");
	refused((struct given){ { "--=red" } },
		"there is no --; 'painter --help' tells what there is");
	refused((struct given){ { "red" } }, "expected flags that begin with --, got 'red'");
	refused((struct given){ { "" } }, "expected flags that begin with --, got ''");
	refused((struct given){ { "--" } }, "expected flags that begin with --, got '--'");
}

static void looks_up(void)
{
	char *environment[] = { (char[]){ "A=1" }, (char[]){ "AB=2=3" }, NULL };

	CHECK_STR(flags_look_up(environment, "A"), "1");
	CHECK_STR(flags_look_up(environment, "AB"), "2=3");
	CHECK_STR(flags_look_up(environment, "B"), "");
	CHECK_STR(flags_look_up(NULL, "A"), "");
}

static void helps(void)
{
	struct flags wide = flags;
	char line[100];

	CHECK_STR(flags_help(&flags, 0, line, sizeof(line)), "  --colour WORD    of all");
	CHECK_STR(flags_help(&flags, 1, line, sizeof(line)),
		  "  --node-ip ADDR   an address,\n      and more");
	CHECK_STR(flags_help(&flags, 3, line, sizeof(line)), "  --wait[=on|off]  or not");
	CHECK_STR(flags_help(&flags, 4, line, sizeof(line)), "  --help           print this");
	CHECK(!flags_help(&flags, 5, line, sizeof(line)));
	wide.variable_width = 17;
	CHECK_STR(flags_help(&wide, 1, line, sizeof(line)),
		  "  --node-ip ADDR   WEFT_NODE_IP      an address,\n      and more");
	CHECK_STR(flags_help(&wide, 2, line, sizeof(line)),
		  "  --socket FILE    WEFT_OTHER_SOCKET a path");
	CHECK_STR(flags_help(&wide, 4, line, sizeof(line)),
		  "  --help                             print this");
}

int main(void)
{
	RUN(values);
	RUN(bare);
	RUN(variables);
	RUN(flags_win);
	RUN(help_ends_it);
	RUN(culprits);
	RUN(looks_up);
	RUN(helps);
	return check_report();
}
