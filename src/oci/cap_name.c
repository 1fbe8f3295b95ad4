/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of capabilities, exactly as the runtime-spec writes them: upper case with CAP_ in front.
 * Which of them the running kernel knows is not decided here.
 */
#include "oci/cap_name.h"

#include <errno.h>
#include <linux/capability.h>
#include <string.h>

#define ROW(name) [name] = #name

static const char *const names[CAP_NAME_COUNT] = {
	ROW(CAP_CHOWN),
	ROW(CAP_DAC_OVERRIDE),
	ROW(CAP_DAC_READ_SEARCH),
	ROW(CAP_FOWNER),
	ROW(CAP_FSETID),
	ROW(CAP_KILL),
	ROW(CAP_SETGID),
	ROW(CAP_SETUID),
	ROW(CAP_SETPCAP),
	ROW(CAP_LINUX_IMMUTABLE),
	ROW(CAP_NET_BIND_SERVICE),
	ROW(CAP_NET_BROADCAST),
	ROW(CAP_NET_ADMIN),
	ROW(CAP_NET_RAW),
	ROW(CAP_IPC_LOCK),
	ROW(CAP_IPC_OWNER),
	ROW(CAP_SYS_MODULE),
	ROW(CAP_SYS_RAWIO),
	ROW(CAP_SYS_CHROOT),
	ROW(CAP_SYS_PTRACE),
	ROW(CAP_SYS_PACCT),
	ROW(CAP_SYS_ADMIN),
	ROW(CAP_SYS_BOOT),
	ROW(CAP_SYS_NICE),
	ROW(CAP_SYS_RESOURCE),
	ROW(CAP_SYS_TIME),
	ROW(CAP_SYS_TTY_CONFIG),
	ROW(CAP_MKNOD),
	ROW(CAP_LEASE),
	ROW(CAP_AUDIT_WRITE),
	ROW(CAP_AUDIT_CONTROL),
	ROW(CAP_SETFCAP),
	ROW(CAP_MAC_OVERRIDE),
	ROW(CAP_MAC_ADMIN),
	ROW(CAP_SYSLOG),
	ROW(CAP_WAKE_ALARM),
	ROW(CAP_BLOCK_SUSPEND),
	ROW(CAP_AUDIT_READ),
	ROW(CAP_PERFMON),
	ROW(CAP_BPF),
	ROW(CAP_CHECKPOINT_RESTORE),
};

int cap_name_parse(const char *name, unsigned int *ret)
{
	for (unsigned int i = 0; i < CAP_NAME_COUNT; i++) {
		if (strcmp(names[i], name) == 0) {
			*ret = i;
			return 0;
		}
	}
	return -EINVAL;
}

const char *cap_name(unsigned int cap)
{
	return cap < CAP_NAME_COUNT ? names[cap] : NULL;
}

uint64_t cap_name_mask(const char *const *list, size_t n, const char **ret_unknown)
{
	uint64_t mask = 0;

	*ret_unknown = NULL;
	for (size_t i = 0; i < n; i++) {
		unsigned int cap;

		if (cap_name_parse(list[i], &cap) == 0)
			mask |= UINT64_C(1) << cap;
		else if (!*ret_unknown)
			*ret_unknown = list[i];
	}
	return mask;
}
