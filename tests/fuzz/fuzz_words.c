/* SPDX-License-Identifier: Apache-2.0 */
/* Small languages: signals, ranges of ids, keys of sysctl, sizes, limits, capabilities. The first byte says which. */
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "oci/cap_name.h"
#include "oci/idmap_words.h"
#include "oci/rlimit_name.h"
#include "oci/signal_name.h"
#include "oci/sysctl_key.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Every number that a name has is one, and its own name says it again. */
static void check_signal(const char *text)
{
	char name[SIGNAL_NAME_SIZE];
	struct err err = { 0 };
	int sig = -77, again;

	if (signal_name_parse(text, &sig, &err) < 0) {
		if (sig != -77 || !strstr(err.text, "unknown signal"))
			abort();
		return;
	}
	if (sig < 0 || sig > 64)
		abort();
	if (str_starts(signal_name(sig, name), "SIG") &&
		(signal_name_parse(name, &again, NULL) < 0 || again != sig))
		abort();
}

/* Neither empty nor beyond the ids that there are. */
static void check_ranges(const struct idmap_range *r, size_t n)
{
	if (n == 0)
		abort();
	for (size_t i = 0; i < n; i++)
		if (r[i].map.size == 0 ||
			(uint64_t)r[i].map.container_id + r[i].map.size > 1ull << 32 ||
			(uint64_t)r[i].map.host_id + r[i].map.size > 1ull << 32)
			abort();
}

static void check_idmap(const char *text)
{
	struct arena arena = { 0 };
	struct idmap_words w;
	struct err err = { 0 };

	if (idmap_words_parse(text, &arena, &w, &err) == 0) {
		check_ranges(w.uids, w.n_uids);
		check_ranges(w.gids, w.n_gids);
	} else if (err.code >= 0 || !err.text[0]) {
		abort();
	}
	arena_done(&arena);
}

/* A path below /proc/sys that nobody leaves, in letters that need no quoting. */
static void check_sysctl(const char *text)
{
	char path[SYSCTL_KEY_SIZE + 2] = "/", *end;

	if (sysctl_key_path(text, path + 1) < 0)
		return;
	end = path + strlen(path);
	if (end - path < 2 || end[-1] == '/')
		abort();
	*end = '/';
	end[1] = '\0';
	if (strstr(path, "//") || strstr(path, "/./") || strstr(path, "/../"))
		abort();
	for (const char *p = path; *p; p++)
		if (!strchr("/._-", *p) && !(*p >= '0' && *p <= '9') &&
			!((*p | 32) >= 'a' && (*p | 32) <= 'z'))
			abort();
	*end = '\0';
	sysctl_key_namespace(path + 1);
}

static void check_size(const char *text)
{
	int64_t n = -77, plain;
	uint64_t u;

	if (str_to_size(text, &n) < 0 ? n != -77 : n < -1)
		abort();
	if (str_to_i64(text, &plain) == 0 && text[0] != '-' &&
		(str_to_size(text, &n) < 0 || n != plain))
		abort();
	if (str_to_u64(text, UINT64_MAX, &u) == 0 && text[strspn(text, "0123456789")])
		abort();
}

static void check_names(const char *text)
{
	unsigned int cap;
	int limit;

	if (cap_name_parse(text, &cap) == 0 &&
		(cap >= CAP_NAME_COUNT || strcmp(cap_name(cap), text) != 0))
		abort();
	if (rlimit_name_parse(text, &limit) == 0 && strcmp(rlimit_name(limit), text) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const checks[])(const char *text) = { check_signal, check_idmap, check_sysctl,
		check_size, check_names };
	char *text;

	if (size < 1 || !(text = calloc(1, size)))
		return 0;
	memcpy(text, data + 1, size - 1);
	checks[data[0] % (sizeof(checks) / sizeof(*checks))](text);
	free(text);
	return 0;
}
