/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An annotation of systemd's: its name, a newline, its value. What is taken is on the list, one line, and of its type; and
 * a name of a unit has letters of units alone.
 */
#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "container/unit_name.h"
#include "container/unit_value.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_value(const char *name, const char *value)
{
	const char *colon = strchr(value, ':'), *v = colon + 1;

	if (!colon || strstr(name, "Exec") || !isalpha((unsigned char)*name))
		abort();
	for (const char *p = value; *p; p++)
		if (!isprint((unsigned char)*p))
			abort();
	if (str_starts(value, "t:")) {
		if (!*v || v[strspn(v, "0123456789")])
			abort();
	} else if (str_starts(value, "b:")) {
		if (!str_eq(v, "0") && !str_eq(v, "1"))
			abort();
	} else if (str_starts(value, "ay:")) {
		if (strlen(v) % 2 || v[strspn(v, "0123456789abcdef")])
			abort();
	} else if (!str_starts(value, "s:")) {
		abort();
	}
}

static void check_name(const char *path, struct arena *arena)
{
	struct unit_name n;
	struct err err = { 0 };
	const char *below;

	if (unit_name_resolve(path, "p", "id", false, arena, &n, &err) < 0) {
		if (err.code >= 0)
			abort();
		return;
	}
	if (!unit_name_is_valid(n.unit) || strchr(n.unit, '/') || strchr(n.slice, '/') ||
		unit_slice_path(n.slice, arena, &below, &err) < 0 || strstr(below, "/../"))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const types[] = { "s", "b", "t", "ay" };
	struct arena arena = { 0 };
	const char *name, *value;
	char *text = calloc(1, size + sizeof(UNIT_ANNOTATION)), *line;

	if (!text)
		abort();
	memcpy(text, UNIT_ANNOTATION, sizeof(UNIT_ANNOTATION) - 1);
	memcpy(text + sizeof(UNIT_ANNOTATION) - 1, data, size);
	check_name(text + sizeof(UNIT_ANNOTATION) - 1, &arena);
	line = strchr(text, '\n');
	if (line)
		*line++ = '\0';
	else
		line = text + strlen(text);
	if (unit_value_annotation(text, line, &arena, &name, &value, &(struct err){ 0 }) == 0)
		check_value(name, value);
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		(void)unit_value_parse(line, types[i], &arena, &value, &(struct err){ 0 });
	arena_done(&arena);
	free(text);
	return 0;
}
