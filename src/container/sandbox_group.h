/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The containers of one sandbox: which belongs to which, by the annotations of containerd and cri-o, and the OOM score
 * that follows from it. The first process of a sandbox lives as long as the sandbox: the kernel shall not take it for
 * want of memory before one of the containers, so its score is the lowest of all of them, and its own again later.
 *
 * Owner    The record's strings live in its arena.
 * Errors   -ENOMEM. A sandbox that is not there, has ended or may not be changed is no failure: logged at most.
 * Blocks   As state_open(): on the sandbox's lock, and only when its score is to change.
 * Context  Parent.
 *
 * Sources: spec/oci-runtime.md 4.7.
 */
#include "container/host.h"
#include "container/state.h"
#include "oci/spec.h"

/*
 * Fill sandbox and score of `rec`, whose id is set: a container by itself, a sandbox, or a member of the one that
 * `sandbox_id` (NULL: an annotation) names. A name that is no id makes it a container by itself.
 */
int sandbox_group_record(const struct spec *spec, const char *sandbox_id, struct state_record *rec);

/* Does the record belong to that sandbox: as a member, or as the sandbox itself? */
bool sandbox_group_has(const struct state_record *rec, const char *sandbox_id);

/* A member runs. */
void sandbox_group_started(const struct host *h, const struct state_record *member);
/* A member's record is gone. */
void sandbox_group_left(const struct host *h, const struct state_record *member);
