/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Mount options: the words of mounts[].options as what the mount system calls are asked for.
 *
 * Words that nobody knows are data for the file system; an empty word is nothing. Of words that contradict each other the
 * last wins. Sources: runtime-spec "Linux mount options", spec/oci-runtime.md 2.3.
 *
 * Owner    Takes memory from the caller's arena; `data` points to the words that were given.
 * Errors   -EINVAL naming the word, -E2BIG, -ENOMEM.
 * Blocks   Never.
 * Context  Parent (allocates).
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"

enum mount_option_bind {
	MOUNT_OPTION_NO_BIND,
	MOUNT_OPTION_BIND,
	MOUNT_OPTION_RBIND,
};

enum mount_option_idmap {
	MOUNT_OPTION_NO_IDMAP,
	MOUNT_OPTION_IDMAP,
	MOUNT_OPTION_RIDMAP,
};

/* Flags of the superblock: fsconfig takes them by name, a bind mount has none. */
enum {
	MOUNT_OPTION_SYNC = 1 << 0,
	MOUNT_OPTION_DIRSYNC = 1 << 1,
	MOUNT_OPTION_LAZYTIME = 1 << 2,
	MOUNT_OPTION_MAND = 1 << 3,
};

/*
 * Attributes for mount_setattr: `set` and `clear` as in struct mount_attr (MOUNT_ATTR_*), with the
 * access time mode in `set` and all of MOUNT_ATTR__ATIME in `clear` when it was asked for.
 * Besides that no bit is in both.
 */
struct mount_option_attrs {
	uint64_t set;
	uint64_t clear;
};

struct mount_option_propagation {
	uint64_t flag; /* MS_SHARED, MS_SLAVE, MS_PRIVATE or MS_UNBINDABLE */
	bool recursive;
};

#define MOUNT_OPTION_PROPAGATIONS 8

struct mount_options {
	struct mount_option_attrs attrs;     /* this mount */
	struct mount_option_attrs rec_attrs; /* it and all mounts below */
	struct mount_option_propagation propagation[MOUNT_OPTION_PROPAGATIONS]; /* in order */
	size_t n_propagation;
	enum mount_option_bind bind;
	enum mount_option_idmap idmap;
	bool flags_given; /* any word for one mount: a bind then has those that were asked for, and no others */
	bool remount;
	bool tmpcopyup;    /* fill the tmpfs with what lies below */
	bool copy_symlink; /* a source that is a symlink is made anew, not mounted */
	bool src_nofollow; /* mount the symlink itself */
	bool dest_nofollow;
	const char *idmap_words; /* "uids=...;gids=..." of an option idmap= or ridmap=, or NULL */
	uint32_t super;          /* MOUNT_OPTION_SYNC and its like: set */
	uint32_t super_clear;    /* asked not to be set */
	const char **data;       /* for the file system, in order: "size=64k" */
	size_t n_data;
};

int mount_option_parse(const char *const *words, size_t n, struct arena *arena,
	struct mount_options *ret, struct err *err);

/* The known words, sorted: *ret_n of them. For `features`. */
const char *mount_option_word(size_t index);
size_t mount_option_count(void);

/* "sync": the name of one MOUNT_OPTION_* bit for fsconfig(FSCONFIG_SET_FLAG). */
const char *mount_option_super_name(uint32_t bit);
