/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Recording: of which processes the recorder in the kernel (exit/recorder.h) is to write down the end. It has an entry for a process
 * from before its release until its exit is durable here; without a recorder nothing happens.
 *
 * Owner    The process has its identity in `recorded` while there may be an entry.
 * Errors   Logged: a process that is not recorded has one layer less.
 * Blocks   Never.
 * Context  Parent, on the loop's thread.
 */
#include "supervisor/holder.h"

/* Its identity is known. Again: what is recorded stays. */
void recording_begin(struct held_proc *p);
/* Its exit is in the journal, or nobody will ask for it. */
void recording_end(struct held_proc *p);
/* A task goes. */
void recording_end_all(struct held_task *t);
/* What runs is recorded, also when the recorder came after it, and what no process here claims is forgotten. */
void recording_tidy(struct supervisor *sup);
