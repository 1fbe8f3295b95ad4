/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Compile idmap: the id map of a bind mount as plan steps of the host side.
 *
 * Owner, Blocks, Context: compile.h.
 * Errors   -EINVAL naming the mount where there is nothing to map by; -ENOMEM.
 *
 * Sources: runtime-spec "mounts" (uidMappings, idmap, ridmap), spec/oci-runtime.md 2.3; crun's ranges in the option.
 */
#include "container/compile.h"
#include "oci/mount_option.h"

/* Whether the mount asks for it, by its mappings or by an option. */
bool compile_idmap_wanted(const struct spec_mount *m, const struct mount_options *o);

/* A step of the host side that makes the user namespace for it, in slot *ret. Equal maps share one. */
int compile_idmap_userns(const struct spec *spec, const struct spec_mount *m,
	const struct mount_options *o, struct plan *p, struct compile_trees *t, int32_t *ret,
	struct err *err);

/* The step that maps the tree in slot `tree`, just opened from `source`. */
void compile_idmap(struct plan *p, const struct mount_options *o, int32_t tree, int32_t userns,
	const char *source);
