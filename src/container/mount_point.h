/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The mount points of a configuration in a root file system, for a restore: criu mounts, but makes nothing to mount on,
 * and a root file system may be new (podman's restore of an exported checkpoint). Where containers are made anew the
 * executor does this.
 *
 * Owner    The caller keeps everything.
 * Errors   Negative errno; *err names mount point and root.
 * Blocks   Local files only.
 * Context  Parent.
 */
#include "base/err.h"
#include "oci/spec.h"

/*
 * Make what is missing of the mount points that lie in the root file system itself, not below another mount: a file for a
 * bind mount of one, else a directory. Links in the root are followed as the container would. bundle: where relative
 * sources are.
 */
int mount_point_make_all(
	const struct spec *spec, const char *bundle, const char *rootfs, struct err *err);
