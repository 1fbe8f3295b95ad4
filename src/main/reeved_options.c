/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arguments are read before the file that they may name, and put over what it says.
 */
#include "main/reeved_options.h"

#include <errno.h>
#include <string.h>

const char reeved_help[] = "usage: reeved [OPTION]...\n"
			   "       reeved [OPTION]... config default | dump\n\n"
			   "A container daemon that speaks containerd's API.\n\n"
			   "  -c, --config FILE   (" SETTINGS_PATH ", which need not be there)\n"
			   "  -a, --address PATH  of the gRPC socket (/run/reeved/reeved.sock)\n"
			   "      --root DIR      what outlives a reboot (/var/lib/reeved)\n"
			   "      --state DIR     what does not (/run/reeved)\n"
			   "  -l, --log-level debug|info|warn|error\n"
			   "      --log-format text|json\n"
			   "      --debug         the same as --log-level debug\n"
			   "  -v, --version\n"
			   "  -h, --help\n\n"
			   "  config default      print the configuration as it is delivered\n"
			   "  config dump         print what holds: file and arguments\n";

struct words {
	const char *config, *address, *root, *state, *level, *format;
	bool debug, help, version;
	const char *rest[2];
	size_t n_rest;
};

// clang-format off
static const struct {
	const char *name, *letter;
	size_t offset;
	bool flag; /* takes no value */
} rows[] = {
	{ "address",    "a",  offsetof(struct words, address) },
	{ "config",     "c",  offsetof(struct words, config) },
	{ "debug",      NULL, offsetof(struct words, debug), true },
	{ "help",       "h",  offsetof(struct words, help), true },
	{ "log-format", NULL, offsetof(struct words, format) },
	{ "log-level",  "l",  offsetof(struct words, level) },
	{ "root",       NULL, offsetof(struct words, root) },
	{ "state",      NULL, offsetof(struct words, state) },
	{ "version",    "v",  offsetof(struct words, version), true },
};
// clang-format on

/* "--name VALUE", "--name=VALUE", and with one '-', as Go's programs take them. */
static bool is_option(const char *word, size_t i)
{
	size_t len = strlen(rows[i].name);

	if (rows[i].letter && str_eq(word, rows[i].letter))
		return true;
	return strncmp(word, rows[i].name, len) == 0 && (!word[len] || word[len] == '=');
}

static int take_option(int argc, char **argv, int *at, struct words *w, struct err *err)
{
	const char *arg = argv[*at], *word = arg + (str_starts(arg, "--") ? 2 : 1);
	const char *equals = strchr(word, '=');
	void *field;
	size_t i = 0;

	while (i < ARRAY_LEN(rows) && !is_option(word, i))
		i++;
	if (i == ARRAY_LEN(rows))
		return err_set(err, -EINVAL, "unknown option '%s'", arg);
	field = (char *)w + rows[i].offset;
	if (rows[i].flag) {
		if (equals && !str_eq(equals + 1, "true") && !str_eq(equals + 1, "false"))
			return err_set(err, -EINVAL, "option '%s' is true or false", arg);
		*(bool *)field = !equals || str_eq(equals + 1, "true");
		return 0;
	}
	if (!equals && *at + 1 == argc)
		return err_set(err, -EINVAL, "option '%s' needs a value", arg);
	*(const char **)field = equals ? equals + 1 : argv[++*at];
	return 0;
}

static int take_words(int argc, char **argv, struct words *w, struct err *err)
{
	int r = 0;

	for (int i = 1; i < argc && r == 0; i++) {
		if (*argv[i] == '-' && argv[i][1])
			r = take_option(argc, argv, &i, w, err);
		else if (w->n_rest < ARRAY_LEN(w->rest))
			w->rest[w->n_rest++] = argv[i];
		else
			r = err_set(err, -EINVAL, "unexpected argument '%s'", argv[i]);
	}
	return r;
}

static int know_action(const struct words *w, enum reeved_action *ret, struct err *err)
{
	if (w->help)
		*ret = REEVED_HELP;
	else if (w->version)
		*ret = REEVED_VERSION;
	else if (w->n_rest == 0)
		*ret = REEVED_SERVE;
	else if (!str_eq(w->rest[0], "config"))
		return err_set(err, -EINVAL, "unexpected argument '%s'", w->rest[0]);
	else if (w->n_rest == 2 && str_eq(w->rest[1], "default"))
		*ret = REEVED_CONFIG_DEFAULT;
	else if (w->n_rest == 2 && str_eq(w->rest[1], "dump"))
		*ret = REEVED_CONFIG_DUMP;
	else
		return err_set(err, -EINVAL, "config what: default or dump?");
	return 0;
}

static void put(const char **field, const char *word)
{
	if (word)
		*field = word;
}

static int put_words(struct settings *s, const struct words *w, struct err *err)
{
	enum log_level level;

	put(&s->address, w->address);
	put(&s->root, w->root);
	put(&s->state, w->state);
	put(&s->log_level, w->level);
	put(&s->log_format, w->format);
	if (w->debug)
		s->log_level = "debug";
	if (log_level_parse(s->log_level, &level) < 0)
		return err_set(err, -EINVAL, "unknown log level '%s'", s->log_level);
	if (!str_eq(s->log_format, "text") && !str_eq(s->log_format, "json"))
		return err_set(err, -EINVAL, "unknown log format '%s'", s->log_format);
	return settings_check(s, err);
}

int reeved_options_parse(int argc, char **argv, struct reeved_options *ret, struct err *err)
{
	struct words w = { 0 };
	int r = take_words(argc, argv, &w, err);

	if (r == 0)
		r = know_action(&w, &ret->action, err);
	if (r < 0 || ret->action == REEVED_HELP || ret->action == REEVED_VERSION)
		return r;
	r = settings_init(&ret->settings, err);
	if (r == 0 && ret->action != REEVED_CONFIG_DEFAULT)
		r = settings_load(
			&ret->settings, w.config ? w.config : SETTINGS_PATH, !w.config, err);
	if (r == 0 && ret->action != REEVED_CONFIG_DEFAULT)
		r = put_words(&ret->settings, &w, err);
	return r;
}

void reeved_options_done(struct reeved_options *o)
{
	settings_done(&o->settings);
}
