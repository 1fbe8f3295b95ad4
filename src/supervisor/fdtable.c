/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fd table: a sorted array. A task has about six entries and they are looked up when it starts and
 * ends, so the memmove of an insertion costs less than a tree would in memory.
 */
#include "supervisor/fdtable.h"

#include <errno.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"
#include "exit/guardian_link.h"

/* Index of the first entry whose name is not before `name`. */
static size_t lower_bound(const struct fdtable *ft, const char *name)
{
	size_t low = 0, high = ft->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (strcmp(ft->entries[mid].name, name) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static bool is_at(const struct fdtable *ft, size_t at, const char *name)
{
	return at < ft->n && strcmp(ft->entries[at].name, name) == 0;
}

static int insert(struct fdtable *ft, const char *name, int fd)
{
	auto_close int owned = fd;
	size_t at = lower_bound(ft, name);
	char *copy;

	if (is_at(ft, at, name))
		return -EEXIST;
	if (mem_grow(&ft->entries, &ft->cap, ft->n + 1, sizeof(*ft->entries)) < 0)
		return -ENOMEM;
	copy = strdup(name);
	if (!copy)
		return -ENOMEM;
	memmove(&ft->entries[at + 1], &ft->entries[at], (ft->n - at) * sizeof(*ft->entries));
	ft->entries[at] = (struct fdtable_entry){ .name = copy, .fd = take_fd(&owned) };
	ft->n++;
	return 0;
}

int fdtable_put(struct fdtable *ft, const char *name, int fd)
{
	int r = insert(ft, name, fd);

	if (r < 0 || !ft->link)
		return r;
	r = guardian_link_put(ft->link, name, fd);
	if (r < 0)
		fdtable_close(ft, name);
	return r;
}

/* One that a worker before us has stored is ours from the moment when somebody asks for it. */
static int claim(struct fdtable *ft, const char *name)
{
	int fd = ft->link ? guardian_link_take(ft->link, name) : -ENOENT;
	int r = fd < 0 ? fd : insert(ft, name, fd);

	return r < 0 ? r : fd;
}

int fdtable_replace(struct fdtable *ft, const char *name, int fd)
{
	size_t at = lower_bound(ft, name);
	int r;

	if (!is_at(ft, at, name))
		return fdtable_put(ft, name, fd);
	r = ft->link ? guardian_link_put(ft->link, name, fd) : 0;
	if (r < 0) {
		fd_close(fd);
		return r;
	}
	fd_close(ft->entries[at].fd);
	ft->entries[at].fd = fd;
	return 0;
}

int fdtable_flush(struct fdtable *ft, struct err *err)
{
	return ft->link ? guardian_link_flush(ft->link, err) : 0;
}

bool fdtable_is_settled(const struct fdtable *ft)
{
	return !ft->link || guardian_link_is_settled(ft->link);
}

int fdtable_get(struct fdtable *ft, const char *name)
{
	size_t at = lower_bound(ft, name);

	return is_at(ft, at, name) ? ft->entries[at].fd : claim(ft, name);
}

static void close_range_of(struct fdtable *ft, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++) {
		if (ft->link)
			(void)guardian_link_drop(ft->link, ft->entries[i].name);
		fd_close(ft->entries[i].fd);
		free(ft->entries[i].name);
	}
	memmove(&ft->entries[from], &ft->entries[to], (ft->n - to) * sizeof(*ft->entries));
	ft->n -= to - from;
}

void fdtable_close(struct fdtable *ft, const char *name)
{
	size_t at = lower_bound(ft, name);

	if (is_at(ft, at, name))
		close_range_of(ft, at, at + 1);
}

void fdtable_close_prefix(struct fdtable *ft, const char *prefix)
{
	size_t from = lower_bound(ft, prefix), to = from;
	size_t len = strlen(prefix);

	while (to < ft->n && strncmp(ft->entries[to].name, prefix, len) == 0)
		to++;
	if (to > from)
		close_range_of(ft, from, to);
}

void fdtable_drop_unclaimed(struct fdtable *ft)
{
	if (ft->link)
		guardian_link_drop_untaken(ft->link);
}

void fdtable_done(struct fdtable *ft)
{
	ft->link = NULL;
	if (ft->n > 0)
		close_range_of(ft, 0, ft->n);
	free(ft->entries);
	*ft = (struct fdtable){ 0 };
}
