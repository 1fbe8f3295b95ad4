/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Pid file: a decimal number without a line end, which appears whole. To some callers its appearance is the result of
 * the command, so it is the last thing that a successful one does.
 *
 * Owner    The caller ends it with pid_file_done().
 * Errors   Negative errno with *err.
 * Blocks   Never.
 * Context  Parent.
 */
#include <sys/types.h>

#include "base/err.h"

struct pid_file {
	const char *path; /* NULL: none was asked for */
	int dirfd;
};

#define PID_FILE_NULL ((struct pid_file){ .dirfd = -9 })

/* Open its directory: a path that leads nowhere is told before anything is made. */
int pid_file_open(const char *path, struct pid_file *ret, struct err *err);
int pid_file_write(const struct pid_file *f, pid_t pid, struct err *err);
void pid_file_done(struct pid_file *f);
