/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Properties of a container's systemd unit, as words for reeve-helper: "NAME=TYPE:VALUE", or "NAME@VERSION=TYPE:VALUE" where
 * an older systemd than VERSION does not know the name. TYPE is that of D-Bus: s, b (0 or 1), t, as (one element), ay
 * (in hex), a(ss) ("FIRST SECOND"; empty: no element).
 *
 * What a property cannot say (burst, limits of devices, rounding) the caller writes into the cgroup's files afterwards.
 *
 * Owner    Words are added to the caller's.
 * Errors   Negative errno with *err.
 * Blocks   Never; pure.
 * Context  Parent.
 *
 * Sources: org.freedesktop.systemd1(5), systemd.resource-control(5); what runc 1.3 and crun 1.28 send.
 */
#include <stdbool.h>

#include "container/device_rules.h"
#include "container/helper_run.h"
#include "container/unit_name.h"
#include "oci/spec.h"

/* What each unit has: description, slice, delegation, accounting. */
void unit_property_base(
	const struct unit_name *name, const char *description, bool v2, struct helper_words *w);
/* Those annotations that begin with "org.systemd.property.". */
int unit_property_annotations(
	const struct spec_kv *annotations, size_t n, struct helper_words *w, struct err *err);
/* The limits of linux.resources (NULL: none); absent ones are left out. */
int unit_property_limits(
	const struct spec_resources *res, bool v2, struct helper_words *w, struct err *err);
/* Where systemd can say the policy, it does; else nothing is added. proc_devices: the text of /proc/devices. */
int unit_property_devices(const struct device_policy *policy, const char *proc_devices,
	struct helper_words *w, struct err *err);
