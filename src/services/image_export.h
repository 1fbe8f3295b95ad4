/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Image export: images as an archive (OCI layout in a tar, with the manifest that docker load asks
 * for), through a stream to the client.
 *
 * Owner    An export is the core's until it has answered; the messages may go when it has begun.
 * Errors   Negative errno with the call's err: it has not begun, and the call is not answered.
 * Blocks   On the disk, for a piece of content at a time.
 * Context  Parent, on the loop's thread.
 */
#include "services/core.h"

#include "proto/transfer.pb-c.h"

/* progress "": nobody wants to hear of it. */
int image_export_start(
	struct core_call *c, const Pb__Any *from, const Pb__Any *to, const char *progress);
/* Of a core that ends. */
void image_exports_end(struct core *core);
