/* SPDX-License-Identifier: Apache-2.0 */
#include "services/labels.h"

#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "manager/identifier.h"

static Pb__Pair **find(const struct labels *l, const char *key)
{
	for (size_t i = l->n; i > 0; i--)
		if (str_eq(l->pairs[i - 1]->key, key))
			return &l->pairs[i - 1];
	return NULL;
}

const char *labels_get(const struct labels *l, const char *key)
{
	Pb__Pair **p = find(l, key);

	return p ? (*p)->value : NULL;
}

const char *labels_at(const struct labels *l, const char *const *path, size_t n)
{
	for (size_t i = l->n; i > 0; i--) {
		const char *at = l->pairs[i - 1]->key;
		size_t k = 0, len;

		for (; k < n; k++) {
			len = strlen(path[k]);
			if (strncmp(at, path[k], len) != 0)
				break;
			at += len;
			if (k + 1 < n && *at++ != '.')
				break;
		}
		if (k == n && n > 0 && !*at)
			return l->pairs[i - 1]->value;
	}
	return NULL;
}

int labels_set(struct labels *l, const char *key, const char *value, struct arena *arena)
{
	Pb__Pair **at = find(l, key), **more;
	Pb__Pair *pair;

	if (!*value) {
		if (at) {
			memmove(at, at + 1,
				(size_t)(l->pairs + l->n - at - 1) * sizeof(Pb__Pair *));
			l->n--;
		}
		return 0;
	}
	pair = arena_calloc(arena, 1, sizeof(*pair));
	if (!pair)
		return -ENOMEM;
	pb__pair__init(pair);
	pair->key = (char *)key;
	pair->value = (char *)value;
	if (at) {
		*at = pair;
		return 0;
	}
	more = arena_calloc(arena, l->n + 1, sizeof(Pb__Pair *));
	if (!more)
		return -ENOMEM;
	if (l->n)
		memcpy(more, l->pairs, l->n * sizeof(Pb__Pair *));
	more[l->n++] = pair;
	l->pairs = more;
	return 0;
}

static int by_key(const void *a, const void *b)
{
	const Pb__Pair *const *x = a, *const *y = b;

	return strcmp((*x)->key, (*y)->key);
}

int labels_clean(struct labels *l, struct arena *arena)
{
	Pb__Pair **out;
	size_t n = 0;

	if (l->n == 0)
		return 0;
	out = arena_calloc(arena, l->n, sizeof(Pb__Pair *));
	if (!out)
		return -ENOMEM;
	for (size_t i = 0; i < l->n; i++)
		out[i] = l->pairs[i];
	/* glibc's is stable as long as it has memory; without, an earlier one may win. */
	qsort(out, l->n, sizeof(Pb__Pair *), by_key);
	for (size_t i = 0; i < l->n; i++)
		if ((i + 1 == l->n || !str_eq(out[i]->key, out[i + 1]->key)) && *out[i]->value)
			out[n++] = out[i];
	*l = (struct labels){ out, n };
	return 0;
}

int labels_update(struct labels *l, const struct labels *wanted, char *const *paths, size_t n,
	struct arena *arena, const char **ret_wrong)
{
	if (n == 0)
		*l = *wanted;
	for (size_t i = 0; i < n; i++) {
		const char *value;

		if (str_eq(paths[i], "labels")) {
			*l = *wanted;
			continue;
		}
		*ret_wrong = paths[i];
		if (!str_starts(paths[i], "labels."))
			return -EINVAL;
		value = labels_get(wanted, paths[i] + 7);
		if (labels_set(l, paths[i] + 7, value ? value : "", arena) < 0)
			return -ENOMEM;
	}
	return 0;
}

int labels_check(const struct labels *l, const char *what, struct err *err)
{
	for (size_t i = 0; i < l->n; i++)
		if (identifier_check_label(l->pairs[i]->key, l->pairs[i]->value, err) < 0)
			return err_in(err, "%s", what);
	return 0;
}
