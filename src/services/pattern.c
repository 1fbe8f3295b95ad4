/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What surprises: PCRE2's memory is the arena's, so nothing is freed one by one. A match takes more only while its heap
 * grows, which has a limit.
 */
#include "services/pattern.h"

#include <errno.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#define LENGTH_MAX 4096 /* of a pattern */
#define STEPS_MAX 200000
#define HEAP_MAX_KIB 512

struct pattern {
	pcre2_code *code;
	pcre2_match_context *limits;
	pcre2_match_data *match;
};

static void *take(size_t size, void *arena)
{
	return arena_alloc(arena, size);
}

static void leave(void *p, void *arena)
{
}

static int compile(
	struct pattern *p, pcre2_general_context *memory, const char *text, struct err *err)
{
	/* As Go: letters are Unicode's, \d \w \s \b are ASCII's, and $ is the end and not the line feed before it. */
	const uint32_t options = PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_DOLLAR_ENDONLY |
				 PCRE2_NEVER_BACKSLASH_C;
	pcre2_compile_context *how = pcre2_compile_context_create(memory);
	PCRE2_UCHAR reason[160];
	PCRE2_SIZE at;
	int code;

	if (!how)
		return err_oom(err);
	pcre2_set_newline(how, PCRE2_NEWLINE_LF);
	pcre2_set_max_pattern_length(how, LENGTH_MAX);
	p->code = pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED, options, &code, &at, how);
	if (p->code)
		return 0;
	if (code == PCRE2_ERROR_HEAP_FAILED)
		return err_oom(err);
	pcre2_get_error_message(code, reason, sizeof(reason));
	return err_set(err, -EINVAL, "regular expression: %s", (const char *)reason);
}

int pattern_parse(
	const char *text, struct arena *arena, const struct pattern **ret, struct err *err)
{
	pcre2_general_context *memory = pcre2_general_context_create(take, leave, arena);
	struct pattern *p = arena_calloc(arena, 1, sizeof(*p));
	int r;

	if (!memory || !p)
		return err_oom(err);
	r = compile(p, memory, text, err);
	if (r < 0)
		return r;
	p->limits = pcre2_match_context_create(memory);
	p->match = pcre2_match_data_create(1, memory);
	if (!p->limits || !p->match)
		return err_oom(err);
	pcre2_set_match_limit(p->limits, STEPS_MAX);
	pcre2_set_heap_limit(p->limits, HEAP_MAX_KIB);
	*ret = p;
	return 0;
}

bool pattern_match(const struct pattern *p, const char *text)
{
	return pcre2_match(p->code, (PCRE2_SPTR)text, strlen(text), 0, 0, p->match, p->limits) >= 0;
}
