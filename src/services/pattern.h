/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Pattern: regular expressions of filters. Clients write them for Go's matcher; PCRE2 takes what that takes, and some
 * more. One that a backtracking matcher is held up by for long does not match: the work for a text is bounded.
 *
 * Owner    A pattern lives in the caller's arena, with what matching needs.
 * Errors   -EINVAL with the reason, -ENOMEM.
 * Blocks   Never; pure.
 * Context  Any that allocates. One pattern is matched by one at a time.
 */
#include <stdbool.h>

#include "base/err.h"
#include "base/mem.h"

struct pattern;

int pattern_parse(
	const char *text, struct arena *arena, const struct pattern **ret, struct err *err);

/* True when it matches anywhere in the text. False too without memory, or when it takes too long. */
bool pattern_match(const struct pattern *p, const char *text);
