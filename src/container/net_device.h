/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Net device: what linux.netDevices asks for on the runtime's side. The addresses of a device are read before the plan
 * is made (moving it takes them away), the device is moved when the container's process stands in its network namespace,
 * and the plan puts the addresses back and sets it up.
 *
 * Owner    net_device_read() allocates from the caller's arena.
 * Errors   Negative errno; texts name the device.
 * Blocks   Short waits of the kernel for its network lock.
 * Context  Parent.
 */
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/mem.h"
#include "oci/spec.h"

/* A request for rtnetlink that gives one address to a device; its index is filled in inside. */
struct net_address {
	void *message;
	size_t size;
};

struct net_device {
	const char *name;   /* on the host */
	const char *inside; /* in the container */
	struct net_address *addresses;
	size_t n_addresses;
};

/* The device with its lasting global addresses. -ENODEV when there is none of that name. */
int net_device_read(const struct spec_net_device *d, struct arena *arena, struct net_device *ret,
	struct err *err);
/* Into the network namespace of the process, under the name that it has there. */
int net_device_move(const struct net_device *d, pid_t pid, struct err *err);
