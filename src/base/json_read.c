/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON reader: recursive descent over the text, straight into the arena.
 *
 * Why not a library: what we read decides about privileges, and the usual ones turn
 * 18446744073709551616 into 18446744073709551615, cut a key at its NUL and take NaN and 'text' for
 * JSON, all without a word. Recursion is bounded by the depth limit, memory by the node and byte
 * limits. Children form a list, so nothing is ever moved or grown.
 */
#include "base/json_read.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"

struct reader {
	struct arena *arena;
	const struct json_limits *limits;
	const char *start, *at, *end;
	size_t nodes;
	unsigned int depth;
	struct err *err;
};

static int read_value(struct reader *r, struct json_node *node);

static int fail_code(struct reader *r, int code, const char *what)
{
	size_t line = 1, column = 1;

	for (const char *p = r->start; p < r->at; p++) {
		column++;
		if (*p == '\n') {
			line++;
			column = 1;
		}
	}
	return err_set(r->err, code, "line %zu, column %zu: %s", line, column, what);
}

static int fail(struct reader *r, const char *what)
{
	return fail_code(r, -EINVAL, what);
}

/* The next character, or -1 at the end. */
static int peek(const struct reader *r)
{
	return r->at < r->end ? (unsigned char)*r->at : -1;
}

static bool accept(struct reader *r, char c)
{
	if (peek(r) != c)
		return false;
	r->at++;
	return true;
}

static void skip_blanks(struct reader *r)
{
	while (r->at < r->end &&
		(*r->at == ' ' || *r->at == '\t' || *r->at == '\n' || *r->at == '\r'))
		r->at++;
}

static int hex_digit(int c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int read_hex4(struct reader *r, uint32_t *ret)
{
	uint32_t v = 0;

	for (int i = 0; i < 4; i++, r->at++) {
		int digit = hex_digit(peek(r));

		if (digit < 0)
			return fail(r, "expected four hexadecimal digits after \\u");
		v = v << 4 | (uint32_t)digit;
	}
	*ret = v;
	return 0;
}

static size_t put_utf8(char *out, uint32_t c)
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xc0 | c >> 6);
		out[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (char)(0xe0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 0x3f));
		out[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | c >> 18);
	out[1] = (char)(0x80 | (c >> 12 & 0x3f));
	out[2] = (char)(0x80 | (c >> 6 & 0x3f));
	out[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

/* \uXXXX, or two of them for what lies beyond 16 bits; never more bytes than its source. */
static int read_unicode(struct reader *r, char *out, size_t *len)
{
	uint32_t c, low;
	int ret = read_hex4(r, &c);

	if (ret < 0)
		return ret;
	if (c >= 0xd800 && c < 0xe000) {
		if (c >= 0xdc00 || !accept(r, '\\') || !accept(r, 'u'))
			return fail(r, "half of a surrogate pair");
		ret = read_hex4(r, &low);
		if (ret < 0)
			return ret;
		if (low < 0xdc00 || low >= 0xe000)
			return fail(r, "half of a surrogate pair");
		c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
	}
	*len += put_utf8(out + *len, c);
	return 0;
}

static int read_escape(struct reader *r, char *out, size_t *len)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	int c = peek(r);
	const char *hit;

	if (c == 'u') {
		r->at++;
		return read_unicode(r, out, len);
	}
	hit = c > 0 ? strchr(from, c) : NULL;
	if (!hit)
		return fail(r, "unknown escape in a string");
	r->at++;
	out[(*len)++] = to[hit - from];
	return 0;
}

/* The raw length up to the closing quote; at stands behind the opening one. */
static int measure_string(struct reader *r, size_t *ret)
{
	const char *p;

	for (p = r->at; p < r->end && *p != '"'; p++) {
		if ((unsigned char)*p < 0x20) {
			r->at = p;
			return fail(r, "control character in a string");
		}
		if (*p == '\\' && p + 1 < r->end)
			p++;
	}
	if (p >= r->end)
		return fail(r, "string without an end");
	*ret = (size_t)(p - r->at);
	if (*ret > r->limits->string)
		return fail_code(r, -E2BIG, "string is too long");
	return 0;
}

static bool is_utf8(const char *s, size_t len)
{
	for (size_t i = 0, step; i < len; i += step) {
		step = str_utf8_len(s + i, len - i);
		if (step == 0)
			return false;
	}
	return true;
}

static int read_string(struct reader *r, const char **ret, size_t *ret_len)
{
	size_t raw = 0, len = 0;
	const char *end;
	char *out;
	int code;

	if (!accept(r, '"'))
		return fail(r, "expected a string");
	code = measure_string(r, &raw);
	if (code < 0)
		return code;
	out = arena_alloc(r->arena, raw + 1);
	if (!out)
		return err_oom(r->err);
	end = r->at + raw;
	while (r->at < end) {
		if (*r->at != '\\') {
			out[len++] = *r->at++;
			continue;
		}
		r->at++;
		code = read_escape(r, out, &len);
		if (code < 0)
			return code;
	}
	if (!is_utf8(out, len))
		return fail(r, "string is not UTF-8");
	r->at++;
	*ret = out;
	*ret_len = len;
	return 0;
}

static bool skip_digits(struct reader *r)
{
	const char *p = r->at;

	while (peek(r) >= '0' && peek(r) <= '9')
		r->at++;
	return r->at > p;
}

static int read_number(struct reader *r, struct json_node *node)
{
	const char *p = r->at;
	char *out;

	accept(r, '-');
	if (!accept(r, '0') && !skip_digits(r))
		return fail(r, "expected a value");
	if (accept(r, '.') && !skip_digits(r))
		return fail(r, "expected digits");
	if (accept(r, 'e') || accept(r, 'E')) {
		if (!accept(r, '+'))
			accept(r, '-');
		if (!skip_digits(r))
			return fail(r, "expected digits");
	}
	node->kind = JSON_READ_NUMBER;
	node->len = (size_t)(r->at - p);
	if (node->len > r->limits->string)
		return fail_code(r, -E2BIG, "number is too long");
	out = arena_alloc(r->arena, node->len + 1);
	if (!out)
		return err_oom(r->err);
	memcpy(out, p, node->len);
	node->text = out;
	return 0;
}

static bool accept_word(struct reader *r, const char *word)
{
	size_t len = strlen(word);

	if ((size_t)(r->end - r->at) < len || memcmp(r->at, word, len) != 0)
		return false;
	r->at += len;
	return true;
}

static int read_plain(struct reader *r, struct json_node *node)
{
	node->kind = JSON_READ_BOOL;
	if (accept_word(r, "false"))
		return 0;
	node->truth = accept_word(r, "true");
	if (node->truth)
		return 0;
	node->kind = JSON_READ_NULL;
	if (accept_word(r, "null"))
		return 0;
	return read_number(r, node);
}

static int read_key(struct reader *r, struct json_node *member)
{
	size_t len = 0;
	int ret;

	skip_blanks(r);
	ret = read_string(r, &member->key, &len);
	if (ret < 0)
		return ret;
	if (strlen(member->key) != len)
		return fail(r, "NUL in a property name");
	skip_blanks(r);
	return accept(r, ':') ? 0 : fail(r, "expected ':'");
}

/* The children of an array or object; at stands behind the opening bracket. */
static int read_children(struct reader *r, struct json_node *node, char close)
{
	struct json_node **tail = &node->first;
	bool object = close == '}';

	skip_blanks(r);
	if (accept(r, close))
		return 0;
	do {
		struct json_node *child = arena_alloc(r->arena, sizeof(*child));
		int ret;

		if (!child)
			return err_oom(r->err);
		ret = object ? read_key(r, child) : 0;
		if (ret == 0)
			ret = read_value(r, child);
		if (ret < 0)
			return ret;
		*tail = child;
		tail = &child->next;
		node->n++;
		skip_blanks(r);
	} while (accept(r, ','));
	if (accept(r, close))
		return 0;
	return fail(r, object ? "expected ',' or '}'" : "expected ',' or ']'");
}

static int read_value(struct reader *r, struct json_node *node)
{
	int ret;

	skip_blanks(r);
	if (++r->nodes > r->limits->nodes)
		return fail_code(r, -E2BIG, "too many values");
	switch (peek(r)) {
	case '"':
		node->kind = JSON_READ_STRING;
		return read_string(r, &node->text, &node->len);
	case '[':
	case '{':
		node->kind = *r->at == '[' ? JSON_READ_ARRAY : JSON_READ_OBJECT;
		if (++r->depth > r->limits->depth)
			return fail_code(r, -E2BIG, "nested too deeply");
		r->at++;
		ret = read_children(r, node, node->kind == JSON_READ_ARRAY ? ']' : '}');
		r->depth--;
		return ret;
	case -1:
		return fail(r, "unexpected end");
	default:
		return read_plain(r, node);
	}
}

int json_read(struct arena *a, const char *text, size_t len, const struct json_limits *limits,
	struct json_node **ret, struct err *err)
{
	struct reader r = {
		.arena = a,
		.limits = limits,
		.start = text,
		.at = text,
		.end = text + len,
		.err = err,
	};
	struct json_node *root;
	int code;

	if (len > limits->bytes)
		return err_set(err, -E2BIG, "document of %zu bytes is larger than %zu", len,
			limits->bytes);
	root = arena_alloc(a, sizeof(*root));
	if (!root)
		return err_oom(err);
	code = read_value(&r, root);
	if (code < 0)
		return code;
	skip_blanks(&r);
	if (r.at < r.end)
		return fail(&r, "text after the end of the document");
	*ret = root;
	return 0;
}

const struct json_node *json_read_get(const struct json_node *object, const char *key)
{
	const struct json_node *hit = NULL;

	if (object->kind != JSON_READ_OBJECT)
		return NULL;
	for (const struct json_node *m = object->first; m; m = m->next)
		if (strcmp(m->key, key) == 0)
			hit = m;
	return hit && hit->kind != JSON_READ_NULL ? hit : NULL;
}

const struct json_node *json_read_get_any_case(const struct json_node *object, const char *key)
{
	const struct json_node *hit = NULL;
	bool exact = false;

	if (object->kind != JSON_READ_OBJECT)
		return NULL;
	for (const struct json_node *m = object->first; m; m = m->next) {
		if ((m->key[0] | 0x20) != (key[0] | 0x20) || strcasecmp(m->key, key) != 0)
			continue;
		if (strcmp(m->key, key) == 0)
			exact = true;
		else if (exact)
			continue;
		hit = m;
	}
	return hit && hit->kind != JSON_READ_NULL ? hit : NULL;
}

static bool times_ten(uint64_t *v, uint64_t times)
{
	while (*v != 0 && times-- > 0)
		if (__builtin_mul_overflow(*v, 10, v))
			return false;
	return true;
}

/* The exponent behind 'e', far values clamped: they are no integer of 64 bits either way. */
static int64_t read_exponent(const char *p)
{
	bool negative = *p == '-';
	int64_t v = 0;

	if (*p == '-' || *p == '+')
		p++;
	for (; *p; p++)
		if (v < INT32_MAX)
			v = v * 10 + (*p - '0');
	return negative ? -v : v;
}

/* Sign and magnitude of a number that is an integer. */
static int read_integer(const struct json_node *node, bool *ret_negative, uint64_t *ret)
{
	const char *p = node->text;
	uint64_t v = 0, zeros = 0; /* zeros: read but not yet multiplied in, maybe trailing ones */
	int64_t exponent = 0;
	bool fraction = false;

	if (node->kind != JSON_READ_NUMBER)
		return -EINVAL;
	*ret_negative = *p == '-';
	p += *ret_negative;
	for (; *p && (*p | 0x20) != 'e'; p++) {
		if (*p == '.') {
			fraction = true;
			continue;
		}
		exponent -= fraction;
		if (*p == '0') {
			zeros++;
			continue;
		}
		if (!times_ten(&v, zeros + 1) ||
			__builtin_add_overflow(v, (uint64_t)(*p - '0'), &v))
			return -ERANGE;
		zeros = 0;
	}
	if (*p)
		exponent += read_exponent(p + 1);
	exponent += (int64_t)zeros;
	if (v != 0 && exponent < 0)
		return -EINVAL;
	if (v != 0 && !times_ten(&v, (uint64_t)exponent))
		return -ERANGE;
	*ret = v;
	return 0;
}

int json_read_i64(const struct json_node *number, int64_t *ret)
{
	bool negative;
	uint64_t v;
	int r = read_integer(number, &negative, &v);

	if (r < 0)
		return r;
	if (v > (uint64_t)INT64_MAX + negative)
		return -ERANGE;
	*ret = negative ? (int64_t)(0 - v) : (int64_t)v;
	return 0;
}

int json_read_u64(const struct json_node *number, uint64_t *ret)
{
	bool negative;
	uint64_t v;
	int r = read_integer(number, &negative, &v);

	if (r < 0)
		return r;
	if (negative && v != 0)
		return -ERANGE;
	*ret = v;
	return 0;
}

const char *json_read_kind_name(enum json_read_kind kind)
{
	static const char *const names[] = {
		[JSON_READ_NULL] = "null",
		[JSON_READ_BOOL] = "a bool",
		[JSON_READ_NUMBER] = "a number",
		[JSON_READ_STRING] = "a string",
		[JSON_READ_ARRAY] = "an array",
		[JSON_READ_OBJECT] = "an object",
	};

	return names[kind];
}
