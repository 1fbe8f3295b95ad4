/* SPDX-License-Identifier: Apache-2.0 */
/* A balanced tree of the C library's; a name stays for the whole walk, for link counts may lie. */
#include "base/inode_names.h"

#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#define BYTES_MAX (64u << 20)

struct node {
	dev_t dev;
	ino_t ino;
	const char *name; /* behind it */
};

static int by_inode(const void *a, const void *b)
{
	const struct node *x = a, *y = b;

	if (x->dev != y->dev)
		return x->dev < y->dev ? -1 : 1;
	return x->ino == y->ino ? 0 : x->ino < y->ino ? -1 : 1;
}

const char *inode_names_find(const struct inode_names *t, const struct stat *st)
{
	const struct node key = { .dev = st->st_dev, .ino = st->st_ino };
	struct node **found = st->st_nlink > 1 ? tfind(&key, &t->tree, by_inode) : NULL;

	return found ? (*found)->name : NULL;
}

int inode_names_add(struct inode_names *t, const struct stat *st, const char *name)
{
	size_t len = strlen(name) + 1, bytes = sizeof(struct node) + len + 64;
	struct node *n;

	if (st->st_nlink < 2)
		return 0;
	if (bytes > BYTES_MAX - t->bytes)
		return -E2BIG;
	n = malloc(sizeof(*n) + len);
	if (!n)
		return -ENOMEM;
	*n = (struct node){ st->st_dev, st->st_ino, memcpy(n + 1, name, len) };
	if (!tsearch(n, &t->tree, by_inode)) {
		free(n);
		return -ENOMEM;
	}
	t->bytes += bytes;
	return 0;
}

void inode_names_done(struct inode_names *t)
{
	tdestroy(t->tree, free);
	*t = (struct inode_names){ 0 };
}
