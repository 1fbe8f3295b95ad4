/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Blobs: content on the disk, named by its digest, and what is being written. Which namespace sees
 * which blob is the store's business; here they are shared.
 *
 *	DIR/blobs/sha256/HEX    whole, never changed
 *	DIR/ingest/HEX          being written; the name is a sum of namespace and reference
 *	DIR/ingest/import-HEX/  what an archive has, until it becomes blobs
 *
 * Owner    The caller's structs; blobs_close() and ingest_close() accept zero and done ones (whose
 *          fds are -EBADF).
 * Errors   Negative errno with *err.
 * Blocks   On the disk; ingest_commit() until the bytes are on it, if nobody has waited for that
 *          before.
 * Context  Parent.
 */
#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/sha256.h"

#define DIGEST_SIZE (7 + SHA256_HEX_SIZE)

struct blobs {
	int blobs, ingest; /* directories */
};

struct ingest {
	int fd;
	char name[SHA256_HEX_SIZE];
	uint64_t size;       /* written, and in the sum */
	uint64_t updated_ns; /* wall clock at the last write; the file has it too */
	uint64_t
		there; /* more than `size`: what somebody else has written; its sum is lost with him */
	struct sha256 sum;
	char known[DIGEST_SIZE]; /* "": by the sum; else another has written it, and says so */
	bool synced;             /* somebody has seen to it that the bytes are on the disk */
};

int blobs_open(int root, struct blobs *ret, struct err *err);
void blobs_close(struct blobs *b);

/* digest is a good one (identifier_check_digest). -ENOENT. */
int blobs_read(const struct blobs *b, const char *digest, int *ret_fd, uint64_t *ret_size,
	struct err *err);
/*
 * Remove those that `unwanted` says so of: at most `max` are looked at. *at: NULL at first, and again at the end, or for who goes
 * on no more, who ends it with closedir().
 */
int blobs_sweep(const struct blobs *b, DIR **at, size_t max,
	bool (*unwanted)(void *arg, const char *digest), void *arg, struct err *err);

/* Begin, or go on with what is there: while ingest_is_behind(), ingest_catch_up() comes before all else. */
int ingest_open(const struct blobs *b, const char *ns, const char *ref, struct ingest *ret,
	struct err *err);
bool ingest_is_behind(const struct ingest *g);
/* Read a bounded part of it again. */
int ingest_catch_up(struct ingest *g, struct err *err);
int ingest_write(struct ingest *g, const void *data, size_t size, struct err *err);
/* From the beginning. */
int ingest_empty(struct ingest *g, struct err *err);
/* Another process has written all of it, through a copy of the fd, and put it on the disk. */
void ingest_written(struct ingest *g, const char *digest, uint64_t size);
/* Of what has been written so far. */
void ingest_digest(const struct ingest *g, char out[DIGEST_SIZE]);
/* It becomes the blob of its digest, also when there is one already. The name is gone then. */
int ingest_commit(const struct blobs *b, struct ingest *g, struct err *err);
void ingest_close(struct ingest *g);
/* -ENOENT is success. */
int ingest_remove(const struct blobs *b, const char *ns, const char *ref, struct err *err);
/* Size, and when it was last written to. */
int ingest_stat(const struct blobs *b, const char *ns, const char *ref, uint64_t *ret_size,
	uint64_t *ret_wall_ns, struct err *err);

/* A directory for what an archive has, beside what is being written; *ret_dir is the caller's. */
int blobs_import_make(
	const struct blobs *b, char *ret_name, size_t size, int *ret_dir, struct err *err);
/* With what is left in it. "": nothing to do. */
void blobs_import_remove(const struct blobs *b, const char *name);
/* The file of this sum in such a directory becomes a blob; blobs_adopted() after the last one. */
int blobs_adopt(
	const struct blobs *b, int dir, const char *hex, uint64_t *ret_size, struct err *err);
int blobs_adopted(const struct blobs *b, struct err *err);
