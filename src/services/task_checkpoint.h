/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Checkpoints as content: what criu writes goes through a directory below the daemon's, as containerd's goes through one
 * of its own: packed into the content store when a task is checkpointed, unpacked from it when one is restored.
 *
 *	ROOT/checkpoints/HEX	while a checkpoint is made, or unpacked; a task that is restored takes it along, into its
 *				work directory
 *
 * Owner    A directory is its maker's, until a task has it.
 * Errors   As core.h, texts as containerd's.
 * Blocks   On the store.
 * Context  Parent, on the loop's thread.
 */
#include "services/task_call.h"

/* The task is checkpointed into content; the call is answered when it is there. */
int task_checkpoint_make(struct core_call *c, const Pb__Tasks__CheckpointRequest *in);

/*
 * Unpack what the request names, and carry out the call once more, with `fn`. In there, and nowhere else,
 * task_checkpoint_unpacked() is the directory's path: whoever wants to keep it moves it away.
 */
int task_checkpoint_unpack(struct core_call *c, const Pb__Image__Descriptor *d, core_fn *fn);
const char *task_checkpoint_unpacked(const struct core_call *c);

/* At start: what a daemon before has left. */
void task_checkpoint_sweep(const struct core *core);
