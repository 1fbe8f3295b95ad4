/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What we must know of documents that another runtime reads: nothing but what the supervisor itself needs. They are not
 * checked otherwise, for the runtime may know more than we do.
 *
 * Owner    The caller.
 * Errors   Negative errno with *err.
 * Blocks   Reads a local file where said.
 * Context  Parent.
 */
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"

/* True when what an init leaves behind must be killed: no pid namespace of its own, or unknown (spec/shim.md 4.13).
 * Reads BUNDLE/config.json. */
bool oci_spec_shares_pidns(const char *bundle);
/* The same for the document's text. */
bool oci_spec_text_shares_pidns(const char *text, size_t size);

/* The process document again, with `terminal` as the request says it; appended to `out`. */
int oci_spec_process(
	const char *json, size_t size, bool terminal, struct buf *out, struct err *err);
