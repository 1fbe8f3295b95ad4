/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One rule for all that names a task: whatever passes is safe as the name of a file and as a word in a text.
 */
#include "api/task_name.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

/* Groups of letters and digits with one of "._-" between them: never a path, never hidden. */
int task_name_check(const char *s, const char *what, struct err *err)
{
	size_t len = s ? strlen(s) : 0;

	if (len == 0)
		return err_set(err, -EINVAL, "%s is required", what);
	if (len > 255)
		return err_set(err, -EINVAL, "%s of %zu characters is too long", what, len);
	for (size_t i = 0; i < len; i++) {
		bool inner = i > 0 && i + 1 < len && isalnum((unsigned char)s[i - 1]);

		if (!isalnum((unsigned char)s[i]) && !(inner && strchr("._-", s[i])))
			return err_set(err, -EINVAL, "%s '%s' has an invalid character at %zu",
				what, s, i);
	}
	return 0;
}
