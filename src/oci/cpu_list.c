/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CPU list: text to a bit set of fixed size and back.
 *
 * The kernel's parser knows more ("all", "N", strides as in 0-31:2/4). Nothing that writes
 * runtime-spec documents uses these, and what two parsers read differently is refused.
 */
#include "oci/cpu_list.h"

#include <errno.h>
#include <string.h>

/* Digits at *at; stops counting far beyond every limit. */
static bool read_number(const char **at, uint32_t *ret)
{
	const char *p = *at;
	uint32_t v = 0;

	for (; *p >= '0' && *p <= '9'; p++)
		if (v <= CPU_LIST_CPUS)
			v = v * 10 + (uint32_t)(*p - '0');
	if (p == *at)
		return false;
	*at = p;
	*ret = v;
	return true;
}

static void add_range(struct cpu_list *list, uint32_t first, uint32_t last)
{
	for (uint32_t i = first; i <= last; i++)
		list->bits[i / 64] |= UINT64_C(1) << (i % 64);
}

static void skip_blanks(const char **at)
{
	*at += strspn(*at, " \t");
}

/* One number or range at *at. */
static int read_entry(const char **at, unsigned int limit, struct cpu_list *list)
{
	uint32_t first, last;

	skip_blanks(at);
	if (!read_number(at, &first))
		return -EINVAL;
	last = first;
	if (**at == '-') {
		++*at;
		if (!read_number(at, &last) || last < first)
			return -EINVAL;
	}
	skip_blanks(at);
	if (last >= limit)
		return -ERANGE;
	add_range(list, first, last);
	return 0;
}

int cpu_list_parse(const char *text, unsigned int limit, struct cpu_list *ret, struct err *err)
{
	struct cpu_list list = { 0 };
	const char *p = text;
	int r = 0;

	if (limit > CPU_LIST_CPUS)
		limit = CPU_LIST_CPUS;
	skip_blanks(&p);
	if (*p && *p != '\n') {
		r = read_entry(&p, limit, &list);
		while (r == 0 && *p == ',') {
			p++;
			r = read_entry(&p, limit, &list);
		}
	}
	if (r == -ERANGE)
		return err_set(err, r, "list '%s' goes beyond %u", text, limit - 1);
	if (*p == '\n')
		p++;
	if (r < 0 || *p)
		return err_set(err, -EINVAL, "'%s' is not a list like 0-3,7", text);
	*ret = list;
	return 0;
}

bool cpu_list_has(const struct cpu_list *list, unsigned int cpu)
{
	return cpu < CPU_LIST_CPUS && (list->bits[cpu / 64] >> (cpu % 64) & 1);
}

unsigned int cpu_list_count(const struct cpu_list *list)
{
	unsigned int n = 0;

	for (size_t i = 0; i < CPU_LIST_CPUS / 64; i++)
		n += (unsigned int)__builtin_popcountll(list->bits[i]);
	return n;
}

unsigned int cpu_list_end(const struct cpu_list *list)
{
	for (size_t i = CPU_LIST_CPUS / 64; i > 0; i--)
		if (list->bits[i - 1])
			return (unsigned int)(i * 64) -
			       (unsigned int)__builtin_clzll(list->bits[i - 1]);
	return 0;
}

void cpu_list_write(const struct cpu_list *list, struct buf *out)
{
	unsigned int end = cpu_list_end(list), last;
	const char *comma = "";

	for (unsigned int first = 0; first < end; first = last + 1) {
		last = first;
		if (!cpu_list_has(list, first))
			continue;
		while (cpu_list_has(list, last + 1))
			last++;
		buf_addf(out, first == last ? "%s%u" : "%s%u-%u", comma, first, last);
		comma = ",";
	}
}
