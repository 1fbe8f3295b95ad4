/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What surprises: of a path only a part of its sum is kept, so one that was not seen may be taken for
 * one that was, once in 10^13 pairs of paths. The sums begin with random bytes: who writes the paths
 * cannot choose two of the same sum.
 */
#include "helper/path_set.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "base/mem.h"
#include "base/sha256.h"

static uint64_t sum_of(const struct path_set *s, const char *path, size_t len)
{
	uint8_t all[SHA256_SIZE];
	struct sha256 h;
	uint64_t sum;

	sha256_init(&h);
	sha256_add(&h, s->seed, sizeof(s->seed));
	sha256_add(&h, path, len);
	sha256_final(&h, all);
	memcpy(&sum, all, sizeof(sum));
	return sum ? sum : 1;
}

/* Where it is, or would be; there is always a free one. */
static size_t slot(const uint64_t *sums, size_t cap, uint64_t sum)
{
	size_t i = (size_t)sum & (cap - 1);

	while (sums[i] && sums[i] != sum)
		i = (i + 1) & (cap - 1);
	return i;
}

static int grow(struct path_set *s)
{
	size_t cap = s->cap ? s->cap * 2 : 64;
	uint64_t *more;

	if (s->n < s->cap / 2)
		return 0;
	if (!s->cap && getrandom(s->seed, sizeof(s->seed), 0) != sizeof(s->seed))
		return -ENOMEM;
	more = mem_calloc(cap, sizeof(*more));
	if (!more)
		return -ENOMEM;
	for (size_t i = 0; i < s->cap; i++)
		if (s->sums[i])
			more[slot(more, cap, s->sums[i])] = s->sums[i];
	free(s->sums);
	s->sums = more;
	s->cap = cap;
	return 0;
}

static int add(struct path_set *s, const char *path, size_t len)
{
	uint64_t sum;
	size_t at;

	if (grow(s) < 0)
		return -ENOMEM;
	sum = sum_of(s, path, len);
	at = slot(s->sums, s->cap, sum);
	s->n += !s->sums[at];
	s->sums[at] = sum;
	return 0;
}

int path_set_add_all(struct path_set *s, const char *path)
{
	for (const char *p = strchr(path, '/'); p; p = strchr(p + 1, '/'))
		if (add(s, path, (size_t)(p - path)) < 0)
			return -ENOMEM;
	return add(s, path, strlen(path));
}

bool path_set_has(const struct path_set *s, const char *path)
{
	uint64_t sum;

	if (!s->cap)
		return false;
	sum = sum_of(s, path, strlen(path));
	return s->sums[slot(s->sums, s->cap, sum)] == sum;
}

void path_set_done(struct path_set *s)
{
	free(s->sums);
	*s = (struct path_set){ 0 };
}
