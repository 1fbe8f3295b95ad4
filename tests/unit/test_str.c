/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <json-c/json.h>

#include "base/str.h"

TEST(u64_takes_digits_only)
{
	static const char *const bad[] = { "", " 1", "1 ", "+1", "-1", "0x10", "1a", "1.0", "1e3",
		"a", "99999999999999999999x", "\n1", "1\n" };
	uint64_t v = 42;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(str_to_u64(bad[i], UINT64_MAX, &v), -EINVAL);
	assert_int_equal(str_to_u64(NULL, 5, &v), -EINVAL);
	assert_int_equal(v, 42);
	assert_ok(str_to_u64("0", UINT64_MAX, &v));
	assert_int_equal(v, 0);
	assert_ok(str_to_u64("0010", UINT64_MAX, &v));
	assert_int_equal(v, 10);
}

TEST(u64_knows_its_limits)
{
	uint64_t v = 42;
	uint32_t w = 42;

	assert_ok(str_to_u64("18446744073709551615", UINT64_MAX, &v));
	assert_true(v == UINT64_MAX);
	assert_int_equal(str_to_u64("18446744073709551616", UINT64_MAX, &v), -ERANGE);
	assert_int_equal(str_to_u64("99999999999999999999", UINT64_MAX, &v), -ERANGE);
	assert_ok(str_to_u64("255", 255, &v));
	assert_int_equal(str_to_u64("256", 255, &v), -ERANGE);
	assert_ok(str_to_u32("4294967295", &w));
	assert_int_equal(w, UINT32_MAX);
	assert_int_equal(str_to_u32("4294967296", &w), -ERANGE);
}

TEST(i64_takes_one_minus)
{
	int64_t v = 1;

	assert_ok(str_to_i64("-9223372036854775808", &v));
	assert_true(v == INT64_MIN);
	assert_ok(str_to_i64("9223372036854775807", &v));
	assert_true(v == INT64_MAX);
	assert_int_equal(str_to_i64("9223372036854775808", &v), -ERANGE);
	assert_int_equal(str_to_i64("-9223372036854775809", &v), -ERANGE);
	assert_int_equal(str_to_i64("--1", &v), -EINVAL);
	assert_int_equal(str_to_i64("-", &v), -EINVAL);
	assert_int_equal(str_to_i64(NULL, &v), -EINVAL);
	assert_ok(str_to_i64("-0", &v));
	assert_true(v == 0);
}

TEST(sizes_with_units)
{
	static const struct {
		const char *text;
		int64_t want;
	} good[] = { { "0", 0 }, { "100", 100 }, { "100b", 100 }, { "1k", 1024 }, { "1K", 1024 },
		{ "2kb", 2048 }, { "3m", 3 << 20 }, { "3MB", 3 << 20 }, { "3MiB", 3 << 20 },
		{ "4g", 4ll << 30 }, { "1t", 1ll << 40 }, { "1TB", 1ll << 40 }, { "-1", -1 },
		{ "1.5g", 3ll << 29 }, { "50.5 MB", 52953088 }, { "0.05g", 53687091 },
		{ "1.999999999k", 2047 }, { "1 k", 1024 }, { "2.9", 2 },
		{ "8191.999999999p", INT64_MAX - 1125899 }, { "9223372036854775807", INT64_MAX } };
	static const char *const bad[] = { "", "k", "1.g", ".5g", "1.5.5g", "1.0000000001g",
		"-1.5g", "-2", "-1k", "1kk", "1mbb", "1  k", "1x", " 1", "1bk", "1ib" };
	int64_t v;

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		assert_ok(str_to_size(good[i].text, &v));
		assert_true(v == good[i].want);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(str_to_size(bad[i], &v), -EINVAL);
	assert_int_equal(str_to_size("9007199254740992k", &v), -ERANGE);
	assert_int_equal(str_to_size("9223372036854775808", &v), -ERANGE);
	assert_int_equal(str_to_size(NULL, &v), -EINVAL);
}

TEST(starts_and_ends)
{
	assert_true(str_starts("abc", "ab") && str_starts("abc", "") && !str_starts("ab", "abc"));
	assert_true(str_ends("abc", "bc") && str_ends("abc", "") && !str_ends("bc", "abc"));
	assert_false(str_starts(NULL, "a") || str_ends("a", NULL));
	assert_true(str_eq("a", "a") && !str_eq(NULL, NULL) && str_empty("") && str_empty(NULL) &&
		    !str_empty("a"));
}

TEST(buf_appends_and_hands_over)
{
	struct buf b = { 0 };
	char *s;

	buf_adds(&b, "ab");
	buf_addc(&b, 'c');
	buf_addf(&b, "%05d%s", 42, "xyz");
	assert_string_equal(b.data, "abc00042xyz");
	assert_int_equal(b.len, 11);
	buf_consume(&b, 3);
	assert_string_equal(b.data, "00042xyz");
	buf_consume(&b, 300);
	assert_int_equal(b.len, 0);
	for (int i = 0; i < 10000; i++)
		buf_addf(&b, "%d,", i);
	assert_int_equal(b.len, strlen(b.data));
	assert_ok(buf_ok(&b));
	s = buf_take(&b);
	assert_true(str_starts(s, "0,1,2,") && str_ends(s, ",9999,"));
	assert_null(b.data);
	free(s);
	s = buf_take(&b);
	assert_string_equal(s, "");
	free(s);
	buf_done(&b);
	buf_done(&b);
	buf_done(NULL);
}

TEST(buf_remembers_that_memory_ran_out)
{
	struct buf b = { 0 };

	buf_adds(&b, "a");
	buf_add(&b, "x", SIZE_MAX - 1);
	buf_adds(&b, "b");
	assert_int_equal(buf_ok(&b), -ENOMEM);
	assert_null(buf_take(&b));
	assert_ok(buf_ok(&b));
	buf_done(&b);
}

static const char *json_of(struct buf *b, const char *s)
{
	buf_done(b);
	buf_add_json(b, s);
	return b->data;
}

TEST(json_strings)
{
	struct buf b = { 0 };

	assert_string_equal(json_of(&b, ""), "\"\"");
	assert_string_equal(json_of(&b, "a/b"), "\"a/b\"");
	assert_string_equal(json_of(&b, "q\"b\\"), "\"q\\\"b\\\\\"");
	assert_string_equal(
		json_of(&b, "\b\t\n\v\f\r\x01\x7f"), "\"\\b\\t\\n\\u000b\\f\\r\\u0001\\u007f\"");
	assert_string_equal(json_of(&b, "\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\x8b"),
		"\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\x8b\"");
	assert_string_equal(json_of(&b, "a\xff"
					"b"),
		"\"a\\ufffdb\"");
	assert_string_equal(json_of(&b, "\xc0\xaf"), "\"\\ufffd\\ufffd\""); /* overlong */
	assert_string_equal(
		json_of(&b, "\xed\xa0\x80"), "\"\\ufffd\\ufffd\\ufffd\""); /* surrogate */
	assert_string_equal(json_of(&b, "\xf4\x90\x80\x80"), "\"\\ufffd\\ufffd\\ufffd\\ufffd\"");
	assert_string_equal(
		json_of(&b, "x\xe2\x82"), "\"x\\ufffd\\ufffd\""); /* cut off by the end */
	buf_done(&b);
}

TEST(every_byte_string_becomes_valid_json)
{
	struct buf b = { 0 };
	unsigned int seed = 1;

	for (int round = 0; round < 3000; round++) {
		char s[24] = { 0 };
		struct json_object *o;

		for (int i = 0; i < 23; i++) {
			seed = seed * 1103515245u + 12345u;
			s[i] = (char)(seed >> 16);
		}
		json_of(&b, s);
		o = json_tokener_parse(b.data);
		assert_non_null(o);
		assert_int_equal(json_object_get_type(o), json_type_string);
		json_object_put(o);
	}
	buf_done(&b);
}
