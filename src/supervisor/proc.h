/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Proc: the process of a slot as the supervisor holds it: its streams, its identity and the watch for its exit, the fd
 * behind which it waits for its start.
 *
 * Owner    A held_proc belongs to its task.
 * Errors   As said; what only makes a restart worse is logged.
 * Blocks   Never.
 * Context  Parent, on the loop's thread.
 */
#include "supervisor/holder.h"

int proc_open_streams(struct held_proc *p,
	void (*ready)(struct process_io *s, const struct err *err), struct err *err);

/* From here on its exit is known under this token; its identity is copied. */
void proc_watch(struct held_proc *p, const struct pidref *who, uint64_t token);
/* The identity as the payload of an input, in `news`. */
void proc_add_news(const struct pidref *who, uint8_t news[PAYLOAD_NEWS_MAX], struct task_input *in);

/* It waits at its barrier: whatever becomes of us, it goes on waiting; until its start is on record. */
void proc_keep_barrier(struct held_proc *p);
int proc_barrier(const struct held_proc *p); /* the table's; -ENOENT */
void proc_drop_barrier(struct held_proc *p);

/* Of an earlier worker: its streams go on, and its exit is watched for. */
void proc_adopt(struct held_proc *p);
/* An adopted one that was gone already, and whose exit has not been told since: it has ended, how is not known. */
void proc_end_unknown(struct held_proc *p);

/* One that has failed to start or whose slot is freed: nobody's from here on. */
void proc_forget(struct held_proc *p);
