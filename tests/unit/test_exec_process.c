/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/fd.h"
#include "base/mem.h"
#include "cli/exec_process.h"

#define WITH_INHERITABLE ",\"inheritable\":[\"CAP_KILL\"],\"ambient\":[]"

static struct spec_process_doc *own_process(const char *more_caps)
{
	struct spec_process_doc *doc = NULL;
	struct err err = { 0 };
	char json[1024];

	snprintf(json, sizeof(json),
		"{\"terminal\":true,\"args\":[\"init\"],\"cwd\":\"/"
		"w\",\"user\":{\"uid\":5,\"gid\":6,\"additionalGids\":[7]},"
		"\"env\":[\"A=1\",\"B=2\"],\"oomScoreAdj\":-500,\"consoleSize\":{\"height\":1,"
		"\"width\":2},"
		"\"capabilities\":{\"bounding\":[\"CAP_KILL\"],\"effective\":[\"CAP_KILL\"],"
		"\"permitted\":[\"CAP_KILL\"]%s}}",
		more_caps);
	if (spec_parse_process(json, strlen(json), &doc, &err) < 0)
		fail_msg("%s", err.text);
	return doc;
}

static struct err err;

static struct spec_process_doc *build(
	const struct spec_process_doc *own, const struct exec_options *o)
{
	static const char *const argv[] = { "prog", "-x" };
	struct spec_process_doc *doc = NULL;

	assert_ok(exec_process_build(&own->process, o, argv, 2, &doc, &err));
	return doc;
}

static bool has(const char *const *list, size_t n, const char *word)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(list[i], word) == 0)
			return true;
	return false;
}

TEST(without_flags_it_is_the_containers_with_other_arguments)
{
	struct spec_process_doc *own = own_process(""),
				*doc = build(own, &(struct exec_options){ 0 });

	assert_int_equal(doc->process.n_args, 2);
	assert_string_equal(doc->process.args[1], "-x");
	assert_string_equal(doc->process.cwd, "/w");
	assert_int_equal(doc->process.user.uid, 5);
	assert_int_equal(doc->process.n_env, 2);
	assert_ptr_equal(doc->process.capabilities, own->process.capabilities);
	/* Not of the container: terminal, its size, the score. */
	assert_false(doc->process.terminal);
	assert_null(doc->process.console_size);
	assert_false(doc->process.has_oom_score_adj);
	assert_true(own->process.terminal);
	spec_process_doc_free(doc);
	spec_process_doc_free(own);
}

TEST(flags_change_and_add)
{
	const char *env[] = { "A=3", "C=4" }, *gids[] = { "8", "9" };
	struct exec_options o = {
		.tty = true,
		.cwd = "/x",
		.user = "1000:50",
		.no_new_privs = true,
		.process_label = "l",
		.apparmor = "p",
		.env = { env, 2, 2 },
		.additional_gids = { gids, 2, 2 },
	};
	struct spec_process_doc *own = own_process(""), *doc = build(own, &o);

	assert_true(doc->process.terminal && doc->process.no_new_privileges &&
		    doc->process.has_no_new_privileges);
	assert_string_equal(doc->process.cwd, "/x");
	assert_int_equal(doc->process.user.uid, 1000);
	assert_int_equal(doc->process.user.gid, 50);
	assert_int_equal(doc->process.n_env, 4);
	assert_string_equal(doc->process.env[0], "A=1");
	assert_string_equal(doc->process.env[2], "A=3");
	assert_int_equal(doc->process.user.n_additional_gids, 3);
	assert_int_equal(doc->process.user.additional_gids[2], 9);
	assert_string_equal(doc->process.selinux_label, "l");
	assert_string_equal(doc->process.apparmor_profile, "p");
	assert_int_equal(own->process.n_env, 2);
	spec_process_doc_free(doc);
	spec_process_doc_free(own);
}

TEST(a_user_without_group_keeps_the_containers_group)
{
	struct spec_process_doc *own = own_process(""),
				*doc = build(own, &(struct exec_options){ .user = "9" });

	assert_int_equal(doc->process.user.uid, 9);
	assert_int_equal(doc->process.user.gid, 6);
	spec_process_doc_free(doc);
	spec_process_doc_free(own);
}

/* CVE-2022-29162 and its like: what a flag gives must not be inheritable. */
TEST(added_capabilities_are_never_inheritable)
{
	const char *caps[] = { "CAP_NET_ADMIN" };
	struct exec_options o = { .caps = { caps, 1, 1 } };

	for (int with = 0; with < 2; with++) {
		struct spec_process_doc *own = own_process(with ? WITH_INHERITABLE : ""),
					*doc = build(own, &o);
		const struct spec_capabilities *c = doc->process.capabilities;

		assert_true(has(c->bounding, c->n_bounding, "CAP_NET_ADMIN") &&
			    has(c->bounding, c->n_bounding, "CAP_KILL"));
		assert_true(has(c->effective, c->n_effective, "CAP_NET_ADMIN"));
		assert_true(has(c->permitted, c->n_permitted, "CAP_NET_ADMIN"));
		assert_false(has(c->inheritable, c->n_inheritable, "CAP_NET_ADMIN"));
		assert_int_equal(has(c->ambient, c->n_ambient, "CAP_NET_ADMIN"), with);
		assert_false(has(own->process.capabilities->effective,
			own->process.capabilities->n_effective, "CAP_NET_ADMIN"));
		spec_process_doc_free(doc);
		spec_process_doc_free(own);
	}
}

TEST(bad_flags_are_refused_and_change_nothing)
{
	const char *bad_gids[] = { "x" }, *argv[] = { "a" };
	const struct exec_options bad[] = {
		{ .user = "root" },
		{ .user = "1:" },
		{ .user = "1:x" },
		{ .user = "-1" },
		{ .user = "4294967295" },
		{ .user = "" },
		{ .additional_gids = { bad_gids, 1, 1 } },
	};
	struct spec_process_doc *own = own_process(""), *doc = NULL;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(
			exec_process_build(&own->process, &bad[i], argv, 1, &doc, &err), -EINVAL);
		assert_null(doc);
	}
	assert_int_equal(own->process.user.uid, 5);
	spec_process_doc_free(own);
}

TEST(a_document_is_read)
{
	struct test_tmpdir t = test_tmpdir();
	struct spec_process_doc *doc = NULL;
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/p", t.path);
	assert_int_equal(exec_process_read(path, &doc, &err), -ENOENT);
	assert_text_has(err.text, path);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_ok(fd_write_full(fd, "{\"args\":[\"a\"],\"cwd\":\"/\"", 23));
	assert_int_equal(exec_process_read(path, &doc, &err), -EINVAL);
	assert_text_has(err.text, path);
	assert_ok(fd_write_full(fd, "}", 1));
	assert_ok(exec_process_read(path, &doc, &err));
	assert_string_equal(doc->process.args[0], "a");
	spec_process_doc_free(doc);
	close(fd);
	test_tmpdir_remove(&t);
}
