/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Device policy as a program for the kernel.
 *
 * The program is a decision tree (type, then major, then minor) that ends in one of eight tails,
 * one per set of accesses: an instruction per leaf, two per major. No branch comes back to a common
 * point before its tail; a chain of rules that each fall through to the next would make the
 * verifier look at every rule again for each value that it has learnt, which it gives up at some
 * 1,000 rules.
 *
 * Programs of ours are told from others' on the same cgroup by their name.
 */
#include "container/device_bpf.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/kernel.h"
#include "base/mem.h"

#define PROG_NAME "reeve_device" /* at most 15 characters */
#define ATTACHED_MAX 64          /* the kernel's BPF_CGROUP_MAX_PROGS */

enum { R_RESULT, R_CTX, R_TYPE, R_ACCESS, R_MAJOR, R_MINOR };

struct program {
	struct bpf_insn *insns;
	size_t n;
	size_t cap;
	bool failed;
};

static size_t emit(struct program *p, uint8_t code, uint8_t dst, uint8_t src, int32_t imm)
{
	if (p->failed || mem_grow(&p->insns, &p->cap, p->n + 1, sizeof(*p->insns)) < 0) {
		p->failed = true;
		return 0;
	}
	p->insns[p->n] = (struct bpf_insn){ .code = code, .imm = imm };
	p->insns[p->n].dst_reg = dst & 15;
	p->insns[p->n].src_reg = src & 15;
	return p->n++;
}

static void emit_load(struct program *p, uint8_t dst, size_t ctx_offset)
{
	size_t at = emit(p, BPF_LDX | BPF_MEM | BPF_W, dst, R_CTX, 0);

	if (!p->failed)
		p->insns[at].off = (int16_t)ctx_offset;
}

/* Let the jump at `at` go to `target`, or to the end of what is there. */
static void set_target(struct program *p, size_t at, size_t target)
{
	if (!p->failed)
		p->insns[at].off = (int16_t)(target - at - 1);
}

/* Jumps to the tails: their imm is a comparison, so the access waits in `off` until the tails
 * stand. */
static void emit_to_tail(
	struct program *p, uint8_t code, uint8_t dst, uint32_t k, unsigned int access)
{
	size_t at = emit(p, code, dst, 0, (int32_t)k);

	if (!p->failed)
		p->insns[at].off = (int16_t)(-1 - (int)access);
}

static void emit_minors(struct program *p, const struct device_minor *leaf)
{
	for (; leaf->minor != DEVICE_ANY; leaf++)
		emit_to_tail(p, BPF_JMP32 | BPF_JEQ | BPF_K, R_MINOR, leaf->minor, leaf->access);
	emit_to_tail(p, BPF_JMP | BPF_JA, 0, 0, leaf->access);
}

static void emit_type(struct program *p, const struct device_type *t)
{
	for (size_t i = 0; i < t->n_majors; i++) {
		const struct device_major *m = &t->majors[i];
		size_t skip;

		if (m->major == DEVICE_ANY) {
			emit_minors(p, t->minors + m->first);
			return;
		}
		skip = emit(p, BPF_JMP32 | BPF_JNE | BPF_K, R_MAJOR, 0, (int32_t)m->major);
		emit_minors(p, t->minors + m->first);
		set_target(p, skip, p->n);
	}
}

static void emit_return(struct program *p, int32_t result)
{
	emit(p, BPF_ALU64 | BPF_MOV | BPF_K, R_RESULT, 0, result);
	emit(p, BPF_JMP | BPF_EXIT, 0, 0, 0);
}

static void emit_tail(struct program *p, unsigned int access)
{
	if (access != 0 && access != DEVICE_ALL) {
		size_t refused = emit(p, BPF_JMP32 | BPF_JSET | BPF_K, R_ACCESS, 0,
			(int32_t)(~access & DEVICE_ALL));

		emit_return(p, 1);
		set_target(p, refused, p->n);
		emit_return(p, 0);
		return;
	}
	emit_return(p, access ? 1 : 0);
}

/* Only the tails that are jumped to: the verifier refuses instructions that cannot be reached. */
static void emit_tails(struct program *p)
{
	size_t body = p->n;

	for (unsigned int access = 0; access <= DEVICE_ALL; access++) {
		int16_t mark = (int16_t)(-1 - (int)access);
		size_t tail = p->n;
		bool used = false;

		for (size_t i = 0; i < body && !p->failed; i++) {
			if (BPF_CLASS(p->insns[i].code) != BPF_JMP &&
				BPF_CLASS(p->insns[i].code) != BPF_JMP32)
				continue;
			if (p->insns[i].off != mark)
				continue;
			set_target(p, i, tail);
			used = true;
		}
		if (used)
			emit_tail(p, access);
	}
}

int device_bpf_compile(const struct device_policy *policy, struct bpf_insn **ret, size_t *ret_n)
{
	struct program p = { 0 };
	size_t not_char;

	emit_load(&p, R_TYPE, offsetof(struct bpf_cgroup_dev_ctx, access_type));
	emit(&p, BPF_ALU | BPF_MOV | BPF_X, R_ACCESS, R_TYPE, 0);
	emit(&p, BPF_ALU | BPF_RSH | BPF_K, R_ACCESS, 0, 16);
	emit(&p, BPF_ALU | BPF_AND | BPF_K, R_TYPE, 0, 0xffff);
	emit_load(&p, R_MAJOR, offsetof(struct bpf_cgroup_dev_ctx, major));
	emit_load(&p, R_MINOR, offsetof(struct bpf_cgroup_dev_ctx, minor));
	not_char = emit(&p, BPF_JMP32 | BPF_JNE | BPF_K, R_TYPE, 0, BPF_DEVCG_DEV_CHAR);
	emit_type(&p, &policy->chr);
	set_target(&p, not_char, p.n);
	emit_to_tail(&p, BPF_JMP32 | BPF_JNE | BPF_K, R_TYPE, BPF_DEVCG_DEV_BLOCK, 0);
	emit_type(&p, &policy->block);
	emit_tails(&p);
	if (p.failed || p.n > INT16_MAX) {
		free(p.insns);
		return p.failed ? -ENOMEM : -E2BIG;
	}
	*ret = p.insns;
	*ret_n = p.n;
	return 0;
}

/* ---- the kernel ---- */

int device_bpf_load(const struct bpf_insn *insns, size_t n, int *ret_fd, struct err *err)
{
	union bpf_attr attr;
	int fd;

	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
	attr.insns = (uintptr_t)insns;
	attr.insn_cnt = (uint32_t)n;
	attr.license = (uintptr_t) "Apache-2.0"; /* no helper is called that asks for another */
	memcpy(attr.prog_name, PROG_NAME, sizeof(PROG_NAME));
	for (int tries = 0;; tries++) {
		fd = kernel_bpf(BPF_PROG_LOAD, &attr, sizeof(attr));
		if (fd != -EAGAIN || tries == 5) /* the verifier was interrupted by a signal */
			break;
	}
	if (fd < 0)
		return err_code(err, fd, "load a device program of %zu instructions", n);
	*ret_fd = fd; /* the kernel sets O_CLOEXEC on fds of bpf(2) */
	return 0;
}

static int is_ours(int prog_fd)
{
	struct bpf_prog_info info;
	union bpf_attr attr;
	int r;

	memset(&info, 0, sizeof(info));
	memset(&attr, 0, sizeof(attr));
	attr.info.bpf_fd = (uint32_t)prog_fd;
	attr.info.info_len = sizeof(info);
	attr.info.info = (uintptr_t)&info;
	r = kernel_bpf(BPF_OBJ_GET_INFO_BY_FD, &attr, sizeof(attr));
	if (r < 0)
		return r;
	return strncmp(info.name, PROG_NAME, sizeof(info.name)) == 0;
}

/* The program of ours that is attached directly to this cgroup: its fd, or -ENOENT. */
static int find_ours(int cgroup_fd)
{
	uint32_t ids[ATTACHED_MAX] = { 0 };
	union bpf_attr attr;
	int r;

	memset(&attr, 0, sizeof(attr));
	attr.query.target_fd = (uint32_t)cgroup_fd;
	attr.query.attach_type = BPF_CGROUP_DEVICE;
	attr.query.prog_ids = (uintptr_t)ids;
	attr.query.prog_cnt = ATTACHED_MAX;
	r = kernel_bpf(BPF_PROG_QUERY, &attr, sizeof(attr));
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < attr.query.prog_cnt && i < ATTACHED_MAX; i++) {
		auto_close int fd = -EBADF;
		union bpf_attr by_id;

		memset(&by_id, 0, sizeof(by_id));
		by_id.prog_id = ids[i];
		fd = kernel_bpf(BPF_PROG_GET_FD_BY_ID, &by_id, sizeof(by_id));
		if (fd == -ENOENT)
			continue;
		if (fd < 0)
			return fd;
		r = is_ours(fd);
		if (r < 0)
			return r;
		if (r)
			return take_fd(&fd);
	}
	return -ENOENT;
}

static int attach(int cgroup_fd, int prog_fd, int old_fd, struct err *err)
{
	union bpf_attr attr;
	int r;

	memset(&attr, 0, sizeof(attr));
	attr.target_fd = (uint32_t)cgroup_fd;
	attr.attach_bpf_fd = (uint32_t)prog_fd;
	attr.attach_type = BPF_CGROUP_DEVICE;
	attr.attach_flags = BPF_F_ALLOW_MULTI;
	if (old_fd >= 0) {
		attr.attach_flags |= BPF_F_REPLACE;
		attr.replace_bpf_fd = (uint32_t)old_fd;
	}
	r = kernel_bpf(BPF_PROG_ATTACH, &attr, sizeof(attr));
	return r < 0 ? err_code(err, r, "attach a device program to a cgroup") : 0;
}

int device_bpf_attach(int cgroup_fd, int prog_fd, struct err *err)
{
	return attach(cgroup_fd, prog_fd, -EBADF, err);
}

int device_bpf_replace(int cgroup_fd, int prog_fd, struct err *err)
{
	auto_close int old = find_ours(cgroup_fd);

	if (old < 0 && old != -ENOENT)
		return err_code(err, old, "ask for the device programs of a cgroup");
	return attach(cgroup_fd, prog_fd, old, err);
}

void device_bpf_cache_init(struct device_bpf_cache *c)
{
	*c = (struct device_bpf_cache){ 0 };
	for (int i = 0; i < DEVICE_BPF_CACHE_SLOTS; i++)
		c->slot[i].fd = -EBADF;
}

void device_bpf_cache_done(struct device_bpf_cache *c)
{
	if (!c)
		return;
	for (int i = 0; i < DEVICE_BPF_CACHE_SLOTS; i++)
		if (c->slot[i].used)
			fd_close(c->slot[i].fd);
	device_bpf_cache_init(c);
}

static int policy_key(const struct device_policy *p, uint8_t key[SHA256_SIZE])
{
	auto_done(buf) struct buf text = { 0 };
	struct sha256 h;

	device_policy_text(p, &text);
	if (buf_ok(&text) < 0)
		return -ENOMEM;
	sha256_init(&h);
	sha256_add(&h, text.data, text.len);
	sha256_final(&h, key);
	return 0;
}

/* The slot with this key, else the one to be replaced. */
static struct device_bpf_slot *cache_slot(
	struct device_bpf_cache *c, const uint8_t key[SHA256_SIZE], bool *ret_hit)
{
	struct device_bpf_slot *oldest = &c->slot[0];

	for (int i = 0; i < DEVICE_BPF_CACHE_SLOTS; i++) {
		struct device_bpf_slot *s = &c->slot[i];

		if (s->used && memcmp(s->key, key, SHA256_SIZE) == 0) {
			*ret_hit = true;
			return s;
		}
		if (s->used < oldest->used)
			oldest = s;
	}
	*ret_hit = false;
	return oldest;
}

int device_bpf_program(
	const struct device_policy *p, struct device_bpf_cache *cache, int *ret_fd, struct err *err)
{
	auto_free struct bpf_insn *insns = NULL;
	struct device_bpf_slot *slot = NULL;
	uint8_t key[SHA256_SIZE];
	bool hit = false;
	size_t n;
	int fd, r;

	if (cache) {
		if (policy_key(p, key) < 0)
			return err_oom(err);
		slot = cache_slot(cache, key, &hit);
	}
	if (!hit) {
		r = device_bpf_compile(p, &insns, &n);
		if (r < 0)
			return err_code(err, r, "linux.resources.devices: compile the rules");
		r = device_bpf_load(insns, n, &fd, err);
		if (r < 0)
			return r;
		if (!slot) {
			*ret_fd = fd;
			return 0;
		}
		if (slot->used)
			fd_close(slot->fd);
		slot->fd = fd;
		memcpy(slot->key, key, SHA256_SIZE);
	}
	slot->used = ++cache->clock;
	fd = fcntl(slot->fd, F_DUPFD_CLOEXEC, 3);
	if (fd < 0)
		return err_sys(err, "duplicate a device program");
	*ret_fd = fd;
	return 0;
}
