/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libarchive writes twice, as it reads twice in layer.c: the tar, whose bytes are summed up as they go by, and the
 * compression of them, whose bytes are summed up, too. Nothing in the result depends on when it was written.
 */
#include "helper/tar_out.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/sha256.h"

#define BLOCK_BYTES (64u << 10)
#define TAR_RECORD 512

struct sum {
	struct sha256 hash;
	uint64_t size;
};

struct tar_out {
	int fd;
	struct archive *tar, *pack; /* pack NULL: plain */
	struct sum inner, outer;
	int failed; /* of writing the file */
};

static void sum_add(struct sum *s, const void *data, size_t size)
{
	sha256_add(&s->hash, data, size);
	s->size += size;
}

static int archive_fail(const struct tar_out *t, struct archive *a, struct err *err)
{
	const char *text = archive_error_string(a);
	int code = archive_errno(a);

	if (t->failed < 0)
		return err_code(err, t->failed, "write the layer");
	return err_set(
		err, code > 0 ? -code : -EIO, "write the layer: %s", text ? text : "no reason");
}

static la_ssize_t write_out(
	struct tar_out *t, struct archive *a, struct sum *sum, const void *data, size_t size)
{
	int r = fd_write_full(t->fd, data, size);

	if (r < 0) {
		t->failed = r;
		archive_set_error(a, -r, "%s", strerror(-r));
		return -1;
	}
	sum_add(sum, data, size);
	return (la_ssize_t)size;
}

static la_ssize_t on_tar(struct archive *a, void *arg, const void *data, size_t size)
{
	struct tar_out *t = arg;

	if (!t->pack)
		return write_out(t, a, &t->inner, data, size);
	sum_add(&t->inner, data, size);
	if (archive_write_data(t->pack, data, size) == (la_ssize_t)size)
		return (la_ssize_t)size;
	archive_set_error(a, EIO, "%s", archive_error_string(t->pack));
	return -1;
}

static la_ssize_t on_packed(struct archive *a, void *arg, const void *data, size_t size)
{
	struct tar_out *t = arg;

	return write_out(t, a, &t->outer, data, size);
}

static int open_pack(struct tar_out *t, enum tar_pack pack, struct err *err)
{
	struct archive_entry *e;
	int r;

	t->pack = archive_write_new();
	e = archive_entry_new();
	if (!t->pack || !e) {
		archive_entry_free(e);
		return err_oom(err);
	}
	r = pack == TAR_GZIP ? archive_write_add_filter_gzip(t->pack)
			     : archive_write_add_filter_zstd(t->pack);
	archive_write_set_format_raw(t->pack);
	archive_write_set_bytes_in_last_block(t->pack, 1);
	/* Else the time of writing is in it. */
	if (r == ARCHIVE_OK && pack == TAR_GZIP)
		r = archive_write_set_filter_option(t->pack, "gzip", "timestamp", NULL);
	archive_entry_set_filetype(e, AE_IFREG);
	archive_entry_set_pathname(e, "layer");
	if (r == ARCHIVE_OK)
		r = archive_write_open(t->pack, t, NULL, on_packed, NULL);
	if (r == ARCHIVE_OK)
		r = archive_write_header(t->pack, e);
	archive_entry_free(e);
	return r == ARCHIVE_OK ? 0 : archive_fail(t, t->pack, err);
}

static int open_tar(struct tar_out *t, struct err *err)
{
	int r;

	t->tar = archive_write_new();
	if (!t->tar)
		return err_oom(err);
	r = archive_write_set_format_pax_restricted(t->tar);
	if (r == ARCHIVE_OK)
		r = archive_write_set_format_option(t->tar, "pax", "xattrheader", "SCHILY");
	archive_write_add_filter_none(t->tar);
	archive_write_set_bytes_per_block(t->tar, BLOCK_BYTES);
	archive_write_set_bytes_in_last_block(t->tar, TAR_RECORD);
	if (r == ARCHIVE_OK)
		r = archive_write_open(t->tar, t, NULL, on_tar, NULL);
	return r == ARCHIVE_OK ? 0 : archive_fail(t, t->tar, err);
}

int tar_out_new(int fd, enum tar_pack pack, struct tar_out **ret, struct err *err)
{
	struct tar_out *t = mem_calloc(1, sizeof(*t));
	int r = 0;

	if (!t)
		return err_oom(err);
	t->fd = fd;
	sha256_init(&t->inner.hash);
	sha256_init(&t->outer.hash);
	if (pack != TAR_PLAIN)
		r = open_pack(t, pack, err);
	if (r == 0)
		r = open_tar(t, err);
	if (r == 0)
		*ret = t;
	else
		tar_out_free(t);
	return r;
}

void tar_out_free(struct tar_out *t)
{
	if (!t)
		return;
	/* The outer one last: freeing the inner one may still write. */
	archive_write_free(t->tar);
	archive_write_free(t->pack);
	free(t);
}

int tar_out_entry(struct tar_out *t, struct archive_entry *e, struct err *err)
{
	/* A name that is no text is written as the bytes it has, with a warning. */
	return archive_write_header(t->tar, e) >= ARCHIVE_WARN ? 0 : archive_fail(t, t->tar, err);
}

int tar_out_data(struct tar_out *t, const void *data, size_t size, struct err *err)
{
	return archive_write_data(t->tar, data, size) == (la_ssize_t)size
		       ? 0
		       : archive_fail(t, t->tar, err);
}

static void sum_tell(struct sum *s, struct tar_sum *ret)
{
	uint8_t bytes[SHA256_SIZE];

	sha256_final(&s->hash, bytes);
	snprintf(ret->digest, sizeof(ret->digest), "sha256:");
	for (size_t i = 0; i < SHA256_SIZE; i++)
		snprintf(ret->digest + 7 + 2 * i, 3, "%02x", bytes[i]);
	ret->size = s->size;
}

int tar_out_end(
	struct tar_out *t, struct tar_sum *ret_file, struct tar_sum *ret_tar, struct err *err)
{
	if (archive_write_close(t->tar) != ARCHIVE_OK)
		return archive_fail(t, t->tar, err);
	if (t->pack && archive_write_close(t->pack) != ARCHIVE_OK)
		return archive_fail(t, t->pack, err);
	if (!file_is_volatile(t->fd) && fdatasync(t->fd) < 0)
		return err_sys(err, "write the layer to the disk");
	sum_tell(&t->inner, ret_tar);
	if (t->pack)
		sum_tell(&t->outer, ret_file);
	else
		*ret_file = *ret_tar;
	return 0;
}
