/* SPDX-License-Identifier: Apache-2.0 */
/* Filters and regular expressions of clients. Lines are filters; the last one is what they are matched with. */
#include <stdlib.h>
#include <string.h>

#include "manager/identifier.h"
#include "services/filter.h"
#include "services/pattern.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *field(void *object, const char *const *path, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!path[i])
			abort();
	return strcmp(path[0], "none") == 0 ? NULL : object;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_done(arena) struct arena a = { 0 };
	char *text = arena_strndup(&a, (const char *)data, size), *lines[8], *line = text, *end;
	const struct pattern *p;
	const struct filter *f;
	struct err err = { 0 };
	size_t n = 0;

	while (n < 8 && line) {
		end = strchr(line, '\n');
		if (end)
			*end = '\0';
		lines[n++] = line;
		line = end ? end + 1 : NULL;
	}
	if (filter_parse(lines, n, &a, &f, &err) == 0)
		(void)filter_match(f, field, lines[n - 1]);
	else if (!err.text[0])
		abort();
	if (pattern_parse(lines[0], &a, &p, NULL) == 0)
		(void)pattern_match(p, lines[n - 1]);
	(void)identifier_check(lines[0], NULL);
	(void)identifier_check_topic(lines[0], NULL);
	(void)identifier_check_digest(lines[0], NULL);
	return 0;
}
