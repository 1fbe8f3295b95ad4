/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libarchive reads, from a pipe that a client fills. What surprises: a file is written under a name
 * of ours first and gets that of its sum when it is whole, so that what has such a name is what it says.
 */
#include "helper/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/json_read.h"
#include "base/mem.h"
#include "base/sha256.h"
#include "base/str.h"
#include "helper/helper_answer.h"

#define READ_BYTES (64u << 10)
#define FILES_MAX 10000
#define LAYOUT_MAX 4096
#define LAYOUT_VERSION "1.0.0"
#define NEW "new"

struct taking {
	struct archive *a;
	int into;
	bool layout, docker;
	struct archive_sum sum;
	struct err *err;
};

static int archive_fail(struct taking *t)
{
	const char *text = archive_error_string(t->a);
	int code = archive_errno(t->a);

	return err_set(t->err, code == ENOMEM || code == EIO ? -code : -EINVAL,
		"read the archive: %s", text ? text : "unreadable");
}

/* ---- what says which kind it is ---- */

static int read_layout(struct taking *t)
{
	static const struct json_limits limits = { LAYOUT_MAX, 100, 1000, 8 };
	auto_done(arena) struct arena arena = { 0 };
	struct json_node *root;
	const struct json_node *version;
	char text[LAYOUT_MAX];
	la_ssize_t n = archive_read_data(t->a, text, sizeof(text));
	int r;

	if (n < 0)
		return archive_fail(t);
	r = json_read(&arena, text, (size_t)n, &limits, &root, t->err);
	if (r < 0)
		return err_in(t->err, "untar oci layout \"oci-layout\"");
	version = json_read_get(root, "imageLayoutVersion");
	if (!version || version->kind != JSON_READ_STRING)
		return err_set(t->err, -EINVAL, "the oci-layout has no version");
	if (!str_eq(version->text, LAYOUT_VERSION))
		return err_set(t->err, -EINVAL, "unsupported OCI version %.50s", version->text);
	t->layout = true;
	return 0;
}

/* ---- files ---- */

static int write_block(int fd, const char *data, size_t size, la_int64_t at)
{
	while (size > 0) {
		ssize_t n = pwrite(fd, data, size, (off_t)at);

		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		data += n;
		at += n;
		size -= (size_t)n;
	}
	return 0;
}

/* A hole of a sparse entry is bytes of the sum like others. */
static void sum_hole(struct sha256 *h, uint64_t from, uint64_t to)
{
	static const char zeros[4096];

	while (from < to) {
		size_t n = to - from < sizeof(zeros) ? (size_t)(to - from) : sizeof(zeros);

		sha256_add(h, zeros, n);
		from += n;
	}
}

static int write_file(struct taking *t, int fd, const char *name, char out[SHA256_HEX_SIZE])
{
	uint8_t sum[SHA256_SIZE];
	struct sha256 h;
	const void *data;
	la_int64_t at;
	uint64_t end = 0;
	size_t size;
	int r;

	sha256_init(&h);
	while ((r = archive_read_data_block(t->a, &data, &size, &at)) == ARCHIVE_OK) {
		if (at < 0 || (uint64_t)at < end)
			return err_set(t->err, -EINVAL, "'%.200s' goes back", name);
		sum_hole(&h, end, (uint64_t)at);
		sha256_add(&h, data, size);
		end = (uint64_t)at + size;
		r = write_block(fd, data, size, at);
		if (r < 0)
			return err_code(t->err, r, "write '%.200s'", name);
	}
	if (r != ARCHIVE_EOF)
		return archive_fail(t);
	sum_hole(&h, end, at > 0 ? (uint64_t)at : end);
	if (at > 0 && (uint64_t)at > end && ftruncate(fd, (off_t)at) < 0)
		return err_sys(t->err, "write '%.200s'", name);
	sha256_final(&h, sum);
	for (size_t i = 0; i < SHA256_SIZE; i++)
		snprintf(out + 2 * i, 3, "%02x", sum[i]);
	return 0;
}

static int take_file(struct taking *t, const char *name)
{
	auto_close int fd =
		fd_open_at(t->into, NEW, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	char hex[SHA256_HEX_SIZE] = "";
	int r;

	if (fd < 0)
		return err_code(t->err, fd, "make a file for '%.200s'", name);
	if (++t->sum.files > FILES_MAX)
		return err_set(t->err, -E2BIG, "more than %d files in an archive", FILES_MAX);
	r = write_file(t, fd, name, hex);
	if (r < 0)
		return r;
	if (fchmod(fd, 0444) < 0 || (!file_is_volatile(fd) && fdatasync(fd) < 0) ||
		renameat(t->into, NEW, t->into, hex) < 0)
		return err_sys(t->err, "finish '%.200s'", name);
	if (str_eq(name, "index.json"))
		snprintf(t->sum.index, sizeof(t->sum.index), "sha256:%s", hex);
	return 0;
}

static int take_entry(struct taking *t, struct archive_entry *e)
{
	const char *name = archive_entry_pathname(e);

	if (archive_entry_filetype(e) != S_IFREG || archive_entry_hardlink(e))
		return 0; /* nothing but files is looked at */
	if (!name)
		return err_set(t->err, -EINVAL, "an entry has no name that can be read");
	while (str_starts(name, "./"))
		name += 2;
	if (str_eq(name, "oci-layout"))
		return read_layout(t);
	if (str_eq(name, "manifest.json")) {
		t->docker = true;
		return 0;
	}
	return take_file(t, name);
}

static int take_all(struct taking *t, int in)
{
	struct archive_entry *e;
	int r;

	archive_read_support_filter_gzip(t->a);
	archive_read_support_filter_zstd(t->a);
	archive_read_support_format_tar(t->a);
	archive_read_support_format_empty(t->a);
	if (archive_read_open_fd(t->a, in, READ_BYTES) != ARCHIVE_OK)
		return archive_fail(t);
	for (;;) {
		r = archive_read_next_header(t->a, &e);
		if (r == ARCHIVE_EOF)
			return 0;
		if (r < ARCHIVE_WARN)
			return archive_fail(t);
		r = take_entry(t, e);
		if (r < 0)
			return r;
	}
}

static int judge(const struct taking *t)
{
	if (!t->layout && t->docker)
		return err_set(t->err, -ENOSYS,
			"an archive without an OCI layout, as older versions of docker save write "
			"them, is imported "
			"by ctr images import --local");
	if (!t->layout)
		return err_set(t->err, -ENOTRECOVERABLE, "unrecognized image format");
	if (!t->sum.index[0])
		return err_set(t->err, -ENOTRECOVERABLE,
			"missing index.json in OCI layout " LAYOUT_VERSION);
	return 0;
}

/* Who fills the pipe is not to fail for having filled it. */
static void read_rest(int in)
{
	char box[4096];
	ssize_t n;

	do
		n = read(in, box, sizeof(box));
	while (n > 0 || (n < 0 && errno == EINTR));
}

int archive_take(int in, int into, struct archive_sum *ret, struct err *err)
{
	struct taking t = { .a = archive_read_new(), .into = into, .err = err };
	int r;

	if (!t.a)
		return err_oom(err);
	r = take_all(&t, in);
	if (r == 0)
		r = judge(&t);
	archive_read_free(t.a);
	read_rest(in);
	if (r == 0)
		*ret = t.sum;
	return r;
}

/* ---- the program ---- */

int archive_main(int news, char **words, size_t n)
{
	struct archive_sum sum = { 0 };
	struct err err = { 0 };
	char what[200] = "";
	int in = -EBADF, into = -EBADF, r = 0;

	/* Names are bytes; libarchive wants to see text in them. */
	setlocale(LC_CTYPE, "C.UTF-8");
	for (size_t i = 0; i < n && r == 0; i++)
		if (helper_fd_word(words[i], "in", &in) < 0 &&
			helper_fd_word(words[i], "into", &into) < 0)
			r = err_set(&err, -EINVAL, "unknown word '%s'", words[i]);
	if (r == 0)
		r = archive_take(in, into, &sum, &err);
	if (r == 0)
		snprintf(what, sizeof(what), "%s %llu", sum.index, (unsigned long long)sum.files);
	return helper_answer(news, &err, what);
}
