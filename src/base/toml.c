/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One pass over the text, without a tree: who reads configuration has a table of the keys that it
 * knows, and wants to say of every other one in which line it stands.
 *
 * What surprises: that a key or a table comes twice is found by who knows the keys, not here.
 */
#include "base/toml.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

#define NAME_MAX_BYTES 256

struct reader {
	const char *p, *what;
	unsigned int line;
	struct arena *arena;
	struct err *err;
	char table[NAME_MAX_BYTES];
};

static int __attribute__((format(printf, 2, 3))) bad(struct reader *r, const char *fmt, ...)
{
	char why[200];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	return err_set(r->err, -EINVAL, "%s, line %u: %s", r->what, r->line, why);
}

int toml_refuse(const struct toml_entry *e, struct err *err, const char *fmt, ...)
{
	char why[300];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	return err_set(err, -EINVAL, "%s, line %u: %s", e->what, e->line, why);
}

static void skip_blanks(struct reader *r)
{
	r->p += strspn(r->p, " \t");
}

/* A comment, and the carriage return of a line from elsewhere. */
static void skip_to_end(struct reader *r)
{
	skip_blanks(r);
	if (*r->p == '#')
		r->p += strcspn(r->p, "\n");
	if (r->p[0] == '\r' && r->p[1] == '\n')
		r->p++;
}

/* Inside of a list, lines do not count. */
static void skip_lines(struct reader *r)
{
	for (skip_to_end(r); *r->p == '\n'; skip_to_end(r)) {
		r->p++;
		r->line++;
	}
}

/* ---- strings ---- */

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "\u00e9": to UTF-8. */
static bool take_unicode(struct reader *r, unsigned int digits, struct buf *out)
{
	uint32_t c = 0;

	for (; digits > 0; digits--, r->p++) {
		if (hex_digit(*r->p) < 0)
			return false;
		c = c << 4 | (uint32_t)hex_digit(*r->p);
	}
	if (c == 0 || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return false;
	if (c < 0x80) {
		buf_addc(out, (char)c);
	} else if (c < 0x800) {
		buf_addc(out, (char)(0xc0 | c >> 6));
		buf_addc(out, (char)(0x80 | (c & 0x3f)));
	} else {
		buf_addc(out, (char)(c < 0x10000 ? 0xe0 | c >> 12 : 0xf0 | c >> 18));
		if (c >= 0x10000)
			buf_addc(out, (char)(0x80 | (c >> 12 & 0x3f)));
		buf_addc(out, (char)(0x80 | (c >> 6 & 0x3f)));
		buf_addc(out, (char)(0x80 | (c & 0x3f)));
	}
	return true;
}

static bool take_escape(struct reader *r, struct buf *out)
{
	static const char from[] = "btnfr\"\\", to[] = "\b\t\n\f\r\"\\";
	char c = *r->p;
	const char *at = c ? strchr(from, c) : NULL;

	if (!c)
		return false;
	r->p++;
	if (c == 'u' || c == 'U')
		return take_unicode(r, c == 'u' ? 4 : 8, out);
	if (at)
		buf_addc(out, to[at - from]);
	return at != NULL;
}

/* A backslash at the end of a line takes away that end and the blanks behind it. */
static bool joins_lines(struct reader *r)
{
	const char *end = r->p + strspn(r->p, " \t\r");

	if (*end != '\n')
		return false;
	for (r->p = end; *r->p && strchr(" \t\r\n", *r->p); r->p++)
		r->line += *r->p == '\n';
	return true;
}

/* Up to two quotes at the end belong to the string. */
static bool ends_lines(struct reader *r, const char *quotes, struct buf *out)
{
	if (!str_starts(r->p, quotes))
		return false;
	for (int i = 0; i < 2 && r->p[3] == *quotes; i++, r->p++)
		buf_addc(out, *quotes);
	r->p += 3;
	return true;
}

static int take_lines(struct reader *r, const char *quotes, struct buf *out)
{
	unsigned int first = r->line;

	r->p += 3;
	if (r->p[0] == '\r' && r->p[1] == '\n')
		r->p++;
	if (*r->p == '\n') {
		r->p++;
		r->line++;
	}
	while (!ends_lines(r, quotes, out)) {
		char c = *r->p;

		if (!c) {
			r->line = first;
			return bad(r, "a string has no end");
		}
		r->p++;
		r->line += c == '\n';
		if (*quotes == '"' && c == '\\') {
			if (!joins_lines(r) && !take_escape(r, out))
				return bad(r, "a string has a bad escape");
		} else {
			buf_addc(out, c);
		}
	}
	return 0;
}

static int take_line(struct reader *r, struct buf *out)
{
	char quote = *r->p++;

	while (*r->p != quote) {
		char c = *r->p;

		if (c == '\0' || c == '\n')
			return bad(r, "a string has no end");
		r->p++;
		if (quote == '\'' || c != '\\')
			buf_addc(out, c);
		else if (!take_escape(r, out))
			return bad(r, "a string has a bad escape");
	}
	r->p++;
	return 0;
}

static int take_string(struct reader *r, const char **ret)
{
	auto_done(buf) struct buf b = { 0 };
	int code;

	if (str_starts(r->p, "\"\"\""))
		code = take_lines(r, "\"\"\"", &b);
	else if (str_starts(r->p, "'''"))
		code = take_lines(r, "'''", &b);
	else
		code = take_line(r, &b);
	if (code < 0)
		return code;
	if (buf_ok(&b) < 0)
		return err_oom(r->err);
	*ret = arena_strndup(r->arena, b.data ? b.data : "", b.len);
	return *ret ? 0 : err_oom(r->err);
}

/* ---- other values ---- */

static int base_of(const char *digits)
{
	if (str_starts(digits, "0x"))
		return 16;
	if (str_starts(digits, "0o"))
		return 8;
	return str_starts(digits, "0b") ? 2 : 10;
}

/* '_' stands between digits only. */
static bool take_digits(struct reader *r, uint64_t base, uint64_t *ret)
{
	const char *first = r->p;
	uint64_t v = 0;

	for (; isxdigit((unsigned char)*r->p) || *r->p == '_'; r->p++) {
		uint64_t digit = (uint64_t)hex_digit(*r->p);

		if (*r->p == '_') {
			if (r->p == first || r->p[-1] == '_' || !isxdigit((unsigned char)r->p[1]))
				return false;
			continue;
		}
		if (digit >= base || __builtin_mul_overflow(v, base, &v) ||
			__builtin_add_overflow(v, digit, &v))
			return false;
	}
	*ret = v;
	return r->p > first;
}

static int take_integer(struct reader *r, int64_t *ret)
{
	size_t len = strcspn(r->p, " \t\r\n#,]");
	const char *from = r->p, *first;
	bool negative = *from == '-';
	uint64_t v = 0;
	int base;

	if (strspn(from, "+-0123456789_.eE:TZ") >= len && strpbrk(from, ".eE:T") &&
		strpbrk(from, ".eE:T") < from + len)
		return bad(r, "'%.*s': fractions and dates are not read",
			(int)(len > 60 ? 60 : len), from);
	r->p += *from == '-' || *from == '+';
	first = r->p;
	base = base_of(r->p);
	if (base != 10)
		r->p += 2;
	if ((base != 10 && first != from) || !take_digits(r, (uint64_t)base, &v) ||
		(base == 10 && *first == '0' && r->p > first + 1) ||
		v > (uint64_t)INT64_MAX + negative)
		return bad(r, "'%.*s' is no whole number", (int)(len > 60 ? 60 : len), from);
	*ret = negative ? (int64_t)(0 - v) : (int64_t)v;
	return 0;
}

static int take_strings(struct reader *r, struct toml_value *v)
{
	unsigned int first = r->line;
	auto_free const char **items = NULL;
	size_t n = 0, cap = 0;

	r->p++;
	for (;;) {
		skip_lines(r);
		if (*r->p == ']')
			break;
		if (!*r->p) {
			r->line = first;
			return bad(r, "a list has no end");
		}
		if (*r->p != '"' && *r->p != '\'')
			return bad(r, "a list of strings is expected");
		if (mem_grow(&items, &cap, n + 1, sizeof(*items)) < 0)
			return err_oom(r->err);
		if (take_string(r, &items[n++]) < 0)
			return -EINVAL;
		skip_lines(r);
		if (*r->p == ',')
			r->p++;
		else if (*r->p && *r->p != ']')
			return bad(r, "',' or ']' is expected in a list");
	}
	r->p++;
	v->type = TOML_STRINGS;
	v->n_strings = n;
	v->strings = arena_alloc(r->arena, (n + 1) * sizeof(*items));
	if (!v->strings)
		return err_oom(r->err);
	if (n > 0)
		memcpy(v->strings, items, n * sizeof(*items));
	v->strings[n] = NULL;
	return 0;
}

static int take_value(struct reader *r, struct toml_value *v)
{
	*v = (struct toml_value){ 0 };
	if (*r->p == '"' || *r->p == '\'') {
		v->type = TOML_STRING;
		return take_string(r, &v->string);
	}
	if (*r->p == '[')
		return take_strings(r, v);
	if (*r->p == '{')
		return bad(r, "inline tables are not read");
	if (str_starts(r->p, "true") || str_starts(r->p, "false")) {
		v->type = TOML_BOOL;
		v->boolean = *r->p == 't';
		r->p += v->boolean ? 4 : 5;
		return 0;
	}
	if (isdigit((unsigned char)*r->p) || *r->p == '-' || *r->p == '+') {
		v->type = TOML_INTEGER;
		return take_integer(r, &v->integer);
	}
	return bad(r, "a value is expected: a string in quotes, a number, true, false or a list");
}

/* ---- keys ---- */

static int take_part(struct reader *r, struct buf *out)
{
	size_t n;

	if (*r->p == '"' || *r->p == '\'') {
		/* Else the end of the line would be told of as the end of a string. */
		if (strcspn(r->p + 1, "\n") <= strcspn(r->p + 1, (char[]){ *r->p, '\0' }))
			return bad(r, "a key is expected");
		return take_line(r, out);
	}
	n = strspn(r->p, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-");
	buf_add(out, r->p, n);
	r->p += n;
	return n > 0 ? 0 : bad(r, "a key is expected");
}

/* `out` gets "a.b.c"; *ret_last is where the last part begins. */
static int take_key(struct reader *r, struct buf *out, size_t *ret_last)
{
	int code;

	for (;; r->p++, buf_addc(out, '.')) {
		skip_blanks(r);
		*ret_last = out->len;
		code = take_part(r, out);
		if (code < 0)
			return code;
		skip_blanks(r);
		if (*r->p != '.')
			break;
	}
	buf_addc(out, '\0'); /* there is none yet, where the name is "" */
	if (buf_ok(out) < 0)
		return err_oom(r->err);
	out->len--;
	return out->len < NAME_MAX_BYTES && strlen(out->data) == out->len
		       ? 0
		       : bad(r, "a key is longer than %d bytes", NAME_MAX_BYTES - 1);
}

static int take_header(struct reader *r, struct toml_entry *e)
{
	auto_done(buf) struct buf name = { 0 };
	size_t last;
	int code;

	r->p++;
	if (*r->p == '[')
		return bad(r, "arrays of tables are not read");
	code = take_key(r, &name, &last);
	if (code < 0)
		return code;
	if (*r->p++ != ']')
		return bad(r, "']' is expected behind the name of a table");
	snprintf(r->table, sizeof(r->table), "%s", name.data);
	e->table = r->table;
	return 0;
}

static int take_entry(struct reader *r, struct toml_entry *e)
{
	auto_done(buf) struct buf name = { 0 };
	char *full;
	size_t last;
	int code = take_key(r, &name, &last);

	if (code < 0)
		return code;
	if (*r->p++ != '=')
		return bad(r, "a key and '=' are expected");
	skip_blanks(r);
	full = arena_printf(r->arena, "%s%s%s", r->table, *r->table && last > 0 ? "." : "",
		last > 0 ? name.data : "");
	e->key = arena_strdup(r->arena, name.data + last);
	if (!full || !e->key)
		return err_oom(r->err);
	if (last > 0)
		full[strlen(full) - (name.len - last) - 1] = '\0';
	e->table = full;
	code = take_value(r, &e->value);
	if (code < 0)
		err_in(r->err, "'%s'", e->key);
	return code;
}

static int check_utf8(struct reader *r)
{
	size_t left = strlen(r->p);
	const char *start = r->p;

	for (; left > 0;) {
		size_t n = str_utf8_len(r->p, left);

		if (n == 0)
			return bad(r, "this is no UTF-8");
		r->line += *r->p == '\n';
		r->p += n;
		left -= n;
	}
	r->p = start;
	r->line = 1;
	return 0;
}

int toml_read(const char *text, const char *what, struct arena *arena, toml_fn *fn, void *arg,
	struct err *err)
{
	struct err own;
	struct reader r = { text, what, 1, arena, err ? err : &own, "" };
	int code = check_utf8(&r);

	for (; code == 0; r.line++) {
		struct toml_entry e = { .what = what, .table = r.table, .line = r.line };

		skip_to_end(&r);
		if (*r.p == '[')
			code = take_header(&r, &e);
		else if (*r.p && *r.p != '\n')
			code = take_entry(&r, &e);
		else
			e.table = NULL;
		if (code < 0)
			break;
		skip_to_end(&r);
		if (*r.p && *r.p != '\n')
			return bad(&r, "something is left behind the value");
		if (e.table)
			code = fn(arg, &e, r.err);
		if (!*r.p++)
			break;
	}
	return code;
}
