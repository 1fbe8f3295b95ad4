/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clocks, and times as people and clients write them.
 *
 * Written times always carry nine digits of fraction and a Z. Read times may carry none to many (Go
 * drops trailing zeros) and any zone. Times before 1970 do not fit and are refused: Go's zero time
 * is one of them.
 */
#include "base/clock.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static uint64_t now_ns(clockid_t id)
{
	struct timespec ts = { 0 };

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

uint64_t clock_boot_ns(void)
{
	return now_ns(CLOCK_BOOTTIME);
}

uint64_t clock_wall_ns(void)
{
	return now_ns(CLOCK_REALTIME);
}

const char *clock_rfc3339(uint64_t wall_ns, char out[CLOCK_RFC3339_SIZE])
{
	time_t seconds = (time_t)(wall_ns / NS_PER_SEC);
	struct tm tm = { 0 };

	gmtime_r(&seconds, &tm);
	/* The remainders change nothing; they tell the compiler that it fits. */
	snprintf(out, CLOCK_RFC3339_SIZE, "%04u-%02u-%02uT%02u:%02u:%02u.%09uZ",
		(unsigned int)(tm.tm_year + 1900) % 10000, (unsigned int)(tm.tm_mon + 1) % 100,
		(unsigned int)tm.tm_mday % 100, (unsigned int)tm.tm_hour % 100,
		(unsigned int)tm.tm_min % 100, (unsigned int)tm.tm_sec % 100,
		(unsigned int)(wall_ns % NS_PER_SEC));
	return out;
}

/* Exactly `digits` digits with a value in min..max, then the character `after` (0: any). */
static bool number(const char **p, int digits, int min, int max, char after, int *ret)
{
	int v = 0;

	for (int i = 0; i < digits; i++) {
		char c = *(*p)++;

		if (c < '0' || c > '9') {
			(*p)--;
			return false;
		}
		v = v * 10 + (c - '0');
	}
	if (v < min || v > max || (after && *(*p)++ != after))
		return false;
	*ret = v;
	return true;
}

static bool fraction(const char **p, uint64_t *ret_ns)
{
	uint64_t unit = NS_PER_SEC / 10;
	const char *start;

	*ret_ns = 0;
	if (**p != '.')
		return true;
	start = ++*p;
	for (; **p >= '0' && **p <= '9'; ++*p, unit /= 10)
		*ret_ns += unit * (uint64_t)(**p - '0');
	return *p > start;
}

static bool zone(const char **p, int *ret_seconds)
{
	int sign, hours, minutes;

	*ret_seconds = 0;
	if (**p == 'Z' || **p == 'z') {
		++*p;
		return true;
	}
	if (**p != '+' && **p != '-')
		return false;
	sign = *(*p)++ == '+' ? 1 : -1;
	if (!number(p, 2, 0, 23, ':', &hours) || !number(p, 2, 0, 59, 0, &minutes))
		return false;
	*ret_seconds = sign * (hours * 3600 + minutes * 60);
	return true;
}

int clock_parse_rfc3339(const char *s, uint64_t *ret_wall_ns)
{
	struct tm tm = { 0 }, back;
	uint64_t ns, total;
	int offset, mday;
	time_t seconds;

	if (!s || strnlen(s, 10) < 10 || !number(&s, 4, 0, 9999, '-', &tm.tm_year) ||
		!number(&s, 2, 1, 12, '-', &tm.tm_mon) || !number(&s, 2, 1, 31, 0, &mday))
		return -EINVAL;
	if (*s != 'T' && *s != 't')
		return -EINVAL;
	s++;
	if (!number(&s, 2, 0, 23, ':', &tm.tm_hour) || !number(&s, 2, 0, 59, ':', &tm.tm_min) ||
		!number(&s, 2, 0, 59, 0, &tm.tm_sec) || !fraction(&s, &ns) || !zone(&s, &offset) ||
		*s)
		return -EINVAL;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	tm.tm_mday = mday;
	seconds = timegm(&tm);
	/* The 31st of a month of 30 days comes back as another day. */
	if (!gmtime_r(&seconds, &back) || back.tm_mday != mday)
		return -EINVAL;
	seconds -= offset;
	if (seconds < 0 || __builtin_mul_overflow((uint64_t)seconds, NS_PER_SEC, &total) ||
		__builtin_add_overflow(total, ns, &total))
		return -EINVAL;
	*ret_wall_ns = total;
	return 0;
}
