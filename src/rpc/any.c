/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JSON URLs contain slashes themselves, so they are compared as a whole first; only then is the
 * part before the last slash taken for the host that protobuf libraries put there.
 */
#include "rpc/any.h"

#include <string.h>

#include "base/str.h"

bool any_is(const char *url, const char *type)
{
	const char *slash;

	if (str_eq(url, type))
		return true;
	slash = url ? strrchr(url, '/') : NULL;
	return slash && str_eq(slash + 1, type);
}
