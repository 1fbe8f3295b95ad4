/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reeve-sandbox: holds the namespaces of a sandbox, and as the first process of its pid namespace reaps what others
 * leave behind there. It has no file, no memory but its stack, and does nothing else.
 *
 * Processes of containers see it, and with CAP_SYS_PTRACE they can make it do what they like: so it gives up first
 * what they might like. It has no capability and cannot get one, and three system calls are left.
 *
 * Signals are blocked and waited for: what is blocked is queued also for the first process of a namespace, which the
 * kernel otherwise protects from signals that it does not handle.
 */
#include <asm/errno.h>
#include <asm/signal.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <linux/wait.h>

#include "bare/sys.h"

#define BIT(sig) (1ul << ((sig)-1))
#define MAY(nr) \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#endif

static const struct sock_filter filter[] = {
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 4), /* arch of struct seccomp_data */
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0), /* nr */
	MAY(__NR_wait4),
	MAY(__NR_rt_sigtimedwait),
	MAY(__NR_restart_syscall),
	MAY(__NR_exit_group),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
};

/* Best effort: without, the sandbox is as good, and its containers have what others have. */
static void give_up(void)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct none[2] = { { 0 }, { 0 } };
	struct {
		unsigned short len;
		const void *filter;
	} program = { sizeof(filter) / sizeof(filter[0]), filter };

	sys_call5(__NR_prctl, PR_SET_DUMPABLE, 0, 0, 0, 0);
	sys_call5(__NR_prctl, PR_SET_SECUREBITS, SECURE_ALL_BITS | SECURE_ALL_LOCKS, 0, 0, 0);
	sys_call5(__NR_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	sys_call2(__NR_capset, &head, none);
	sys_call3(__NR_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}

__attribute__((noreturn, used)) void _start(void);

__attribute__((noreturn, used)) void _start(void)
{
	unsigned long set = BIT(SIGCHLD) | BIT(SIGTERM) | BIT(SIGINT);
	long sig;

	sys_call2(__NR_prctl, PR_SET_NAME, "reeve-sandbox");
	sys_call4(__NR_rt_sigprocmask, SIG_SETMASK, &set, 0, sizeof(set));
	give_up();
	do {
		while (sys_call4(__NR_wait4, -1, 0, WNOHANG, 0) > 0)
			;
		sig = sys_call4(__NR_rt_sigtimedwait, &set, 0, 0, sizeof(set));
	} while (sig != SIGTERM && sig != SIGINT);
	for (;;)
		sys_call1(__NR_exit_group, 0);
}
