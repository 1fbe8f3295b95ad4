/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/mem.h"
#include "container/compile.h"
#include "oci/idmap_words.h"

struct made {
	struct spec *spec;
	struct plan plan;
	struct err err;
	int r;
};

#define MAPS(host) \
	"\"uidMappings\":[{\"containerID\":0,\"hostID\":" host ",\"size\":1000}]," \
	"\"gidMappings\":[{\"containerID\":0,\"hostID\":" host ",\"size\":1000}]"
#define BIND(more) "{\"destination\":\"/d\",\"type\":\"bind\",\"source\":\"/s\"" more "}"
#define NEW_USER ",{\"type\":\"user\"}"
#define JOINED_USER ",{\"type\":\"user\",\"path\":\"/n/user\"}"

/* A container with these mounts, namespaces besides the mount one, and members of `linux`. */
static struct made make(const char *mounts, const char *namespaces, const char *linux_)
{
	struct made m = { 0 };
	struct compile_init in = { .id = "c", .rootfs = "/b/rootfs", .bundle = "/b" };
	char json[4096];
	int n = snprintf(json, sizeof(json),
		"{\"ociVersion\":\"1.2.0\",\"root\":{\"path\":\"rootfs\"},\"process\":{\"args\":["
		"\"x\"],\"cwd\":\"/\"},\"mounts\":[%s],\"linux\":{\"namespaces\":[{\"type\":"
		"\"mount\"}%s]%s}}",
		mounts, namespaces, linux_);

	assert_true(n > 0 && (size_t)n < sizeof(json));
	if (spec_parse(json, (size_t)n, &m.spec, &m.err) < 0)
		fail_msg("%s", m.err.text);
	in.spec = m.spec;
	in.state_creating_head = in.state_creating_tail = "";
	in.state_created_head = in.state_created_tail = "";
	m.r = compile_init(&in, &m.plan, &m.err);
	return m;
}

static void done(struct made *m)
{
	plan_done(&m->plan);
	spec_free(m->spec);
}

static const struct plan_step *find(const struct made *m, enum plan_op op, int from)
{
	for (size_t i = (size_t)from; i < m->plan.n_steps; i++)
		if (m->plan.steps[i].op == op)
			return &m->plan.steps[i];
	return NULL;
}

static int at(const struct made *m, const struct plan_step *s)
{
	return (int)(s - m->plan.steps);
}

static const char *text(const struct made *m, const struct plan_step *s, int k)
{
	return s->str[k] ? m->plan.data.data + s->str[k] - 1 : "";
}

TEST(a_mounts_own_mappings_become_a_namespace_on_the_host_side)
{
	struct made m = make(BIND("," MAPS("7000")), "", "");
	const struct plan_step *ns = find(&m, PLAN_USERNS, 0);
	const struct plan_step *map = find(&m, PLAN_IDMAP, 0);

	assert_int_equal(m.r, 0);
	assert_string_equal(text(&m, ns, 0), "0 7000 1000\n");
	assert_string_equal(text(&m, ns, 1), "0 7000 1000\n");
	assert_int_equal(map->num[0], ns->fd[0]);
	assert_int_equal(map->flags & PLAN_F_RECURSIVE, 0);
	/* the tree is opened, mapped, and all that before anything of the container is there */
	assert_int_equal(map->fd[0], find(&m, PLAN_TREE, 1)->fd[0]);
	assert_true(at(&m, map) < at(&m, find(&m, PLAN_CLONE, 0)));
	done(&m);
}

TEST(the_namespace_for_a_source_below_the_root_is_made_on_the_host_side_too)
{
	struct made m = make("{\"destination\":\"/d\",\"type\":\"bind\",\"source\":\"rootfs/"
			     "s\"," MAPS("7000") "}",
		"", "");
	int clone = at(&m, find(&m, PLAN_CLONE, 0));
	const struct plan_step *ns = find(&m, PLAN_USERNS, 0);
	const struct plan_step *tree = find(&m, PLAN_TREE, clone);
	const struct plan_step *map = find(&m, PLAN_IDMAP, 0);

	assert_true(at(&m, ns) < clone && clone < at(&m, tree) && at(&m, tree) < at(&m, map));
	assert_int_equal(map->num[0], ns->fd[0]);
	assert_int_equal(map->fd[0], tree->fd[0]);
	done(&m);
	/* in a user namespace nobody may map what is not his */
	m = make("{\"destination\":\"/d\",\"type\":\"bind\",\"source\":\"rootfs/s\"," MAPS(
			 "7000") "}",
		NEW_USER, "," MAPS("9000"));
	assert_null(find(&m, PLAN_TREE, at(&m, find(&m, PLAN_CLONE, 0))));
	done(&m);
}

TEST(without_mappings_the_containers_own_are_taken)
{
	struct made m =
		make(BIND(",\"options\":[\"rbind\",\"ridmap\"]"), NEW_USER, "," MAPS("9000"));

	assert_int_equal(m.r, 0);
	assert_string_equal(text(&m, find(&m, PLAN_USERNS, 0), 0), "0 9000 1000\n");
	assert_true(find(&m, PLAN_IDMAP, 0)->flags & PLAN_F_RECURSIVE);
	done(&m);
}

TEST(a_namespace_that_is_joined_maps_by_itself)
{
	struct made m = make(BIND(",\"options\":[\"idmap\"]"), JOINED_USER, "");
	const struct plan_step *open = find(&m, PLAN_OPEN, 0);

	assert_int_equal(m.r, 0);
	assert_null(find(&m, PLAN_USERNS, 0));
	assert_string_equal(text(&m, open, 0), "/n/user");
	assert_int_equal(find(&m, PLAN_IDMAP, 0)->num[0], open->fd[0]);
	assert_true(at(&m, open) < at(&m, find(&m, PLAN_SETNS, 0)));
	done(&m);
}

TEST(equal_maps_share_a_namespace)
{
	struct made m =
		make(BIND("," MAPS("7000")) "," BIND("," MAPS("7000")) "," BIND("," MAPS("8000")),
			"", "");
	const struct plan_step *first = find(&m, PLAN_USERNS, 0);
	const struct plan_step *second = find(&m, PLAN_USERNS, at(&m, first) + 1);

	assert_int_equal(m.r, 0);
	assert_string_equal(text(&m, second, 0), "0 8000 1000\n");
	assert_null(find(&m, PLAN_USERNS, at(&m, second) + 1));
	done(&m);
}

TEST(nothing_to_map_by_is_an_error_that_names_the_mount)
{
	struct made m = make(BIND(",\"options\":[\"idmap\"]"), "", "");

	assert_int_equal(m.r, -EINVAL);
	assert_text_has(
		m.err.text, "mount '/d': id-mapped mounts must have both uid and gid mappings");
	done(&m);
}

TEST(ranges_in_the_option_count_from_the_container_when_they_say_so)
{
	struct made m =
		make(BIND(",\"options\":[\"bind\",\"idmap=uids=0-5-2#10-900-1;gids=@1-10-20\"]"),
			NEW_USER, "," MAPS("9000"));

	assert_int_equal(m.r, 0);
	assert_string_equal(text(&m, find(&m, PLAN_USERNS, 0), 0), "0 5 2\n10 900 1\n");
	assert_string_equal(text(&m, find(&m, PLAN_USERNS, 0), 1), "1 9010 20\n");
	done(&m);
	m = make(BIND(",\"options\":[\"bind\",\"idmap=uids=0-0-1;gids=@0-999-2\"]"), NEW_USER,
		"," MAPS("9000"));
	assert_int_equal(m.r, -EINVAL);
	assert_text_has(m.err.text, "ids 999 to 1000 are not in one of its mappings");
	done(&m);
}

TEST(links_are_opened_and_covered_as_such_on_request)
{
	struct made m =
		make(BIND(",\"options\":[\"bind\",\"src-nofollow\",\"dest-nofollow\"]") "," BIND(
			     ",\"options\":[\"bind\",\"copy-symlink\"]"),
			"", "");
	const struct plan_step *root = find(&m, PLAN_TREE, 0);
	const struct plan_step *tree = find(&m, PLAN_TREE, at(&m, root) + 1);
	const struct plan_step *copy = find(&m, PLAN_TREE, at(&m, tree) + 1);

	assert_int_equal(root->flags & PLAN_F_NOFOLLOW, 0);
	assert_true(tree->flags & PLAN_F_NOFOLLOW);
	assert_true(find(&m, PLAN_MOUNT_TREE, 0)->flags & PLAN_F_NOFOLLOW);
	assert_true(copy->flags & PLAN_F_COPY_LINK);
	done(&m);
}

TEST(ranges_are_read_strictly)
{
	static const char *const bad[] = { "", "uids=0-1-2", "gids=0-1-2", "uids=;gids=0-0-1",
		"uids=0-1;gids=0-0-1", "uids=0-1-2-3;gids=0-0-1", "uids=0-1-0;gids=0-0-1",
		"uids=0-1-2-;gids=0-0-1", "uids=-1-2;gids=0-0-1", "uids=0-1-2#;gids=0-0-1",
		"uids=0-1-4294967296;gids=0-0-1", "uids=0-1-2;uids=0-0-1;gids=0-0-1",
		"uids=0-1-2;gids=0-0-1;x=1", "uids=0-1-2;gids=@", "uids=0- 1-2;gids=0-0-1" };
	struct idmap_words w;
	struct err err = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct arena a = { 0 };

		if (idmap_words_parse(bad[i], &a, &w, &err) != -EINVAL)
			fail_msg("taken: %s", bad[i]);
		arena_done(&a);
	}
}

TEST(ranges_are_read)
{
	struct arena a = { 0 };
	struct idmap_words w;
	struct err err = { 0 };

	assert_ok(idmap_words_parse("gids=@7-8-9;uids=0-1-2#3-4-4294967295;", &a, &w, &err));
	assert_int_equal(w.n_uids, 2);
	assert_int_equal(w.uids[1].map.size, 4294967295u);
	assert_false(w.uids[0].of_container);
	assert_int_equal(w.n_gids, 1);
	assert_true(w.gids[0].of_container);
	assert_int_equal(w.gids[0].map.container_id, 7);
	assert_int_equal(w.gids[0].map.host_id, 8);
	arena_done(&a);
}
