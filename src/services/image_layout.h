/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Image layout: what files an archive of images has, in their order, and the heads that a tar puts
 * before them.
 *
 * Owner    All that is returned lives in the arena of the layout, which is the caller's and is ended
 *          with arena_done().
 * Errors   Negative errno with the call's err.
 * Blocks   On the store and the disk.
 * Context  Parent.
 */
#include "services/core.h"

#include "proto/transfer.pb-c.h"

struct layout_file {
	const char *name;
	const char *digest; /* of the content that it is; NULL: it is the text, or a directory */
	const char *text;
	uint64_t size;
	unsigned int mode;
};

struct image_layout {
	struct arena arena;
	struct layout_file *files; /* by name */
	size_t n, cap;
};

/* Of the images that `store` names. */
int image_layout_make(struct core_call *c, const Pb__Transfer__ImageStore *store,
	const Pb__Transfer__ImageExportStream *how, struct image_layout *l);

#define LAYOUT_HEAD_SIZE 512
/* The head of a file in a tar. */
void image_layout_head(const struct layout_file *f, char out[LAYOUT_HEAD_SIZE]);
