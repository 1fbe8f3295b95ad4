/* SPDX-License-Identifier: Apache-2.0 */
/* The delete action on bundles in every state but that of a container that runs, which needs root. */
#include "test.h"

#include <sys/socket.h>

#include "base/clock.h"
#include "base/fd.h"
#include "rpc/message.h"
#include "shim/shim_delete.h"
#include "supervisor/bundle_record.h"

#include "proto/task.pb-c.h"

struct fixture {
	struct test_tmpdir dir;
	char bundle[96], root[96], socket[96];
	int bundle_fd;
	struct log log;
	struct arena arena;
	struct err err;
};

static struct fixture *setup(void)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->dir = test_tmpdir();
	snprintf(f->bundle, sizeof(f->bundle), "%s/c1", f->dir.path);
	snprintf(f->root, sizeof(f->root), "%s/root", f->dir.path);
	snprintf(f->socket, sizeof(f->socket), "%s/s", f->dir.path);
	assert_ok(mkdirat(f->dir.fd, "c1", 0700));
	f->bundle_fd = openat(f->dir.fd, "c1", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	f->log.fd = openat(f->dir.fd, "log", O_CREAT | O_RDWR | O_APPEND | O_CLOEXEC, 0600);
	return f;
}

static void teardown(struct fixture *f)
{
	arena_done(&f->arena);
	close(f->bundle_fd);
	close(f->log.fd);
	test_tmpdir_remove(&f->dir);
	free(f);
}

static int run(struct fixture *f, const char *id, const Pb__Task__DeleteResponse **ret)
{
	struct shim_args args = { .ns = "default", .id = id, .bundle = f->bundle };
	struct shim_delete d = { .args = &args, .log = &f->log };
	const ProtobufCMessage *m = NULL;
	char bytes[256];
	int out[2], r;
	ssize_t n;

	assert_ok(pipe2(out, O_CLOEXEC));
	d.output = out[1];
	f->err = (struct err){ 0 };
	r = shim_delete_run(&d, &f->err);
	close(out[1]);
	n = fd_read_full(out[0], bytes, sizeof(bytes));
	close(out[0]);
	assert_true((r == 0) == (n > 0)); /* an answer, or an error */
	if (r == 0) {
		assert_ok(message_decode(&pb__task__delete_response__descriptor, bytes, (size_t)n,
			&f->arena, &m, NULL));
		*ret = (const void *)m;
	}
	return r;
}

static void expect_killed_now(const Pb__Task__DeleteResponse *m, uint32_t pid)
{
	int64_t now = (int64_t)(clock_wall_ns() / NS_PER_SEC);

	assert_int_equal(m->pid, pid);
	assert_int_equal(m->exit_status, 137);
	assert_in_range(m->exited_at->seconds, now - 5, now);
}

TEST(nothing_is_left_to_delete)
{
	struct fixture *f = setup();
	const Pb__Task__DeleteResponse *m = NULL;

	for (int i = 0; i < 2; i++) {
		assert_ok(run(f, "c1", &m));
		expect_killed_now(m, 0);
	}
	assert_ok(unlinkat(f->dir.fd, "c1", AT_REMOVEDIR));
	assert_ok(run(f, "c1", &m));
	expect_killed_now(m, 0);
	teardown(f);
}

TEST(the_exit_that_was_published_is_told_again)
{
	struct fixture *f = setup();
	struct bundle_record r = { .root = f->root,
		.pid = 4711,
		.exited = true,
		.exit_status = 3,
		.exited_wall_ns = 1600000000000000005 };
	const Pb__Task__DeleteResponse *m = NULL;

	assert_ok(bundle_record_save(f->bundle_fd, &r, NULL));
	for (int i = 0; i < 2; i++) {
		assert_ok(run(f, "c1", &m));
		assert_non_null(m);
		assert_int_equal(m->pid, 4711);
		assert_int_equal(m->exit_status, 3);
		assert_int_equal(m->exited_at->seconds, 1600000000);
		assert_int_equal(m->exited_at->nanos, 5);
	}
	teardown(f);
}

TEST(one_that_was_killed_keeps_its_pid)
{
	struct fixture *f = setup();
	struct bundle_record r = { .root = f->root, .pid = 4711 };
	const Pb__Task__DeleteResponse *m = NULL;

	assert_ok(bundle_record_save(f->bundle_fd, &r, NULL));
	assert_ok(run(f, "c1", &m));
	expect_killed_now(m, 4711);
	teardown(f);
}

/* The fake runtime of tests/lib, which is built beside us. */
static void find_fakert(char path[4096])
{
	ssize_t n = readlink("/proc/self/exe", path, 4000);

	assert_true(n > 0);
	path[n] = '\0';
	snprintf(strrchr(path, '/'), 64, "/../lib/fakert");
	assert_ok(access(path, X_OK));
}

TEST(another_runtime_is_asked_for_its_container)
{
	struct fixture *f = setup();
	char program[4096], calls[128], text[256] = "";
	struct bundle_record r = { .root = f->root, .program = program, .pid = 0x3ffffe };
	const Pb__Task__DeleteResponse *m = NULL;
	int fd;

	find_fakert(program);
	snprintf(calls, sizeof(calls), "%s/calls", f->dir.path);
	setenv("FAKERT_CALLS", calls, 1);
	assert_ok(bundle_record_save(f->bundle_fd, &r, NULL));
	assert_ok(run(f, "c1", &m));
	expect_killed_now(m, 0x3ffffe);
	fd = open(calls, O_RDONLY | O_CLOEXEC);
	assert_true(read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	assert_string_equal(text, "delete --force c1\n");
	/* Gone already, or nothing runs any more: all is as it should be. */
	setenv("FAKERT_DELETE", "gone", 1);
	assert_ok(run(f, "c1", &m));
	setenv("FAKERT_DELETE", "fail", 1);
	assert_ok(run(f, "c1", &m));
	expect_killed_now(m, 0x3ffffe);
	/* What runs keeps its bundle. */
	r.pid = (uint32_t)getpid();
	assert_ok(bundle_record_save(f->bundle_fd, &r, NULL));
	assert_int_equal(run(f, "c1", &m), -EIO);
	assert_text_has(f->err.text, "fakert': delete refused");
	setenv("FAKERT_DELETE", "", 1);
	r.program = "/no/such/runtime";
	assert_ok(bundle_record_save(f->bundle_fd, &r, NULL));
	assert_int_equal(run(f, "c1", &m), -ENOENT);
	assert_text_has(f->err.text, "/no/such/runtime");
	teardown(f);
}

TEST(a_damaged_record_is_said_and_does_not_stop_it)
{
	struct fixture *f = setup();
	int fd = openat(f->bundle_fd, "reeve.json", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	const Pb__Task__DeleteResponse *m = NULL;
	char text[512] = "";

	assert_int_equal(write(fd, "{", 1), 1);
	close(fd);
	assert_ok(run(f, "c1", &m));
	expect_killed_now(m, 0);
	assert_true(pread(f->log.fd, text, sizeof(text) - 1, 0) > 0);
	assert_text_has(text, "reeve.json");
	teardown(f);
}

static void put_address(struct fixture *f)
{
	int fd = openat(f->bundle_fd, "address", O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);

	dprintf(fd, "unix://%s", f->socket);
	close(fd);
}

TEST(the_socket_of_a_dead_server_is_removed_that_of_a_living_one_is_not)
{
	struct fixture *f = setup();
	int fd = fd_unix_listen_at(AT_FDCWD, f->socket, SOCK_STREAM, 0600);
	const Pb__Task__DeleteResponse *m = NULL;
	struct stat st;

	assert_true(fd >= 0);
	put_address(f);
	assert_ok(run(f, "c1", &m));
	assert_ok(stat(f->socket, &st));
	close(fd);
	assert_ok(run(f, "c1", &m));
	assert_int_equal(stat(f->socket, &st), -1);
	assert_ok(run(f, "c1", &m));
	/* Whatever else stands there is not ours. */
	fd = open(f->socket, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	close(fd);
	assert_ok(run(f, "c1", &m));
	assert_ok(stat(f->socket, &st));
	teardown(f);
}

TEST(bad_ids_are_refused_before_anything_is_touched)
{
	struct fixture *f = setup();
	const Pb__Task__DeleteResponse *m = NULL;

	assert_int_equal(run(f, "../c1", &m), -EINVAL);
	assert_text_has(f->err.text, "'../c1'");
	assert_int_equal(run(f, "", &m), -EINVAL);
	teardown(f);
}
