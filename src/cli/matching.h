/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Matching: one command for every container whose id a regular expression fits.
 *
 * Owner    -
 * Errors   Negative errno with *err: a bad expression, or the first of the failures of `each`, which hold nobody else up.
 * Blocks   As `each`.
 * Context  Parent.
 */
#include "cli/cli.h"

typedef int matching_fn(struct cli *cli, const char *id, void *arg, struct err *err);

/* An extended expression, anywhere in the id. None that fits is no failure. */
int matching_each(
	struct cli *cli, const char *pattern, matching_fn *each, void *arg, struct err *err);
