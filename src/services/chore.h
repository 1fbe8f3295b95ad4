/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Chore: what would keep the loop from everybody else, done by reeve-helper: layers, and the disk
 * (helper/disk.h). It answers with one line, "ok FIRST SECOND" or "error ERRNO TEXT".
 *
 * Owner    The chore is the core's until done() has been called, which it is once, from the loop, or
 *          by chores_end() with -ECANCELED. What `arg` is must live until then: who gives up waiting
 *          does not stop it.
 * Errors   Negative errno with *err; done() is not called then.
 * Blocks   Never.
 * Context  Parent, on the loop's thread.
 */
#include "container/helper_run.h"
#include "services/core.h"

/* `r` < 0: err has the text, and the words are NULL. */
typedef void chore_done_fn(
	void *arg, int r, const char *first, const char *second, const struct err *err);

/* `need` as in helper_spawn(). done NULL: a failure is logged. */
int chore_start(struct core *core, const char *need, const char *task,
	const struct helper_words *words, chore_done_fn *done, void *arg, struct err *err);
/* At the end of the daemon, while its doors are still there. */
void chores_end(struct core *core);
