/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compiled profiles against their evaluation rule by rule, by running the filter in user space:
 * a profile like the one that engines send by default, random ones, and the special cases. The
 * filters are also loaded into a process.
 */
#include "container/seccomp_filter.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/sha256.h"
#include "seccomp_interp.h"
#include "test.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))
#define NAMES(...) \
	.names = (const char *[]){ __VA_ARGS__ }, \
	.n_names = sizeof((const char *[]){ __VA_ARGS__ }) / sizeof(char *)
#define ARGS(...) \
	.args = (struct spec_seccomp_arg[]){ __VA_ARGS__ }, \
	.n_args = sizeof((struct spec_seccomp_arg[]){ __VA_ARGS__ }) / \
		  sizeof(struct spec_seccomp_arg)
#define CALLS(...) \
	.syscalls = (struct spec_seccomp_syscall[]){ __VA_ARGS__ }, \
	.n_syscalls = sizeof((struct spec_seccomp_syscall[]){ __VA_ARGS__ }) / \
		      sizeof(struct spec_seccomp_syscall)
#define ARCHS(...) \
	.architectures = (const char *[]){ __VA_ARGS__ }, \
	.n_architectures = sizeof((const char *[]){ __VA_ARGS__ }) / sizeof(char *)

#define X32 0x40000000u
#define ALLOW SECCOMP_RET_ALLOW
#define ERRNO(e) (SECCOMP_RET_ERRNO | (e))

static uint32_t rng_state = 99;

static uint32_t rng(uint32_t below)
{
	rng_state = rng_state * 1664525u + 1013904223u;
	return (rng_state >> 8) % below;
}

static struct seccomp_filter compile_or_fail(
	const struct spec_seccomp *s, struct seccomp_cache *cache)
{
	struct seccomp_filter f;
	struct err err = { 0 };

	if (seccomp_compile(s, cache, &f, &err) < 0)
		fail_msg("%s", err.text);
	return f;
}

static int64_t run_on(
	const struct seccomp_filter *f, uint32_t audit_arch, uint32_t nr, const uint64_t args[6])
{
	struct seccomp_data data = { .nr = (int)nr, .arch = audit_arch };

	memcpy(data.args, args, sizeof(data.args));
	return interp_run(f->program, f->size / sizeof(struct sock_filter), &data);
}

static uint32_t audit_arch(uint32_t arch)
{
	return arch == SCMP_ARCH_X32 ? AUDIT_ARCH_X86_64 : arch;
}

static void assert_same(const struct spec_seccomp *s, const struct seccomp_filter *f, uint32_t arch,
	uint32_t nr, const uint64_t args[6])
{
	int64_t got = run_on(f, audit_arch(arch), nr, args);
	uint32_t want = ref_evaluate(s, arch, nr, args);

	if (got != (int64_t)want)
		fail_msg("arch %#x call %u(%#lx, %#lx): filter %#lx, profile %#x", arch, nr,
			(unsigned long)args[0], (unsigned long)args[1], (unsigned long)got, want);
}

static int64_t native(const struct seccomp_filter *f, const char *name, uint64_t arg0)
{
	const uint64_t args[6] = { arg0 };
	int nr = seccomp_syscall_resolve_name(name);

	assert_true(nr >= 0);
	return run_on(f, seccomp_arch_native(), (uint32_t)nr, args);
}

/* ---- a profile of the size that engines send ---- */

// clang-format off
#define COMMON_CALLS \
	"accept", "accept4", "access", "adjtimex", "alarm", "bind", "brk", "cachestat", "capget", "capset", "chdir", \
	"chmod", "chown", "chown32", "clock_adjtime", "clock_getres", "clock_getres_time64", "clock_gettime", \
	"clock_gettime64", "clock_nanosleep", "clock_nanosleep_time64", "close", "close_range", "connect", \
	"copy_file_range", "creat", "dup", "dup2", "dup3", "epoll_create", "epoll_create1", "epoll_ctl", \
	"epoll_ctl_old", "epoll_pwait", "epoll_pwait2", "epoll_wait", "epoll_wait_old", "eventfd", "eventfd2", \
	"execve", "execveat", "exit", "exit_group", "faccessat", "faccessat2", "fadvise64", "fadvise64_64", \
	"fallocate", "fanotify_mark", "fchdir", "fchmod", "fchmodat", "fchmodat2", "fchown", "fchown32", \
	"fchownat", "fcntl", "fcntl64", "fdatasync", "fgetxattr", "flistxattr", "flock", "fork", "fremovexattr", \
	"fsetxattr", "fstat", "fstat64", "fstatat64", "fstatfs", "fstatfs64", "fsync", "ftruncate", "ftruncate64", \
	"futex", "futex_requeue", "futex_time64", "futex_wait", "futex_waitv", "futex_wake", "futimesat", \
	"getcpu", "getcwd", "getdents", "getdents64", "getegid", "getegid32", "geteuid", "geteuid32", "getgid", \
	"getgid32", "getgroups", "getgroups32", "getitimer", "getpeername", "getpgid", "getpgrp", "getpid", \
	"getppid", "getpriority", "getrandom", "getresgid", "getresgid32", "getresuid", "getresuid32", \
	"getrlimit", "get_robust_list", "getrusage", "getsid", "getsockname", "getsockopt", "get_thread_area", \
	"gettid", "gettimeofday", "getuid", "getuid32", "getxattr", "getxattrat", "inotify_add_watch", \
	"inotify_init", "inotify_init1", "inotify_rm_watch", "io_cancel", "ioctl", "io_destroy", "io_getevents", \
	"io_pgetevents", "io_pgetevents_time64", "ioprio_get", "ioprio_set", "io_setup", "io_submit", "ipc", \
	"kill", "landlock_add_rule", "landlock_create_ruleset", "landlock_restrict_self", "lchown", "lchown32", \
	"lgetxattr", "link", "linkat", "listen", "listmount", "listxattr", "listxattrat", "llistxattr", "_llseek", \
	"lremovexattr", "lseek", "lsetxattr", "lstat", "lstat64", "madvise", "map_shadow_stack", "membarrier", \
	"memfd_create", "memfd_secret", "mincore", "mkdir", "mkdirat", "mknod", "mknodat", "mlock", "mlock2", \
	"mlockall", "mmap", "mmap2", "mprotect", "mq_getsetattr", "mq_notify", "mq_open", "mq_timedreceive", \
	"mq_timedreceive_time64", "mq_timedsend", "mq_timedsend_time64", "mq_unlink", "mremap", "mseal", "msgctl", \
	"msgget", "msgrcv", "msgsnd", "msync", "munlock", "munlockall", "munmap", "name_to_handle_at", "nanosleep", \
	"newfstatat", "_newselect", "open", "openat", "openat2", "pause", "pidfd_open", "pidfd_send_signal", \
	"pipe", "pipe2", "pkey_alloc", "pkey_free", "pkey_mprotect", "poll", "ppoll", "ppoll_time64", "prctl", \
	"pread64", "preadv", "preadv2", "prlimit64", "process_mrelease", "pselect6", "pselect6_time64", "pwrite64", \
	"pwritev", "pwritev2", "read", "readahead", "readlink", "readlinkat", "readv", "recv", "recvfrom", \
	"recvmmsg", "recvmmsg_time64", "recvmsg", "remap_file_pages", "removexattr", "removexattrat", "rename", \
	"renameat", "renameat2", "restart_syscall", "rmdir", "rseq", "rt_sigaction", "rt_sigpending", \
	"rt_sigprocmask", "rt_sigqueueinfo", "rt_sigreturn", "rt_sigsuspend", "rt_sigtimedwait", \
	"rt_sigtimedwait_time64", "rt_tgsigqueueinfo", "sched_getaffinity", "sched_getattr", "sched_getparam", \
	"sched_get_priority_max", "sched_get_priority_min", "sched_getscheduler", "sched_rr_get_interval", \
	"sched_rr_get_interval_time64", "sched_setaffinity", "sched_setattr", "sched_setparam", \
	"sched_setscheduler", "sched_yield", "seccomp", "select", "semctl", "semget", "semop", "semtimedop", \
	"semtimedop_time64", "send", "sendfile", "sendfile64", "sendmmsg", "sendmsg", "sendto", "setfsgid", \
	"setfsgid32", "setfsuid", "setfsuid32", "setgid", "setgid32", "setgroups", "setgroups32", "setitimer", \
	"setpgid", "setpriority", "setregid", "setregid32", "setresgid", "setresgid32", "setresuid", "setresuid32", \
	"setreuid", "setreuid32", "setrlimit", "set_robust_list", "setsid", "setsockopt", "set_thread_area", \
	"set_tid_address", "setuid", "setuid32", "setxattr", "setxattrat", "shmat", "shmctl", "shmdt", "shmget", \
	"shutdown", "sigaltstack", "signalfd", "signalfd4", "sigprocmask", "sigreturn", "socketcall", \
	"socketpair", "splice", "stat", "stat64", "statfs", "statfs64", "statmount", "statx", "symlink", "symlinkat", \
	"sync", "sync_file_range", "syncfs", "sysinfo", "tee", "tgkill", "time", "timer_create", "timer_delete", \
	"timer_getoverrun", "timer_gettime", "timer_gettime64", "timer_settime", "timer_settime64", \
	"timerfd_create", "timerfd_gettime", "timerfd_gettime64", "timerfd_settime", "timerfd_settime64", "times", \
	"tkill", "truncate", "truncate64", "ugetrlimit", "umask", "uname", "unlink", "unlinkat", "uretprobe", \
	"utime", "utimensat", "utimensat_time64", "utimes", "vfork", "vmsplice", "wait4", "waitid", "waitpid", \
	"write", "writev", "not_a_call_of_anybody"
// clang-format on

static const struct spec_seccomp usual = {
	.default_action = SPEC_ACT_ERRNO,
	.has_default_errno_ret = true,
	.default_errno_ret = EPERM,
	ARCHS("SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"),
	CALLS({ NAMES(COMMON_CALLS), .action = SPEC_ACT_ALLOW },
		{ NAMES("process_vm_readv", "process_vm_writev", "ptrace"),
			.action = SPEC_ACT_ALLOW },
		{ NAMES("socket"), .action = SPEC_ACT_ALLOW,
			ARGS({ .index = 0, .op = SPEC_CMP_NE, .value = 40 }) },
		{ NAMES("personality"), .action = SPEC_ACT_ALLOW,
			ARGS({ .index = 0, .op = SPEC_CMP_EQ, .value = 0 }) },
		{ NAMES("personality"), .action = SPEC_ACT_ALLOW,
			ARGS({ .index = 0, .op = SPEC_CMP_EQ, .value = 8 }) },
		{ NAMES("personality"), .action = SPEC_ACT_ALLOW,
			ARGS({ .index = 0, .op = SPEC_CMP_EQ, .value = 0x20000 }) },
		{ NAMES("personality"), .action = SPEC_ACT_ALLOW,
			ARGS({ .index = 0, .op = SPEC_CMP_EQ, .value = 0xffffffff }) },
		{ NAMES("arch_prctl"), .action = SPEC_ACT_ALLOW },
		{ NAMES("modify_ldt"), .action = SPEC_ACT_ALLOW },
		{ NAMES("clone"), .action = SPEC_ACT_ALLOW,
			ARGS({ .index = 0, .op = SPEC_CMP_MASKED_EQ, .value = 2114060288 }) },
		{ NAMES("clone3"), .action = SPEC_ACT_ERRNO, .has_errno_ret = true,
			.errno_ret = ENOSYS },
		{ NAMES("chroot"), .action = SPEC_ACT_ALLOW }),
};

static const uint32_t x86_archs[] = { SCMP_ARCH_X86_64, SCMP_ARCH_X32 };

TEST(the_usual_profile_compiles_to_what_it_says)
{
	static const uint64_t interesting[] = { 0, 1, 2, 8, 16, 40, 41, 0x20000, 0x20008,
		0xffffffff, 0x7e020000, 0x10000000, 0x100000000, 0x100000028, UINT64_MAX };
	struct seccomp_filter f = compile_or_fail(&usual, NULL);

	assert_true(f.size / sizeof(struct sock_filter) > 300);
	for (size_t a = 0; a < N(x86_archs); a++) {
		uint32_t base = x86_archs[a] == SCMP_ARCH_X32 ? 0x40000000 : 0;

		for (uint32_t nr = 0; nr < 600; nr++)
			for (size_t i = 0; i < N(interesting); i++) {
				const uint64_t args[6] = { interesting[i] };

				assert_same(&usual, &f, x86_archs[a], base + nr, args);
			}
	}
	assert_int_equal(f.flags, SECCOMP_FILTER_FLAG_SPEC_ALLOW);
	seccomp_filter_done(&f);
	seccomp_filter_done(&f);
}

TEST(a_name_of_no_call_is_told_from_one_of_another_architecture)
{
	struct spec_seccomp known = { .default_action = SPEC_ACT_ALLOW,
		CALLS({ NAMES("read", "arm_fadvise64_64", "mmap2", "file_setattr"),
			.action = SPEC_ACT_ERRNO }) };
	struct spec_seccomp unknown = { .default_action = SPEC_ACT_ALLOW,
		CALLS({ NAMES("read"), .action = SPEC_ACT_ERRNO },
			{ NAMES("write", "nosuchcall"), .action = SPEC_ACT_ALLOW }) };
	struct err err = { 0 };

	assert_int_equal(seccomp_check_names(&known, &err), 0);
	assert_int_equal(seccomp_check_names(&unknown, &err), -EINVAL);
	assert_text_has(err.text,
		"linux.seccomp.syscalls[1].names[1]: there is no system call 'nosuchcall'");
}

TEST(calls_newer_than_the_profile_say_enosys_on_every_architecture)
{
	const uint64_t args[6] = { 0 };
	struct seccomp_filter f = compile_or_fail(&usual, NULL);

	assert_int_equal(native(&f, "read", 0), ALLOW);
	assert_int_equal(native(&f, "reboot", 0), ERRNO(EPERM));
	assert_int_equal(native(&f, "clone3", 0), ERRNO(ENOSYS));
	assert_int_equal(run_on(&f, AUDIT_ARCH_X86_64, 466, args), ALLOW); /* removexattrat */
	assert_int_equal(run_on(&f, AUDIT_ARCH_X86_64, 467, args), ERRNO(ENOSYS));
	assert_int_equal(run_on(&f, AUDIT_ARCH_X86_64, 0x40000000 | 600, args), ERRNO(ENOSYS));
	assert_int_equal(run_on(&f, AUDIT_ARCH_I386, 466, args), ALLOW);
	assert_int_equal(run_on(&f, AUDIT_ARCH_I386, 467, args), ERRNO(ENOSYS));
	assert_int_equal(run_on(&f, AUDIT_ARCH_AARCH64, 63, args), SECCOMP_RET_KILL_THREAD);
	seccomp_filter_done(&f);
}

TEST(x32_is_killed_where_it_is_not_listed)
{
	const struct spec_seccomp s = { .default_action = SPEC_ACT_ERRNO,
		ARCHS("SCMP_ARCH_X86_64"),
		CALLS({ NAMES("read"), .action = SPEC_ACT_ALLOW }) };
	const uint64_t args[6] = { 0 };
	struct seccomp_filter f = compile_or_fail(&s, NULL);

	if (seccomp_arch_native() != SCMP_ARCH_X86_64)
		test_skip("needs x86-64");
	assert_int_equal(run_on(&f, AUDIT_ARCH_X86_64, 0, args), ALLOW);
	assert_int_equal(run_on(&f, AUDIT_ARCH_X86_64, 1, args), ERRNO(ENOSYS));
	assert_int_equal(run_on(&f, AUDIT_ARCH_X86_64, 0x40000000, args), SECCOMP_RET_KILL_THREAD);
	seccomp_filter_done(&f);
}

/* ---- random profiles ---- */

static const char *const pool[] = { "read", "write", "close", "openat", "mmap", "mprotect",
	"munmap", "brk", "ioctl", "pread64", "writev", "dup", "getpid", "sendfile", "clone",
	"execve", "exit", "kill", "fcntl", "flock", "getcwd", "chdir", "fchmod", "umask", "ptrace",
	"getppid", "setsid", "prctl", "mount", "umount2", "reboot", "gettid", "futex",
	"epoll_create1", "unlinkat", "mkdirat", "statx", "openat2", "faccessat2", "mseal", "listns",
	"no_such_call", "open_tree_attr", "file_getattr" };

static const enum spec_seccomp_action actions[] = { SPEC_ACT_ALLOW, SPEC_ACT_ERRNO, SPEC_ACT_KILL,
	SPEC_ACT_KILL_PROCESS, SPEC_ACT_TRAP, SPEC_ACT_LOG, SPEC_ACT_TRACE };

struct random_profile {
	struct spec_seccomp s;
	struct spec_seccomp_syscall calls[16];
	const char *names[16][4];
	struct spec_seccomp_arg args[16][4];
};

static uint64_t random_value(void)
{
	static const uint64_t v[] = { 0, 1, 2, 3, 7, 0xffffffff, 0x100000000, 0x100000001,
		UINT64_MAX, 0x8000000000000000 };

	return v[rng(N(v))];
}

static void random_args(struct spec_seccomp_syscall *call, struct spec_seccomp_arg *args)
{
	call->args = args;
	call->n_args = rng(3) ? rng(4) : 0;
	for (size_t i = 0; i < call->n_args; i++)
		args[i] = (struct spec_seccomp_arg){ .index = rng(3),
			.op = SPEC_CMP_NE + rng(7),
			.value = random_value(),
			.value_two = random_value() };
}

/* Several rules may name the same call. */
static void make_random(struct random_profile *p)
{
	static const char *archs[] = { "SCMP_ARCH_X86_64", "SCMP_ARCH_X32", "SCMP_ARCH_S390X" };

	memset(p, 0, sizeof(*p));
	p->s.default_action = actions[rng(N(actions))];
	if (p->s.default_action == SPEC_ACT_ERRNO && rng(2)) {
		p->s.has_default_errno_ret = true;
		p->s.default_errno_ret = rng(3) ? rng(100) : ENOSYS;
	}
	p->s.architectures = archs;
	p->s.n_architectures = rng(4);
	p->s.syscalls = p->calls;
	p->s.n_syscalls = rng(16);
	for (size_t i = 0; i < p->s.n_syscalls; i++) {
		struct spec_seccomp_syscall *call = &p->calls[i];

		call->names = p->names[i];
		call->n_names = 1 + rng(3);
		for (size_t k = 0; k < call->n_names; k++)
			call->names[k] = pool[rng(N(pool))];
		call->action = actions[rng(N(actions))];
		if (call->action == SPEC_ACT_ERRNO && rng(2)) {
			call->has_errno_ret = true;
			call->errno_ret = rng(200);
		}
		if (rng(2))
			random_args(call, p->args[i]);
	}
}

static bool is_listed(const struct spec_seccomp *s, const char *name)
{
	for (size_t i = 0; i < s->n_architectures; i++)
		if (strcmp(s->architectures[i], name) == 0)
			return true;
	return false;
}

/* False: two rules contradict each other. */
static bool compare_random(const struct random_profile *p)
{
	struct seccomp_filter f;
	struct err err = { 0 };

	if (seccomp_compile(&p->s, NULL, &f, &err) < 0) {
		assert_text_has(err.text, "contradicts");
		return false;
	}
	for (int i = 0; i < 300 && f.size > 0; i++) {
		const uint64_t args[6] = { random_value(), random_value(), random_value() };
		const char *name = pool[rng(N(pool))];
		int64_t nr = ref_number(SCMP_ARCH_X86_64, name);

		if (nr < 0 || rng(10) == 0)
			nr = rng(600);
		assert_same(&p->s, &f, SCMP_ARCH_X86_64, (uint32_t)nr, args);
		nr = ref_number(SCMP_ARCH_X32, name);
		if (nr >= 0 && is_listed(&p->s, "SCMP_ARCH_X32"))
			assert_same(&p->s, &f, SCMP_ARCH_X32, (uint32_t)nr, args);
	}
	seccomp_filter_done(&f);
	return true;
}

TEST(random_profiles_compile_to_what_they_say)
{
	struct random_profile p;
	int compared = 0;

	if (seccomp_arch_native() != SCMP_ARCH_X86_64)
		test_skip("needs x86-64");
	for (int round = 0; round < 4000; round++) {
		make_random(&p);
		compared += compare_random(&p);
	}
	assert_true(compared > 3000);
}

/* ---- libseccomp's own filter as a second opinion ---- */

static struct seccomp_filter compile_by_libseccomp(const struct spec_seccomp *s)
{
	scmp_filter_ctx ctx = seccomp_init(
		ref_action(s->default_action, s->has_default_errno_ret, s->default_errno_ret));
	struct seccomp_filter f = { 0 };
	int fd = memfd_create("filter", MFD_CLOEXEC);

	assert_non_null(ctx);
	assert_ok(seccomp_arch_add(ctx, SCMP_ARCH_X86));
	assert_ok(seccomp_arch_add(ctx, SCMP_ARCH_X32));
	for (size_t i = 0; i < s->n_syscalls; i++) {
		const struct spec_seccomp_syscall *call = &s->syscalls[i];
		struct scmp_arg_cmp args[6];

		for (size_t k = 0; k < call->n_args; k++)
			args[k] = (struct scmp_arg_cmp){ call->args[k].index,
				call->args[k].op == SPEC_CMP_MASKED_EQ ? SCMP_CMP_MASKED_EQ
				: call->args[k].op == SPEC_CMP_NE      ? SCMP_CMP_NE
								       : SCMP_CMP_EQ,
				call->args[k].value, call->args[k].value_two };
		for (size_t k = 0; k < call->n_names; k++) {
			int nr = seccomp_syscall_resolve_name(call->names[k]);

			if (nr != __NR_SCMP_ERROR)
				assert_ok(seccomp_rule_add_array(ctx,
					ref_action(
						call->action, call->has_errno_ret, call->errno_ret),
					nr, (unsigned int)call->n_args, args));
		}
	}
	assert_ok(seccomp_export_bpf(ctx, fd));
	seccomp_release(ctx);
	f.size = (size_t)lseek(fd, 0, SEEK_END);
	f.program = malloc(f.size);
	assert_non_null(f.program);
	assert_int_equal(pread(fd, f.program, f.size, 0), f.size);
	close(fd);
	return f;
}

TEST(the_usual_profile_means_what_libseccomp_makes_of_it)
{
	static const uint64_t first[] = { 0, 1, 2, 3, 4, 5, 8, 11, 16, 17, 18, 24, 40, 0x20000,
		0xffffffff, 0x7e020000, 0x100000000, 0x100000028, UINT64_MAX };
	static const uint32_t audit[] = { AUDIT_ARCH_X86_64, AUDIT_ARCH_I386, AUDIT_ARCH_AARCH64 };
	struct seccomp_filter ours = compile_or_fail(&usual, NULL);
	struct seccomp_filter theirs = compile_by_libseccomp(&usual);
	size_t differ = 0;

	if (seccomp_arch_native() != SCMP_ARCH_X86_64)
		test_skip("needs x86-64");
	for (size_t a = 0; a < N(audit); a++)
		for (uint32_t nr = 0; nr < 1300; nr++)
			for (size_t i = 0; i < N(first); i++) {
				const uint64_t args[6] = { first[i] };
				uint32_t n = nr < 600 ? nr : X32 | (nr - 600);
				int64_t x = run_on(&ours, audit[a], n, args);
				int64_t y = run_on(&theirs, audit[a], n, args);

				if (x == y || x == ERRNO(ENOSYS))
					continue;
				/* Calls that this libseccomp does not know. */
				if (x == ALLOW && (n & ~X32) > 456 && (n & ~X32) <= 466)
					continue;
				fprintf(stderr, "# %#x %u(%#lx): ours %#lx, theirs %#lx\n",
					audit[a], n, (unsigned long)first[i], (unsigned long)x,
					(unsigned long)y);
				differ++;
			}
	assert_int_equal(differ, 0);
	printf("# instructions: ours %zu, theirs %zu\n", ours.size / 8, theirs.size / 8);
	assert_true(ours.size < theirs.size);
	seccomp_filter_done(&ours);
	seccomp_filter_done(&theirs);
}

/* ---- special cases ---- */

TEST(a_profile_that_allows_everything_loads_nothing)
{
	const struct spec_seccomp empty = { .default_action = SPEC_ACT_ALLOW },
				  same = { .default_action = SPEC_ACT_ALLOW,
					  CALLS({ NAMES("read"), .action = SPEC_ACT_ALLOW }) };
	struct seccomp_filter f = compile_or_fail(&empty, NULL);

	assert_null(f.program);
	assert_int_equal(f.size, 0);
	f = compile_or_fail(&same, NULL);
	assert_int_equal(f.size, 0);
}

TEST(several_conditions_on_one_argument_are_alternatives)
{
	const struct spec_seccomp s = { .default_action = SPEC_ACT_ALLOW,
		CALLS({ NAMES("personality"), .action = SPEC_ACT_ERRNO,
			ARGS({ .index = 0, .op = SPEC_CMP_EQ, .value = 3 },
				{ .index = 0, .op = SPEC_CMP_EQ, .value = 5 }) }) };
	struct seccomp_filter f = compile_or_fail(&s, NULL);

	assert_int_equal(native(&f, "personality", 3), ERRNO(EPERM));
	assert_int_equal(native(&f, "personality", 5), ERRNO(EPERM));
	assert_int_equal(native(&f, "personality", 4), ALLOW);
	seccomp_filter_done(&f);
}

TEST(a_list_of_what_is_forbidden_covers_calls_that_libseccomp_does_not_know)
{
	const struct spec_seccomp s = { .default_action = SPEC_ACT_ALLOW,
		CALLS({ NAMES("open_tree_attr", "listns"), .action = SPEC_ACT_KILL_PROCESS }) };
	const uint64_t args[6] = { 0 };
	struct seccomp_filter f = compile_or_fail(&s, NULL);

	assert_int_equal(run_on(&f, seccomp_arch_native(), 467, args), SECCOMP_RET_KILL_PROCESS);
	assert_int_equal(run_on(&f, seccomp_arch_native(), 470, args), SECCOMP_RET_KILL_PROCESS);
	assert_int_equal(run_on(&f, seccomp_arch_native(), 468, args), ALLOW);
	assert_int_equal(run_on(&f, seccomp_arch_native(), 500, args), ALLOW);
	seccomp_filter_done(&f);
}

static void assert_refused(const struct spec_seccomp *s, int code, const char *text)
{
	struct seccomp_filter f;
	struct err err = { 0 };

	assert_int_equal(seccomp_compile(s, NULL, &f, &err), code);
	assert_text_has(err.text, text);
}

TEST(what_cannot_be_done_is_refused_by_name)
{
	const struct spec_seccomp notify = { .default_action = SPEC_ACT_ALLOW,
		CALLS({ NAMES("read", "write"), .action = SPEC_ACT_NOTIFY }) };
	const struct spec_seccomp all = { .default_action = SPEC_ACT_NOTIFY };
	const struct spec_seccomp errno_ret = { .default_action = SPEC_ACT_ERRNO,
		CALLS({ NAMES("read"), .action = SPEC_ACT_ALLOW, .has_errno_ret = true }) };
	const struct spec_seccomp default_errno = { .default_action = SPEC_ACT_KILL,
		.has_default_errno_ret = true,
		.default_errno_ret = 1 };
	const struct spec_seccomp big = { .default_action = SPEC_ACT_ERRNO,
		.has_default_errno_ret = true,
		.default_errno_ret = 70000 };
	const struct spec_seccomp index = { .default_action = SPEC_ACT_ERRNO,
		CALLS({ NAMES("read"), .action = SPEC_ACT_ALLOW,
			ARGS({ .index = 6, .op = SPEC_CMP_EQ }) }) };
	const struct spec_seccomp contradiction = { .default_action = SPEC_ACT_ALLOW,
		CALLS({ NAMES("close"), .action = SPEC_ACT_ERRNO,
			      ARGS({ .index = 0, .op = SPEC_CMP_EQ, .value = 5 }) },
			{ NAMES("close"), .action = SPEC_ACT_KILL,
				ARGS({ .index = 0, .op = SPEC_CMP_EQ, .value = 5 }) }) };

	assert_refused(&notify, -EINVAL,
		"linux.seccomp.syscalls[0]: SCMP_ACT_NOTIFY cannot be used for the write syscall");
	assert_refused(&all, -EINVAL, "linux.seccomp.defaultAction: SCMP_ACT_NOTIFY");
	assert_refused(&errno_ret, -EINVAL, "linux.seccomp.syscalls.errnoRet: 0");
	assert_refused(&default_errno, -EINVAL, "linux.seccomp.defaultErrnoRet");
	assert_refused(&big, -EINVAL, "linux.seccomp.defaultErrnoRet");
	assert_refused(&index, -EINVAL, "linux.seccomp.syscalls[0].args[0]");
	assert_refused(&contradiction, -EINVAL,
		"linux.seccomp.syscalls[1]: contradicts syscalls[0] on the same conditions");
}

TEST(a_filter_too_long_for_the_kernel_is_refused)
{
	static struct spec_seccomp_syscall calls[4000];
	static struct spec_seccomp_arg args[4000];
	const char *name[] = { "ioctl" };
	struct spec_seccomp s = {
		.default_action = SPEC_ACT_ERRNO, .syscalls = calls, .n_syscalls = N(calls)
	};

	for (uint32_t i = 0; i < N(calls); i++) {
		args[i] = (struct spec_seccomp_arg){
			.index = 1, .op = SPEC_CMP_EQ, .value = i * 0x100000001ull
		};
		calls[i] = (struct spec_seccomp_syscall){ .names = name,
			.n_names = 1,
			.action = SPEC_ACT_ALLOW,
			.args = &args[i],
			.n_args = 1 };
	}
	assert_refused(&s, -E2BIG, "the kernel takes 4096");
}

TEST(flags_are_the_kernel_s_numbers_without_those_of_threads_and_listeners)
{
	struct spec_seccomp s = { .default_action = SPEC_ACT_ERRNO, .has_flags = true };
	struct seccomp_filter f;

	s.flags = SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_LOG | 1u << 5;
	f = compile_or_fail(&s, NULL);
	assert_int_equal(f.flags, SECCOMP_FILTER_FLAG_LOG);
	seccomp_filter_done(&f);
	s.flags = 0;
	f = compile_or_fail(&s, NULL);
	assert_int_equal(f.flags, 0);
	seccomp_filter_done(&f);
}

TEST(a_rule_that_notifies_asks_for_a_listener)
{
	const uint64_t killable = 1u << 5;
	struct spec_seccomp s = { .default_action = SPEC_ACT_ALLOW,
		.has_flags = true,
		.flags = SECCOMP_FILTER_FLAG_TSYNC | killable,
		CALLS({ NAMES("mkdir"), .action = SPEC_ACT_NOTIFY }) };
	struct seccomp_filter f = compile_or_fail(&s, NULL);

	assert_true(f.size > 0);
	assert_int_equal(f.flags, SECCOMP_FILTER_FLAG_NEW_LISTENER | killable);
	seccomp_filter_done(&f);
}

/* ---- loaded ---- */

static int in_child(const struct seccomp_filter *f, int (*act)(void))
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		struct sock_fprog prog = { (unsigned short)(f->size / sizeof(struct sock_filter)),
			f->program };

		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
			syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, f->flags, &prog) < 0)
			_exit(100);
		_exit(act());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static int try_calls(void)
{
	char c;

	if (syscall(SYS_reboot, 0, 0, 0, 0) != -1 || errno != EPERM)
		return 1;
	if (syscall(600) != -1 || errno != ENOSYS)
		return 2;
	if (read(-1, &c, 1) != -1 || errno != EBADF)
		return 3;
	return 0;
}

TEST(the_kernel_takes_the_filter_and_acts_by_it)
{
	struct seccomp_filter f = compile_or_fail(&usual, NULL);

	assert_int_equal(in_child(&f, try_calls), 0);
	seccomp_filter_done(&f);
}

/* ---- the cache ---- */

struct cache_test {
	struct test_tmpdir dir;
	struct seccomp_cache cache;
	struct err err;
};

static void cache_open(struct cache_test *t, size_t in_memory)
{
	*t = (struct cache_test){ .dir = test_tmpdir_memory() };
	assert_ok(seccomp_cache_init(&t->cache, t->dir.fd, in_memory, &t->err));
}

static void cache_close(struct cache_test *t)
{
	seccomp_cache_done(&t->cache);
	seccomp_cache_done(&t->cache);
	test_tmpdir_remove(&t->dir);
}

/* Number of files in the cache, the last one's name in `name`. */
static size_t count_files(const struct cache_test *t, char name[256])
{
	DIR *dir = opendir(t->dir.path);
	struct dirent *e;
	size_t n = 0;

	assert_non_null(dir);
	while ((e = readdir(dir)))
		if (e->d_type == DT_REG) {
			snprintf(name, 256, "%s", e->d_name);
			n++;
		}
	closedir(dir);
	return n;
}

static void assert_equal_filters(struct seccomp_filter *a, struct seccomp_filter *b)
{
	assert_int_equal(a->size, b->size);
	assert_memory_equal(a->program, b->program, a->size);
	assert_int_equal(a->flags, b->flags);
	seccomp_filter_done(a);
	seccomp_filter_done(b);
}

/* The head of a file as it must be for this program under this name. */
struct file_head {
	uint32_t magic, format, size, pad;
	uint8_t hash[SHA256_SIZE];
};

static void seal(struct file_head *head, const char *name, const void *program, size_t size)
{
	struct sha256 h;

	sha256_init(&h);
	for (int i = 0; i < SHA256_SIZE; i++) {
		unsigned int byte;
		uint8_t b;

		assert_int_equal(sscanf(name + 2 * i, "%2x", &byte), 1);
		b = (uint8_t)byte;
		sha256_add(&h, &b, 1);
	}
	sha256_add(&h, program, size);
	sha256_final(&h, head->hash);
	head->size = (uint32_t)size;
}

TEST(a_profile_is_compiled_once_and_then_read)
{
	struct seccomp_filter a, b;
	struct cache_test t;
	char name[256];
	struct sock_filter mark;
	int fd;

	cache_open(&t, 0);
	a = compile_or_fail(&usual, &t.cache);
	assert_int_equal(count_files(&t, name), 1);
	b = compile_or_fail(&usual, &t.cache);
	assert_equal_filters(&a, &b);
	assert_int_equal(count_files(&t, name), 1);
	/* Proof that the file is what was taken: a sound file with other content. */
	fd = openat(t.dir.fd, name, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	mark = (struct sock_filter){ BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW };
	struct file_head head;
	assert_int_equal(pread(fd, &head, sizeof(head), 0), sizeof(head));
	seal(&head, name, &mark, sizeof(mark));
	assert_int_equal(pwrite(fd, &head, sizeof(head), 0), sizeof(head));
	assert_int_equal(pwrite(fd, &mark, sizeof(mark), sizeof(head)), sizeof(mark));
	assert_ok(ftruncate(fd, sizeof(head) + sizeof(mark)));
	close(fd);
	a = compile_or_fail(&usual, &t.cache);
	assert_int_equal(a.size, sizeof(mark));
	seccomp_filter_done(&a);
	cache_close(&t);
}

static void put_foreign(const struct cache_test *t, int fd, const char *name)
{
	struct sock_filter all = { BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW };
	struct file_head head;
	char other[256];

	assert_int_equal(pread(fd, &head, sizeof(head), 0), sizeof(head));
	snprintf(other, sizeof(other), "%s", name);
	other[0] = name[0] == '0' ? '1' : '0';
	seal(&head, other, &all, sizeof(all));
	assert_int_equal(pwrite(fd, &head, sizeof(head), 0), sizeof(head));
	assert_int_equal(pwrite(fd, &all, sizeof(all), sizeof(head)), sizeof(all));
	assert_ok(ftruncate(fd, sizeof(head) + sizeof(all)));
}

TEST(damaged_and_foreign_files_are_not_taken)
{
	struct seccomp_filter a, b;
	struct cache_test t;
	char name[256], other[80];

	for (int damage = 0; damage < 8; damage++) {
		int fd;

		cache_open(&t, 0);
		a = compile_or_fail(&usual, &t.cache);
		assert_int_equal(count_files(&t, name), 1);
		fd = openat(t.dir.fd, name, O_RDWR | O_CLOEXEC);
		assert_true(fd >= 0);
		switch (damage) {
		case 0: /* a flipped bit */
			assert_int_equal(pwrite(fd, "\xff", 1, 200), 1);
			break;
		case 1:
			assert_ok(ftruncate(fd, 100));
			break;
		case 2:
			assert_ok(ftruncate(fd, 0));
			break;
		case 3:
			assert_ok(ftruncate(fd, 1 << 20));
			break;
		case 4: /* others may write it */
			assert_ok(fchmod(fd, 0666));
			assert_int_equal(pwrite(fd, "\xff", 1, 200), 1);
			break;
		case 5: /* a link to a sound one elsewhere */
			snprintf(other, sizeof(other), "%s/x", t.dir.path);
			assert_ok(renameat(t.dir.fd, name, t.dir.fd, "x"));
			assert_ok(symlinkat(other, t.dir.fd, name));
			break;
		case 6: /* a fifo must not hang us */
			assert_ok(unlinkat(t.dir.fd, name, 0));
			assert_ok(mkfifoat(t.dir.fd, name, 0600));
			break;
		case 7: /* a sound one of another profile, which allows everything */
			put_foreign(&t, fd, name);
			break;
		}
		close(fd);
		b = compile_or_fail(&usual, &t.cache);
		assert_equal_filters(&a, &b);
		cache_close(&t);
	}
}

TEST(a_directory_that_others_can_use_is_no_cache)
{
	struct seccomp_filter f;
	struct cache_test t = { .dir = test_tmpdir_memory() };
	char name[256];

	assert_ok(fchmod(t.dir.fd, 0750));
	assert_int_equal(seccomp_cache_init(&t.cache, t.dir.fd, 1, &t.err), -EPERM);
	f = compile_or_fail(&usual, &t.cache); /* in memory it works on */
	assert_int_equal(count_files(&t, name), 0);
	seccomp_filter_done(&f);
	cache_close(&t);
}

TEST(the_directory_is_made_when_it_is_needed_and_only_trusted_as_we_make_it)
{
	struct cache_test t = { .dir = test_tmpdir_memory() };
	struct cache_test in = { 0 };
	struct seccomp_filter a, b;
	char name[256];

	seccomp_cache_init_below(&t.cache, t.dir.fd, 0);
	a = compile_or_fail(&usual, &t.cache);
	in.dir.fd = openat(t.dir.fd, SECCOMP_CACHE_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(in.dir.fd >= 0);
	snprintf(in.dir.path, sizeof(in.dir.path), "%.40s/" SECCOMP_CACHE_DIR, t.dir.path);
	assert_int_equal(count_files(&in, name), 1);
	b = compile_or_fail(&usual, &t.cache);
	assert_equal_filters(&a, &b);
	/* Whoever can write there could have written a filter. */
	assert_ok(unlinkat(in.dir.fd, name, 0));
	assert_ok(fchmod(in.dir.fd, 0770));
	a = compile_or_fail(&usual, &t.cache);
	assert_int_equal(count_files(&in, name), 0);
	seccomp_filter_done(&a);
	assert_ok(unlinkat(t.dir.fd, SECCOMP_CACHE_DIR, AT_REMOVEDIR));
	/* Nor is a link followed to somewhere else. */
	assert_ok(symlinkat("/", t.dir.fd, SECCOMP_CACHE_DIR));
	a = compile_or_fail(&usual, &t.cache);
	seccomp_filter_done(&a);
	close(in.dir.fd);
	cache_close(&t);
}

TEST(profiles_that_differ_in_anything_have_files_of_their_own)
{
	struct spec_seccomp_arg arg = { .index = 0, .op = SPEC_CMP_EQ, .value = 1 };
	const char *names[2] = { "read", "write" };
	struct spec_seccomp_syscall call = {
		.names = names, .n_names = 1, .action = SPEC_ACT_ALLOW, .args = &arg, .n_args = 1
	};
	const char *archs[] = { "SCMP_ARCH_X86" };
	struct spec_seccomp s = {
		.default_action = SPEC_ACT_ERRNO, .syscalls = &call, .n_syscalls = 1
	};
	struct cache_test t;
	char name[256];
	size_t n = 0;

	cache_open(&t, 2);
	for (int change = 0; change < 9; change++) {
		struct seccomp_filter f;

		switch (change) {
		case 1:
			s.has_default_errno_ret = true;
			s.default_errno_ret = 5;
			break;
		case 2:
			arg.value = 2;
			break;
		case 3:
			arg.op = SPEC_CMP_GT;
			break;
		case 4:
			arg.index = 1;
			break;
		case 5:
			call.n_names = 2;
			break;
		case 6:
			call.action = SPEC_ACT_LOG;
			break;
		case 7:
			s.architectures = archs;
			s.n_architectures = 1;
			break;
		case 8:
			call.n_args = 0;
			break;
		}
		f = compile_or_fail(&s, &t.cache);
		assert_int_equal(count_files(&t, name), ++n);
		seccomp_filter_done(&f);
	}
	cache_close(&t);
}

TEST(the_cache_stays_small)
{
	const char *names[1] = { "read" };
	struct spec_seccomp_syscall call = {
		.names = names, .n_names = 1, .action = SPEC_ACT_ALLOW
	};
	struct spec_seccomp s = { .default_action = SPEC_ACT_ERRNO,
		.has_default_errno_ret = true,
		.syscalls = &call,
		.n_syscalls = 1 };
	struct cache_test t;
	char name[256];

	cache_open(&t, 4);
	for (uint32_t i = 1; i < 100; i++) {
		struct seccomp_filter f;

		s.default_errno_ret = i;
		f = compile_or_fail(&s, &t.cache);
		seccomp_filter_done(&f);
	}
	assert_int_equal(count_files(&t, name), 64);
	cache_close(&t);
}

TEST(in_memory_the_last_profiles_are_found_without_their_files)
{
	struct spec_seccomp other = usual;
	struct seccomp_filter a, b, f;
	struct cache_test t;
	char name[256];

	cache_open(&t, 2);
	a = compile_or_fail(&usual, &t.cache);
	other.default_errno_ret = 7;
	f = compile_or_fail(&other, &t.cache);
	while (count_files(&t, name) > 0)
		assert_ok(unlinkat(t.dir.fd, name, 0));
	b = compile_or_fail(&usual, &t.cache);
	assert_equal_filters(&a, &b);
	assert_int_equal(count_files(&t, name), 0); /* nothing was compiled */
	seccomp_filter_done(&f);
	cache_close(&t);
}
