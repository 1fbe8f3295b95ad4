/* SPDX-License-Identifier: Apache-2.0 */
/* Which shim binary a container's runtime is (MGR-9). */
#include "manager/runtime_name.h"

#include <string.h>

#include "base/mem.h"
#include "test.h"

static void expect_name(const char *name, const char *want)
{
	auto_free char *program = NULL;

	assert_ok(runtime_name_program(name, &program, NULL));
	assert_string_equal(program, want);
}

TEST(the_last_two_parts_make_the_program)
{
	static const char *const bad[] = { "", "runc", ".runc", "runc.", "a..v2", "..", ".",
		"bin/shim", "./shim" };

	expect_name("io.containerd.runc.v2", "containerd-shim-runc-v2");
	expect_name("io.containerd.reeve.v2", "containerd-shim-reeve-v2");
	expect_name("runc.v2", "containerd-shim-runc-v2");
	expect_name("com.example.a-b.v10", "containerd-shim-a-b-v10");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		char *program = NULL;
		struct err err;

		assert_int_equal(runtime_name_program(bad[i], &program, &err), -EINVAL);
		assert_null(program);
	}
}

static void make_program(int dir, const char *name, mode_t mode)
{
	int fd = openat(dir, name, O_CREAT | O_WRONLY | O_CLOEXEC, mode);

	assert_true(fd >= 0);
	close(fd);
}

static void expect(const char *name, const char *search, const char *beside, const char *dir)
{
	auto_free char *path = NULL, *want = NULL;

	assert_ok(runtime_name_resolve(name, search, beside, &path, NULL));
	assert_true(asprintf(&want, "%s/containerd-shim-x-v2", dir) > 0);
	assert_string_equal(path, want);
}

TEST(the_path_goes_before_our_own_directory)
{
	struct test_tmpdir a = test_tmpdir(), b = test_tmpdir();
	char full[128], *path = NULL;
	struct err err;

	make_program(b.fd, "containerd-shim-x-v2", 0755);
	expect("io.containerd.x.v2", a.path, b.path, b.path);
	make_program(a.fd, "containerd-shim-x-v2", 0755);
	expect("io.containerd.x.v2", a.path, b.path, a.path);
	snprintf(full, sizeof(full), "%s/containerd-shim-x-v2", b.path);
	expect(full, a.path, NULL, b.path);
	assert_int_equal(
		runtime_name_resolve("io.containerd.y.v2", a.path, b.path, &path, &err), -ENOENT);
	assert_text_has(err.text, "containerd-shim-y-v2");
	assert_int_equal(runtime_name_resolve("/no/such", a.path, b.path, &path, &err), -ENOENT);
	assert_int_equal(runtime_name_resolve(b.path, a.path, b.path, &path, &err), -EINVAL);
	assert_int_equal(runtime_name_resolve(NULL, a.path, b.path, &path, &err), -EINVAL);
	assert_null(path);
	test_tmpdir_remove(&a);
	test_tmpdir_remove(&b);
}

/* What lies in a daemon's working directory must not become its program. */
TEST(the_working_directory_is_no_place)
{
	struct test_tmpdir a = test_tmpdir();
	int here = open(".", O_PATH | O_CLOEXEC);
	char *path = NULL;

	make_program(a.fd, "containerd-shim-x-v2", 0755);
	assert_int_equal(fchdir(a.fd), 0);
	assert_int_equal(
		runtime_name_resolve("io.containerd.x.v2", ".:", NULL, &path, NULL), -ENOENT);
	assert_int_equal(fchdir(here), 0);
	close(here);
	test_tmpdir_remove(&a);
}
