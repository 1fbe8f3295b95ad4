/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Image documents: indexes, manifests and configurations of images (OCI's and Docker's, which are
 * alike where it matters here), from their JSON; and for which machine something is. Pure.
 *
 * Owner    All that is returned lives in the caller's arena.
 * Errors   -EINVAL and what json_read() says, with *err.
 * Blocks   Never.
 * Context  Parent.
 */
#include <stdbool.h>

#include "base/err.h"
#include "base/mem.h"

#include "proto/api.pb-c.h"
#include "proto/image.pb-c.h"

#define IMAGE_DOC_BYTES (8u << 20)

enum image_doc_kind {
	IMAGE_DOC_OTHER,
	IMAGE_DOC_INDEX,
	IMAGE_DOC_MANIFEST,
	IMAGE_DOC_CONFIG,
	IMAGE_DOC_LAYER
};

/* What a media type says. */
enum image_doc_kind image_doc_kind(const char *media_type);

/* What a document names. Its digest is a good one. */
struct image_child {
	Pb__Image__Descriptor desc;
	Pb__Api__Platform *platform; /* NULL: it does not say */
};

struct image_doc {
	struct image_child
		*children; /* in the order of the document; of a manifest the configuration first */
	size_t n;
};

/* An index or a manifest, as its kind says. */
int image_doc_read(struct arena *a, enum image_doc_kind kind, const char *text, size_t len,
	struct image_doc *ret, struct err *err);

struct image_config {
	Pb__Api__Platform platform;
	const char **diff_ids;
	size_t n;
};

int image_config_read(
	struct arena *a, const char *text, size_t len, struct image_config *ret, struct err *err);

/* What is for `is` runs where `wanted` is asked for. */
bool image_platform_match(const Pb__Api__Platform *wanted, const Pb__Api__Platform *is);
