/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Helper answer: what a program of the helper is told by its words, and the one line that it answers with.
 *
 * Owner    The fds are the caller's.
 * Errors   Negative errno.
 * Blocks   Until the line is written.
 * Context  A process of its own.
 */
#include "base/err.h"

/* The N of "NAME=N"; -EINVAL: the word is another one. */
int helper_fd_word(const char *word, const char *name, int *ret);

/*
 * Write "ok WHAT" when err->code is 0, else "error ERRNO TEXT", to `news`; what is more than one line of a text is made
 * one. Returns the program's exit status: 0 for what went well and was told.
 */
int helper_answer(int news, const struct err *err, const char *what);
