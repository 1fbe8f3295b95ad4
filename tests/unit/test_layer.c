/* SPDX-License-Identifier: Apache-2.0 */
/* What a layer may do to the directory that it is unpacked into, and to what is beside it. */
#include "test.h"

#include <archive.h>
#include <archive_entry.h>
#include <sys/mman.h>

#include "base/mem.h"
#include "helper/layer.h"
#include "trees.h"

struct world {
	struct test_tmpdir dir;
	int root, blob;
	struct archive *tar;
};

static struct world world_make(void)
{
	struct world w = { .dir = test_tmpdir_memory(), .tar = archive_write_new() };

	if (geteuid() != 0)
		test_skip("owners and devices of a layer are root's to set");
	assert_ok(tree_do(w.dir.fd, "f beside b; chmod beside 0600; d root"));
	w.root = fd_open_at(w.dir.fd, "root", O_RDONLY | O_DIRECTORY, 0);
	w.blob = memfd_create("layer", MFD_CLOEXEC);
	assert_true(w.root >= 0 && w.blob >= 0);
	assert_int_equal(archive_write_set_format_pax_restricted(w.tar), ARCHIVE_OK);
	assert_int_equal(archive_write_open_fd(w.tar, w.blob), ARCHIVE_OK);
	return w;
}

static void world_remove(struct world *w)
{
	fd_close(w->root);
	fd_close(w->blob);
	test_tmpdir_remove(&w->dir);
}

static void put(struct world *w, mode_t mode, const char *name, const char *symlink, const char *of)
{
	struct archive_entry *e = archive_entry_new();

	archive_entry_set_pathname(e, name);
	archive_entry_set_mode(e, mode);
	archive_entry_set_size(e, 0);
	archive_entry_set_mtime(e, TREE_AGE, 0);
	if (symlink)
		archive_entry_set_symlink(e, symlink);
	if (of)
		archive_entry_set_hardlink(e, of);
	assert_int_equal(archive_write_header(w->tar, e), ARCHIVE_OK);
	archive_entry_free(e);
}

static int unpack(struct world *w, struct err *err)
{
	struct layer l = { .blob = w->blob, .root = w->root };
	struct layer_sum sum;

	assert_int_equal(archive_write_free(w->tar), ARCHIVE_OK);
	assert_int_equal(lseek(w->blob, 0, SEEK_SET), 0);
	return layer_apply(&l, &sum, err);
}

static void is_untouched(const struct world *w)
{
	struct stat st;

	assert_ok(fstatat(w->dir.fd, "beside", &st, 0));
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_size, 1);
}

TEST(a_second_name_of_a_link_changes_nothing_where_the_link_leads)
{
	struct world w = world_make();
	auto_free char *text = NULL;
	struct err err;

	put(&w, S_IFLNK | 0777, "link", "../beside", NULL);
	put(&w, S_IFREG | 0666, "name", NULL, "link");
	if (unpack(&w, &err) < 0)
		fail_msg("%s", err.text);
	is_untouched(&w);
	text = tree_text(w.root);
	assert_string_equal(text, "link 120777 0:0 1000000000 9 -> ../beside\n"
				  "name 120777 0:0 1000000000 9 -> ../beside =link\n\n");
	world_remove(&w);
}

TEST(nothing_is_written_where_a_link_leads)
{
	struct world w = world_make();
	struct err err;

	put(&w, S_IFLNK | 0777, "link", "../beside", NULL);
	put(&w, S_IFREG | 0666, "link", NULL, NULL);
	put(&w, S_IFLNK | 0777, "out", "..", NULL);
	put(&w, S_IFREG | 0666, "out/beside", NULL, NULL);
	put(&w, S_IFREG | 0666, "../beside", NULL, NULL);
	assert_ok(unpack(&w, &err));
	is_untouched(&w);
	world_remove(&w);
}

TEST(a_hard_link_reaches_nothing_beside_the_root)
{
	struct world w = world_make();
	struct err err;

	put(&w, S_IFREG | 0666, "name", NULL, "../beside");
	assert_int_equal(unpack(&w, &err), -ENOENT);
	is_untouched(&w);
	world_remove(&w);
}
