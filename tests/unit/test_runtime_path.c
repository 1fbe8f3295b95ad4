/* SPDX-License-Identifier: Apache-2.0 */
/* Which program a BinaryName is, and whether it is our own. */
#include "supervisor/runtime_path.h"

#include <string.h>

#include "base/mem.h"
#include "test.h"

static void make_program(int dir, const char *name, mode_t mode)
{
	int fd = openat(dir, name, O_CREAT | O_WRONLY | O_CLOEXEC, mode);

	assert_true(fd >= 0);
	close(fd);
}

static void expect_missing(const char *name, const char *search, int code, const char *why)
{
	char *path = NULL;
	struct err err;

	assert_int_equal(runtime_path_find(name, search, &path, &err), code);
	assert_null(path);
	assert_text_has(err.text, why);
}

TEST(names_are_looked_up_and_paths_taken)
{
	struct test_tmpdir a = test_tmpdir(), b = test_tmpdir();
	char search[256], want[128], plain[128];
	auto_free char *path = NULL;

	make_program(a.fd, "plain", 0644);
	make_program(b.fd, "plain", 0755);
	make_program(b.fd, "other", 0755);
	assert_int_equal(mkdirat(a.fd, "other", 0755), 0);
	snprintf(search, sizeof(search), ":relative:%s:%s:", a.path, b.path);
	snprintf(want, sizeof(want), "%s/other", b.path);
	assert_ok(runtime_path_find("other", search, &path, NULL));
	assert_string_equal(path, want);
	free(take_ptr(path));
	assert_ok(runtime_path_find(want, NULL, &path, NULL));
	assert_string_equal(path, want);
	free(take_ptr(path));
	if (geteuid() !=
		0) { /* root may look through everything but executes no more than others */
		assert_ok(runtime_path_find("plain", search, &path, NULL));
		free(take_ptr(path));
	}
	snprintf(plain, sizeof(plain), "%s/plain", a.path);
	expect_missing(plain, search, -EACCES, "permission denied");
	expect_missing(
		"none", search, -ENOENT, "exec: \"none\": executable file not found in $PATH");
	expect_missing("none", NULL, -ENOENT, "exec: \"none\"");
	expect_missing("/no/such", search, -ENOENT, "exec: \"/no/such\": No such file");
	expect_missing("./plain", search, -EINVAL, "neither absolute nor a name");
	test_tmpdir_remove(&a);
	test_tmpdir_remove(&b);
}

TEST(our_own_is_known_by_name_and_by_file)
{
	struct test_tmpdir t = test_tmpdir();
	char path[128];

	make_program(t.fd, "reeve", 0755);
	make_program(t.fd, "runc", 0755);
	assert_int_equal(symlinkat("reeve", t.fd, "link"), 0);
	assert_int_equal(symlinkat("runc", t.fd, "foreign"), 0);
	assert_int_equal(linkat(t.fd, "reeve", t.fd, "hard", 0), 0);
	snprintf(path, sizeof(path), "%s/reeve", t.path);
	assert_true(runtime_path_is_reeve(path, NULL));
	snprintf(path, sizeof(path), "%s/link", t.path);
	assert_true(runtime_path_is_reeve(path, NULL));
	snprintf(path, sizeof(path), "%s/hard", t.path);
	assert_false(runtime_path_is_reeve(path, "/no/such"));
	assert_true(runtime_path_is_reeve(path, t.path));
	snprintf(path, sizeof(path), "%s/runc", t.path);
	assert_false(runtime_path_is_reeve(path, t.path));
	snprintf(path, sizeof(path), "%s/foreign", t.path);
	assert_false(runtime_path_is_reeve(path, t.path));
	assert_false(runtime_path_is_reeve("/no/such", t.path));
	test_tmpdir_remove(&t);
}
