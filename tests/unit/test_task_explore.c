/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exploration: every interleaving of requests, outcomes and exits for an init with two execs, with
 * and without an own pid namespace. Each state that is reached is hashed and visited once; in each,
 * the core's own checks, the observer's invariants and two promises about the end hold:
 *
 *   - every request is answered exactly once;
 *   - when the back end has returned everything and every process is dead, nothing is stuck half
 *     way (INV-18).
 *
 * The world is what the core cannot know: which processes exist. A process may exit from the moment
 * its making is ordered, before or after any outcome. What a client may do is bounded by a budget
 * per request.
 */
#include "task/task.h"

#include <errno.h>
#include <signal.h>

#include "base/sha256.h"
#include "task_observer.h"
#include "test.h"

#define EXECS 2
#define OPS 16

/* Things that a client may do, each at most so often. */
enum move {
	MOVE_START,
	MOVE_DELETE,
	MOVE_WAIT,
	MOVE_KILL,
	MOVE_PAUSE,
	MOVE_RESUME,
	MOVE_OOM,
	MOVE_HANGUP,
	MOVE_FAIL, /* an outcome is a failure */
	MOVE_ADD_A,
	MOVE_ADD_B,
	MOVE_START_A,
	MOVE_START_B,
	MOVE_WAIT_A,
	MOVE_KILL_A,
	MOVE_DELETE_A,
	MOVES_,
};

struct world {
	struct task t;
	struct task_exec execs[EXECS];
	struct task_op ops[OPS];
	struct observer seen;
	uint8_t left[MOVES_];
	uint8_t open;  /* requests without an answer */
	bool alive[3]; /* init, slot 0, slot 1: a process that may exit */
	uint64_t token[3];
	bool stale; /* an exit that belongs to a failed start may still come */
	uint64_t stale_token;
	uint8_t asked; /* requests sent */
};

struct explorer {
	bool shared;
	bool restore;
	uint64_t *visited; /* open addressing, 0 = empty */
	size_t size, used;
	uint64_t states, transitions, ends;
	unsigned int depth, deepest;
	char trail[128][24];
};

static struct effect list[256];
static struct effects fx = { .v = list, .cap = 256 };

static void wrong(struct explorer *x, const char *what)
{
	printf("# after:");
	for (unsigned int i = 0; i < x->depth; i++)
		printf(" %s", x->trail[i]);
	printf("\n");
	fail_msg("%s", what);
}

/* ---- visited states ---- */

static uint64_t mix(uint64_t h, uint64_t v)
{
	h ^= v + 0x9e3779b97f4a7c15u + (h << 6) + (h >> 2);
	h *= 0xff51afd7ed558ccdu;
	return h ^ h >> 33;
}

static uint64_t mix_proc(uint64_t h, const struct task_proc *p)
{
	return mix(h, (p->token != 0) | p->exited << 1 | p->stdin_closed << 2 | (p->pid != 0) << 3 |
			      (uint64_t)p->wait_status << 8);
}

/* Numbers that only grow (ids, tokens, sequences) name things, they do not decide: left out. */
static uint64_t hash_world(const struct world *w)
{
	uint64_t h = mix(1, w->t.state), sum = 0;

	h = mix_proc(h, &w->t.init);
	h = mix(h, w->t.killed | w->t.oom << 1 | w->t.shared_pidns << 2 | w->t.restore << 3);
	for (uint32_t i = 0; i < w->t.n_execs; i++) {
		h = mix_proc(mix(h, w->execs[i].state), &w->execs[i].proc);
		h = mix(h, (uint64_t)w->execs[i].id[0]);
	}
	for (uint32_t i = 0; i < w->t.n_ops; i++) {
		const struct task_op *op = &w->ops[i];
		uint64_t one = mix(op->request, op->exec);

		one = mix(one,
			op->phase | (uint64_t)op->issued << 4 | op->cancelled << 5 | op->all << 6);
		/* The order of arrival matters between requests of one kind only, and those are
		 * alike. */
		sum += mix(one, op->addr.conn);
	}
	h = mix(h, sum);
	for (size_t i = 0; i < MOVES_; i++)
		h = mix(h, w->left[i]);
	h = mix(h,
		w->alive[0] | w->alive[1] << 1 | w->alive[2] << 2 | w->stale << 3 | w->open << 4);
	h = mix(h,
		w->seen.created | w->seen.deleted << 1 | w->seen.paused << 2 | w->seen.gone << 3);
	for (size_t i = 0; i <= EXECS; i++) {
		const struct observer_proc *p = i ? &w->seen.exec[i - 1] : &w->seen.init;

		h = mix(h, p->added | p->started << 1 | p->exited << 2 | p->start_asked << 3 |
				   p->waited << 4);
	}
	return h ? h : 1;
}

static void grow(struct explorer *x)
{
	size_t old_size = x->size;
	uint64_t *old = x->visited;

	x->size = old_size ? old_size * 2 : 1 << 16;
	x->visited = calloc(x->size, sizeof(*x->visited));
	assert_non_null(x->visited);
	for (size_t i = 0; i < old_size; i++) {
		size_t at = old[i] & (x->size - 1);

		if (!old[i])
			continue;
		while (x->visited[at])
			at = (at + 1) & (x->size - 1);
		x->visited[at] = old[i];
	}
	free(old);
}

static bool visit(struct explorer *x, uint64_t h)
{
	size_t at;

	if (x->used * 2 >= x->size)
		grow(x);
	for (at = h & (x->size - 1); x->visited[at]; at = (at + 1) & (x->size - 1))
		if (x->visited[at] == h)
			return false;
	x->visited[at] = h;
	x->used++;
	return true;
}

/* ---- one step of the world ---- */

static size_t place(uint32_t exec)
{
	return exec == TASK_INIT ? 0 : exec + 1;
}

static void perform(struct explorer *x, struct world *w)
{
	for (size_t i = 0; i < fx.n; i++) {
		const struct effect *e = &fx.v[i];
		const char *broken = observe(&w->seen, e);

		if (broken)
			wrong(x, broken);
		if (e->type == FX_REPLY && w->open-- == 0)
			wrong(x, "an answer to nobody");
		if (e->type == FX_PIDS || e->type == FX_STATS)
			w->open--;
		if ((e->type == FX_CREATE || e->type == FX_EXEC_START || e->type == FX_START) &&
			e->token && w->token[place(e->exec)] != e->token) {
			w->token[place(e->exec)] = e->token;
			w->alive[place(e->exec)] = true;
		}
		if (e->type == FX_EXEC_GONE)
			w->token[place(e->exec)] = 0;
	}
}

static void check_world(struct explorer *x, struct world *w)
{
	bool busy = w->t.issued > 0 || w->alive[0] || w->alive[1] || w->alive[2];
	struct err err;

	if (task_check_all(&w->t, &err) < 0)
		wrong(x, err.text);
	if (w->seen.gone && w->open > 0)
		wrong(x, "gone with open requests");
	if (busy || w->seen.gone)
		return;
	switch (w->t.state) {
	case TASK_CREATED:
	case TASK_RUNNING:
	case TASK_PAUSED:
		wrong(x, "INV-18: every process is dead, and the task does not know");
		break;
	case TASK_NEW:
	case TASK_RESTORABLE:
	case TASK_STOPPED:
		break;
	default:
		wrong(x, "INV-18: stuck half way");
	}
	if (w->t.state == TASK_STOPPED && w->t.n_ops > 0)
		wrong(x, "a request that nothing will answer");
}

static void explore(struct explorer *x, const struct world *from);

static void go(struct explorer *x, const struct world *from, struct world *w,
	const struct task_input *in, const char *name)
{
	x->transitions++;
	if (x->depth == 128)
		wrong(x, "deeper than 128 inputs");
	snprintf(x->trail[x->depth++], sizeof(x->trail[0]), "%s", name);
	if (x->depth > x->deepest)
		x->deepest = x->depth;
	w->t.execs = w->execs;
	w->t.ops = w->ops;
	if (input_is_request(in->type))
		w->open++;
	task_step(&w->t, in, &fx);
	perform(x, w);
	check_world(x, w);
	explore(x, w);
	x->depth--;
	(void)from;
}

static void request(struct explorer *x, const struct world *from, enum move m, enum input_type type,
	const char *exec)
{
	struct world w = *from;
	struct task_input in = { .type = type, .exec_id = exec, .restore = x->restore };
	char name[24];

	if (w.left[m] == 0)
		return;
	w.left[m]--;
	in.addr = (struct task_addr){ .conn = 1, .stream = ++w.asked };
	in.signal = type == IN_KILL ? SIGKILL : 0;
	snprintf(name, sizeof(name), "%s%s%s", input_type_name(type), exec ? ":" : "",
		exec ? exec : "");
	go(x, from, &w, &in, name);
}

static void outcome(
	struct explorer *x, const struct world *from, uint32_t op_at, enum input_type type)
{
	struct world w = *from;
	const struct task_op *op = &w.ops[op_at];
	struct task_input in = { .type = type, .op = op->id, .error = -EIO, .text = "it broke" };
	size_t p = place(op->exec);
	char name[24];

	in.pid = op->exec == TASK_INIT ? 100 : 200 + op->exec;
	in.shared_pidns = x->shared;
	if (type == IN_FAILED) {
		if (w.left[MOVE_FAIL]-- == 0)
			return;
		/* What a failed create, restore or exec start had begun is reaped by the back
		 * end; its exit may still come. */
		if (op->request == IN_CREATE ||
			(op->request == IN_START && (p > 0 || x->restore))) {
			w.stale = w.alive[p] || w.stale;
			w.stale_token = w.token[p];
			w.alive[p] = false;
		}
	}
	snprintf(name, sizeof(name), "%s:%s:%u", input_type_name(type),
		input_type_name(op->request), (unsigned)p);
	go(x, from, &w, &in, name);
}

static void take_exit(
	struct explorer *x, const struct world *from, uint64_t token, size_t p, bool stale)
{
	struct world w = *from;
	struct task_input in = {
		.type = IN_EXIT, .token = token, .wait_status = (int)(p + 1) << 8
	};
	char name[24];

	in.boot_ns = in.wall_ns = 1;
	if (stale)
		w.stale = false;
	else
		w.alive[p] = false;
	snprintf(name, sizeof(name), "%s:%zu", stale ? "late" : "exit", p);
	go(x, from, &w, &in, name);
}

static void news(struct explorer *x, const struct world *from, enum move m, enum input_type type)
{
	struct world w = *from;
	struct task_input in = { .type = type, .addr = { .conn = 1 } };
	uint8_t heard = 0;

	if (w.left[m] == 0)
		return;
	w.left[m]--;
	if (type == IN_HANGUP) {
		observe_hangup(&w.seen);
		for (uint32_t i = 0; i < w.t.n_ops; i++)
			heard += w.ops[i].addr.conn == 1;
	}
	w.open = (uint8_t)(w.open - heard);
	go(x, from, &w, &in, input_type_name(type));
}

static void outcomes(struct explorer *x, const struct world *from)
{
	for (uint32_t i = 0; i < from->t.n_ops; i++) {
		const struct task_op *op = &from->ops[i];

		if (!op->issued)
			continue;
		if (op->request == IN_START && op->exec != TASK_INIT && op->phase != PHASE_MADE)
			outcome(x, from, i, IN_MADE);
		else
			outcome(x, from, i, IN_DONE);
		outcome(x, from, i, IN_FAILED);
	}
}

static void explore(struct explorer *x, const struct world *w)
{
	if (!visit(x, hash_world(w)))
		return;
	x->states++;
	if (w->seen.gone) {
		x->ends++;
		return;
	}
	outcomes(x, w);
	for (size_t p = 0; p < 3; p++)
		if (w->alive[p])
			take_exit(x, w, w->token[p], p, false);
	if (w->stale)
		take_exit(x, w, w->stale_token, 0, true);
	if (w->t.state == TASK_CREATING)
		return; /* everything is refused, as rows in test_task.c show */
	request(x, w, MOVE_START, IN_START, NULL);
	request(x, w, MOVE_DELETE, IN_DELETE, NULL);
	request(x, w, MOVE_WAIT, IN_WAIT, NULL);
	request(x, w, MOVE_KILL, IN_KILL, NULL);
	request(x, w, MOVE_PAUSE, IN_PAUSE, NULL);
	request(x, w, MOVE_RESUME, IN_RESUME, NULL);
	request(x, w, MOVE_ADD_A, IN_EXEC, "a");
	request(x, w, MOVE_ADD_B, IN_EXEC, "b");
	request(x, w, MOVE_START_A, IN_START, "a");
	request(x, w, MOVE_START_B, IN_START, "b");
	request(x, w, MOVE_WAIT_A, IN_WAIT, "a");
	request(x, w, MOVE_KILL_A, IN_KILL, "a");
	request(x, w, MOVE_DELETE_A, IN_DELETE, "a");
	news(x, w, MOVE_OOM, IN_OOM);
	news(x, w, MOVE_HANGUP, IN_HANGUP);
}

static void explore_all(bool shared, bool restore, const uint8_t left[MOVES_])
{
	static struct world w;
	struct explorer x = { .shared = shared, .restore = restore };
	struct task_input in = { .type = IN_CREATE, .restore = restore, .addr = { 1, 1 } };

	memset(&w, 0, sizeof(w));
	assert_ok(task_init(&w.t, "c"));
	w.t.cap_execs = EXECS;
	w.t.cap_ops = OPS;
	memcpy(w.left, left, sizeof(w.left));
	if (!getenv("REEVE_EXPLORE_ALL")) { /* all: 60 million transitions, a minute */
		w.left[MOVE_HANGUP] = 0;
		w.left[MOVE_FAIL] = 1;
		w.left[MOVE_START_A] = 1;
	}
	w.asked = 1;
	go(&x, &w, &w, &in, "create");
	printf("# %s pid namespace%s: %llu states, %llu transitions, %llu ends, at most %u inputs "
	       "deep\n",
		shared ? "shared" : "own", restore ? ", from a checkpoint" : "",
		(unsigned long long)x.states, (unsigned long long)x.transitions,
		(unsigned long long)x.ends, x.deepest);
	assert_true(x.ends > 0);
	free(x.visited);
}

/* The order of exits and of everything that waits for them: two execs in full. */
static const uint8_t two_execs[MOVES_] = {
	[MOVE_START] = 1,
	[MOVE_DELETE] = 1,
	[MOVE_WAIT] = 1,
	[MOVE_FAIL] = 2,
	[MOVE_ADD_A] = 1,
	[MOVE_ADD_B] = 1,
	[MOVE_START_A] = 2,
	[MOVE_START_B] = 1,
	[MOVE_WAIT_A] = 1,
	[MOVE_KILL_A] = 1,
	[MOVE_DELETE_A] = 1,
	[MOVE_HANGUP] = 1,
};

/* Everything that a client may do to a task, with one exec. */
static const uint8_t one_exec[MOVES_] = {
	[MOVE_START] = 2,
	[MOVE_DELETE] = 2,
	[MOVE_WAIT] = 1,
	[MOVE_KILL] = 1,
	[MOVE_PAUSE] = 2,
	[MOVE_RESUME] = 1,
	[MOVE_OOM] = 1,
	[MOVE_FAIL] = 2,
	[MOVE_ADD_A] = 1,
	[MOVE_START_A] = 1,
	[MOVE_WAIT_A] = 1,
};

TEST(every_order_of_two_execs_holds_in_a_shared_pid_namespace)
{
	explore_all(true, false, two_execs);
}

TEST(every_order_of_two_execs_holds_in_an_own_pid_namespace)
{
	explore_all(false, false, two_execs);
}

TEST(every_order_of_requests_holds)
{
	explore_all(true, false, one_exec);
}

TEST(every_order_of_requests_holds_from_a_checkpoint)
{
	explore_all(false, true, one_exec);
}
