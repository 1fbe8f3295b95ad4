/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What surprises: the failure of a container's own program or configuration is no API error. "no
 * such file" from an exec must arrive as RPC_UNKNOWN with its text, for RPC_NOT_FOUND would tell
 * the client that the task is gone. Whoever answers a request decides that; this table is for
 * errors of the request itself.
 */
#include "rpc/status.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

// clang-format off
static const struct {
	int number;
	enum status_code code;
} by_errno[] = {
	{ ENOENT,       RPC_NOT_FOUND },
	{ ESRCH,        RPC_NOT_FOUND },
	{ EEXIST,       RPC_ALREADY_EXISTS },
	{ EBUSY,        RPC_FAILED_PRECONDITION },
	{ EINVAL,       RPC_INVALID_ARGUMENT },
	{ EBADMSG,      RPC_INVALID_ARGUMENT },
	{ ENAMETOOLONG, RPC_INVALID_ARGUMENT },
	{ E2BIG,        RPC_INVALID_ARGUMENT },
	{ ERANGE,       RPC_OUT_OF_RANGE },
	{ ENOSYS,       RPC_UNIMPLEMENTED },
	{ EOPNOTSUPP,   RPC_UNIMPLEMENTED },
	{ EPERM,        RPC_PERMISSION_DENIED },
	{ EACCES,       RPC_PERMISSION_DENIED },
	{ ETIMEDOUT,    RPC_DEADLINE_EXCEEDED },
	{ ECANCELED,    RPC_CANCELED },
	{ ENOMEM,       RPC_RESOURCE_EXHAUSTED },
	{ ENOSPC,       RPC_RESOURCE_EXHAUSTED },
	{ EDQUOT,       RPC_RESOURCE_EXHAUSTED },
	{ EMFILE,       RPC_RESOURCE_EXHAUSTED },
	{ ENFILE,       RPC_RESOURCE_EXHAUSTED },
	{ EMSGSIZE,     RPC_RESOURCE_EXHAUSTED },
	{ EAGAIN,       RPC_UNAVAILABLE },
	{ ECONNREFUSED, RPC_UNAVAILABLE },
	{ ECONNRESET,   RPC_UNAVAILABLE },
	{ ENOTCONN,     RPC_UNAVAILABLE },
	{ EPIPE,        RPC_UNAVAILABLE },
};

static const char *const class_texts[] = {
	[RPC_OK] = "",
	[RPC_CANCELED] = "context canceled",
	[RPC_UNKNOWN] = "unknown",
	[RPC_INVALID_ARGUMENT] = "invalid argument",
	[RPC_DEADLINE_EXCEEDED] = "context deadline exceeded",
	[RPC_NOT_FOUND] = "not found",
	[RPC_ALREADY_EXISTS] = "already exists",
	[RPC_PERMISSION_DENIED] = "permission denied",
	[RPC_RESOURCE_EXHAUSTED] = "resource exhausted",
	[RPC_FAILED_PRECONDITION] = "failed precondition",
	[RPC_ABORTED] = "aborted",
	[RPC_OUT_OF_RANGE] = "out of range",
	[RPC_UNIMPLEMENTED] = "not implemented",
	[RPC_INTERNAL] = "internal",
	[RPC_UNAVAILABLE] = "unavailable",
	[RPC_DATA_LOSS] = "data loss",
	[RPC_UNAUTHENTICATED] = "unauthenticated",
};
// clang-format on

enum status_code status_from_errno(int code)
{
	if (code == 0)
		return RPC_OK;
	for (size_t i = 0; i < ARRAY_LEN(by_errno); i++)
		if (by_errno[i].number == code || -by_errno[i].number == code)
			return by_errno[i].code;
	return RPC_UNKNOWN;
}

const char *status_class(enum status_code code)
{
	if ((size_t)code >= ARRAY_LEN(class_texts))
		return class_texts[RPC_UNKNOWN];
	return class_texts[code];
}

const char *status_text(enum status_code code, const char *detail, char *out, size_t size)
{
	const char *cls = status_class(code);

	if (str_empty(detail))
		snprintf(out, size, "%s", cls);
	else if (code == RPC_OK || status_class(code) == class_texts[RPC_UNKNOWN] ||
		 str_ends(detail, cls))
		snprintf(out, size, "%s", detail);
	else
		snprintf(out, size, "%s: %s", detail, cls);
	return out;
}
