/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames of containerd >= 2.3 are written here byte by byte from the table of fields in
 * spec/shim.md 1.6, without our own messages, so that a wrong number in proto/ is found.
 */
#include "test.h"

#include "base/mem.h"
#include "rpc/any.h"
#include "shim/bootstrap.h"

static void put_varint(struct buf *b, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		buf_addc(b, (char)(v | 0x80));
	buf_addc(b, (char)v);
}

static void put_int(struct buf *b, uint32_t field, uint64_t v)
{
	put_varint(b, field << 3);
	put_varint(b, v);
}

static void put_bytes(struct buf *b, uint32_t field, const void *data, size_t size)
{
	put_varint(b, field << 3 | 2);
	put_varint(b, size);
	buf_add(b, data, size);
}

static void put_str(struct buf *b, uint32_t field, const char *s)
{
	put_bytes(b, field, s, strlen(s));
}

static struct buf any(const char *url, const struct buf *value)
{
	struct buf b = { 0 };

	put_str(&b, 1, url);
	put_bytes(&b, 2, value->data, value->len);
	return b;
}

/* runc options with SystemdCgroup and ShimCgroup. */
static struct buf runc_options(void)
{
	struct buf value = { 0 }, b;

	put_str(&value, 3, "/shims");
	put_int(&value, 9, 1);
	b = any("containerd.runc.v1.Options", &value);
	buf_done(&value);
	return b;
}

static void put_extension(struct buf *b, const struct buf *value)
{
	struct buf extension = { 0 };

	put_bytes(&extension, 1, value->data, value->len);
	put_bytes(b, 8, extension.data, extension.len);
	buf_done(&extension);
}

/* What containerd 2.3 sends. */
static struct buf params(const char *id, const char *ns, int64_t level)
{
	struct buf b = { 0 }, options = runc_options(), nothing = { 0 },
		   other = any("x.Other", &nothing);

	put_str(&b, 1, id);
	put_str(&b, 2, ns);
	if (level)
		put_int(&b, 3, (uint64_t)level);
	put_str(&b, 4, "v2.3.4");
	put_str(&b, 5, "/run/containerd/containerd.sock.ttrpc");
	put_str(&b, 6, "/run/containerd/containerd.sock");
	put_str(&b, 7, "/usr/bin/containerd");
	put_extension(&b, &other);
	put_extension(&b, &options);
	put_str(&b, 9, "/run/containerd/s");
	buf_done(&options);
	buf_done(&other);
	return b;
}

TEST(params_are_known_by_id_and_namespace)
{
	auto_done(arena) struct arena arena = { 0 };
	struct buf b = params("c1", "k8s.io", 0);
	struct bootstrap out;

	assert_ok(bootstrap_decode(b.data, b.len, "c1", "k8s.io", &arena, &out, NULL));
	assert_true(out.params);
	assert_false(out.debug);
	assert_string_equal(out.ttrpc_address, "/run/containerd/containerd.sock.ttrpc");
	assert_string_equal(out.grpc_address, "/run/containerd/containerd.sock");
	assert_string_equal(out.socket_dir, "/run/containerd/s");
	assert_true(out.options.run.systemd_cgroup);
	assert_string_equal(out.options.shim_cgroup, "/shims");

	/* Of another container: not ours to obey, and no options of a known type either. */
	assert_ok(bootstrap_decode(b.data, b.len, "c2", "k8s.io", &arena, &out, NULL));
	assert_false(out.params);
	assert_ok(bootstrap_decode(b.data, b.len, "c1", "default", &arena, &out, NULL));
	assert_false(out.params);
	assert_null(out.options.shim_cgroup);
	buf_done(&b);
}

TEST(levels_below_info_are_debug)
{
	static const struct {
		int64_t level;
		bool debug;
	} rows[] = { { -8, true }, { -4, true }, { -3, false }, { 0, false }, { 4, false },
		{ 8, false }, { 12, false }, { 77, false }, { -100, true } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_done(arena) struct arena arena = { 0 };
		struct buf b = params("c1", "n", rows[i].level);
		struct bootstrap out;

		assert_ok(bootstrap_decode(b.data, b.len, "c1", "n", &arena, &out, NULL));
		assert_true(out.params);
		assert_int_equal(out.debug, rows[i].debug);
		buf_done(&b);
	}
}

TEST(the_least_params_and_those_of_a_version_to_come)
{
	auto_done(arena) struct arena arena = { 0 };
	struct buf b = { 0 };
	struct bootstrap out;

	put_str(&b, 1, "c1");
	put_str(&b, 2, "n");
	assert_ok(bootstrap_decode(b.data, b.len, "c1", "n", &arena, &out, NULL));
	assert_true(out.params);
	assert_null(out.socket_dir);
	assert_null(out.ttrpc_address);
	put_str(&b, 99, "news");
	put_int(&b, 100, 5);
	assert_ok(bootstrap_decode(b.data, b.len, "c1", "n", &arena, &out, NULL));
	assert_true(out.params);
	buf_done(&b);
}

TEST(options_of_older_versions_are_not_taken_for_params)
{
	auto_done(arena) struct arena arena = { 0 };
	struct buf b = runc_options(), plain = { 0 }, named;
	struct bootstrap out;

	assert_ok(bootstrap_decode(b.data, b.len, "c1", "default", &arena, &out, NULL));
	assert_false(out.params);
	assert_string_equal(out.options.shim_cgroup, "/shims");
	assert_true(out.options.run.systemd_cgroup);
	/* None at all: standard input is /dev/null. */
	assert_ok(bootstrap_decode("", 0, "c1", "default", &arena, &out, NULL));
	assert_false(out.params);
	assert_null(out.options.shim_cgroup);
	/* Of a type that we do not know. */
	buf_adds(&plain, "{\"a\":1}");
	named = any("some.runtime.Options", &plain);
	assert_ok(bootstrap_decode(named.data, named.len, "c1", "default", &arena, &out, NULL));
	assert_false(out.params);
	buf_done(&b);
	buf_done(&plain);
	buf_done(&named);
}

TEST(garbage_is_an_error_with_a_text)
{
	static const char *const rows[] = { "garbage", "\xff\xff\xff", "{\"version\":3}", "\x0a" };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		auto_done(arena) struct arena arena = { 0 };
		struct err err = { 0 };
		struct bootstrap out;

		assert_int_equal(
			bootstrap_decode(rows[i], strlen(rows[i]), "c1", "n", &arena, &out, &err),
			-EBADMSG);
		assert_text_has(err.text, "standard input: ");
	}
}

TEST(the_answer_is_what_the_version_can_read)
{
	struct buf out = { 0 }, want = { 0 };

	assert_ok(bootstrap_encode(false, 3, "unix:///run/containerd/s/ab", &out));
	assert_string_equal(out.data, "unix:///run/containerd/s/ab");
	buf_done(&out);
	assert_ok(bootstrap_encode(true, 3, "unix:///run/containerd/s/ab", &out));
	put_int(&want, 1, 3);
	put_str(&want, 2, "unix:///run/containerd/s/ab");
	put_str(&want, 3, "ttrpc");
	assert_int_equal(out.len, want.len);
	assert_memory_equal(out.data, want.data, want.len);
	buf_done(&out);
	buf_done(&want);
}
