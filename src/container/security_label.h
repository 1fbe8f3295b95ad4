/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Security labels: whether this machine has the module that a label is for. One that is asked for where nobody would
 * enforce it is an error, not a container that runs without it.
 *
 * Errors   -ENOTSUP naming the field.
 * Blocks   Reads files of the kernel.
 * Context  Parent.
 */
#include "base/err.h"
#include "oci/spec.h"

/* `sys`: where sysfs is, "/sys". */
int security_label_check_process(const char *sys, const struct spec_process *p, struct err *err);
int security_label_check(const char *sys, const struct spec *s, struct err *err);
