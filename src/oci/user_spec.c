/* SPDX-License-Identifier: Apache-2.0 */
/*
 * User spec: the whole string is read into a local struct before any of it counts. The peers' hole
 * here was a uid that stayed 0 because parsing left early on a string without a colon.
 */
#include "oci/user_spec.h"

#include <errno.h>
#include <string.h>

#include "base/str.h"

/* Digits from p up to `end`; longer than any id is malformed anyway. */
static int parse_id(const char *p, const char *end, uint32_t *ret)
{
	char digits[16] = "";
	size_t len = (size_t)(end - p);
	uint64_t id;
	int r;

	if (len >= sizeof(digits))
		return -EINVAL;
	memcpy(digits, p, len);
	r = str_to_u64(digits, UINT32_MAX - 1, &id);
	if (r < 0)
		return r;
	*ret = (uint32_t)id;
	return 0;
}

int user_spec_parse(const char *text, struct user_spec *ret, struct err *err)
{
	const char *end = text + strlen(text);
	const char *colon = strchr(text, ':');
	struct user_spec user = { .has_gid = colon != NULL };

	if (parse_id(text, colon ? colon : end, &user.uid) < 0 ||
		(colon && parse_id(colon + 1, end, &user.gid) < 0))
		return err_set(err, -EINVAL,
			"user '%s' is not UID or UID:GID with decimal ids below 4294967295", text);
	*ret = user;
	return 0;
}
