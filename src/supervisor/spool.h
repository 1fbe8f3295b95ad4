/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Spool: bytes from a terminal that wait for room in a pipe. A pipe counts pages and not bytes, so one that is full of small writes
 * holds little; here they stand side by side, and go on a page at a time.
 *
 * They go through a pipe into a file of memory and out of it, by splice(2) all the way. What is there, and how far it has been taken,
 * is known to the kernel only (the bytes in the pipe, and the positions of two open files); so whoever holds the three fds may die
 * between any two system calls, and who takes them over goes on without a lost or repeated byte.
 *
 * Owner    The fds are borrowed, as a relay's are.
 * Errors   Negative errno.
 * Blocks   Never.
 * Context  Parent.
 */
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

#define SPOOL_SIZE (64 << 10)

struct spool {
	int pipe; /* both of its ends. Without a spool: -EBADF */
	int in;   /* the file, where bytes are added */
	int out;  /* the file, where they are taken */
	int64_t piped, begin, end;
};

#define SPOOL_NULL ((struct spool){ .pipe = -EBADF, .in = -EBADF, .out = -EBADF })

/* Three fds, for somebody to keep. */
int spool_make(struct spool *ret, struct err *err);

/* The fds are in place: find out what is there. */
int spool_resume(struct spool *s);

/* What is held. */
size_t spool_bytes(const struct spool *s);

/* Take something from a terminal: bytes, or -EAGAIN when it has none or there is no room for more. */
ssize_t spool_fill(struct spool *s, int terminal);

/* Give something to a pipe: bytes, or -EAGAIN when it has no room. Not to be called of an empty one. */
ssize_t spool_drain(struct spool *s, int pipe);
