/* SPDX-License-Identifier: Apache-2.0 */
/* One word, one thing to do; `in` and `from` only say where. */
#include "helper/disk.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/str.h"
#include "base/tree.h"
#include "base/tree_copy.h"
#include "helper/helper_answer.h"

struct disk {
	int news, in, from;
	int64_t first, second;
};

static int take_number(const char *text, int *ret, struct err *err)
{
	uint32_t fd;

	if (str_to_u32(text, &fd) < 0)
		return err_set(err, -EINVAL, "'%s' is no descriptor", text);
	*ret = (int)fd;
	return 0;
}

static int do_sync(const char *text, struct err *err)
{
	int fd = -EBADF, r = take_number(text, &fd, err);

	if (r == 0 && !file_is_volatile(fd) && fdatasync(fd) < 0)
		return err_sys(err, "write to the disk");
	return r;
}

static int do_usage(struct disk *d, const char *text, struct err *err)
{
	int fd = -EBADF, r = take_number(text, &fd, err);

	if (r == 0)
		r = tree_usage(fd, SIZE_MAX, &d->first, &d->second);
	return r < 0 ? err_code(err, r, "measure a tree") : 0;
}

static int do_remove(const struct disk *d, const char *name, struct err *err)
{
	int r = *name && !strchr(name, '/') && !str_eq(name, "..") && !str_eq(name, ".")
			? file_remove_tree_at(d->in, name)
			: -EINVAL;

	return r < 0 ? err_code(err, r, "remove the tree '%s'", name) : 0;
}

/* The daemon has gone, and the one after it takes the half of a copy away. */
static bool is_alone(void *arg)
{
	const struct disk *d = arg;
	struct pollfd p = { .fd = d->news };

	return poll(&p, 1, 0) > 0 && p.revents & (POLLHUP | POLLERR);
}

static int do_copy(struct disk *d, const char *text, struct err *err)
{
	int to = -EBADF, r = take_number(text, &to, err);

	return r == 0 ? tree_copy(d->from, to, is_alone, d, err) : r;
}

static int do_word(struct disk *d, const char *word, struct err *err)
{
	if (str_starts(word, "in="))
		return take_number(word + 3, &d->in, err);
	if (str_starts(word, "from="))
		return take_number(word + 5, &d->from, err);
	if (str_starts(word, "copy="))
		return do_copy(d, word + 5, err);
	if (str_starts(word, "sync="))
		return do_sync(word + 5, err);
	if (str_starts(word, "usage="))
		return do_usage(d, word + 6, err);
	if (str_starts(word, "remove="))
		return do_remove(d, word + 7, err);
	return err_set(err, -EINVAL, "unknown word '%s'", word);
}

int disk_main(int news, char **words, size_t n)
{
	struct disk d = { .news = news, .in = -EBADF, .from = -EBADF };
	struct err err = { 0 };
	char what[64] = "";
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++)
		r = do_word(&d, words[i], &err);
	if (r == 0)
		snprintf(what, sizeof(what), "%lld %lld", (long long)d.first, (long long)d.second);
	return helper_answer(news, &err, what);
}
