/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arguments. Callers come with two habits: getopt's (clusters of letters, values glued to a letter) and Go's (a long
 * name behind one dash). Both are taken; where one word fits both, a plain cluster wins, then the long name, then a
 * letter with its value glued on: so "-bundle" is never a "-b" with the value "undle".
 */
#include "cli/args.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"

struct reader {
	const struct args_table *table;
	void *target;
	struct args_rest *rest;
	const char *const *argv;
	int argc, next; /* next argument */
	struct err *err;
};

static const struct args_option help_option = { "help", 'h', ARGS_BOOL, 0, NULL, "show this text" };

int args_list_add(struct args_list *l, const char *item)
{
	if (mem_grow(&l->items, &l->cap, l->n + 1, sizeof(*l->items)) < 0)
		return -ENOMEM;
	l->items[l->n++] = item;
	return 0;
}

void args_list_done(struct args_list *l)
{
	free(l->items);
	*l = (struct args_list){ 0 };
}

static const struct args_option *by_name(const struct args_table *t, const char *name, size_t len)
{
	for (size_t i = 0; i < t->n; i++)
		if (strlen(t->options[i].name) == len && memcmp(t->options[i].name, name, len) == 0)
			return &t->options[i];
	if ((len == 4 && memcmp(name, "help", 4) == 0) ||
		(len == 5 && memcmp(name, "usage", 5) == 0))
		return &help_option;
	return NULL;
}

static const struct args_option *by_letter(const struct args_table *t, char letter)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->options[i].letter && t->options[i].letter == letter)
			return &t->options[i];
	return letter == 'h' || letter == '?' ? &help_option : NULL;
}

static int parse_bool(const char *s, bool *ret)
{
	static const char *const yes[] = { "true", "1", "t", "T", "TRUE", "True", "yes" };
	static const char *const no[] = { "false", "0", "f", "F", "FALSE", "False", "no" };

	for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
		if (strcmp(s, yes[i]) == 0 || strcmp(s, no[i]) == 0) {
			*ret = strcmp(s, yes[i]) == 0;
			return 0;
		}
	}
	return -EINVAL;
}

static int store(struct reader *r, const struct args_option *o, const char *value)
{
	void *to = (char *)r->target + o->offset;
	int code = 0;

	if (o == &help_option) {
		r->rest->help = true;
		return 0;
	}
	switch (o->type) {
	case ARGS_BOOL:
		*(bool *)to = true;
		if (value)
			code = parse_bool(value, to);
		break;
	case ARGS_STRING:
		*(const char **)to = value;
		break;
	case ARGS_LIST:
		code = args_list_add(to, value);
		break;
	case ARGS_U32:
		code = str_to_u32(value, to);
		break;
	}
	if (code == -ENOMEM)
		return err_oom(r->err);
	if (code < 0)
		return err_set(
			r->err, -EINVAL, "invalid value \"%s\" for flag --%s", value, o->name);
	return 0;
}

/* An option whose value is not in the same word. `shown` is the word for the error. */
static int store_next(struct reader *r, const struct args_option *o, const char *shown)
{
	if (o->type == ARGS_BOOL)
		return store(r, o, NULL);
	if (r->next >= r->argc)
		return err_set(r->err, -EINVAL, "flag needs an argument: %s", shown);
	return store(r, o, r->argv[r->next++]);
}

/* "name" or "name=value"; 1 when it was one. */
static int read_long(struct reader *r, const char *word, const char *shown)
{
	const char *equals = strchr(word, '=');
	size_t len = equals ? (size_t)(equals - word) : strlen(word);
	const struct args_option *o = by_name(r->table, word, len);
	int code;

	if (!o)
		return 0;
	code = equals ? store(r, o, equals + 1) : store_next(r, o, shown);
	return code < 0 ? code : 1;
}

/* Letters without values, of which the last may take the next argument. */
static bool is_cluster(const struct args_table *t, const char *word)
{
	for (const char *p = word; *p; p++) {
		const struct args_option *o = by_letter(t, *p);

		if (!o || (o->type != ARGS_BOOL && p[1]))
			return false;
	}
	return true;
}

static int read_cluster(struct reader *r, const char *word, const char *shown)
{
	int code = 0;

	for (const char *p = word; *p && code == 0; p++)
		code = store_next(r, by_letter(r->table, *p), shown);
	return code;
}

/* Letters, then one that takes the rest of the word as its value: "-nvalue", "-n=value". 1 when it was that. */
static int read_glued(struct reader *r, const char *word)
{
	const char *p = word;
	const struct args_option *o = by_letter(r->table, *p);
	int code = 0;

	while (o && o->type == ARGS_BOOL && p[1] && p[1] != '=')
		o = by_letter(r->table, *++p);
	if (!o || !p[1])
		return 0;
	for (const char *q = word; q < p && code == 0; q++)
		code = store(r, by_letter(r->table, *q), NULL);
	if (code == 0)
		code = store(r, o, p[1] == '=' ? p + 2 : p + 1);
	return code < 0 ? code : 1;
}

static int read_short(struct reader *r, const char *word, const char *shown)
{
	int code;

	if (is_cluster(r->table, word))
		return read_cluster(r, word, shown);
	code = read_long(r, word, shown);
	if (code == 0)
		code = read_glued(r, word);
	if (code == 0)
		return err_set(r->err, -EINVAL, "flag provided but not defined: %s", shown);
	return code < 0 ? code : 0;
}

static int read_option(struct reader *r, const char *word)
{
	int code;

	if (word[1] != '-')
		return read_short(r, word + 1, word);
	code = read_long(r, word + 2, word);
	if (code == 0)
		return err_set(r->err, -EINVAL, "flag provided but not defined: %s", word);
	return code < 0 ? code : 0;
}

int args_parse(const struct args_table *table, int argc, const char *const *argv, void *target,
	struct args_rest *ret_rest, struct err *err)
{
	struct reader r = {
		.table = table,
		.target = target,
		.rest = ret_rest,
		.argv = argv,
		.argc = argc,
		.err = err,
	};
	bool options = true;

	*ret_rest = (struct args_rest){ 0 };
	while (r.next < argc && !ret_rest->help) {
		const char *word = argv[r.next++];
		int code;

		if (options && strcmp(word, "--") == 0) {
			options = false;
			continue;
		}
		if (options && word[0] == '-' && word[1]) {
			code = read_option(&r, word);
			if (code < 0) {
				ret_rest->usage = code == -EINVAL;
				return code;
			}
			continue;
		}
		if (args_list_add(&ret_rest->positionals, word) < 0)
			return err_oom(err);
		if (table->stop_at_positional)
			options = false;
	}
	return 0;
}

static void help_line(const struct args_option *o, struct buf *out)
{
	size_t start = out->len;

	buf_adds(out, "  ");
	if (o->letter)
		buf_addf(out, "-%c, ", o->letter);
	else
		buf_adds(out, "    ");
	buf_addf(out, "--%s", o->name);
	if (o->value)
		buf_addf(out, " %s", o->value);
	do
		buf_addc(out, ' ');
	while (out->len - start < 34 && !out->failed);
	buf_addf(out, "%s\n", o->help);
}

void args_help(const struct args_table *table, struct buf *out)
{
	for (size_t i = 0; i < table->n; i++)
		if (table->options[i].help)
			help_line(&table->options[i], out);
	help_line(&help_option, out);
}

void args_done(const struct args_table *table, void *target)
{
	for (size_t i = 0; i < table->n; i++)
		if (table->options[i].type == ARGS_LIST)
			args_list_done((struct args_list *)(void *)((char *)target +
								    table->options[i].offset));
}
