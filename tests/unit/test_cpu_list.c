/* SPDX-License-Identifier: Apache-2.0 */
/* CPU lists: the kernel's form, within limits. */
#include "test.h"

#include "base/mem.h"
#include "oci/cpu_list.h"

static void assert_list(
	const char *text, const char *shortest, unsigned int count, unsigned int end)
{
	struct cpu_list list;
	struct buf b = { 0 };
	struct err err = { 0 };

	if (cpu_list_parse(text, CPU_LIST_CPUS, &list, &err) < 0)
		fail_msg("%s: %s", text, err.text);
	buf_add(&b, "", 0);
	cpu_list_write(&list, &b);
	assert_string_equal(b.data, shortest);
	assert_int_equal(cpu_list_count(&list), count);
	assert_int_equal(cpu_list_end(&list), end);
	buf_done(&b);
}

TEST(lists_are_read_and_written_shortest)
{
	assert_list("", "", 0, 0);
	assert_list("\n", "", 0, 0);
	assert_list(" ", "", 0, 0);
	assert_list("0", "0", 1, 1);
	assert_list("0-3,7", "0-3,7", 5, 8);
	assert_list("7,3,1,0,2", "0-3,7", 5, 8);
	assert_list("1-1,2-4,3-5\n", "1-5", 5, 6);
	assert_list(" 1 , 3-4 ", "1,3-4", 3, 5);
	assert_list("0-8191", "0-8191", 8192, 8192);
	assert_list("8191,63,64", "63-64,8191", 3, 8192);
	assert_list("0007", "7", 1, 8);
}

TEST(members_are_found)
{
	struct cpu_list list;

	assert_ok(cpu_list_parse("1,63-64,8191", CPU_LIST_CPUS, &list, NULL));
	assert_true(cpu_list_has(&list, 1) && cpu_list_has(&list, 63) && cpu_list_has(&list, 64) &&
		    cpu_list_has(&list, 8191));
	assert_false(cpu_list_has(&list, 0) || cpu_list_has(&list, 65) ||
		     cpu_list_has(&list, 8192) || cpu_list_has(&list, UINT32_MAX));
}

TEST(other_text_is_refused)
{
	static const char *const bad[] = { ",", "1,", ",1", "1,,2", "-", "1-", "-1", "3-1", "1-2-3",
		"a", "1a", "0x1", "1 2", "1 - 2", "all", "N", "0-31:2/4", "1;2", "1\n2", "1\n\n",
		"+1" };
	struct cpu_list list = { .bits = { 42 } };
	struct err err;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		if (cpu_list_parse(bad[i], CPU_LIST_CPUS, &list, &err) != -EINVAL)
			fail_msg("'%s' is taken", bad[i]);
		assert_text_has(err.text, "is not a list like 0-3,7");
		assert_int_equal(list.bits[0], 42);
	}
}

TEST(limits_hold)
{
	struct cpu_list list;
	struct err err;

	assert_ok(cpu_list_parse("1023", CPU_LIST_NODES, &list, &err));
	assert_int_equal(cpu_list_parse("1024", CPU_LIST_NODES, &list, &err), -ERANGE);
	assert_text_has(err.text, "list '1024' goes beyond 1023");
	assert_int_equal(cpu_list_parse("0-8192", CPU_LIST_CPUS, &list, &err), -ERANGE);
	assert_int_equal(cpu_list_parse("0-8192", UINT32_MAX, &list, &err), -ERANGE);
	assert_int_equal(cpu_list_parse("4294967296", CPU_LIST_CPUS, &list, &err), -ERANGE);
	assert_int_equal(
		cpu_list_parse("0-99999999999999999999", CPU_LIST_CPUS, &list, &err), -ERANGE);
}
