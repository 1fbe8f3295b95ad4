/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Error: what failed, as a number for programs and a sentence for people.
 *
 * Owner    The caller's stack; nothing is allocated, so it serves when memory is gone.
 * Errors   Functions that take `struct err *err` return 0 (or a count) or a negative errno and fill
 *          *err in the second case. err may be NULL: then only the number is returned.
 * Blocks   Never.
 * Context  Any.
 *
 * Wording: lower case, subject in single quotes, no full stop: "open bundle '/b': Permission
 * denied". Library code returns a failure and does not log it; whoever handles it logs it once.
 */
#include <stddef.h>

struct err {
	int code;       /* negative errno; 0 while nothing failed */
	char text[480]; /* for people; clients match some substrings (spec/oci-runtime.md 1.6) */
};

/* Set code (negative errno) and text; returns code. */
int err_set(struct err *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* As err_set with code -errno; appends ": " and errno's text. errno must be that of the failed
 * call. */
int err_sys(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* As err_sys for a call that returned its negative errno (bare system calls, our own functions). */
int err_code(struct err *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Put the outer step in front of the text: "outer: text". Returns err->code. */
int err_in(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* -ENOMEM with its usual text. */
int err_oom(struct err *err);
