/* SPDX-License-Identifier: Apache-2.0 */
/* JSON: exact, strict, bounded; and what is written is what was meant. */
#include "test.h"

#include "base/json_read.h"
#include "base/json_write.h"

static const struct json_limits limits = { .bytes = 4096, .nodes = 40, .string = 64, .depth = 4 };

static struct arena arena;

static const struct json_node *parse(const char *text)
{
	struct json_node *root = NULL;
	struct err err = { 0 };

	if (json_read(&arena, text, strlen(text), &limits, &root, &err) < 0)
		fail_msg("%s: %s", text, err.text);
	return root;
}

static void assert_bad(const char *text, size_t len, int code, const char *why)
{
	struct json_node *root = NULL;
	struct err err = { 0 };

	if (json_read(&arena, text, len, &limits, &root, &err) != code)
		fail_msg("%s: not %d: %s", text, code, err.text);
	assert_null(root);
	assert_text_has(err.text, why);
}

TEST(values_of_all_kinds)
{
	const struct json_node *n =
		parse(" { \"a\" : [ 1 , \"x\" , true , false , null , { } ] }\n");

	assert_int_equal(n->kind, JSON_READ_OBJECT);
	n = json_read_get(n, "a");
	assert_int_equal(n->kind, JSON_READ_ARRAY);
	assert_int_equal(n->n, 6);
	n = n->first;
	assert_int_equal(n->kind, JSON_READ_NUMBER);
	n = n->next;
	assert_string_equal(n->text, "x");
	n = n->next;
	assert_true(n->kind == JSON_READ_BOOL && n->truth);
	n = n->next;
	assert_true(n->kind == JSON_READ_BOOL && !n->truth);
	n = n->next;
	assert_int_equal(n->kind, JSON_READ_NULL);
	n = n->next;
	assert_true(n->kind == JSON_READ_OBJECT && n->n == 0 && !n->first && !n->next);
	arena_done(&arena);
}

TEST(the_last_of_duplicate_keys_counts_even_when_it_is_null)
{
	const struct json_node *n = parse("{\"a\":1,\"b\":2,\"a\":3,\"b\":null}");

	assert_string_equal(json_read_get(n, "a")->text, "3");
	assert_null(json_read_get(n, "b"));
	assert_null(json_read_get(n, "c"));
	assert_null(json_read_get(parse("[1]"), "a"));
	n = parse("{\"pagesize\":1,\"limit\":3,\"LIMIT\":2,\"a\":4,\"a\":null,\"A\":5}");
	assert_string_equal(json_read_get_any_case(n, "pageSize")->text, "1");
	assert_string_equal(json_read_get_any_case(n, "limit")->text, "3");
	assert_null(json_read_get_any_case(n, "a"));
	assert_null(json_read_get_any_case(n, "page"));
	assert_null(json_read_get_any_case(parse("[1]"), "a"));
	arena_done(&arena);
}

TEST(strings_are_decoded)
{
	static const struct {
		const char *json, *text;
		size_t len;
	} rows[] = {
		{ "\"\"", "", 0 },
		{ "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t", 8 },
		{ "\"\\u0041\\u00e9\\u20AC\\ud83d\\ude00\"",
			"A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 10 },
		{ "\"\xf0\x9f\x98\x80/\x7f\"", "\xf0\x9f\x98\x80/\x7f", 6 },
		{ "\"a\\u0000b\"", "a\0b", 3 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct json_node *n = parse(rows[i].json);

		assert_int_equal(n->kind, JSON_READ_STRING);
		assert_int_equal(n->len, rows[i].len);
		assert_memory_equal(n->text, rows[i].text, rows[i].len + 1);
	}
	arena_done(&arena);
}

TEST(what_is_no_json_is_refused)
{
	static const char *const rows[] = { "", " ", "{", "[", "[1", "[1,", "[1,]", "[,1]", "[1 2]",
		"{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}", "{'a':1}", "{1:1}",
		"{\"a\":1 \"b\":2}", "1 2", "{}x", "]", "tru", "truex", "True", "nul", "NaN", "nan",
		"Infinity", "-Infinity", "01", "-", "-a", "+1", ".5", "1.", "1.e1", "1e", "1e+",
		"0x1", "1_0", "--1", "\"", "\"a", "\"\\\"", "\"\\x\"", "\"\\u12\"", "\"\\u12g4\"",
		"\"a\nb\"", "\"\x1f\"", "\"\\ud800\"", "\"\\ud800x\"", "\"\\ud800\\n\"",
		"\"\\ud800\\u0041\"", "\"\\udc00\"", "\"\xff\"", "\"\xc3\"", "\"\xed\xa0\x80\"",
		"\"\xc0\xaf\"", "'a'", "/**/1", "// x\n1", "\xef\xbb\xbf{}", "{\"a\\u0000\":1}" };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_bad(rows[i], strlen(rows[i]), -EINVAL, "line 1, column ");
	assert_bad("{}\0", 3, -EINVAL, "text after the end");
	assert_bad("[1\0]", 4, -EINVAL, "line 1, column 3: expected ',' or ']'");
	assert_bad("{\n\t\"a\": 1,\n\t\"b\" 2\n}", 19, -EINVAL, "line 3, column 6: expected ':'");
	arena_done(&arena);
}

TEST(integers_are_exact)
{
	static const struct {
		const char *json;
		int code_i64;
		int64_t i64;
		int code_u64;
		uint64_t u64;
	} rows[] = {
		{ "0", 0, 0, 0, 0 },
		{ "-0", 0, 0, 0, 0 },
		{ "-0.0e5", 0, 0, 0, 0 },
		{ "1e3", 0, 1000, 0, 1000 },
		{ "1E+3", 0, 1000, 0, 1000 },
		{ "1.5e1", 0, 15, 0, 15 },
		{ "1500e-2", 0, 15, 0, 15 },
		{ "10.00", 0, 10, 0, 10 },
		{ "0e999999999999999999999", 0, 0, 0, 0 },
		{ "0.000e-9", 0, 0, 0, 0 },
		{ "-1", 0, -1, -ERANGE, 0 },
		{ "9223372036854775807", 0, INT64_MAX, 0, INT64_MAX },
		{ "9223372036854775808", -ERANGE, 0, 0, (uint64_t)INT64_MAX + 1 },
		{ "-9223372036854775808", 0, INT64_MIN, -ERANGE, 0 },
		{ "-9223372036854775809", -ERANGE, 0, -ERANGE, 0 },
		{ "18446744073709551615", -ERANGE, 0, 0, UINT64_MAX },
		{ "18446744073709551616", -ERANGE, 0, -ERANGE, 0 },
		{ "1844674407370955161.5e1", -ERANGE, 0, 0, UINT64_MAX },
		{ "9223372036854772000", 0, 9223372036854772000, 0, 9223372036854772000u },
		{ "1e19", -ERANGE, 0, 0, 10000000000000000000u },
		{ "1e20", -ERANGE, 0, -ERANGE, 0 },
		{ "1e400", -ERANGE, 0, -ERANGE, 0 },
		{ "1e99999999999999999999", -ERANGE, 0, -ERANGE, 0 },
		{ "1.5", -EINVAL, 0, -EINVAL, 0 },
		{ "1e-1", -EINVAL, 0, -EINVAL, 0 },
		{ "1e-99999999999999999999", -EINVAL, 0, -EINVAL, 0 },
		{ "\"1\"", -EINVAL, 0, -EINVAL, 0 },
		{ "true", -EINVAL, 0, -EINVAL, 0 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct json_node *n = parse(rows[i].json);
		int64_t i64 = 42;
		uint64_t u64 = 42;

		if (json_read_i64(n, &i64) != rows[i].code_i64 ||
			i64 != (rows[i].code_i64 ? 42 : rows[i].i64))
			fail_msg("%s as int64_t", rows[i].json);
		if (json_read_u64(n, &u64) != rows[i].code_u64 ||
			u64 != (rows[i].code_u64 ? 42 : rows[i].u64))
			fail_msg("%s as uint64_t", rows[i].json);
	}
	arena_done(&arena);
}

TEST(limits_hold)
{
	char text[128];

	parse("[[[[]]]]");
	assert_bad("[[[[[]]]]]", 10, -E2BIG, "nested too deeply");
	assert_bad("{\"a\":{\"a\":{\"a\":{\"a\":[]}}}}", 28, -E2BIG, "nested too deeply");
	parse("[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]");
	assert_bad(
		"[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]",
		81, -E2BIG, "too many values");
	memset(text, '1', sizeof(text));
	text[0] = text[65] = '"';
	text[66] = '\0';
	parse(text);
	text[65] = '1';
	text[66] = '"';
	assert_bad(text, 67, -E2BIG, "string is too long");
	assert_bad(text + 1, 65, -E2BIG, "number is too long");
	assert_bad(text, 4097, -E2BIG, "document of 4097 bytes is larger than 4096");
	arena_done(&arena);
}

TEST(written_values_are_laid_out)
{
	struct buf b = { 0 };
	struct json_writer w = { .out = &b, .indent = "  " };

	json_write_open(&w, '{');
	json_write_member_str(&w, "a/\"", "x\n/");
	json_write_key(&w, "list");
	json_write_open(&w, '[');
	json_write_i64(&w, INT64_MIN);
	json_write_u64(&w, UINT64_MAX);
	json_write_open(&w, '{');
	json_write_close(&w, '}');
	json_write_close(&w, ']');
	json_write_key(&w, "none");
	json_write_open(&w, '[');
	json_write_close(&w, ']');
	json_write_member_str(&w, "null", NULL);
	json_write_member_bool(&w, "yes", true);
	json_write_member_i64(&w, "n", -1);
	json_write_close(&w, '}');
	assert_string_equal(b.data,
		"{\n  \"a/\\\"\": \"x\\n/\",\n  \"list\": [\n    -9223372036854775808,\n"
		"    18446744073709551615,\n    {}\n  ],\n  \"none\": [],\n"
		"  \"null\": null,\n  \"yes\": true,\n  \"n\": -1\n}");
	buf_done(&b);

	w = (struct json_writer){ .out = &b };
	json_write_open(&w, '[');
	json_write_null(&w);
	json_write_bool(&w, false);
	json_write_open(&w, '{');
	json_write_member_i64(&w, "a", 1);
	json_write_member_i64(&w, "b", 2);
	json_write_close(&w, '}');
	json_write_open(&w, '[');
	json_write_close(&w, ']');
	json_write_close(&w, ']');
	assert_string_equal(b.data, "[null,false,{\"a\":1,\"b\":2},[]]");
	buf_done(&b);
}
