/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors: a code and a sentence in a struct of fixed size.
 *
 * Texts that do not fit are cut, never dropped: the number stays right and the beginning, which
 * names the object, is what people need. What surprises: err_in() moves the old text to the right
 * in place, so that the outer step comes first without a second buffer on a stack that may be
 * small.
 */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* strerror() may translate and allocate; this one does neither. */
static const char *errno_text(int num)
{
	const char *text = strerrordesc_np(num);

	return text ? text : "unknown error";
}

static size_t append(struct err *err, size_t at, const char *text)
{
	size_t room = sizeof(err->text) - at;
	size_t len = strnlen(text, room - 1);

	memcpy(err->text + at, text, len);
	err->text[at + len] = '\0';
	return at + len;
}

static __attribute__((format(printf, 2, 0))) size_t format(
	struct err *err, const char *fmt, va_list ap)
{
	int n = vsnprintf(err->text, sizeof(err->text), fmt, ap);

	if (n < 0) {
		err->text[0] = '\0';
		return 0;
	}
	return (size_t)n < sizeof(err->text) ? (size_t)n : sizeof(err->text) - 1;
}

int err_set(struct err *err, int code, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return code;
	err->code = code;
	va_start(ap, fmt);
	format(err, fmt, ap);
	va_end(ap);
	return code;
}

static __attribute__((format(printf, 3, 0))) int set_with_errno(
	struct err *err, int code, const char *fmt, va_list ap)
{
	size_t at;

	/* A caller that lost errno must not turn a failure into success. */
	if (code == 0)
		code = -EIO;
	if (!err)
		return code;
	err->code = code;
	at = format(err, fmt, ap);
	at = append(err, at, ": ");
	append(err, at, errno_text(code < 0 ? -code : code));
	return code;
}

int err_sys(struct err *err, const char *fmt, ...)
{
	int code = -errno;
	va_list ap;

	va_start(ap, fmt);
	code = set_with_errno(err, code, fmt, ap);
	va_end(ap);
	return code;
}

int err_code(struct err *err, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	code = set_with_errno(err, code, fmt, ap);
	va_end(ap);
	return code;
}

int err_in(struct err *err, const char *fmt, ...)
{
	char outer[sizeof(err->text)];
	size_t outer_len, inner_len;
	va_list ap;
	int n;

	if (!err)
		return -EIO;
	va_start(ap, fmt);
	n = vsnprintf(outer, sizeof(outer), fmt, ap);
	va_end(ap);
	if (n < 0)
		return err->code;
	outer_len = strnlen(outer, sizeof(outer) - 1);
	/* Two characters for ": " and at least the end of the string must fit. */
	if (outer_len > sizeof(err->text) - 3)
		outer_len = sizeof(err->text) - 3;
	inner_len = strnlen(err->text, sizeof(err->text) - 1);
	if (inner_len > sizeof(err->text) - 3 - outer_len)
		inner_len = sizeof(err->text) - 3 - outer_len;
	memmove(err->text + outer_len + 2, err->text, inner_len);
	memcpy(err->text, outer, outer_len);
	memcpy(err->text + outer_len, ": ", 2);
	err->text[outer_len + 2 + inner_len] = '\0';
	return err->code;
}

int err_oom(struct err *err)
{
	return err_set(err, -ENOMEM, "out of memory");
}
