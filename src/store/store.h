/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Store: records of reeved that outlive it, in buckets, by namespace and key; changed in
 * transactions.
 *
 * It stands on SQLite. Of what Debian has, LMDB is smaller and faster, but it maps the file and
 * follows the page numbers in it unchecked, so that a damaged file ends the daemon with SIGBUS or
 * SIGSEGV instead of an error; SQLite checks what it reads, can say what is wrong with a file,
 * reports a full disk and rolls back. Its price, some 60 us per change besides the fsync and half a
 * MiB of memory, is small beside what a container costs. Each value has a checksum of ours, for
 * SQLite does not notice a bit that changed inside of one.
 *
 * A change that was committed is on the disk (WAL, synchronous=FULL: one fsync), as with
 * containerd's store.
 *
 * Owner    The caller owns *ret and ends it with store_free(). Values that are read live in the
 *          caller's arena.
 * Errors   0 or negative errno with *err: -ENOENT, -ENOSPC, -EIO, -EROFS, -EUCLEAN for a store that
 *          is damaged (of one record: store_get()), -EAGAIN when another process holds it.
 * Blocks   On the disk.
 * Context  Parent, one thread.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"

struct store;

/* Numbers are in the file: they do not change. */
enum store_bucket {
	STORE_NAMESPACE = 1, /* ns "": the key is the namespace */
	STORE_CONTAINER = 2,
	STORE_LEASE = 3,
	STORE_IMAGE = 4,
	STORE_CONTENT = 5,
	STORE_INGEST = 6,
	STORE_SNAPSHOT = 7,
	STORE_SETTING = 8, /* ns "" */
	STORE_BLOB = 9,    /* ns "": what is on the disk, whoever sees it */
};

struct store_item {
	const char *ns, *key;
	const void *data;
	size_t size;
};

/* What a check or a salvage has found, one line for people each. */
typedef void store_report_fn(void *arg, const char *line);

/* Open or make the file. The caller sees to it that no second daemon does. A file that is damaged
 * is -EUCLEAN. */
int store_open(const char *path, struct store **ret, struct err *err);
void store_free(struct store *s);
AUTO_FREE(struct store, store)

/* One transaction at a time; rolling back what is not begun is fine. Without one, each change is a
 * transaction by itself. */
int store_begin(struct store *s, struct err *err);
int store_commit(struct store *s, struct err *err);
void store_rollback(struct store *s);

int store_get(struct store *s, enum store_bucket bucket, const char *ns, const char *key,
	struct arena *arena, struct store_item *ret, struct err *err);
int store_put(struct store *s, enum store_bucket bucket, const char *ns, const char *key,
	const void *data, size_t size, struct err *err);
/* -ENOENT: there was none. */
int store_delete(struct store *s, enum store_bucket bucket, const char *ns, const char *key,
	struct err *err);

/* All records of a namespace in a bucket; there need be none. */
int store_clear(struct store *s, enum store_bucket bucket, const char *ns, struct err *err);

/*
 * Call fn for each record of a bucket, by key; ns NULL: of all namespaces. One whose value is damaged comes
 * without it (data NULL). fn may end it with a number other than 0, which
 * is returned, and must not change the store.
 */
typedef int store_each_fn(void *arg, const struct store_item *item);
int store_each(struct store *s, enum store_bucket bucket, const char *ns, store_each_fn *fn,
	void *arg, struct err *err);
/* 1 when there is a record, 0 when not. */
int store_any(struct store *s, enum store_bucket bucket, const char *ns, struct err *err);

/* Look at a file that no daemon need have open: 0 when all is well, -EUCLEAN when not, with a line
 * for each finding. */
int store_check(const char *path, store_report_fn *report, void *arg, struct err *err);

/*
 * After -EUCLEAN of store_open(): put the file aside under `path`.damaged and make a new one of what
 * can be read of it. *ret_kept records were kept; what is known to be lost is reported.
 */
int store_salvage(
	const char *path, store_report_fn *report, void *arg, size_t *ret_kept, struct err *err);
