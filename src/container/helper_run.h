/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * reeve-helper: what is said to it on its command line, and its start. It speaks to its maker through a socket that is its
 * standard input (criu_wire.h, unit_wire.h).
 *
 * Owner    Words are the caller's, ended with helper_words_done(); zero is an empty list.
 * Errors   Negative errno with *err.
 * Blocks   Never.
 * Context  Parent.
 */
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/mem.h"

/* "NAME=VALUE", and fds that values name. */
struct helper_words {
	struct arena arena;
	char **word;
	size_t n, cap;
	int *fd; /* owned */
	size_t n_fds, fds_cap;
	bool failed; /* memory ran out; helper_spawn() says so */
};

void helper_words_add(struct helper_words *w, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void helper_words_flag(struct helper_words *w, const char *name, bool on);
/* A word whose value is the number of this fd, which is taken over and reaches the helper. */
void helper_words_fd(struct helper_words *w, const char *name, int fd);
void helper_words_done(struct helper_words *w);

/*
 * `reeve-helper TASK WORD...` with `sock` as its standard input. need: in front of the program's path where there is none.
 * with_parent: a child of our parent. The pid and the pidfd are the caller's, and so is *ret_said, which gets its standard
 * error (-EBADF: nothing does).
 */
int helper_spawn(const char *need, const char *task, const struct helper_words *words, int sock,
	bool with_parent, pid_t *ret_pid, int *ret_pidfd, int *ret_said, struct err *err);

/* -EPIPE: it has ended and has not answered. `said` tells why where the loader could not start it: a library is missing. */
int helper_silent(int said, struct err *err);
