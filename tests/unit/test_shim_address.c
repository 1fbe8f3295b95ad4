/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

#include "base/fd.h"
#include "base/mem.h"
#include "shim/address.h"
#include "supervisor/group.h"

TEST(the_name_is_the_hash_that_others_compute)
{
	char name[SHA256_HEX_SIZE], want[SHA256_HEX_SIZE];
	static const char key[] = "/run/containerd/containerd.sock/k8s.io/abc";

	assert_ok(
		group_socket_name("/run/containerd/containerd.sock", "k8s.io", "abc", name, NULL));
	assert_string_equal(name, sha256_hex(key, strlen(key), want));
	/* Joined and cleaned, as Go does. */
	assert_ok(group_socket_name(
		"/run/containerd//./containerd.sock/", "k8s.io", "abc", name, NULL));
	assert_string_equal(name, want);
	assert_ok(
		group_socket_name("/run/containerd/containerd.sock", "k8s.io", "abd", name, NULL));
	assert_string_not_equal(name, want);
}

TEST(the_name_of_one_known_group)
{
	char name[SHA256_HEX_SIZE];

	/* printf /run/containerd/containerd.sock/default/test | sha256sum */
	assert_ok(group_socket_name(
		"/run/containerd/containerd.sock", "default", "test", name, NULL));
	assert_string_equal(
		name, "cfa94b04d543b3f64f78eff8125c7a7cd0903173f673d87367be72ff09fc92c2");
}

TEST(the_directory_is_made_and_must_be_ours)
{
	struct test_tmpdir tmp = test_tmpdir();
	char dir[ADDRESS_PATH_SIZE], wanted[200], big[200];
	struct err err = { 0 };
	struct stat st;

	snprintf(wanted, sizeof(wanted), "%s/a/s", tmp.path);
	assert_ok(address_dir(wanted, NULL, dir, NULL));
	assert_string_equal(dir, wanted);
	assert_ok(stat(wanted, &st));
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_ok(address_dir(wanted, NULL, dir, NULL));
	assert_ok(chmod(wanted, 0711)); /* as older shims of another make leave it */
	assert_ok(address_dir(wanted, NULL, dir, NULL));
	assert_ok(chmod(wanted, 0777));
	assert_int_equal(address_dir(wanted, NULL, dir, &err), -EPERM);
	assert_text_has(err.text, wanted);
	assert_int_equal(address_dir("relative", NULL, dir, &err), -EINVAL);
	memset(big, 'x', sizeof(big));
	big[0] = '/';
	big[43] = '\0';
	assert_int_equal(address_dir(big, NULL, dir, &err), -ENAMETOOLONG);
	big[43] = 'x';
	big[199] = '\0';
	assert_int_equal(address_dir(big, NULL, dir, &err), -ENAMETOOLONG);
	assert_int_equal(symlinkat("a", tmp.fd, "link"), 0);
	snprintf(wanted, sizeof(wanted), "%s/link", tmp.path);
	assert_true(address_dir(wanted, NULL, dir, &err) < 0);
	test_tmpdir_remove(&tmp);
}

TEST(one_binds_and_the_next_joins)
{
	struct test_tmpdir tmp = test_tmpdir();
	char path[ADDRESS_PATH_SIZE], again[ADDRESS_PATH_SIZE];
	struct address_own own;
	struct stat st;
	int first, second, c;

	assert_ok(address_bind(tmp.path, "n", &first, path, NULL));
	assert_true(first >= 0);
	assert_ok(stat(path, &st));
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_true(fcntl(first, F_GETFD) & FD_CLOEXEC);
	assert_ok(address_bind(tmp.path, "n", &second, again, NULL));
	assert_int_equal(second, -EBADF);
	assert_string_equal(path, again);
	c = fd_unix_connect(path, SOCK_STREAM);
	assert_true(c >= 0); /* listens already */
	close(c);
	assert_ok(address_of_fd(first, &own));
	assert_string_equal(own.path, path);
	/* Dead: taken over, and the first one must not remove what is not its own any more. */
	close(first);
	assert_ok(address_bind(tmp.path, "n", &second, again, NULL));
	assert_true(second >= 0);
	own.ino = ~own.ino; /* the file system may give the same number again, or the next */
	assert_ok(address_unlink(&own, NULL));
	assert_ok(stat(path, &st));
	assert_ok(address_of_fd(second, &own));
	assert_ok(address_unlink(&own, NULL));
	assert_int_equal(stat(path, &st), -1);
	assert_ok(address_unlink(&own, NULL));
	close(second);
	test_tmpdir_remove(&tmp);
}

TEST(a_server_with_a_full_backlog_is_alive)
{
	struct test_tmpdir tmp = test_tmpdir();
	char path[ADDRESS_PATH_SIZE];
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), c[8], joined;
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	snprintf(a.sun_path, sizeof(a.sun_path), "%s/n", tmp.path);
	assert_ok(bind(fd, (struct sockaddr *)&a, sizeof(a)));
	assert_ok(listen(fd, 1));
	for (size_t i = 0; i < ARRAY_LEN(c); i++)
		c[i] = fd_unix_connect(a.sun_path, SOCK_STREAM | SOCK_NONBLOCK);
	assert_int_equal(c[7], -EAGAIN);
	assert_ok(address_bind(tmp.path, "n", &joined, path, NULL));
	assert_int_equal(joined, -EBADF);
	for (size_t i = 0; i < ARRAY_LEN(c); i++)
		fd_close(c[i]);
	close(fd);
	test_tmpdir_remove(&tmp);
}

TEST(names_change_under_the_lock_of_the_directory)
{
	struct test_tmpdir tmp = test_tmpdir();
	int dirfd = open(tmp.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), status;
	pid_t pid;

	assert_ok(flock(dirfd, LOCK_EX));
	pid = fork();
	if (pid == 0) {
		char path[ADDRESS_PATH_SIZE];
		int fd;

		close(dirfd);
		_exit(address_bind(tmp.path, "n", &fd, path, NULL) < 0);
	}
	assert_true(pid > 0);
	for (int i = 0; i < 20; i++) {
		nanosleep(&(struct timespec){ 0, 2000000 }, NULL);
		assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
		assert_int_equal(faccessat(tmp.fd, "n", F_OK, 0), -1);
	}
	close(dirfd);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	test_tmpdir_remove(&tmp);
}

TEST(of_many_that_start_at_once_over_a_stale_socket_one_wins)
{
	struct test_tmpdir tmp = test_tmpdir();
	char path[ADDRESS_PATH_SIZE];
	int wins = 0, stale, gate[2], status, hold[2];
	pid_t pids[12];
	char byte;

	assert_ok(address_bind(tmp.path, "n", &stale, path, NULL));
	close(stale);
	assert_ok(pipe2(gate, O_CLOEXEC));
	assert_ok(pipe2(hold, O_CLOEXEC));
	for (size_t i = 0; i < ARRAY_LEN(pids); i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			int fd = -EBADF, r;

			close(gate[1]);
			close(hold[1]);
			if (read(gate[0], &byte, 1) != 0)
				_exit(9);
			r = address_bind(tmp.path, "n", &fd, path, NULL);
			if (r == 0 && fd >= 0 && write(STDERR_FILENO, "", 0) == 0)
				(void)!read(hold[0], &byte, 1); /* a server lives on */
			_exit(r < 0 ? 2 : fd >= 0);
		}
		assert_true(pids[i] > 0);
	}
	close(gate[0]);
	close(gate[1]); /* go */
	close(hold[0]);
	for (size_t n = 0; n < ARRAY_LEN(pids) - 1; n++) {
		pid_t pid = waitpid(-1, &status, 0); /* all but the winner end by themselves */

		assert_true(pid > 0);
		assert_int_equal(status, 0);
	}
	close(hold[1]);
	assert_true(waitpid(-1, &status, 0) > 0);
	wins = WEXITSTATUS(status);
	assert_int_equal(wins, 1);
	test_tmpdir_remove(&tmp);
}

static char *group(struct test_tmpdir *tmp, const char *config, struct err *err)
{
	char *out = NULL;
	int fd = openat(tmp->fd, "config.json", O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);

	assert_int_equal(write(fd, config, strlen(config)), (ssize_t)strlen(config));
	close(fd);
	return group_read(tmp->fd, "self", &out, err) < 0 ? NULL : out;
}

TEST(annotations_make_groups)
{
	static const struct {
		const char *config, *group;
	} rows[] = {
		{ "{\"ociVersion\":\"1.0.2\"}", "self" },
		{ "{\"ociVersion\":\"1.0.2\",\"annotations\":{\"a\":\"b\"}}", "self" },
		{ "{\"ociVersion\":\"1.0.2\",\"annotations\":{\"io.kubernetes.cri.sandbox-id\":"
		  "\"p1\"}}",
			"p1" },
		{ "{\"ociVersion\":\"1.0.2\",\"annotations\":{\"io.kubernetes.cri.sandbox-id\":"
		  "\"p1\","
		  "\"io.containerd.runc.v2.group\":\"g\"}}",
			"g" },
		{ "{\"ociVersion\":\"1.0.2\",\"annotations\":{\"io.kubernetes.cri.sandbox-id\":"
		  "\"\"}}",
			"self" },
		{ "{\"ociVersion\":\"1.0.2\",\"hostname\":\"io.kubernetes.cri.sandbox-id\"}",
			"self" },
	};
	struct test_tmpdir tmp = test_tmpdir();
	struct err err = { 0 };
	char *g = NULL;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		g = group(&tmp, rows[i].config, &err);
		assert_non_null(g);
		assert_string_equal(g, rows[i].group);
		free(g);
	}
	assert_null(group(&tmp, "{\"annotations\":{\"io.kubernetes.cri.sandbox-id\":", &err));
	assert_text_has(err.text, "config.json");
	assert_ok(unlinkat(tmp.fd, "config.json", 0));
	/* A sandbox runs nothing: its bundle has none. */
	assert_ok(group_read(tmp.fd, "self", &g, &err));
	assert_string_equal(g, "self");
	free(g);
	test_tmpdir_remove(&tmp);
}
