/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The exit recorder with real processes, against waitpid (MGR-32, 36, 40, 41). Where the kernel or
 * our privileges do not permit it, each test checks that it is off and says so by name.
 *
 * Each recorder lives in a bpffs of its own, in mounts of our own: it is gone when we are.
 */
#include "test.h"

#include <linux/capability.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/kernel.h"
#include "base/mem.h"
#include "container/reaper.h"
#include "exit/recorder.h"
#include "exit/recorder_map.h"
#include "supervisor/recorder_load.h"

#define FIRST_PID_NS 0xeffffffcu
#define TEXT_OF(n) #n
#define PIN_OF(n) RECORDER_LINK_PIN TEXT_OF(n)
#define LINK PIN_OF(RECORDER_PROGRAM_VERSION)

/* ---- the helper ---- */

static void helper_path(char path[PATH_MAX])
{
	char self[PATH_MAX - 64];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	assert_true(n > 0);
	self[n] = '\0';
	*strrchr(self, '/') = '\0';
	snprintf(path, PATH_MAX, "%s/reeve-helper", self);
	if (access(path, X_OK) < 0)
		snprintf(path, PATH_MAX, "%s/../../src/main/reeve-helper", self);
	assert_ok(access(path, X_OK));
}

static void drop_capabilities(unsigned int which)
{
	if (which & 1)
		prctl(PR_CAPBSET_DROP, CAP_BPF);
	if (which & 2)
		prctl(PR_CAPBSET_DROP, CAP_PERFMON);
	if (which & 4)
		prctl(PR_CAPBSET_DROP, CAP_SYS_ADMIN);
}

/* One order; without: capabilities by drop_capabilities(). */
static struct recorder_news order_without(
	unsigned int without, const char *word1, const char *word2)
{
	struct recorder_news n = { 0 };
	char path[PATH_MAX];
	int pair[2], status;
	pid_t pid;

	helper_path(path);
	assert_ok(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair));
	pid = fork();
	if (pid == 0) {
		drop_capabilities(without);
		dup2(pair[1], STDIN_FILENO);
		execl(path, path, "recorder", word1, word2, NULL);
		_exit(127);
	}
	close(pair[1]);
	assert_int_equal(recv(pair[0], &n, sizeof(n), 0), sizeof(n));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, n.code < 0 ? 0x100 : 0);
	assert_true((n.code < 0) == (n.text[0] != '\0'));
	close(pair[0]);
	return n;
}

static struct recorder_news order(const char *dir, const char *word)
{
	char first[160];

	snprintf(first, sizeof(first), "dir=%s", dir);
	return order_without(0, first, word);
}

/* ---- a recorder ---- */

struct place {
	struct test_tmpdir tmp;
	char dir[128];
	struct exit_recorder r;
	struct recorder_news news;
};

static void own_mounts(void)
{
	static bool done;

	if (done || geteuid() != 0)
		return;
	if (unshare(CLONE_NEWNS) == 0)
		mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
	done = true;
}

static struct place place_plain(void)
{
	struct place p = { .tmp = test_tmpdir(), .r = EXIT_RECORDER_NULL };

	own_mounts();
	snprintf(p.dir, sizeof(p.dir), "%s/exits", p.tmp.path);
	return p;
}

static struct place place_made(const char *word)
{
	struct place p = place_plain();

	p.news = order(p.dir, word);
	exit_recorder_open(&p.r, p.dir);
	return p;
}

static void place_done(struct place *p)
{
	exit_recorder_done(&p->r);
	umount2(p->dir, MNT_DETACH);
	test_tmpdir_remove(&p->tmp);
}

static bool is_in_first_pid_ns(void)
{
	struct stat st;

	return stat("/proc/self/ns/pid", &st) == 0 && st.st_ino == FIRST_PID_NS;
}

static bool has_inodes(void)
{
	struct pidref self;
	bool has;

	assert_ok(pidref_open(getpid(), &self));
	has = self.inode != 0;
	pidref_done(&self);
	return has;
}

/* False: it is off, and all that there is to check is that this is said. */
static bool is_on(const struct place *p)
{
	struct pidref who = { .pid = 0x3ffffff0, .fd = -EBADF, .inode = 1, .start_time = 1 };
	char status[EXIT_RECORDER_STATUS_SIZE];
	struct exit_fate fate;

	exit_recorder_status(&p->r, status);
	if (exit_recorder_is_on(&p->r)) {
		assert_ok(p->news.code);
		assert_true(strncmp(status, "on (", 4) == 0);
		return true;
	}
	printf("# the exit recorder is %s\n", status);
	assert_true(p->news.code < 0 || (!has_inodes() && !is_in_first_pid_ns()));
	assert_true(strncmp(status, "off: ", 5) == 0);
	assert_true(p->r.off[0]);
	assert_text_has(status, "255");
	assert_ok(exit_recorder_arm(&p->r, &who, 1, NULL));
	assert_ok(exit_recorder_forget(&p->r, &who, NULL));
	assert_ok(exit_fate_of(&p->r, &who, &fate, NULL));
	assert_int_equal(fate.kind, EXIT_FATE_LOST);
	assert_int_equal(fate.info.wait_status, 255 << 8);
	assert_text_has(fate.reason, "lost: ");
	assert_text_has(fate.reason, p->r.off);
	return false;
}

/* ---- processes ---- */

/* What a process of the test does once it is released. */
struct deed {
	const char *name;
	void (*run)(int arg);
	int arg;
};

struct child {
	pid_t pid;
	struct pidref who;
	int gate;
};

static struct child child_make(const struct deed *d)
{
	struct child c = { 0 };
	int gate[2];
	char go;

	assert_ok(pipe2(gate, O_CLOEXEC));
	c.pid = fork();
	assert_true(c.pid >= 0);
	if (c.pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(gate[1]);
		if (read(gate[0], &go, 1) == 1)
			d->run(d->arg);
		_exit(199);
	}
	close(gate[0]);
	c.gate = gate[1];
	assert_ok(pidref_open(c.pid, &c.who));
	if (!c.who.start_time)
		assert_ok(pidref_read_start_time(c.pid, &c.who.start_time));
	return c;
}

static void child_release(struct child *c)
{
	assert_int_equal(write(c->gate, "g", 1), 1);
	close(c->gate);
}

static void child_await_zombie(const struct child *c)
{
	siginfo_t si;

	assert_ok(waitid(P_PID, (id_t)c->pid, &si, WEXITED | WNOWAIT));
}

static int child_reap(const struct child *c)
{
	int status;

	assert_int_equal(waitpid(c->pid, &status, 0), c->pid);
	return status;
}

static void leave(int code)
{
	syscall(SYS_exit_group, code);
}

static void die(int sig)
{
	struct rlimit none = { 0 };
	sigset_t all;

	setrlimit(RLIMIT_CORE, &none);
	signal(sig, SIG_DFL);
	sigfillset(&all);
	sigprocmask(SIG_UNBLOCK, &all, NULL);
	raise(sig);
	_exit(198);
}

/* With a core, where the machine takes them; in a directory that is gone with the test. */
static void dump(int sig)
{
	struct rlimit some = { .rlim_cur = 1 << 20, .rlim_max = 1 << 20 };

	if (chdir("/dev/shm") < 0)
		_exit(197);
	prctl(PR_SET_DUMPABLE, 1);
	setrlimit(RLIMIT_CORE, &some);
	signal(sig, SIG_DFL);
	raise(sig);
	_exit(198);
}

static void await_leader(void)
{
	char path[64], text[512];
	int fd;

	/* State Z: the leader is out of the way, whatever the scheduler thinks. */
	snprintf(path, sizeof(path), "/proc/%d/stat", getpid());
	for (;;) {
		ssize_t n;
		const char *p;

		fd = open(path, O_RDONLY | O_CLOEXEC);
		n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
		close(fd);
		if (n <= 0)
			_exit(196);
		text[n] = '\0';
		p = strrchr(text, ')');
		if (p && p[2] == 'Z')
			return;
		poll(NULL, 0, 1);
	}
}

static void *leave_after_leader(void *arg)
{
	await_leader();
	syscall(SYS_exit_group, (int)(intptr_t)arg);
	return NULL;
}

static void *end_after_leader(void *arg)
{
	await_leader();
	syscall(SYS_exit, (int)(intptr_t)arg);
	return NULL;
}

static void *die_after_leader(void *arg)
{
	await_leader();
	die((int)(intptr_t)arg);
	return NULL;
}

static void *exec_shell(void *arg)
{
	execl("/bin/sh", "sh", "-c", "exit 9", NULL);
	_exit(195);
}

static void *wait_for_ever(void *arg)
{
	for (;;)
		pause();
	return NULL;
}

static void start_thread(void *(*fn)(void *), int arg)
{
	pthread_t t;

	if (pthread_create(&t, NULL, fn, (void *)(intptr_t)arg) != 0)
		_exit(194);
}

static void leader_first_then_group(int code)
{
	start_thread(leave_after_leader, code);
	syscall(SYS_exit, 1);
}

static void leader_first_then_thread(int code)
{
	start_thread(end_after_leader, code);
	syscall(SYS_exit, 5);
}

static void leader_first_then_signal(int sig)
{
	start_thread(die_after_leader, sig);
	syscall(SYS_exit, 5);
}

static void thread_execs(int arg)
{
	start_thread(exec_shell, 0);
	wait_for_ever(NULL);
}

static void leave_with_threads(int code)
{
	for (int i = 0; i < 4; i++)
		start_thread(wait_for_ever, 0);
	syscall(SYS_exit_group, code);
}

static void *end_at_once(void *arg)
{
	syscall(SYS_exit, (int)(intptr_t)arg);
	return NULL;
}

/* All of them leave as they come, the leader between them: two may both see nobody else. */
static void all_leave_at_once(int code)
{
	for (int i = 0; i < 4; i++)
		start_thread(end_at_once, 60 + i);
	syscall(SYS_exit, code);
}

static void execs(int code)
{
	char text[16];

	snprintf(text, sizeof(text), "exit %d", code);
	execl("/bin/sh", "sh", "-c", text, NULL);
}

static const struct deed deeds[] = {
	{ "exits 0", leave, 0 },
	{ "exits 1", leave, 1 },
	{ "exits 42", leave, 42 },
	{ "exits 255", leave, 255 },
	{ "exits 256", leave, 256 },
	{ "executes a program that exits 17", execs, 17 },
	{ "dumps core", dump, SIGSEGV },
	{ "dumps core on request", dump, SIGQUIT },
	{ "exits with threads", leave_with_threads, 11 },
	{ "leader first, then the group exits 7", leader_first_then_group, 7 },
	{ "leader first, then the last thread exits 3", leader_first_then_thread, 3 },
	{ "leader first, then a signal", leader_first_then_signal, SIGTERM },
	{ "a thread executes a program", thread_execs, 0 },
	{ "all threads leave at once", all_leave_at_once, 21 },
};

/* ---- MGR-32 ---- */

/* Recorded when it ended and not when it was reaped; the same as wait(2) says. */
static void check_deed(const struct place *p, const struct deed *d)
{
	struct child c = child_make(d);
	uint64_t before, after;
	struct recorder_value v;
	int status;

	assert_ok(exit_recorder_arm(&p->r, &c.who, 77, NULL));
	assert_ok(exit_recorder_read(&p->r, &c.who, &v));
	assert_int_equal(v.state, RECORDER_ARMED);
	before = clock_boot_ns();
	child_release(&c);
	child_await_zombie(&c);
	after = clock_boot_ns();
	assert_ok(exit_recorder_read(&p->r, &c.who, &v));
	status = child_reap(&c);
	if (v.state != RECORDER_ENDED || v.wait_status != status)
		fail_msg("%s (%d): state %u, status %#x instead of %#x", d->name, d->arg, v.state,
			(unsigned int)v.wait_status, (unsigned int)status);
	assert_true(v.boot_ns >= before && v.boot_ns <= after);
	assert_int_equal(v.cookie, 77);
	assert_int_equal(v.flags, 0);
	if (is_in_first_pid_ns())
		assert_int_equal(v.tgid, c.pid);
	assert_ok(exit_recorder_forget(&p->r, &c.who, NULL));
	assert_int_equal(exit_recorder_read(&p->r, &c.who, &v), -ENOENT);
	pidref_done(&c.who);
}

static void check_deeds(const struct place *p)
{
	for (size_t i = 0; i < ARRAY_LEN(deeds); i++)
		check_deed(p, &deeds[i]);
	for (int sig = 1; sig <= SIGRTMAX; sig++) {
		const struct deed d = { "dies of a signal", die, sig };

		if (sig == SIGCHLD || sig == SIGCONT || sig == SIGURG || sig == SIGWINCH ||
			sig == SIGSTOP || sig == SIGTSTP || sig == SIGTTIN || sig == SIGTTOU ||
			(sig > SIGSYS && sig < SIGRTMIN))
			continue;
		check_deed(p, &d);
	}
}

TEST(what_is_recorded_is_what_wait_says)
{
	struct place p = place_made(NULL);

	if (is_on(&p)) {
		assert_int_equal(p.news.done, RECORDER_ATTACHED);
		assert_true(p.r.by_inode == has_inodes());
		check_deeds(&p);
	}
	place_done(&p);
}

/* What Linux before 6.9 is given, on any. */
TEST(what_is_recorded_by_pid_and_start_is_what_wait_says)
{
	struct place p = place_made("key=start");

	if (is_on(&p) && is_in_first_pid_ns()) {
		p.r.by_inode = false;
		check_deeds(&p);
	}
	place_done(&p);
}

/* As where no function of the kernel can be traced. */
TEST(what_is_recorded_at_the_tracepoint_is_what_wait_says)
{
	struct place p = place_made("at=tracepoint");
	const struct deed d = { "all threads leave at once", all_leave_at_once, 21 };

	if (is_on(&p)) {
		check_deeds(&p);
		for (int i = 0; i < 100; i++)
			check_deed(&p, &d);
	}
	place_done(&p);
}

/* A zombie's parent ends: the kernel tells its new parent of it, and the time of its end stays. */
TEST(an_end_is_recorded_once)
{
	struct place p = place_made(NULL);
	struct recorder_value before, after;
	const struct deed d = { "exits", leave, 62 };
	struct pidref *shared;
	pid_t parent;
	int status;

	if (!is_on(&p)) {
		place_done(&p);
		return;
	}
	shared = mmap(
		NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(shared != MAP_FAILED);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	parent = fork();
	if (parent == 0) {
		struct child c = child_make(&d);

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		*shared = c.who;
		if (exit_recorder_arm(&p.r, &c.who, 1, NULL) < 0)
			_exit(1);
		child_release(&c);
		child_await_zombie(&c);
		raise(SIGSTOP);
		_exit(0);
	}
	assert_int_equal(waitpid(parent, &status, WUNTRACED), parent);
	assert_true(WIFSTOPPED(status));
	assert_ok(exit_recorder_read(&p.r, shared, &before));
	assert_int_equal(before.state, RECORDER_ENDED);
	assert_ok(kill(parent, SIGCONT));
	assert_int_equal(waitpid(parent, &status, 0), parent);
	assert_int_equal(waitpid(shared->pid, &status, 0), shared->pid);
	assert_int_equal(status, 62 << 8);
	assert_ok(exit_recorder_read(&p.r, shared, &after));
	assert_memory_equal(&before, &after, sizeof(before));
	prctl(PR_SET_CHILD_SUBREAPER, 0);
	munmap(shared, sizeof(*shared));
	place_done(&p);
}

/* The kernel tells a tracer of each thread, and of a leader with threads left. */
TEST(a_traced_process_has_ended_when_its_last_thread_has)
{
	static const struct deed traced[] = {
		{ "leader first, then the group exits 7", leader_first_then_group, 7 },
		{ "leader first, then the last thread exits 3", leader_first_then_thread, 3 },
		{ "exits with threads", leave_with_threads, 11 },
	};
	struct place p = place_made(NULL);
	struct recorder_value v;

	for (size_t i = 0; i < ARRAY_LEN(traced) && is_on(&p); i++) {
		struct child c = child_make(&traced[i]);
		int status;
		pid_t pid;

		assert_ok(exit_recorder_arm(&p.r, &c.who, 1, NULL));
		assert_ok(syscall(SYS_ptrace, PTRACE_SEIZE, c.pid, NULL, PTRACE_O_TRACECLONE));
		child_release(&c);
		while ((pid = waitpid(-1, &status, __WALL)) > 0 &&
			(pid != c.pid || WIFSTOPPED(status))) {
			if (!WIFSTOPPED(status))
				continue;
			assert_ok(syscall(SYS_ptrace, PTRACE_CONT, pid, NULL,
				status >> 16 || WSTOPSIG(status) == SIGTRAP ? 0
									    : WSTOPSIG(status)));
		}
		assert_int_equal(pid, c.pid);
		assert_ok(exit_recorder_read(&p.r, &c.who, &v));
		assert_int_equal(v.state, RECORDER_ENDED);
		assert_int_equal(v.wait_status, status);
		assert_ok(exit_recorder_forget(&p.r, &c.who, NULL));
		pidref_done(&c.who);
	}
	place_done(&p);
}

TEST(threads_that_leave_together_leave_one_status)
{
	const struct deed d = { "all threads leave at once", all_leave_at_once, 21 };
	struct place p = place_made(NULL);

	for (int i = 0; is_on(&p) && i < 100; i++)
		check_deed(&p, &d);
	place_done(&p);
}

/* ---- fates ---- */

static bool kernel_has_info_exit(void)
{
	const struct deed d = { "exits", leave, 3 };
	struct child c = child_make(&d);
	struct kernel_pidfd_info info;
	bool has;

	child_release(&c);
	child_reap(&c);
	has = kernel_pidfd_info(c.who.fd, KERNEL_PIDFD_INFO_EXIT, &info) == 0 &&
	      info.mask & KERNEL_PIDFD_INFO_EXIT;
	pidref_done(&c.who);
	return has;
}

TEST(a_fate_is_told_by_the_first_layer_that_knows)
{
	const struct deed d = { "exits", leave, 33 };
	struct place p = place_made(NULL);
	struct pidref who, held;
	struct exit_fate f;
	struct child c;

	if (!is_on(&p)) {
		place_done(&p);
		return;
	}
	c = child_make(&d);
	held = c.who;
	who = c.who;
	who.fd = -EBADF;
	assert_ok(exit_recorder_arm(&p.r, &who, 1, NULL));
	assert_ok(exit_fate_of(&p.r, &who, &f, NULL));
	assert_int_equal(f.kind, EXIT_FATE_RUNNING);
	assert_true(who.fd >= 0);
	child_release(&c);
	child_await_zombie(&c);
	/* The map knows of a zombie, its pidfd does not. */
	assert_ok(exit_fate_of(&p.r, &who, &f, NULL));
	assert_int_equal(f.kind, EXIT_FATE_ENDED);
	assert_int_equal(f.layer, EXIT_LAYER_RECORDER);
	assert_int_equal(child_reap(&c), 33 << 8);
	/* All layers say the same. */
	for (int i = 0; i < 2; i++) {
		bool by_pidfd = i == 0 && kernel_has_info_exit();

		assert_ok(exit_fate_of(&p.r, &who, &f, NULL));
		assert_int_equal(f.kind, EXIT_FATE_ENDED);
		assert_int_equal(f.layer, by_pidfd ? EXIT_LAYER_PIDFD : EXIT_LAYER_RECORDER);
		assert_int_equal(f.info.wait_status, 33 << 8);
		assert_int_equal(f.info.pid, c.pid);
		assert_true(f.info.boot_ns <= clock_boot_ns() && f.info.wall_ns <= clock_wall_ns());
		assert_true(f.info.wall_ns > clock_wall_ns() - 100 * NS_PER_SEC);
		assert_false(f.oom_killed);
		pidref_done(&who);
		who = held;
		who.fd = -EBADF;
	}
	assert_ok(exit_recorder_forget(&p.r, &who, NULL));
	assert_ok(exit_fate_of(&p.r, &who, &f, NULL));
	assert_int_equal(f.kind, EXIT_FATE_LOST);
	assert_int_equal(f.info.wait_status, 255 << 8);
	assert_text_has(f.reason, "not armed for it");
	pidref_done(&held);
	place_done(&p);
}

TEST(without_the_recorder_a_held_pidfd_tells)
{
	const struct deed d = { "exits", leave, 34 };
	bool tells = kernel_has_info_exit();
	struct child c = child_make(&d);
	struct exit_fate f;

	assert_ok(exit_fate_of(NULL, &c.who, &f, NULL));
	assert_int_equal(f.kind, EXIT_FATE_RUNNING);
	child_release(&c);
	child_await_zombie(&c);
	assert_ok(exit_fate_of(NULL, &c.who, &f, NULL));
	assert_true(f.kind == EXIT_FATE_ENDING || (!tells && f.kind == EXIT_FATE_LOST));
	child_reap(&c);
	assert_ok(exit_fate_of(NULL, &c.who, &f, NULL));
	if (tells) {
		assert_int_equal(f.kind, EXIT_FATE_ENDED);
		assert_int_equal(f.info.wait_status, 34 << 8);
	} else {
		assert_int_equal(f.kind, EXIT_FATE_LOST);
		assert_text_has(f.reason, "the exit recorder was off: it was not opened");
	}
	pidref_done(&c.who);
}

TEST(a_number_alone_is_nobody)
{
	struct pidref who = { .pid = getpid(), .fd = -EBADF };
	struct place p = place_made(NULL);
	struct err err = { 0 };
	struct exit_fate f;

	assert_ok(exit_fate_of(&p.r, &who, &f, NULL));
	assert_int_equal(f.kind, EXIT_FATE_LOST);
	if (is_on(&p)) {
		assert_int_equal(exit_recorder_arm(&p.r, &who, 1, &err), -EINVAL);
		assert_text_has(err.text, "nothing but its number");
	}
	place_done(&p);
}

/* ---- killed for want of memory ---- */

static bool write_to(const char *dir, const char *name, const char *text)
{
	char path[256];
	int fd, n;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : (int)write(fd, text, strlen(text));
	close(fd);
	return n > 0;
}

/* A cgroup that holds 16 MiB, in one hierarchy or the other; false: not here. */
static bool make_small_cgroup(char dir[128])
{
	static const char *const roots[] = { "/sys/fs/cgroup/memory", "/sys/fs/cgroup" };

	for (size_t i = 0; i < ARRAY_LEN(roots); i++) {
		bool made;

		snprintf(dir, 128, "%s/reeve-test-recorder-%d", roots[i], getpid());
		if (access(roots[i], W_OK) < 0 || mkdir(dir, 0755) < 0)
			continue;
		made = i == 0 ? write_to(dir, "memory.limit_in_bytes", "16777216") &&
					write_to(dir, "memory.swappiness", "0")
			      : write_to(dir, "memory.max", "16777216");
		if (i == 1)
			write_to(dir, "memory.swap.max", "0"); /* there is none, or no accounting */
		if (made)
			return true;
		rmdir(dir);
	}
	return false;
}

static void use_memory(int mib)
{
	size_t size = (size_t)mib << 20;
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (size_t i = 0; p != MAP_FAILED && i < size; i += 4096)
		((volatile char *)p)[i] = 1;
}

TEST(an_oom_kill_is_told_from_another)
{
	const struct deed deeds_[] = { { "uses memory", use_memory, 128 },
		{ "is killed", die, SIGKILL } };
	struct place p = place_made(NULL);
	char dir[128], number[16];
	struct exit_fate f;

	if (!is_on(&p) || !make_small_cgroup(dir)) {
		place_done(&p);
		return;
	}
	for (size_t i = 0; i < 2; i++) {
		struct child c = child_make(&deeds_[i]);
		int status;

		snprintf(number, sizeof(number), "%d", c.pid);
		assert_true(write_to(dir, "cgroup.procs", number));
		assert_ok(exit_recorder_arm(&p.r, &c.who, 1, NULL));
		close(c.who.fd);
		c.who.fd = -EBADF;
		child_release(&c);
		status = child_reap(&c);
		assert_ok(exit_fate_of(&p.r, &c.who, &f, NULL));
		assert_int_equal(f.layer, EXIT_LAYER_RECORDER);
		assert_int_equal(f.info.wait_status, status);
		assert_int_equal(status, SIGKILL);
		assert_true(f.oom_killed == (i == 0));
	}
	while (rmdir(dir) < 0 && errno == EBUSY)
		poll(NULL, 0, 1);
	place_done(&p);
}

/* ---- while nobody looks ---- */

/* A child of a child, which leaves before it; we are its reaper. */
TEST(an_exit_is_recorded_after_its_parent_has_gone)
{
	struct place p = place_made(NULL);
	int told[2], gate[2], status;
	struct recorder_value v;
	struct pidref who;
	pid_t parent, pid;
	char go;

	if (!is_on(&p)) {
		place_done(&p);
		return;
	}
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	assert_ok(pipe2(told, O_CLOEXEC));
	assert_ok(pipe2(gate, O_CLOEXEC));
	parent = fork();
	if (parent == 0) {
		pid = fork();
		if (pid == 0) {
			close(gate[1]);
			_exit(read(gate[0], &go, 1) == 1 ? 61 : 1);
		}
		_exit(write(told[1], &pid, sizeof(pid)) == sizeof(pid) ? 0 : 1);
	}
	assert_int_equal(read(told[0], &pid, sizeof(pid)), sizeof(pid));
	assert_ok(pidref_open(pid, &who));
	assert_ok(exit_recorder_arm(&p.r, &who, 5, NULL));
	assert_int_equal(waitpid(parent, &status, 0), parent);
	assert_int_equal(status, 0);
	/* Nobody has the map or a pidfd open; the loader has long gone. */
	close(who.fd);
	who.fd = -EBADF;
	exit_recorder_done(&p.r);
	assert_int_equal(write(gate[1], "g", 1), 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	exit_recorder_open(&p.r, p.dir);
	assert_ok(exit_recorder_read(&p.r, &who, &v));
	assert_int_equal(v.state, RECORDER_ENDED);
	assert_int_equal(v.wait_status, status);
	assert_int_equal(status, 61 << 8);
	prctl(PR_SET_CHILD_SUBREAPER, 0);
	for (int i = 0; i < 2; i++) {
		close(told[i]);
		close(gate[i]);
	}
	place_done(&p);
}

#define MANY 10000
#define WAVE 250
#define TINY_STACK 16384

struct tiny {
	int gate;
	int code;
};

/* In our memory, for it costs less: system calls only. */
static __attribute__((no_sanitize("address", "undefined"))) int tiny_main(void *arg)
{
	const struct tiny *t = arg;
	char go;

	syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL);
	while (syscall(SYS_read, t->gate, &go, 1) < 0)
		continue;
	syscall(SYS_exit_group, t->code);
	return 0;
}

struct count {
	size_t ended, armed, wrong;
};

static struct count count_all(const struct place *p)
{
	auto_free struct exit_recorder_entry *list = NULL;
	struct count c = { 0 };
	size_t n;

	assert_ok(exit_recorder_list(&p->r, &list, &n, NULL));
	for (size_t i = 0; i < n; i++) {
		c.ended += list[i].ended;
		c.armed += !list[i].ended;
		c.wrong += list[i].ended && list[i].wait_status != (int)(list[i].cookie % 251) << 8;
	}
	return c;
}

static void run_wave(
	const struct place *p, struct tiny *tiny, char *stacks, const int gate[2], size_t from)
{
	char go[WAVE] = { 0 };

	for (size_t i = 0; i < WAVE; i++) {
		struct pidref who;
		pid_t pid;

		tiny[i] = (struct tiny){ gate[0], (int)((from + i) % 251) };
		pid = clone(tiny_main, stacks + (i + 1) * TINY_STACK, CLONE_VM | SIGCHLD, &tiny[i]);
		assert_true(pid > 0);
		assert_ok(pidref_open(pid, &who));
		assert_ok(exit_recorder_arm(&p->r, &who, from + i, NULL));
		pidref_done(&who);
	}
	assert_int_equal(write(gate[1], go, WAVE), WAVE);
}

static bool nobody_claims(void *arg, const struct exit_recorder_entry *e)
{
	return e->cookie == *(uint64_t *)arg;
}

TEST(ten_thousand_exits_that_nobody_looks_at_are_all_there)
{
	static struct tiny tiny[WAVE];
	struct sigaction ignore = { .sa_handler = SIG_IGN }, before;
	struct place p = place_made(NULL);
	uint64_t missed = 1;
	auto_free char *stacks = mem_calloc(WAVE, TINY_STACK);
	char status[EXIT_RECORDER_STATUS_SIZE];
	uint64_t deadline, kept = 4711;
	struct count c = { 0 };
	int gate[2];

	if (!is_on(&p)) {
		place_done(&p);
		return;
	}
	assert_non_null(stacks);
	assert_ok(pipe2(gate, O_CLOEXEC));
	sigaction(SIGCHLD, &ignore, &before); /* nobody reaps them either */
	for (size_t from = 0; from < MANY; from += WAVE) {
		run_wave(&p, tiny, stacks, gate, from);
		/* The stacks are the next wave's. */
		while (waitpid(-1, NULL, 0) >= 0 || errno == EINTR)
			continue;
	}
	/* Before the first claim that may fail: the tests after this one wait for theirs. */
	sigaction(SIGCHLD, &before, NULL);
	deadline = clock_boot_ns() + (uint64_t)test_ms(20000) * NS_PER_MS;
	do {
		c = count_all(&p);
	} while (c.armed > 0 && clock_boot_ns() < deadline);
	assert_int_equal(c.ended, MANY);
	assert_int_equal(c.armed, 0);
	assert_int_equal(c.wrong, 0);
	assert_ok(exit_recorder_missed(p.dir, &missed, NULL));
	assert_int_equal(missed, 0);
	exit_recorder_status(&p.r, status);
	assert_string_equal(status, "on (10000 armed of 16384)");
	assert_ok(exit_recorder_sweep(&p.r, nobody_claims, &kept, NULL));
	c = count_all(&p);
	assert_int_equal(c.ended, 1);
	close(gate[0]);
	close(gate[1]);
	place_done(&p);
}

/* ---- MGR-36 ---- */

struct clone_set_tid {
	uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid,
		set_tid_size;
};

/* A process of exactly this number; -EEXIST: somebody has it. */
static pid_t fork_as(pid_t number, int gate, int code)
{
	struct clone_set_tid a = {
		.exit_signal = SIGCHLD, .set_tid = (uint64_t)(uintptr_t)&number, .set_tid_size = 1
	};
	long pid = syscall(SYS_clone3, &a, sizeof(a));
	char go;

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(syscall(SYS_read, gate, &go, 1) == 1 ? code : 199);
	}
	return pid < 0 ? -errno : (pid_t)pid;
}

#define REUSES 20

/* One number, many processes, each with an end of its own. Returns 0 or the line that failed. */
static int reuse(const struct exit_recorder *r, pid_t number)
{
	struct pidref who[REUSES];
	struct exit_fate f;
	int gate[2], status;

	if (pipe2(gate, O_CLOEXEC) < 0)
		return __LINE__;
	for (int i = 0; i < REUSES; i++) {
		pid_t pid;

		do /* by pid and start: within one tick they are one */
			poll(NULL, 0, r->by_inode ? 0 : 15);
		while ((pid = fork_as(number, gate[0], i)) == -EEXIST);
		if (pid != number || pidref_open(pid, &who[i]) < 0 ||
			(!who[i].start_time && pidref_read_start_time(pid, &who[i].start_time) < 0))
			return __LINE__;
		close(who[i].fd);
		who[i].fd = -EBADF;
		/* Every fifth is not armed: it must not be given another's end. */
		if (i % 5 != 4 && exit_recorder_arm(r, &who[i], (uint64_t)i, NULL) < 0)
			return __LINE__;
		/* The number is taken, and nobody before is taken for who has it. */
		for (int k = 0; k < i; k++)
			if (exit_fate_of(r, &who[k], &f, NULL) < 0 ||
				f.kind != (k % 5 != 4 ? EXIT_FATE_ENDED : EXIT_FATE_LOST) ||
				f.info.wait_status != (k % 5 != 4 ? k : 255) << 8)
				return __LINE__;
		if (write(gate[1], "g", 1) != 1 || waitpid(pid, &status, 0) != pid)
			return __LINE__;
	}
	return 0;
}

/* As pid 1 of a namespace of its own, with its own /proc. */
static int reuse_inside(const char *dir)
{
	struct exit_recorder r;
	int line;

	if (mount("proc", "/proc", "proc", 0, NULL) < 0)
		return 2;
	exit_recorder_open(&r, dir);
	if (!exit_recorder_is_on(&r))
		return strstr(r.off, "first pid and time namespaces") ? 0 : 3;
	line = reuse(&r, 50);
	if (line)
		fprintf(stderr, "# line %d\n", line);
	return line ? 4 : 0;
}

TEST(a_number_that_is_used_again_is_never_taken_for_who_had_it)
{
	struct place p = place_made(NULL);
	int status;
	pid_t pid;

	if (!is_on(&p)) {
		place_done(&p);
		return;
	}
	pid = fork();
	if (pid == 0) {
		if (unshare(CLONE_NEWPID | CLONE_NEWNS) < 0)
			_exit(1);
		pid = fork();
		if (pid == 0)
			_exit(reuse_inside(p.dir));
		_exit(waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status)
									   : 5);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	place_done(&p);
}

TEST(by_pid_and_start_a_number_that_is_used_again_is_another_process)
{
	struct place p = place_made("key=start");
	const struct deed d = { "exits", leave, 0 };
	struct child c;

	if (is_on(&p) && is_in_first_pid_ns()) {
		p.r.by_inode = false;
		c = child_make(&d);
		child_release(&c);
		child_reap(&c);
		pidref_done(&c.who);
		assert_int_equal(reuse(&p.r, c.pid), 0);
	}
	place_done(&p);
}

/* ---- MGR-40 ---- */

TEST(a_full_map_refuses_to_arm_and_goes_on_recording)
{
	const struct deed d = { "exits", leave, 5 };
	struct place p = place_made("entries=4");
	struct child c[5];
	struct recorder_value v;
	struct err err = { 0 };

	if (!is_on(&p)) {
		place_done(&p);
		return;
	}
	assert_int_equal(p.r.entries, 4);
	for (size_t i = 0; i < 5; i++)
		c[i] = child_make(&d);
	for (size_t i = 0; i < 4; i++)
		assert_ok(exit_recorder_arm(&p.r, &c[i].who, 0, NULL));
	assert_int_equal(exit_recorder_arm(&p.r, &c[4].who, 0, &err), -E2BIG);
	assert_text_has(err.text, "its map is full (4 entries)");
	/* One that is in it is no more. */
	assert_ok(exit_recorder_arm(&p.r, &c[3].who, 0, NULL));
	for (size_t i = 0; i < 5; i++) {
		child_release(&c[i]);
		assert_int_equal(child_reap(&c[i]), 5 << 8);
		if (i == 4)
			break;
		assert_ok(exit_recorder_read(&p.r, &c[i].who, &v));
		assert_int_equal(v.wait_status, 5 << 8);
		/* Armed again: what is recorded stays. */
		assert_ok(exit_recorder_arm(&p.r, &c[i].who, 0, NULL));
		assert_ok(exit_recorder_read(&p.r, &c[i].who, &v));
		assert_int_equal(v.state, RECORDER_ENDED);
	}
	assert_int_equal(exit_recorder_read(&p.r, &c[4].who, &v), -ENOENT);
	assert_ok(exit_recorder_forget(&p.r, &c[0].who, NULL));
	assert_ok(exit_recorder_forget(&p.r, &c[0].who, NULL));
	assert_ok(exit_recorder_arm(&p.r, &c[4].who, 0, NULL));
	for (size_t i = 0; i < 5; i++)
		pidref_done(&c[i].who);
	place_done(&p);
}

/* ---- loading ---- */

TEST(loading_again_changes_nothing)
{
	const struct deed d = { "exits", leave, 6 };
	struct place p = place_made(NULL);
	struct recorder_value v;
	struct child c;

	if (!is_on(&p)) {
		place_done(&p);
		return;
	}
	c = child_make(&d);
	assert_ok(exit_recorder_arm(&p.r, &c.who, 1, NULL));
	p.news = order(p.dir, "entries=8"); /* of a map that would have to be made */
	assert_ok(p.news.code);
	assert_int_equal(p.news.done, RECORDER_WAS_ON);
	exit_recorder_done(&p.r);
	exit_recorder_open(&p.r, p.dir);
	assert_int_equal(p.r.entries, RECORDER_ENTRIES);
	child_release(&c);
	child_reap(&c);
	assert_ok(exit_recorder_read(&p.r, &c.who, &v));
	assert_int_equal(v.wait_status, 6 << 8);
	pidref_done(&c.who);
	place_done(&p);
}

static bool has_pin(const struct place *p, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", p->dir, name);
	return access(path, F_OK) == 0;
}

static void rename_pin(const struct place *p, const char *from, const char *to)
{
	char a[256], b[256];

	snprintf(a, sizeof(a), "%s/%s", p->dir, from);
	snprintf(b, sizeof(b), "%s/%s", p->dir, to);
	assert_ok(rename(a, b));
}

/* "link_0" stands for an older program's version; one that is newer than ours is left alone. */
TEST(a_newer_program_takes_the_place_of_an_older_one_on_the_same_map)
{
	const struct deed d = { "exits", leave, 8 };
	struct place p = place_made(NULL);
	struct recorder_value v;
	struct child c;

	if (!is_on(&p)) {
		place_done(&p);
		return;
	}
	c = child_make(&d);
	assert_ok(exit_recorder_arm(&p.r, &c.who, 1, NULL));
	rename_pin(&p, LINK, "link_7");
	assert_int_equal(order(p.dir, NULL).done, RECORDER_WAS_ON);
	assert_true(has_pin(&p, "link_7") && !has_pin(&p, LINK));
	/* A loader that died after its link: only the newest stays. */
	rename_pin(&p, "link_7", "link_0x");
	assert_int_equal(order(p.dir, NULL).done, RECORDER_ATTACHED);
	rename_pin(&p, "link_0x", "link_9");
	assert_int_equal(order(p.dir, NULL).done, RECORDER_WAS_ON);
	assert_true(has_pin(&p, "link_9") && !has_pin(&p, LINK));
	child_release(&c);
	child_reap(&c);
	assert_ok(exit_recorder_read(&p.r, &c.who, &v));
	assert_int_equal(v.wait_status, 8 << 8);
	pidref_done(&c.who);
	place_done(&p);
}

/* A loader that died between its two pins, or an administrator with a broom. */
TEST(a_map_that_no_program_writes_to_is_off_and_loading_mends_it)
{
	const struct deed d = { "exits", leave, 12 };
	struct place p = place_made(NULL);
	char link[256];

	if (!is_on(&p)) {
		place_done(&p);
		return;
	}
	assert_true(exit_recorder_is_current(&p.r));
	assert_int_equal(p.r.program, RECORDER_PROGRAM_VERSION);
	exit_recorder_done(&p.r);
	snprintf(link, sizeof(link), "%s/link_%d", p.dir, RECORDER_PROGRAM_VERSION);
	assert_ok(unlink(link));
	exit_recorder_open(&p.r, p.dir);
	assert_false(exit_recorder_is_on(&p.r) || exit_recorder_is_current(&p.r));
	assert_text_has(p.r.off, "no program is attached");
	p.news = order(p.dir, NULL);
	assert_int_equal(p.news.done, RECORDER_ATTACHED);
	exit_recorder_open(&p.r, p.dir);
	assert_true(is_on(&p));
	check_deed(&p, &d);
	place_done(&p);
}

TEST(two_managers_do_not_see_each_other)
{
	const struct deed d = { "exits", leave, 4 };
	struct place a = place_made(NULL), b = place_made(NULL);
	struct recorder_value v;
	struct child c;

	if (is_on(&a) && is_on(&b)) {
		c = child_make(&d);
		assert_ok(exit_recorder_arm(&a.r, &c.who, 1, NULL));
		child_release(&c);
		child_reap(&c);
		assert_ok(exit_recorder_read(&a.r, &c.who, &v));
		assert_int_equal(exit_recorder_read(&b.r, &c.who, &v), -ENOENT);
		pidref_done(&c.who);
	}
	place_done(&a);
	place_done(&b);
}

TEST(what_was_taken_away_is_said)
{
	const struct deed d = { "exits", leave, 4 };
	struct place p = place_made(NULL);
	struct exit_fate f;
	struct child c;

	if (!is_on(&p)) {
		place_done(&p);
		return;
	}
	c = child_make(&d);
	close(c.who.fd);
	c.who.fd = -EBADF;
	assert_ok(exit_recorder_arm(&p.r, &c.who, 1, NULL));
	assert_ok(umount2(p.dir, 0));
	child_release(&c);
	child_reap(&c);
	/* The kernel lets go of a program in its own time. */
	do
		assert_ok(exit_fate_of(&p.r, &c.who, &f, NULL));
	while (f.kind == EXIT_FATE_RUNNING);
	if (f.kind == EXIT_FATE_LOST)
		assert_text_has(f.reason, "taken away before it ended");
	else
		assert_int_equal(f.info.wait_status, 4 << 8);
	exit_recorder_open(&p.r, p.dir);
	assert_false(exit_recorder_is_on(&p.r));
	assert_text_has(p.r.off, "no bpffs is at");
	place_done(&p);
}

/* ---- MGR-41 ---- */

static void check_refused(unsigned int without, const char *dir, const char *text)
{
	char word[160];
	struct recorder_news n;

	snprintf(word, sizeof(word), "dir=%s", dir);
	n = order_without(without, word, NULL);
	assert_true(n.code < 0);
	assert_text_has(n.text, text);
}

TEST(absent_capabilities_are_named)
{
	struct place p = place_plain();

	assert_ok(mkdir(p.dir, 0700));
	check_refused(7, p.dir, "no bpffs is at");
	if (geteuid() == 0 && mount("t", p.dir, "bpf", 0, "mode=0700") == 0) {
		char word[160];

		check_refused(7, p.dir, "CAP_BPF and CAP_PERFMON are missing");
		check_refused(5, p.dir, "CAP_BPF is missing");
		check_refused(6, p.dir, "CAP_PERFMON is missing");
		exit_recorder_open(&p.r, p.dir);
		assert_false(exit_recorder_is_on(&p.r));
		assert_text_has(p.r.off, "nothing is loaded");
		/* These two are enough where a bpffs is. */
		snprintf(word, sizeof(word), "dir=%s", p.dir);
		p.news = order_without(4, word, NULL);
		exit_recorder_open(&p.r, p.dir);
		is_on(&p);
	}
	place_done(&p);
}

TEST(a_kernel_without_types_is_named)
{
	struct place p = place_plain();

	if (geteuid() == 0 && access("/sys/kernel/btf", F_OK) == 0 &&
		mount("t", "/sys/kernel/btf", "tmpfs", 0, NULL) == 0) {
		p.news = order(p.dir, NULL);
		assert_ok(umount2("/sys/kernel/btf", 0));
		assert_true(p.news.code < 0);
		/* Unless something else stood in the way first. */
		if (p.news.code == -ENOENT)
			assert_text_has(p.news.text, "/sys/kernel/btf/vmlinux");
		exit_recorder_open(&p.r, p.dir);
		assert_false(exit_recorder_is_on(&p.r));
	}
	place_done(&p);
}

TEST(a_bad_order_is_refused_by_name)
{
	struct recorder_news n = order_without(0, "dir=relative", NULL);

	assert_int_equal(n.code, -EINVAL);
	assert_text_has(n.text, "unknown word 'dir=relative'");
	n = order_without(0, "entries=0", NULL);
	assert_text_has(n.text, "unknown word 'entries=0'");
	n = order_without(0, "key=start", NULL);
	assert_text_has(n.text, "needs dir=PATH");
	n = order_without(0, "dir=/nonexistent-for-reeve/exits", NULL);
	assert_int_equal(n.code, -ENOENT);
}

TEST(what_others_may_write_to_is_not_trusted)
{
	struct place p = place_plain();

	assert_ok(mkdir(p.dir, 0700));
	if (geteuid() == 0 && mount("t", p.dir, "bpf", 0, NULL) == 0)
		check_refused(0, p.dir, "may be written to by others");
	place_done(&p);
}

/* ---- from the loop ---- */

static void on_loaded(void *arg)
{
	loop_stop(arg, 0);
}

/* With the helper beside the program, as it is where it is installed. */
static void load_from_the_loop(void)
{
	auto_freep(loop) struct loop *l = NULL;
	struct place p = place_plain();
	struct recorder_load_order o = {
		.dir = p.dir, .entries = 9, .into = &p.r, .done = on_loaded
	};
	struct recorder_load *run = NULL;
	struct reaper reaper;

	assert_ok(loop_new(&l));
	reaper = reaper_own(l);
	o.arg = l;
	assert_ok(recorder_load_start(l, &reaper, &o, &run, NULL));
	assert_ok(loop_run(l));
	recorder_load_free(run);
	p.news.code = exit_recorder_is_on(&p.r) ? 0 : -EPERM;
	if (is_on(&p))
		assert_int_equal(p.r.entries, 9);
	/* One that is ended before it is over leaves nothing behind. */
	assert_ok(recorder_load_start(l, &reaper, &o, &run, NULL));
	recorder_load_free(run);
	loop_round(l, 0);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	place_done(&p);
}

static void copy_file(const char *from, const char *to)
{
	int in = open(from, O_RDONLY | O_CLOEXEC),
	    out = open(to, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
	char data[65536];
	ssize_t n;

	assert_true(in >= 0 && out >= 0);
	while ((n = read(in, data, sizeof(data))) > 0)
		assert_int_equal(write(out, data, (size_t)n), n);
	close(in);
	close(out);
}

TEST(it_is_loaded_from_the_loop)
{
	char self[PATH_MAX], helper[PATH_MAX], copy[128], beside[128];
	struct test_tmpdir t;
	int status;
	pid_t pid;

	if (getenv("REEVE_HELPER_IS_BESIDE")) {
		load_from_the_loop();
		return;
	}
	t = test_tmpdir();
	helper_path(helper);
	self[readlink("/proc/self/exe", self, sizeof(self) - 1)] = '\0';
	snprintf(copy, sizeof(copy), "%s/test", t.path);
	snprintf(beside, sizeof(beside), "%s/reeve-helper", t.path);
	copy_file(self, copy);
	assert_ok(symlink(helper, beside));
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

		dup2(null, STDOUT_FILENO);
		setenv("REEVE_HELPER_IS_BESIDE", "1", 1);
		setenv("REEVE_TEST", "it_is_loaded_from_the_loop", 1);
		execl(copy, copy, NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	test_tmpdir_remove(&t);
}

TEST(a_helper_that_is_not_there_is_named)
{
	auto_freep(loop) struct loop *l = NULL;
	struct place p = place_plain();
	struct recorder_load_order o = { .dir = p.dir, .into = &p.r, .done = on_loaded };
	struct recorder_load *run = NULL;
	struct reaper reaper;
	struct err err = { 0 };

	assert_ok(loop_new(&l));
	reaper = reaper_own(l);
	/* Unless it is installed here. */
	if (!getenv("REEVE_HELPER_IS_BESIDE") &&
		recorder_load_start(l, &reaper, &o, &run, &err) < 0) {
		assert_int_equal(err.code, -ENOENT);
		assert_text_has(p.r.off, "reeve-helper");
	}
	recorder_load_free(run);
	loop_round(l, 0);
	place_done(&p);
}
