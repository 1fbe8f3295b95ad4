/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * linux.seccomp as the bytes that seccomp(2) takes: compiled here, in the parent, and loaded by the
 * executor. What a profile means is said in seccomp_program.h.
 *
 * Owner    seccomp_filter_done() ends a filter, seccomp_cache_done() a cache; both accept zeroed and
 *          done ones.
 * Errors   0 or negative errno with *err: "linux.seccomp.FIELD: ...". What cannot be cached is
 *          compiled; a cache never makes a call fail.
 * Blocks   No.
 * Context  Parent.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/sha256.h"
#include "oci/spec.h"

struct seccomp_filter {
	void *program;  /* struct sock_filter[], heap; NULL when there is nothing to load */
	size_t size;    /* bytes */
	uint64_t flags; /* SECCOMP_FILTER_FLAG_* */
};

/*
 * Compiled filters by the content of their profile: in a directory and, for a process that lives on,
 * in memory.
 */
#define SECCOMP_CACHE_SLOTS 4
#define SECCOMP_CACHE_DIR ".seccomp"

struct seccomp_cache {
	int dirfd;    /* the caller's; -EBADF: none, or one that is not trusted */
	int parentfd; /* the caller's: SECCOMP_CACHE_DIR in it is opened when it is needed; -EBADF */
	size_t in_memory; /* how many are kept, at most SECCOMP_CACHE_SLOTS */
	uint64_t clock;
	struct seccomp_slot {
		uint8_t key[SHA256_SIZE];
		void *program;
		size_t size;
		uint64_t used;
	} slot[SECCOMP_CACHE_SLOTS];
};

/*
 * dirfd: an open directory that belongs to us with no permission for others (what is in it is loaded
 * as a filter); -EBADF: none. It stays the caller's. -EPERM when it is not such a directory: the
 * cache then works in memory alone.
 */
int seccomp_cache_init(struct seccomp_cache *cache, int dirfd, size_t in_memory, struct err *err);
/* The same in SECCOMP_CACHE_DIR of a directory that belongs to us: made and looked at when something is to be compiled. */
void seccomp_cache_init_below(struct seccomp_cache *cache, int parentfd, size_t in_memory);
void seccomp_cache_done(struct seccomp_cache *cache);

/*
 * cache may be NULL. A profile that allows everything gives an empty filter; one with SCMP_ACT_NOTIFY gets
 * SECCOMP_FILTER_FLAG_NEW_LISTENER. Names of calls that nobody knows are skipped, as are architectures that this
 * machine cannot run.
 */
int seccomp_compile(const struct spec_seccomp *profile, struct seccomp_cache *cache,
	struct seccomp_filter *ret, struct err *err);
/* -EINVAL for the first name of a call in it that nobody knows. `profile` as spec_validate() leaves it. */
int seccomp_check_names(const struct spec_seccomp *profile, struct err *err);
void seccomp_filter_done(struct seccomp_filter *f);
