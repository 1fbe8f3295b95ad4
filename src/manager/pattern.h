/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Pattern: regular expressions of filters, in Go's syntax, matched in time that grows with text
 * times pattern and no faster: clients send them, and a backtracking matcher could be held up for
 * ever by one.
 *
 * Known: literals, escapes (\d \w \s \b \A \z, \x..., \Q...\E not), classes with ranges, negation
 * and [:names:], groups, alternatives, anchors, the flags i, s and m, and * + ? {n,m}. Letters are
 * folded (i) in ASCII only. Unknown: \p{...}.
 *
 * Owner    A pattern lives in the caller's arena.
 * Errors   -EINVAL with the reason, -E2BIG beyond 5000 steps, -ENOMEM.
 * Blocks   Never; pure.
 * Context  Any that allocates.
 */
#include <stdbool.h>

#include "base/err.h"
#include "base/mem.h"

struct pattern;

int pattern_parse(
	const char *text, struct arena *arena, const struct pattern **ret, struct err *err);

/* True when it matches anywhere in the text. False too without memory. */
bool pattern_match(const struct pattern *p, const char *text);
