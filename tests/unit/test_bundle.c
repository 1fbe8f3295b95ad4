/* SPDX-License-Identifier: Apache-2.0 */
/* Bundles as any user makes them: names, publication, owners, what a crash leaves (MGR-1, 3, 6, 8, 24, 30). */
#include "manager/bundle.h"

#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "test.h"

struct place {
	struct test_tmpdir dir;
	char root[80], state[80];
	struct bundle_store store;
};

static struct place place_new(void)
{
	struct place p = { .dir = test_tmpdir_memory() };
	struct err err;

	snprintf(p.root, sizeof(p.root), "%s/root", p.dir.path);
	snprintf(p.state, sizeof(p.state), "%s/state", p.dir.path);
	assert_ok(bundle_store_open(p.root, p.state, &p.store, &err));
	return p;
}

static void place_end(struct place *p)
{
	bundle_store_close(&p->store);
	bundle_store_close(&p->store);
	test_tmpdir_remove(&p->dir);
}

static int make(struct place *p, const char *ns, const char *id, const char *spec)
{
	const struct bundle_request req = {
		.ns = ns,
		.id = id,
		.spec = spec,
		.spec_size = spec ? strlen(spec) : 0,
		.intent = { "io.containerd.x.v2", "/bin/x", INTENT_LAUNCH },
	};
	struct err err = { 0 };
	int r = bundle_make(&p->store, &req, &err);

	assert_true(r == 0 || err.text[0]);
	return r;
}

static bool exists(int dir, const char *path)
{
	return faccessat(dir, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

TEST(a_bundle_is_made_once_and_removed_twice)
{
	struct place p = place_new();
	struct err err;
	struct stat one, two;
	char link[256];
	ssize_t n;

	assert_ok(make(&p, "ns", "a", "{}"));
	assert_int_equal(fstatat(p.store.state_fd, "ns/a", &one, 0), 0);
	assert_int_equal(one.st_mode & 0777, 0700);
	n = readlinkat(p.store.state_fd, "ns/a/work", link, sizeof(link) - 1);
	assert_true(n > 0);
	link[n] = '\0';
	assert_true(*link == '/' && exists(AT_FDCWD, link));
	assert_int_equal(make(&p, "ns", "a", NULL), -EEXIST);
	assert_int_equal(fstatat(p.store.state_fd, "ns/a", &two, 0), 0);
	assert_int_equal(one.st_ino, two.st_ino);
	assert_ok(make(&p, "other", "a", NULL));
	assert_false(exists(p.store.state_fd, "other/a/config.json"));
	for (int i = 0; i < 2; i++) {
		assert_ok(bundle_remove(&p.store, "ns", "a", &err));
		assert_false(exists(p.store.state_fd, "ns/a"));
		assert_false(exists(p.store.root_fd, "ns/a"));
		assert_true(exists(p.store.state_fd, "other/a"));
	}
	assert_ok(bundle_remove(&p.store, "never", "a", &err));
	place_end(&p);
}

TEST(names_outside_of_the_grammar_make_nothing)
{
	static const char *const bad[] = { "", ".", "..", ".a", "a/b", "../a", "a b", "-a", "a-",
		"a..b", "\xc3\xa4", "a\n" };
	struct place p = place_new();
	char name[80];

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(make(&p, bad[i], "a", NULL), -EINVAL);
		assert_int_equal(make(&p, "new", bad[i], NULL), -EINVAL);
	}
	assert_int_equal(make(&p, NULL, "a", NULL), -EINVAL);
	assert_int_equal(make(&p, "new", NULL, NULL), -EINVAL);
	memset(name, 'a', sizeof(name));
	name[77] = '\0';
	assert_int_equal(make(&p, "new", name, NULL), -EINVAL);
	assert_false(exists(p.store.state_fd, "new") || exists(p.store.root_fd, "new"));
	name[76] = '\0';
	assert_ok(make(&p, name, name, NULL));
	place_end(&p);
}

TEST(a_spec_that_makes_no_sense_leaves_nothing)
{
	struct place p = place_new();

	assert_int_equal(make(&p, "new", "a", "{\"linux\":"), -EINVAL);
	assert_false(exists(p.store.state_fd, "new") || exists(p.store.root_fd, "new"));
	place_end(&p);
}

static gid_t gid_of(const char *spec)
{
	gid_t gid = 77;

	assert_ok(bundle_root_gid(spec, spec ? strlen(spec) : 0, &gid, NULL));
	return gid;
}

TEST(the_group_is_that_of_the_containers_root)
{
	assert_int_equal(gid_of(NULL), 0);
	assert_int_equal(gid_of("{}"), 0);
	assert_int_equal(gid_of("{\"linux\":null}"), 0);
	assert_int_equal(gid_of("{\"linux\":{\"gidMappings\":[]}}"), 0);
	assert_int_equal(
		gid_of("{\"linux\":{\"gidMappings\":[{\"containerID\":1,\"hostID\":5,\"size\":1},"
		       "{\"containerID\":0,\"hostID\":100000,\"size\":65536}]}}"),
		100000);
	assert_int_equal(gid_of("{\"linux\":{\"gidMappings\":[{\"containerID\":1,\"hostID\":5,"
				"\"size\":1}]}}"),
		0);
	assert_int_equal(gid_of("{\"linux\":{\"gidMappings\":[{\"containerID\":0,\"hostID\":0,"
				"\"size\":1}]}}"),
		0);
}

TEST(another_manager_is_kept_out)
{
	struct place p = place_new();
	struct bundle_store second = BUNDLE_STORE_NULL;
	struct err err;

	assert_int_equal(bundle_store_open(p.root, p.state, &second, &err), -EBUSY);
	assert_text_has(err.text, "another manager");
	assert_int_equal(bundle_store_open("relative", p.state, &second, &err), -EINVAL);
	bundle_store_close(&second);
	place_end(&p);
}

struct seen {
	char names[256];
};

static void on_bundle(void *arg, const char *ns, const char *id, const struct err *why)
{
	struct seen *s = arg;
	size_t n = strlen(s->names);

	assert_null(why);
	snprintf(s->names + n, sizeof(s->names) - n, "%s/%s ", ns, id);
}

static bool known(void *arg, const char *ns, const char *id)
{
	return str_eq(ns, "ns") && str_eq(id, "a");
}

static void on_failed(void *arg, const struct err *err)
{
	fail_msg("%s", err->text);
}

TEST(a_load_finds_bundles_and_removes_what_a_crash_left)
{
	struct place p = place_new();
	const struct bundle_sweep sweep = { NULL, known, on_failed };
	struct seen seen = { "" };
	struct err err;

	assert_ok(make(&p, "ns", "a", "{}"));
	assert_int_equal(mkdirat(p.store.state_fd, "ns/.b.new-1", 0700), 0);
	assert_int_equal(mkdirat(p.store.state_fd, "ns/.b.new-1/deep", 0700), 0);
	assert_int_equal(mkdirat(p.store.state_fd, "ns/no_id-", 0700), 0);
	assert_int_equal(mknodat(p.store.state_fd, "ns/file", S_IFREG | 0600, 0), 0);
	assert_int_equal(symlinkat("a", p.store.state_fd, "ns/link"), 0);
	assert_int_equal(mkdirat(p.store.root_fd, "ns/gone", 0700), 0);
	assert_int_equal(mkdirat(p.store.root_fd, "only-here", 0700), 0);
	assert_int_equal(mkdirat(p.store.root_fd, "only-here/x", 0700), 0);
	assert_ok(bundle_each(&p.store, on_bundle, &seen, &err));
	assert_string_equal(seen.names, "ns/a ");
	bundle_sweep(&p.store, &sweep);
	assert_true(exists(p.store.state_fd, "ns/a/config.json"));
	assert_true(exists(p.store.root_fd, "ns/a"));
	assert_false(exists(p.store.state_fd, "ns/.b.new-1"));
	assert_false(exists(p.store.root_fd, "ns/gone"));
	assert_false(exists(p.store.root_fd, "only-here/x"));
	place_end(&p);
}

TEST(a_stale_work_directory_is_replaced)
{
	struct place p = place_new();

	assert_int_equal(mkdirat(p.store.root_fd, "ns", 0700), 0);
	assert_int_equal(mkdirat(p.store.root_fd, "ns/a", 0700), 0);
	assert_int_equal(mkdirat(p.store.root_fd, "ns/a/old", 0700), 0);
	assert_ok(make(&p, "ns", "a", "{}"));
	assert_true(exists(p.store.root_fd, "ns/a"));
	assert_false(exists(p.store.root_fd, "ns/a/old"));
	place_end(&p);
}

TEST(places_to_mount_on_in_rootfs_keep_nothing)
{
	struct place p = place_new();
	struct err err;

	assert_ok(make(&p, "ns", "a", "{}"));
	assert_int_equal(mkdirat(p.store.state_fd, "ns/a/rootfs/etc", 0755), 0);
	assert_int_equal(mknodat(p.store.state_fd, "ns/a/rootfs/etc/hosts", S_IFREG | 0600, 0), 0);
	assert_ok(bundle_remove(&p.store, "ns", "a", &err));
	assert_false(exists(p.store.state_fd, "ns/a"));
	assert_ok(make(&p, "ns", "a", "{}"));
	place_end(&p);
}

TEST(what_is_in_rootfs_keeps_the_bundle)
{
	struct place p = place_new();
	struct err err;

	assert_ok(make(&p, "ns", "a", "{}"));
	assert_int_equal(symlinkat("elsewhere", p.store.state_fd, "ns/a/rootfs/file"), 0);
	assert_int_equal(bundle_remove(&p.store, "ns", "a", &err), -ENOTEMPTY);
	assert_true(exists(p.store.state_fd, "ns/a/config.json"));
	assert_true(exists(p.store.root_fd, "ns/a"));
	assert_int_equal(unlinkat(p.store.state_fd, "ns/a/rootfs/file", 0), 0);
	assert_ok(bundle_remove(&p.store, "ns", "a", &err));
	place_end(&p);
}
