/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks of a process, in config.json ("process.cwd") or by itself ("cwd").
 *
 * Names of capabilities are not checked: the runtime-spec wants unknown ones reported and left out.
 * An environment entry without '=' is legal and passed on as it is. Whether args[0] exists is for
 * the moment of execution to tell, with the texts that clients know.
 */
#include <errno.h>
#include <linux/ioprio.h>
#include <linux/sched.h>
#include <stdio.h>
#include <string.h>

#include "oci/cpu_list.h"
#include "oci/rlimit_name.h"
#include "oci/spec_check.h"

#define ARGS_BYTES (2u << 20)
#define ARG_BYTES (128u << 10) /* of one string with its NUL: the kernel's MAX_ARG_STRLEN */

static int check_strings(
	const char *field, const char **strings, size_t n, size_t *total, struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(strings[i]) + 1;

		*total += len;
		if (len > ARG_BYTES)
			return spec_check_fail(err, -E2BIG, "%s[%zu]: longer than %u bytes", field,
				i, ARG_BYTES - 1);
	}
	if (*total > ARGS_BYTES)
		return spec_check_fail(err, -E2BIG, "%s: args and env are longer than %u bytes",
			field, ARGS_BYTES);
	return 0;
}

static int check_args(const struct spec_process *p, const char *prefix, struct err *err)
{
	char field[32];
	size_t total = 0;
	int r;

	if (p->n_args == 0)
		return spec_check_fail(err, -EINVAL, "%sargs: must not be empty", prefix);
	snprintf(field, sizeof(field), "%sargs", prefix);
	r = check_strings(field, p->args, p->n_args, &total, err);
	if (r < 0)
		return r;
	snprintf(field, sizeof(field), "%senv", prefix);
	r = check_strings(field, p->env, p->n_env, &total, err);
	if (r < 0)
		return r;
	snprintf(field, sizeof(field), "%scwd", prefix);
	return spec_check_absolute(field, p->cwd, err);
}

static int check_user(const struct spec_process *p, const char *prefix, struct err *err)
{
	const struct spec_user *u = &p->user;
	char field[64];
	int r;

	snprintf(field, sizeof(field), "%suser.uid", prefix);
	r = spec_check_id(field, u->uid, err);
	if (r < 0)
		return r;
	snprintf(field, sizeof(field), "%suser.gid", prefix);
	r = spec_check_id(field, u->gid, err);
	for (size_t i = 0; r == 0 && i < u->n_additional_gids; i++) {
		snprintf(field, sizeof(field), "%suser.additionalGids[%zu]", prefix, i);
		r = spec_check_id(field, u->additional_gids[i], err);
	}
	if (r == 0 && u->has_umask && u->umask > 0777)
		r = spec_check_fail(
			err, -EINVAL, "%suser.umask: %u is beyond 0777 (511)", prefix, u->umask);
	return r;
}

static int check_rlimits(const struct spec_process *p, const char *prefix, struct err *err)
{
	uint64_t seen = 0;

	for (size_t i = 0; i < p->n_rlimits; i++) {
		const struct spec_rlimit *l = &p->rlimits[i];
		uint64_t bit = UINT64_C(1) << l->type;

		if (seen & bit)
			return spec_check_fail(err, -EINVAL, "%srlimits[%zu]: second entry for %s",
				prefix, i, rlimit_name(l->type));
		seen |= bit;
		if (l->soft > l->hard)
			return spec_check_fail(err, -EINVAL,
				"%srlimits[%zu]: soft limit of %s is above the hard limit", prefix,
				i, rlimit_name(l->type));
	}
	return 0;
}

static int check_scheduler(const struct spec_process *p, const char *prefix, struct err *err)
{
	const struct spec_scheduler *s = p->scheduler;
	bool deadline, realtime;

	if (!s)
		return 0;
	deadline = s->policy == SCHED_DEADLINE;
	realtime = s->policy == SCHED_FIFO || s->policy == SCHED_RR;
	if (s->nice < -20 || s->nice > 19)
		return spec_check_fail(
			err, -EINVAL, "%sscheduler.nice: %d is not in -20..19", prefix, s->nice);
	if (realtime ? s->priority < 1 || s->priority > 99 : s->priority != 0)
		return spec_check_fail(err, -EINVAL,
			"%sscheduler.priority: %d, but it must be 1..99 for SCHED_FIFO and "
			"SCHED_RR and 0 otherwise",
			prefix, s->priority);
	if (!deadline && (s->runtime || s->deadline || s->period))
		return spec_check_fail(err, -EINVAL,
			"%sscheduler: runtime, deadline and period belong to SCHED_DEADLINE",
			prefix);
	if (deadline && (s->runtime == 0 || s->runtime > s->deadline ||
				(s->period != 0 && s->deadline > s->period)))
		return spec_check_fail(err, -EINVAL,
			"%sscheduler: SCHED_DEADLINE needs 0 < runtime <= deadline <= period",
			prefix);
	return 0;
}

static int check_io_priority(const struct spec_process *p, const char *prefix, struct err *err)
{
	const struct spec_io_priority *io = p->io_priority;

	if (io && (io->priority < 0 || io->priority > 7))
		return spec_check_fail(err, -EINVAL, "%sioPriority.priority: %d is not in 0..7",
			prefix, io->priority);
	return 0;
}

static int check_affinity(const char *text, const char *prefix, const char *name, struct err *err)
{
	struct cpu_list list;
	int r;

	if (!text)
		return 0;
	r = cpu_list_parse(text, CPU_LIST_CPUS, &list, err);
	if (r < 0)
		err_in(err, "%sexecCPUAffinity.%s", prefix, name);
	return r;
}

static int check_console(const struct spec_process *p, const char *prefix, struct err *err)
{
	const struct spec_console_size *c = p->console_size;

	if (c && (c->height > UINT16_MAX || c->width > UINT16_MAX))
		return spec_check_fail(
			err, -EINVAL, "%sconsoleSize: sides are at most %d", prefix, UINT16_MAX);
	return 0;
}

static int check_labels(const struct spec_process *p, const char *prefix, struct err *err)
{
	if (p->apparmor_profile && strpbrk(p->apparmor_profile, "\r\n"))
		return spec_check_fail(err, -EINVAL, "%sapparmorProfile: holds a line end", prefix);
	if (p->selinux_label && strpbrk(p->selinux_label, "\r\n"))
		return spec_check_fail(err, -EINVAL, "%sselinuxLabel: holds a line end", prefix);
	if (p->has_oom_score_adj && (p->oom_score_adj < -1000 || p->oom_score_adj > 1000))
		return spec_check_fail(err, -EINVAL, "%soomScoreAdj: %d is not in -1000..1000",
			prefix, p->oom_score_adj);
	return 0;
}

int spec_check_process(const struct spec_process *p, const char *prefix, struct err *err)
{
	static int (*const checks[])(
		const struct spec_process *p, const char *prefix, struct err *err) = {
		check_args,
		check_user,
		check_rlimits,
		check_scheduler,
		check_io_priority,
		check_console,
		check_labels,
	};
	const struct spec_exec_cpu_affinity *a = p->exec_cpu_affinity;
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(checks); i++)
		r = checks[i](p, prefix, err);
	if (r == 0 && a)
		r = check_affinity(a->initial, prefix, "initial", err);
	if (r == 0 && a)
		r = check_affinity(a->final, prefix, "final", err);
	return r;
}

int spec_validate_process(const struct spec_process *p, struct err *err)
{
	return spec_check_process(p, "", err);
}
