/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * clone3(2) of a child that shares our memory and runs on a stack of its own, which the C library has no function for:
 * its clone() cannot place a child in a cgroup. One file for each architecture.
 *
 * Owner    a->stack and a->stack_size: memory of the caller's, its end aligned to 16, for as long as the child runs.
 * Errors   Negative errno; the child's pid in the parent.
 * Blocks   With CLONE_VFORK until the child has executed or left.
 * Context  Parent; `fn` runs in the child and must never return.
 */
#include <linux/sched.h>
#include <stddef.h>

long clone_vm(struct clone_args *a, size_t size, int (*fn)(void *), void *arg);
