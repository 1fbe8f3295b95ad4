/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Sysctl keys: from "net.ipv4.ip_forward" to a path below /proc/sys and the namespace it belongs
 * to.
 *
 * Sources: spec/oci-runtime.md 2.2, spec/security.md 1.3 (CVE-2022-0811).
 *
 * Owner    The caller's.
 * Errors   -EINVAL.
 * Blocks   Never.
 * Context  Any.
 */
#include <stddef.h>

#include "oci/namespace_name.h"

#define SYSCTL_KEY_SIZE 256

/*
 * "net.ipv4.conf.eth0/100.forwarding" or "net/ipv4/conf/eth0.100/forwarding" becomes
 * "net/ipv4/conf/eth0.100/forwarding": the separator that comes first separates, the other one is
 * a dot in a name. Letters, digits and "._/-" only; no empty, "." or ".." component.
 */
int sysctl_key_path(const char *key, char out[SYSCTL_KEY_SIZE]);

/*
 * The namespace whose private copy that path (as made above) is, or SPEC_NS_ABSENT when it is the
 * machine's, and so not a container's to set.
 */
enum spec_ns_type sysctl_key_namespace(const char *path);
