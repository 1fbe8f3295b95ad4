/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Device rules and their reduction.
 *
 * The reduction evaluates the rules at one representative of every class of devices that they can
 * tell apart: each major that a rule names and "any other", and below it each minor that a rule for
 * this major (or for all) names and "any other". DEVICE_ANY serves as the number that no rule
 * names. Leaves that equal the "any other" beside them are dropped, which makes the tree unique.
 *
 * What surprises: cgroup v1 itself ignores a denial that is narrower than an earlier permission
 * ("allow c 1:*", then "deny c 1:3"). Here it counts; where v1 cannot express the outcome,
 * device_v1_plan() refuses it instead of granting more than was asked. Docker denies one device
 * (fuse) to every container, so the permission to make nodes stands behind all rules of the config:
 * before them, it would be the range that this denial is an exception from.
 */
#include "container/device_rules.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "oci/spec.h"

#define POLICY_LEAVES_MAX 16384 /* of one type: keeps the jumps of device_bpf.c within 16 bits */

// clang-format off
static const struct device_rule default_rules[] = {
	{ true, 'c',   1,   3, DEVICE_ALL },        /* null */
	{ true, 'c',   1,   5, DEVICE_ALL },        /* zero */
	{ true, 'c',   1,   7, DEVICE_ALL },        /* full */
	{ true, 'c',   1,   8, DEVICE_ALL },        /* random */
	{ true, 'c',   1,   9, DEVICE_ALL },        /* urandom */
	{ true, 'c',   5,   0, DEVICE_ALL },        /* tty */
	{ true, 'c',   5,   2, DEVICE_ALL },        /* ptmx */
	{ true, 'c',  10, 200, DEVICE_ALL },        /* net/tun: without it VPN images break */
	{ true, 'c', 136, DEVICE_ANY, DEVICE_ALL }, /* pts */
	/* A node that cannot be opened harms nobody. */
	{ true, 'c', DEVICE_ANY, DEVICE_ANY, DEVICE_MKNOD },
	{ true, 'b', DEVICE_ANY, DEVICE_ANY, DEVICE_MKNOD },
};
#define DEFAULT_MKNOD 2 /* so many, the last ones */
#define DEFAULT_DEVICES (ARRAY_LEN(default_rules) - DEFAULT_MKNOD)
// clang-format on

const struct device_rule *device_rules_default(size_t *ret_n)
{
	*ret_n = ARRAY_LEN(default_rules);
	return default_rules;
}

static int number_from_spec(bool has, int64_t value, uint32_t *ret)
{
	if (!has || value == -1) {
		*ret = DEVICE_ANY;
		return 0;
	}
	if (value < 0 || value >= (int64_t)DEVICE_ANY)
		return -EINVAL;
	*ret = (uint32_t)value;
	return 0;
}

static int access_from_spec(const char *s, unsigned int *ret)
{
	unsigned int access = 0;

	if (str_empty(s)) {
		*ret = DEVICE_ALL;
		return 0;
	}
	for (; *s; s++) {
		if (*s == 'r')
			access |= DEVICE_READ;
		else if (*s == 'w')
			access |= DEVICE_WRITE;
		else if (*s == 'm')
			access |= DEVICE_MKNOD;
	}
	if (!access)
		return -EINVAL;
	*ret = access;
	return 0;
}

static int rule_from_spec(
	const struct spec_device_rule *in, size_t index, struct device_rule *ret, struct err *err)
{
	struct device_rule r = { .allow = in->allow, .type = in->type ? (char)in->type : 'a' };

	if (in->type != 0 && in->type != 'a' && in->type != 'b' && in->type != 'c')
		return err_set(
			err, -EINVAL, "linux.resources.devices[%zu].type: not a, b or c", index);
	if (number_from_spec(in->has_major, in->major, &r.major) < 0)
		return err_set(err, -EINVAL,
			"linux.resources.devices[%zu].major: %lld is out of range", index,
			(long long)in->major);
	if (number_from_spec(in->has_minor, in->minor, &r.minor) < 0)
		return err_set(err, -EINVAL,
			"linux.resources.devices[%zu].minor: %lld is out of range", index,
			(long long)in->minor);
	if (access_from_spec(in->access, &r.access) < 0)
		return err_set(err, -EINVAL,
			"linux.resources.devices[%zu].access: '%s' has none of r, w, m", index,
			in->access);
	*ret = r;
	return 0;
}

int device_rules_complete(
	const struct spec_resources *res, struct device_rule **ret, size_t *ret_n, struct err *err)
{
	auto_free struct device_rule *rules = NULL;
	size_t n_spec = res ? res->n_devices : 0;
	size_t behind = 0; /* the default rules go before this one */

	if (n_spec > DEVICE_RULES_MAX)
		return err_set(err, -E2BIG, "linux.resources.devices: %zu rules, at most %d",
			n_spec, DEVICE_RULES_MAX);
	rules = mem_calloc(n_spec + ARRAY_LEN(default_rules), sizeof(*rules));
	if (!rules)
		return err_oom(err);
	for (size_t i = 0; i < n_spec; i++) {
		int r = rule_from_spec(&res->devices[i], i, &rules[i], err);

		if (r < 0)
			return r;
		if (!rules[i].allow && rules[i].major == DEVICE_ANY && rules[i].minor == DEVICE_ANY)
			behind = i + 1;
	}
	memmove(rules + behind + DEFAULT_DEVICES, rules + behind,
		(n_spec - behind) * sizeof(*rules));
	memcpy(rules + behind, default_rules, DEFAULT_DEVICES * sizeof(*rules));
	memcpy(rules + n_spec + DEFAULT_DEVICES, default_rules + DEFAULT_DEVICES,
		DEFAULT_MKNOD * sizeof(*rules));
	*ret = take_ptr(rules);
	*ret_n = n_spec + ARRAY_LEN(default_rules);
	return 0;
}

unsigned int device_rules_granted(
	const struct device_rule *rules, size_t n, char type, uint32_t major, uint32_t minor)
{
	unsigned int granted = 0, open = DEVICE_ALL;

	for (size_t i = n; i-- > 0 && open;) {
		const struct device_rule *r = &rules[i];

		if (r->type != 'a' && r->type != type)
			continue;
		if (r->major != DEVICE_ANY && r->major != major)
			continue;
		if (r->minor != DEVICE_ANY && r->minor != minor)
			continue;
		if (r->allow)
			granted |= r->access & open;
		open &= ~r->access;
	}
	return granted;
}

static int compare_u32(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static size_t sort_unique(uint32_t *v, size_t n)
{
	size_t out = 0;

	if (n > 1)
		qsort(v, n, sizeof(*v), compare_u32);
	for (size_t i = 0; i < n; i++)
		if (i == 0 || v[i] != v[i - 1])
			v[out++] = v[i];
	return out;
}

/* Ascending, DEVICE_ANY (the largest number) last. `numbers` has room for n + 1. */
static size_t majors_named(const struct device_rule *rules, size_t n, char type, uint32_t *numbers)
{
	size_t count = 0;

	numbers[count++] = DEVICE_ANY;
	for (size_t i = 0; i < n; i++)
		if (rules[i].type == 'a' || rules[i].type == type)
			numbers[count++] = rules[i].major;
	return sort_unique(numbers, count);
}

static size_t minors_named(
	const struct device_rule *rules, size_t n, char type, uint32_t major, uint32_t *numbers)
{
	size_t count = 0;

	numbers[count++] = DEVICE_ANY;
	for (size_t i = 0; i < n; i++)
		if ((rules[i].type == 'a' || rules[i].type == type) &&
			(rules[i].major == DEVICE_ANY || rules[i].major == major))
			numbers[count++] = rules[i].minor;
	return sort_unique(numbers, count);
}

static int add_major(const struct device_rule *rules, size_t n, char type, uint32_t major,
	uint32_t *scratch, struct device_type *t, size_t *minors_cap)
{
	size_t n_minors = minors_named(rules, n, type, major, scratch);
	unsigned int other = device_rules_granted(rules, n, type, major, DEVICE_ANY);
	struct device_major *m = &t->majors[t->n_majors];

	*m = (struct device_major){ .major = major, .first = t->n_minors };
	for (size_t i = 0; i < n_minors; i++) {
		unsigned int access = device_rules_granted(rules, n, type, major, scratch[i]);

		if (access == other && scratch[i] != DEVICE_ANY)
			continue;
		if (t->n_minors == POLICY_LEAVES_MAX)
			return -E2BIG;
		if (mem_grow(&t->minors, minors_cap, t->n_minors + 1, sizeof(*t->minors)) < 0)
			return -ENOMEM;
		t->minors[t->n_minors++] = (struct device_minor){ scratch[i], access };
		m->n++;
	}
	t->n_majors++;
	return 0;
}

/* Drop the majors that behave as DEVICE_ANY does, and their minors. */
static void drop_usual_majors(struct device_type *t)
{
	struct device_major usual = t->majors[t->n_majors - 1];
	size_t kept = 0, minors = 0;

	for (size_t i = 0; i < t->n_majors; i++) {
		struct device_major m = t->majors[i];

		if (m.major != DEVICE_ANY && m.n == usual.n &&
			memcmp(t->minors + m.first, t->minors + usual.first,
				m.n * sizeof(*t->minors)) == 0)
			continue;
		memmove(t->minors + minors, t->minors + m.first, m.n * sizeof(*t->minors));
		m.first = minors;
		minors += m.n;
		t->majors[kept++] = m;
	}
	t->n_majors = kept;
	t->n_minors = minors;
}

static int type_build(const struct device_rule *rules, size_t n, char type, struct device_type *t)
{
	auto_free uint32_t *majors = mem_calloc(n + 1, sizeof(*majors));
	auto_free uint32_t *scratch = mem_calloc(n + 1, sizeof(*scratch));
	size_t n_majors, cap = 0;

	if (!majors || !scratch)
		return -ENOMEM;
	n_majors = majors_named(rules, n, type, majors);
	t->majors = mem_calloc(n_majors, sizeof(*t->majors));
	if (!t->majors)
		return -ENOMEM;
	for (size_t i = 0; i < n_majors; i++) {
		int r = add_major(rules, n, type, majors[i], scratch, t, &cap);

		if (r < 0)
			return r;
	}
	drop_usual_majors(t);
	return 0;
}

int device_policy_build(
	const struct device_rule *rules, size_t n, struct device_policy *ret, struct err *err)
{
	struct device_policy p = { 0 };
	int r;

	r = type_build(rules, n, 'b', &p.block);
	if (r == 0)
		r = type_build(rules, n, 'c', &p.chr);
	if (r == 0) {
		*ret = p;
		return 0;
	}
	device_policy_done(&p);
	if (r == -E2BIG)
		return err_set(err, r,
			"linux.resources.devices: the rules name more than %d combinations",
			POLICY_LEAVES_MAX);
	return err_oom(err);
}

static unsigned int type_granted(const struct device_type *t, uint32_t major, uint32_t minor)
{
	const struct device_major *m = t->majors;
	const struct device_minor *leaf;

	while (m->major != major && m->major != DEVICE_ANY)
		m++;
	leaf = t->minors + m->first;
	while (leaf->minor != minor && leaf->minor != DEVICE_ANY)
		leaf++;
	return leaf->access;
}

unsigned int device_policy_granted(
	const struct device_policy *p, char type, uint32_t major, uint32_t minor)
{
	if (type == 'b')
		return type_granted(&p->block, major, minor);
	return type == 'c' ? type_granted(&p->chr, major, minor) : 0;
}

bool device_policy_allows_all(const struct device_policy *p)
{
	return p->block.n_minors == 1 && p->chr.n_minors == 1 &&
	       p->block.minors[0].access == DEVICE_ALL && p->chr.minors[0].access == DEVICE_ALL;
}

static void type_text(const struct device_type *t, char name, struct buf *out)
{
	for (size_t i = 0; i < t->n_majors; i++) {
		const struct device_major *m = &t->majors[i];

		buf_addf(out, "%c%x", name, m->major);
		for (size_t k = 0; k < m->n; k++)
			buf_addf(out, ":%x=%u", t->minors[m->first + k].minor,
				t->minors[m->first + k].access);
		buf_addc(out, ';');
	}
}

void device_policy_text(const struct device_policy *p, struct buf *out)
{
	type_text(&p->block, 'b', out);
	type_text(&p->chr, 'c', out);
}

void device_policy_done(struct device_policy *p)
{
	if (!p)
		return;
	free(p->block.majors);
	free(p->block.minors);
	free(p->chr.majors);
	free(p->chr.minors);
	*p = (struct device_policy){ 0 };
}

/* ---- cgroup v1 ---- */

/* In a plan that allows by default the rows say what is denied. */
static unsigned int v1_said(bool allow, unsigned int access)
{
	return allow ? ~access & DEVICE_ALL : access;
}

static int v1_add(struct device_v1_plan *p, size_t *cap, char type, uint32_t major, uint32_t minor,
	unsigned int access)
{
	if (mem_grow(&p->rows, cap, p->n + 1, sizeof(*p->rows)) < 0)
		return -ENOMEM;
	p->rows[p->n++] = (struct device_v1_row){ type, major, minor, access };
	return 0;
}

/* One leaf: what wider rows say (in `wider`) must be part of it, for the kernel adds rows up. */
static int v1_leaf(struct device_v1_plan *p, size_t *cap, char type, uint32_t major, uint32_t minor,
	unsigned int said, const unsigned int wider[3])
{
	bool covered = said == 0;

	for (int i = 0; i < 3; i++) {
		if (wider[i] & ~said)
			return -EOPNOTSUPP;
		if (wider[i] == said)
			covered = true;
	}
	return covered ? 0 : v1_add(p, cap, type, major, minor, said);
}

static int v1_major(const struct device_type *t, char type, const struct device_major *m,
	struct device_v1_plan *p, size_t *cap)
{
	const struct device_major *usual = &t->majors[t->n_majors - 1];
	unsigned int all = v1_said(p->allow, type_granted(t, DEVICE_ANY, DEVICE_ANY));
	unsigned int own = v1_said(p->allow, type_granted(t, m->major, DEVICE_ANY));
	int r;

	if (m != usual && (all & ~own))
		return -EOPNOTSUPP;
	/* A row for all majors reaches into this one too, also where this one lists no such minor.
	 */
	for (size_t i = 0; m != usual && i < usual->n; i++) {
		const struct device_minor *leaf = &t->minors[usual->first + i];

		if (v1_said(p->allow, leaf->access) &
			~v1_said(p->allow, type_granted(t, m->major, leaf->minor)))
			return -EOPNOTSUPP;
	}
	for (size_t i = 0; i < m->n; i++) {
		const struct device_minor *leaf = &t->minors[m->first + i];
		bool last = leaf->minor == DEVICE_ANY;
		const unsigned int wider[3] = {
			m == usual && last ? 0 : all,
			last ? 0 : own,
			m == usual || last
				? 0
				: v1_said(p->allow, type_granted(t, DEVICE_ANY, leaf->minor)),
		};

		r = v1_leaf(p, cap, type, m->major, leaf->minor, v1_said(p->allow, leaf->access),
			wider);
		if (r < 0)
			return r;
	}
	return 0;
}

static int v1_try(const struct device_policy *policy, bool allow, struct device_v1_plan *ret)
{
	auto_done(device_v1_plan) struct device_v1_plan p = { .allow = allow };
	size_t cap = 0;
	int r = 0;

	for (int k = 0; k < 2; k++) {
		const struct device_type *t = k == 0 ? &policy->block : &policy->chr;

		for (size_t i = 0; i < t->n_majors && r == 0; i++)
			r = v1_major(t, k == 0 ? 'b' : 'c', &t->majors[i], &p, &cap);
	}
	if (r < 0)
		return r;
	*ret = p;
	p = (struct device_v1_plan){ 0 };
	return 0;
}

int device_v1_plan(const struct device_policy *p, struct device_v1_plan *ret, struct err *err)
{
	bool allow = device_policy_granted(p, 'b', DEVICE_ANY, DEVICE_ANY) == DEVICE_ALL &&
		     device_policy_granted(p, 'c', DEVICE_ANY, DEVICE_ANY) == DEVICE_ALL;
	int r;

	r = v1_try(p, allow, ret);
	if (r == -EOPNOTSUPP)
		r = v1_try(p, !allow, ret);
	if (r == -EOPNOTSUPP)
		return err_set(err, r,
			"linux.resources.devices: cgroup v1 cannot express an exception from an "
			"exception (a device denied within a range that is allowed)");
	return r < 0 ? err_oom(err) : 0;
}

static int v1_read_number(const char **s, uint32_t *ret)
{
	uint64_t v = 0;
	const char *p = *s;

	if (*p == '*') {
		*ret = DEVICE_ANY;
		*s = p + 1;
		return 0;
	}
	if (*p < '0' || *p > '9')
		return -EBADMSG;
	for (; *p >= '0' && *p <= '9'; p++) {
		v = v * 10 + (uint64_t)(*p - '0');
		if (v >= DEVICE_ANY)
			return -EBADMSG;
	}
	*ret = (uint32_t)v;
	*s = p;
	return 0;
}

/* "c 1:3 rwm\n"; *s is moved behind it. */
static int v1_read_row(const char **s, struct device_v1_row *row)
{
	const char *p = *s;

	row->type = *p++;
	if ((row->type != 'a' && row->type != 'b' && row->type != 'c') || *p++ != ' ')
		return -EBADMSG;
	if (v1_read_number(&p, &row->major) < 0 || *p++ != ':' ||
		v1_read_number(&p, &row->minor) < 0 || *p++ != ' ')
		return -EBADMSG;
	for (row->access = 0; *p && *p != '\n'; p++) {
		if (*p != 'r' && *p != 'w' && *p != 'm')
			return -EBADMSG;
		row->access |= *p == 'r' ? DEVICE_READ : *p == 'w' ? DEVICE_WRITE : DEVICE_MKNOD;
	}
	*s = *p ? p + 1 : p;
	return 0;
}

int device_v1_read(const char *list, struct device_v1_plan *ret)
{
	auto_done(device_v1_plan) struct device_v1_plan p = { 0 };
	size_t cap = 0;

	while (*list) {
		struct device_v1_row row;

		if (v1_read_row(&list, &row) < 0)
			return -EBADMSG;
		if (row.type == 'a')
			p.allow =
				true; /* the kernel does not list the exceptions of this default */
		else if (v1_add(&p, &cap, row.type, row.major, row.minor, row.access) < 0)
			return -ENOMEM;
	}
	*ret = p;
	p = (struct device_v1_plan){ 0 };
	return 0;
}

unsigned int device_v1_row_access(const struct device_v1_plan *p, const struct device_v1_row *row)
{
	unsigned int access = 0;

	for (size_t i = 0; i < p->n; i++)
		if (p->rows[i].type == row->type && p->rows[i].major == row->major &&
			p->rows[i].minor == row->minor)
			access |= p->rows[i].access;
	return access;
}

const char *device_v1_text(const struct device_v1_row *row, char out[DEVICE_V1_TEXT_SIZE])
{
	char major[12] = "*", minor[12] = "*";

	if (row->major != DEVICE_ANY)
		snprintf(major, sizeof(major), "%u", row->major);
	if (row->minor != DEVICE_ANY)
		snprintf(minor, sizeof(minor), "%u", row->minor);
	snprintf(out, DEVICE_V1_TEXT_SIZE, "%c %s:%s %s%s%s", row->type, major, minor,
		row->access & DEVICE_READ ? "r" : "", row->access & DEVICE_WRITE ? "w" : "",
		row->access & DEVICE_MKNOD ? "m" : "");
	return out;
}

void device_v1_plan_done(struct device_v1_plan *p)
{
	if (!p)
		return;
	free(p->rows);
	*p = (struct device_v1_plan){ 0 };
}
