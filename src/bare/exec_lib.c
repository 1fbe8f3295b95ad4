/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The few string functions that the executor uses, and those that a compiler calls on its own in freestanding code.
 */
#include "bare/exec.h"

void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
	unsigned char *t = to;
	const unsigned char *f = from;

	while (n--)
		*t++ = *f++;
	return to;
}

void *memset(void *to, int c, size_t n)
{
	unsigned char *t = to;

	while (n--)
		*t++ = (unsigned char)c;
	return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const unsigned char *p = a;
	const unsigned char *q = b;

	for (; n; n--, p++, q++)
		if (*p != *q)
			return *p - *q;
	return 0;
}

size_t strlen(const char *s)
{
	size_t n = 0;

	while (s[n])
		n++;
	return n;
}

int strcmp(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return (unsigned char)*a - (unsigned char)*b;
}

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
