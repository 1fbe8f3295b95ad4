/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Device policy as a BPF_PROG_TYPE_CGROUP_DEVICE program: compiling (pure), loading and attaching.
 *
 * Owner    The caller owns instructions (free) and program fds. A cache is the caller's, started by
 *          init and ended by done, which accepts zeroed and done ones.
 * Errors   0 or negative errno with *err filled.
 * Blocks   Never for long: the kernel's verifier takes some 10 us.
 * Context  Parent. Loading needs CAP_BPF or CAP_SYS_ADMIN in the initial user namespace.
 */
#include <linux/bpf.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/sha256.h"
#include "container/device_rules.h"

/* *ret is heap memory. -ENOMEM; -E2BIG when jumps would not reach (beyond some 5,000 rules). */
int device_bpf_compile(const struct device_policy *p, struct bpf_insn **ret, size_t *ret_n);

int device_bpf_load(const struct bpf_insn *insns, size_t n, int *ret_fd, struct err *err);

/*
 * Attach to an open cgroup directory, beside what others attached (all must permit). replace: a
 * program of ours that is there already gives way in one step, so that there is no moment without a
 * filter; attach is for a fresh cgroup and saves the question.
 */
int device_bpf_attach(int cgroup_fd, int prog_fd, struct err *err);
int device_bpf_replace(int cgroup_fd, int prog_fd, struct err *err);

/* Loaded programs by policy: a caller that starts many containers has the verifier run once. */
#define DEVICE_BPF_CACHE_SLOTS 4

struct device_bpf_cache {
	struct device_bpf_slot {
		uint8_t key[SHA256_SIZE];
		int fd;
		uint64_t used; /* the oldest is replaced */
	} slot[DEVICE_BPF_CACHE_SLOTS];
	uint64_t clock;
};

void device_bpf_cache_init(struct device_bpf_cache *c);
void device_bpf_cache_done(struct device_bpf_cache *c);

/* Compile and load, or take the program from the cache (may be NULL). *ret_fd is the caller's. */
int device_bpf_program(const struct device_policy *p, struct device_bpf_cache *cache, int *ret_fd,
	struct err *err);
