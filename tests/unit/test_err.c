/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/err.h"

TEST(set_gives_code_and_text)
{
	struct err err = { 0 };

	assert_int_equal(err_set(&err, -EBUSY, "task '%s' is not running", "a"), -EBUSY);
	assert_int_equal(err.code, -EBUSY);
	assert_string_equal(err.text, "task 'a' is not running");
}

TEST(sys_appends_the_text_of_errno)
{
	struct err err = { 0 };

	errno = EACCES;
	assert_int_equal(err_sys(&err, "open bundle '%s'", "/b"), -EACCES);
	assert_string_equal(err.text, "open bundle '/b': Permission denied");
	assert_int_equal(err_code(&err, -ENOENT, "x"), -ENOENT);
	assert_string_equal(err.text, "x: No such file or directory");
}

TEST(a_lost_errno_is_still_a_failure)
{
	struct err err = { 0 };

	errno = 0;
	assert_int_equal(err_sys(&err, "read"), -EIO);
	assert_int_equal(err.code, -EIO);
	assert_int_equal(err_code(NULL, 0, "read"), -EIO);
}

TEST(null_takes_only_the_number)
{
	errno = EPERM;
	assert_int_equal(err_sys(NULL, "x"), -EPERM);
	assert_int_equal(err_set(NULL, -EINVAL, "x"), -EINVAL);
	assert_int_equal(err_oom(NULL), -ENOMEM);
	assert_true(err_in(NULL, "x") < 0);
}

TEST(in_puts_the_outer_step_in_front)
{
	struct err err = { 0 };

	err_set(&err, -ENOENT, "inner");
	assert_int_equal(err_in(&err, "outer %d", 1), -ENOENT);
	assert_string_equal(err.text, "outer 1: inner");
}

TEST(long_texts_are_cut_and_stay_terminated)
{
	struct err err = { 0 };
	char word[2000];

	memset(word, 'w', sizeof(word) - 1);
	word[sizeof(word) - 1] = '\0';
	err_set(&err, -EINVAL, "%s", word);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
	errno = EIO;
	err_sys(&err, "%s", word);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
	err_in(&err, "outer");
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
	assert_memory_equal(err.text, "outer: www", 10);
	err_in(&err, "%s", word);
	assert_true(strlen(err.text) <= sizeof(err.text) - 1);
	/* Every length around the limit. */
	for (size_t n = sizeof(err.text) - 8; n < sizeof(err.text) + 2; n++) {
		err_set(&err, -EINVAL, "%s", "inner");
		err_in(&err, "%.*s", (int)n, word);
		assert_true(strlen(err.text) < sizeof(err.text));
		errno = EIO;
		err_sys(&err, "%.*s", (int)n, word);
		assert_true(strlen(err.text) < sizeof(err.text));
	}
}

TEST(an_unknown_errno_has_a_text)
{
	struct err err = { 0 };

	assert_int_equal(err_code(&err, -4000, "x"), -4000);
	assert_string_equal(err.text, "x: unknown error");
}
