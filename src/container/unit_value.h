/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The annotations "org.systemd.property.NAME": which properties a container's document may set, and their values, which
 * are GVariant's text. What is not on the list is refused: a property may run a program on the host (CVE-2024-3154).
 *
 * Owner    Strings come from the caller's arena.
 * Errors   -EPERM: not on the list; -EINVAL: not a value of its type; both with the annotation's name. -ENOMEM.
 * Blocks   Never; pure.
 * Context  Any. Untrusted input.
 *
 * Sources: GLib's "GVariant Text Format"; org.freedesktop.systemd1(5); spec/security.md 1.
 */
#include <stddef.h>

#include "base/err.h"
#include "base/mem.h"

#define UNIT_ANNOTATION "org.systemd.property."

/*
 * A value of the D-Bus type `type` ("s", "b", "t", "ay") in `text`, in the form that words have (unit_property.h). A number
 * without a type in front takes the one that is wanted.
 */
int unit_value_parse(
	const char *text, const char *type, struct arena *arena, const char **ret, struct err *err);

/*
 * The word "NAME=TYPE:VALUE" for the annotation `key`, which begins with UNIT_ANNOTATION. A name that ends in Sec stands
 * for the one in USec, its value for a million of it.
 */
int unit_value_annotation(const char *key, const char *text, struct arena *arena,
	const char **ret_name, const char **ret_value, struct err *err);
