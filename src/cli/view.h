/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * View: what `state` and `list` tell of a container.
 *
 * Owner    The caller ends a view with view_done(); the document borrows from it.
 * Errors   Negative errno with *err; -ENOENT with "container does not exist".
 * Blocks   Never waits: reads without a lock.
 * Context  Parent.
 */
#include "container/container.h"
#include "oci/state_doc.h"

struct view {
	struct container *container;
	struct state_doc doc;
};

int view_open(const struct host *h, const char *id, struct view *ret, struct err *err);
void view_done(struct view *v);
