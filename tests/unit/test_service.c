/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "base/service.h"

TEST(the_manager_is_told)
{
	struct test_tmpdir dir = test_tmpdir();
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	socklen_t size = sizeof(a.sun_family); /* the kernel finds a name */
	char path[128], abstract[128], got[64] = "";
	int sock = fd_unix_listen_at(dir.fd, "n", SOCK_DGRAM, 0600);
	int other = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_true(sock >= 0 && other >= 0);
	snprintf(path, sizeof(path), "%s/n", dir.path);
	assert_ok(service_notify(path, "READY=1\nMAINPID=7"));
	assert_int_equal(recv(sock, got, sizeof(got) - 1, MSG_DONTWAIT), 17);
	assert_string_equal(got, "READY=1\nMAINPID=7");

	assert_ok(bind(other, (struct sockaddr *)&a, size));
	size = sizeof(a);
	assert_ok(getsockname(other, (struct sockaddr *)&a, &size));
	snprintf(abstract, sizeof(abstract), "@%s", a.sun_path + 1);
	memset(got, 0, sizeof(got));
	assert_ok(service_notify(abstract, "STOPPING=1"));
	assert_int_equal(recv(other, got, sizeof(got) - 1, MSG_DONTWAIT), 10);
	assert_string_equal(got, "STOPPING=1");

	assert_ok(service_notify(NULL, "X=1"));
	assert_ok(service_notify("", "X=1"));
	assert_int_equal(service_notify("relative", "X=1"), -EINVAL);
	assert_int_equal(service_notify("/nobody/there", "X=1"), -ENOENT);
	close(sock);
	close(other);
	test_tmpdir_remove(&dir);
}

TEST(a_stream_to_the_journal_is_known)
{
	struct stat st;
	char stream[64];
	int p[2];

	assert_ok(pipe2(p, O_CLOEXEC));
	assert_ok(fstat(p[1], &st));
	snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev,
		(unsigned long long)st.st_ino);
	assert_true(service_is_journal(stream, p[1]));
	assert_false(service_is_journal(stream, STDIN_FILENO));
	assert_false(service_is_journal(NULL, p[1]));
	assert_false(service_is_journal("", p[1]));
	assert_false(service_is_journal("1", p[1]));
	snprintf(stream, sizeof(stream), "%llu:%llux", (unsigned long long)st.st_dev,
		(unsigned long long)st.st_ino);
	assert_false(service_is_journal(stream, p[1]));
	close(p[0]);
	close(p[1]);
}

TEST(the_watchdog_is_ours_or_not)
{
	char us[16], other[16];

	snprintf(us, sizeof(us), "%d", getpid());
	snprintf(other, sizeof(other), "%d", getpid() + 1);
	assert_int_equal(service_watchdog_ns("30000000", us), 30000000000);
	assert_int_equal(service_watchdog_ns("30000000", NULL), 30000000000);
	assert_int_equal(service_watchdog_ns("30000000", other), 0);
	assert_int_equal(service_watchdog_ns(NULL, us), 0);
	assert_int_equal(service_watchdog_ns("x", us), 0);
	assert_int_equal(service_watchdog_ns("18446744073709551615", us), 0);
}

/* What is passed begins at 3, where the test has fds of its own: a child of it. */
static int passed_fds(int sock)
{
	int fds[2] = { -1, -1 };
	char us[16], n[] = "2";
	size_t got = 7;

	snprintf(us, sizeof(us), "%d", getpid());
	if (dup2(sock, 40) != 40 || dup2(40, 3) != 3 || dup2(40, 4) != 4)
		return 1;
	if (service_take_fds("1", n, fds, 2, &got) != 0 || got != 0)
		return 2;
	if (service_take_fds(us, NULL, fds, 2, &got) != 0 || got != 0)
		return 3;
	if (service_take_fds(us, n, fds, 1, &got) != -E2BIG || got != 2 || fcntl(3, F_GETFD) != 0)
		return 4;
	if (service_take_fds(us, n, fds, 2, &got) != 0 || got != 2 || fds[0] < 10 || fds[1] < 10)
		return 5;
	if (fcntl(3, F_GETFD) >= 0 || fcntl(4, F_GETFD) >= 0)
		return 6;
	return fcntl(fds[1], F_GETFD) == FD_CLOEXEC ? 0 : 7;
}

TEST(passed_sockets_are_taken)
{
	struct test_tmpdir dir = test_tmpdir();
	char path[128];
	int sock = fd_unix_listen_at(dir.fd, "s", SOCK_STREAM, 0600);
	int other = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int status;
	pid_t pid;

	assert_true(sock >= 0 && other >= 0);
	pid = fork();
	if (pid == 0)
		_exit(passed_fds(sock));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);

	snprintf(path, sizeof(path), "%s/s", dir.path);
	assert_false(service_listens_at(sock, path)); /* bound by another name of the directory */
	assert_false(service_listens_at(other, path));
	assert_false(service_listens_at(STDIN_FILENO, path));
	close(sock);
	test_tmpdir_remove(&dir);
	dir = test_tmpdir();
	{
		struct sockaddr_un a = { .sun_family = AF_UNIX };

		snprintf(a.sun_path, sizeof(a.sun_path), "%s/s", dir.path);
		snprintf(path, sizeof(path), "%s/s", dir.path);
		assert_ok(bind(other, (struct sockaddr *)&a, sizeof(a)));
	}
	assert_false(service_listens_at(other, path));
	assert_ok(listen(other, 1));
	assert_true(service_listens_at(other, path));
	assert_false(service_listens_at(other, "/x"));
	close(other);
	test_tmpdir_remove(&dir);
}
