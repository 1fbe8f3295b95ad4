/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is in a layer that is made of two trees, and that the first tree with it is the second one. Each case is tried
 * with trees that are looked through whole, and with an upper directory as overlayfs writes it.
 */
#include "test.h"

#include <archive.h>
#include <archive_entry.h>
#include <locale.h>
#include <sys/mman.h>

#include "base/tree_copy.h"
#include "helper/diff.h"
#include "helper/layer.h"
#include "trees.h"

#define TEN "nnnnnnnnnn"
#define FIFTY TEN TEN TEN TEN TEN
#define LONG_NAME FIFTY FIFTY FIFTY FIFTY FIFTY "nnnnn" /* 255 bytes */

struct world {
	struct test_tmpdir dir;
	int base, second, upper, made;
	int out;
	struct diff_sums sums;
};

static int dir_in(const struct world *w, const char *name)
{
	int fd;

	assert_ok(mkdirat(w->dir.fd, name, 0755));
	fd = fd_open_at(w->dir.fd, name, O_RDONLY | O_DIRECTORY, 0);
	assert_true(fd >= 0);
	return fd;
}

static void need_root(void)
{
	if (geteuid() != 0)
		test_skip("owners, devices and attributes of a layer are root's to set");
	/* As the program does. */
	setlocale(LC_CTYPE, "C.UTF-8");
	umask(0);
	assert_ok(chdir("/proc/self/fd"));
}

static struct world world_make(const char *base)
{
	struct world w = { .dir = test_tmpdir_memory(), .upper = -EBADF, .second = -EBADF };
	struct err err;

	w.base = dir_in(&w, "base");
	w.made = dir_in(&w, "made");
	w.out = memfd_create("layer", MFD_CLOEXEC);
	assert_true(w.out >= 0);
	assert_ok(tree_do(w.base, base));
	tree_age(w.base);
	assert_ok(tree_copy(w.base, w.made, NULL, NULL, &err));
	return w;
}

/* The second tree is a copy of the first one. */
static struct world world_copied(const char *base)
{
	struct world w = world_make(base);
	struct err err;

	w.second = dir_in(&w, "second");
	assert_ok(tree_copy(w.base, w.second, NULL, NULL, &err));
	return w;
}

/* It is the first one with a directory above it. */
static struct world world_overlaid(const char *base)
{
	struct world w = world_make(base);

	w.upper = dir_in(&w, "upper");
	fd_close(dir_in(&w, "work"));
	w.second = tree_overlay(w.dir.fd, "base", "upper", "work");
	assert_true(w.second >= 0);
	return w;
}

static void world_remove(struct world *w)
{
	fd_close(w->base);
	fd_close(w->second);
	fd_close(w->upper);
	fd_close(w->made);
	fd_close(w->out);
	test_tmpdir_remove(&w->dir);
}

static int make_layer(struct world *w, const struct diff *how, struct err *err)
{
	const int right[] = { w->upper >= 0 ? w->upper : w->second, w->base };
	struct diff d = *how;

	d.out = w->out;
	d.left = &w->base;
	d.n_left = 1;
	d.right = right;
	d.n_right = w->upper >= 0 ? 2 : 1;
	d.guide = w->upper >= 0;
	return diff_write(&d, &w->sums, err);
}

static void apply_layer(struct world *w)
{
	struct layer l = { .blob = w->out, .root = w->made };
	struct layer_sum sum;
	struct err err;

	assert_int_equal(lseek(w->out, 0, SEEK_SET), 0);
	if (layer_apply(&l, &sum, &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(sum.digest, w->sums.tar.digest);
	assert_int_equal(sum.size, w->sums.tar.size);
}

/* A line for each entry: its type, its name, and what it is another name of. */
static char *entries(const struct world *w)
{
	struct archive *a = archive_read_new();
	struct archive_entry *e;
	struct buf text = { 0 };
	int r;

	assert_int_equal(lseek(w->out, 0, SEEK_SET), 0);
	archive_read_support_filter_all(a);
	archive_read_support_format_tar(a);
	assert_int_equal(archive_read_open_fd(a, w->out, 10240), ARCHIVE_OK);
	while ((r = archive_read_next_header(a, &e)) == ARCHIVE_OK || r == ARCHIVE_WARN) {
		const char *of = archive_entry_hardlink(e), *name = archive_entry_pathname(e);
		const char type[] = "?pc?d?b?f?l?s?";

		/* A directory's ends in a slash. */
		buf_addf(&text, "%c %.*s%s%s\n", of ? 'h' : type[archive_entry_filetype(e) >> 12],
			(int)(strlen(name) - str_ends(name, "/")), name, of ? " " : "",
			of ? of : "");
	}
	assert_int_equal(r, ARCHIVE_EOF);
	archive_read_free(a);
	buf_addc(&text, '\0');
	assert_ok(buf_ok(&text));
	return buf_take(&text);
}

static void check(struct world *w, const char *change, const char *expected)
{
	static const struct diff plain = { 0 };
	auto_free char *is = NULL, *second = NULL, *made = NULL;
	struct err err;

	assert_ok(tree_do(w->second, change));
	if (make_layer(w, &plain, &err) < 0)
		fail_msg("%s", err.text);
	is = entries(w);
	assert_string_equal(is, expected);
	apply_layer(w);
	second = tree_text(w->second);
	made = tree_text(w->made);
	assert_string_equal(made, second);
}

/* The second tree is `base` after `change`; the layer has these entries, and makes the one of the other. */
static void layer_has(const char *base, const char *change, const char *expected)
{
	size_t fds = test_open_fds();
	struct world w = world_copied(base);

	check(&w, change, expected);
	world_remove(&w);
	w = world_overlaid(base);
	check(&w, change, expected);
	world_remove(&w);
	assert_int_equal(test_open_fds(), fds);
}

TEST(nothing_changed_is_nothing_told)
{
	need_root();
	layer_has("d a; f a/b x; l s a; p p", "", "");
}

TEST(what_is_new_comes_with_the_directories_that_lead_to_it)
{
	need_root();
	layer_has("d a; d a/b; d c", "f a/b/x text; d d", "d a\nd a/b\nf a/b/x\nd d\n");
}

TEST(what_is_gone_is_a_whiteout)
{
	need_root();
	layer_has("d a; f a/x; d a/y; f a/y/z; l s t", "rm a/x; rm a/y; rm s",
		"d a\nf a/.wh.x\nf a/.wh.y\nf .wh.s\n");
}

TEST(a_directory_that_was_made_anew_is_told_without_an_opaque_mark)
{
	need_root();
	layer_has("d a; f a/x; f a/y; d a/d; f a/d/e", "rm a; d a; f a/y new",
		"d a\nf a/.wh.d\nf a/.wh.x\nf a/y\n");
}

TEST(a_directory_that_got_another_name_is_gone_and_new)
{
	need_root();
	layer_has("d a; f a/x text; d a/d; f a/d/e more", "rm a; d n; f n/x text",
		"f .wh.a\nd n\nf n/x\n");
}

TEST(all_kinds_of_files_are_told_as_they_are)
{
	need_root();
	layer_has("",
		"f f text; d d 01777; l l /etc/passwd; p p; c c 1 3; b b 7 200; f u; chmod u "
		"04711; chown u 5 6; "
		"chown l 70000 2097152; t f 86400 0",
		"b b\nc c\nd d\nf f\nl l\np p\nf u\n");
}

TEST(a_mode_an_owner_a_time_and_a_device_are_changes)
{
	need_root();
	layer_has("f mode x; f owner x; f time x; c dev 1 3; d dir; f dir/same; l link to",
		"chmod mode 0600; chown owner 1 1; t time 1000000000 2; rm dev; c dev 1 5; "
		"t dev 1000000000 1; chmod dir 0700; rm link; l link ot; t link 1000000000 3",
		"c dev\nd dir\nl link\nf mode\nf owner\nf time\n");
}

TEST(a_time_of_a_directory_alone_is_no_change)
{
	need_root();
	layer_has("d a; f a/x", "t a 1000000000 7", "");
}

TEST(a_change_to_bytes_and_back_to_the_time_is_seen_where_times_have_no_fractions)
{
	struct world w;

	need_root();
	w = world_make("f same text; f other text; l link to");
	w.second = dir_in(&w, "second");
	for (int i = 0; i < 2; i++)
		assert_ok(
			tree_do(i ? w.second : w.base, i ? "f same text; f other tixt; l link ot"
							 : "t same 9 0; t other 9 0; t link 9 0"));
	assert_ok(tree_do(w.second, "t same 9 0; t other 9 0; t link 9 0"));
	assert_ok(tree_do(w.made, "t same 9 0; t other 9 0; t link 9 0"));
	check(&w, "", "l link\nf other\n");
	world_remove(&w);
}

TEST(a_file_becomes_a_directory_and_back)
{
	need_root();
	layer_has("f a text; d b; f b/c; d b/d; f b/d/e", "rm a; d a; f a/x; rm b; f b text",
		"d a\nf a/x\nf b\n");
}

TEST(a_link_becomes_a_directory_and_back)
{
	need_root();
	layer_has("l a b; d b; f b/x; d c; f c/y", "rm a; d a; f a/x; rm c; l c b",
		"d a\nf a/x\nl c\n");
}

TEST(a_file_that_becomes_a_socket_is_gone)
{
	need_root();
	layer_has("d a; f a/x text; d a/y; f a/y/z; s a/z", "rm a/x; s a/x; rm a/y; s a/y; rm a/z",
		"d a\nf a/.wh.x\nf a/.wh.y\n");
}

TEST(a_socket_is_in_no_layer)
{
	need_root();
	layer_has("d a", "s s; s a/s; t a 1000000000 1", "");
}

TEST(names_of_one_file_are_names_of_one)
{
	need_root();
	layer_has("d a", "f a/1 text; h a/2 a/1; d b; h b/3 a/1; l s t; h b/s s",
		"d a\nf a/1\nh a/2 a/1\nd b\nh b/3 a/1\nl b/s\nh s b/s\n");
}

TEST(a_name_more_is_told_with_those_that_were_there)
{
	struct world w;

	need_root();
	w = world_copied("d a; f a/1 text; d b");
	check(&w, "h b/2 a/1", "d b\nf b/2\nd a\nh a/1 b/2\n");
	world_remove(&w);
	w = world_copied("d b; f b/1 text; d a");
	check(&w, "h a/2 b/1", "d a\nf a/2\nd b\nh b/1 a/2\n");
	world_remove(&w);
}

TEST(a_name_less_is_a_whiteout)
{
	struct world w;

	need_root();
	w = world_copied("f 1 text; h 2 1; h 3 1");
	check(&w, "rm 1", "f .wh.1\n");
	world_remove(&w);
}

TEST(attributes_are_in_the_layer_and_a_change_of_one_is_a_change)
{
	need_root();
	layer_has("f f; x f user.a 1; x f trusted.b 1; d d; f same; x same user.a 1",
		"x f user.a 2; f n; x n user.word two words; x d trusted.t 3; f e; x e user.empty ",
		"d d\nf e\nf f\nf n\n");
}

/* The tar would have them under other names. */
TEST(an_attribute_whose_name_no_layer_can_have_is_left_out)
{
	static const struct diff plain = { 0 };
	auto_free char *made = NULL;
	struct world w;
	struct err err;

	need_root();
	w = world_copied("");
	assert_ok(tree_do(w.second, "f f; t f 1000000000 1; x f user.a=b 1; x f user.100% 2; "
				    "x f user.\xc3\xa9 3; x f user.plain-A.~ 4"));
	assert_ok(make_layer(&w, &plain, &err));
	apply_layer(&w);
	made = tree_text(w.made);
	assert_string_equal(made, "f 100644 0:0 1000000000 0 e3b0c44298fc user.plain-A.~=4\n\n");
	world_remove(&w);
}

TEST(names_are_bytes)
{
	need_root();
	layer_has("f gone\xff; d d\xfe; f d\xfe/x; f new\nline",
		"rm gone\xff; f n\xff\x01 text; f \xc3\xbc; l l\xff to\xff; h h\xff n\xff\x01; f "
		"d\xfe/y; rm new\nline",
		"d d\xfe\nf d\xfe/y\nf .wh.gone\xff\nf h\xff\nl l\xff\nf .wh.new\nline\n"
		"h n\xff\x01 h\xff\nf \xc3\xbc\n");
}

TEST(names_may_be_long)
{
	need_root();
	layer_has("d " LONG_NAME "; f " LONG_NAME "/" LONG_NAME,
		"rm " LONG_NAME "/" LONG_NAME "; d " LONG_NAME "/d; f " LONG_NAME
		"/d/f text; l l " LONG_NAME "/" LONG_NAME,
		"l l\nd " LONG_NAME "\nd " LONG_NAME "/d\nf " LONG_NAME "/d/f\nf " LONG_NAME
		"/.wh." LONG_NAME "\n");
}

TEST(empty_and_sparse_files_have_their_size)
{
	need_root();
	layer_has("f was text; f grows text",
		"f empty; f big; size big 1000000; at big 500000 x; f was; size grows 70000",
		"f big\nf empty\nf grows\nf was\n");
}

/* Readers hide by this name, so no file can have it in a layer. */
TEST(what_is_called_like_a_whiteout_is_in_no_layer)
{
	struct world w;
	auto_free char *is = NULL;
	static const struct diff plain = { 0 };
	struct err err;

	need_root();
	w = world_copied("d a; f a/x; f a/.wh.y");
	assert_ok(tree_do(w.second, "rm a/.wh.y; f .wh.a; d .wh..wh..opq; f .wh..wh..opq/z"));
	assert_ok(make_layer(&w, &plain, &err));
	is = entries(&w);
	assert_string_equal(is, "");
	world_remove(&w);
}

TEST(the_first_layer_of_all_has_no_tree_below)
{
	struct world w;
	struct diff d = { 0 };
	struct err err;
	auto_free char *is = NULL;

	need_root();
	w = world_make("d a; f a/x text; l s t");
	d.out = w.out;
	d.right = &w.base;
	d.n_right = 1;
	assert_ok(diff_write(&d, &w.sums, &err));
	is = entries(&w);
	assert_string_equal(is, "d a\nf a/x\nl s\n");
	world_remove(&w);
}

TEST(layers_over_each_other_are_one_tree)
{
	struct world w;
	int left[2], right[3];
	struct diff d = { .guide = true };
	auto_free char *is = NULL;
	struct err err;

	need_root();
	w = world_make("d a; f a/x; f a/y; f z");
	left[0] = right[1] = dir_in(&w, "middle");
	left[1] = right[2] = w.base;
	right[0] = dir_in(&w, "top");
	assert_ok(tree_do(left[0], "d a; c a/x 0 0; f a/m"));
	/* As of one who makes a/x again, and takes the rest of `a` away. */
	assert_ok(tree_do(right[0], "d a; f a/x new; x a trusted.overlay.opaque y; c z 0 0"));
	d.out = w.out;
	d.left = left;
	d.n_left = 2;
	d.right = right;
	d.n_right = 3;
	if (diff_write(&d, &w.sums, &err) < 0)
		fail_msg("%s", err.text);
	is = entries(&w);
	assert_string_equal(is, "d a\nf a/.wh.m\nf a/x\nf a/.wh.y\nf .wh.z\n");
	fd_close(left[0]);
	fd_close(right[0]);
	world_remove(&w);
}

TEST(no_time_is_later_than_the_epoch_and_the_layer_is_the_same_each_time)
{
	static const enum tar_pack packs[] = { TAR_PLAIN, TAR_GZIP, TAR_ZSTD };

	need_root();
	for (size_t i = 0; i < 3; i++) {
		struct diff how = { .has_epoch = true, .epoch = TREE_AGE + 5, .pack = packs[i] };
		struct diff_sums first = { 0 };

		for (int round = 0; round < 2; round++) {
			struct world w = world_copied("f gone; d a; f old");
			auto_free char *text = NULL;
			struct err err;

			assert_ok(tree_do(w.second,
				"rm gone; f new text; f a/b; t new 2000000000 1; chmod old 0600"));
			assert_ok(make_layer(&w, &how, &err));
			apply_layer(&w);
			text = tree_text(w.made);
			assert_text_has(text, "new 100644 0:0 1000000005 ");
			assert_text_has(text, "old 100600 0:0 1000000000 ");
			if (round)
				assert_memory_equal(&w.sums, &first, sizeof(first));
			first = w.sums;
			world_remove(&w);
		}
	}
}

TEST(each_packing_is_what_it_is_called_and_its_sums_are_true)
{
	static const struct {
		enum tar_pack pack;
		const char *magic;
	} rows[] = { { TAR_PLAIN, "a/" }, { TAR_GZIP, "\x1f\x8b" },
		{ TAR_ZSTD, "\x28\xb5\x2f\xfd" } };

	need_root();
	for (size_t i = 0; i < 3; i++) {
		struct world w = world_copied("d a");
		struct diff how = { .pack = rows[i].pack };
		char hex[SHA256_HEX_SIZE], *data;
		auto_free char *made = NULL, *second = NULL;
		size_t size;
		struct err err;

		assert_ok(tree_do(w.second, "f a/f text; size a/f 300000; x a/f user.k v"));
		assert_ok(make_layer(&w, &how, &err));
		assert_int_equal(lseek(w.out, 0, SEEK_SET), 0);
		assert_ok(fd_read_file(w.out, 1 << 20, &data, &size));
		assert_string_equal(w.sums.file.digest + 7, sha256_hex(data, size, hex));
		assert_int_equal(w.sums.file.size, size);
		assert_memory_equal(data, rows[i].magic, strlen(rows[i].magic));
		free(data);
		apply_layer(&w);
		made = tree_text(w.made);
		second = tree_text(w.second);
		assert_string_equal(made, second);
		world_remove(&w);
	}
}

TEST(what_cannot_be_written_is_told)
{
	struct world w;
	struct diff how = { 0 };
	struct err err;

	need_root();
	for (int pack = TAR_PLAIN; pack <= TAR_ZSTD; pack++) {
		w = world_copied("");
		fd_close(w.out);
		w.out = fd_open("/dev/full", O_WRONLY, 0);
		how.pack = (enum tar_pack)pack;
		assert_ok(tree_do(w.second, "f f text"));
		assert_int_equal(make_layer(&w, &how, &err), -ENOSPC);
		assert_text_has(err.text, "write the layer");
		world_remove(&w);
	}
}

/* The caller's words and the answer, as reeve-helper has them. */
static int run_main(char **words, size_t n, char answer[600])
{
	int news[2], status;
	ssize_t len;

	assert_ok(pipe(news));
	status = diff_main(news[1], words, n);
	len = read(news[0], answer, 599);
	assert_true(len > 0);
	answer[len] = '\0';
	close(news[0]);
	close(news[1]);
	return status;
}

TEST(the_program_answers_with_the_sums_or_with_a_reason)
{
	struct world w;
	char out[32], left[32], right[32], answer[600];
	char gzip[] = "gzip", epoch[] = "epoch=5", unknown[] = "right=x";
	char *words[] = { out, left, right, gzip, epoch }, *bad[] = { out, unknown };

	need_root();
	w = world_copied("");
	assert_ok(tree_do(w.second, "f f text"));
	snprintf(out, sizeof(out), "out=%d", w.out);
	snprintf(left, sizeof(left), "left=%d", w.base);
	snprintf(right, sizeof(right), "right=%d", w.second);
	assert_int_equal(run_main(words, 5, answer), 0);
	assert_text_has(answer, "ok sha256:");
	assert_ptr_equal(strchr(answer, '\n'), answer + strlen(answer) - 1);
	assert_int_equal(run_main(bad, 2, answer), 1);
	assert_string_equal(answer, "error 22 unknown word 'right=x'\n");
	assert_int_equal(run_main(words, 1, answer), 1);
	assert_string_equal(answer, "error 22 a diff needs out and right\n");
	world_remove(&w);
}
