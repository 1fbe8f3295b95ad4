/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mount options: one sorted table of words, each with what it does.
 *
 * Access time is one three-bit field for the kernel, so its words replace each other and always
 * clear the whole field. A word that only takes a mode away (atime, nostrictatime, diratime) takes back
 * what was asked for before it and asks for nothing: a new file system has the kernel's default, relatime, a bind
 * what its source has. Recursive ones ask for that default.
 * "acl", "iversion", "silent" and their opposites are flags that only the old mount(2) has and that do nothing on the
 * file systems of today: known, but a bind that has one of the latter two has been given flags.
 */
#include "oci/mount_option.h"

#include <errno.h>
#include <string.h>
#include <sys/mount.h>

#include "base/str.h"
#include "oci/idmap_words.h"

enum action {
	SET,
	CLEAR,
	ATIME,
	NOT_ATIME,    /* value: the mode that is not wanted */
	NOT_DIRATIME, /* nodiratime is not wanted */
	REC_SET,
	REC_CLEAR,
	REC_ATIME,
	PROPAGATE,
	BIND,
	IDMAP,
	SUPER_SET,
	SUPER_CLEAR,
	FLAG, /* value: offset of a bool */
	NOTHING,
};

#define OPTION(member) offsetof(struct mount_options, member)

// clang-format off
static const struct row {
	const char *word;
	enum action action;
	uint64_t value;
} rows[] = {
	{ "acl",            NOTHING,     0 },
	{ "async",          SUPER_CLEAR, MOUNT_OPTION_SYNC },
	{ "atime",          NOT_ATIME,   MOUNT_ATTR_NOATIME },
	{ "bind",           BIND,        MOUNT_OPTION_BIND },
	{ "copy-symlink",   FLAG,        OPTION(copy_symlink) },
	{ "defaults",       NOTHING,     0 },
	{ "dest-nofollow",  FLAG,        OPTION(dest_nofollow) },
	{ "dev",            CLEAR,       MOUNT_ATTR_NODEV },
	{ "diratime",       NOT_DIRATIME, 0 },
	{ "dirsync",        SUPER_SET,   MOUNT_OPTION_DIRSYNC },
	{ "exec",           CLEAR,       MOUNT_ATTR_NOEXEC },
	{ "idmap",          IDMAP,       MOUNT_OPTION_IDMAP },
	{ "iversion",       FLAG,        OPTION(flags_given) },
	{ "lazytime",       SUPER_SET,   MOUNT_OPTION_LAZYTIME },
	{ "loud",           FLAG,        OPTION(flags_given) },
	{ "mand",           SUPER_SET,   MOUNT_OPTION_MAND },
	{ "noacl",          NOTHING,     0 },
	{ "noatime",        ATIME,       MOUNT_ATTR_NOATIME },
	{ "nodev",          SET,         MOUNT_ATTR_NODEV },
	{ "nodiratime",     SET,         MOUNT_ATTR_NODIRATIME },
	{ "noexec",         SET,         MOUNT_ATTR_NOEXEC },
	{ "noiversion",     FLAG,        OPTION(flags_given) },
	{ "nolazytime",     SUPER_CLEAR, MOUNT_OPTION_LAZYTIME },
	{ "nomand",         SUPER_CLEAR, MOUNT_OPTION_MAND },
	{ "norelatime",     NOT_ATIME,   MOUNT_ATTR_RELATIME },
	{ "nostrictatime",  NOT_ATIME,   MOUNT_ATTR_STRICTATIME },
	{ "nosuid",         SET,         MOUNT_ATTR_NOSUID },
	{ "nosymfollow",    SET,         MOUNT_ATTR_NOSYMFOLLOW },
	{ "private",        PROPAGATE,   MS_PRIVATE },
	{ "ratime",         REC_ATIME,   MOUNT_ATTR_RELATIME },
	{ "rbind",          BIND,        MOUNT_OPTION_RBIND },
	{ "rdev",           REC_CLEAR,   MOUNT_ATTR_NODEV },
	{ "rdiratime",      REC_CLEAR,   MOUNT_ATTR_NODIRATIME },
	{ "relatime",       ATIME,       MOUNT_ATTR_RELATIME },
	{ "remount",        FLAG,        OPTION(remount) },
	{ "rexec",          REC_CLEAR,   MOUNT_ATTR_NOEXEC },
	{ "ridmap",         IDMAP,       MOUNT_OPTION_RIDMAP },
	{ "rnoatime",       REC_ATIME,   MOUNT_ATTR_NOATIME },
	{ "rnodev",         REC_SET,     MOUNT_ATTR_NODEV },
	{ "rnodiratime",    REC_SET,     MOUNT_ATTR_NODIRATIME },
	{ "rnoexec",        REC_SET,     MOUNT_ATTR_NOEXEC },
	{ "rnorelatime",    REC_ATIME,   MOUNT_ATTR_RELATIME },
	{ "rnostrictatime", REC_ATIME,   MOUNT_ATTR_RELATIME },
	{ "rnosuid",        REC_SET,     MOUNT_ATTR_NOSUID },
	{ "rnosymfollow",   REC_SET,     MOUNT_ATTR_NOSYMFOLLOW },
	{ "ro",             SET,         MOUNT_ATTR_RDONLY },
	{ "rprivate",       PROPAGATE,   MS_PRIVATE | MS_REC },
	{ "rrelatime",      REC_ATIME,   MOUNT_ATTR_RELATIME },
	{ "rro",            REC_SET,     MOUNT_ATTR_RDONLY },
	{ "rrw",            REC_CLEAR,   MOUNT_ATTR_RDONLY },
	{ "rshared",        PROPAGATE,   MS_SHARED | MS_REC },
	{ "rslave",         PROPAGATE,   MS_SLAVE | MS_REC },
	{ "rstrictatime",   REC_ATIME,   MOUNT_ATTR_STRICTATIME },
	{ "rsuid",          REC_CLEAR,   MOUNT_ATTR_NOSUID },
	{ "rsymfollow",     REC_CLEAR,   MOUNT_ATTR_NOSYMFOLLOW },
	{ "runbindable",    PROPAGATE,   MS_UNBINDABLE | MS_REC },
	{ "rw",             CLEAR,       MOUNT_ATTR_RDONLY },
	{ "shared",         PROPAGATE,   MS_SHARED },
	{ "silent",         FLAG,        OPTION(flags_given) },
	{ "slave",          PROPAGATE,   MS_SLAVE },
	{ "src-nofollow",   FLAG,        OPTION(src_nofollow) },
	{ "strictatime",    ATIME,       MOUNT_ATTR_STRICTATIME },
	{ "suid",           CLEAR,       MOUNT_ATTR_NOSUID },
	{ "symfollow",      CLEAR,       MOUNT_ATTR_NOSYMFOLLOW },
	{ "sync",           SUPER_SET,   MOUNT_OPTION_SYNC },
	{ "tmpcopyup",      FLAG,        OPTION(tmpcopyup) },
	{ "unbindable",     PROPAGATE,   MS_UNBINDABLE },
};
// clang-format on

size_t mount_option_count(void)
{
	return ARRAY_LEN(rows);
}

const char *mount_option_word(size_t index)
{
	return index < ARRAY_LEN(rows) ? rows[index].word : NULL;
}

const char *mount_option_super_name(uint32_t bit)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].action == SUPER_SET && rows[i].value == bit)
			return rows[i].word;
	return NULL;
}

static int compare_word(const void *word, const void *row)
{
	return strcmp(word, ((const struct row *)row)->word);
}

static void attr_set(struct mount_option_attrs *a, uint64_t bits)
{
	a->set |= bits;
	a->clear &= ~bits;
}

static void attr_clear(struct mount_option_attrs *a, uint64_t bits)
{
	a->clear |= bits;
	a->set &= ~bits;
}

static void attr_atime(struct mount_option_attrs *a, uint64_t mode)
{
	attr_clear(a, MOUNT_ATTR__ATIME);
	a->set |= mode;
}

static void attr_not_atime(struct mount_option_attrs *a, uint64_t mode)
{
	if ((a->set & MOUNT_ATTR__ATIME) != mode)
		return;
	a->set &= ~mode;
	a->clear &= ~(uint64_t)MOUNT_ATTR__ATIME;
}

static int add_propagation(struct mount_options *o, uint64_t flags, struct err *err)
{
	if (o->n_propagation == MOUNT_OPTION_PROPAGATIONS)
		return err_set(
			err, -E2BIG, "more than %d propagation options", MOUNT_OPTION_PROPAGATIONS);
	o->propagation[o->n_propagation++] = (struct mount_option_propagation){
		.flag = flags & ~(uint64_t)MS_REC,
		.recursive = flags & MS_REC,
	};
	return 0;
}

static bool is_flag(enum action action)
{
	return action == SET || action == CLEAR || action == ATIME || action == NOT_ATIME ||
	       action == NOT_DIRATIME || action == SUPER_SET || action == SUPER_CLEAR;
}

static int apply(const struct row *row, struct mount_options *o, struct err *err)
{
	o->flags_given |= is_flag(row->action);
	switch (row->action) {
	case SET:
		attr_set(&o->attrs, row->value);
		break;
	case CLEAR:
		attr_clear(&o->attrs, row->value);
		break;
	case ATIME:
		attr_atime(&o->attrs, row->value);
		break;
	case NOT_ATIME:
		attr_not_atime(&o->attrs, row->value);
		break;
	case NOT_DIRATIME:
		o->attrs.set &= ~(uint64_t)MOUNT_ATTR_NODIRATIME;
		break;
	case REC_SET:
		attr_set(&o->rec_attrs, row->value);
		break;
	case REC_CLEAR:
		attr_clear(&o->rec_attrs, row->value);
		break;
	case REC_ATIME:
		attr_atime(&o->rec_attrs, row->value);
		break;
	case PROPAGATE:
		return add_propagation(o, row->value, err);
	case BIND:
		o->bind = (enum mount_option_bind)row->value;
		break;
	case IDMAP:
		o->idmap = (enum mount_option_idmap)row->value;
		break;
	case SUPER_SET:
		o->super |= (uint32_t)row->value;
		o->super_clear &= ~(uint32_t)row->value;
		break;
	case SUPER_CLEAR:
		o->super_clear |= (uint32_t)row->value;
		o->super &= ~(uint32_t)row->value;
		break;
	case FLAG:
		*(bool *)((char *)o + row->value) = true;
		break;
	case NOTHING:
		break;
	}
	return 0;
}

/* crun's and podman's way to give the ranges. */
static int add_idmap(
	const char *word, struct arena *arena, struct mount_options *o, struct err *err)
{
	const char *ranges = strchr(word, '=') + 1;
	struct idmap_words checked;
	int r = idmap_words_parse(ranges, arena, &checked, err);

	if (r < 0)
		return err_in(err, "option '%s'", word);
	o->idmap = word[0] == 'r' ? MOUNT_OPTION_RIDMAP : MOUNT_OPTION_IDMAP;
	o->idmap_words = ranges;
	return 0;
}

int mount_option_parse(const char *const *words, size_t n, struct arena *arena,
	struct mount_options *ret, struct err *err)
{
	struct mount_options o = { .data = arena_calloc(arena, n, sizeof(*o.data)) };

	if (!o.data)
		return err_oom(err);
	for (size_t i = 0; i < n; i++) {
		const struct row *row =
			bsearch(words[i], rows, ARRAY_LEN(rows), sizeof(rows[0]), compare_word);
		int r = 0;

		if (row)
			r = apply(row, &o, err);
		else if (str_starts(words[i], "idmap=") || str_starts(words[i], "ridmap="))
			r = add_idmap(words[i], arena, &o, err);
		else if (*words[i]) /* podman 5 puts an empty one at the end */
			o.data[o.n_data++] = words[i];
		if (r < 0)
			return r;
	}
	*ret = o;
	return 0;
}
