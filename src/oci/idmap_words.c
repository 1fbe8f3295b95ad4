/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small language that another runtime has: kinds end in ';', ranges in '#', numbers in '-'. Strict, for a number that
 * is read wrongly gives files to somebody else.
 */
#include "oci/idmap_words.h"

#include <errno.h>
#include <string.h>

#include "base/str.h"

static size_t count(const char *text, size_t len, char c)
{
	size_t n = 1;

	for (size_t i = 0; i < len; i++)
		n += text[i] == c;
	return n;
}

/* "10-" at *at; moves behind it. */
static int number(const char **at, const char *end, uint32_t *ret)
{
	const char *p = *at;
	uint64_t v = 0;

	while (p < end && *p >= '0' && *p <= '9' && v <= UINT32_MAX)
		v = v * 10 + (uint64_t)(*p++ - '0');
	if (p == *at || v > UINT32_MAX || (p < end && *p != '-'))
		return -EINVAL;
	*ret = (uint32_t)v;
	*at = p < end ? p + 1 : p;
	return 0;
}

static int range(const char *text, size_t len, struct idmap_range *ret, struct err *err)
{
	const char *end = text + len;
	const char *at = text;
	int r;

	*ret = (struct idmap_range){ .of_container = len > 0 && *text == '@' };
	if (ret->of_container)
		at++;
	r = number(&at, end, &ret->map.container_id);
	if (r == 0)
		r = number(&at, end, &ret->map.host_id);
	if (r == 0)
		r = number(&at, end, &ret->map.size);
	if (r < 0 || at != end || end[-1] == '-' || ret->map.size == 0)
		return err_set(err, -EINVAL, "'%.*s' is not a range FIRST-TO-COUNT",
			(int)(len < 64 ? len : 64), text);
	return 0;
}

static int ranges(const char *text, size_t len, struct arena *arena, struct idmap_range **ret,
	size_t *ret_n, struct err *err)
{
	size_t n = count(text, len, '#');
	const char *end = text + len;

	if (*ret)
		return err_set(err, -EINVAL, "uids or gids are there twice");
	*ret = arena_calloc(arena, n, sizeof(**ret));
	if (!*ret)
		return err_oom(err);
	for (size_t i = 0; i < n; i++) {
		const char *stop = memchr(text, '#', (size_t)(end - text));
		int r = range(text, (size_t)((stop ? stop : end) - text), &(*ret)[i], err);

		if (r < 0)
			return r;
		text = stop ? stop + 1 : end;
	}
	*ret_n = n;
	return 0;
}

int idmap_words_parse(
	const char *text, struct arena *arena, struct idmap_words *ret, struct err *err)
{
	struct idmap_words w = { 0 };

	while (*text) {
		size_t len = strcspn(text, ";");
		int r;

		if (str_starts(text, "uids="))
			r = ranges(text + 5, len < 5 ? 0 : len - 5, arena, &w.uids, &w.n_uids, err);
		else if (str_starts(text, "gids="))
			r = ranges(text + 5, len < 5 ? 0 : len - 5, arena, &w.gids, &w.n_gids, err);
		else
			r = err_set(err, -EINVAL,
				"'%.*s' is neither uids= nor gids=", (int)(len < 64 ? len : 64),
				text);
		if (r < 0)
			return r;
		text += len;
		text += *text == ';';
	}
	if (!w.uids || !w.gids)
		return err_set(err, -EINVAL, "uids= and gids= go together");
	*ret = w;
	return 0;
}
