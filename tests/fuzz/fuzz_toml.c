/* SPDX-License-Identifier: Apache-2.0 */
/* TOML, and the configuration of reeved: what is read is written and read again as the same. */
#include <stdlib.h>
#include <string.h>

#include "base/toml.h"
#include "settings/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What an entry consists of is there, whatever its type. */
static int look(void *arg, const struct toml_entry *e, struct err *err)
{
	size_t *n = arg;
	const struct toml_value *v = &e->value;

	*n += strlen(e->what) + strlen(e->table) + e->line;
	if (!e->key)
		return 0;
	*n += strlen(e->key);
	if (v->type == TOML_STRING)
		*n += strlen(v->string);
	for (size_t i = 0; v->type == TOML_STRINGS && i < v->n_strings; i++)
		*n += strlen(v->strings[i]);
	if (v->type == TOML_STRINGS && v->strings[v->n_strings])
		abort();
	return *n % 97 == 96 ? toml_refuse(e, err, "it will not do") : 0;
}

static void read_settings(const char *text, struct buf *ret)
{
	struct settings s;
	struct err err = { 0 };

	if (settings_init(&s, NULL) < 0)
		abort();
	if (settings_parse(&s, text, "F", &err) == 0)
		settings_write(&s, false, ret);
	else if (!strstr(err.text, "F, line "))
		abort();
	settings_done(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_done(arena) struct arena a = { 0 };
	auto_done(buf) struct buf once = { 0 };
	auto_done(buf) struct buf again = { 0 };
	char *text = arena_strndup(&a, (const char *)data, size);
	struct err err = { 0 };
	size_t n = 0;

	if (toml_read(text, "F", &a, look, &n, &err) < 0 && !strstr(err.text, "F, line "))
		abort();
	read_settings(text, &once);
	if (!once.data)
		return 0;
	read_settings(once.data, &again);
	if (!again.data || strcmp(once.data, again.data) != 0)
		abort();
	return 0;
}
