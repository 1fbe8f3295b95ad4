/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks a plan before its first step: all offsets, slots, lists and sizes. It runs in the executor (freestanding)
 * and in the library, where it is fuzzed; what it lets through the steps use without looking again.
 */
#include "bare/plan.h"

#define EBADMSG_ (-74)

const char *plan_op_name(unsigned op)
{
	static const char names[][16] = { "none",
#define X(name) #name,
		PLAN_OPS(X)
#undef X
	};

	return op < PLAN_N_OPS ? names[op] : "?";
}

/* A list of n strings from offset `at` must lie before the end; the block's last byte is zero. */
static int list_fits(const char *base, uint32_t size, uint32_t at, uint64_t n)
{
	if (n > size)
		return 0;
	while (n--) {
		if (at >= size)
			return 0;
		while (base[at])
			at++;
		at++;
	}
	return 1;
}

static int step_ok(const char *base, const struct plan_header *h, const struct plan_step *s)
{
	uint32_t first = h->steps + h->n_steps * (uint32_t)sizeof(*s);

	if (s->op == PLAN_NONE || s->op >= PLAN_N_OPS)
		return 0;
	if (s->fd[0] < PLAN_SLOT_NONE || (s->fd[0] >= 0 && (uint32_t)s->fd[0] >= h->n_slots))
		return 0;
	for (int i = 0; i < 4; i++)
		if (s->str[i] && (s->str[i] < first || s->str[i] >= h->size))
			return 0;
	if (s->blob && (s->blob < first || s->blob % 8 || s->blob > h->size ||
			       s->blob_len > h->size - s->blob))
		return 0;
	if (!s->blob && s->blob_len)
		return 0;
	if (s->op == PLAN_ROOTFS && (s->flags & PLAN_F_CHROOT ? !s->str[0] : s->fd[0] < 0))
		return 0;
	if (s->op == PLAN_IDMAP && s->num[0] >= h->n_slots)
		return 0;
	if (s->op == PLAN_CLONE && s->num[1] >= h->n_slots)
		return 0;
	if (s->op == PLAN_HOOK || s->op == PLAN_LOOKUP || s->op == PLAN_PIVOT)
		return (!s->num[0] || s->str[1]) && (!s->num[1] || s->str[2]) &&
		       list_fits(base, h->size, s->str[1], s->num[0]) &&
		       list_fits(base, h->size, s->str[2], s->num[1]);
	return 1;
}

/* Strings that a step cannot do without; a missing one must not become a NULL path. */
static unsigned strings_needed(unsigned op)
{
	switch (op) {
	case PLAN_WRITE:
	case PLAN_SETNS:
	case PLAN_OPEN:
	case PLAN_TREE:
	case PLAN_KEYRING:
	case PLAN_LINK_UP:
	case PLAN_LINK_FREE:
	case PLAN_ADDRESS:
	case PLAN_HOSTNAME:
	case PLAN_DOMAINNAME:
	case PLAN_SYSCTL:
	case PLAN_LABEL:
	case PLAN_MOUNT_TREE:
	case PLAN_REMOUNT:
	case PLAN_UMOUNT:
	case PLAN_MKDIR:
	case PLAN_MKNOD:
	case PLAN_DEVICE_NODE:
	case PLAN_DEVICE_BIND:
	case PLAN_IDMAP:
	case PLAN_MASK:
	case PLAN_READONLY:
	case PLAN_CWD:
		return 1;
	case PLAN_MOUNT_FS:
	case PLAN_BIND_DIR:
	case PLAN_SYMLINK:
	case PLAN_USERNS:
		return 3;
	case PLAN_HOOK:
		return 9;
	default:
		return 0;
	}
}

static int needs_slot(unsigned op)
{
	return op == PLAN_SETNS_SLOT || op == PLAN_OPEN || op == PLAN_TREE ||
	       op == PLAN_WRITE_SLOT || op == PLAN_MOUNT_TREE || op == PLAN_LISTEN ||
	       op == PLAN_USERNS || op == PLAN_IDMAP || op == PLAN_DEVICE_NODE;
}

static int blob_ok(const struct plan_step *s)
{
	switch (s->op) {
	case PLAN_CAPS:
		return s->blob_len == sizeof(struct plan_caps);
	case PLAN_USER:
		return s->blob_len % 4 == 0;
	case PLAN_ADDRESS: /* headers of netlink and of an address */
		return s->blob_len >= 24 && s->blob_len <= 256;
	case PLAN_SECCOMP:
		return s->blob_len && s->blob_len % 8 == 0 && s->blob_len / 8 <= 65535;
	default:
		return 1;
	}
}

int plan_check(const void *data, size_t n)
{
	const struct plan_header *h = data;
	const char *base = data;
	const struct plan_step *s;

	if (n < sizeof(*h) || n > PLAN_MAX_SIZE || (uintptr_t)data % 8)
		return EBADMSG_;
	if (h->magic != PLAN_MAGIC || h->version != PLAN_VERSION || h->size != n || base[n - 1])
		return EBADMSG_;
	if (h->n_slots < 1 || h->n_slots > PLAN_MAX_SLOTS || h->n_steps > PLAN_MAX_STEPS ||
		h->steps % 8)
		return EBADMSG_;
	if (h->steps < sizeof(*h) + 4 * (size_t)h->n_slots || h->steps > n ||
		(n - h->steps) / sizeof(*s) < h->n_steps)
		return EBADMSG_;
	s = (const struct plan_step *)(const void *)(base + h->steps);
	for (uint32_t i = 0; i < h->n_steps; i++) {
		if (!step_ok(base, h, &s[i]) || !blob_ok(&s[i]))
			return EBADMSG_;
		if (needs_slot(s[i].op) && s[i].fd[0] < 0)
			return EBADMSG_;
		for (unsigned k = 0; k < 4; k++)
			if ((strings_needed(s[i].op) >> k & 1) && !s[i].str[k])
				return EBADMSG_;
	}
	return (int)h->version;
}
