/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the two versions of cgroup have in common: lines of words, hugetlb and rdma. Which files say what
 * is in stats_v1.c and stats_v2.c.
 *
 * Machines of v1 with a v2 hierarchy beside it count as v1: the controllers are there.
 */
#include "container/stats_impl.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"

#define FILE_MAX_BYTES (1u << 20)
#define HUGETLB_MAX 64

char *stats_file(struct stats *s, struct cgroup_dir *d, const char *file)
{
	auto_free char *text = NULL;
	int dirfd = cgroup_dir_fd(d);

	if (dirfd < 0 || fd_read_file_at(dirfd, file, FILE_MAX_BYTES, &text, NULL) < 0)
		return NULL;
	return arena_strdup(&s->arena, text);
}

bool stats_next(char **text, struct stats_line *ret)
{
	char *p = *text;

	ret->n = 0;
	while (*p == '\n')
		p++;
	while (*p && *p != '\n') {
		size_t len = strcspn(p, " :\t\n");
		char end = p[len];

		if (len > 0 && ret->n < ARRAY_LEN(ret->word))
			ret->word[ret->n++] = p;
		p[len] = '\0';
		p += len + (end != '\0');
		if (end == '\n' || end == '\0')
			break;
	}
	*text = p;
	return ret->n > 0;
}

uint64_t stats_number(const char *word)
{
	uint64_t v;

	if (str_eq(word, "max"))
		return UINT64_MAX;
	return str_to_u64(word, UINT64_MAX, &v) == 0 ? v : 0;
}

uint64_t stats_value(struct cgroup_dir *d, const char *file)
{
	char value[CGROUP_VALUE_SIZE];

	return cgroup_get(d, file, value) == 0 ? stats_number(value) : 0;
}

void stats_keyed(char *text, const struct stats_key *keys, size_t n)
{
	struct stats_line line;

	while (text && stats_next(&text, &line)) {
		for (size_t i = 0; line.n == 2 && i < n; i++)
			if (str_eq(line.word[0], keys[i].key))
				*keys[i].value += stats_number(line.word[1]);
	}
}

static uint32_t rdma_number(const char *word, const char *key)
{
	size_t len = strlen(key);
	uint64_t v;

	if (strncmp(word, key, len) != 0 || word[len] != '=')
		return 0;
	v = stats_number(word + len + 1);
	return v > UINT32_MAX ? UINT32_MAX : (uint32_t)v;
}

int stats_rdma_read(
	struct stats *s, struct cgroup_dir *d, const char *file, struct stats_rdma_list *ret)
{
	char *text = stats_file(s, d, file), *count = text;
	struct stats_line line;
	size_t lines = 1;

	if (!text)
		return 0;
	while ((count = strchr(count, '\n')))
		count++, lines++;
	ret->v = arena_calloc(&s->arena, lines, sizeof(*ret->v));
	if (!ret->v)
		return -ENOMEM;
	while (ret->n < lines && stats_next(&text, &line)) {
		struct stats_rdma *r = &ret->v[ret->n++];

		r->device = line.word[0];
		for (size_t i = 1; i < line.n; i++) {
			r->hca_handles += rdma_number(line.word[i], "hca_handle");
			r->hca_objects += rdma_number(line.word[i], "hca_object");
		}
	}
	return 0;
}

int stats_hugetlb_read(struct stats *s, struct cgroup_dir *d, const char *suffix,
	void (*fill)(struct cgroup_dir *d, struct stats_hugetlb *h))
{
	int dirfd = cgroup_dir_fd(d),
	    fd = dirfd < 0 ? dirfd : fd_open_at(dirfd, ".", O_RDONLY | O_DIRECTORY, 0);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	int r = 0;

	if (!dir) {
		fd_close(fd);
		return 0;
	}
	s->hugetlb = arena_calloc(&s->arena, HUGETLB_MAX, sizeof(*s->hugetlb));
	if (!s->hugetlb)
		r = -ENOMEM;
	for (struct dirent *e; r == 0 && s->n_hugetlb < HUGETLB_MAX && (e = readdir(dir));) {
		const char *size = e->d_name + strlen("hugetlb.");
		struct stats_hugetlb *h = &s->hugetlb[s->n_hugetlb];
		const char *dot;

		if (!str_starts(e->d_name, "hugetlb."))
			continue;
		dot = strchr(size, '.');
		if (!dot || !str_eq(dot + 1, suffix))
			continue;
		h->pagesize = arena_strndup(&s->arena, size, (size_t)(dot - size));
		if (h->pagesize)
			fill(d, h);
		else
			r = -ENOMEM;
		s->n_hugetlb++;
	}
	closedir(dir);
	return r;
}

static bool is_there(const struct cgroup_dir *d)
{
	struct stat st;

	/* An open directory that was removed is still open, but has no name any more. */
	return stat(d->path, &st) == 0;
}

int stats_read(struct cgroup *cg, struct stats *ret, struct err *err)
{
	struct stats s = { 0 };
	bool there = false;
	int r;

	for (size_t i = 0; i < cg->n_dirs && !there; i++)
		there = is_there(&cg->dirs[i]);
	if (!there)
		return err_set(err, -ENOENT, "cgroup does not exist");
	s.is_v2 = cg->mode == CGROUP_MODE_V2;
	r = s.is_v2 ? stats_v2_read(&s, cgroup_v2_dir(cg)) : stats_v1_read(&s, cg);
	if (r < 0) {
		stats_done(&s);
		return err_oom(err);
	}
	*ret = s;
	return 0;
}

void stats_done(struct stats *s)
{
	if (!s)
		return;
	arena_done(&s->arena);
	*s = (struct stats){ 0 };
}
