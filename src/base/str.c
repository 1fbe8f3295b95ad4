/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strings: strict number parsing and a growing buffer.
 *
 * The strtoull family takes blanks, signs, prefixes and silence about trailing text; every one of
 * these has been a hole somewhere, so digits are read by hand here. A buffer remembers that memory
 * ran out: writers append freely and check once.
 */
#include "base/str.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"

/* Digits up to the first other character; -EINVAL when there is none, -ERANGE beyond `max`. */
static int read_digits(const char *s, uint64_t max, uint64_t *ret, const char **ret_end)
{
	uint64_t v = 0;
	const char *p = s;

	for (; *p >= '0' && *p <= '9'; p++) {
		uint64_t digit = (uint64_t)(*p - '0');

		if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, digit, &v) ||
			v > max)
			return -ERANGE;
	}
	if (p == s)
		return -EINVAL;
	*ret = v;
	*ret_end = p;
	return 0;
}

/* Malformed wins over too large: "99999999999999999999x" is no number at all. */
static bool all_digits(const char *s)
{
	return *s && s[strspn(s, "0123456789")] == '\0';
}

int str_to_u64(const char *s, uint64_t max, uint64_t *ret)
{
	const char *end;

	if (!s || !all_digits(s))
		return -EINVAL;
	return read_digits(s, max, ret, &end);
}

int str_to_u32(const char *s, uint32_t *ret)
{
	uint64_t v;
	int r = str_to_u64(s, UINT32_MAX, &v);

	if (r == 0)
		*ret = (uint32_t)v;
	return r;
}

int str_to_i64(const char *s, int64_t *ret)
{
	bool negative = s && *s == '-';
	uint64_t v;
	int r;

	r = str_to_u64(negative ? s + 1 : s, (uint64_t)INT64_MAX + negative, &v);
	if (r < 0)
		return r;
	*ret = negative ? (int64_t)(0 - v) : (int64_t)v;
	return 0;
}

static int size_shift(const char *suffix)
{
	static const char units[] = "kmgtp";
	const char *unit;
	char lower;

	if (!*suffix || strcasecmp(suffix, "b") == 0)
		return 0;
	lower = *suffix | 0x20;
	unit = strchr(units, lower);
	if (!unit)
		return -EINVAL;
	suffix++;
	if (*suffix && strcasecmp(suffix, "b") != 0 && strcasecmp(suffix, "ib") != 0)
		return -EINVAL;
	return 10 * (int)(unit - units + 1);
}

/* ".25" is 250000000, in parts of 1000000000. */
static int read_fraction(const char *s, uint64_t *ret, const char **ret_end)
{
	size_t digits = strspn(s, "0123456789");
	uint64_t v = 0;

	if (digits < 1 || digits > 9)
		return -EINVAL;
	for (size_t i = 0; i < 9; i++)
		v = v * 10 + (uint64_t)(i < digits ? s[i] - '0' : 0);
	*ret = v;
	*ret_end = s + digits;
	return 0;
}

int str_to_size(const char *s, int64_t *ret)
{
	uint64_t v, fraction = 0;
	const char *end;
	int r, shift;

	if (!s)
		return -EINVAL;
	if (strcmp(s, "-1") == 0) {
		*ret = -1;
		return 0;
	}
	end = s + strspn(s, "0123456789");
	r = *end == '.' ? read_fraction(end + 1, &fraction, &end) : 0;
	if (r < 0)
		return r;
	shift = size_shift(*end == ' ' ? end + 1 : end);
	if (shift < 0)
		return shift;
	r = read_digits(s, INT64_MAX, &v, &end);
	if (r < 0)
		return r;
	if (v > (uint64_t)INT64_MAX >> shift)
		return -ERANGE;
	*ret = (int64_t)(v << shift) +
	       (int64_t)(((unsigned __int128)fraction << shift) / 1000000000);
	return 0;
}

bool str_starts(const char *s, const char *prefix)
{
	return s && prefix && strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_ends(const char *s, const char *suffix)
{
	size_t len, end;

	if (!s || !suffix)
		return false;
	len = strlen(s);
	end = strlen(suffix);
	return len >= end && memcmp(s + len - end, suffix, end) == 0;
}

/* Room for `more` bytes and the NUL. */
static bool reserve(struct buf *b, size_t more)
{
	size_t want;

	if (b->failed)
		return false;
	if (__builtin_add_overflow(b->len, more, &want) || __builtin_add_overflow(want, 1, &want) ||
		mem_grow(&b->data, &b->cap, want < 64 ? 64 : want, 1) < 0) {
		b->failed = true;
		return false;
	}
	return true;
}

void str_unescape_octal(char *s)
{
	char *out = s;

	while (*s) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' &&
			s[3] >= '0' && s[3] <= '7') {
			*out++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 4;
		} else {
			*out++ = *s++;
		}
	}
	*out = '\0';
}

void buf_add(struct buf *b, const void *data, size_t len)
{
	if (!reserve(b, len))
		return;
	if (len)
		memcpy(b->data + b->len, data, len);
	b->len += len;
	b->data[b->len] = '\0';
}

void buf_adds(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void buf_addc(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

void buf_addf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0) {
		b->failed = true;
		return;
	}
	if (!reserve(b, (size_t)n))
		return;
	va_start(ap, fmt);
	vsnprintf(b->data + b->len, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->len += (size_t)n;
}

size_t str_utf8_len(const void *text, size_t left)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *s = text;
	size_t len = s[0] < 0x80   ? 1
		     : s[0] < 0xc0 ? 0
		     : s[0] < 0xe0 ? 2
		     : s[0] < 0xf0 ? 3
		     : s[0] < 0xf8 ? 4
				   : 0;
	uint32_t c;

	if (len < 2)
		return len;
	if (len > left)
		return 0;
	c = s[0] & (0x7fu >> len);
	for (size_t i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80) /* the NUL at the end of a string stops here too */
			return 0;
		c = c << 6 | (s[i] & 0x3fu);
	}
	if (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return 0;
	return len;
}

static void add_json_escape(struct buf *b, unsigned char c)
{
	static const char letters[] = "btn\vfr"; /* 8 to 13; 11 has no letter */

	if (c == '"' || c == '\\')
		buf_addf(b, "\\%c", c);
	else if (c >= 8 && c <= 13 && c != '\v')
		buf_addf(b, "\\%c", letters[c - 8]);
	else
		buf_addf(b, "\\u%04x", c);
}

void buf_add_json(struct buf *b, const char *s)
{
	const unsigned char *p = (const unsigned char *)s;
	const unsigned char *plain = p;

	buf_addc(b, '"');
	while (*p) {
		size_t len = str_utf8_len(p, 4);

		if (len > 0 && *p >= 0x20 && *p != '"' && *p != '\\' && *p != 0x7f) {
			p += len;
			continue;
		}
		buf_add(b, plain, (size_t)(p - plain));
		if (len == 0)
			buf_adds(b, "\\ufffd"); /* what Go and others write for a byte that is no
						   text */
		else
			add_json_escape(b, *p);
		plain = ++p;
	}
	buf_add(b, plain, (size_t)(p - plain));
	buf_addc(b, '"');
}

void buf_consume(struct buf *b, size_t n)
{
	if (!b->data)
		return;
	if (n > b->len)
		n = b->len;
	memmove(b->data, b->data + n, b->len - n + 1);
	b->len -= n;
}

int buf_ok(const struct buf *b)
{
	return b->failed ? -ENOMEM : 0;
}

char *buf_take(struct buf *b)
{
	char *data;

	if (!b->failed && !b->data)
		buf_add(b, "", 0);
	if (b->failed) {
		buf_done(b);
		return NULL;
	}
	data = b->data;
	*b = (struct buf){ 0 };
	return data;
}

void buf_done(struct buf *b)
{
	if (!b)
		return;
	free(b->data);
	*b = (struct buf){ 0 };
}
