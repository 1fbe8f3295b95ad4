/* SPDX-License-Identifier: Apache-2.0 */
/* What a container that shares the pid namespace of a sandbox finds in the sandbox's own process: nothing. */
#include "test.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "base/pidref.h"
#include "base/str.h"
#include "container/sandbox_ns.h"

static int hold(struct pidref *ret)
{
	const struct sandbox_ns none = SANDBOX_NS_NULL;
	struct err err = { 0 };

	if (geteuid() != 0)
		test_skip("needs root to make namespaces");
	*ret = PIDREF_NULL;
	assert_ok(sandbox_ns_hold(&none, true, false, ret, &err));
	return ret->pid;
}

static void end(struct pidref *ref)
{
	int status;

	assert_ok(pidref_kill(ref, SIGTERM));
	assert_int_equal(waitpid(ref->pid, &status, 0), ref->pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	pidref_done(ref);
}

/* The value of a field of /proc/PID/status. */
static void status_field(pid_t pid, const char *name, char out[64])
{
	char path[64], line[256];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "re");
	assert_non_null(f);
	*out = '\0';
	while (fgets(line, sizeof(line), f))
		if (str_starts(line, name) && line[strlen(name)] == ':')
			snprintf(out, 64, "%.63s", line + strlen(name) + 2);
	out[strcspn(out, "\n")] = '\0';
	fclose(f);
}

/* The filter is the last thing that it sets up. */
static void wait_ready(pid_t pid)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	char text[64];

	for (int i = 0; i < 10000; i++) {
		status_field(pid, "Seccomp", text);
		if (strcmp(text, "2") == 0)
			return;
		nanosleep(&pause, NULL);
	}
	fail_msg("Seccomp: %s", text);
}

TEST(its_root_is_an_empty_directory_without_a_way_up)
{
	static const char *const names[] = { "root", "cwd" };
	struct pidref ref;
	pid_t pid = hold(&ref);
	struct stat st;
	char path[64];
	int fd;

	wait_ready(pid);
	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "/proc/%d/%s", pid, names[i]);
		fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
		assert_true(fd >= 0);
		assert_int_equal(fstatat(fd, "etc", &st, 0), -1);
		assert_int_equal(fstatat(fd, "../../../../etc", &st, 0), -1);
		assert_int_equal(fstatat(fd, "../../../../proc", &st, 0), -1);
		close(fd);
	}
	snprintf(path, sizeof(path), "/proc/%d/mountinfo", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_in_range(read(fd, path, 1), 1, 1);
	close(fd);
	end(&ref);
}

TEST(it_has_no_capability_and_few_system_calls)
{
	struct pidref ref;
	pid_t pid = hold(&ref);
	char text[64], path[64];

	wait_ready(pid);
	status_field(pid, "CapPrm", text);
	assert_string_equal(text, "0000000000000000");
	status_field(pid, "CapEff", text);
	assert_string_equal(text, "0000000000000000");
	status_field(pid, "NoNewPrivs", text);
	assert_string_equal(text, "1");
	for (int fd = 0; fd < 64; fd++) {
		struct stat st;

		snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, fd);
		assert_int_equal(stat(path, &st) == 0, fd < 3);
	}
	end(&ref);
}
