/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of namespaces. The spec and /proc disagree about two of them ("mount" is mnt, "network" is
 * net), so each type has one row with all its names.
 */
#include "oci/namespace_name.h"

#include <errno.h>
#include <linux/sched.h>

static const struct {
	const char *proc;
	int flag;
} kernel_names[SPEC_NS_MAX] = {
	[SPEC_NS_CGROUP] = { "cgroup", CLONE_NEWCGROUP },
	[SPEC_NS_IPC] = { "ipc", CLONE_NEWIPC },
	[SPEC_NS_MOUNT] = { "mnt", CLONE_NEWNS },
	[SPEC_NS_NETWORK] = { "net", CLONE_NEWNET },
	[SPEC_NS_PID] = { "pid", CLONE_NEWPID },
	[SPEC_NS_TIME] = { "time", CLONE_NEWTIME },
	[SPEC_NS_USER] = { "user", CLONE_NEWUSER },
	[SPEC_NS_UTS] = { "uts", CLONE_NEWUTS },
};

const struct word namespace_name_words[] = {
	{ "cgroup", SPEC_NS_CGROUP },
	{ "ipc", SPEC_NS_IPC },
	{ "mount", SPEC_NS_MOUNT },
	{ "network", SPEC_NS_NETWORK },
	{ "pid", SPEC_NS_PID },
	{ "time", SPEC_NS_TIME },
	{ "user", SPEC_NS_USER },
	{ "uts", SPEC_NS_UTS },
	{ NULL, 0 },
};

int namespace_name_parse(const char *name, enum spec_ns_type *ret)
{
	int value;

	if (word_value(namespace_name_words, name, &value) < 0)
		return -EINVAL;
	*ret = (enum spec_ns_type)value;
	return 0;
}

const char *namespace_name(enum spec_ns_type type)
{
	return word_name(namespace_name_words, (int)type);
}

int namespace_name_flag(enum spec_ns_type type)
{
	return (unsigned int)type < SPEC_NS_MAX ? kernel_names[type].flag : 0;
}

const char *namespace_name_proc(enum spec_ns_type type)
{
	return (unsigned int)type < SPEC_NS_MAX ? kernel_names[type].proc : NULL;
}
