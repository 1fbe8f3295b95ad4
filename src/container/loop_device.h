/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Loop device: a file as a block device, for snapshotters whose layers are images of file systems.
 *
 * Owner    The caller owns *ret_fd and closes it when it has mounted the device: the device lets go of its file with its
 *          last user, the mount or that descriptor.
 * Errors   Negative errno with *err.
 * Blocks   Opens a file and a device.
 * Context  Parent.
 */
#include <stdbool.h>

#include "base/err.h"

#define LOOP_DEVICE_NAME_SIZE 32

struct loop_device_options {
	bool read_only;
	bool direct; /* past the page cache, where the file allows it */
};

/* A free device that has the file `path`: its name, and what holds it until it is mounted. */
int loop_device_attach(const char *path, const struct loop_device_options *options,
	char ret_name[LOOP_DEVICE_NAME_SIZE], int *ret_fd, struct err *err);
