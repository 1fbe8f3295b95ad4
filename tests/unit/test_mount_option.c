/* SPDX-License-Identifier: Apache-2.0 */
/* Mount options: each word does what the runtime-spec says, the last word wins. */
#include "test.h"

#include <sys/mount.h>

#include "oci/mount_option.h"

static struct arena arena;

static struct mount_options parse(const char *text)
{
	const char *words[32];
	char copy[512], *rest = copy, *word;
	struct mount_options o = { 0 };
	struct err err = { 0 };
	size_t n = 0;

	snprintf(copy, sizeof(copy), "%s", text);
	while ((word = strsep(&rest, " ")))
		if (*word)
			words[n++] = arena_strdup(&arena, word);
	if (mount_option_parse(words, n, &arena, &o, &err) < 0)
		fail_msg("%s: %s", text, err.text);
	return o;
}

static void assert_attrs(
	const char *text, uint64_t set, uint64_t clear, uint64_t rec_set, uint64_t rec_clear)
{
	struct mount_options o = parse(text);

	if (o.attrs.set != set || o.attrs.clear != clear || o.rec_attrs.set != rec_set ||
		o.rec_attrs.clear != rec_clear)
		fail_msg("%s: set %jx clear %jx rec_set %jx rec_clear %jx", text,
			(uintmax_t)o.attrs.set, (uintmax_t)o.attrs.clear,
			(uintmax_t)o.rec_attrs.set, (uintmax_t)o.rec_attrs.clear);
	assert_int_equal(o.n_data, 0);
	arena_done(&arena);
}

#define ATIME MOUNT_ATTR__ATIME

TEST(attributes_are_set_and_cleared)
{
	assert_attrs("", 0, 0, 0, 0);
	assert_attrs("defaults acl noacl iversion noiversion loud silent", 0, 0, 0, 0);
	assert_attrs("ro nosuid nodev noexec nodiratime nosymfollow",
		MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC |
			MOUNT_ATTR_NODIRATIME | MOUNT_ATTR_NOSYMFOLLOW,
		0, 0, 0);
	assert_attrs("rw suid dev exec symfollow", 0,
		MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC |
			MOUNT_ATTR_NOSYMFOLLOW,
		0, 0);
	assert_attrs("rro rnosuid rnodev rnoexec rnodiratime rnosymfollow", 0, 0,
		MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC |
			MOUNT_ATTR_NODIRATIME | MOUNT_ATTR_NOSYMFOLLOW,
		0);
	assert_attrs("rrw rsuid rdev rexec rdiratime rsymfollow", 0, 0, 0,
		MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC |
			MOUNT_ATTR_NODIRATIME | MOUNT_ATTR_NOSYMFOLLOW);
}

TEST(the_last_word_wins)
{
	assert_attrs("ro rw", 0, MOUNT_ATTR_RDONLY, 0, 0);
	assert_attrs("rw ro", MOUNT_ATTR_RDONLY, 0, 0, 0);
	assert_attrs("ro rrw", MOUNT_ATTR_RDONLY, 0, 0, MOUNT_ATTR_RDONLY);
	assert_attrs("noatime strictatime", MOUNT_ATTR_STRICTATIME, ATIME, 0, 0);
	assert_attrs("noatime atime", 0, 0, 0, 0);
	assert_attrs("nodiratime diratime", 0, 0, 0, 0);
	assert_int_equal(parse("bind rbind").bind, MOUNT_OPTION_RBIND);
	assert_int_equal(parse("rbind bind").bind, MOUNT_OPTION_BIND);
	assert_int_equal(parse("sync async").super, 0);
	assert_int_equal(parse("sync async").super_clear, MOUNT_OPTION_SYNC);
	assert_int_equal(parse("async sync").super, MOUNT_OPTION_SYNC);
	assert_int_equal(parse("async sync").super_clear, 0);
	arena_done(&arena);
}

TEST(access_time_is_one_field)
{
	assert_attrs("noatime", MOUNT_ATTR_NOATIME, ATIME, 0, 0);
	assert_attrs("strictatime", MOUNT_ATTR_STRICTATIME, ATIME, 0, 0);
	assert_attrs("relatime", 0, ATIME, 0, 0);
	assert_attrs("atime norelatime nostrictatime diratime", 0, 0, 0, 0);
	assert_attrs("relatime norelatime", 0, 0, 0, 0);
	assert_attrs("strictatime nostrictatime", 0, 0, 0, 0);
	assert_attrs("noatime norelatime nostrictatime", MOUNT_ATTR_NOATIME, ATIME, 0, 0);
	assert_attrs("rnoatime", 0, 0, MOUNT_ATTR_NOATIME, ATIME);
	assert_attrs("rstrictatime", 0, 0, MOUNT_ATTR_STRICTATIME, ATIME);
	assert_attrs("rrelatime", 0, 0, 0, ATIME);
	assert_attrs("ratime", 0, 0, 0, ATIME);
	assert_attrs("rnorelatime", 0, 0, 0, ATIME);
	assert_attrs("rnostrictatime", 0, 0, 0, ATIME);
}

TEST(words_for_one_mount_are_flags_given)
{
	static const char *const flags[] = { "rw", "nosuid", "atime", "relatime", "diratime",
		"sync", "async", "silent", "loud", "iversion", "noiversion" };

	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		assert_true(parse(flags[i]).flags_given);
	assert_false(parse("rbind rprivate rro acl noacl defaults size=1").flags_given);
	arena_done(&arena);
}

TEST(propagation_keeps_its_order)
{
	static const struct {
		const char *word;
		uint64_t flag;
		bool recursive;
	} rows[] = {
		{ "shared", MS_SHARED, false },
		{ "rshared", MS_SHARED, true },
		{ "slave", MS_SLAVE, false },
		{ "rslave", MS_SLAVE, true },
		{ "private", MS_PRIVATE, false },
		{ "rprivate", MS_PRIVATE, true },
		{ "unbindable", MS_UNBINDABLE, false },
		{ "runbindable", MS_UNBINDABLE, true },
	};
	struct mount_options o;
	const char *words[] = { "slave", "slave", "slave", "slave", "slave", "slave", "slave",
		"slave", "slave" };
	struct err err;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		o = parse(rows[i].word);
		assert_int_equal(o.n_propagation, 1);
		assert_int_equal(o.propagation[0].flag, rows[i].flag);
		assert_int_equal(o.propagation[0].recursive, rows[i].recursive);
	}
	o = parse("rslave ro shared");
	assert_int_equal(o.n_propagation, 2);
	assert_int_equal(o.propagation[0].flag, MS_SLAVE);
	assert_int_equal(o.propagation[1].flag, MS_SHARED);
	assert_int_equal(mount_option_parse(words, 9, &arena, &o, &err), -E2BIG);
	arena_done(&arena);
}

TEST(the_other_words)
{
	struct mount_options o = parse("rbind remount idmap tmpcopyup copy-symlink src-nofollow "
				       "dest-nofollow sync dirsync lazytime mand");

	assert_true(
		o.remount && o.tmpcopyup && o.copy_symlink && o.src_nofollow && o.dest_nofollow);
	assert_int_equal(o.idmap, MOUNT_OPTION_IDMAP);
	assert_int_equal(o.super, MOUNT_OPTION_SYNC | MOUNT_OPTION_DIRSYNC | MOUNT_OPTION_LAZYTIME |
					  MOUNT_OPTION_MAND);
	assert_int_equal(parse("ridmap").idmap, MOUNT_OPTION_RIDMAP);
	assert_int_equal(parse("async nolazytime nomand").super_clear,
		MOUNT_OPTION_SYNC | MOUNT_OPTION_LAZYTIME | MOUNT_OPTION_MAND);
	o = parse("");
	assert_false(o.remount || o.tmpcopyup || o.copy_symlink || o.src_nofollow ||
		     o.dest_nofollow || o.bind || o.idmap || o.super || o.super_clear);
	assert_string_equal(mount_option_super_name(MOUNT_OPTION_SYNC), "sync");
	assert_string_equal(mount_option_super_name(MOUNT_OPTION_LAZYTIME), "lazytime");
	assert_null(mount_option_super_name(1u << 20));
	arena_done(&arena);
}

TEST(what_nobody_knows_is_for_the_file_system)
{
	struct mount_options o = parse("nosuid mode=755 RO size=64k  rox");

	assert_int_equal(o.attrs.set, MOUNT_ATTR_NOSUID);
	assert_int_equal(o.n_data, 4);
	assert_string_equal(o.data[0], "mode=755");
	assert_string_equal(o.data[1], "RO");
	assert_string_equal(o.data[2], "size=64k");
	assert_string_equal(o.data[3], "rox");
	arena_done(&arena);
}

TEST(an_empty_word_is_nothing)
{
	static const char *const words[] = { "", "size=64k", "" };
	struct mount_options o;
	struct err err;

	assert_int_equal(mount_option_parse(words, ARRAY_LEN(words), &arena, &o, &err), 0);
	assert_int_equal(o.n_data, 1);
	assert_string_equal(o.data[0], "size=64k");
	arena_done(&arena);
}

TEST(mappings_in_a_word_are_checked)
{
	struct mount_options o = parse("ridmap=uids=0-1-2;gids=@3-4-5#6-7-8");
	const char *words[] = { "ridmap=uids=0-1-2" };
	struct err err;

	assert_int_equal(o.idmap, MOUNT_OPTION_RIDMAP);
	assert_string_equal(o.idmap_words, "uids=0-1-2;gids=@3-4-5#6-7-8");
	assert_int_equal(mount_option_parse(words, 1, &arena, &o, &err), -EINVAL);
	assert_text_has(err.text, "option 'ridmap=uids=0-1-2'");
	arena_done(&arena);
}

TEST(the_list_for_features_is_sorted_and_known)
{
	for (size_t i = 0; i < mount_option_count(); i++) {
		if (i > 0 && strcmp(mount_option_word(i - 1), mount_option_word(i)) >= 0)
			fail_msg("%s is not in its place", mount_option_word(i));
		assert_int_equal(parse(mount_option_word(i)).n_data, 0);
	}
	assert_null(mount_option_word(mount_option_count()));
	arena_done(&arena);
}
