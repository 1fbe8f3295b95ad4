/* SPDX-License-Identifier: Apache-2.0 */
/* What is read from, and changed in, the documents of another runtime. */
#include "supervisor/oci_spec.h"

#include <string.h>

#include "base/mem.h"
#include "test.h"

TEST(who_has_no_pid_namespace_of_its_own_shares_one)
{
	static const struct {
		const char *json;
		bool shares;
	} rows[] = {
		{ "{\"linux\":{\"namespaces\":[{\"type\":\"mount\"},{\"type\":\"pid\"}]}}", false },
		{ "{\"linux\":{\"namespaces\":[{\"type\":\"pid\",\"path\":\"\"}]}}", false },
		{ "{\"linux\":{\"namespaces\":[{\"type\":\"pid\",\"path\":\"/proc/1/ns/pid\"}]}}",
			true },
		{ "{\"linux\":{\"namespaces\":[{\"type\":\"mount\"}]}}", true },
		{ "{\"linux\":{\"namespaces\":{}}}", true },
		{ "{\"linux\":{\"namespaces\":[7,null]}}", true },
		{ "{\"linux\":[]}", true },
		{ "{}", true },
		{ "[]", true },
		{ "no JSON", true },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(oci_spec_text_shares_pidns(rows[i].json, strlen(rows[i].json)),
			rows[i].shares);
	assert_true(oci_spec_shares_pidns("/no/such/bundle"));
}

static int rewrite(const char *json, bool terminal, struct buf *out, struct err *err)
{
	return oci_spec_process(json, strlen(json), terminal, out, err);
}

TEST(a_process_keeps_all_but_its_terminal)
{
	static const struct {
		const char *in;
		bool terminal;
		const char *want;
	} rows[] = {
		{ "{}", true, "{\"terminal\":true}" },
		{ "{\"terminal\":true,\"args\":[\"a\",\"\\u00e4\\\"\"],\"terminal\":true}", false,
			"{\"terminal\":false,\"args\":[\"a\",\"\xc3\xa4\\\"\"]}" },
		{ " { \"x\" : { \"terminal\" : 1 , \"n\" : [ null , true , -1.50e3 , "
		  "18446744073709551616 ] } } ",
			true,
			"{\"terminal\":true,\"x\":{\"terminal\":1,\"n\":[null,true,-1.50e3,"
			"18446744073709551616]}}" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_done(buf) struct buf out = { 0 };

		assert_ok(rewrite(rows[i].in, rows[i].terminal, &out, NULL));
		assert_string_equal(out.data, rows[i].want);
	}
}

TEST(what_is_no_process_is_refused)
{
	static const struct {
		const char *in, *why;
	} rows[] = {
		{ "[]", "process: an object is expected, not an array" },
		{ "{\"a\":", "process: " },
		{ "{\"args\":[\"a\\u0000b\"]}", "process: a string has a NUL byte" },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_done(buf) struct buf out = { 0 };
		struct err err;

		assert_int_equal(rewrite(rows[i].in, false, &out, &err), -EINVAL);
		assert_text_has(err.text, rows[i].why);
	}
}
