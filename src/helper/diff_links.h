/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Diff links: files of several names, by the file: under which name a layer has told of it, and which names it has had
 * before that.
 *
 * Owner    The caller's struct; zero is an empty one, ended with diff_links_done(). A link lives as long.
 * Errors   -ENOMEM.
 * Blocks   Never.
 * Context  Helper.
 */
#include <stddef.h>
#include <sys/stat.h>

#define DIFF_LINK_BUCKETS 1024

struct diff_link {
	struct diff_link *next;
	dev_t dev;
	ino_t ino;
	char *told;   /* path; NULL: not yet */
	char **names; /* paths that are as they were */
	size_t n_names, cap_names;
};

struct diff_links {
	struct diff_link *bucket[DIFF_LINK_BUCKETS];
};

/* Made where there is none. */
int diff_links_at(struct diff_links *l, const struct stat *st, struct diff_link **ret);
int diff_link_add_name(struct diff_link *l, const char *path);
void diff_link_forget_names(struct diff_link *l);
void diff_links_done(struct diff_links *l);
