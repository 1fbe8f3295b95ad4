/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Task name: what the ids of tasks and execs, and namespaces, may be.
 *
 * Owner    Nothing is allocated.
 * Errors   -EINVAL.
 * Blocks   Never; pure.
 * Context  Any.
 */
#include "base/err.h"

/* -EINVAL unless `s` is what containerd takes for an id or a namespace; `what` names it in the text. */
int task_name_check(const char *s, const char *what, struct err *err);
