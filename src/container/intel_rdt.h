/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Intel RDT: linux.intelRdt as groups of the resctrl file system, which share caches and memory bandwidth out.
 *
 * Owner    Names live in the record, which is saved before anything of it is made.
 * Errors   Negative errno; texts start with the field.
 * Blocks   Never.
 * Context  Parent.
 */
#include <sys/types.h>

#include "base/err.h"
#include "container/state_record.h"
#include "oci/spec.h"

#define INTEL_RDT_ROOT "/sys/fs/resctrl"

/* -ENOTSUP: this machine has no resctrl at `root`. */
int intel_rdt_check(const char *root, struct err *err);
/* What the container will use, into the record. */
int intel_rdt_plan(const char *root, const struct spec_intel_rdt *t, const char *id,
	struct state_record *rec, struct err *err);
int intel_rdt_make(const struct spec_intel_rdt *t, struct state_record *rec, struct err *err);
int intel_rdt_enter(const struct state_record *rec, pid_t pid, struct err *err);
/* What we have made; idempotent. */
void intel_rdt_remove(const struct state_record *rec);
