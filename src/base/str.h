/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Strings and numbers: strict parsing, growing buffer.
 *
 * Owner    struct buf is the caller's; ended with buf_done(), which accepts zero and done ones.
 * Errors   Negative errno: -EINVAL malformed, -ERANGE out of range, -ENOMEM.
 * Blocks   Never.
 * Context  Parent (allocates), except the pure predicates.
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Decimal, digits only: no sign, blank, prefix or trailing text (spec/security.md 2, strtoull
 * traps). */
int str_to_u64(const char *s, uint64_t max, uint64_t *ret);
int str_to_u32(const char *s, uint32_t *ret);
/* Decimal with an optional '-'. */
int str_to_i64(const char *s, int64_t *ret);
/* "100m", "1.5g": digits, an optional fraction of at most nine digits, an optional blank and unit b,k,kb,kib,m,g,t,p (any
 * case, powers of 1024), cut to whole bytes; "-1" is -1. */
int str_to_size(const char *s, int64_t *ret);

static inline bool str_eq(const char *a, const char *b)
{
	return a && b && __builtin_strcmp(a, b) == 0;
}
/* Bytes of the UTF-8 character at s, of which at least one and at most `left` may be read; 0 when
 * it is none (cut, overlong, surrogate, too large). NUL is a character. */
size_t str_utf8_len(const void *s, size_t left);
bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);
static inline bool str_empty(const char *s)
{
	return !s || !*s;
}

/* Undo \ooo in place, as mountinfo has blanks: "\040". */
void str_unescape_octal(char *s);

struct buf {
	char *data; /* NUL-terminated when not NULL; the NUL is not counted in len */
	size_t len;
	size_t cap;
	bool failed; /* memory ran out: later appends do nothing; check once with buf_ok() */
};

void buf_add(struct buf *b, const void *data, size_t len);
void buf_adds(struct buf *b, const char *s);
void buf_addc(struct buf *b, char c);
void buf_addf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* JSON string literal with quotes; control characters and invalid UTF-8 escaped, '/' is not. */
void buf_add_json(struct buf *b, const char *s);
/* Remove n bytes from the front. */
void buf_consume(struct buf *b, size_t n);
/* 0 or -ENOMEM. */
int buf_ok(const struct buf *b);
/* Hand the bytes over (NUL-terminated, never NULL unless failed) and reset. */
char *buf_take(struct buf *b);
void buf_done(struct buf *b);
