/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/mem.h"
#include "cli/args.h"

struct target {
	bool detach, tty, force;
	const char *bundle, *user;
	struct args_list env;
	uint32_t fds;
};

#define AT(member) offsetof(struct target, member)

// clang-format off
static const struct args_option options[] = {
	{ "detach", 'd', ARGS_BOOL, AT(detach), NULL, "leave it" },
	{ "tty", 't', ARGS_BOOL, AT(tty), NULL, "with a terminal" },
	{ "no-subreaper", 0, ARGS_BOOL, AT(force), NULL, NULL },
	{ "bundle", 'b', ARGS_STRING, AT(bundle), "DIR", "the bundle" },
	{ "user", 'u', ARGS_STRING, AT(user), "UID[:GID]", "who" },
	{ "env", 'e', ARGS_LIST, AT(env), "NAME=VALUE", "more environment" },
	{ "preserve-fds", 0, ARGS_U32, AT(fds), "N", "more fds" },
};
// clang-format on
static const struct args_table anywhere = { options, ARRAY_LEN(options), false };
static const struct args_table first = { options, ARRAY_LEN(options), true };

static struct target got;
static struct args_rest rest;
static struct err err;

static int parse(const struct args_table *table, const char *const *argv)
{
	int argc = 0;

	args_done(table, &got);
	args_list_done(&rest.positionals);
	got = (struct target){ .bundle = "." };
	while (argv[argc])
		argc++;
	return args_parse(table, argc, argv, &got, &rest, &err);
}

#define PARSE(table, ...) parse(&(table), (const char *const[]){ __VA_ARGS__, NULL })

static void finish(void)
{
	args_done(&anywhere, &got);
	args_list_done(&rest.positionals);
	got = (struct target){ 0 };
}

TEST(values_come_in_every_form)
{
	static const char *const forms[][3] = { { "--bundle", "/b" }, { "--bundle=/b" },
		{ "-bundle", "/b" }, { "-bundle=/b" }, { "-b", "/b" }, { "-b=/b" }, { "-b/b" },
		{ "-db/b" }, { "-dtb", "/b" }, { "-db=/b" } };

	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		const char *argv[4] = { forms[i][0], forms[i][1], NULL, NULL };

		assert_ok(parse(&anywhere, argv));
		assert_string_equal(got.bundle, "/b");
		assert_int_equal(rest.positionals.n, 0);
		assert_int_equal(got.detach, forms[i][0][1] == 'd');
	}
	assert_ok(PARSE(anywhere, "--bundle="));
	assert_string_equal(got.bundle, "");
	/* A value may look like an option. */
	assert_ok(PARSE(anywhere, "--bundle", "--detach"));
	assert_string_equal(got.bundle, "--detach");
	assert_false(got.detach);
	finish();
}

TEST(switches)
{
	assert_ok(PARSE(anywhere, "-dt"));
	assert_true(got.detach && got.tty);
	assert_ok(PARSE(anywhere, "--detach", "--detach=false", "-tty"));
	assert_true(!got.detach && got.tty);
	assert_ok(PARSE(anywhere, "-no-subreaper"));
	assert_true(got.force);
	assert_ok(PARSE(anywhere, "-d=true", "--tty=1"));
	assert_true(got.detach && got.tty);
	assert_int_equal(PARSE(anywhere, "--detach=maybe"), -EINVAL);
	assert_text_has(err.text, "invalid value \"maybe\" for flag --detach");
	finish();
}

TEST(the_last_scalar_wins_and_lists_grow)
{
	assert_ok(PARSE(anywhere, "-b", "x", "--bundle=y", "-e", "A=1,2", "--env=B=3", "-eC=4",
		"-env", "D=5"));
	assert_string_equal(got.bundle, "y");
	assert_int_equal(got.env.n, 4);
	assert_string_equal(got.env.items[0], "A=1,2");
	assert_string_equal(got.env.items[1], "B=3");
	assert_string_equal(got.env.items[2], "C=4");
	assert_string_equal(got.env.items[3], "D=5");
	finish();
}

TEST(numbers_are_strict)
{
	assert_ok(PARSE(anywhere, "--preserve-fds", "3"));
	assert_int_equal(got.fds, 3);
	assert_int_equal(PARSE(anywhere, "--preserve-fds=-1"), -EINVAL);
	assert_int_equal(PARSE(anywhere, "--preserve-fds", "3x"), -EINVAL);
	assert_int_equal(PARSE(anywhere, "--preserve-fds", ""), -EINVAL);
	assert_text_has(err.text, "--preserve-fds");
	finish();
}

TEST(options_after_a_positional)
{
	assert_ok(PARSE(anywhere, "id", "-d", "--bundle", "/b"));
	assert_true(got.detach);
	assert_string_equal(got.bundle, "/b");
	assert_int_equal(rest.positionals.n, 1);
	assert_ok(PARSE(first, "-t", "id", "-d", "--", "--bundle", "/b"));
	assert_true(got.tty && !got.detach);
	assert_int_equal(rest.positionals.n, 5);
	assert_string_equal(rest.positionals.items[1], "-d");
	assert_string_equal(rest.positionals.items[2], "--");
	finish();
}

TEST(two_dashes_end_options)
{
	assert_ok(PARSE(anywhere, "-d", "--", "-t", "--", "x"));
	assert_true(got.detach && !got.tty);
	assert_int_equal(rest.positionals.n, 3);
	assert_string_equal(rest.positionals.items[0], "-t");
	assert_string_equal(rest.positionals.items[1], "--");
	assert_ok(PARSE(anywhere, "-"));
	assert_string_equal(rest.positionals.items[0], "-");
	finish();
}

TEST(bad_usage_is_told)
{
	static const char *const unknown[] = { "--nope", "-x", "-dx", "-xd", "--nope=1", "--bundl",
		"---bundle" };

	for (size_t i = 0; i < ARRAY_LEN(unknown); i++) {
		assert_int_equal(PARSE(anywhere, unknown[i]), -EINVAL);
		assert_text_has(err.text, "flag provided but not defined: ");
		assert_text_has(err.text, unknown[i]);
	}
	assert_int_equal(PARSE(anywhere, "--bundle"), -EINVAL);
	assert_string_equal(err.text, "flag needs an argument: --bundle");
	assert_int_equal(PARSE(anywhere, "-b"), -EINVAL);
	assert_string_equal(err.text, "flag needs an argument: -b");
	assert_int_equal(PARSE(anywhere, "-db"), -EINVAL);
	assert_string_equal(err.text, "flag needs an argument: -db");
	finish();
}

TEST(help_is_always_known)
{
	struct buf out = { 0 };

	assert_ok(PARSE(anywhere, "--help"));
	assert_true(rest.help);
	assert_ok(PARSE(first, "-d", "-h", "--nope"));
	assert_true(rest.help);
	assert_ok(PARSE(first, "id", "--help"));
	assert_false(rest.help);
	args_help(&anywhere, &out);
	assert_text_has(out.data, "  -b, --bundle DIR ");
	assert_text_has(out.data, "      --preserve-fds N ");
	assert_text_has(out.data, "  -h, --help ");
	assert_null(strstr(out.data, "subreaper"));
	buf_done(&out);
	finish();
}
