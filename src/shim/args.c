/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Both -flag and --flag, values after '=' or as the next word, booleans without a value, and the end
 * at the first word that is no flag.
 *
 * What surprises: whether an unknown flag has a value cannot be known. The word behind it is taken
 * for one unless it looks like a flag itself or is an action of ours.
 */
#include "shim/args.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

// clang-format off
static const struct {
	const char *name;
	bool is_bool;
	size_t offset;
} flags[] = {
	{ "namespace",      false, offsetof(struct shim_args, ns) },
	{ "id",             false, offsetof(struct shim_args, id) },
	{ "address",        false, offsetof(struct shim_args, address) },
	{ "publish-binary", false, offsetof(struct shim_args, publish_binary) },
	{ "bundle",         false, offsetof(struct shim_args, bundle) },
	{ "socket",         false, offsetof(struct shim_args, socket) },
	{ "debug-socket",   false, offsetof(struct shim_args, debug_socket) },
	{ "debug",          true,  offsetof(struct shim_args, debug) },
	{ "v",              true,  offsetof(struct shim_args, version) },
	{ "version",        true,  offsetof(struct shim_args, version) },
	{ "info",           true,  offsetof(struct shim_args, info) },
	{ "h",              true,  offsetof(struct shim_args, help) },
	{ "help",           true,  offsetof(struct shim_args, help) },
};
// clang-format on

static int find_flag(const char *name, size_t len)
{
	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		if (strlen(flags[i].name) == len && memcmp(flags[i].name, name, len) == 0)
			return (int)i;
	return -1;
}

static int set_bool(bool *out, const char *name, const char *value, struct err *err)
{
	static const char *const yes[] = { "1", "t", "T", "true", "TRUE", "True" };
	static const char *const no[] = { "0", "f", "F", "false", "FALSE", "False" };

	if (!value) {
		*out = true;
		return 0;
	}
	for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
		if (str_eq(value, yes[i]) || str_eq(value, no[i])) {
			*out = str_eq(value, yes[i]);
			return 0;
		}
	}
	return err_set(err, -EINVAL, "invalid boolean value '%s' for flag '-%s'", value, name);
}

static bool is_flag(const char *word)
{
	return word[0] == '-' && word[1] != '\0';
}

static bool is_value(const char *word)
{
	return word && !is_flag(word) && !str_eq(word, "start") && !str_eq(word, "delete");
}

/* Reads the flag at argv[*i] and moves *i to the last word of it. */
static int take_flag(int argc, char *const *argv, int *i, struct shim_args *out, struct err *err)
{
	const char *name = argv[*i] + (argv[*i][1] == '-' ? 2 : 1);
	const char *value = strchr(name, '=');
	size_t len = value ? (size_t)(value - name) : strlen(name);
	const char *next = *i + 1 < argc ? argv[*i + 1] : NULL;
	int f = find_flag(name, len);

	if (len == 0 || name[0] == '-')
		return err_set(err, -EINVAL, "bad flag syntax: '%s'", argv[*i]);
	if (value)
		value++;
	if (f < 0) {
		if (!value && is_value(next))
			++*i;
		return 0;
	}
	if (flags[f].is_bool)
		return set_bool((bool *)((char *)out + flags[f].offset), flags[f].name, value, err);
	if (!value) {
		if (!next)
			return err_set(err, -EINVAL, "flag needs a value: '-%s'", flags[f].name);
		value = next;
		++*i;
	}
	*(const char **)(void *)((char *)out + flags[f].offset) = value;
	return 0;
}

int shim_args_parse(int argc, char *const *argv, struct shim_args *ret, struct err *err)
{
	struct shim_args out = { 0 };
	int i, r;

	for (i = 1; i < argc && is_flag(argv[i]); i++) {
		if (str_eq(argv[i], "--")) {
			i++;
			break;
		}
		r = take_flag(argc, argv, &i, &out, err);
		if (r < 0)
			return r;
	}
	if (i < argc)
		out.action = argv[i];
	*ret = out;
	return 0;
}
