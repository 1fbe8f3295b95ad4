/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Native, criu: what a client asks of checkpoint and restore (spec/shim.md 4.12), in terms of src/container. Private to
 * the native back end.
 *
 * Owner    A restore keeps what it needs of the Create until the Start, and is the back end's; native_restore_free()
 *          accepts NULL. A dump belongs to itself and ends after its handler's done.
 * Errors   Negative errno with *err.
 * Blocks   No.
 * Context  Parent, on the loop's thread.
 */
#include "container/container.h"
#include "supervisor/backend.h"

struct native_restore;

int native_restore_keep(
	const struct backend_create *req, struct native_restore **ret, struct err *err);
int native_restore_run(const struct native_restore *r, const struct host *host,
	const struct container_handler *handler, struct container **ret, struct err *err);
void native_restore_free(struct native_restore *r);

int native_dump(struct container *c, const struct request_checkpoint *req,
	const struct container_handler *handler, struct err *err);
