/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/kernel.h"
#include "base/mem.h"
#include "base/pidref.h"

static pid_t sleeper(void)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		for (;;)
			pause();
	return pid;
}

static void wait_exited(const struct pidref *p)
{
	struct pollfd poll_fd = { .fd = p->fd, .events = POLLIN };

	assert_int_equal(poll(&poll_fd, 1, test_ms(10000)), 1);
}

TEST(a_running_process_has_an_identity)
{
	auto_done(pidref) struct pidref p = PIDREF_NULL;
	uint64_t start;

	assert_ok(pidref_open(getpid(), &p));
	assert_int_equal(p.pid, getpid());
	assert_true(fcntl(p.fd, F_GETFD) & FD_CLOEXEC);
	assert_ok(pidref_read_start_time(getpid(), &start));
	assert_true(start > 0 && (p.inode || p.start_time == start));
	assert_false(pidref_exited(&p));
	assert_ok(pidref_kill(&p, 0));
}

TEST(two_processes_differ_and_one_is_the_same_twice)
{
	struct pidref a, b, again;
	pid_t pid = sleeper();
	uint64_t start;

	assert_ok(pidref_open(getpid(), &a));
	assert_ok(pidref_open(pid, &b));
	assert_ok(pidref_reopen(pid, b.inode, b.start_time, &again));
	assert_int_equal(again.inode, b.inode);
	pidref_done(&again);
	if (b.inode) {
		assert_true(a.inode != b.inode);
		/* The inode decides when both are known. */
		assert_ok(pidref_reopen(pid, b.inode, 0, &again));
		pidref_done(&again);
		assert_int_equal(pidref_reopen(pid, b.inode + 1, b.start_time, &again), -ESRCH);
	}
	assert_ok(pidref_read_start_time(pid, &start));
	assert_ok(pidref_reopen(pid, 0, start, &again));
	pidref_done(&again);
	assert_int_equal(pidref_reopen(pid, 0, start + 1, &again), -ESRCH);
	assert_int_equal(pidref_reopen(pid, 0, 0, &again), -ESRCH);
	assert_ok(pidref_kill(&b, SIGKILL));
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	pidref_done(&a);
	pidref_done(&b);
	pidref_done(&b);
	pidref_done(NULL);
}

TEST(a_zombie_is_exited_and_still_itself)
{
	struct pidref p, again;
	pid_t pid = sleeper();

	assert_ok(pidref_open(pid, &p));
	assert_ok(pidref_kill(&p, SIGKILL));
	wait_exited(&p);
	assert_true(pidref_exited(&p));
	assert_ok(pidref_reopen(pid, p.inode, p.start_time, &again));
	assert_true(pidref_exited(&again));
	pidref_done(&again);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(pidref_kill(&p, SIGKILL), -ESRCH);
	assert_true(pidref_exited(&p));
	assert_int_equal(pidref_reopen(pid, p.inode, p.start_time, &again), -ESRCH);
	assert_int_equal(pidref_open(pid, &again), -ESRCH);
	pidref_done(&p);
}

TEST(nobody_is_not_a_process)
{
	struct pidref p = PIDREF_NULL, zero = { 0 };

	assert_int_equal(pidref_open(0, &p), -ESRCH);
	assert_int_equal(pidref_open(-1, &p), -ESRCH);
	assert_int_equal(pidref_take(0, -1, &p), -EINVAL);
	assert_true(pidref_exited(&p));
	assert_int_equal(pidref_kill(&p, 0), -ESRCH);
	/* Done with a zeroed struct must leave stdin alone. */
	pidref_done(&zero);
	assert_true(fcntl(0, F_GETFD) >= 0 || errno != EBADF);
}

TEST(a_nasty_name_does_not_move_the_fields)
{
	uint64_t before, after;

	assert_ok(pidref_read_start_time(getpid(), &before));
	assert_ok(prctl(PR_SET_NAME, ") S 1 2 (\n 9)"));
	assert_ok(pidref_read_start_time(getpid(), &after));
	assert_true(before == after);
	assert_int_equal(pidref_read_start_time(0x3fffffff, &after), -ESRCH);
}

TEST(a_taken_pidfd_serves_after_the_process_was_reaped)
{
	struct pidref p, info_ref;
	struct kernel_pidfd_info info;
	pid_t pid = fork();
	int fd, r;

	if (pid == 0)
		_exit(7);
	fd = kernel_pidfd_open(pid, 0);
	assert_true(fd >= 0);
	info_ref = (struct pidref){ .pid = pid, .fd = fd };
	wait_exited(&info_ref);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_ok(pidref_take(pid, fd, &p));
	assert_true(p.start_time == 0);
	assert_true(pidref_exited(&p));
	r = kernel_pidfd_info(p.fd, KERNEL_PIDFD_INFO_EXIT, &info);
	/* From Linux 6.15 on; before, the ioctl or the answer is missing. */
	if (r == 0 && info.mask & KERNEL_PIDFD_INFO_EXIT)
		assert_int_equal(WEXITSTATUS(info.exit_code), 7);
	else
		printf("# no exit status by pidfd: %d\n", r);
	pidref_done(&p);
}
