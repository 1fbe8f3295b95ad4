/* SPDX-License-Identifier: Apache-2.0 */
/* What an archive of images becomes: files that are named by their sums, and a word for which of them is the index. */
#include "test.h"

#include <archive.h>
#include <archive_entry.h>
#include <sys/mman.h>

#include "base/sha256.h"
#include "base/str.h"
#include "helper/archive.h"

#define LAYOUT "{\"imageLayoutVersion\":\"1.0.0\"}"

struct world {
	struct test_tmpdir dir;
	int in;
	struct archive *tar;
	struct archive_sum sum;
	struct err err;
};

static struct world world_make(void)
{
	struct world w = { .dir = test_tmpdir_memory(), .tar = archive_write_new() };

	w.in = memfd_create("archive", MFD_CLOEXEC);
	assert_true(w.in >= 0);
	assert_int_equal(archive_write_set_format_pax_restricted(w.tar), ARCHIVE_OK);
	assert_int_equal(archive_write_open_fd(w.tar, w.in), ARCHIVE_OK);
	return w;
}

static void put(struct world *w, const char *name, mode_t mode, const char *text)
{
	struct archive_entry *e = archive_entry_new();

	archive_entry_set_pathname(e, name);
	archive_entry_set_mode(e, mode);
	archive_entry_set_size(e, S_ISREG(mode) ? (la_int64_t)strlen(text) : 0);
	if (S_ISLNK(mode))
		archive_entry_set_symlink(e, text);
	assert_int_equal(archive_write_header(w->tar, e), ARCHIVE_OK);
	if (S_ISREG(mode))
		assert_int_equal(archive_write_data(w->tar, text, strlen(text)), strlen(text));
	archive_entry_free(e);
}

/* Ends the archive, takes it apart, and sees that it was read to its end. */
static int take(struct world *w)
{
	char byte;
	int r;

	assert_int_equal(archive_write_free(w->tar), ARCHIVE_OK);
	assert_int_equal(lseek(w->in, 0, SEEK_SET), 0);
	r = archive_take(w->in, w->dir.fd, &w->sum, &w->err);
	assert_int_equal(read(w->in, &byte, 1), 0);
	return r;
}

static bool has(const struct world *w, const char *text)
{
	char hex[SHA256_HEX_SIZE];

	return faccessat(w->dir.fd, sha256_hex(text, strlen(text), hex), F_OK, 0) == 0;
}

static void world_remove(struct world *w)
{
	close(w->in);
	test_tmpdir_remove(&w->dir);
}

TEST(files_are_named_by_their_sums_and_the_index_is_told)
{
	struct world w = world_make();
	char hex[SHA256_HEX_SIZE];

	put(&w, "blobs/sha256/none", S_IFREG | 0644, "blob");
	put(&w, "../../out", S_IFREG | 0644, "out");
	put(&w, "link", S_IFLNK | 0777, "/etc/passwd");
	put(&w, "./oci-layout", S_IFREG | 0644, LAYOUT);
	put(&w, "./index.json", S_IFREG | 0644, "{}");
	assert_ok(take(&w));
	assert_int_equal(w.sum.files, 3);
	assert_string_equal(w.sum.index + 7, sha256_hex("{}", 2, hex));
	assert_true(has(&w, "blob") && has(&w, "out") && has(&w, "{}"));
	assert_false(has(&w, LAYOUT));
	world_remove(&w);
}

TEST(what_is_no_archive_of_images_is_refused_by_its_kind)
{
	static const struct {
		const char *name, *text;
		int result;
	} rows[] = {
		{ "manifest.json", "[]", -ENOSYS },
		{ "any", "x", -ENOTRECOVERABLE },
		{ "oci-layout", LAYOUT, -ENOTRECOVERABLE },
		{ "oci-layout", "{\"imageLayoutVersion\":\"2.0.0\"}", -EINVAL },
		{ "oci-layout", "{}", -EINVAL },
		{ "oci-layout", "{", -EINVAL },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct world w = world_make();

		put(&w, rows[i].name, S_IFREG | 0644, rows[i].text);
		assert_int_equal(take(&w), rows[i].result);
		assert_true(w.err.text[0]);
		world_remove(&w);
	}
}
