/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Image content: documents of images (image_doc.h) out of the content of a namespace.
 *
 * Owner    What is returned lives in the arena that is given.
 * Errors   Negative errno with the call's err; -ENOENT: the namespace has no such content.
 * Blocks   On the store and the disk.
 * Context  Parent.
 */
#include "services/core.h"
#include "services/image_doc.h"

int image_content_doc(struct core_call *c, struct arena *a, enum image_doc_kind kind,
	const char *digest, struct image_doc *ret);
int image_content_config(
	struct core_call *c, struct arena *a, const char *digest, struct image_config *ret);
/* Open; *ret_size bytes. */
int image_content_open(struct core_call *c, const char *digest, int *ret_fd, uint64_t *ret_size);
