/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Image import: an archive of images that a client sends through a stream becomes content, images
 * and, where that is asked for, snapshots.
 *
 *	ROOT/io.containerd.content.v1.content/ingest/import-N/    its files, before they are content
 *
 * Owner    An import is the core's until it has answered; the messages may go when it has begun.
 * Errors   Negative errno with the call's err: it has not begun, and the call is not answered.
 * Blocks   On the store and the disk, briefly; what takes long is a helper's.
 * Context  Parent, on the loop's thread.
 */
#include "services/core.h"

#include "proto/transfer.pb-c.h"

/* progress "": nobody wants to hear of it. */
int image_import_start(
	struct core_call *c, const Pb__Any *from, const Pb__Any *to, const char *progress);
/* Of a core that ends. */
void image_imports_end(struct core *core);
