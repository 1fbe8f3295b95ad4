/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The parts of stats_read.c: reading the files of one directory into a struct stats.
 *
 * Errors   -ENOMEM alone; what cannot be read stays zero.
 * Blocks   No.
 * Context  Parent.
 */
#include "container/stats.h"

/* One line, split at blanks and colons; the words point into the text. */
struct stats_line {
	char *word[8];
	size_t n;
};

/* A short file as text in the arena, NULL when it cannot be had. */
char *stats_file(struct stats *s, struct cgroup_dir *d, const char *file);
/* The next line of *text, which is moved behind it; false at the end. Empty lines are skipped. */
bool stats_next(char **text, struct stats_line *ret);
/* 0 for what is no number; UINT64_MAX for "max". */
uint64_t stats_number(const char *word);
uint64_t stats_value(struct cgroup_dir *d, const char *file);

/* Tables of "key number" lines. */
struct stats_key {
	const char *key;
	uint64_t *value; /* the number is added: a kernel may split what was one key */
};
void stats_keyed(char *text, const struct stats_key *keys, size_t n);

/* "DEVICE hca_handle=2 hca_object=max" */
int stats_rdma_read(
	struct stats *s, struct cgroup_dir *d, const char *file, struct stats_rdma_list *ret);
/* All page sizes for which the directory has hugetlb.SIZE.`suffix`. */
int stats_hugetlb_read(struct stats *s, struct cgroup_dir *d, const char *suffix,
	void (*fill)(struct cgroup_dir *d, struct stats_hugetlb *h));

int stats_v1_read(struct stats *s, struct cgroup *cg);
int stats_v2_read(struct stats *s, struct cgroup_dir *d);
