/* SPDX-License-Identifier: Apache-2.0 */
/* Filters and their regular expressions as rows; what Go's parser says of the same text was looked up there. */
#include "test.h"

#include <time.h>

#include "base/str.h"
#include "manager/identifier.h"
#include "services/filter.h"
#include "services/labels.h"
#include "services/pattern.h"

static bool matches(const char *pattern, const char *text)
{
	auto_done(arena) struct arena a = { 0 };
	const struct pattern *p;
	struct err err = { 0 };

	if (pattern_parse(pattern, &a, &p, &err) < 0)
		fail_msg("'%s': %s", pattern, err.text);
	return pattern_match(p, text);
}

// clang-format off
static const struct {
	const char *pattern, *yes, *no;
} patterns[] = {
	{ "abc", "xabcx", "xab" },
	{ "^abc$", "abc", "abcd" },
	{ "^/tasks/", "/tasks/exit", "x/tasks/" },
	{ "a.c", "abc", "a\nc" },
	{ "(?s)a.c", "a\nc", "ac" },
	{ "a|b", "xb", "xc" },
	{ "^(a|b)+$", "abba", "abca" },
	{ "^a{2,3}$", "aaa", "aaaa" },
	{ "^a{2}$", "aa", "a" },
	{ "^a{2,}$", "aaaaa", "a" },
	{ "^xa{0}y$", "xy", "xay" },
	{ "^a{0,2}$", "", "aaa" },
	{ "^a{,2}$", "a{,2}", "aa" },
	{ "^a*b?c+$", "cc", "ab" },
	{ "^a*?$", "aaa", "b" },
	{ "^[a-c]+$", "abc", "abd" },
	{ "^[^a-c]+$", "xyz", "xay" },
	{ "^[]a]+$", "]a", "b" },
	{ "^[a\\]]+$", "a]", "b" },
	{ "^[[:digit:]x]+$", "12x", "12y" },
	{ "^[[:^digit:]]+$", "ab", "a1" },
	{ "^\\d+\\s\\w+$", "12 ab_", "1x ab" },
	{ "^\\D+$", "ab", "a1" },
	{ "^[\\w.-]+$", "a.b-c", "a b" },
	{ "(?i)^ABC$", "aBc", "abd" },
	{ "(?i:a)B", "AB", "Ab" },
	{ "\\bfoo\\b", "a foo b", "afoob" },
	{ "(?m)^b$", "a\nb\nc", "ab" },
	{ "\\Ab\\z", "b", "b\n" },
	{ "^(?P<name>a)\\.$", "a.", "ab" },
	{ "^\\x41\\x{42}$", "AB", "AC" },
	{ "^\xc3\xa4.$", "\xc3\xa4\xe2\x82\xac", "\xc3\xa4" },
	{ "", "", NULL },
	{ "^$", "", "x" },
	{ "^(a*)*$", "aaaa", "ab" },
	{ "x*", "yyy", NULL },
};

static const char *const bad_patterns[] = {
	"(", ")", "a)", "[", "[a", "[z-a]", "*", "a**", "+", "a{3,2}", "\\", "\\q", "(?P<", "(?<>a)", "\\x{110000}",
	"[[:foo:]]", "((((a{1000}){1000}){1000}){1000})", "\\1",
};
// clang-format on

TEST(patterns_match_what_go_matches)
{
	for (size_t i = 0; i < ARRAY_LEN(patterns); i++) {
		if (!matches(patterns[i].pattern, patterns[i].yes))
			fail_msg("'%s' does not match '%s'", patterns[i].pattern, patterns[i].yes);
		if (patterns[i].no && matches(patterns[i].pattern, patterns[i].no))
			fail_msg("'%s' matches '%s'", patterns[i].pattern, patterns[i].no);
	}
}

TEST(bad_patterns_are_refused)
{
	for (size_t i = 0; i < ARRAY_LEN(bad_patterns); i++) {
		auto_done(arena) struct arena a = { 0 };
		const struct pattern *p;
		struct err err = { 0 };

		if (pattern_parse(bad_patterns[i], &a, &p, &err) == 0)
			fail_msg("'%s' was taken", bad_patterns[i]);
		assert_text_has(err.text, "regular expression: ");
	}
}

/* A backtracking matcher needs 2^40 steps for it: they are given up. */
TEST(no_pattern_takes_for_ever)
{
	char text[2001];

	memset(text, 'a', 2000);
	text[2000] = '\0';
	assert_false(matches("^(a|a|aa)*(a|aa)+b$", text));
	assert_false(matches("(a*)*(a*)*(a*)*b", text));
}

/* ---- filters ---- */

static const char *field(void *object, const char *const *path, size_t n)
{
	static Pb__Pair pairs[] = {
		{ PROTOBUF_C_MESSAGE_INIT(&pb__pair__descriptor), (char *)"a", (char *)"1" },
		{ PROTOBUF_C_MESSAGE_INIT(&pb__pair__descriptor), (char *)"a.b/c", (char *)"x,y" },
		{ PROTOBUF_C_MESSAGE_INIT(&pb__pair__descriptor), (char *)"a", (char *)"2" },
	};
	static Pb__Pair *list[] = { &pairs[0], &pairs[1], &pairs[2] };

	if (str_eq(path[0], "id"))
		return "web.1";
	if (str_eq(path[0], "image") && n == 1)
		return "docker.io/library/x:latest";
	if (str_eq(path[0], "labels"))
		return labels_at(&(struct labels){ list, 3 }, path + 1, n - 1);
	return NULL;
}

static int match(char *const *texts, size_t n)
{
	auto_done(arena) struct arena a = { 0 };
	const struct filter *f;
	struct err err = { 0 };

	if (filter_parse(texts, n, &a, &f, &err) < 0)
		fail_msg("'%s': %s", texts[0], err.text);
	return filter_match(f, field, NULL);
}

// clang-format off
static const struct {
	const char *text;
	bool yes;
} filters[] = {
	{ "", true },
	{ "id", true },
	{ "name", false },
	{ "id==web.1", true },
	{ "id == web.1", true },
	{ "id==\"web.1\"", true },
	{ "id==web.2", false },
	{ "id!=web.2", true },
	{ "id!=web.1", false },
	{ "name!=x", true },
	{ "name==x", false },
	{ "id~=^web", true },
	{ "id~=|^web\\\\.1$|", true },
	{ "id~=/^w.b/", true },
	{ "id~=^db", false },
	{ "id~=(", false },
	{ "name~=^$", true },
	{ "id==web.1,image", true },
	{ "id==web.1,name", false },
	{ "labels.a==2", true },
	{ "labels.a==1", false },
	{ "labels.\"a.b/c\"", true },
	{ "labels.\"a.b/c\"==\"x,y\"", true },
	{ "labels.a.\"b/c\"==\"x,y\"", true },
	{ "labels.\"\\x61\"==\"\\u0032\"", true },
	{ "image==docker.io/library/x:latest", true },
	{ "image~=x:latest$,id==web.1", true },
};

static const struct {
	const char *text, *says;
} bad_filters[] = {
	{ ",", "expected field or quoted" },
	{ "id,", "expected field or quoted" },
	{ "id==", "expected value or quoted" },
	{ "id==,x", "expected value or quoted" },
	{ "id=x", "unsupported operator \"=\"" },
	{ "id===x", "unsupported operator" },
	{ "id x", "expected an operator" },
	{ "id==a b", "unexpected input" },
	{ "id==\"a", "quoted literal not terminated" },
	{ "id==\"\\q\"", "illegal escape sequence" },
	{ "id==\"\\x4\"", "illegal numeric escape sequence" },
	{ "id==\"\\000\"", "unquoting failed" },
	{ "id==|a|", "invalid quote encountered" },
	{ "|id|", "invalid quote encountered" },
	{ ".id", "expected field or quoted" },
	{ "a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q", "more than 16 fields" },
};
// clang-format on

TEST(filters_match_as_containerds)
{
	for (size_t i = 0; i < ARRAY_LEN(filters); i++) {
		char *text = (char *)filters[i].text;

		if (match(&text, 1) != filters[i].yes)
			fail_msg("'%s' should be %d", text, filters[i].yes);
	}
}

TEST(bad_filters_are_refused_with_their_place)
{
	for (size_t i = 0; i < ARRAY_LEN(bad_filters); i++) {
		auto_done(arena) struct arena a = { 0 };
		char *text = (char *)bad_filters[i].text;
		const struct filter *f;
		struct err err = { 0 };

		if (filter_parse(&text, 1, &a, &f, &err) != -EINVAL)
			fail_msg("'%s' was taken", text);
		assert_text_has(err.text, "filters: parse error: [");
		assert_text_has(err.text, bad_filters[i].says);
	}
}

TEST(one_of_several_filters_is_enough)
{
	char *texts[] = { (char *)"name", (char *)"id==web.1" };

	assert_true(match(texts, 2));
	assert_false(match(texts, 1));
	assert_true(match(NULL, 0));
}

/* ---- identifiers ---- */

TEST(identifiers_have_containerds_grammar)
{
	static const char *const good[] = { "a", "A1", "a.b", "a_b-c.d", "default",
		"1234567890123456789012345678901234567890123456789012345678901234567890123456" };
	static const char *const bad[] = { "", ".", ".a", "a.", "a..b", "-a", "a/b", "a b", "a\n",
		"\xc3\xa4", "..",
		"12345678901234567890123456789012345678901234567890123456789012345678901234567" };
	struct err err;

	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_ok(identifier_check(good[i], &err));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(identifier_check(bad[i], &err), -EINVAL);
}

TEST(topics_and_digests)
{
	static const char *const bad[] = { "", "/", "a", "/a/", "//a", "/a b" };
	struct err err;

	assert_ok(identifier_check_topic("/tasks/exec-added", &err));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(identifier_check_topic(bad[i], &err), -EINVAL);
	assert_ok(identifier_check_digest(
		"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", &err));
	assert_int_equal(identifier_check_digest("sha256:e3b0", &err), -EINVAL);
	assert_int_equal(identifier_check_digest("md5:../../etc", &err), -EINVAL);
	assert_int_equal(
		identifier_check_digest(
			"sha256:../../../../../../../../../../../../../../../../etc/passwdxxxxxx",
			&err),
		-EINVAL);
}

TEST(labels_are_a_map)
{
	auto_done(arena) struct arena a = { 0 };
	struct labels l = { 0 };

	assert_ok(labels_set(&l, "b", "1", &a));
	assert_ok(labels_set(&l, "a", "2", &a));
	assert_ok(labels_set(&l, "b", "3", &a));
	assert_int_equal(l.n, 2);
	assert_string_equal(labels_get(&l, "b"), "3");
	assert_ok(labels_set(&l, "b", "", &a));
	assert_ok(labels_set(&l, "c", "", &a));
	assert_null(labels_get(&l, "b"));
	assert_ok(labels_clean(&l, &a));
	assert_int_equal(l.n, 1);
}
