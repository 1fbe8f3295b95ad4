/* SPDX-License-Identifier: Apache-2.0 */
/* The small vocabularies: capabilities, signals, limits, namespaces, seccomp, users, sysctl keys. */
#include "test.h"

#include <linux/capability.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/resource.h>

#include "base/mem.h"
#include "oci/cap_name.h"
#include "oci/namespace_name.h"
#include "oci/rlimit_name.h"
#include "oci/seccomp_name.h"
#include "oci/signal_name.h"
#include "oci/sysctl_key.h"
#include "oci/user_spec.h"

TEST(capabilities_have_names_both_ways)
{
	static const char *const list[] = { "CAP_KILL", "CAP_X", "CAP_BPF", "CAP_Y", "cap_chown" };
	const char *unknown;
	unsigned int cap;

	for (unsigned int i = 0; i < CAP_NAME_COUNT; i++) {
		assert_ok(cap_name_parse(cap_name(i), &cap));
		assert_int_equal(cap, i);
	}
	assert_int_equal(CAP_NAME_COUNT, CAP_LAST_CAP + 1);
	assert_string_equal(cap_name(0), "CAP_CHOWN");
	assert_string_equal(cap_name(40), "CAP_CHECKPOINT_RESTORE");
	assert_null(cap_name(41));
	assert_int_equal(cap_name_parse("CHOWN", &cap), -EINVAL);
	assert_int_equal(cap_name_parse("", &cap), -EINVAL);

	assert_true(cap_name_mask(list, 5, &unknown) == ((1ull << CAP_KILL) | (1ull << CAP_BPF)));
	assert_string_equal(unknown, "CAP_X");
	assert_true(cap_name_mask(list, 1, &unknown) == 1ull << CAP_KILL);
	assert_null(unknown);
	assert_true(cap_name_mask(NULL, 0, &unknown) == 0);
}

TEST(signals_are_read_in_every_spelling)
{
	static const struct {
		const char *text;
		int sig;
	} rows[] = {
		{ "9", SIGKILL },
		{ "KILL", SIGKILL },
		{ "SIGKILL", SIGKILL },
		{ "kill", SIGKILL },
		{ "sigKill", SIGKILL },
		{ "0", 0 },
		{ "64", 64 },
		{ "TERM", SIGTERM },
		{ "IOT", SIGABRT },
		{ "POLL", SIGIO },
		{ "CLD", SIGCHLD },
		{ "SEGV", SIGSEGV },
		{ "RTMIN", 34 },
		{ "SIGRTMIN+3", 37 },
		{ "rtmin+0", 34 },
		{ "RTMIN+30", 64 },
		{ "RTMAX", 64 },
		{ "SIGRTMAX-14", 50 },
		{ "RTMAX-30", 34 },
	};
	static const char *const bad[] = { "", "SIG", "65", "-1", "+9", " 9", "9 ", "0x9", "FOO",
		"SIGSIGKILL", "KILLL", "RTMIN-1", "RTMIN+31", "RTMAX+1", "RTMAX-31", "RTMIN+",
		"RTMIN+-1", "RTMIN+x", "99999999999999999999" };
	struct err err;
	int sig;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		sig = -1;
		if (signal_name_parse(rows[i].text, &sig, &err) < 0 || sig != rows[i].sig)
			fail_msg("'%s' is %d", rows[i].text, sig);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		char text[64];

		sig = 77;
		snprintf(text, sizeof(text), "unknown signal \"%s\"", bad[i]);
		if (signal_name_parse(bad[i], &sig, &err) != -EINVAL)
			fail_msg("'%s' is taken", bad[i]);
		assert_string_equal(err.text, text);
		assert_int_equal(sig, 77);
	}
}

TEST(signals_are_shown_by_the_name_that_reads_back)
{
	char name[SIGNAL_NAME_SIZE];
	int sig;

	for (int i = 1; i <= 64; i++) {
		if (i == 32 || i == 33)
			continue;
		assert_ok(signal_name_parse(signal_name(i, name), &sig, NULL));
		assert_int_equal(sig, i);
	}
	assert_string_equal(signal_name(SIGABRT, name), "SIGABRT");
	assert_string_equal(signal_name(37, name), "SIGRTMIN+3");
	assert_string_equal(signal_name(33, name), "signal 33");
	assert_string_equal(signal_name(-2147483647 - 1, name), "signal -2147483648");
}

TEST(limits_have_names_both_ways)
{
	int resource;

	for (int i = 0; i < (int)RLIM_NLIMITS; i++) {
		assert_non_null(rlimit_name(i));
		assert_ok(rlimit_name_parse(rlimit_name(i), &resource));
		assert_int_equal(resource, i);
	}
	assert_int_equal(word_count(rlimit_name_words), RLIM_NLIMITS);
	assert_null(rlimit_name(RLIM_NLIMITS));
	assert_int_equal(rlimit_name_parse("NOFILE", &resource), -EINVAL);
}

TEST(namespaces_have_all_their_names)
{
	static const struct {
		const char *name, *proc;
		int flag;
	} rows[] = {
		{ "cgroup", "cgroup", CLONE_NEWCGROUP },
		{ "ipc", "ipc", CLONE_NEWIPC },
		{ "mount", "mnt", CLONE_NEWNS },
		{ "network", "net", CLONE_NEWNET },
		{ "pid", "pid", CLONE_NEWPID },
		{ "time", "time", CLONE_NEWTIME },
		{ "user", "user", CLONE_NEWUSER },
		{ "uts", "uts", CLONE_NEWUTS },
	};
	enum spec_ns_type type;

	assert_int_equal(ARRAY_LEN(rows), SPEC_NS_MAX - 1);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_ok(namespace_name_parse(rows[i].name, &type));
		assert_string_equal(namespace_name(type), rows[i].name);
		assert_string_equal(namespace_name_proc(type), rows[i].proc);
		assert_int_equal(namespace_name_flag(type), rows[i].flag);
	}
	assert_int_equal(namespace_name_parse("mnt", &type), -EINVAL);
	assert_null(namespace_name(SPEC_NS_ABSENT));
	assert_null(namespace_name(SPEC_NS_MAX));
	assert_null(namespace_name_proc(SPEC_NS_ABSENT));
	assert_null(namespace_name_proc(SPEC_NS_MAX));
	assert_int_equal(namespace_name_flag(SPEC_NS_ABSENT), 0);
	assert_int_equal(namespace_name_flag(SPEC_NS_MAX), 0);
}

static void assert_sorted(const struct word *w)
{
	for (; w[0].name && w[1].name; w++)
		if (strcmp(w[0].name, w[1].name) >= 0)
			fail_msg("%s stands before %s", w[0].name, w[1].name);
}

TEST(words_for_features_are_sorted)
{
	assert_sorted(namespace_name_words);
	assert_sorted(seccomp_name_actions);
	assert_sorted(seccomp_name_ops);
	assert_sorted(seccomp_name_archs);
	assert_sorted(seccomp_name_flags);
	assert_int_equal(word_count(seccomp_name_actions), 9);
	assert_int_equal(word_count(seccomp_name_ops), 7);
	assert_string_equal(word_name(seccomp_name_flags, SECCOMP_FILTER_FLAG_SPEC_ALLOW),
		"SECCOMP_FILTER_FLAG_SPEC_ALLOW");
}

TEST(a_user_is_decimal_ids_or_an_error)
{
	static const struct {
		const char *text;
		uint32_t uid, gid;
		bool has_gid;
	} rows[] = {
		{ "0", 0, 0, false },
		{ "1", 1, 0, false },
		{ "1:2", 1, 2, true },
		{ "007:08", 7, 8, true },
		{ "2147483648:4294967294", 2147483648u, 4294967294u, true },
	};
	static const char *const bad[] = { "", ":", ":5", "1:", " 1", "1 ", "+1", "-1", "0x1",
		"4294967295", "4294967296", "1:4294967295", "1:2:3", "1:a", "root", "1abc", "1: 2",
		"99999999999", "999999999999999999999999999999", "1\n" };
	struct user_spec user;
	struct err err;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_ok(user_spec_parse(rows[i].text, &user, &err));
		assert_int_equal(user.uid, rows[i].uid);
		assert_int_equal(user.gid, rows[i].gid);
		assert_int_equal(user.has_gid, rows[i].has_gid);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		user = (struct user_spec){ 77, true, 78 };
		if (user_spec_parse(bad[i], &user, &err) != -EINVAL)
			fail_msg("'%s' is taken", bad[i]);
		assert_true(user.uid == 77 && user.has_gid && user.gid == 78);
		assert_text_has(err.text, "is not UID or UID:GID");
	}
}

TEST(sysctl_keys_become_paths)
{
	static const struct {
		const char *key, *path;
		enum spec_ns_type type;
	} rows[] = {
		{ "net.ipv4.ip_forward", "net/ipv4/ip_forward", SPEC_NS_NETWORK },
		{ "net.ipv4.conf.eth0/100.forwarding", "net/ipv4/conf/eth0.100/forwarding",
			SPEC_NS_NETWORK },
		{ "net/ipv4/conf/eth0.100/forwarding", "net/ipv4/conf/eth0.100/forwarding",
			SPEC_NS_NETWORK },
		{ "kernel.shm_rmid_forced", "kernel/shm_rmid_forced", SPEC_NS_IPC },
		{ "kernel.msgmax", "kernel/msgmax", SPEC_NS_IPC },
		{ "kernel.sem", "kernel/sem", SPEC_NS_IPC },
		{ "fs.mqueue.msg_max", "fs/mqueue/msg_max", SPEC_NS_IPC },
		{ "kernel.hostname", "kernel/hostname", SPEC_NS_UTS },
		{ "user.max_mnt_namespaces", "user/max_mnt_namespaces", SPEC_NS_USER },
		{ "kernel.core_pattern", "kernel/core_pattern", SPEC_NS_ABSENT },
		{ "net", "net", SPEC_NS_ABSENT },
		{ "network.x", "network/x", SPEC_NS_ABSENT },
		{ "vm.overcommit_memory", "vm/overcommit_memory", SPEC_NS_ABSENT },
	};
	static const char *const bad[] = { "", ".", "/", "a..b", "a//b", ".a", "a.", "a/", "/a",
		"a/./b", "a/../b", "a.//.b", "a.b/../c", "net.a b", "net.a=1", "net.a\n",
		"net.\xc3\xa9", "../x" };
	char path[SYSCTL_KEY_SIZE], key[SYSCTL_KEY_SIZE + 1];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_ok(sysctl_key_path(rows[i].key, path));
		assert_string_equal(path, rows[i].path);
		assert_int_equal(sysctl_key_namespace(path), rows[i].type);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (sysctl_key_path(bad[i], path) != -EINVAL)
			fail_msg("'%s' is taken", bad[i]);
	memset(key, 'a', sizeof(key));
	key[SYSCTL_KEY_SIZE] = '\0';
	assert_int_equal(sysctl_key_path(key, path), -EINVAL);
	key[SYSCTL_KEY_SIZE - 1] = '\0';
	assert_ok(sysctl_key_path(key, path));
}
