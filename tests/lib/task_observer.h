/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Observer: what a subscriber and the clients of one task may rely on, checked effect by effect:
 * INV-1 to INV-17 of spec/shim.md 6.3 and the order of a step. It knows nothing of the core's
 * states, only of what it is told.
 *
 * Owner    A value, zero at the task's birth. Flat, so that it can be hashed with the task.
 * Errors   observe() returns NULL, or the sentence that does not hold.
 */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "task/task.h"

#define OBSERVER_EXECS 4

struct observer_proc {
	bool added;
	bool started;
	bool exited;
	bool start_asked; /* somebody waits for the start's answer */
	uint32_t exits;
	uint32_t exit_status;
	uint64_t exited_wall_ns;
	bool waited; /* a Wait was answered with the exit below */
	uint32_t wait_status;
};

struct observer {
	bool created;
	bool deleted;
	bool paused;
	bool gone;
	uint64_t sequence;
	struct observer_proc init;
	struct observer_proc exec[OBSERVER_EXECS]; /* by slot; cleared when the slot is freed */
};

static inline struct observer_proc *observer_proc(struct observer *o, uint32_t exec)
{
	return exec == TASK_INIT ? &o->init : &o->exec[exec];
}

static inline const char *observe_exit(struct observer *o, const struct effect *e)
{
	struct observer_proc *p = observer_proc(o, e->exec);

	if (p->exited)
		return "INV-4, 6: a second exit";
	if (p->start_asked)
		return "INV-3, 6: an exit before the answer to its start";
	if (e->exec != TASK_INIT && !p->started)
		return "INV-7: an exit without a start";
	if (o->init.exited)
		return "INV-8: an exec's exit after the init's";
	if (e->exec == TASK_INIT)
		for (uint32_t i = 0; i < OBSERVER_EXECS; i++)
			if (o->exec[i].started && !o->exec[i].exited)
				return "INV-8: the init's exit while an exec lives";
	if (p->waited && p->wait_status != e->exit_status)
		return "INV-14: Wait and TaskExit differ";
	p->exited = true;
	p->exit_status = e->exit_status;
	p->exited_wall_ns = e->exited_wall_ns;
	if (e->exited_wall_ns == 0)
		return "INV-14: an exit without a time";
	return NULL;
}

static inline const char *observe_event(struct observer *o, const struct effect *e)
{
	struct observer_proc *p = observer_proc(o, e->exec);

	if (e->sequence != ++o->sequence)
		return "INV-19: a gap in the sequence of events";
	if (o->deleted)
		return "INV-11: an event after TaskDelete";
	if (e->topic == TOPIC_CREATE) {
		bool twice = o->created;

		o->created = true;
		return twice ? "INV-1: a second TaskCreate" : NULL;
	}
	if (!o->created)
		return "INV-1: an event before TaskCreate";
	switch (e->topic) {
	case TOPIC_START:
		if (p->started || p->exited)
			return "INV-2, 3: TaskStart is late or repeated";
		if (e->pid == 0)
			return "INV-2: TaskStart without a pid";
		p->started = true;
		return NULL;
	case TOPIC_EXEC_ADDED:
		if (p->added)
			return "INV-5: added twice";
		p->added = true;
		return NULL;
	case TOPIC_EXEC_STARTED:
		if (!p->added || p->started || p->exited)
			return "INV-5, 6: TaskExecStarted is early, late or repeated";
		if (o->init.exited)
			return "INV-9: TaskExecStarted after the init's exit";
		if (e->pid == 0)
			return "INV-6: TaskExecStarted without a pid";
		p->started = true;
		return NULL;
	case TOPIC_EXIT:
		return observe_exit(o, e);
	case TOPIC_DELETE:
		o->deleted = true;
		if (o->init.started && !o->init.exited)
			return "INV-10: TaskDelete before the exit";
		if (e->exit_status != o->init.exit_status ||
			e->exited_wall_ns != o->init.exited_wall_ns)
			return "INV-21: TaskDelete and TaskExit differ";
		return NULL;
	case TOPIC_PAUSED:
	case TOPIC_RESUMED:
		if (o->paused == (e->topic == TOPIC_PAUSED))
			return "INV-17: paused and resumed do not alternate";
		o->paused = e->topic == TOPIC_PAUSED;
		break;
	default:
		break;
	}
	return o->init.exited ? "INV-16, 17: an event between exit and delete" : NULL;
}

static inline const char *observe_reply(struct observer *o, const struct effect *e)
{
	struct observer_proc *p = observer_proc(o, e->exec);

	if (e->request == IN_START)
		p->start_asked = false;
	if (e->code != CODE_OK)
		return e->text && *e->text ? NULL : "4: a refusal without a reason";
	switch (e->request) {
	case IN_CREATE:
		return o->created ? NULL : "INV-13: Create answered before TaskCreate";
	case IN_START:
		return p->started ? NULL : "INV-13: Start answered before its event";
	case IN_EXEC:
		return p->added ? NULL : "INV-13: Exec answered before its event";
	case IN_DELETE:
		if (e->exec == TASK_INIT && !o->deleted)
			return "INV-13: Delete answered before TaskDelete";
		if (p->exited && e->exit_status != p->exit_status)
			return "INV-21: Delete and TaskExit differ";
		return NULL;
	case IN_STATE:
		if (p->exited && e->status != STATUS_STOPPED)
			return "INV-15: not stopped after its exit";
		return NULL;
	case IN_WAIT:
		if (p->exited && e->exit_status != p->exit_status)
			return "INV-14: Wait and TaskExit differ";
		if (e->exited_wall_ns == 0)
			return NULL;
		p->waited = true;
		p->wait_status = e->exit_status;
		return NULL;
	default:
		return NULL;
	}
}

/* The only connection is gone: nobody waits for an answer any more. */
static inline void observe_hangup(struct observer *o)
{
	o->init.start_asked = false;
	for (uint32_t i = 0; i < OBSERVER_EXECS; i++)
		o->exec[i].start_asked = false;
}

/* One effect, in order. `logged`: the list that it is in began with FX_LOG. */
static inline const char *observe(struct observer *o, const struct effect *e)
{
	if (o->gone)
		return "an effect after the task is gone";
	switch (e->type) {
	case FX_EVENT:
		return observe_event(o, e);
	case FX_REPLY:
		return observe_reply(o, e);
	case FX_START:
	case FX_EXEC_START:
		if (!e->again)
			observer_proc(o, e->exec)->start_asked = true;
		if (o->init.exited)
			return "INV-9: a start is ordered after the init's exit";
		return NULL;
	case FX_DELETE:
		if (o->init.started && !o->init.exited)
			return "RACE-12: a delete is ordered before the exit was published";
		return NULL;
	case FX_EXEC_GONE:
		memset(&o->exec[e->exec], 0, sizeof(o->exec[e->exec]));
		return NULL;
	case FX_GONE:
		o->gone = true;
		if (o->created && !o->deleted)
			return "INV-11: gone without TaskDelete";
		return NULL;
	default:
		return NULL;
	}
}
