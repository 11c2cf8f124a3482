/* What CNI says about errors and names, for the shim, which refuses what is wrong without an agent,
 * for the agent, and for weftctl, which makes up ids of its own. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* Spoken when the version of the configuration is not known. */
#define CNI_VERSION_NEWEST "1.1.0"

/* Of the specification ("Error"), 8 of its reference implementation; from 100 ours. */
enum cni_code {
	CNI_OK = 0,
	CNI_INCOMPATIBLE = 1,
	CNI_BAD_ENVIRONMENT = 4,
	CNI_IO = 5,
	CNI_BAD_JSON = 6,
	CNI_BAD_CONFIG = 7,
	CNI_BAD_NETNS = 8,
	CNI_TRY_LATER = 11,
	CNI_NOT_READY = 50,
	CNI_FAILED = 100,
	CNI_DUPLICATE = 101,
	CNI_UNSUPPORTED = 110,
};

enum { CNI_IFNAME_LEN_MAX = 15 }; /* the kernel's IFNAMSIZ, without the final 0 */

static inline bool cni_is_alphanumeric(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* What container ids and networks' names must be: ^[a-zA-Z0-9][a-zA-Z0-9_.-]*$ */
static inline bool cni_is_name(const char *text)
{
	if (!cni_is_alphanumeric(*text))
		return false;
	while (*++text)
		if (!cni_is_alphanumeric(*text) && !strchr("_.-", *text))
			return false;
	return true;
}

/* White space of Unicode, as UTF-8, and the byte 0xa0 wherever it stands: to the kernel's isspace()
 * (lib/ctype.c) names are Latin-1. */
static inline bool cni_has_wide_space(const char *name)
{
	static const char spaces[][4] = {
		"\xc2\x85",     "\xe1\x9a\x80", "\xe2\x80\xa8", "\xe2\x80\xa9",
		"\xe2\x80\xaf", "\xe2\x81\x9f", "\xe3\x80\x80",
	};

	for (size_t i = 0; i < sizeof(spaces) / sizeof(spaces[0]); i++)
		if (strstr(name, spaces[i]))
			return true;
	/* U+2000 to U+200A: the spaces of typography */
	for (const char *at = strstr(name, "\xe2\x80"); at; at = strstr(at + 1, "\xe2\x80"))
		if ((unsigned char)at[2] >= 0x80 && (unsigned char)at[2] <= 0x8a)
			return true;
	return strchr(name, '\xa0');
}

/* Why this cannot be an interface's name, as a clause behind it, or NULL. */
static inline const char *cni_ifname_fault(const char *name)
{
	if (strlen(name) > CNI_IFNAME_LEN_MAX)
		return "is longer than 15 bytes";
	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return "is a directory's name";
	for (const char *at = name; *at; at++)
		if ((unsigned char)*at <= ' ' || *at == 0x7f)
			return "has white space or a control character in it";
	if (strpbrk(name, "/:"))
		return "has '/' or ':' in it";
	/* The kernel would take it for a pattern and make another name of it (dev_alloc_name). */
	if (strchr(name, '%'))
		return "has '%' in it";
	return cni_has_wide_space(name) ? "has white space in it" : NULL;
}
