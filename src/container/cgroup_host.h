/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Where the cgroup hierarchies of this machine are mounted, found out once and handed down, and
 * what linux.cgroupsPath means in each of them.
 *
 * Owner    cgroup_host_done() ends what cgroup_host_read() filled; it accepts zero and done ones.
 * Errors   0 or negative errno with *err filled.
 * Blocks   Reads procfs.
 * Context  Parent.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"

struct fd_spent;

enum cgroup_mode {
	CGROUP_MODE_NONE, /* nothing is mounted */
	CGROUP_MODE_V1,   /* only v1 hierarchies */
	CGROUP_MODE_HYBRID, /* v1 hierarchies and a v2 one (for processes, often without controllers) */
	CGROUP_MODE_V2,     /* v2 alone at /sys/fs/cgroup */
};

const char *cgroup_mode_name(enum cgroup_mode mode);

struct cgroup_hierarchy {
	const char *mount; /* absolute directory */
	const char *root;  /* what of the hierarchy is mounted there, as /proc/self/cgroup counts */
	const char *label; /* "cpu,cpuacct", "name=systemd"; "" for v2 */
	uint32_t controllers; /* CGROUP_BIT()s; 0 for v2: differs from directory to directory */
	bool v2;
};

#define CGROUP_HIERARCHIES_MAX 32

struct cgroup_host {
	struct arena arena;
	enum cgroup_mode mode;
	struct cgroup_hierarchy h[CGROUP_HIERARCHIES_MAX];
	size_t n;
	const char *prefix; /* of every path; "" on a real machine, a directory in unit tests */
	bool whole_v2;      /* cgroup2 from the root of all cgroups on */
	bool fake;          /* unit tests: plain files stand for cgroupfs and appear when written */
};

/* prefix: "" (or a test's directory that has proc/self/{mountinfo,cgroup}). */
int cgroup_host_read(const char *prefix, struct cgroup_host *ret, struct err *err);
/* The same, with what it read still open, for who closes several at once; *ret_fd stays where nothing had to be read. */
int cgroup_host_read_open(
	const char *prefix, struct cgroup_host *ret, int *ret_fd, struct err *err);
void cgroup_host_done(struct cgroup_host *host);

/* The hierarchies of an open mount table (/proc/PID/mountinfo) added to `host`; negative errno. */
int cgroup_host_read_mounts(struct cgroup_host *host, int fd);

/* Relative form of a path: no empty and "." components, checked as below; "" is possible. */
int cgroup_path_clean(const char *path, struct arena *arena, const char **ret);

/* /proc/self/cgroup as text (heap). */
int cgroup_host_self(const char *prefix, char **ret, struct err *err);
int cgroup_host_self_spend(struct fd_spent *spent, const char *prefix, char **ret, struct err *err);

/*
 * The path below the mount point of hierarchy `h` (no leading '/', at least one component) for a
 * linux.cgroupsPath: absolute ones count from the mount; relative ones from the cgroup of this
 * process, which is read from `self` (cgroup_host_self(); NULL for absolute paths), on v2 from its
 * parent (a cgroup with processes may not have controllers below it). Components are 1-255 bytes
 * without control characters and not "..". *ret comes from `arena`.
 */
int cgroup_host_resolve(const struct cgroup_host *host, size_t h, const char *path,
	const char *self, struct arena *arena, const char **ret, struct err *err);

/* The line of hierarchy `label` in a text of /proc/PID/cgroup: the path (arena); -ENOENT. */
int cgroup_self_path(
	const char *proc_cgroup, const char *label, struct arena *arena, const char **ret);
