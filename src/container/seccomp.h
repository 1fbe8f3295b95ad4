/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "base/err.h"
#include "oci/spec.h"
struct seccomp_cache;
struct seccomp_filter { void *program; size_t size; uint64_t flags; };
static inline int seccomp_compile(const struct spec_seccomp *p, struct seccomp_cache *c, struct seccomp_filter *ret, struct err *err){ *ret=(struct seccomp_filter){0}; return 0;}
static inline void seccomp_filter_done(struct seccomp_filter *f){ free(f->program); }
