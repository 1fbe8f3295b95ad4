/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The code generator for seccomp filters.
 *
 * libseccomp gives names and numbers; its own generator is not used: with two comparisons of 64 bits
 * on one argument (LT and GE) version 2.5.4 goes on with the wrong half of the argument loaded and
 * decides wrongly, and its linear programs make the kernel, which tries every call once when a
 * filter is loaded, step through hundreds of instructions for each.
 *
 * Per architecture the numbers become intervals, each with one outcome; neighbours that agree are
 * one. A binary search over the intervals ends in a return or in the rules of one call.
 *
 * What surprises: x32 shares the token of x86-64; its numbers, which have a bit set, are intervals of
 * the same search. i386 has old entry points that take the socket and System V IPC calls as a number
 * in their first argument, where conditions on the arguments proper cannot be seen: a rule for such a
 * call holds there without its conditions, as libseccomp does it.
 */
#include "container/seccomp_program.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

#define X32_BIT 0x40000000u

// clang-format off
static const struct {
	const char *name;
	int number;
} newer[] = {
	{ "process_mrelease", 448 }, { "futex_waitv", 449 }, { "set_mempolicy_home_node", 450 },
	{ "cachestat", 451 }, { "fchmodat2", 452 }, { "map_shadow_stack", 453 },
	{ "futex_wake", 454 }, { "futex_wait", 455 }, { "futex_requeue", 456 },
	{ "statmount", 457 }, { "listmount", 458 }, { "lsm_get_self_attr", 459 },
	{ "lsm_set_self_attr", 460 }, { "lsm_list_modules", 461 }, { "mseal", 462 },
	{ "setxattrat", 463 }, { "getxattrat", 464 }, { "listxattrat", 465 },
	{ "removexattrat", 466 }, { "open_tree_attr", 467 }, { "file_getattr", 468 },
	{ "file_setattr", 469 }, { "listns", 470 },
};

/* i386: the number behind socketcall (102) or ipc (117), and the direct entry (0: none). */
static const struct multiplexed {
	const char *name;
	uint16_t entry;
	uint16_t code;
	uint16_t direct;
} i386_multiplexed[] = {
	{ "socket", 102, 1, 359 }, { "bind", 102, 2, 361 }, { "connect", 102, 3, 362 },
	{ "listen", 102, 4, 363 }, { "accept", 102, 5, 0 }, { "getsockname", 102, 6, 367 },
	{ "getpeername", 102, 7, 368 }, { "socketpair", 102, 8, 360 }, { "send", 102, 9, 0 },
	{ "recv", 102, 10, 0 }, { "sendto", 102, 11, 369 }, { "recvfrom", 102, 12, 371 },
	{ "shutdown", 102, 13, 373 }, { "setsockopt", 102, 14, 366 },
	{ "getsockopt", 102, 15, 365 }, { "sendmsg", 102, 16, 370 }, { "recvmsg", 102, 17, 372 },
	{ "accept4", 102, 18, 364 }, { "recvmmsg", 102, 19, 337 }, { "sendmmsg", 102, 20, 345 },
	{ "semop", 117, 1, 0 }, { "semget", 117, 2, 393 }, { "semctl", 117, 3, 394 },
	{ "semtimedop", 117, 4, 0 }, { "msgsnd", 117, 11, 400 }, { "msgrcv", 117, 12, 401 },
	{ "msgget", 117, 13, 399 }, { "msgctl", 117, 14, 402 }, { "shmat", 117, 21, 397 },
	{ "shmdt", 117, 22, 398 }, { "shmget", 117, 23, 395 }, { "shmctl", 117, 24, 396 },
};
// clang-format on

int seccomp_newer_call(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(newer); i++)
		if (str_eq(newer[i].name, name))
			return newer[i].number;
	return -1;
}

uint32_t seccomp_return(enum spec_seccomp_action action, uint32_t errno_ret)
{
	switch (action) {
	case SPEC_ACT_KILL:
	case SPEC_ACT_KILL_THREAD:
		return SECCOMP_RET_KILL_THREAD;
	case SPEC_ACT_TRAP:
		return SECCOMP_RET_TRAP;
	case SPEC_ACT_ERRNO:
		return SECCOMP_RET_ERRNO | (errno_ret & SECCOMP_RET_DATA);
	case SPEC_ACT_TRACE:
		return SECCOMP_RET_TRACE | (errno_ret & SECCOMP_RET_DATA);
	case SPEC_ACT_ALLOW:
		return SECCOMP_RET_ALLOW;
	case SPEC_ACT_LOG:
		return SECCOMP_RET_LOG;
	case SPEC_ACT_NOTIFY:
		return SECCOMP_RET_USER_NOTIF;
	case SPEC_ACT_KILL_PROCESS:
	case SPEC_ACT_ABSENT:
		break;
	}
	return SECCOMP_RET_KILL_PROCESS;
}

static uint32_t default_return(const struct spec_seccomp *s)
{
	return seccomp_return(
		s->default_action, s->has_default_errno_ret ? s->default_errno_ret : EPERM);
}

static uint32_t call_return(const struct spec_seccomp_syscall *call)
{
	return seccomp_return(call->action, call->has_errno_ret ? call->errno_ret : EPERM);
}

/* A tracer is expected to know new calls; who only logs wants to see them. */
static bool wants_enosys(uint32_t dflt)
{
	uint32_t action = dflt & SECCOMP_RET_ACTION_FULL;

	return dflt != (SECCOMP_RET_ERRNO | ENOSYS) && action != SECCOMP_RET_ALLOW &&
	       action != SECCOMP_RET_LOG && action != SECCOMP_RET_TRACE;
}

/* ---- which rules a number has ---- */

struct rule {
	uint32_t number;
	uint32_t order; /* in the document */
	const struct spec_seccomp_syscall *call;
	uint16_t code; /* i386: the first argument must be this; 0: no such */
	bool wide;     /* arguments have 64 bits */
};

struct rules {
	struct rule *v;
	size_t n;
	size_t cap;
	int64_t last; /* the largest number that the profile names */
};

static int add_rule(const struct spec_seccomp *s, size_t index, int64_t number, uint16_t code,
	bool wide, struct rules *rules)
{
	const struct spec_seccomp_syscall *call = &s->syscalls[index];

	if (number > rules->last)
		rules->last = number;
	if (call_return(call) == default_return(s))
		return 0;
	if (mem_grow(&rules->v, &rules->cap, rules->n + 1, sizeof(*rules->v)) < 0)
		return -ENOMEM;
	rules->v[rules->n++] = (struct rule){ (uint32_t)number, (uint32_t)index, call, code, wide };
	return 0;
}

static const struct multiplexed *find_multiplexed(uint32_t arch, const char *name)
{
	for (size_t i = 0; arch == SCMP_ARCH_X86 && i < ARRAY_LEN(i386_multiplexed); i++)
		if (str_eq(i386_multiplexed[i].name, name))
			return &i386_multiplexed[i];
	return NULL;
}

static bool is_wide(uint32_t arch)
{
	return (arch & __AUDIT_ARCH_64BIT) != 0; /* x32 has not: only the low halves count */
}

static int add_name(const struct spec_seccomp *s, size_t index, const char *name, uint32_t arch,
	struct rules *rules)
{
	const struct multiplexed *m = find_multiplexed(arch, name);
	int64_t number;
	int r = 0;

	if (m) {
		if (m->direct)
			r = add_rule(s, index, m->direct, 0, false, rules);
		return r < 0 ? r : add_rule(s, index, m->entry, m->code, false, rules);
	}
	number = seccomp_syscall_resolve_name_arch(arch, name);
	if (number == __NR_SCMP_ERROR) {
		number = seccomp_newer_call(name);
		if (number >= 0 && arch == SCMP_ARCH_X32)
			number |= X32_BIT;
	}
	if (number < 0) /* a call of other architectures, or of none */
		return 0;
	return add_rule(s, index, number, 0, is_wide(arch), rules);
}

/* Libseccomp has numbers of its own, below 0, for the calls of other architectures. */
bool seccomp_is_call(const char *name)
{
	return seccomp_syscall_resolve_name(name) != __NR_SCMP_ERROR ||
	       seccomp_newer_call(name) >= 0;
}

static int by_number(const void *a, const void *b)
{
	const struct rule *x = a, *y = b;

	if (x->number != y->number)
		return x->number < y->number ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

static int collect(const struct spec_seccomp *s, uint32_t arch, struct rules *rules)
{
	for (size_t i = 0; i < s->n_syscalls; i++)
		for (size_t k = 0; k < s->syscalls[i].n_names; k++)
			if (add_name(s, i, s->syscalls[i].names[k], arch, rules) < 0)
				return -ENOMEM;
	if (rules->n > 1)
		qsort(rules->v, rules->n, sizeof(*rules->v), by_number);
	return 0;
}

/* ---- intervals of numbers ---- */

struct interval {
	uint32_t start;           /* up to the next one's */
	const struct rule *rules; /* NULL: return `value` for all */
	size_t n_rules;
	uint32_t value;
};

struct intervals {
	struct interval *v;
	size_t n;
	size_t cap;
};

static int add_interval(struct intervals *list, struct interval one)
{
	struct interval *before = list->n ? &list->v[list->n - 1] : NULL;

	if (before && before->start == one.start) { /* an empty one */
		list->n--;
		return add_interval(list, one);
	}
	if (before && !before->rules && !one.rules && before->value == one.value)
		return 0;
	if (mem_grow(&list->v, &list->cap, list->n + 1, sizeof(*list->v)) < 0)
		return -ENOMEM;
	list->v[list->n++] = one;
	return 0;
}

static bool is_conditional(const struct rule *r)
{
	return r->code != 0 || r->call->n_args > 0;
}

static bool same_conditions(const struct rule *a, const struct rule *b)
{
	if (a->code != b->code || a->call->n_args != b->call->n_args)
		return false;
	for (size_t i = 0; i < a->call->n_args; i++) {
		const struct spec_seccomp_arg *x = &a->call->args[i], *y = &b->call->args[i];

		if (x->index != y->index || x->op != y->op || x->value != y->value ||
			x->value_two != y->value_two)
			return false;
	}
	return true;
}

static int check_rules(const struct rule *rules, size_t n, struct err *err)
{
	for (size_t i = 0; i < n; i++)
		for (size_t k = i + 1; k < n; k++)
			if (rules[i].code == 0 && same_conditions(&rules[i], &rules[k]) &&
				call_return(rules[i].call) != call_return(rules[k].call))
				return err_set(err, -EINVAL,
					"linux.seccomp.syscalls[%u]: contradicts syscalls[%u] on "
					"the "
					"same conditions",
					rules[k].order, rules[i].order);
	return 0;
}

/* The outcome of one number. */
static int decide(const struct rule *rules, size_t n, struct interval *ret, struct err *err)
{
	*ret = (struct interval){ .start = rules[0].number, .rules = rules, .n_rules = n };
	for (size_t i = 0; i < n; i++)
		if (!is_conditional(&rules[i])) {
			ret->rules = NULL;
			ret->value = call_return(rules[i].call);
			return 0;
		}
	return check_rules(rules, n, err);
}

/* Everything from `base` on; what lies behind belongs to a later call, which overwrites it. */
static int add_numbers(const struct spec_seccomp *s, const struct rules *rules, uint32_t base,
	struct intervals *list, struct err *err)
{
	uint32_t dflt = default_return(s);
	int r = add_interval(list, (struct interval){ .start = base, .value = dflt });

	for (size_t i = 0, n; i < rules->n && r == 0; i += n) {
		struct interval one = { 0 };

		for (n = 1; i + n < rules->n && rules->v[i + n].number == rules->v[i].number;)
			n++;
		r = decide(&rules->v[i], n, &one, err);
		if (r < 0)
			return r;
		r = add_interval(list, one);
		if (r == 0)
			r = add_interval(
				list, (struct interval){ .start = one.start + 1, .value = dflt });
	}
	if (r == 0 && rules->last >= 0 && wants_enosys(dflt))
		r = add_interval(list, (struct interval){ .start = (uint32_t)rules->last + 1,
					       .value = SECCOMP_RET_ERRNO | ENOSYS });
	return r < 0 ? err_oom(err) : 0;
}

/* ---- instructions ---- */

static void emit(struct seccomp_program *p, uint16_t code, size_t jt, size_t jf, uint32_t k)
{
	if (p->n == SIZE_MAX || mem_grow(&p->insns, &p->cap, p->n + 1, sizeof(*p->insns)) < 0) {
		p->n = SIZE_MAX; /* no memory: seen at the end */
		return;
	}
	p->insns[p->n++] = (struct sock_filter){ code, (uint8_t)jt, (uint8_t)jf, k };
}

static void emit_load(struct seccomp_program *p, size_t offset)
{
	emit(p, BPF_LD | BPF_W | BPF_ABS, 0, 0, (uint32_t)offset);
}

static void emit_return(struct seccomp_program *p, uint32_t value)
{
	emit(p, BPF_RET | BPF_K, 0, 0, value);
}

#define NO 255 /* jump target: the condition does not hold; set by close_condition() */

static void close_condition(struct seccomp_program *p, size_t from)
{
	for (size_t i = from; p->n != SIZE_MAX && i < p->n; i++) {
		struct sock_filter *f = &p->insns[i];

		if (BPF_CLASS(f->code) != BPF_JMP)
			continue;
		if (f->jt == NO)
			f->jt = (uint8_t)(p->n - i - 1);
		if (f->jf == NO)
			f->jf = (uint8_t)(p->n - i - 1);
	}
}

static void emit_half(struct seccomp_program *p, uint32_t index, bool high)
{
	bool big_endian = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__;

	emit_load(
		p, offsetof(struct seccomp_data, args) + 8 * index + (high != big_endian ? 4 : 0));
}

static void emit_jump(struct seccomp_program *p, uint16_t op, size_t jt, size_t jf, uint32_t k)
{
	emit(p, BPF_JMP | op | BPF_K, jt, jf, k);
}

static void emit_masked(struct seccomp_program *p, const struct spec_seccomp_arg *c, bool high)
{
	uint32_t mask = (uint32_t)(high ? c->value >> 32 : c->value);
	uint32_t value = (uint32_t)(high ? c->value_two >> 32 : c->value_two) & mask;

	if (high && mask == 0)
		return;
	emit_half(p, c->index, high);
	emit(p, BPF_ALU | BPF_AND | BPF_K, 0, 0, mask);
	emit_jump(p, BPF_JEQ, 0, NO, value);
}

/*
 * The high half decides or is equal; then it is the low half's turn. `over` skips the rest where the
 * high half alone says yes.
 */
static void emit_high(struct seccomp_program *p, const struct spec_seccomp_arg *c)
{
	uint32_t high = (uint32_t)(c->value >> 32);
	const size_t over_low = 2, over_equal_and_low = 3;

	emit_half(p, c->index, true);
	switch (c->op) {
	case SPEC_CMP_EQ:
		emit_jump(p, BPF_JEQ, 0, NO, high);
		break;
	case SPEC_CMP_NE:
		emit_jump(p, BPF_JEQ, 0, over_low, high);
		break;
	case SPEC_CMP_GT:
	case SPEC_CMP_GE:
		emit_jump(p, BPF_JGT, over_equal_and_low, 0, high);
		emit_jump(p, BPF_JEQ, 0, NO, high);
		break;
	default: /* LT, LE */
		emit_jump(p, BPF_JGE, 0, over_equal_and_low, high);
		emit_jump(p, BPF_JEQ, 0, NO, high);
		break;
	}
}

static void emit_low(struct seccomp_program *p, const struct spec_seccomp_arg *c)
{
	uint32_t low = (uint32_t)c->value;

	emit_half(p, c->index, false);
	switch (c->op) {
	case SPEC_CMP_EQ:
		emit_jump(p, BPF_JEQ, 0, NO, low);
		break;
	case SPEC_CMP_NE:
		emit_jump(p, BPF_JEQ, NO, 0, low);
		break;
	case SPEC_CMP_GT:
		emit_jump(p, BPF_JGT, 0, NO, low);
		break;
	case SPEC_CMP_GE:
		emit_jump(p, BPF_JGE, 0, NO, low);
		break;
	case SPEC_CMP_LT:
		emit_jump(p, BPF_JGE, NO, 0, low);
		break;
	default: /* LE */
		emit_jump(p, BPF_JGT, NO, 0, low);
		break;
	}
}

/* Falls through when the condition holds. */
static void emit_condition(struct seccomp_program *p, const struct spec_seccomp_arg *c, bool wide)
{
	if (c->op == SPEC_CMP_MASKED_EQ) {
		if (wide)
			emit_masked(p, c, true);
		emit_masked(p, c, false);
		return;
	}
	if (wide)
		emit_high(p, c);
	emit_low(p, c);
}

static bool repeats_an_argument(const struct spec_seccomp_syscall *call)
{
	unsigned int seen = 0;

	for (size_t i = 0; i < call->n_args; i++) {
		if (seen & 1u << call->args[i].index)
			return true;
		seen |= 1u << call->args[i].index;
	}
	return false;
}

static void emit_rule(struct seccomp_program *p, const struct rule *r)
{
	const struct spec_seccomp_syscall *call = r->call;
	size_t from = p->n;

	if (r->code) {
		const struct spec_seccomp_arg code = {
			.index = 0, .op = SPEC_CMP_EQ, .value = r->code
		};

		emit_condition(p, &code, false);
	} else if (repeats_an_argument(call)) {
		for (size_t i = 0; i < call->n_args; i++) {
			from = p->n;
			emit_condition(p, &call->args[i], r->wide);
			emit_return(p, call_return(call));
			close_condition(p, from);
		}
		return;
	} else {
		for (size_t i = 0; i < call->n_args; i++)
			emit_condition(p, &call->args[i], r->wide);
	}
	emit_return(p, call_return(call));
	close_condition(p, from);
}

static void emit_outcome(struct seccomp_program *p, const struct interval *one, uint32_t dflt)
{
	if (!one->rules) {
		emit_return(p, one->value);
		return;
	}
	for (size_t i = 0; i < one->n_rules; i++)
		emit_rule(p, &one->rules[i]);
	emit_return(p, dflt);
}

/* Set the jump at `at` to go to what comes next. */
static void land(struct seccomp_program *p, size_t at)
{
	if (p->n != SIZE_MAX)
		p->insns[at].k = (uint32_t)(p->n - at - 1);
}

/* The number is loaded. A far jump costs one more instruction only where it is needed. */
static void emit_search(
	struct seccomp_program *p, const struct interval *v, size_t n, uint32_t dflt)
{
	size_t middle = n / 2, at = p->n;

	if (n == 1) {
		emit_outcome(p, v, dflt);
		return;
	}
	emit_jump(p, BPF_JGE, 0, 1, v[middle].start);
	emit(p, BPF_JMP | BPF_JA, 0, 0, 0);
	emit_search(p, v, middle, dflt);
	if (p->n == SIZE_MAX)
		return;
	if (p->n - at - 2 <= 250) { /* near: take the jump away again */
		memmove(&p->insns[at + 1], &p->insns[at + 2], (p->n - at - 2) * sizeof(*p->insns));
		p->n--;
		p->insns[at].jt = (uint8_t)(p->n - at - 1);
		p->insns[at].jf = 0;
	} else {
		land(p, at + 1);
	}
	emit_search(p, v + middle, n - middle, dflt);
}

/* ---- architectures ---- */

/* "SCMP_ARCH_X86_64" is "x86_64" to libseccomp; 0: it does not know it. */
static uint32_t arch_of(const char *name)
{
	char lower[32];
	size_t len;

	if (!str_starts(name, "SCMP_ARCH_"))
		return 0;
	name += strlen("SCMP_ARCH_");
	len = strlen(name);
	if (len >= sizeof(lower))
		return 0;
	for (size_t i = 0; i <= len; i++)
		lower[i] = (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] + 32 : name[i]);
	return seccomp_arch_resolve_name(lower);
}

static bool is_listed(const struct spec_seccomp *s, uint32_t arch)
{
	if (arch == seccomp_arch_native())
		return true;
	for (size_t i = 0; i < s->n_architectures; i++)
		if (arch_of(s->architectures[i]) == arch)
			return true;
	return false;
}

/* Numbers of x32 end the process; -1, which a tracer sets to skip a call, is like an unknown one. */
static int refuse_x32(const struct spec_seccomp *s, const struct rules *rules,
	struct intervals *list, struct err *err)
{
	bool enosys = rules->last >= 0 && wants_enosys(default_return(s));
	struct interval x32 = { .start = X32_BIT, .value = SECCOMP_RET_KILL_THREAD };
	struct interval skipped = { .start = UINT32_MAX,
		.value = enosys ? SECCOMP_RET_ERRNO | ENOSYS : default_return(s) };

	if (add_interval(list, x32) < 0 || add_interval(list, skipped) < 0)
		return err_oom(err);
	return 0;
}

/* All numbers of one token of seccomp_data: of one architecture, or of x86-64 and x32. */
static int add_arch(
	const struct spec_seccomp *s, uint32_t arch, struct seccomp_program *p, struct err *err)
{
	bool x86_64 = arch == SCMP_ARCH_X86_64, x32 = x86_64 && is_listed(s, SCMP_ARCH_X32);
	struct rules rules = { .last = -1 }, x32_rules = { .last = -1 };
	struct intervals list = { 0 };
	size_t over;
	int r = collect(s, arch, &rules);

	if (r == 0 && x32)
		r = collect(s, SCMP_ARCH_X32, &x32_rules);
	r = r < 0 ? err_oom(err) : add_numbers(s, &rules, 0, &list, err);
	if (r == 0 && x32)
		r = add_numbers(s, &x32_rules, X32_BIT, &list, err);
	else if (r == 0 && x86_64)
		r = refuse_x32(s, &rules, &list, err);
	if (r == 0) {
		emit_load(p, offsetof(struct seccomp_data, arch));
		emit_jump(p, BPF_JEQ, 1, 0, arch);
		over = p->n;
		emit(p, BPF_JMP | BPF_JA, 0, 0, 0);
		emit_load(p, offsetof(struct seccomp_data, nr));
		emit_search(p, list.v, list.n, default_return(s));
		land(p, over);
	}
	free(list.v);
	free(rules.v);
	free(x32_rules.v);
	return r;
}

int seccomp_program_build(
	const struct spec_seccomp *s, struct seccomp_program *ret, struct err *err)
{
	/* What else could run here; libseccomp's other architectures belong to other machines. */
	static const uint32_t beside[][2] = { { SCMP_ARCH_X86_64, SCMP_ARCH_X86 },
		{ SCMP_ARCH_AARCH64, SCMP_ARCH_ARM } };
	struct seccomp_program p = { 0 };
	uint32_t native = seccomp_arch_native();
	int r = add_arch(s, native, &p, err);

	for (size_t i = 0; i < ARRAY_LEN(beside) && r == 0; i++)
		if (beside[i][0] == native && is_listed(s, beside[i][1]))
			r = add_arch(s, beside[i][1], &p, err);
	if (r == 0)
		emit_return(&p, SECCOMP_RET_KILL_THREAD);
	if (r == 0 && p.n == SIZE_MAX)
		r = err_oom(err);
	if (r == 0 && p.n > BPF_MAXINSNS)
		r = err_set(err, -E2BIG,
			"linux.seccomp: the filter has %zu instructions, the kernel takes %d", p.n,
			BPF_MAXINSNS);
	if (r < 0) {
		free(p.insns);
		return r;
	}
	*ret = p;
	return 0;
}
