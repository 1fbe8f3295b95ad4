/* SPDX-License-Identifier: Apache-2.0 */
/*
 * String functions that only the executor has a use for.
 */
#include "bare/exec.h"

int exec_starts(const char *s, const char *prefix)
{
	while (*prefix)
		if (*s++ != *prefix++)
			return 0;
	return 1;
}

char *exec_utoa(uint64_t v, char out[24])
{
	char *p = out + 23;

	*p = 0;
	do {
		*--p = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	return p;
}

int exec_join(char *out, size_t size, const char *a, const char *b)
{
	size_t n = strlen(a);
	size_t m = b ? strlen(b) : 0;

	if (n + m + 1 > size)
		return -36; /* ENAMETOOLONG */
	memcpy(out, a, n);
	if (m)
		memcpy(out + n, b, m);
	out[n + m] = 0;
	return 0;
}
