/* SPDX-License-Identifier: Apache-2.0 */
/* UID[:GID]: what is taken is digits and at most one colon, and never the id that is none. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "oci/user_spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = calloc(1, size + 1), *end;
	struct user_spec user = { .uid = 77, .gid = 78 };
	struct err err = { 0 };

	if (!text)
		abort();
	memcpy(text, data, size);
	if (user_spec_parse(text, &user, &err) < 0) {
		if (user.uid != 77 || user.gid != 78 || user.has_gid || err.code >= 0)
			abort();
	} else {
		if (text[strspn(text, "0123456789:")] || user.uid == UINT32_MAX ||
			user.gid == UINT32_MAX || user.has_gid != !!strchr(text, ':') ||
			(!user.has_gid && user.gid != 0))
			abort();
		if (strtoull(text, &end, 10) != user.uid ||
			(user.has_gid && strtoull(end + 1, NULL, 10) != user.gid))
			abort();
	}
	free(text);
	return 0;
}
