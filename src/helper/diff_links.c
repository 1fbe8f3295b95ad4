/* SPDX-License-Identifier: Apache-2.0 */
/* A table of chains: files of several names are few, and a tree of nothing else is walked all the same. */
#include "helper/diff_links.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

int diff_links_at(struct diff_links *l, const struct stat *st, struct diff_link **ret)
{
	struct diff_link **head = &l->bucket[st->st_ino % DIFF_LINK_BUCKETS], *k;

	for (k = *head; k; k = k->next) {
		if (k->ino == st->st_ino && k->dev == st->st_dev) {
			*ret = k;
			return 0;
		}
	}
	k = mem_calloc(1, sizeof(*k));
	if (!k)
		return -ENOMEM;
	k->dev = st->st_dev;
	k->ino = st->st_ino;
	k->next = *head;
	*ret = *head = k;
	return 0;
}

int diff_link_add_name(struct diff_link *l, const char *path)
{
	if (mem_grow(&l->names, &l->cap_names, l->n_names + 1, sizeof(*l->names)) < 0)
		return -ENOMEM;
	l->names[l->n_names] = strdup(path);
	return l->names[l->n_names] ? (l->n_names++, 0) : -ENOMEM;
}

void diff_link_forget_names(struct diff_link *l)
{
	for (size_t i = 0; i < l->n_names; i++)
		free(l->names[i]);
	free(l->names);
	l->names = NULL;
	l->n_names = l->cap_names = 0;
}

void diff_links_done(struct diff_links *l)
{
	for (size_t i = 0; i < DIFF_LINK_BUCKETS; i++) {
		while (l->bucket[i]) {
			struct diff_link *k = l->bucket[i];

			l->bucket[i] = k->next;
			diff_link_forget_names(k);
			free(k->told);
			free(k);
		}
	}
}
