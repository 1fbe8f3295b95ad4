/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Image names: under which names an import keeps what an archive has. Pure.
 *
 * Owner    All that is returned lives in the caller's arena, or is what was given.
 * Errors   -ENOMEM.
 * Blocks   Never.
 * Context  Parent.
 */
#include "services/image_doc.h"

#include "proto/transfer.pb-c.h"

struct image_name {
	const char *name;
	struct image_child *target;
};

/* `top` is the archive's index, which `doc` is read from. */
int image_names(struct arena *a, const Pb__Transfer__ImageStore *store, struct image_child *top,
	const struct image_doc *doc, struct image_name **ret, size_t *ret_n, struct err *err);
