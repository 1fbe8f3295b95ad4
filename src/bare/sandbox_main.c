/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reeve-sandbox: holds the namespaces of a sandbox, and as the first process of its pid namespace reaps what others
 * leave behind there. It has no file, no memory but its stack, and does nothing else.
 *
 * Signals are blocked and waited for: what is blocked is queued also for the first process of a namespace, which the
 * kernel otherwise protects from signals that it does not handle.
 */
#include <asm/signal.h>
#include <linux/prctl.h>
#include <linux/wait.h>

#include "bare/sys.h"

#define BIT(sig) (1ul << ((sig)-1))

__attribute__((noreturn, used)) void _start(void);

__attribute__((noreturn, used)) void _start(void)
{
	unsigned long set = BIT(SIGCHLD) | BIT(SIGTERM) | BIT(SIGINT);
	long sig;

	sys_call2(__NR_prctl, PR_SET_NAME, "reeve-sandbox");
	sys_call4(__NR_rt_sigprocmask, SIG_SETMASK, &set, 0, sizeof(set));
	do {
		while (sys_call4(__NR_wait4, -1, 0, WNOHANG, 0) > 0)
			;
		sig = sys_call4(__NR_rt_sigtimedwait, &set, 0, 0, sizeof(set));
	} while (sig != SIGTERM && sig != SIGINT);
	for (;;)
		sys_call1(__NR_exit_group, 0);
}
