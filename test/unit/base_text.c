/* Text of addresses: both ways, and every wrong spelling is told what was expected. */
#include "base/text.h"

#include <errno.h>

#include "check.h"

static void formats_ip4(void)
{
	CHECK_STR(text_ip4(TEXT_BUF(IP4), 0), "0.0.0.0");
	CHECK_STR(text_ip4(TEXT_BUF(IP4), 0x0a20ff01), "10.32.255.1");
	CHECK_STR(text_ip4(TEXT_BUF(IP4), UINT32_MAX), "255.255.255.255");
	CHECK_STR(text_prefix(TEXT_BUF(PREFIX), 0x0a200000, 12), "10.32.0.0/12");
	CHECK_STR(text_prefix(TEXT_BUF(PREFIX), UINT32_MAX, 32), "255.255.255.255/32");
}

static void formats_ip6(void)
{
	static const struct {
		uint8_t ip[16];
		const char *text;
	} cases[] = {
		{ { 0 }, "::" },
		{ { [15] = 1 }, "::1" },
		{ { 0xfe, 0x80 }, "fe80::" },
		{ { 0x20, 1, 0x0d, 0xb8, [15] = 7 }, "2001:db8::7" },
		/* one zero group stays; of two equal runs the first goes (RFC 5952 4.2) */
		{ { 0x20, 1, 0xd, 0xb8, 0, 0, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1 },
		  "2001:db8:0:1:1:1:1:1" },
		{ { 0x20, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1 }, "2001:0:0:1::1" },
		{ { 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1 }, "2001:db8::1:0:0:1" },
		{ { 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
		    255 },
		  "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t back[16];

		CHECK_STR(text_ip6(TEXT_BUF(IP6), cases[i].ip), cases[i].text);
		CHECK_INT(text_parse_ip6(cases[i].text, back, NULL), 0);
		CHECK_MEM(back, cases[i].ip, 16);
	}
}

static void formats_the_rest(void)
{
	static const uint8_t some[16] = { 0xde, 0xad, 0xbe, 0xef, 0, 1, 2,    3,
					  4,    5,    6,    7,    8, 9, 0x0a, 0xff };
	static const uint8_t ip4[4] = { 192, 0, 2, 7 };
	char hex[33];

	CHECK_STR(text_mac(TEXT_BUF(MAC), some), "de:ad:be:ef:00:01");
	CHECK_STR(text_short(TEXT_BUF(SHORT), some), "deadbeef");
	CHECK_STR(text_uuid(TEXT_BUF(UUID), some), "deadbeef-0001-0203-0405-060708090aff");
	CHECK_STR(text_hex(hex, some, 16), "deadbeef000102030405060708090aff");
	CHECK_STR(text_hex(hex, some, 0), "");
	CHECK_STR(text_endpoint(TEXT_BUF(ENDPOINT), ip4, 4, 6785), "192.0.2.7:6785");
	CHECK_STR(text_endpoint(TEXT_BUF(ENDPOINT), some, 16, 65535),
		  "[dead:beef:1:203:405:607:809:aff]:65535");
	CHECK_STR(text_endpoint(TEXT_BUF(ENDPOINT), some, 0, 1), "-");
}

static void parses_ip4(void)
{
	static const char *const wrong[] = { "",          "1.2.3",     "1.2.3.4.5",
					     "256.1.1.1", "01.2.3.4",  "1.2.3.4 ",
					     " 1.2.3.4",  "1..2.3",    "1.2.3.-4",
					     "a.b.c.d",   "1.2.3.4/8", "+1.2.3.4",
					     "1.2.3.999", "00.0.0.0",  "4294967297.0.0.0" };
	uint32_t ip = 7;

	CHECK_INT(text_parse_ip4("10.32.0.1", &ip, NULL), 0);
	CHECK_UINT(ip, 0x0a200001);
	CHECK_INT(text_parse_ip4("255.255.255.255", &ip, NULL), 0);
	CHECK_UINT(ip, UINT32_MAX);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct err err = { 0 };

		CHECK(text_parse_ip4(wrong[i], &ip, &err) < 0);
		CHECK(strstr(err.text, "expected an IPv4 address like") == err.text);
		CHECK_UINT(ip, UINT32_MAX);
	}
}

static void parses_prefixes(void)
{
	static const char *const wrong[] = { "10.32.0.0",    "10.32.0.0/",    "10.32.0.0/33",
					     "10.32.0.0/-1", "10.32.0.0/012", "10.32.0.0/12x",
					     "10.32/12",     "/12",           "10.32.0.0/ 12" };
	struct err err = { 0 };
	uint32_t ip = 7;
	uint8_t len = 7;

	CHECK_INT(text_parse_prefix("10.32.0.0/12", &ip, &len, NULL), 0);
	CHECK_UINT(ip, 0x0a200000);
	CHECK_UINT(len, 12);
	CHECK_INT(text_parse_prefix("0.0.0.0/0", &ip, &len, NULL), 0);
	CHECK_UINT(len, 0);
	CHECK_INT(text_parse_prefix("10.0.0.1/32", &ip, &len, NULL), 0);
	CHECK_UINT(len, 32);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		CHECK(text_parse_prefix(wrong[i], &ip, &len, &err) < 0);
		CHECK(strstr(err.text, "expected a range like 10.32.0.0/12, got '") == err.text);
	}
	CHECK(text_parse_prefix("10.32.0.1/12", &ip, &len, &err) < 0);
	CHECK_STR(err.text,
		  "expected the first address of the range, 10.32.0.0/12, got '10.32.0.1/12'");
	CHECK(text_parse_prefix("0.0.0.1/0", &ip, &len, &err) < 0);
	CHECK_UINT(len, 32);
}

static void parses_endpoints(void)
{
	static const struct {
		const char *text;
		uint8_t ip_len;
		uint16_t port;
		const char *back;
	} right[] = {
		{ "192.0.2.7", 4, 6785, "192.0.2.7:6785" },
		{ "192.0.2.7:1", 4, 1, "192.0.2.7:1" },
		{ "192.0.2.7:65535", 4, 65535, "192.0.2.7:65535" },
		{ "2001:db8::7", 16, 6785, "[2001:db8::7]:6785" },
		{ "[2001:DB8::7]", 16, 6785, "[2001:db8::7]:6785" },
		{ "[::]:9", 16, 9, "[::]:9" },
		{ "1:2:3:4:5:6:7:8", 16, 6785, "[1:2:3:4:5:6:7:8]:6785" },
		{ "1:2:3:4:5:6:7::", 16, 6785, "[1:2:3:4:5:6:7:0]:6785" },
		{ "::2:3:4:5:6:7:8", 16, 6785, "[0:2:3:4:5:6:7:8]:6785" },
	};
	static const char *const wrong[] = {
		"",
		"node-1",
		"192.0.2.7:",
		"192.0.2.7:0",
		"192.0.2.7:65536",
		":6785",
		"[::1",
		"[::1]:",
		"[::1]6785",
		"1:2:3:4:5:6:7",
		"1::2::3",
		":1::2",
		"1:2:3:4:5:6:7:8:9",
		"12345::",
		"1:2:3:4:5:6:7:8::",
		"::1:",
		"[]:1",
		"[192.0.2.7]:1",
		"192.0.2.7:6785x",
		"::1%eth0",
		":::",
		"1:",
		":",
		"::1:2:3:4:5:6:7:8",
	};
	uint8_t ip[16], ip_len = 0;
	uint16_t port;

	for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
		CHECK_INT(text_parse_endpoint(right[i].text, 6785, ip, &ip_len, &port, NULL), 0);
		CHECK_UINT(ip_len, right[i].ip_len);
		CHECK_UINT(port, right[i].port);
		CHECK_STR(text_endpoint(TEXT_BUF(ENDPOINT), ip, ip_len, port), right[i].back);
	}
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct err err = { 0 };

		if (!CHECK(text_parse_endpoint(wrong[i], 6785, ip, &ip_len, &port, &err) < 0))
			printf("  accepted '%s'\n", wrong[i]);
		CHECK(strstr(err.text, "expected an address with or without a port") == err.text);
	}
}

static void parses_mac_and_hex(void)
{
	uint8_t mac[6] = { 0 }, two[2] = { 9, 9 };
	static const uint8_t expected[6] = { 0x02, 0, 0x5e, 0x10, 0xAB, 0x07 };

	CHECK_INT(text_parse_mac("02:00:5e:10:aB:07", mac, NULL), 0);
	CHECK_MEM(mac, expected, 6);
	CHECK(text_parse_mac("02:00:5e:10:ab", mac, NULL) < 0);
	CHECK(text_parse_mac("02:00:5e:10:ab:07:", mac, NULL) < 0);
	CHECK(text_parse_mac("2:0:5e:10:ab:07", mac, NULL) < 0);
	CHECK(text_parse_mac("02-00-5e-10-ab-07", mac, NULL) < 0);
	CHECK(text_parse_mac("", mac, NULL) < 0);
	CHECK_INT(text_parse_hex("0aFf", two, 2, NULL), 0);
	CHECK_UINT(two[0], 0x0a);
	CHECK_UINT(two[1], 0xff);
	CHECK(text_parse_hex("0aff0", two, 2, NULL) < 0);
	CHECK(text_parse_hex("0aff00", two, 2, NULL) < 0);
	CHECK(text_parse_hex("0a", two, 2, NULL) < 0);
	CHECK(text_parse_hex("0x0a", two, 2, NULL) < 0);
	CHECK_INT(text_parse_hex("", two, 0, NULL), 0);
}

static void parses_numbers(void)
{
	struct err err = { 0 };
	uint64_t value = 7;

	CHECK_INT(text_parse_number("0", 0, 9, &value, NULL), 0);
	CHECK_UINT(value, 0);
	CHECK_INT(text_parse_number("18446744073709551615", 0, UINT64_MAX, &value, NULL), 0);
	CHECK_UINT(value, UINT64_MAX);
	CHECK(text_parse_number("18446744073709551616", 0, UINT64_MAX, &value, NULL) < 0);
	CHECK(text_parse_number("99999999999999999999", 0, UINT64_MAX, &value, NULL) < 0);
	CHECK_INT(text_parse_number("65535", 1, 65535, &value, NULL), 0);
	CHECK(text_parse_number("65536", 1, 65535, &value, &err) < 0);
	CHECK_STR(err.text, "expected a number from 1 to 65535, got '65536'");
	CHECK(text_parse_number("0", 1, 65535, &value, NULL) < 0);
	CHECK(text_parse_number("", 0, 9, &value, NULL) < 0);
	CHECK(text_parse_number("9", 0, 5, &value, NULL) < 0);
	CHECK(text_parse_number("1e3", 0, 9999, &value, NULL) < 0);
	CHECK(text_parse_number("-1", 0, 9, &value, NULL) < 0);
	CHECK(text_parse_number("007", 0, 9, &value, NULL) < 0);
	CHECK_UINT(value, 65535);
}

static void tells_names(void)
{
	CHECK(text_is_name("a", 1));
	CHECK(text_is_name("node-1.example.org~", 253));
	CHECK(text_is_name("abc", 3));
	CHECK(!text_is_name("abcd", 3));
	CHECK(!text_is_name("", 3));
	CHECK(!text_is_name("a b", 9));
	CHECK(!text_is_name("a\n", 9));
	CHECK(!text_is_name("\x7f", 9));
	CHECK(!text_is_name("n\xc3\xb6", 9));
}

static void parses_switches(void)
{
	struct err err = { 0 };
	bool on = false;

	CHECK_INT(text_parse_switch("yes", &on, NULL), 0);
	CHECK(on);
	CHECK_INT(text_parse_switch("off", &on, NULL), 0);
	CHECK(!on);
	CHECK_INT(text_parse_switch("1", &on, NULL), 0);
	CHECK_INT(text_parse_switch("ON", &on, &err), -EINVAL);
	CHECK_STR(err.text, "expected on or off, got 'ON'");
	CHECK(text_parse_switch("", &on, NULL) < 0);
	CHECK(on);
}

static void parses_words(void)
{
	char word[5] = "";
	struct err err = { 0 };

	CHECK_INT(text_parse_word("a-9z", word, 4, TEXT_SMALL "-", "", NULL), 0);
	CHECK_STR(word, "a-9z");
	CHECK_INT(text_parse_word("A", word, 4, TEXT_SMALL, "a small one", &err), -EINVAL);
	CHECK_STR(err.text, "expected a small one, got 'A'");
	CHECK(text_parse_word("", word, 4, TEXT_SMALL, "", NULL) < 0);
	CHECK(text_parse_word("abcde", word, 4, TEXT_SMALL, "", NULL) < 0);
	CHECK(text_parse_word("a b", word, 4, TEXT_ALNUM, "", NULL) < 0);
	CHECK_STR(word, "a-9z");
	CHECK_INT(text_parse_word("Zz0", word, 4, TEXT_ALNUM, "", NULL), 0);
}

static void parses_paths(void)
{
	char path[6] = "";
	struct err err = { 0 };

	CHECK_INT(text_parse_path("/a/b/", path, 5, NULL), 0);
	CHECK_STR(path, "/a/b");
	CHECK_INT(text_parse_path("//", path, 5, NULL), 0);
	CHECK_STR(path, "/");
	CHECK_INT(text_parse_path("/abcde", path, 5, &err), -EINVAL);
	CHECK_STR(err.text, "expected an absolute path of at most 5 bytes, got '/abcde'");
	CHECK(text_parse_path("a/b", path, 5, NULL) < 0);
	CHECK(text_parse_path("", path, 5, NULL) < 0);
}

int main(void)
{
	RUN(formats_ip4);
	RUN(formats_ip6);
	RUN(formats_the_rest);
	RUN(tells_names);
	RUN(parses_ip4);
	RUN(parses_prefixes);
	RUN(parses_endpoints);
	RUN(parses_mac_and_hex);
	RUN(parses_numbers);
	RUN(parses_switches);
	RUN(parses_words);
	RUN(parses_paths);
	return check_report();
}
