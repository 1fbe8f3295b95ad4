/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tree from a recursive descent, a list of steps from the tree, and all states of that list at
 * once over the text (Thompson). As only a yes or no is asked for, greedy and lazy are the same and
 * groups capture nothing.
 */
#include "manager/pattern.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/str.h"

#define STEPS_MAX 5000u
#define WORK_MAX 100000u
#define REPEAT_MAX 1000u
#define DEPTH_MAX 200u
#define RUNE_MAX 0x10ffffu

enum kind {
	EMPTY,
	RUNES,
	SEQUENCE,
	EITHER,
	REPEAT,
	BEGIN,
	END,
	LINE_BEGIN,
	LINE_END,
	WORD,
	NO_WORD
};

struct range {
	uint32_t from, to;
};

struct node {
	enum kind kind;
	struct range *ranges;
	size_t n_ranges, cap_ranges;
	bool negated, folded;
	struct node *a, *b;
	unsigned int min, max; /* max 0: no end */
};

enum op { OP_RUNES, OP_SPLIT, OP_JUMP, OP_TEST, OP_MATCH };

struct step {
	enum op op;
	const struct node *node; /* OP_RUNES, OP_TEST */
	unsigned int x, y;
};

struct pattern {
	struct step *steps;
	unsigned int n;
};

struct parser {
	const char *p;
	struct arena *arena;
	struct err *err;
	unsigned int depth;
	bool fold, any_newline, lines;
	int code;
};

static void *fail(struct parser *s, const char *what)
{
	if (s->code == 0)
		s->code = err_set(s->err, -EINVAL, "regular expression: %s", what);
	return NULL;
}

static void *fail_memory(struct parser *s)
{
	if (s->code == 0)
		s->code = err_oom(s->err);
	return NULL;
}

static struct node *node_new(struct parser *s, enum kind kind)
{
	struct node *n = arena_calloc(s->arena, 1, sizeof(*n));

	if (!n)
		return fail_memory(s);
	n->kind = kind;
	n->folded = s->fold;
	return n;
}

static bool add_range(struct parser *s, struct node *n, uint32_t from, uint32_t to)
{
	struct range *more;

	if (n->n_ranges == n->cap_ranges) {
		size_t cap = n->cap_ranges ? n->cap_ranges * 2 : 4;

		more = arena_calloc(s->arena, cap, sizeof(*more));
		if (!more)
			return fail_memory(s) != NULL;
		if (n->n_ranges)
			memcpy(more, n->ranges, n->n_ranges * sizeof(*more));
		n->ranges = more;
		n->cap_ranges = cap;
	}
	n->ranges[n->n_ranges++] = (struct range){ from, to };
	return true;
}

static uint32_t decode(const char *p, size_t *ret_len)
{
	const unsigned char *u = (const unsigned char *)p;
	size_t n = str_utf8_len(p, strnlen(p, 4));
	uint32_t v;

	*ret_len = n ? n : 1;
	if (n <= 1)
		return n ? u[0] : 0xfffd;
	v = u[0] & (0xffu >> (n + 1));
	for (size_t i = 1; i < n; i++)
		v = v << 6 | (u[i] & 0x3f);
	return v;
}

static uint32_t take_rune(struct parser *s)
{
	size_t n;
	uint32_t v = decode(s->p, &n);

	s->p += n;
	return v;
}

/* ---- classes ---- */

// clang-format off
static const struct {
	const char *name;
	const char *pairs; /* from, to, from, to */
} classes[] = {
	{ "alnum",  "09AZaz" },
	{ "alpha",  "AZaz" },
	{ "ascii",  "\x01\x7f" },
	{ "blank",  "  \t\t" },
	{ "cntrl",  "\x01\x1f\x7f\x7f" },
	{ "digit",  "09" },
	{ "graph",  "!~" },
	{ "lower",  "az" },
	{ "print",  " ~" },
	{ "punct",  "!/:@[`{~" },
	{ "space",  "\t\r  " },
	{ "upper",  "AZ" },
	{ "word",   "09AZaz__" },
	{ "xdigit", "09AFaf" },
	{ "d",      "09" },
	{ "s",      "\t\n\f\r  " },
	{ "w",      "09AZaz__" },
};
// clang-format on

static const char *class_pairs(const char *name, size_t len)
{
	for (size_t i = 0; i < ARRAY_LEN(classes); i++)
		if (strlen(classes[i].name) == len && strncmp(classes[i].name, name, len) == 0)
			return classes[i].pairs;
	return NULL;
}

static bool add_pairs(struct parser *s, struct node *n, const char *pairs, bool negated)
{
	uint32_t next = 0;

	for (; *pairs; pairs += 2) {
		uint32_t from = (unsigned char)pairs[0], to = (unsigned char)pairs[1];

		if (!negated && !add_range(s, n, from, to))
			return false;
		/* The tables ascend. */
		if (negated && from > next && !add_range(s, n, next, from - 1))
			return false;
		next = to + 1;
	}
	return !negated || add_range(s, n, next, RUNE_MAX);
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool take_hex(struct parser *s, uint32_t *ret)
{
	bool braces = *s->p == '{';
	uint32_t v = 0;
	int n = 0;

	s->p += braces;
	for (; hex(*s->p) >= 0 && n < (braces ? 6 : 2); n++)
		v = v << 4 | (uint32_t)hex(*s->p++);
	if (n == 0 || (!braces && n != 2) || (braces && *s->p++ != '}') || v > RUNE_MAX)
		return fail(s, "invalid escape sequence") != NULL;
	*ret = v;
	return true;
}

/* Behind the backslash: one character, or a class that is added to n (then *ret_class). */
static bool take_escape(struct parser *s, struct node *n, uint32_t *ret, bool *ret_class)
{
	static const char from[] = "afnrtv", to[] = "\a\f\n\r\t\v";
	char c = *s->p;
	const char *at;
	char low;

	*ret_class = false;
	if (!c)
		return fail(s, "trailing backslash at end of expression") != NULL;
	low = (char)(c | 0x20);
	if (low == 'd' || low == 's' || low == 'w') {
		s->p++;
		*ret_class = true;
		return add_pairs(s, n, class_pairs(&low, 1), c != low);
	}
	at = strchr(from, c);
	if (at) {
		s->p++;
		*ret = (unsigned char)to[at - from];
		return true;
	}
	if (c == 'x') {
		s->p++;
		return take_hex(s, ret);
	}
	if ((c >= '0' && c <= '9') || (low >= 'a' && low <= 'z'))
		return fail(s, "invalid escape sequence") != NULL;
	*ret = take_rune(s);
	return true;
}

static bool take_named(struct parser *s, struct node *n, bool *ret_taken)
{
	const char *end = strncmp(s->p, "[:", 2) == 0 ? strstr(s->p, ":]") : NULL;
	const char *name = s->p + 2, *pairs;
	bool negated;

	*ret_taken = end != NULL;
	if (!end)
		return true;
	negated = *name == '^';
	name += negated;
	pairs = end >= name ? class_pairs(name, (size_t)(end - name)) : NULL;
	if (!pairs || end - name < 3)
		return fail(s, "invalid character class range") != NULL;
	s->p = end + 2;
	return add_pairs(s, n, pairs, negated);
}

static bool take_member(struct parser *s, struct node *n)
{
	bool is_class = false;
	uint32_t from = 0, to;

	if (!take_named(s, n, &is_class) || is_class)
		return s->code == 0;
	if (*s->p == '\\') {
		s->p++;
		if (!take_escape(s, n, &from, &is_class) || is_class)
			return s->code == 0;
	} else {
		from = take_rune(s);
	}
	to = from;
	if (s->p[0] == '-' && s->p[1] && s->p[1] != ']') {
		s->p++;
		if (*s->p != '\\') {
			to = take_rune(s);
		} else {
			s->p++;
			if (!take_escape(s, n, &to, &is_class))
				return false;
		}
	}
	if (is_class || to < from)
		return fail(s, "invalid character class range") != NULL;
	return add_range(s, n, from, to);
}

static struct node *parse_class(struct parser *s)
{
	struct node *n = node_new(s, RUNES);
	bool first = true;

	if (!n)
		return NULL;
	n->negated = *s->p == '^';
	s->p += n->negated;
	for (; first || *s->p != ']'; first = false) {
		if (!*s->p)
			return fail(s, "missing closing ]");
		if (!take_member(s, n))
			return NULL;
	}
	s->p++;
	return n;
}

/* ---- the tree ---- */

static struct node *parse_either(struct parser *s);

/* "(?i)", "(?s-i:...": *ret_group when a ':' ends it. */
static bool take_flags(struct parser *s, bool *ret_group)
{
	bool on = true;

	for (;; s->p++) {
		switch (*s->p) {
		case 'i':
			s->fold = on;
			break;
		case 's':
			s->any_newline = on;
			break;
		case 'm':
			s->lines = on;
			break;
		case 'U':
			break;
		case '-':
			on = false;
			break;
		case ':':
		case ')':
			*ret_group = *s->p++ == ':';
			return true;
		default:
			return fail(s, "invalid or unsupported Perl syntax") != NULL;
		}
	}
}

static bool skip_name(struct parser *s)
{
	const char *end = strchr(s->p, '>');

	if (!end || end[-1] == '<')
		return fail(s, "invalid named capture") != NULL;
	s->p = end + 1;
	return true;
}

static struct node *parse_group(struct parser *s)
{
	bool fold = s->fold, any_newline = s->any_newline, lines = s->lines, group = true;
	struct node *n;

	if (++s->depth > DEPTH_MAX)
		return fail(s, "expression nests too deeply");
	if (strncmp(s->p, "?P<", 3) == 0 || (strncmp(s->p, "?<", 2) == 0)) {
		if (!skip_name(s))
			return NULL;
	} else if (*s->p == '?') {
		s->p++;
		if (!take_flags(s, &group))
			return NULL;
	}
	if (!group) { /* flags hold to the end of the group around */
		s->depth--;
		return node_new(s, EMPTY);
	}
	n = parse_either(s);
	if (!n)
		return NULL;
	if (*s->p != ')')
		return fail(s, "missing closing )");
	s->p++;
	s->depth--;
	s->fold = fold;
	s->any_newline = any_newline;
	s->lines = lines;
	return n;
}

static struct node *parse_escape(struct parser *s)
{
	struct node *n = node_new(s, RUNES);
	bool is_class = false;
	uint32_t c = 0;

	if (!n)
		return NULL;
	switch (*s->p) {
	case 'A':
		n->kind = BEGIN;
		break;
	case 'z':
		n->kind = END;
		break;
	case 'b':
		n->kind = WORD;
		break;
	case 'B':
		n->kind = NO_WORD;
		break;
	default:
		if (!take_escape(s, n, &c, &is_class))
			return NULL;
		return is_class || add_range(s, n, c, c) ? n : NULL;
	}
	s->p++;
	return n;
}

static struct node *parse_any(struct parser *s)
{
	struct node *n = node_new(s, RUNES);

	if (!n || (s->any_newline && add_range(s, n, 0, RUNE_MAX)))
		return n;
	return add_range(s, n, 0, '\n' - 1) && add_range(s, n, '\n' + 1, RUNE_MAX) ? n : NULL;
}

static struct node *parse_atom(struct parser *s)
{
	struct node *n;
	uint32_t c;

	switch (*s->p) {
	case '(':
		s->p++;
		return parse_group(s);
	case '[':
		s->p++;
		return parse_class(s);
	case '.':
		s->p++;
		return parse_any(s);
	case '^':
		s->p++;
		return node_new(s, s->lines ? LINE_BEGIN : BEGIN);
	case '$':
		s->p++;
		return node_new(s, s->lines ? LINE_END : END);
	case '\\':
		s->p++;
		return parse_escape(s);
	case '*':
	case '+':
	case '?':
		return fail(s, "missing argument to repetition operator");
	default:
		c = take_rune(s);
		n = node_new(s, RUNES);
		return n && add_range(s, n, c, c) ? n : NULL;
	}
}

static bool take_number(const char **p, unsigned int *ret)
{
	unsigned int v = 0, n = 0;

	for (; **p >= '0' && **p <= '9' && n < 5; n++)
		v = v * 10 + (unsigned int)(*(*p)++ - '0');
	*ret = v;
	return n > 0;
}

#define NEVER UINT32_MAX /* as a maximum */

/* "{2}", "{2,}", "{2,5}"; anything else is no repetition but text. */
static bool take_bounds(struct parser *s, unsigned int *ret_min, unsigned int *ret_max)
{
	const char *p = s->p + 1;
	unsigned int min, max;
	bool open = false;

	if (!take_number(&p, &min))
		return false;
	max = min;
	if (*p == ',') {
		p++;
		open = !take_number(&p, &max);
	}
	if (*p != '}')
		return false;
	if (!open && max < min)
		return fail(s, "invalid repeat count") != NULL;
	s->p = p + 1;
	*ret_min = min;
	*ret_max = open ? 0 : max == 0 ? NEVER : max;
	return true;
}

static bool take_repeat(struct parser *s, unsigned int *ret_min, unsigned int *ret_max)
{
	char c = *s->p;

	if (c == '{')
		return take_bounds(s, ret_min, ret_max);
	if (c != '*' && c != '+' && c != '?')
		return false;
	s->p++;
	*ret_min = c == '+';
	*ret_max = c == '?';
	return true;
}

static struct node *parse_repeat(struct parser *s)
{
	struct node *n = parse_atom(s), *outer;
	unsigned int min, max;
	bool repeated = false;

	while (n && take_repeat(s, &min, &max)) {
		if (repeated)
			return fail(s, "invalid nested repetition operator");
		repeated = true;
		if (min > REPEAT_MAX || (max > REPEAT_MAX && max != NEVER))
			return fail(s, "invalid repeat count");
		if (*s->p == '?')
			s->p++;
		outer = node_new(s, max == NEVER ? EMPTY : REPEAT);
		if (!outer)
			return NULL;
		outer->a = n;
		outer->min = min;
		outer->max = max;
		n = outer;
	}
	return s->code < 0 ? NULL : n;
}

static struct node *parse_sequence(struct parser *s)
{
	struct node *all = node_new(s, EMPTY), *next, *both;

	while (all && *s->p && *s->p != '|' && *s->p != ')') {
		next = parse_repeat(s);
		both = next ? node_new(s, SEQUENCE) : NULL;
		if (!both)
			return NULL;
		both->a = all;
		both->b = next;
		all = both;
	}
	return all;
}

static struct node *parse_either(struct parser *s)
{
	struct node *all = parse_sequence(s), *next, *both;

	while (all && *s->p == '|') {
		s->p++;
		next = parse_sequence(s);
		both = next ? node_new(s, EITHER) : NULL;
		if (!both)
			return NULL;
		both->a = all;
		both->b = next;
		all = both;
	}
	return all;
}

/* ---- the steps ---- */

struct compiler {
	struct step *steps;
	unsigned int n;
	unsigned int work; /* (?:(?:){1000}){1000} makes no steps, but takes time */
	bool full;
};

static unsigned int put(struct compiler *c, enum op op, const struct node *n)
{
	if (c->n == STEPS_MAX) {
		c->full = true;
		return 0;
	}
	c->steps[c->n] = (struct step){ .op = op, .node = n };
	return c->n++;
}

static void compile(struct compiler *c, const struct node *n);

static void compile_repeat(struct compiler *c, const struct node *n)
{
	unsigned int split, last = 0;

	for (unsigned int i = 0; i < n->min && !c->full; i++) {
		last = c->n;
		compile(c, n->a);
	}
	if (n->max == 0 && n->min > 0) { /* once more, or on */
		split = put(c, OP_SPLIT, NULL);
		c->steps[split].x = last;
		c->steps[split].y = c->n;
	} else if (n->max == 0) {
		split = put(c, OP_SPLIT, NULL);
		c->steps[split].x = c->n;
		compile(c, n->a);
		c->steps[put(c, OP_JUMP, NULL)].x = split;
		c->steps[split].y = c->n;
	}
	for (unsigned int i = n->min; i < n->max && !c->full; i++) {
		split = put(c, OP_SPLIT, NULL);
		c->steps[split].x = c->n;
		compile(c, n->a);
		c->steps[split].y = c->n;
	}
}

static void compile_either(struct compiler *c, const struct node *n)
{
	unsigned int split = put(c, OP_SPLIT, NULL), jump;

	c->steps[split].x = c->n;
	compile(c, n->a);
	jump = put(c, OP_JUMP, NULL);
	c->steps[split].y = c->n;
	compile(c, n->b);
	c->steps[jump].x = c->n;
}

static void compile(struct compiler *c, const struct node *n)
{
	if (c->work++ == WORK_MAX)
		c->full = true;
	if (c->full)
		return;
	switch (n->kind) {
	case EMPTY:
		break;
	case SEQUENCE:
		compile(c, n->a);
		compile(c, n->b);
		break;
	case EITHER:
		compile_either(c, n);
		break;
	case REPEAT:
		compile_repeat(c, n);
		break;
	case RUNES:
		put(c, OP_RUNES, n);
		break;
	default:
		put(c, OP_TEST, n);
		break;
	}
}

#define TEXT_MAX 2000 /* of a pattern: bounds the depth of its tree */

int pattern_parse(
	const char *text, struct arena *arena, const struct pattern **ret, struct err *err)
{
	struct parser s = { .p = text, .arena = arena, .err = err };
	struct compiler c = { 0 };
	struct pattern *p;
	struct node *n;

	if (strlen(text) > TEXT_MAX)
		return err_set(err, -E2BIG, "regular expression: longer than %d", TEXT_MAX);
	n = parse_either(&s);
	if (n && *s.p)
		(void)fail(&s, "unexpected )");
	if (s.code < 0)
		return s.code;
	c.steps = arena_calloc(arena, STEPS_MAX, sizeof(*c.steps));
	p = arena_calloc(arena, 1, sizeof(*p));
	if (!c.steps || !p)
		return err_oom(err);
	compile(&c, n);
	put(&c, OP_MATCH, NULL);
	if (c.full)
		return err_set(err, -E2BIG, "regular expression: too large");
	*p = (struct pattern){ c.steps, c.n };
	*ret = p;
	return 0;
}

/* ---- matching ---- */

struct set {
	unsigned int *steps; /* in it */
	unsigned int n;
	unsigned int *round; /* of each step: when it came in last */
	unsigned int now;
	unsigned int *stack;
};

struct place {
	uint32_t before, after; /* UINT32_MAX: the text's ends */
};

static bool is_word(uint32_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       c == '_';
}

static bool holds(enum kind kind, const struct place *at)
{
	bool begin = at->before == UINT32_MAX, end = at->after == UINT32_MAX;
	bool edge = (!begin && is_word(at->before)) != (!end && is_word(at->after));

	switch (kind) {
	case BEGIN:
		return begin;
	case END:
		return end;
	case LINE_BEGIN:
		return begin || at->before == '\n';
	case LINE_END:
		return end || at->after == '\n';
	case WORD:
		return edge;
	default:
		return !edge;
	}
}

/* Add a step and all that follows from it without a character; true at the end of the pattern. */
static bool follow(
	const struct pattern *p, struct set *set, unsigned int first, const struct place *at)
{
	unsigned int n = 0;

	set->stack[n++] = first;
	while (n > 0) {
		unsigned int i = set->stack[--n];
		const struct step *s = &p->steps[i];

		if (set->round[i] == set->now)
			continue;
		set->round[i] = set->now;
		if (s->op == OP_MATCH)
			return true;
		if (s->op == OP_RUNES)
			set->steps[set->n++] = i;
		else if (s->op == OP_TEST && holds(s->node->kind, at))
			set->stack[n++] = i + 1;
		else if (s->op == OP_JUMP)
			set->stack[n++] = s->x;
		else if (s->op == OP_SPLIT) {
			set->stack[n++] = s->x;
			set->stack[n++] = s->y;
		}
	}
	return false;
}

static bool in_ranges(const struct node *n, uint32_t c)
{
	for (size_t i = 0; i < n->n_ranges; i++)
		if (c >= n->ranges[i].from && c <= n->ranges[i].to)
			return true;
	return false;
}

static bool takes(const struct node *n, uint32_t c)
{
	bool in = in_ranges(n, c);

	if (!in && n->folded && c >= 'a' && c <= 'z')
		in = in_ranges(n, c - 0x20);
	if (!in && n->folded && c >= 'A' && c <= 'Z')
		in = in_ranges(n, c + 0x20);
	return in != n->negated;
}

static bool run(const struct pattern *p, const char *text, struct set *sets)
{
	struct place at = { UINT32_MAX, UINT32_MAX };
	struct set *here = &sets[0], *there = &sets[1], *swap;
	size_t len = 0;

	at.after = *text ? decode(text, &len) : UINT32_MAX;
	here->now = 1;
	while (!follow(p, here, 0, &at)) {
		struct place next = { at.after, UINT32_MAX };

		if (at.after == UINT32_MAX)
			return false;
		text += len;
		if (*text)
			next.after = decode(text, &len);
		there->n = 0;
		there->now = here->now + 1;
		for (unsigned int i = 0; i < here->n; i++)
			if (takes(p->steps[here->steps[i]].node, at.after) &&
				follow(p, there, here->steps[i] + 1, &next))
				return true;
		swap = here;
		here = there;
		there = swap;
		at = next;
	}
	return true;
}

bool pattern_match(const struct pattern *p, const char *text)
{
	auto_free unsigned int *room = mem_calloc(10 * (size_t)p->n + 8, sizeof(*room));
	struct set sets[2];

	if (!room)
		return false;
	for (size_t i = 0; i < 2; i++) {
		unsigned int *base = room + i * 5 * (size_t)p->n + i;

		sets[i] = (struct set){
			.steps = base, .round = base + p->n, .stack = base + 2 * (size_t)p->n
		};
	}
	return run(p, text, sets);
}
