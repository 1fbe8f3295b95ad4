/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks of a seccomp profile. System call names are not checked: a name that the library does not
 * know is skipped when the filter is made, for profiles list calls of all kernels.
 */
#include <errno.h>
#include <stdio.h>

#include "oci/spec_check.h"

#define ERRNO_MAX 4095 /* what the kernel can return to user space */

static int check_errno(const char *field, enum spec_seccomp_action action, bool has, uint32_t value,
	struct err *err)
{
	uint32_t max = action == SPEC_ACT_TRACE ? UINT16_MAX : ERRNO_MAX;

	if (!has)
		return 0;
	if (action != SPEC_ACT_ERRNO && action != SPEC_ACT_TRACE)
		return spec_check_fail(err, -EINVAL,
			"%s: only SCMP_ACT_ERRNO and SCMP_ACT_TRACE take a value", field);
	if (value > max)
		return spec_check_fail(err, -EINVAL, "%s: %u is beyond %u", field, value, max);
	return 0;
}

static int check_syscall(const struct spec_seccomp_syscall *c, size_t i, struct err *err)
{
	char field[64];

	if (c->n_names == 0)
		return spec_check_fail(
			err, -EINVAL, "linux.seccomp.syscalls[%zu].names: is empty", i);
	for (size_t k = 0; k < c->n_names; k++)
		if (str_empty(c->names[k]))
			return spec_check_fail(err, -EINVAL,
				"linux.seccomp.syscalls[%zu].names[%zu]: is empty", i, k);
	for (size_t k = 0; k < c->n_args; k++)
		if (c->args[k].index > 5)
			return spec_check_fail(err, -EINVAL,
				"linux.seccomp.syscalls[%zu].args[%zu].index: %u is not in 0..5", i,
				k, c->args[k].index);
	for (size_t k = 0; c->action == SPEC_ACT_NOTIFY && k < c->n_names; k++)
		if (str_eq(c->names[k], "write"))
			return spec_check_fail(err, -EINVAL,
				"linux.seccomp.syscalls[%zu]: SCMP_ACT_NOTIFY cannot be used for "
				"the write syscall, by which the runtime sets the listener up",
				i);
	snprintf(field, sizeof(field), "linux.seccomp.syscalls[%zu].errnoRet", i);
	return check_errno(field, c->action, c->has_errno_ret, c->errno_ret, err);
}

static int check_listener(const struct spec_seccomp *s, struct err *err)
{
	bool notify = false;

	for (size_t i = 0; i < s->n_syscalls; i++)
		notify |= s->syscalls[i].action == SPEC_ACT_NOTIFY;
	if (s->default_action == SPEC_ACT_NOTIFY)
		return spec_check_fail(err, -EINVAL,
			"linux.seccomp.defaultAction: SCMP_ACT_NOTIFY would notify the listener of "
			"the calls that set it up");
	if (notify && str_empty(s->listener_path))
		return spec_check_fail(
			err, -EINVAL, "linux.seccomp.listenerPath: missing for SCMP_ACT_NOTIFY");
	if (!str_empty(s->listener_metadata) && str_empty(s->listener_path))
		return spec_check_fail(
			err, -EINVAL, "linux.seccomp.listenerMetadata: without a listenerPath");
	if (!str_empty(s->listener_path))
		return spec_check_absolute("linux.seccomp.listenerPath", s->listener_path, err);
	return 0;
}

int spec_check_seccomp(const struct spec_seccomp *s, struct err *err)
{
	int r;

	r = check_errno("linux.seccomp.defaultErrnoRet", s->default_action,
		s->has_default_errno_ret, s->default_errno_ret, err);
	for (size_t i = 0; r == 0 && i < s->n_syscalls; i++)
		r = check_syscall(&s->syscalls[i], i, err);
	return r < 0 ? r : check_listener(s, err);
}
