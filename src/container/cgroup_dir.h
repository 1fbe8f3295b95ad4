/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * One directory of one cgroup hierarchy: names of controllers, reading and writing its files,
 * walking what is below it. What belongs in the files is decided by cgroup_v1.c and cgroup_v2.c.
 *
 * Owner    Strings of a struct cgroup_dir live in the arena of its struct cgroup; the fd is its own.
 * Errors   Negative errno; functions with an err fill it.
 * Blocks   No.
 * Context  Parent.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/mem.h"

struct fd_spent;

// clang-format off
/* id, name on v1, name on v2 (NULL: there is none). */
#define CGROUP_CONTROLLERS(X) \
	X(CPUSET,     "cpuset",     "cpuset") \
	X(CPU,        "cpu",        "cpu") \
	X(CPUACCT,    "cpuacct",    NULL) \
	X(BLKIO,      "blkio",      "io") \
	X(MEMORY,     "memory",     "memory") \
	X(DEVICES,    "devices",    NULL) \
	X(FREEZER,    "freezer",    NULL) \
	X(NET_CLS,    "net_cls",    NULL) \
	X(PERF_EVENT, "perf_event", NULL) \
	X(NET_PRIO,   "net_prio",   NULL) \
	X(HUGETLB,    "hugetlb",    "hugetlb") \
	X(PIDS,       "pids",       "pids") \
	X(RDMA,       "rdma",       "rdma") \
	X(MISC,       "misc",       "misc")
// clang-format on

enum cgroup_controller {
#define X(id, v1, v2) CGROUP_##id,
	CGROUP_CONTROLLERS(X)
#undef X
		CGROUP_N_CONTROLLERS
};

#define CGROUP_BIT(id) (1u << (id))

const char *cgroup_controller_name(enum cgroup_controller c, bool v2);
/* Bits of the known names in a list; other words are skipped. `separators` as for strspn(). */
uint32_t cgroup_controllers_parse(const char *list, const char *separators, bool v2);

#define CGROUP_VALUE_SIZE 4096 /* of the short files that are read whole */

enum cgroup_owned {
	CGROUP_FOREIGN,  /* hands off */
	CGROUP_OWNED,    /* no process was in it when we made or took it: we may kill and remove */
	CGROUP_INTENDED, /* only named so far */
};

struct cgroup_dir {
	const char *path;     /* absolute directory */
	const char *name;     /* the same place as /proc/PID/cgroup says it */
	const char *label;    /* the hierarchy there: "cpu,cpuacct", "name=systemd"; "" for v2 */
	uint32_t controllers; /* CGROUP_BIT()s that it serves; v2: once cgroup_v2_enable() ran */
	unsigned int depth;   /* components of path below the mount point, at least 1 */
	unsigned int made;    /* how many of the last ones we made */
	enum cgroup_owned owned;
	bool v2;
	bool below_top; /* its parent is the root of all cgroups */
	/* Its parent is the cgroup that we run in, or of v2 the one above: never frozen while we ask, never empty. */
	bool below_us;
	bool fake; /* unit tests: plain files stand for cgroupfs and appear when written */
	int fd;    /* O_PATH or open for reading; -EBADF until needed */
	struct fd_spent *spent; /* where files of it go that are done with; NULL: they are closed */
	const char *mems;       /* of its parent, as far as is known; NULL or "": it is asked */
	/* v1, once made: CPUs of its cpuset, from the first on; 0: not known. */
	unsigned int n_cpus;
	/* Called before each cgroup_put(); NULL: nobody asks. */
	void (*before_put)(
		void *arg, const struct cgroup_dir *d, const char *file, const char *value);
	void *before_put_arg;
};

/* The fd of the directory, opened at first use: for who reads many of its files. */
int cgroup_dir_fd(struct cgroup_dir *d);
/* Directory `up` levels above it: a fresh O_PATH fd. */
int cgroup_dir_open_up(const struct cgroup_dir *d, unsigned int up);
/* One of its files, or of the directory `up` levels above. */
int cgroup_file_open(const struct cgroup_dir *d, unsigned int up, const char *file, int flags);

/* One write to one file: of the directory, of the one `up` levels above, of an open one. */
int cgroup_put(const struct cgroup_dir *d, const char *file, const char *value);
int cgroup_put_up(const struct cgroup_dir *d, unsigned int up, const char *file, const char *value);
int cgroup_put_at(int dirfd, const char *file, const char *value);
/* The same of an open file, which may be the error of its opening; it stays open. */
int cgroup_put_open(const struct cgroup_dir *d, int fd, const char *value);
int cgroup_get_open(int fd, char value[CGROUP_VALUE_SIZE]);
/* The file's text without the last newline; -EFBIG when it is longer. */
int cgroup_get(const struct cgroup_dir *d, const char *file, char value[CGROUP_VALUE_SIZE]);
int cgroup_get_up(const struct cgroup_dir *d, unsigned int up, const char *file,
	char value[CGROUP_VALUE_SIZE]);
int cgroup_get_at(int dirfd, const char *file, char value[CGROUP_VALUE_SIZE]);
/* The number behind `key` in a text of "key number" lines: cgroup.events, memory.events. */
int cgroup_keyed(const char *text, const char *key, uint64_t *ret);

/*
 * cgroup_put() for a field of the document; on failure *err says
 * "linux.resources.FIELD: write VALUE to FILE: Invalid argument".
 */
int cgroup_set(struct cgroup_dir *d, const char *field, const char *file, const char *value,
	struct err *err);
int cgroup_set_number(
	struct cgroup_dir *d, const char *field, const char *file, int64_t value, struct err *err);
/* That text for a failure that the caller has looked at. */
int cgroup_set_failed(
	int code, const char *field, const char *file, const char *value, struct err *err);

/*
 * Write values that the kernel checks against each other (limit and swap; period, quota and burst):
 * in this order, and what EINVAL refused once more behind the others, as long as one of them helps.
 */
struct cgroup_setting {
	const char *field;
	const char *file;
	char value[48];
	bool done;
};

#define CGROUP_SETTINGS_MAX 8

struct cgroup_settings {
	struct cgroup_setting s[CGROUP_SETTINGS_MAX];
	size_t n;
};

void cgroup_settings_add(struct cgroup_settings *s, const char *field, const char *file,
	const char *fmt, ...) __attribute__((format(printf, 4, 5)));
int cgroup_settings_write(struct cgroup_dir *d, struct cgroup_settings *s, struct err *err);

/*
 * Walk the directories at and below `top`, without recursion and with two fds however deep a
 * container has nested them. enter: on the way in, with the open directory; leave: on the way out,
 * with the open parent and the name (not for the top itself). Either may be NULL. A directory that
 * vanishes meanwhile is skipped. Stops at the first negative return and returns it.
 */
struct cgroup_walk {
	int (*enter)(struct cgroup_walk *w, int dirfd);
	int (*leave)(struct cgroup_walk *w, int parentfd, const char *name);
};

int cgroup_walk(struct cgroup_walk *w, const char *top);

/* A growing list of pids, ended with free(pid). */
struct cgroup_pid_list {
	pid_t *pid;
	size_t n;
	size_t cap;
};

/* Add the processes of one directory / of it and everything below (-ENOENT when it is gone). */
int cgroup_pids_at(int dirfd, struct cgroup_pid_list *list);
int cgroup_pids_below(const char *top, struct cgroup_pid_list *list);
