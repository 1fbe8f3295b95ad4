/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Names of systemd: what linux.cgroupsPath means to its driver, and where a slice's cgroup is.
 *
 * Owner    Strings come from the caller's arena.
 * Errors   -EINVAL with the name and what is wrong with it; -ENOMEM.
 * Blocks   Never; pure.
 * Context  Any.
 *
 * Sources: systemd.unit(5), systemd.slice(5); runc's docs/systemd.md and crun(1) for "slice:prefix:name".
 */
#include <stdbool.h>

#include "base/err.h"
#include "base/mem.h"

struct unit_name {
	const char *unit;  /* "PREFIX-NAME.scope", or a slice */
	const char *slice; /* that it is in; "-.slice": the root */
	bool is_slice;     /* the unit itself */
};

/*
 * path: "SLICE:PREFIX:NAME", of which SLICE may be empty: user.slice without privileges, else system.slice. A NAME that ends
 * in ".slice" is the unit itself. NULL or "": `prefix` and `id`, whose letters are escaped as systemd does it.
 */
int unit_name_resolve(const char *path, const char *prefix, const char *id, bool unprivileged,
	struct arena *arena, struct unit_name *ret, struct err *err);

/* "a-b.slice" -> "/a.slice/a-b.slice"; "-.slice" -> "". Below the cgroup of the manager. */
int unit_slice_path(const char *slice, struct arena *arena, const char **ret, struct err *err);

/* 1 to 255 letters of those that systemd takes. */
bool unit_name_is_valid(const char *name);
