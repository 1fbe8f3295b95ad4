/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "base/mem.h"

static bool cloexec(int fd)
{
	return fcntl(fd, F_GETFD) & FD_CLOEXEC;
}

TEST(open_is_cloexec_and_returns_negative_errno)
{
	int fd = fd_open("/dev/null", O_RDWR, 0);

	assert_true(fd >= 0 && cloexec(fd));
	errno = 12345;
	assert_int_equal(fd_close(fd), -EBADF);
	assert_int_equal(fd_close(fd), -EBADF);
	assert_int_equal(fd_close(-1), -EBADF);
	assert_int_equal(errno, 12345);
	assert_int_equal(fd_open("/nonexistent/x", O_RDONLY, 0), -ENOENT);
}

TEST(read_file_takes_exactly_the_limit)
{
	struct test_tmpdir t = test_tmpdir();
	char *data = NULL;
	size_t size = 0;
	int fd = fd_open_at(t.fd, "f", O_RDWR | O_CREAT, 0600);

	assert_ok(fd_write_full(fd, "0123456789", 10));
	assert_ok(fd_read_file_at(t.fd, "f", 10, &data, &size));
	assert_int_equal(size, 10);
	assert_string_equal(data, "0123456789");
	free(data);
	data = NULL;
	assert_int_equal(fd_read_file_at(t.fd, "f", 9, &data, &size), -EFBIG);
	assert_int_equal(fd_read_file_at(t.fd, "f", 0, &data, &size), -EFBIG);
	assert_null(data);
	assert_int_equal(fd_read_file_at(t.fd, "g", 9, &data, NULL), -ENOENT);
	assert_ok(ftruncate(fd, 0));
	assert_ok(fd_read_file_at(t.fd, "f", 0, &data, NULL));
	assert_string_equal(data, "");
	free(data);
	close(fd);
	test_tmpdir_remove(&t);
}

TEST(read_file_reads_procfs_and_pipes_to_their_end)
{
	char *data = NULL, chunk[3000];
	size_t size = 0;
	int p[2];

	assert_ok(fd_read_file_at(AT_FDCWD, "/proc/self/maps", 1 << 20, &data, &size));
	assert_true(size > 1000 && strlen(data) == size);
	free(data);
	assert_ok(pipe2(p, O_CLOEXEC));
	memset(chunk, 'c', sizeof(chunk));
	for (int i = 0; i < 5; i++)
		assert_ok(fd_write_full(p[1], chunk, sizeof(chunk)));
	close(p[1]);
	assert_ok(fd_read_file(p[0], 15000, &data, &size));
	assert_int_equal(size, 15000);
	free(data);
	close(p[0]);
}

TEST(full_read_is_short_only_at_the_end)
{
	char data[8];
	int p[2];

	assert_ok(pipe2(p, O_CLOEXEC));
	assert_ok(fd_write_full(p[1], "ab", 2));
	assert_ok(fd_write_full(p[1], "cd", 2));
	assert_int_equal(fd_read_full(p[0], data, 3), 3);
	close(p[1]);
	assert_int_equal(fd_read_full(p[0], data, 8), 1);
	assert_int_equal(fd_read_full(p[0], data, 8), 0);
	close(p[0]);
	assert_int_equal(fd_read_full(-1, data, 8), -EBADF);
}

TEST(write_file_needs_an_existing_file)
{
	struct test_tmpdir t = test_tmpdir();
	char *data;

	assert_int_equal(fd_write_file_at(t.fd, "f", "x"), -ENOENT);
	close(fd_open_at(t.fd, "f", O_CREAT | O_WRONLY, 0600));
	assert_ok(fd_write_file_at(t.fd, "f", "max"));
	assert_ok(fd_read_file_at(t.fd, "f", 100, &data, NULL));
	assert_string_equal(data, "max");
	free(data);
	test_tmpdir_remove(&t);
}

TEST(memfd_is_sealed_and_at_its_start)
{
	char data[8] = { 0 };
	int fd = fd_memfd("test", "hello", 5);

	assert_true(fd >= 0 && cloexec(fd));
	assert_int_equal(fd_read_full(fd, data, 8), 5);
	assert_string_equal(data, "hello");
	assert_int_equal(write(fd, "x", 1), -1);
	assert_int_equal(ftruncate(fd, 1), -1);
	assert_int_equal(ftruncate(fd, 100), -1);
	assert_int_equal(
		fcntl(fd, F_GET_SEALS) & (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL),
		F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	close(fd);
}

TEST(only_the_program_memfd_can_be_executed)
{
	static const char script[] = "#!/bin/sh\nexit 7\n";
	char path[32];
	int fd = fd_memfd_exec("test", script, sizeof(script) - 1);
	int status = 0;
	pid_t pid;

	assert_true(fd >= 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	/* The interpreter opens the script again, so it must survive the execve. */
	assert_ok(fd_set_cloexec(fd, false));
	pid = fork();
	if (pid == 0) {
		execl(path, "x", (char *)NULL);
		_exit(99);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 7);
	close(fd);
}

TEST(a_file_that_others_name_must_be_a_file)
{
	struct test_tmpdir dir = test_tmpdir();
	auto_free char *data = NULL;
	size_t size;

	assert_ok(mkfifoat(dir.fd, "fifo", 0600));
	assert_int_equal(fd_read_regular_at(dir.fd, "fifo", 100, &data, &size), -EINVAL);
	assert_int_equal(fd_read_regular_at(dir.fd, ".", 100, &data, &size), -EISDIR);
	assert_int_equal(fd_read_regular_at(AT_FDCWD, "/dev/zero", 100, &data, &size), -EINVAL);
	assert_int_equal(fd_read_regular_at(dir.fd, "none", 100, &data, &size), -ENOENT);
	assert_ok(fd_read_regular_at(AT_FDCWD, "/proc/self/stat", 4096, &data, &size));
	assert_true(size > 0);
	test_tmpdir_remove(&dir);
}

TEST(messages_carry_fds_and_surplus_is_closed)
{
	int sv[2], null = fd_open("/dev/null", O_RDONLY, 0), send[3] = { null, null, null },
		   got[2] = { -1, -1 };
	size_t n = 2, before, after;
	char data[8];

	assert_ok(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv));
	before = test_open_fds();
	assert_ok(fd_send(sv[0], "msg", 3, send, 3));
	assert_int_equal(fd_recv(sv[1], data, sizeof(data), got, &n, 0), 3);
	assert_int_equal(n, 2);
	assert_true(cloexec(got[0]) && cloexec(got[1]));
	after = test_open_fds();
	assert_int_equal(after, before + 2);
	close(got[0]);
	close(got[1]);
	/* No room offered at all. */
	assert_ok(fd_send(sv[0], "msg", 3, send, 3));
	assert_int_equal(fd_recv(sv[1], data, sizeof(data), NULL, NULL, 0), 3);
	assert_int_equal(test_open_fds(), before);
	/* A message that does not fit is refused and its fds do not stay. */
	n = 2;
	assert_ok(fd_send(sv[0], "0123456789", 10, send, 2));
	assert_int_equal(fd_recv(sv[1], data, sizeof(data), got, &n, 0), -EBADMSG);
	assert_int_equal(test_open_fds(), before);
	close(sv[0]);
	n = 2;
	assert_int_equal(fd_recv(sv[1], data, sizeof(data), got, &n, 0), 0);
	assert_int_equal(n, 0);
	/* No SIGPIPE. */
	assert_int_equal(fd_send(sv[1], "x", 1, NULL, 0), -EPIPE);
	close(sv[1]);
	close(null);
}

TEST(many_fds_fit_one_message)
{
	int sv[2], null = fd_open("/dev/null", O_RDONLY, 0), send[254], got[253];
	size_t n = 253;
	char c;

	for (int i = 0; i < 254; i++)
		send[i] = null;
	assert_ok(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv));
	assert_int_equal(fd_send(sv[0], "x", 1, send, 254), -EINVAL);
	assert_ok(fd_send(sv[0], "x", 1, send, 253));
	assert_int_equal(fd_recv(sv[1], &c, 1, got, &n, 0), 1);
	assert_int_equal(n, 253);
	for (size_t i = 0; i < n; i++)
		close(got[i]);
	close(sv[0]);
	close(sv[1]);
	close(null);
}

TEST(stdio_is_filled_up)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		close(0);
		close(2);
		if (fd_ensure_stdio() < 0 || fcntl(0, F_GETFD) != 0 || fcntl(2, F_GETFD) != 0)
			_exit(1);
		_exit(fd_open("/dev/null", O_RDONLY, 0) > 2 ? 0 : 2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

TEST(all_are_closed_and_nothing_between_them)
{
	int at[7], closed[6];

	for (int i = 0; i < 7; i++)
		assert_int_equal(at[i] = fcntl(0, F_DUPFD_CLOEXEC, 600 + i), 600 + i);
	memcpy(closed, (int[]){ at[5], -EBADF, at[0], at[1], at[6], at[3] }, sizeof(closed));
	fd_close_all(closed, 6);
	for (int i = 0; i < 7; i++)
		assert_int_equal(is_open(at[i]), i == 2 || i == 4);
	close(at[2]);
	close(at[4]);
	fd_close_all(closed, 0);
}

TEST(what_is_spent_is_closed_later_or_when_there_is_no_room)
{
	struct fd_spent s = { .n = 0 };
	int first = fcntl(0, F_DUPFD_CLOEXEC, 600), fd = first;

	fd_spend(&s, -EBADF);
	assert_int_equal(s.n, 0);
	fd_spend(&s, first);
	assert_true(is_open(first));
	for (size_t i = 1; i <= sizeof(s.fd) / sizeof(s.fd[0]); i++)
		fd_spend(&s, fd = fcntl(0, F_DUPFD_CLOEXEC, 600));
	assert_false(is_open(first));
	assert_true(is_open(fd));
	errno = ENOTTY;
	fd_spent_close(&s);
	assert_int_equal(errno, ENOTTY);
	assert_false(is_open(fd));
	assert_int_equal(s.n, 0);
	fd_spent_close(NULL);
	fd = fcntl(0, F_DUPFD_CLOEXEC, 600);
	fd_spend(NULL, fd);
	assert_false(is_open(fd));
}

TEST(flags_go_on_and_off)
{
	int p[2];
	char c;

	assert_ok(pipe2(p, O_CLOEXEC));
	assert_ok(fd_set_nonblock(p[0], true));
	assert_int_equal(read(p[0], &c, 1), -1);
	assert_int_equal(errno, EAGAIN);
	assert_ok(fd_set_nonblock(p[0], false));
	assert_false(fcntl(p[0], F_GETFL) & O_NONBLOCK);
	assert_ok(fd_set_cloexec(p[0], false));
	assert_false(cloexec(p[0]));
	assert_ok(fd_set_cloexec(p[0], true));
	assert_true(cloexec(p[0]));
	close(p[0]);
	close(p[1]);
	assert_int_equal(fd_set_nonblock(-1, true), -EBADF);
}

TEST(unix_sockets_at_long_paths)
{
	struct test_tmpdir t = test_tmpdir();
	char deep[400], path[600];
	int dirfd, listener, client, server;
	struct stat st;
	mode_t mask = umask(077);

	memset(deep, 'd', 150);
	deep[150] = 0;
	assert_ok(mkdirat(t.fd, deep, 0700));
	dirfd = openat(t.fd, deep, O_PATH | O_DIRECTORY | O_CLOEXEC);
	listener = fd_unix_listen_at(dirfd, "s", SOCK_STREAM, 0660);
	assert_true(listener >= 0 && cloexec(listener));
	assert_ok(fstatat(dirfd, "s", &st, 0));
	assert_int_equal(st.st_mode & 0777, 0660);
	assert_int_equal(fd_unix_listen_at(dirfd, "s", SOCK_STREAM, 0600), -EADDRINUSE);
	snprintf(path, sizeof(path), "%s/%s/s", t.path, deep);
	client = fd_unix_connect(path, SOCK_STREAM);
	assert_true(client >= 0 && cloexec(client));
	server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_ok(fd_send(client, "hi", 2, NULL, 0));
	assert_int_equal(fd_recv(server, path, 10, NULL, NULL, 0), 2);
	close(server);
	close(client);
	client = fd_unix_connect_at(dirfd, "s", SOCK_STREAM);
	assert_true(client >= 0);
	close(client);
	close(listener);
	assert_int_equal(fd_unix_connect_at(dirfd, "s", SOCK_STREAM), -ECONNREFUSED);
	assert_int_equal(fd_unix_connect_at(dirfd, "none", SOCK_STREAM), -ENOENT);
	assert_int_equal(fd_unix_connect_at(dirfd, deep, SOCK_STREAM), -ENAMETOOLONG);
	assert_int_equal(fd_unix_connect("", SOCK_STREAM), -EINVAL);
	close(dirfd);
	umask(mask);
	test_tmpdir_remove(&t);
}
