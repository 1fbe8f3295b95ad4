/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Annotation: what crun's annotations of a document say, beside those about a systemd unit (container_unit.c). But for the receiver of a
 * pidfd they only choose among what the document could say itself. One that asks for a container of another kind is refused, for without it
 * something else would run.
 *
 * Owner    Strings are the spec's, or constants.
 * Errors   -ENOTSUP or -EINVAL naming the annotation.
 * Blocks   Never.
 * Context  Any; pure.
 */
#include <stdbool.h>

#include "oci/spec.h"

#define ANNOTATION_KEEP_GROUPS "run.oci.keep_original_groups"
#define ANNOTATION_DELEGATE "run.oci.delegate-cgroup"
#define ANNOTATION_MOUNT_CONTEXT "run.oci.mount_context_type"
#define ANNOTATION_PIDFD_RECEIVER "run.oci.pidfd_receiver"
#define ANNOTATION_UNKNOWN_CALL "run.oci.seccomp_fail_unknown_syscall"

/* Before anything is made. The others take what this would have refused for absent. */
int annotation_check(const struct spec *s, struct err *err);

/* podman's --group-add keep-groups: those of the caller stay, whom the user namespace does not even know. */
bool annotation_keeps_groups(const struct spec *s);
/* The cgroup below the container's for its processes, NULL: none. A path in somebody's words: cgroup_make_below() checks it. */
const char *annotation_delegate(const struct spec *s);
/* The mount option by which linux.mountLabel is given: "context", or one of its three sisters. */
const char *annotation_mount_context(const struct spec *s);
/* The socket that takes a pidfd of init where the caller names none, NULL: none. Who creates a container by command decides of it. */
const char *annotation_pidfd_receiver(const struct spec *s);
/* A system call that linux.seccomp names and nobody knows is an error. */
bool annotation_refuses_unknown_calls(const struct spec *s);
