/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Recorder place: where the exit recorder's pins are: a directory of one daemon on the bpffs of the machine, or one on
 * which a bpffs of its own is mounted.
 *
 * The machine's comes first, mounted on /sys/fs/bpf where nobody has done so (systemd does at boot). A mount below the state
 * directory would stand in the way of whoever removes that, who would take the pins along; and it would go with the mount
 * namespace of a service, while the machine's is there for every start. Where /sys/fs/bpf is missing there is nothing to
 * fall back to: no kernel that can load the program is without it, and its types (BTF) are below /sys as well.
 *
 * Owner    What is mounted has the source "reeve", by which it is known as ours: nothing else is ever unmounted.
 * Errors   0 or negative errno with *err.
 * Blocks   While another daemon is at the same.
 * Context  Parent; making and removing need CAP_SYS_ADMIN where there is something to mount or to unmount.
 */
#include "base/err.h"

#define RECORDER_BPFFS "/sys/fs/bpf"

/*
 * Make the directory, open and locked (flock) in *ret. On /sys/fs/bpf a bpffs is mounted when the directory is to be in it, and
 * it is still the kernel's empty directory; on any other directory, unless that is on a bpffs already.
 */
int recorder_place_make(const char *dir, int *ret, struct err *err);

/*
 * End the recorder of this directory: its pins, the directory where it is on another's bpffs, and mounts of ours that nobody
 * uses. Nothing happens where there is none, or while somebody loads it. For a daemon that leaves nothing to record.
 */
int recorder_place_remove(const char *dir, struct err *err);
