/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Doctor: what `reeve doctor` has found out: one finding a line, by section. Who looks at something
 * adds to the list; what it means for the exit status is in the kind.
 *
 * Owner    The caller's struct, ended with doctor_done(), which accepts zero. Words are copied.
 * Errors   What cannot be found out is a finding. Without memory, doctor_add() sets `failed`.
 * Blocks   Reads local files; doctor_look_at_reeved() waits for reeve-helper, within bounds.
 * Context  Parent.
 */
#include <stdbool.h>
#include <stddef.h>

#include "base/mem.h"

struct settings;

enum doctor_kind {
	DOCTOR_OK,
	DOCTOR_NOTE,    /* nothing is wrong, but somebody may want to know */
	DOCTOR_MISSING, /* the machine has it not, and something costs more or is not there */
	DOCTOR_WRONG,   /* somebody must do something */
};

struct doctor_finding {
	enum doctor_kind kind;
	const char *section, *text;
	const char *cost; /* what it costs, or what is to be done; NULL */
};

struct doctor {
	struct arena arena;
	struct doctor_finding *list;
	size_t n, cap;
	bool failed;
};

void doctor_add(struct doctor *d, enum doctor_kind kind, const char *section, const char *cost,
	const char *fmt, ...) __attribute__((format(printf, 5, 6)));
void doctor_done(struct doctor *d);

/* The kernel, its cgroups, our capabilities. */
void doctor_look_at_machine(struct doctor *d);
/* A daemon's directories: recorder, store, restarts, what is left over. */
void doctor_look_at_reeved(struct doctor *d, const struct settings *s);
