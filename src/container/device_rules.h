/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Device rules: what an ordered list of allow and deny rules comes to. Pure.
 *
 * A rule names a type, a major and a minor number (each may be "any") and a set of accesses. Of
 * each single access the last rule that names the device and this access decides; what no rule
 * names is denied. A request for several accesses is granted when each of them is. The list is
 * reduced to a policy: a tree of type, major and minor whose leaves are the accesses that are left.
 * Equal policies mean equal behaviour, so the tree is what both kinds of kernel controller are fed
 * from (device_bpf.h; device_v1_plan() below).
 *
 * Owner    The caller owns policies and plans and ends them with their done functions.
 * Errors   0 or negative errno with *err filled.
 * Blocks   Never.
 * Context  Parent (allocates).
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

struct spec_resources;

/* The kernel's numbers (BPF_DEVCG_ACC_*). */
#define DEVICE_MKNOD 1u
#define DEVICE_READ 2u
#define DEVICE_WRITE 4u
#define DEVICE_ALL 7u

#define DEVICE_ANY UINT32_MAX /* as major or minor: every number */
#define DEVICE_RULES_MAX 4096

struct device_rule {
	bool allow;
	char type; /* 'a' (both), 'b', 'c' */
	uint32_t major;
	uint32_t minor;
	unsigned int access; /* DEVICE_* */
};

struct device_minor {
	uint32_t minor; /* DEVICE_ANY: all that are not listed; always the last one of its major */
	unsigned int access;
};

struct device_major {
	uint32_t major; /* DEVICE_ANY: all that are not listed; always the last one of its type */
	size_t first;   /* its minors in device_type.minors, ascending */
	size_t n;       /* at least 1 */
};

struct device_type {
	struct device_major *majors; /* ascending, at least 1 */
	size_t n_majors;
	struct device_minor *minors;
	size_t n_minors;
};

struct device_policy {
	struct device_type block;
	struct device_type chr;
};

/* Devices that every container may use: to be placed by device_rules_complete(). */
const struct device_rule *device_rules_default(size_t *ret_n);

/*
 * The rules of linux.resources.devices with the default ones in their place: behind the last denial
 * that names all numbers (so that the usual "deny all" does not take /dev/null away) and before the
 * more special rules (so that these can); only the permission to make nodes of any device stands
 * behind them all. res may be NULL. *ret is heap memory.
 * Errors: -EINVAL with the path of the field, -E2BIG.
 */
int device_rules_complete(
	const struct spec_resources *res, struct device_rule **ret, size_t *ret_n, struct err *err);

/* Accesses that the rules grant on this device: the definition, rule by rule. */
unsigned int device_rules_granted(
	const struct device_rule *rules, size_t n, char type, uint32_t major, uint32_t minor);

/* Reduce. -E2BIG when the rules name too many combinations of numbers. */
int device_policy_build(
	const struct device_rule *rules, size_t n, struct device_policy *ret, struct err *err);
unsigned int device_policy_granted(
	const struct device_policy *p, char type, uint32_t major, uint32_t minor);
/* Everything is granted: no controller need be told. */
bool device_policy_allows_all(const struct device_policy *p);
/* Append a canonical text; equal texts if and only if equal policies. */
void device_policy_text(const struct device_policy *p, struct buf *out);
void device_policy_done(struct device_policy *p);

/*
 * cgroup v1: what is to be written. The controller holds one default and exceptions to it, all of
 * one kind; a policy that needs exceptions from exceptions cannot be said and is refused
 * (-EOPNOTSUPP).
 */
struct device_v1_row {
	char type; /* 'b', 'c' */
	uint32_t major;
	uint32_t minor;
	unsigned int access;
};

struct device_v1_plan {
	bool allow; /* the default; rows are then what is denied, else what is allowed */
	struct device_v1_row *rows;
	size_t n;
};

int device_v1_plan(const struct device_policy *p, struct device_v1_plan *ret, struct err *err);
/* Read the content of devices.list. -EBADMSG when it is not one. */
int device_v1_read(const char *list, struct device_v1_plan *ret);
/* What the plan's rows say of exactly the device (or range) that `row` names. */
unsigned int device_v1_row_access(const struct device_v1_plan *p, const struct device_v1_row *row);
/* "c 1:3 rwm", "b *:* m". */
#define DEVICE_V1_TEXT_SIZE 32
const char *device_v1_text(const struct device_v1_row *row, char out[DEVICE_V1_TEXT_SIZE]);
void device_v1_plan_done(struct device_v1_plan *p);
