/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Journal: the durable log of one worker, as a memfd that outlives it: what its tasks were (a snapshot) and what
 * happened since (docs/formats/journal.md). What the records mean their writers know; here they are bytes.
 *
 * A record that a killed writer left in part is told by its checksum: the log ends before it.
 *
 * Owner    The struct owns nothing: its fd is the caller's. Bytes
 *          of a record that was read point into what the reader was given.
 * Errors   Negative errno with *err filled.
 * Blocks   Never: memory.
 * Context  Parent. The reader is pure.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

#define JOURNAL_VERSION 1
#define JOURNAL_HEAD 16        /* bytes of the file before the first record */
#define JOURNAL_RECORD_HEAD 32 /* bytes of a record before its data */
#define JOURNAL_DATA_MAX (64u << 20)

enum journal_type {
	/* the snapshot that a journal begins with */
	JOURNAL_NUMBERS = 1, /* counters of the worker */
	JOURNAL_TASK = 2,    /* a task as it was */
	JOURNAL_EVENTS = 3,  /* events that had not reached their subscriber */
	/* what happened since */
	JOURNAL_INPUT = 4, /* input_encode() */
	JOURNAL_ACKED = 5, /* an event has reached its subscriber: its sequence */
	JOURNAL_TAKEN_AWAY =
		6, /* the task was deleted from outside: nothing more of it is published */
};

struct journal_record {
	uint16_t type;
	uint64_t wall_ns;
	uint64_t task; /* number of the task; 0: none */
	const void *data;
	size_t size;
};

struct journal {
	int fd;         /* -EBADF: nothing is kept */
	uint64_t size;  /* where the next record goes */
	uint64_t start; /* size when it was begun: of its snapshot */
};

/* A new one without a record; the fd is the caller's. In memory (dir < 0), or as the file `name` there. */
int journal_make(int dir, const char *name, struct journal *ret, struct err *err);
int journal_append(struct journal *j, const struct journal_record *r, struct err *err);
/* Many records by one write: gather them, then append what was gathered. */
int journal_gather(struct buf *out, const struct journal_record *r, struct err *err);
int journal_append_gathered(struct journal *j, const struct buf *gathered, struct err *err);
/* All its bytes, on the heap. -EBADMSG: not a journal, or of a version that is not known. */
int journal_read_file(int fd, void **ret_data, size_t *ret_size, struct err *err);

/*
 * The record at *at, which moves behind it: 1. The end: 0. -EBADMSG: a damaged or torn record begins here. Starts at
 * JOURNAL_HEAD.
 */
int journal_next(const void *data, size_t size, size_t *at, struct journal_record *ret);
