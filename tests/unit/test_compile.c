/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <linux/mount.h>
#include <sched.h>

#include "base/mem.h"
#include "container/compile.h"

#define HEAD \
	"{\"ociVersion\":\"1.2.0\",\"root\":{\"path\":\"rootfs\"%s},\"process\":{\"args\":[" \
	"\"true\"],\"cwd\":\"/\"," \
	"\"user\":{\"uid\":%d,\"gid\":0}%s},\"linux\":{\"namespaces\":[{\"type\":\"mount\"},{" \
	"\"type\":\"pid\"}%s]%s}%s}"

struct made {
	struct spec *spec;
	struct plan plan;
	struct err err;
	int r;
};

/* A spec with holes: root, uid, process, namespaces, linux, top level. */
static struct made make(const char *root, int uid, const char *process, const char *namespaces,
	const char *linux_, const char *top)
{
	struct made m = { 0 };
	static const char *const dirs[] = { "/cg/memory/x", "/cg/pids/x" };
	struct compile_init in = {
		.id = "c1",
		.rootfs = "/b/rootfs",
		.bundle = "/b",
		.cgroup = { .tasks_dirs = dirs, .n_tasks_dirs = 2 },
		.state_creating_head = "{\"pid\":",
		.state_creating_tail = "}",
		.state_created_head = "{\"pid\":",
		.state_created_tail = "}",
	};
	char json[4096];
	int n;

	n = snprintf(json, sizeof(json), HEAD, root, uid, process, namespaces, linux_, top);
	assert_true(n > 0 && (size_t)n < sizeof(json));
	if (spec_parse(json, (size_t)n, &m.spec, &m.err) < 0)
		fail_msg("%s", m.err.text);
	in.spec = m.spec;
	m.r = compile_init(&in, &m.plan, &m.err);
	return m;
}

/* The same, and who starts it is known. */
static struct made make_as(
	const struct self_status *self, int uid, const char *process, const char *namespaces)
{
	struct made m = make("", uid, process, namespaces, "", "");
	struct compile_init in = {
		.spec = m.spec,
		.id = "x",
		.rootfs = "/r",
		.bundle = "/b",
		.state_creating_head = "{",
		.state_creating_tail = "}",
		.state_created_head = "{",
		.state_created_tail = "}",
		.null_stdio = 6,
		.self = self,
	};

	plan_done(&m.plan);
	m.r = compile_init(&in, &m.plan, &m.err);
	return m;
}

static void done(struct made *m)
{
	plan_done(&m->plan);
	spec_free(m->spec);
}

static int find(const struct made *m, enum plan_op op, int from)
{
	for (size_t i = (size_t)from; i < m->plan.n_steps; i++)
		if (m->plan.steps[i].op == op)
			return (int)i;
	return -1;
}

static const char *text(const struct made *m, int step, int k)
{
	uint32_t at = m->plan.steps[step].str[k];

	return at ? m->plan.data.data + at - 1 : "";
}

TEST(who_does_not_pivot_leaves_the_hosts_procfs_and_sysfs_behind)
{
	static const char *const mounts[] = { "/proc", "/sys" };
	struct made m = make("", 0, "", "", "", "");
	struct compile_init in = {
		.spec = m.spec,
		.id = "x",
		.rootfs = "/r",
		.bundle = "/b",
		.kernel_mounts = mounts,
		.n_kernel_mounts = ARRAY_LEN(mounts),
	};
	int pivot = find(&m, PLAN_PIVOT, 0);

	assert_int_equal(m.plan.steps[pivot].num[0], 0);
	for (int i = 0; i < 2; i++) {
		plan_done(&m.plan);
		in.no_pivot = i == 1;
		assert_ok(compile_init(&in, &m.plan, &m.err));
		pivot = find(&m, PLAN_PIVOT, 0);
		assert_int_equal(m.plan.steps[pivot].num[0], i == 1 ? 2 : 0);
	}
	assert_int_equal(m.plan.steps[pivot].flags, PLAN_F_MOVE);
	assert_memory_equal(text(&m, pivot, 1), "/proc\0/sys", 11);
	done(&m);
}

TEST(joined_namespaces_come_before_the_clone_and_the_mount_namespace_last)
{
	struct made m = make("", 0, "",
		",{\"type\":\"network\",\"path\":\"/n/net\"},{\"type\":\"user\",\"path\":\"/n/"
		"user\"}",
		"", "");
	int clone = find(&m, PLAN_CLONE, 0);
	int first = find(&m, PLAN_SETNS, 0);

	assert_int_equal(m.r, 0);
	assert_true(first >= 0 && first < clone);
	assert_string_equal(text(&m, first, 0), "/n/net");
	assert_string_equal(text(&m, first + 1, 0), "/n/user");
	assert_true(find(&m, PLAN_SETNS, clone) < 0);
	assert_int_equal(m.plan.steps[clone].num[0], CLONE_NEWNS | CLONE_NEWPID);
	done(&m);
}

TEST(on_v1_the_child_enters_its_cgroups_first_and_unshares_the_namespace_after)
{
	struct made m = make("", 0, "", ",{\"type\":\"cgroup\"}", "", "");
	int clone = find(&m, PLAN_CLONE, 0);

	assert_string_equal(text(&m, find(&m, PLAN_OPEN, 0), 0), "/cg/memory/x/tasks");
	assert_int_equal(m.plan.steps[clone + 1].op, PLAN_WRITE_SLOT);
	assert_int_equal(m.plan.steps[clone + 2].op, PLAN_WRITE_SLOT);
	assert_int_equal(m.plan.steps[clone + 3].op, PLAN_UNSHARE);
	assert_int_equal(m.plan.steps[clone].num[0] & CLONE_NEWCGROUP, 0);
	done(&m);
}

static struct made make_v2(const char *namespaces)
{
	struct made m = make("", 0, "", namespaces, "", "");
	struct compile_init in = {
		.spec = m.spec,
		.id = "x",
		.rootfs = "/r",
		.bundle = "/b",
		.cgroup = { .clone_dir = "/cg/x" },
	};

	plan_done(&m.plan);
	assert_ok(compile_init(&in, &m.plan, &m.err));
	return m;
}

TEST(on_v2_the_clone_enters_the_cgroup_and_the_namespace_comes_after)
{
	struct made m = make_v2(",{\"type\":\"cgroup\"}");
	int clone = find(&m, PLAN_CLONE, 0);

	assert_true(m.plan.steps[clone].fd[0] >= 0);
	assert_int_equal(m.plan.steps[clone].num[0] & CLONE_NEWCGROUP, 0);
	assert_int_equal(m.plan.steps[clone + 1].op, PLAN_UNSHARE);
	assert_int_equal(m.plan.steps[clone + 1].num[0], CLONE_NEWCGROUP);
	done(&m);
}

TEST(a_cgroup_namespace_is_joined_from_within_the_cgroup)
{
	struct made m = make_v2(",{\"type\":\"cgroup\",\"path\":\"/n/cgroup\"}");
	int clone = find(&m, PLAN_CLONE, 0);
	int open = find(&m, PLAN_OPEN, find(&m, PLAN_OPEN, 0) + 1);

	assert_string_equal(text(&m, open, 0), "/n/cgroup");
	assert_true(open < clone);
	assert_true(find(&m, PLAN_SETNS, 0) < 0);
	assert_int_equal(m.plan.steps[clone + 1].op, PLAN_SETNS_SLOT);
	assert_int_equal(m.plan.steps[clone + 1].fd[0], m.plan.steps[open].fd[0]);
	done(&m);
	/* inside a new user namespace it could no longer be joined */
	m = make_v2(",{\"type\":\"user\"},{\"type\":\"cgroup\",\"path\":\"/n/cgroup\"}");
	assert_true(find(&m, PLAN_SETNS, 0) < find(&m, PLAN_CLONE, 0));
	assert_true(find(&m, PLAN_SETNS_SLOT, 0) < 0);
	done(&m);
}

TEST(the_host_tree_never_stays_shared)
{
	struct made m = make("", 0, "", "", "", "");
	int p = find(&m, PLAN_PROPAGATION, 0);

	assert_true(p >= 0 && p < find(&m, PLAN_ROOTFS, 0));
	assert_int_equal(m.plan.steps[p].num[0], (1 << 19) | 16384); /* slave, recursively */
	done(&m);
	m = make("", 0, "", "", ",\"rootfsPropagation\":\"rprivate\"", "");
	assert_int_equal(m.plan.steps[find(&m, PLAN_PROPAGATION, 0)].num[0], (1 << 18) | 16384);
	done(&m);
}

TEST(bind_sources_are_opened_on_the_host_side_and_relative_ones_below_the_bundle)
{
	struct made m = make("", 0, "", "", "",
		",\"mounts\":[{\"destination\":\"/"
		"d\",\"type\":\"bind\",\"source\":\"data\",\"options\":[\"rbind\",\"ro\","
		"\"rprivate\"]}]");
	int root = find(&m, PLAN_TREE, 0);
	int tree = find(&m, PLAN_TREE, root + 1);
	int attach = find(&m, PLAN_MOUNT_TREE, 0);

	assert_true(tree < find(&m, PLAN_CLONE, 0));
	assert_string_equal(text(&m, root, 0), "/b/rootfs");
	assert_string_equal(text(&m, tree, 0), "/b/data");
	assert_true(m.plan.steps[tree].flags & PLAN_F_RECURSIVE);
	assert_int_equal(m.plan.steps[tree].num[0], MOUNT_ATTR_RDONLY);
	assert_int_equal(m.plan.steps[tree].num[2], 1 << 18);
	assert_string_equal(text(&m, attach, 0), "/d");
	assert_int_equal(m.plan.steps[attach].fd[0], m.plan.steps[tree].fd[0]);
	done(&m);
}

TEST(a_source_below_the_root_is_opened_in_it_between_the_mounts)
{
	struct made m = make("", 0, "", "", "",
		",\"mounts\":[{\"destination\":\"/t\",\"type\":\"tmpfs\",\"source\":\"tmpfs\"},"
		"{\"destination\":\"/d\",\"type\":\"bind\",\"source\":\"rootfs/t\"}]");
	int tree = find(&m, PLAN_TREE, find(&m, PLAN_CLONE, 0));

	assert_true(tree > find(&m, PLAN_MOUNT_FS, 0) && tree < find(&m, PLAN_MOUNT_TREE, 0));
	assert_true(m.plan.steps[tree].flags & PLAN_F_INSIDE);
	assert_string_equal(text(&m, tree, 0), "/t");
	assert_string_equal(text(&m, tree, 1), "/b/rootfs/t");
	assert_int_equal(
		m.plan.steps[find(&m, PLAN_MOUNT_TREE, 0)].fd[0], m.plan.steps[tree].fd[0]);
	done(&m);
}

TEST(a_source_that_may_lead_out_of_the_root_or_only_begins_alike_is_the_hosts)
{
	static const char *const sources[] = { "/b/rootfs/../x", "/b/rootfs/a/..", "/b/rootfs2",
		"/b" };

	for (size_t i = 0; i < sizeof(sources) / sizeof(*sources); i++) {
		char top[200];
		struct made m;

		snprintf(top, sizeof(top),
			",\"mounts\":[{\"destination\":\"/"
			"d\",\"type\":\"bind\",\"source\":\"%s\"}]",
			sources[i]);
		m = make("", 0, "", "", "", top);
		assert_true(find(&m, PLAN_TREE, find(&m, PLAN_CLONE, 0)) < 0);
		done(&m);
	}
}

TEST(a_shared_mount_keeps_its_peers_until_it_is_attached)
{
	struct made m = make("", 0, "", "", "",
		",\"mounts\":[{\"destination\":\"/d\",\"type\":\"bind\",\"source\":\"/"
		"s\",\"options\":[\"rbind\",\"rshared\"]}]");
	int tree = find(&m, PLAN_TREE, find(&m, PLAN_TREE, 0) + 1);

	assert_int_equal(m.plan.steps[tree].num[2], 0);
	assert_int_equal(m.plan.steps[find(&m, PLAN_MOUNT_TREE, 0)].num[2], (1 << 20) | 16384);
	done(&m);
}

#define RESTRICTIONS \
	(MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC | \
		MOUNT_ATTR_NOSYMFOLLOW)
#define ATIMES (MOUNT_ATTR__ATIME | MOUNT_ATTR_NODIRATIME)

TEST(a_bind_with_a_flag_gets_those_that_were_asked_for_and_loses_the_others)
{
	static const struct {
		const char *words;
		uint64_t set, clear, said;
	} rows[] = {
		{ "rbind", 0, 0, 0 },
		{ "rprivate", 0, 0, 0 },
		{ "rnosuid", 0, 0, 0 }, /* with the clone */
		{ "sync", 0, RESTRICTIONS, 0 },
		{ "ro", MOUNT_ATTR_RDONLY, RESTRICTIONS & ~MOUNT_ATTR_RDONLY, 0 },
		{ "rw", 0, RESTRICTIONS, MOUNT_ATTR_RDONLY },
		{ "noatime", MOUNT_ATTR_NOATIME, RESTRICTIONS | ATIMES, 0 },
		{ "nodiratime", MOUNT_ATTR_NODIRATIME, RESTRICTIONS | MOUNT_ATTR__ATIME, 0 },
		{ "atime", 0, RESTRICTIONS, 0 },
		{ "nosuid\",\"rsuid", 0, RESTRICTIONS, 0 },
		{ "suid\",\"rnosuid", MOUNT_ATTR_NOSUID, RESTRICTIONS & ~MOUNT_ATTR_NOSUID, 0 },
		{ "noatime\",\"rstrictatime", MOUNT_ATTR_STRICTATIME, RESTRICTIONS | ATIMES, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char top[200];
		struct made m;
		const struct plan_step *s;

		snprintf(top, sizeof(top),
			",\"mounts\":[{\"destination\":\"/d\",\"type\":\"bind\",\"source\":"
			"\"/s\",\"options\":[\"%s\"]}]",
			rows[i].words);
		m = make("", 0, "", "", "", top);
		s = &m.plan.steps[find(&m, PLAN_TREE, find(&m, PLAN_TREE, 0) + 1)];
		if (s->num[0] != rows[i].set || s->num[1] != (rows[i].clear | rows[i].said << 32))
			fail_msg("%s: set %jx clear %jx", rows[i].words, (uintmax_t)s->num[0],
				(uintmax_t)s->num[1]);
		assert_false(s->flags & PLAN_F_LOCKED);
		done(&m);
	}
}

TEST(in_a_user_namespace_the_flags_of_the_hosts_mounts_are_locked_and_those_of_its_own_are_not)
{
	struct made m = make("", 0, "", ",{\"type\":\"user\"}",
		",\"uidMappings\":[{\"containerID\":0,\"hostID\":1000,\"size\":10}],"
		"\"gidMappings\":[{\"containerID\":0,\"hostID\":1000,\"size\":10}]",
		",\"mounts\":[{\"destination\":\"/d\",\"type\":\"bind\",\"source\":\"/s\"},"
		"{\"destination\":\"/e\",\"type\":\"bind\",\"source\":\"rootfs/t\"}]");
	int hosts = find(&m, PLAN_TREE, find(&m, PLAN_TREE, 0) + 1);
	int own = find(&m, PLAN_TREE, hosts + 1);

	assert_string_equal(text(&m, hosts, 0), "/s");
	assert_true(m.plan.steps[hosts].flags & PLAN_F_LOCKED);
	assert_string_equal(text(&m, own, 0), "/t");
	assert_false(m.plan.steps[own].flags & PLAN_F_LOCKED);
	done(&m);
}

TEST(the_root_becomes_read_only_only_after_everything_was_made_in_it)
{
	struct made m =
		make(",\"readonly\":true", 0, "", "", ",\"maskedPaths\":[\"/proc/kcore\"]", "");
	int attr = find(&m, PLAN_ROOT_ATTR, 0);

	assert_true(attr > find(&m, PLAN_PIVOT, 0));
	assert_true(find(&m, PLAN_MKDIR, 0) < attr);
	assert_true(find(&m, PLAN_MASK, 0) < find(&m, PLAN_PIVOT, 0));
	assert_int_equal(m.plan.steps[attr].num[0], MOUNT_ATTR_RDONLY);
	done(&m);
}

TEST(a_masked_directory_is_labelled_as_what_is_mounted)
{
	struct made m = make("", 0, "", "",
		",\"maskedPaths\":[\"/proc/kcore\",\"/proc/acpi\"],\"mountLabel\":\"u:r:f\"",
		",\"annotations\":{\"run.oci.mount_context_type\":\"fscontext\"}");
	int first = find(&m, PLAN_MASK, 0);
	static const char options[] = "nr_inodes=1\0mode=755\0fscontext=u:r:f";

	for (int i = first; i < first + 2; i++) {
		assert_int_equal(m.plan.steps[i].op, PLAN_MASK);
		assert_int_equal(m.plan.steps[i].blob_len, sizeof(options));
		assert_memory_equal(
			m.plan.data.data + m.plan.steps[i].blob - 1, options, sizeof(options));
	}
	done(&m);
	m = make("", 0, "", "", ",\"maskedPaths\":[\"/proc/kcore\"]", "");
	assert_int_equal(
		m.plan.steps[find(&m, PLAN_MASK, 0)].blob_len, sizeof("nr_inodes=1\0mode=755"));
	done(&m);
}

TEST(masks_come_before_the_console)
{
	struct made m =
		make("", 0, ",\"terminal\":true", "", ",\"maskedPaths\":[\"/proc/kcore\"]", "");

	assert_true(find(&m, PLAN_MASK, 0) < find(&m, PLAN_CONSOLE, 0));
	done(&m);
}

TEST(without_no_new_privs_the_filter_is_loaded_before_the_capabilities_go)
{
	struct spec_process process = { .cwd = "/" };
	const struct spec spec = { 0 };
	static const uint64_t program = 1;
	struct compile_filter filter = { .program = &program, .size = 8 };
	struct plan p;
	struct made m = { 0 };

	plan_init(&p);
	compile_final(&p, &spec, &process, &filter, NULL, 0);
	m.plan = p;
	assert_true(find(&m, PLAN_SECCOMP, 0) < find(&m, PLAN_CAPS, 0));
	plan_done(&p);
	process.no_new_privileges = true;
	plan_init(&p);
	compile_final(&p, &spec, &process, &filter, NULL, 0);
	m.plan = p;
	assert_true(find(&m, PLAN_SECCOMP, 0) > find(&m, PLAN_CAPS, 0));
	assert_true(find(&m, PLAN_NNP, 0) < find(&m, PLAN_SECCOMP, 0));
	assert_true(find(&m, PLAN_SECCOMP, 0) < find(&m, PLAN_EXEC, 0));
	plan_done(&p);
}

TEST(a_new_user_namespace_waits_for_its_maps_and_binds_its_devices)
{
	struct made m = make("", 0, "", ",{\"type\":\"user\"}",
		",\"uidMappings\":[{\"containerID\":0,\"hostID\":1000,\"size\":1}],\"gidMappings\":"
		"[{\"containerID\":0,\"hostID\":1000,\"size\":1}]",
		",\"mounts\":[{\"destination\":\"/dev/"
		"pts\",\"type\":\"devpts\",\"source\":\"devpts\",\"options\":[\"gid=5\",\"mode="
		"0620\"]}]");
	int barrier = find(&m, PLAN_BARRIER, 0);
	int pts = find(&m, PLAN_MOUNT_FS, 0);
	int devs = find(&m, PLAN_DEFAULT_DEVS, 0);

	assert_int_equal(m.plan.steps[barrier].num[0], PLAN_GO_MAPS);
	assert_true(barrier < find(&m, PLAN_ROOT_IDS, 0));
	assert_true(m.plan.steps[devs].flags & PLAN_F_BIND);
	/* gid 5 is not mapped: the option would make the mount fail */
	assert_memory_equal(m.plan.data.data + m.plan.steps[pts].blob - 1, "mode=0620", 10);
	assert_int_equal(m.plan.steps[pts].blob_len, 10);
	done(&m);
}

/* Setting the limits of another user's process takes a capability that root does not have everywhere. */
TEST(limits_of_another_user_are_set_before_it_is_one)
{
	struct made m = make("", 1000,
		",\"rlimits\":[{\"type\":\"RLIMIT_NOFILE\",\"soft\":10,\"hard\":20}]", "", "", "");
	int barrier = find(&m, PLAN_BARRIER, 0);

	assert_int_equal(m.plan.steps[barrier].num[0], PLAN_GO_LIMITS);
	assert_true(barrier < find(&m, PLAN_USER, 0) && barrier > find(&m, PLAN_PIVOT, 0));
	done(&m);
	m = make("", 0, ",\"rlimits\":[{\"type\":\"RLIMIT_NOFILE\",\"soft\":10,\"hard\":20}]", "",
		"", "");
	assert_true(find(&m, PLAN_BARRIER, 0) < 0);
	done(&m);
}

TEST(of_duplicate_variables_the_last_one_is_passed)
{
	struct made m = make("", 0, ",\"env\":[\"A=1\",\"B=2\",\"A=3\"]", "", "", "");
	int lookup = find(&m, PLAN_LOOKUP, 0);
	const char *env = text(&m, lookup, 2);

	assert_int_equal(m.plan.steps[lookup].num[1], 2);
	assert_string_equal(env, "B=2");
	assert_string_equal(env + 4, "A=3");
	done(&m);
}

TEST(hosts_dev_is_left_alone)
{
	struct made m = make("", 0, "", "", "",
		",\"mounts\":[{\"destination\":\"/dev\",\"type\":\"bind\",\"source\":\"/"
		"dev\",\"options\":[\"rbind\"]}]");

	assert_true(find(&m, PLAN_DEFAULT_DEVS, 0) < 0);
	done(&m);
}

// clang-format off
#define DEVICES \
	",\"devices\":[{\"path\":\"/dev/ptmx\",\"type\":\"c\",\"major\":5,\"minor\":2}," \
	"{\"path\":\"//dev//fuse\",\"type\":\"c\",\"major\":10,\"minor\":229}," \
	"{\"path\":\"/srv/null\",\"type\":\"c\",\"major\":1,\"minor\":3}]"
// clang-format on

/* What a privileged container is given: everything that is in the host's /dev. */
TEST(a_ptmx_among_the_devices_is_not_made)
{
	struct made m = make("", 0, "", "", DEVICES, "");
	int first = find(&m, PLAN_MKNOD, 0);
	int second = find(&m, PLAN_MKNOD, first + 1);

	assert_string_equal(text(&m, first, 0), "//dev//fuse");
	assert_string_equal(text(&m, second, 0), "/srv/null");
	assert_true(find(&m, PLAN_MKNOD, second + 1) < 0);
	done(&m);
}

TEST(no_device_is_made_in_the_hosts_dev)
{
	struct made m = make("", 0, "", "", DEVICES,
		",\"mounts\":[{\"destination\":\"/dev\",\"type\":\"bind\",\"source\":\"/"
		"dev\",\"options\":[\"rbind\"]}]");
	int first = find(&m, PLAN_MKNOD, 0);

	assert_string_equal(text(&m, first, 0), "/srv/null");
	assert_true(find(&m, PLAN_MKNOD, first + 1) < 0);
	done(&m);
}

TEST(hooks_in_the_container_stand_where_the_spec_wants_them)
{
	struct made m = make("", 0, "", "", "",
		",\"hooks\":{\"createRuntime\":[{\"path\":\"/"
		"r\"}],\"createContainer\":[{\"path\":\"/c\",\"timeout\":3}],"
		"\"startContainer\":[{\"path\":\"/s\",\"args\":[\"s\",\"x\"]}]}");
	int create = find(&m, PLAN_HOOK, 0);
	int start = find(&m, PLAN_HOOK, create + 1);
	int barrier = find(&m, PLAN_BARRIER, 0);

	assert_int_equal(m.plan.steps[barrier].num[0], PLAN_GO_HOOKS);
	assert_true(barrier < create && create < find(&m, PLAN_PIVOT, 0));
	assert_true(m.plan.steps[find(&m, PLAN_ROOTFS, 0)].flags & PLAN_F_IN_PLACE);
	/* hooks have the host's streams */
	assert_true(find(&m, PLAN_NULL_STDIO, 0) > find(&m, PLAN_PIVOT, 0));
	assert_int_equal(m.plan.steps[create].num[2], 3);
	assert_true(start > find(&m, PLAN_READY, 0) && start < find(&m, PLAN_CAPS, 0));
	assert_true(m.plan.steps[start].flags & PLAN_F_FINAL_CAPS);
	assert_string_equal(text(&m, start, 1), "s");
	done(&m);
}

TEST(the_plan_of_an_exec_joins_before_it_clones)
{
	struct made m = make("", 0, "", "", "", "");
	struct spec_process process = { .args = (const char *[]){ "ps" }, .n_args = 1, .cwd = "/" };
	struct compile_exec in = { .spec = m.spec, .process = &process, .init_pidfd = 7 };
	struct made e = { 0 };
	struct err err = { 0 };

	assert_ok(compile_exec(&in, &e.plan, &err));
	assert_true(find(&e, PLAN_SETNS_SLOT, 0) < find(&e, PLAN_CLONE, 0));
	assert_int_equal(
		e.plan.steps[find(&e, PLAN_SETNS_SLOT, 0)].num[0], CLONE_NEWNS | CLONE_NEWPID);
	assert_int_equal(e.plan.steps[find(&e, PLAN_CLONE, 0)].num[0], 0);
	plan_done(&e.plan);
	done(&m);
}

TEST(an_exec_joins_the_cgroup_namespace_from_within_the_cgroup)
{
	struct made m = make_v2(",{\"type\":\"cgroup\"}");
	struct spec_process process = { .args = (const char *[]){ "ps" }, .n_args = 1, .cwd = "/" };
	struct compile_exec in = {
		.spec = m.spec,
		.process = &process,
		.init_pidfd = 7,
		.cgroup = { .clone_dir = "/cg/x" },
	};
	struct made e = { 0 };
	struct err err = { 0 };
	int clone;

	assert_ok(compile_exec(&in, &e.plan, &err));
	clone = find(&e, PLAN_CLONE, 0);
	assert_int_equal(e.plan.steps[clone - 1].op, PLAN_SETNS_SLOT);
	assert_int_equal(e.plan.steps[clone - 1].num[0] & CLONE_NEWCGROUP, 0);
	assert_int_equal(e.plan.steps[clone + 1].op, PLAN_SETNS_SLOT);
	assert_int_equal(e.plan.steps[clone + 1].num[0], CLONE_NEWCGROUP);
	plan_done(&e.plan);
	done(&m);
}

/* What the new process has for a moment of the host: no directory to climb from, and no path to read. */
TEST(an_exec_holds_of_its_cgroup_a_directory_that_leads_nowhere)
{
	struct made m = make("", 0, "", "", "", "");
	struct spec_process process = { .args = (const char *[]){ "ps" }, .n_args = 1, .cwd = "/" };
	struct compile_exec in = {
		.spec = m.spec,
		.process = &process,
		.init_pidfd = 7,
		.cgroup = { .clone_dir = "/cg/x" },
	};
	struct made e = { 0 };
	struct err err = { 0 };
	const struct plan_step *clone;
	int procs, dir;

	assert_ok(compile_exec(&in, &e.plan, &err));
	procs = find(&e, PLAN_OPEN, 0);
	dir = find(&e, PLAN_OPEN, procs + 1);
	clone = &e.plan.steps[find(&e, PLAN_CLONE, 0)];
	assert_string_equal(text(&e, procs, 0), "/cg/x/cgroup.procs");
	assert_int_equal(clone->num[1], e.plan.steps[procs].fd[0]);
	assert_string_equal(text(&e, dir, 0), "/cg/x");
	assert_int_equal(e.plan.steps[dir].flags, PLAN_F_ALONE);
	assert_int_equal(clone->fd[0], e.plan.steps[dir].fd[0]);
	plan_done(&e.plan);
	done(&m);
}

TEST(what_is_open_of_its_cgroup_an_exec_does_not_open)
{
	struct made m = make("", 0, "", "", "", "");
	struct spec_process process = { .args = (const char *[]){ "ps" }, .n_args = 1, .cwd = "/" };
	static const char *const dirs[] = { "/cg/memory/x", "/cg/pids/x" };
	struct cgroup_entry entry = { .tasks = { 21, 22 }, .n_tasks = 2, .procs = 23, .dir = 24 };
	struct compile_exec in = {
		.spec = m.spec,
		.process = &process,
		.init_pidfd = 7,
		.cgroup = { .clone_dir = "/cg/x",
			.tasks_dirs = dirs,
			.n_tasks_dirs = 2,
			.entry = &entry },
	};
	struct made e = { 0 };
	struct err err = { 0 };
	const struct plan_step *clone;

	assert_ok(compile_exec(&in, &e.plan, &err));
	assert_true(find(&e, PLAN_OPEN, 0) < 0);
	clone = &e.plan.steps[find(&e, PLAN_CLONE, 0)];
	assert_int_equal(e.plan.slots[clone->fd[0]], 24);
	assert_int_equal(e.plan.slots[clone->num[1]], 23);
	assert_int_equal(clone[1].op, PLAN_WRITE_SLOT);
	assert_int_equal(e.plan.slots[clone[1].fd[0]], 21);
	assert_int_equal(e.plan.slots[clone[2].fd[0]], 22);
	plan_done(&e.plan);
	/* The directory alone: the others are the executor's to open. */
	entry.n_tasks = 0;
	assert_ok(compile_exec(&in, &e.plan, &err));
	assert_string_equal(text(&e, find(&e, PLAN_OPEN, 0), 0), "/cg/memory/x/tasks");
	assert_int_equal(
		find(&e, PLAN_OPEN, find(&e, PLAN_OPEN, 0) + 1) < find(&e, PLAN_CLONE, 0), 1);
	plan_done(&e.plan);
	done(&m);
}

TEST(in_a_joined_mount_namespace_procfs_is_the_hosts)
{
	struct made m = make("", 0, "", ",{\"type\":\"network\"}",
		",\"sysctl\":{\"net.ipv4.conf.eth0/1.forwarding\":\"1\"}", "");
	int open, sysctl;

	assert_ok(m.r);
	sysctl = find(&m, PLAN_SYSCTL, 0);
	assert_int_equal(m.plan.steps[sysctl].fd[0], PLAN_SLOT_NONE);
	assert_string_equal(text(&m, sysctl, 0), "net/ipv4/conf/eth0.1/forwarding");
	for (size_t i = 0; i < m.spec->linux_->n_namespaces; i++)
		if (m.spec->linux_->namespaces[i].type == SPEC_NS_MOUNT)
			m.spec->linux_->namespaces[i].path = "/n/mnt";
	plan_done(&m.plan);
	assert_ok(compile_init(
		&(struct compile_init){ .spec = m.spec, .id = "x", .rootfs = "/r", .bundle = "/b" },
		&m.plan, &m.err));
	open = find(&m, PLAN_OPEN, 0);
	sysctl = find(&m, PLAN_SYSCTL, 0);
	assert_string_equal(text(&m, open, 0), "/proc");
	assert_true(open < find(&m, PLAN_SETNS, 0));
	assert_int_equal(m.plan.steps[sysctl].fd[0], m.plan.steps[open].fd[0]);
	done(&m);
}

TEST(a_bind_without_source_is_named)
{
	struct made m = make(
		"", 0, "", "", "", ",\"mounts\":[{\"destination\":\"/d\",\"options\":[\"bind\"]}]");

	assert_int_equal(m.r, -EINVAL);
	assert_text_has(m.err.text, "/d");
	done(&m);
}

TEST(network_devices_come_after_their_barrier_with_their_addresses)
{
	static const uint64_t request[4] = { 1 };
	struct net_address address = { (void *)request, sizeof(request) };
	struct net_device devices[] = { { "eth0", "net0", &address, 1 },
		{ "eth1", "eth1", NULL, 0 } };
	struct made m = make("", 0, "", ",{\"type\":\"network\"}", "", "");
	struct compile_init in = {
		.spec = m.spec,
		.id = "x",
		.rootfs = "/r",
		.bundle = "/b",
		.net_devices = devices,
		.n_net_devices = 2,
	};
	int lo = find(&m, PLAN_LINK_UP, 0);
	int barrier, given, up;

	assert_string_equal(text(&m, lo, 0), "lo");
	assert_true(find(&m, PLAN_BARRIER, 0) < 0);
	plan_done(&m.plan);
	assert_ok(compile_init(&in, &m.plan, &m.err));
	barrier = find(&m, PLAN_BARRIER, 0);
	given = find(&m, PLAN_ADDRESS, 0);
	up = find(&m, PLAN_LINK_UP, given);
	assert_int_equal(m.plan.steps[barrier].num[0], PLAN_GO_NET_DEVICES);
	assert_true(find(&m, PLAN_CLONE, 0) < barrier && barrier < given && given < up);
	assert_string_equal(text(&m, find(&m, PLAN_LINK_FREE, 0), 0), "net0");
	assert_true(find(&m, PLAN_LINK_FREE, 0) < barrier);
	assert_string_equal(text(&m, given, 0), "net0");
	assert_string_equal(text(&m, up, 0), "net0");
	assert_string_equal(text(&m, find(&m, PLAN_LINK_UP, up + 1), 0), "eth1");
	assert_true(find(&m, PLAN_LINK_UP, up) < find(&m, PLAN_ROOTFS, 0));
	done(&m);
}

TEST(labels_are_written_before_the_root_is_left_and_the_keyring_has_its_own)
{
	struct made m = make("", 0, ",\"selinuxLabel\":\"u:r:t\",\"apparmorProfile\":\"profile\"",
		"", ",\"mountLabel\":\"u:r:f\"",
		",\"mounts\":[{\"destination\":\"/t\",\"type\":\"tmpfs\"},"
		"{\"destination\":\"/q\",\"type\":\"mqueue\"}]");
	int first = find(&m, PLAN_LABEL, 0);
	int second = find(&m, PLAN_LABEL, first + 1);
	int third = find(&m, PLAN_LABEL, second + 1);
	int fourth = find(&m, PLAN_LABEL, third + 1);
	int fs = find(&m, PLAN_MOUNT_FS, 0);

	assert_string_equal(text(&m, first, 0), "keycreate");
	assert_int_equal(m.plan.steps[first + 1].op, PLAN_KEYRING);
	assert_int_equal(second, first + 2);
	assert_int_equal(m.plan.steps[second].blob_len, 0);
	assert_string_equal(text(&m, third, 0), "exec");
	assert_string_equal(text(&m, fourth, 0), "apparmor/exec");
	assert_true(fourth < find(&m, PLAN_PIVOT, 0));
	assert_memory_equal(m.plan.data.data + m.plan.steps[fourth].blob - 1, "exec profile", 12);
	assert_memory_equal(m.plan.data.data + m.plan.steps[fs].blob - 1, "context=u:r:f", 14);
	assert_int_equal(m.plan.steps[fs].str[3], 0);
	fs = find(&m, PLAN_MOUNT_FS, fs + 1);
	assert_int_equal(m.plan.steps[fs].blob_len, 0);
	assert_string_equal(text(&m, fs, 3), "u:r:f");
	done(&m);
}

TEST(a_cgroup_below_is_entered_once_the_namespace_has_its_root_above)
{
	struct made m = make("", 0, "", ",{\"type\":\"cgroup\"}", "", "");
	struct compile_init in = {
		.spec = m.spec,
		.id = "x",
		.rootfs = "/r",
		.bundle = "/b",
		.cgroup = { .clone_dir = "/cg/x", .payload_dir = "/cg/x/pay" },
		.state_creating_head = "{",
		.state_creating_tail = "}",
		.state_created_head = "{",
		.state_created_tail = "}",
	};
	int opened, clone, unshare, written;

	plan_done(&m.plan);
	assert_int_equal(compile_init(&in, &m.plan, &m.err), 0);
	for (opened = 0; strcmp(text(&m, opened, 0), "/cg/x/pay/cgroup.procs") != 0; opened++)
		assert_true((size_t)opened + 1 < m.plan.n_steps);
	clone = find(&m, PLAN_CLONE, 0);
	unshare = find(&m, PLAN_UNSHARE, clone);
	written = find(&m, PLAN_WRITE_SLOT, clone);
	assert_true(opened < clone && clone < unshare && unshare < written);
	assert_int_equal(m.plan.steps[written].fd[0], m.plan.steps[opened].fd[0]);
	done(&m);
}

TEST(an_annotation_names_the_option_that_a_label_is_given_by)
{
	struct made m = make("", 0, "", "", ",\"mountLabel\":\"u:r:f\"",
		",\"mounts\":[{\"destination\":\"/t\",\"type\":\"tmpfs\"}],"
		"\"annotations\":{\"run.oci.mount_context_type\":\"rootcontext\"}");
	int fs = find(&m, PLAN_MOUNT_FS, 0);

	assert_memory_equal(m.plan.data.data + m.plan.steps[fs].blob - 1, "rootcontext=u:r:f", 18);
	done(&m);
}

TEST(the_callers_groups_are_kept_on_request)
{
	struct made m = make("", 0, "", "", "", "");

	assert_int_equal(m.plan.steps[find(&m, PLAN_USER, 0)].num[2], 0);
	done(&m);
	m = make("", 0, "", "", "", ",\"annotations\":{\"run.oci.keep_original_groups\":\"1\"}");
	assert_int_equal(m.plan.steps[find(&m, PLAN_USER, 0)].num[2], 1);
	done(&m);
}

TEST(who_is_not_root_opens_sources_inside_of_the_user_namespace)
{
	struct made m = make("", 0, "", ",{\"type\":\"user\"}",
		",\"uidMappings\":[{\"containerID\":0,\"hostID\":1000,\"size\":1}],\"gidMappings\":"
		"[{\"containerID\":0,\"hostID\":1000,\"size\":1}]",
		",\"mounts\":[{\"destination\":\"/d\",\"type\":\"bind\",\"source\":\"/s\"}]");
	struct compile_init in = {
		.spec = m.spec, .id = "x", .rootfs = "/r", .bundle = "/b", .rootless = true
	};
	int clone, ids, tree;

	assert_true(find(&m, PLAN_TREE, 0) < find(&m, PLAN_CLONE, 0));
	assert_true(find(&m, PLAN_DUMPABLE, 0) < 0);
	plan_done(&m.plan);
	assert_ok(compile_init(&in, &m.plan, &m.err));
	clone = find(&m, PLAN_CLONE, 0);
	ids = find(&m, PLAN_ROOT_IDS, 0);
	tree = find(&m, PLAN_TREE, 0);
	assert_true(find(&m, PLAN_DUMPABLE, 0) >= 0 && find(&m, PLAN_DUMPABLE, 0) < clone);
	assert_true(clone < ids && ids < tree && tree < find(&m, PLAN_ROOTFS, 0));
	assert_true(find(&m, PLAN_TREE, tree + 1) < find(&m, PLAN_MOUNT_TREE, 0));
	done(&m);
}

static const struct plan_step *step(const struct made *m, enum plan_op op)
{
	return &m->plan.steps[find(m, op, 0)];
}

#define ALL_CAPS 0x1ffffffffffull
#define ROOT \
	(struct self_status) \
	{ \
		.known = true, .no_groups = true, .permitted = ALL_CAPS, .bounding = ALL_CAPS \
	}

TEST(what_we_are_already_is_not_asked_for)
{
	struct made m = make_as(&ROOT, 0, "", "");

	assert_int_equal(step(&m, PLAN_USER)->flags, PLAN_F_SAME_GROUPS | PLAN_F_SAME_IDS);
	assert_int_equal(step(&m, PLAN_USER)->num[3], ~ALL_CAPS);
	assert_int_equal(step(&m, PLAN_CAPS)->flags, PLAN_F_HELD);
	assert_int_equal(step(&m, PLAN_NULL_STDIO)->num[0], 6);
	assert_true(find(&m, PLAN_NULL_STDIO, 0) < find(&m, PLAN_PIVOT, 0));
	done(&m);
}

TEST(what_differs_is_asked_for)
{
	struct self_status other = ROOT;
	struct made m = make_as(&ROOT, 7, "", "");

	assert_int_equal(step(&m, PLAN_USER)->flags, PLAN_F_SAME_GROUPS);
	done(&m);
	other.no_groups = false;
	other.gid[3] = 5;
	m = make_as(&other, 0, "", "");
	assert_int_equal(step(&m, PLAN_USER)->flags, 0);
	done(&m);
	other = ROOT;
	other.permitted &= ~(1ull << 5);
	m = make_as(&other, 0, ",\"capabilities\":{\"permitted\":[\"CAP_KILL\"]}", "");
	assert_int_equal(step(&m, PLAN_CAPS)->flags, 0);
	done(&m);
	/* Of what is effective and not permitted the executor makes sense. */
	m = make_as(&ROOT, 0, ",\"capabilities\":{\"effective\":[\"CAP_KILL\"]}", "");
	assert_int_equal(step(&m, PLAN_CAPS)->flags, 0);
	done(&m);
}

TEST(in_a_user_namespace_we_are_another)
{
	static const char *const ns[] = { ",{\"type\":\"user\"}",
		",{\"type\":\"user\",\"path\":\"/n/user\"}" };

	for (int i = 0; i < 2; i++) {
		struct made m = make_as(&ROOT, 0, "", ns[i]);

		assert_int_equal(step(&m, PLAN_USER)->flags, 0);
		assert_int_equal(step(&m, PLAN_USER)->num[3], 0);
		assert_int_equal(step(&m, PLAN_CAPS)->flags, 0);
		done(&m);
	}
}

TEST(an_unknown_self_spares_nothing)
{
	struct self_status none = { 0 };
	struct made m = make_as(&none, 0, "", "");

	assert_int_equal(step(&m, PLAN_USER)->flags, 0);
	assert_int_equal(step(&m, PLAN_USER)->num[3], 0);
	assert_int_equal(step(&m, PLAN_CAPS)->flags, 0);
	done(&m);
}

static int32_t affinity_of(const struct self_status *self, unsigned int n_cpus)
{
	struct made m = make("", 0, "", "", "", "");
	struct compile_init in = {
		.spec = m.spec,
		.id = "x",
		.rootfs = "/r",
		.bundle = "/b",
		.state_creating_head = "{",
		.state_creating_tail = "}",
		.state_created_head = "{",
		.state_created_tail = "}",
		.cgroup = { .n_cpus = n_cpus },
		.self = self,
	};
	int32_t at;

	plan_done(&m.plan);
	assert_ok(compile_init(&in, &m.plan, &m.err));
	at = find(&m, PLAN_AFFINITY, 0);
	if (at >= 0) {
		assert_int_equal(m.plan.steps[at].blob_len, 1024);
		assert_true(at > find(&m, PLAN_CLONE, 0));
	}
	done(&m);
	return at;
}

TEST(cpus_that_the_caller_lacks_are_asked_for)
{
	struct self_status self = ROOT;

	assert_true(affinity_of(&self, 0) > 0);
	assert_true(affinity_of(NULL, 2) > 0);
	self.n_cpus = 2;
	assert_true(affinity_of(&self, 0) > 0);
	assert_true(affinity_of(&self, 3) > 0);
	assert_true(affinity_of(&self, 2) < 0);
	self.all_cpus = true;
	assert_true(affinity_of(&self, 0) < 0);
}

TEST(an_exec_has_the_cpus_that_it_asks_for_else_all)
{
	struct made m = make("", 0, "", "", "", "");
	struct spec_exec_cpu_affinity wanted = { .initial = "0" };
	struct spec_process process = { .args = (const char *[]){ "ps" }, .n_args = 1, .cwd = "/" };
	struct compile_exec in = { .spec = m.spec, .process = &process, .init_pidfd = 7 };
	struct made e = { 0 };
	struct err err = { 0 };

	assert_ok(compile_exec(&in, &e.plan, &err));
	assert_true(find(&e, PLAN_AFFINITY, 0) > find(&e, PLAN_CLONE, 0));
	plan_done(&e.plan);
	process.exec_cpu_affinity = &wanted;
	assert_ok(compile_exec(&in, &e.plan, &err));
	assert_int_equal(e.plan.steps[find(&e, PLAN_AFFINITY, 0)].blob_len, 8);
	assert_true(find(&e, PLAN_AFFINITY, 0) < find(&e, PLAN_CLONE, 0));
	assert_true(find(&e, PLAN_AFFINITY, find(&e, PLAN_AFFINITY, 0) + 1) < 0);
	plan_done(&e.plan);
	done(&m);
}

TEST(in_a_user_namespace_scheduling_is_passed_over_by_the_clone)
{
	static const char *const scheduling[] = {
		",\"scheduler\":{\"policy\":\"SCHED_IDLE\"},\"ioPriority\":{\"class\":\"IOPRIO_"
		"CLASS_BE\",\"priority\":1}",
		",\"scheduler\":{\"policy\":\"SCHED_DEADLINE\",\"runtime\":1,\"deadline\":2,"
		"\"period\":3}",
		",\"scheduler\":{\"policy\":\"SCHED_IDLE\",\"flags\":[\"SCHED_FLAG_RESET_ON_FORK\"]"
		"}",
	};
	struct made m = make_as(&ROOT, 0, scheduling[0], "");

	assert_true(find(&m, PLAN_SCHEDULER, 0) > find(&m, PLAN_CLONE, 0));
	assert_true(find(&m, PLAN_IOPRIO, 0) > find(&m, PLAN_CLONE, 0));
	done(&m);
	for (int i = 0; i < 3; i++) {
		int clone;

		m = make_as(&ROOT, 0, scheduling[i], ",{\"type\":\"user\"}");
		clone = find(&m, PLAN_CLONE, 0);
		assert_int_equal(find(&m, PLAN_SCHEDULER, 0) < clone, i == 0);
		assert_true(find(&m, PLAN_SCHEDULER, 0) >= 0);
		assert_true(find(&m, PLAN_SCHEDULER, find(&m, PLAN_SCHEDULER, 0) + 1) < 0);
		assert_true(find(&m, PLAN_IOPRIO, clone) < 0);
		done(&m);
	}
}

/* ---- mounts of a container that runs ---- */

static struct made change(const char *namespaces, const char *list, bool remove)
{
	struct made m = make("", 0, "", namespaces, "", "");
	auto_freep(spec) struct spec *mounts = NULL;
	struct compile_change in = {
		.spec = m.spec, .remove = remove, .bundle = "/b", .init_pidfd = 9
	};

	assert_ok(m.r);
	plan_done(&m.plan);
	assert_ok(spec_parse_mounts(list, strlen(list), &mounts, &m.err));
	in.mounts = mounts->mounts;
	in.n_mounts = mounts->n_mounts;
	m.plan = (struct plan){ 0 };
	m.r = compile_change(&in, &m.plan, &m.err);
	return m;
}

TEST(mounts_are_added_from_the_host_side_and_by_nobody_whom_the_container_sees)
{
	struct made m = change(",{\"type\":\"user\"},{\"type\":\"cgroup\"},{\"type\":\"network\"}",
		"[{\"destination\":\"/"
		"a\",\"type\":\"bind\",\"source\":\"src\",\"options\":[\"bind\"]},"
		"{\"destination\":\"/t\",\"type\":\"tmpfs\",\"options\":[\"ro\"]}]",
		false);
	int tree = find(&m, PLAN_TREE, 0), join = find(&m, PLAN_SETNS_SLOT, 0);
	int root = find(&m, PLAN_ROOTFS, 0), attach = find(&m, PLAN_MOUNT_TREE, 0);

	assert_ok(m.r);
	assert_string_equal(text(&m, tree, 0), "/b/src");
	assert_true(tree < join && join < find(&m, PLAN_CLONE, 0) && root < attach);
	assert_int_equal(m.plan.steps[join].num[0], CLONE_NEWNS | CLONE_NEWUSER | CLONE_NEWNET);
	assert_true(find(&m, PLAN_ROOT_IDS, 0) < root);
	assert_int_equal(m.plan.steps[root].flags, PLAN_F_CHROOT | PLAN_F_LIVE);
	assert_true(find(&m, PLAN_MOUNT_FS, 0) < find(&m, PLAN_REMOUNT, 0));
	assert_int_equal(m.plan.steps[m.plan.n_steps - 1].op, PLAN_READY);
	done(&m);
	/* procfs shows the namespace of its maker */
	m = change("", "{\"mounts\":[{\"destination\":\"/p\",\"type\":\"proc\"}]}", false);
	assert_int_equal(
		m.plan.steps[find(&m, PLAN_SETNS_SLOT, 0)].num[0], CLONE_NEWNS | CLONE_NEWPID);
	done(&m);
}

TEST(mounts_are_removed_by_clean_paths)
{
	struct made m =
		change("", "[{\"destination\":\"/a/./b//../c/\"},{\"destination\":\"d\"}]", true);
	int first = find(&m, PLAN_UMOUNT, 0);

	assert_ok(m.r);
	assert_string_equal(text(&m, first, 0), "/a/c");
	assert_string_equal(text(&m, find(&m, PLAN_UMOUNT, first + 1), 0), "/d");
	done(&m);
	m = change("", "[{\"destination\":\"/x/..\"}]", true);
	assert_int_equal(m.r, -EINVAL);
	assert_text_has(m.err.text, "mounts[0].destination: '/x/..' is the root");
	done(&m);
}

TEST(a_list_of_mounts_is_a_list_of_mounts)
{
	static const struct {
		const char *json, *text;
	} bad[] = {
		{ "{}", "mounts: missing" },
		{ "3", "mounts: expected an array" },
		{ "[{\"type\":\"tmpfs\"}]", "mounts[0].destination: missing" },
		{ "{\"mounts\":{}}", "mounts: " },
	};
	struct spec *s = NULL;
	struct err err;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		err = (struct err){ 0 };
		assert_int_equal(
			spec_parse_mounts(bad[i].json, strlen(bad[i].json), &s, &err), -EINVAL);
		assert_text_has(err.text, bad[i].text);
	}
}
