/* SPDX-License-Identifier: Apache-2.0 */
/* Directories stand for cgroups: as those they are removed by rmdir(2) alone, and only when they are empty. */
#include "manager/remains.h"

#include <fcntl.h>
#include <string.h>

#include "container/cgroup_host.h"
#include "test.h"

struct fixture {
	struct test_tmpdir t;
	struct cgroup_host host;
};

static void make(const struct fixture *f, const char *path)
{
	char partial[256];

	for (const char *at = path; (at = strchr(at, '/')); at++) {
		snprintf(partial, sizeof(partial), "%.*s", (int)(at - path), path);
		(void)mkdirat(f->t.fd, partial, 0755);
	}
	assert_ok(mkdirat(f->t.fd, path, 0755));
}

static bool there(const struct fixture *f, const char *path)
{
	return faccessat(f->t.fd, path, F_OK, 0) == 0;
}

static void put(const struct fixture *f, const char *path, const char *text)
{
	int fd = openat(f->t.fd, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_true(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

static void begin(struct fixture *f)
{
	*f = (struct fixture){ .t = test_tmpdir() };
	make(f, "proc/self");
	make(f, "sys/cpu");
	make(f, "sys/v2");
	put(f, "proc/self/mountinfo",
		"33 32 0:30 / /sys/cpu rw - cgroup cgroup rw,cpu\n"
		"41 31 0:38 / /sys/v2 rw - cgroup2 cgroup2 rw\n");
	put(f, "proc/self/cgroup", "1:cpu:/own\n0::/own\n");
	assert_ok(cgroup_host_read(f->t.path, &f->host, NULL));
	assert_int_equal(f->host.n, 2);
}

static void end(struct fixture *f)
{
	cgroup_host_done(&f->host);
	test_tmpdir_remove(&f->t);
}

TEST(what_was_there_before_is_not_claimed)
{
	struct fixture f;

	begin(&f);
	assert_true(remains_is_free(&f.host, "/pod/a", "a"));
	make(&f, "sys/cpu/pod");
	assert_true(remains_is_free(&f.host, "/pod/a", "a"));
	make(&f, "sys/cpu/pod/a"); /* in one hierarchy is enough */
	assert_false(remains_is_free(&f.host, "/pod/a", "a"));
	assert_false(remains_is_free(&f.host, "/", "a"));
	assert_false(remains_is_free(&f.host, "/../..", "a"));
	assert_false(remains_is_free(&f.host, "b", "a")); /* the runtime's to choose */
	assert_false(remains_is_free(&f.host, "system.slice:x:a", "a"));
	end(&f);
}

TEST(what_is_empty_goes_with_what_is_below_it)
{
	struct fixture f;

	begin(&f);
	make(&f, "sys/cpu/pod/a/x/y");
	make(&f, "sys/v2/pod/a");
	make(&f, "sys/cpu/pod/b");
	remains_sweep_on(&f.host, "/pod/a", "a");
	assert_false(there(&f, "sys/cpu/pod/a"));
	assert_false(there(&f, "sys/v2/pod/a"));
	assert_true(there(&f, "sys/cpu/pod/b"));
	assert_true(there(&f, "sys/v2/pod")); /* empty, and not the task's */
	remains_sweep_on(&f.host, "/pod/a", "a");
	end(&f);
}

/* A file stands for a process. */
TEST(what_is_in_use_stays)
{
	struct fixture f;

	begin(&f);
	make(&f, "sys/cpu/pod/a/x");
	make(&f, "sys/cpu/pod/a/empty");
	put(&f, "sys/cpu/pod/a/x/process", "7\n");
	remains_sweep_on(&f.host, "/pod/a", "a");
	assert_true(there(&f, "sys/cpu/pod/a/x/process"));
	assert_false(there(&f, "sys/cpu/pod/a/empty"));
	end(&f);
}

TEST(never_the_root_nor_what_is_named_by_going_up)
{
	static const char *const paths[] = { "/", "//", "/.", "/..", "/pod/..", "", "own" };
	struct fixture f;

	begin(&f);
	make(&f, "sys/cpu/own");
	make(&f, "sys/cpu/pod");
	for (size_t i = 0; i < ARRAY_LEN(paths); i++)
		remains_sweep_on(&f.host, paths[i], "own");
	assert_true(there(&f, "sys/cpu/own"));
	assert_true(there(&f, "sys/cpu/pod"));
	assert_true(there(&f, "sys/v2"));
	end(&f);
}

TEST(a_spec_that_names_none_claims_none)
{
	static const char *const specs[] = { "", "{}", "{\"linux\":{}}",
		"{\"linux\":{\"cgroupsPath\":7}}", "{\"linux\":{\"cgroupsPath\":\"a\"}}", "[]" };
	char *path;

	for (size_t i = 0; i < ARRAY_LEN(specs); i++) {
		path = (char *)"";
		remains_claim(specs[i], strlen(specs[i]), "a", &path);
		assert_null(path);
	}
	remains_claim(NULL, 0, "a", &path);
	assert_null(path);
}

TEST(a_note_of_an_init_is_whole_and_of_this_boot)
{
	static const struct {
		const char *note;
		int result;
	} rows[] = {
		{ "42 7 b-1\n", 0 },
		{ "42 7 b-1", -EBADMSG },
		{ "42 7 b", -EBADMSG },
		{ "42 7 b-2\n", -EBADMSG },
		{ "42 7 b-1\n2", -EBADMSG },
		{ "42 ", -EBADMSG },
		{ "42", -EBADMSG },
		{ "", -EBADMSG },
		{ "0 7 b-1\n", -EBADMSG },
		{ "-1 7 b-1\n", -EBADMSG },
		{ "4294967338 7 b-1\n", -EBADMSG },
		{ "42  7 b-1\n", -EBADMSG },
	};
	uint64_t start = 0;
	pid_t pid = 0;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(
			remains_parse_init(rows[i].note, "b-1\n", &pid, &start), rows[i].result);
	assert_int_equal(pid, 42);
	assert_int_equal(start, 7);
}
