/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/str.h"
#include "base/toml.h"

/* Entries as "table|key=value;". */
static int note(void *arg, const struct toml_entry *e, struct err *err)
{
	struct buf *out = arg;
	const struct toml_value *v = &e->value;

	if (e->key && str_eq(e->key, "refused"))
		return toml_refuse(e, err, "'%s' will not do", e->key);
	buf_addf(out, "%u:%s|", e->line, e->table);
	if (!e->key) {
		buf_addc(out, ';');
		return 0;
	}
	buf_addf(out, "%s=", e->key);
	if (v->type == TOML_BOOL)
		buf_addf(out, "%s;", v->boolean ? "true" : "false");
	else if (v->type == TOML_INTEGER)
		buf_addf(out, "%lld;", (long long)v->integer);
	else if (v->type == TOML_STRING)
		buf_addf(out, "'%s';", v->string);
	for (size_t i = 0; v->type == TOML_STRINGS && i < v->n_strings; i++)
		buf_addf(out, "'%s'", v->strings[i]);
	if (v->type == TOML_STRINGS)
		buf_addf(out, "%s;", v->strings[v->n_strings] ? "no end" : "");
	return 0;
}

TEST(what_configuration_consists_of)
{
	static const struct {
		const char *text, *entries;
	} rows[] = {
		{ "", "" },
		{ "\n# nothing\n  \t\r\n", "" },
		{ "a = true\nb=false # x\n\tc\t=\t1", "1:|a=true;2:|b=false;3:|c=1;" },
		{ "[t]\na = 1\n[ t . \"x y\" ]\r\nb.c = 2",
			"1:t|;2:t|a=1;3:t.x y|;4:t.x y.b|c=2;" },
		{ "a.b.c = 1\n'd e' = 2\n\"f\\u00e9\" = 3\n1 = 4",
			"1:a.b|c=1;2:|d e=2;3:|f\xc3\xa9=3;4:|1=4;" },
		{ "a = +1_000\nb = -7\nc = 0xfF\nd = 0o17\ne = 0b101\nf = 0\ng = -0",
			"1:|a=1000;2:|b=-7;3:|c=255;4:|d=15;5:|e=5;6:|f=0;7:|g=0;" },
		{ "a = 9223372036854775807\nb = -9223372036854775808",
			"1:|a=9223372036854775807;2:|b=-9223372036854775808;" },
		{ "a = \"x\\t\\\"\\\\\\u0041\"\nb = 'x\\t'\nc = \"\"",
			"1:|a='x\t\"\\A';2:|b='x\\t';3:|c='';" },
		{ "a = \"\"\"\nx\ny\"\"\"\"\nb = '''\r\nx\\\n''y'''\nc = \"\"\"x \\\n  \n  "
		  "y\"\"\"\nd = 1",
			"1:|a='x\ny\"';4:|b='x\\\n''y';7:|c='x y';10:|d=1;" },
		{ "\"\" = 1\n['']\na = 2", "1:|=1;2:|;3:|a=2;" },
		{ "a = []\nb = [\"x\"]\nc = [ # one\n  'x', # two\n  \"y\",\n]\nd = 1",
			"1:|a=;2:|b='x';3:|c='x''y';7:|d=1;" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_done(arena) struct arena arena = { 0 };
		auto_done(buf) struct buf out = { 0 };
		struct err err = { 0 };

		buf_adds(&out, "");
		if (toml_read(rows[i].text, "x", &arena, note, &out, &err) < 0)
			fail_msg("row %zu: %s", i, err.text);
		assert_string_equal(out.data ? out.data : "", rows[i].entries);
	}
}

TEST(what_is_wrong_is_told_with_its_line)
{
	static const struct {
		const char *text, *part;
	} rows[] = {
		{ "a", "x, line 1: a key and '=' are expected" },
		{ "\na =", "x, line 2: a value is expected" },
		{ "a = x", "a value is expected" },
		{ "= 1", "a key is expected" },
		{ "a. = 1", "a key is expected" },
		{ "\"a = 1", "a key is expected" },
		{ "a = 1 b = 2", "left behind" },
		{ "a = truely", "left behind" },
		{ "a = 01", "'01' is no whole number" },
		{ "a = 1__0", "no whole number" },
		{ "a = 1_", "no whole number" },
		{ "a = +0x1", "no whole number" },
		{ "a = 0x", "no whole number" },
		{ "a = 0o8", "no whole number" },
		{ "a = 9223372036854775808", "no whole number" },
		{ "a = -9223372036854775809", "no whole number" },
		{ "a = 99999999999999999999", "no whole number" },
		{ "a = -", "no whole number" },
		{ "a = 1.5", "'1.5': fractions and dates are not read" },
		{ "a = 1e5", "fractions and dates" },
		{ "a = 1979-05-27T07:32:00Z", "fractions and dates" },
		{ "a = { b = 1 }", "inline tables are not read" },
		{ "[[a]]", "arrays of tables are not read" },
		{ "[a", "']' is expected" },
		{ "[]", "a key is expected" },
		{ "[a] b", "left behind" },
		{ "a = \"x", "a string has no end" },
		{ "a = \"x\n\"", "a string has no end" },
		{ "a = '''x", "line 1: a string has no end" },
		{ "a = \"\"\"\nx\n", "line 1: a string has no end" },
		{ "a = \"\\x\"", "bad escape" },
		{ "a = \"\\ud800\"", "bad escape" },
		{ "a = \"\\u0000\"", "bad escape" },
		{ "a = [\"x\"\n", "line 1: a list has no end" },
		{ "a = [1]", "a list of strings is expected" },
		{ "a = [\n\"x\"\n\"y\"]", "line 3: ',' or ']' is expected" },
		{ "a = [,]", "a list of strings is expected" },
		{ "\n\na = '\xff'", "line 3: this is no UTF-8" },
		{ "\n[t]\nrefused = 1", "x, line 3: 'refused' will not do" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_done(arena) struct arena arena = { 0 };
		auto_done(buf) struct buf out = { 0 };
		struct err err = { 0 };

		assert_int_equal(toml_read(rows[i].text, "x", &arena, note, &out, &err), -EINVAL);
		assert_text_has(err.text, rows[i].part);
		assert_int_equal(toml_read(rows[i].text, "x", &arena, note, &out, NULL), -EINVAL);
	}
}

TEST(a_key_that_is_too_long_is_refused)
{
	auto_done(arena) struct arena arena = { 0 };
	auto_done(buf) struct buf text = { 0 };
	auto_done(buf) struct buf out = { 0 };
	struct err err = { 0 };

	for (int i = 0; i < 1000; i++)
		buf_addc(&text, 'k');
	buf_adds(&text, " = 1");
	assert_int_equal(toml_read(text.data, "x", &arena, note, &out, &err), -EINVAL);
	assert_text_has(err.text, "longer than");
}
