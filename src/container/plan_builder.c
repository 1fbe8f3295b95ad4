/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Builds plans. While a plan grows, offsets count from the start of its data plus one (0 stays "none"); the tables'
 * sizes are known only at the end, when plan_finish() turns them into offsets of the whole block.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "container/plan_builder.h"

static struct plan_step scratch_step(void)
{
	return (struct plan_step){ .fd = { PLAN_SLOT_NONE } };
}

static void fail(struct plan *p, int code)
{
	if (!p->failed)
		p->failed = code;
}

void plan_init(struct plan *p)
{
	*p = (struct plan){ 0 };
	plan_slot(p, -1); /* PLAN_SLOT_SYNC */
}

void plan_done(struct plan *p)
{
	free(p->steps);
	free(p->slots);
	buf_done(&p->data);
	*p = (struct plan){ 0 };
}

struct plan_step *plan_add(struct plan *p, enum plan_op op)
{
	struct plan_step *s;

	if (p->n_steps >= PLAN_MAX_STEPS)
		fail(p, -E2BIG);
	else if (mem_grow(&p->steps, &p->cap_steps, p->n_steps + 1, sizeof(*p->steps)) < 0)
		fail(p, -ENOMEM);
	/* After a failure the last step is overwritten again and again: plan_finish() reports it. */
	if (!p->failed)
		p->n_steps++;
	s = p->n_steps ? &p->steps[p->n_steps - 1] : &p->lost;
	*s = scratch_step();
	s->op = (uint16_t)op;
	return s;
}

uint32_t plan_str(struct plan *p, const char *s)
{
	uint32_t at = (uint32_t)p->data.len + 1;

	if (!s)
		return 0;
	buf_add(&p->data, s, strlen(s) + 1);
	return at;
}

uint32_t plan_strs(struct plan *p, const char *const *list, size_t n)
{
	uint32_t at = (uint32_t)p->data.len + 1;

	for (size_t i = 0; i < n; i++)
		plan_str(p, list[i]);
	return n ? at : 0;
}

void plan_blob(struct plan *p, struct plan_step *step, const void *data, size_t size)
{
	static const char zero[8];

	if (!size)
		return;
	if (p->data.len % 8)
		buf_add(&p->data, zero, 8 - p->data.len % 8);
	step->blob = (uint32_t)p->data.len + 1;
	step->blob_len = (uint32_t)size;
	buf_add(&p->data, data, size);
}

int32_t plan_slot(struct plan *p, int fd)
{
	if (p->n_slots >= PLAN_MAX_SLOTS) {
		fail(p, -E2BIG);
		return PLAN_SLOT_SYNC;
	}
	if (mem_grow(&p->slots, &p->cap_slots, p->n_slots + 1, sizeof(*p->slots)) < 0) {
		fail(p, -ENOMEM);
		return PLAN_SLOT_SYNC;
	}
	p->slots[p->n_slots] = fd;
	return (int32_t)p->n_slots++;
}

void plan_slot_set(struct plan *p, int32_t slot, int fd)
{
	if (slot >= 0 && (size_t)slot < p->n_slots)
		p->slots[slot] = fd;
}

int plan_finish(struct plan *p, void **ret, size_t *ret_size, struct err *err)
{
	struct plan_header h = { .magic = PLAN_MAGIC, .version = PLAN_VERSION };
	size_t steps = (sizeof(h) + 4 * p->n_slots + 7) / 8 * 8;
	size_t data = steps + p->n_steps * sizeof(*p->steps);
	size_t size = (data + p->data.len + 1 + 7) / 8 * 8;
	struct plan_step *out;
	char *block;

	if (!p->failed && buf_ok(&p->data) < 0)
		fail(p, -ENOMEM);
	if (!p->failed && size > PLAN_MAX_SIZE)
		fail(p, -E2BIG);
	if (p->failed)
		return err_code(
			err, p->failed, "the container's configuration makes too large a plan");
	block = mem_calloc(1, size);
	if (!block)
		return err_oom(err);
	h.size = (uint32_t)size;
	h.n_slots = (uint32_t)p->n_slots;
	h.n_steps = (uint32_t)p->n_steps;
	h.steps = (uint32_t)steps;
	memcpy(block, &h, sizeof(h));
	memcpy(block + sizeof(h), p->slots, 4 * p->n_slots);
	out = (struct plan_step *)(void *)(block + steps);
	if (p->n_steps)
		memcpy(out, p->steps, p->n_steps * sizeof(*out));
	for (size_t i = 0; i < p->n_steps; i++) {
		for (int k = 0; k < 4; k++)
			if (out[i].str[k])
				out[i].str[k] += (uint32_t)data - 1;
		if (out[i].blob)
			out[i].blob += (uint32_t)data - 1;
	}
	if (p->data.len)
		memcpy(block + data, p->data.data, p->data.len);
	*ret = block;
	*ret_size = size;
	return 0;
}

static const char *str_at(const struct plan *p, const struct plan_step *s, int k)
{
	return s->str[k] ? p->data.data + s->str[k] - 1 : "";
}

/* "exec PROFILE" for AppArmor, else the label alone. */
static void describe_label(const struct plan *p, const struct plan_step *s, char *out, size_t size)
{
	const char *label = s->blob ? p->data.data + s->blob - 1 : "";
	int length = (int)s->blob_len;

	if (strcmp(str_at(p, s, 0), "apparmor/exec") == 0 && length >= 5)
		snprintf(out, size,
			"process.apparmorProfile: apparmor profile '%.*s' could not be applied "
			"(profile not loaded?)",
			length - 5, label + 5);
	else
		snprintf(out, size, "apply SELinux label '%.*s'", length, label);
}

void plan_describe(const struct plan *p, uint32_t step, char *out, size_t size)
{
	const struct plan_step *s;

	if (step >= p->n_steps) {
		snprintf(out, size, "set up the container");
		return;
	}
	s = &p->steps[step];
	switch (s->op) {
	case PLAN_WRITE:
		snprintf(out, size, "write '%s'", str_at(p, s, 0));
		break;
	case PLAN_SETNS:
		snprintf(out, size, "join namespace '%s'", str_at(p, s, 0));
		break;
	case PLAN_SETNS_SLOT:
		snprintf(out, size,
			s->num[0] == CLONE_NEWCGROUP ? "join the cgroup namespace"
						     : "join the container's namespaces");
		break;
	case PLAN_TREE:
		snprintf(out, size, "open mount source '%s'", str_at(p, s, s->str[1] ? 1 : 0));
		break;
	case PLAN_USERNS:
		snprintf(out, size, "make a user namespace for an id-mapped mount");
		break;
	case PLAN_IDMAP:
		snprintf(out, size, "map the ids of mount source '%s' (not every file system can)",
			str_at(p, s, 0));
		break;
	case PLAN_CLONE:
		snprintf(out, size, "start a process in new namespaces");
		break;
	case PLAN_WRITE_SLOT:
		snprintf(out, size, "enter the cgroup");
		break;
	case PLAN_LINK_UP:
		snprintf(out, size, "set network interface '%s' up", str_at(p, s, 0));
		break;
	case PLAN_LINK_FREE:
		snprintf(out, size, "linux.netDevices: move a device into the container as '%s'",
			str_at(p, s, 0));
		break;
	case PLAN_ADDRESS:
		snprintf(out, size, "give network interface '%s' its address", str_at(p, s, 0));
		break;
	case PLAN_HOSTNAME:
	case PLAN_DOMAINNAME:
		snprintf(out, size, "set %s '%s'",
			s->op == PLAN_HOSTNAME ? "hostname" : "domainname", str_at(p, s, 0));
		break;
	case PLAN_SYSCTL:
		snprintf(out, size, "write sysctl '%s'", str_at(p, s, 0));
		break;
	case PLAN_ROOTFS:
		snprintf(out, size, "attach root file system '%s'", str_at(p, s, 0));
		break;
	case PLAN_MOUNT_TREE:
		snprintf(out, size, "mount at '%s'", str_at(p, s, 0));
		break;
	case PLAN_MOUNT_FS:
		snprintf(out, size, "mount '%s' at '%s'", str_at(p, s, 0), str_at(p, s, 1));
		break;
	case PLAN_REMOUNT:
		snprintf(out, size, "remount '%s'", str_at(p, s, 0));
		break;
	case PLAN_UMOUNT:
		snprintf(out, size, "unmount '%s'", str_at(p, s, 0));
		break;
	case PLAN_MKDIR:
		snprintf(out, size, "make directory '%s'", str_at(p, s, 0));
		break;
	case PLAN_MKNOD:
	case PLAN_DEVICE_NODE:
	case PLAN_DEVICE_BIND:
		snprintf(out, size, "make device '%s'", str_at(p, s, 0));
		break;
	case PLAN_SYMLINK:
		snprintf(out, size, "make link '%s'", str_at(p, s, 1));
		break;
	case PLAN_DEFAULT_DEVS:
		snprintf(out, size, "make the default devices");
		break;
	case PLAN_MASK:
		snprintf(out, size, "mask path '%s'", str_at(p, s, 0));
		break;
	case PLAN_READONLY:
		snprintf(out, size, "make path '%s' read-only", str_at(p, s, 0));
		break;
	case PLAN_HOOK:
		snprintf(out, size, "error running %s hook #%llu",
			s->flags & PLAN_F_FINAL_CAPS ? "startContainer" : "createContainer",
			(unsigned long long)s->num[3]);
		break;
	case PLAN_CWD:
		snprintf(out, size, "chdir to cwd ('%s') set in config.json failed",
			str_at(p, s, 0));
		break;
	case PLAN_CONSOLE:
		snprintf(out, size, "set up the terminal");
		break;
	case PLAN_USER:
		snprintf(out, size, "become user %u:%u", (unsigned)s->num[0], (unsigned)s->num[1]);
		break;
	case PLAN_LABEL:
		describe_label(p, s, out, size);
		break;
	case PLAN_SCHEDULER:
		snprintf(out, size, "process.scheduler: %s",
			s->num[0] == SCHED_DEADLINE ? "SCHED_DEADLINE wants all processors (a "
						      "process scheduler can't be "
						      "used together with AllowedCPUs)"
						    : "apply it");
		break;
	case PLAN_SECCOMP:
		snprintf(out, size, "load the seccomp filter");
		break;
	default:
		snprintf(out, size, "step %s", plan_op_name(s->op));
		break;
	}
}
