/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "helper/helper_answer.h"

static int told(const struct err *err, const char *what, char answer[600])
{
	int news[2], status;
	ssize_t n;

	assert_ok(pipe(news));
	status = helper_answer(news[1], err, what);
	n = read(news[0], answer, 599);
	assert_true(n > 0);
	answer[n] = '\0';
	close(news[0]);
	close(news[1]);
	return status;
}

TEST(an_answer_is_one_line_whatever_is_in_a_name)
{
	char answer[600];
	struct err err = { 0 };

	assert_int_equal(told(&err, "sha256:0 5", answer), 0);
	assert_string_equal(answer, "ok sha256:0 5\n");
	err_set(&err, -ENOENT, "open 'a\nok 1 2\n'");
	assert_int_equal(told(&err, "", answer), 1);
	assert_string_equal(answer, "error 2 open 'a ok 1 2 '\n");
}

TEST(a_word_is_a_name_and_a_number_and_nothing_else)
{
	static const char *const none[] = { "in", "in=", "in=x", "in=-1", "in=1x", "into=1", "i=1",
		"in=99999999999", " in=1" };
	int fd = 77;

	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		assert_int_equal(helper_fd_word(none[i], "in", &fd), -EINVAL);
	assert_int_equal(fd, 77);
	assert_ok(helper_fd_word("in=5", "in", &fd));
	assert_int_equal(fd, 5);
}
