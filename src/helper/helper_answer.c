/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decides how the answer of a helper looks like on the way to who has started it: a text may hold names that somebody
 * has chosen, newlines in them, and must not become two answers.
 */
#include "helper/helper_answer.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"

int helper_fd_word(const char *word, const char *name, int *ret)
{
	size_t len = strlen(name);
	uint32_t fd;

	if (strncmp(word, name, len) != 0 || word[len] != '=' ||
		str_to_u32(word + len + 1, &fd) < 0)
		return -EINVAL;
	*ret = (int)fd;
	return 0;
}

int helper_answer(int news, const struct err *err, const char *what)
{
	auto_done(buf) struct buf out = { 0 };

	if (err->code == 0)
		buf_addf(&out, "ok %s", what);
	else
		buf_addf(&out, "error %d %s", -err->code, err->text);
	for (size_t i = 0; i < out.len; i++)
		if (out.data[i] == '\n')
			out.data[i] = ' ';
	buf_add(&out, "\n", 1);
	if (buf_ok(&out) < 0 || fd_write_full(news, out.data, out.len) < 0)
		return 1;
	return err->code != 0;
}
