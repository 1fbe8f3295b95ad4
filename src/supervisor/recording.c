/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The identity is kept apart from that of the process, which goes with the exit and thus before the exit is durable: whoever
 * dies in between needs the entry.
 */
#include "supervisor/recording.h"

#include <errno.h>

#include "exit/recorder.h"

static const struct exit_recorder *recorder_of(const struct held_proc *p)
{
	return p->task->sup->config.recorder;
}

void recording_begin(struct held_proc *p)
{
	struct err err;

	p->recorded = p->who;
	p->recorded.fd = -EBADF;
	if (recorder_of(p) && p->who.fd >= 0 &&
		exit_recorder_arm(recorder_of(p), &p->who, p->task->number, &err) < 0)
		held_warn(p->task, &err);
}

void recording_end(struct held_proc *p)
{
	struct err err;

	if (recorder_of(p) && p->recorded.pid &&
		exit_recorder_forget(recorder_of(p), &p->recorded, &err) < 0)
		held_warn(p->task, &err);
	p->recorded = PIDREF_NULL;
}

void recording_end_all(struct held_task *t)
{
	for (uint32_t i = 0; i < t->core.cap_execs; i++)
		recording_end(t->execs[i]);
	recording_end(&t->init);
}

static bool is_of(const struct held_proc *p, const struct exit_recorder_entry *e)
{
	if (e->who.inode)
		return p->recorded.inode == e->who.inode;
	return p->recorded.pid == e->who.pid && p->recorded.start_time == e->who.start_time;
}

static bool is_claimed(void *arg, const struct exit_recorder_entry *e)
{
	const struct held_task *t = held_task_find(arg, e->cookie);

	if (!t)
		return false;
	for (uint32_t i = 0; i < t->core.cap_execs; i++)
		if (is_of(t->execs[i], e))
			return true;
	return is_of(&t->init, e);
}

static void begin_running(struct held_proc *p)
{
	if (p->who.fd >= 0)
		recording_begin(p);
}

void recording_tidy(struct supervisor *sup)
{
	struct held_task *t;
	struct err err;

	if (!exit_recorder_is_on(sup->config.recorder))
		return;
	for (uint64_t at = 0; (t = held_task_next(sup, at)) != NULL;) {
		at = t->number;
		begin_running(&t->init);
		for (uint32_t i = 0; i < t->core.cap_execs; i++)
			begin_running(t->execs[i]);
	}
	if (exit_recorder_sweep(sup->config.recorder, is_claimed, sup, &err) < 0 && sup->config.log)
		log_write(sup->config.log, LOG_WARN_, "%s", err.text);
}
