/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Frame of a unit test: cmocka with TAP output.
 *
 *	TEST(a_sentence_about_what_holds)
 *	{
 *		assert_int_equal(f(), 0);
 *	}
 *
 *	TEST_MAIN(RUN(a_sentence_about_what_holds))
 *
 * A test that cannot run here calls test_skip("why").
 * Exit status: 0 all passed, 1 something failed, 77 every test of the program was skipped.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define TEST(name) static void name(void **test_state __attribute__((unused)))
#define RUN(name) cmocka_unit_test(name)

static unsigned int test_skipped __attribute__((unused));

#define test_skip(...) \
	do { \
		printf("# skipped: " __VA_ARGS__); \
		printf("\n"); \
		test_skipped++; \
		skip(); \
	} while (0)

#define TEST_MAIN(...) \
	int main(void) \
	{ \
		const struct CMUnitTest tests[] = { __VA_ARGS__ }; \
		int failed; \
\
		cmocka_set_message_output(CM_OUTPUT_TAP); \
		failed = cmocka_run_group_tests(tests, NULL, NULL); \
		if (failed != 0) \
			return 1; \
		return test_skipped == sizeof(tests) / sizeof(tests[0]) ? 77 : 0; \
	}
