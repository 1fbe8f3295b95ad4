/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * User spec: `UID[:GID]` of `exec --user`.
 *
 * Decimal numbers and nothing else: no names (an image's passwd must not decide who somebody is),
 * no blanks or signs, not 4294967295, which the kernel reads as "no change" (spec/security.md 1.3).
 *
 * Owner    The caller's.
 * Errors   -EINVAL; *ret is written as a whole and only on success.
 * Blocks   Never.
 * Context  Any.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct user_spec {
	uint32_t uid;
	bool has_gid;
	uint32_t gid; /* 0 without has_gid */
};

int user_spec_parse(const char *text, struct user_spec *ret, struct err *err);
