/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What surprises: what a word is depends on what stands before it. Behind an operator everything up
 * to a comma or blank is one value, dots included; elsewhere a dot parts fields. And a regular
 * expression that is none matches nothing, as in containerd, where it is looked at only when an
 * object comes along; the filter itself is not refused.
 */
#include "services/filter.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/str.h"
#include "services/pattern.h"

#define PATH_MAX_FIELDS 16
#define CONDITIONS_MAX 128

enum relation { PRESENT, EQUAL, NOT_EQUAL, MATCHES };

struct condition {
	struct condition *next;
	const char *path[PATH_MAX_FIELDS];
	size_t n_path;
	enum relation op;
	const char *value;
	const struct pattern *pattern; /* NULL: none, or one that is none */
};

struct filter {
	struct filter *or_;
	struct condition *all; /* NULL: everything */
};

enum token { T_END, T_QUOTED, T_VALUE, T_FIELD, T_SEPARATOR, T_OPERATOR, T_OTHER };

struct scanner {
	const char *text;
	const char *p;     /* behind the token */
	const char *token; /* where it begins */
	enum token kind;
	bool value; /* the next word is one */
	struct arena *arena;
	struct err *err;
	int code;
	unsigned int n;
};

static bool __attribute__((format(printf, 3, 4)))
fail(struct scanner *s, const char *at, const char *fmt, ...)
{
	char what[160];
	va_list ap;

	if (s->code < 0)
		return false;
	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	if (*at)
		s->code = err_set(s->err, -EINVAL, "filters: parse error: [%.*s >|%c|< %.100s]: %s",
			(int)(at - s->text > 200 ? 200 : at - s->text), s->text, *at, at + 1, what);
	else
		s->code = err_set(
			s->err, -EINVAL, "filters: parse error: [%.200s]: %s", s->text, what);
	return false;
}

static bool fail_memory(struct scanner *s)
{
	if (s->code == 0)
		s->code = err_oom(s->err);
	return false;
}

static bool is_field(char c)
{
	return c == '_' || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       (c >= '0' && c <= '9');
}

static bool is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_value(char c)
{
	return c != ',' && !is_blank(c) && ((unsigned char)c > 0x20 && c != 0x7f);
}

static bool scan_quoted(struct scanner *s)
{
	char quote = *s->p++;

	for (; *s->p != quote; s->p++) {
		if (*s->p == '\\' && s->p[1])
			s->p++;
		else if (!*s->p || *s->p == '\n')
			return fail(s, s->token, "quoted literal not terminated");
	}
	s->p++;
	return true;
}

static bool scan(struct scanner *s)
{
	while (is_blank(*s->p))
		s->p++;
	s->token = s->p;
	if (!*s->p) {
		s->kind = T_END;
	} else if (strchr("/|\"", *s->p)) {
		s->kind = T_QUOTED;
		return scan_quoted(s);
	} else if (*s->p == ',' || *s->p == '.') {
		s->kind = T_SEPARATOR;
		s->value = false;
		s->p++;
	} else if (strchr("=!~", *s->p)) {
		s->kind = T_OPERATOR;
		s->p += strspn(s->p, "=!~");
		s->value = true;
	} else if (s->value && is_value(*s->p)) {
		s->kind = T_VALUE;
		while (*s->p && is_value(*s->p))
			s->p++;
		s->value = false;
	} else if (is_field(*s->p)) {
		s->kind = T_FIELD;
		while (is_field(*s->p))
			s->p++;
	} else {
		s->kind = T_OTHER;
	}
	return true;
}

/* ---- quoted strings ---- */

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : 16;
}

static void put_rune(struct buf *out, uint32_t v)
{
	if (v < 0x80) {
		buf_addc(out, (char)v);
		return;
	}
	if (v >= 0x10000) {
		buf_addc(out, (char)(0xf0 | v >> 18));
		buf_addc(out, (char)(0x80 | (v >> 12 & 0x3f)));
	} else if (v >= 0x800) {
		buf_addc(out, (char)(0xe0 | v >> 12));
	}
	buf_addc(out, v >= 0x800 ? (char)(0x80 | (v >> 6 & 0x3f)) : (char)(0xc0 | v >> 6));
	buf_addc(out, (char)(0x80 | (v & 0x3f)));
}

static bool unescape_number(struct scanner *s, const char **p, struct buf *out)
{
	char c = **p;
	int base = c >= '0' && c <= '7' ? 8 : 16;
	int n = base == 8 ? 3 : c == 'x' ? 2 : c == 'u' ? 4 : 8;
	uint32_t v = 0;

	*p += base == 16;
	for (; n > 0 && digit(**p) < base; n--)
		v = v * (uint32_t)base + (uint32_t)digit(*(*p)++);
	if (n > 0)
		return fail(s, s->token, "illegal numeric escape sequence");
	if (v == 0 || v > 0x10ffff || (v >= 0xd800 && v < 0xe000) || (base == 8 && v > 255))
		return fail(s, s->token, "unquoting failed: quote syntax error");
	if (c == 'u' || c == 'U')
		put_rune(out, v);
	else
		buf_addc(out, (char)v);
	return true;
}

static bool unescape(struct scanner *s, const char **p, char quote, struct buf *out)
{
	static const char from[] = "abfnrtv\\", to[] = "\a\b\f\n\r\t\v\\";
	const char *at = strchr(from, **p);

	if (**p && at) {
		buf_addc(out, to[at - from]);
		(*p)++;
		return true;
	}
	if (**p == quote) {
		buf_addc(out, *(*p)++);
		return true;
	}
	if ((**p >= '0' && **p <= '7') || **p == 'x' || **p == 'u' || **p == 'U')
		return unescape_number(s, p, out);
	return fail(s, s->token, "illegal escape sequence");
}

static const char *unquote(struct scanner *s, bool any_quote)
{
	auto_done(buf) struct buf out = { 0 };
	const char *p = s->token + 1, *end = s->p - 1, *copy;
	char quote = *s->token;

	if (quote != '"' && !any_quote) {
		fail(s, s->token, "invalid quote encountered");
		return NULL;
	}
	while (p < end) {
		if (*p == '\\') {
			p++;
			if (!unescape(s, &p, quote, &out))
				return NULL;
		} else {
			buf_addc(&out, *p++);
		}
	}
	copy = buf_ok(&out) == 0 ? arena_strndup(s->arena, out.data ? out.data : "", out.len)
				 : NULL;
	if (!copy)
		fail_memory(s);
	return copy;
}

static const char *word(struct scanner *s)
{
	const char *copy = arena_strndup(s->arena, s->token, (size_t)(s->p - s->token));

	if (!copy)
		fail_memory(s);
	return copy;
}

/* ---- conditions ---- */

static bool take_field(struct scanner *s, struct condition *c)
{
	if (!scan(s))
		return false;
	if (s->kind != T_FIELD && s->kind != T_QUOTED)
		return fail(s, s->token, "expected field or quoted");
	if (c->n_path == PATH_MAX_FIELDS)
		return fail(s, s->token, "more than %d fields", PATH_MAX_FIELDS);
	c->path[c->n_path] = s->kind == T_QUOTED ? unquote(s, false) : word(s);
	return c->path[c->n_path] && ++c->n_path;
}

static bool take_path(struct scanner *s, struct condition *c)
{
	if (!take_field(s, c))
		return false;
	while (*s->p == '.') {
		if (!scan(s) || !take_field(s, c))
			return false;
	}
	return true;
}

static bool take_operator(struct scanner *s, struct condition *c)
{
	static const char *const names[] = { [EQUAL] = "==", [NOT_EQUAL] = "!=", [MATCHES] = "~=" };
	size_t len;

	if (!scan(s))
		return false;
	if (s->kind != T_OPERATOR)
		return fail(s, s->token, "expected an operator (\"==\"|\"!=\"|\"~=\")");
	len = (size_t)(s->p - s->token);
	for (size_t i = EQUAL; i <= MATCHES; i++)
		if (len == 2 && strncmp(s->token, names[i], 2) == 0) {
			c->op = (enum relation)i;
			return true;
		}
	return fail(
		s, s->token, "unsupported operator \"%.*s\"", (int)(len > 20 ? 20 : len), s->token);
}

static bool take_value(struct scanner *s, struct condition *c)
{
	if (!scan(s))
		return false;
	if (s->kind == T_QUOTED)
		c->value = unquote(s, c->op == MATCHES);
	else if (s->kind == T_VALUE || s->kind == T_FIELD)
		c->value = word(s);
	else
		return fail(s, s->token, "expected value or quoted");
	s->value = false;
	if (!c->value)
		return false;
	if (c->op == MATCHES && pattern_parse(c->value, s->arena, &c->pattern, NULL) == -ENOMEM)
		return fail_memory(s);
	return true;
}

static struct condition *take_condition(struct scanner *s)
{
	struct condition *c = arena_calloc(s->arena, 1, sizeof(*c));

	if (!c) {
		fail_memory(s);
		return NULL;
	}
	if (++s->n > CONDITIONS_MAX) {
		fail(s, s->p, "more than %d conditions", CONDITIONS_MAX);
		return NULL;
	}
	if (!take_path(s, c))
		return NULL;
	if (*s->p == '\0' || *s->p == ',')
		return c;
	return take_operator(s, c) && take_value(s, c) ? c : NULL;
}

static int parse(struct filter *f, const char *text, struct arena *arena, struct err *err)
{
	struct scanner s = { .text = text, .p = text, .arena = arena, .err = err };
	struct condition **tail = &f->all;

	if (!*text)
		return 0;
	for (;;) {
		struct condition *c = take_condition(&s);

		if (!c)
			return s.code;
		*tail = c;
		tail = &c->next;
		if (*s.p == '\0')
			return 0;
		if (*s.p != ',') {
			fail(&s, s.p, "unexpected input: %c", *s.p);
			return s.code;
		}
		s.p++;
		s.value = false;
	}
}

int filter_parse(char *const *texts, size_t n, struct arena *arena, const struct filter **ret,
	struct err *err)
{
	struct filter *first = NULL, **tail = &first;
	int r = 0;

	for (size_t i = 0; i < n || i == 0; i++) {
		*tail = arena_calloc(arena, 1, sizeof(**tail));
		if (!*tail)
			return err_oom(err);
		if (n > 0)
			r = parse(*tail, texts[i], arena, err);
		if (r < 0)
			return r;
		tail = &(*tail)->or_;
	}
	*ret = first;
	return 0;
}

static bool holds(const struct condition *c, filter_field_fn *field, void *object)
{
	const char *value = field(object, c->path, c->n_path);

	switch (c->op) {
	case PRESENT:
		return value != NULL;
	case EQUAL:
		return value && str_eq(value, c->value);
	case NOT_EQUAL:
		return !str_eq(value ? value : "", c->value);
	default:
		return c->pattern && pattern_match(c->pattern, value ? value : "");
	}
}

bool filter_match(const struct filter *f, filter_field_fn *field, void *object)
{
	for (; f; f = f->or_) {
		const struct condition *c = f->all;

		while (c && holds(c, field, object))
			c = c->next;
		if (!c)
			return true;
	}
	return false;
}
