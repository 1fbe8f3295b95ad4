/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Checks that the parts of spec_validate() share. Internal to spec_validate*.c.
 *
 * Owner    The caller's.
 * Errors   As spec.h.
 * Blocks   Never.
 * Context  Any.
 */
#include <stdbool.h>
#include <stddef.h>

#include "oci/spec.h"

/* "FIELD: text" with control characters taken out; returns code. */
int spec_check_fail(struct err *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

int spec_check_absolute(const char *field, const char *path, struct err *err);
/* 2^32-1 is "no change" for the kernel. */
int spec_check_id(const char *field, uint32_t id, struct err *err);
int spec_check_device_number(const char *field, int64_t major, int64_t minor, struct err *err);
/* Usable as one directory entry: not empty, no '/', not "." or "..", no control characters. */
bool spec_check_plain_name(const char *name);
/* A network interface's name as the kernel takes it. */
bool spec_check_interface_name(const char *name);

/* The parts. Counts come first: the others walk the lists. */
int spec_check_counts(const struct spec *s, struct err *err);
int spec_check_mounts(const struct spec *s, struct err *err);
int spec_check_linux(const struct spec *s, struct err *err);
int spec_check_seccomp(const struct spec_seccomp *seccomp, struct err *err);
int spec_check_process(const struct spec_process *p, const char *prefix, struct err *err);
int spec_check_resources(const struct spec_resources *r, const char *prefix, struct err *err);
