/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exploration: every interleaving of requests, outcomes, exits, OOM kills, hang-ups, deadlines and
 * of a crash with reload between any two effects, for an init with its execs. Each state is visited
 * once, breadth first, so that the trail to a failure is the shortest one.
 *
 * Nothing bounds how often a client may ask: only how many requests of one kind may be open at once.
 * So the graph has circles, and is finite because what only grows (numbers of requests, tokens,
 * streams, events) names things and decides nothing: it is numbered anew in each state.
 *
 * The world is what the core cannot know: which processes exist, what is frozen, what is left in the
 * container. In every state hold the core's own checks, the observer's invariants (task_observer.h),
 * and what check_world() says about the end: when the back end has returned everything and every
 * process that is bound to die is dead, nothing is stuck, frozen, left or unanswered.
 *
 * A crash drops the effects that were not performed yet, except that events are sent from the log;
 * connections are gone, and what waited at its barrier was never released and dies.
 */
#include "task/task.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <time.h>

#include "task_observer.h"
#include "test.h"

#define EXECS 3
#define OPS 20
#define PROCS (EXECS + 1)
#define CODE_MAX 96
#define NAME_MAX_ 24

/* What may happen besides create, outcomes and exits. */
enum {
	DO_START = 1 << 0,
	DO_DELETE = 1 << 1,
	DO_WAIT = 1 << 2,
	DO_KILL = 1 << 3,
	DO_PAUSE = 1 << 4, /* and resume */
	DO_UPDATE = 1 << 5,
	DO_CHECKPOINT = 1 << 6,
	DO_CLOSE_IO = 1 << 7,
	DO_OOM = 1 << 8,
	DO_HANGUP = 1 << 9,
	DO_CANCEL = 1 << 10,
	DO_CRASH = 1 << 11,
	DO_EXEC = 1 << 12, /* add, start */
	DO_EXEC_DELETE = 1 << 13,
	DO_EXEC_WAIT = 1 << 14,
	DO_EXEC_KILL = 1 << 15,
	DO_FAIL = 1 << 16, /* outcomes may be failures */
};

/* A zombie's exit is due; a dead one's has been told. */
enum life { NONE, ALIVE, ZOMBIE, DEAD };

/* The truth about the init or an exec, by place: 0 is the init, 1 + slot an exec. */
struct fact {
	uint8_t life;
	bool stale;    /* the exit of a start that failed may still come */
	bool released; /* it may run its program */
	bool lost;     /* it waited at its barrier when the worker died */
	bool doomed;   /* it will die whatever happens */
};

struct world {
	struct task t;
	struct task_exec execs[EXECS];
	struct task_op ops[OPS];
	struct observer seen;
	struct fact fact[PROCS];
	bool left;    /* the init is dead, and what it left may live */
	bool frozen;  /* the freezer has worked, or may have */
	bool oom_due; /* an OOM kill was noticed and is not told yet */
};

struct setup {
	const char *name;
	uint32_t execs;
	uint32_t moves;
	bool shared;
	bool restore;
	bool symmetric;   /* execs are alike: states that differ in their order are one */
	bool heard;       /* states in which somebody waits for an answer, or not, are told apart */
	uint32_t deletes; /* of one process, open at once */
};

struct parent {
	uint32_t from;
	char move[NAME_MAX_];
};

struct chunk {
	struct chunk *next;
	size_t begin, end;
	unsigned char bytes[1 << 20];
};

struct explorer {
	struct setup s;
	uint64_t *visited; /* open addressing, 0 = empty */
	size_t size, used;
	struct chunk *first, *last; /* states to expand */
	uint64_t transitions, crashes, ends;
	uint32_t at, next;      /* numbers of the state that is expanded, and of the one after it */
	struct parent *parents; /* only on the second run, to tell the trail */
	size_t cap_parents;
	bool tell;
	char move[NAME_MAX_];
	char why[256];
	jmp_buf failed;
};

static struct effect list[256];
static struct effects fx = { .v = list, .cap = 256 };

__attribute__((noreturn)) static void wrong(struct explorer *x, const char *what)
{
	snprintf(x->why, sizeof(x->why), "%s", what);
	longjmp(x->failed, 1);
}

static bool exit_is_due(const struct fact *f)
{
	return f->life == ALIVE || f->life == ZOMBIE;
}

static size_t place(uint32_t exec)
{
	return exec == TASK_INIT ? 0 : exec + 1;
}

/* ---- a state as bytes ---- */

/* Requests about one process, by kind. */
struct requests {
	unsigned char n;
	unsigned char code[12][2];
};

/*
 * The order of arrival matters among requests of one kind about one process only, and is kept there.
 */
static void collect_ops(
	const struct explorer *x, const struct world *w, struct requests groups[PROCS])
{
	for (uint32_t i = 0; i < w->t.n_ops; i++) {
		const struct task_op *op = &w->ops[i];
		struct requests *g = &groups[place(op->exec)];
		uint32_t k = g->n++;

		for (; k > 0 && (g->code[k - 1][0] & 31) > op->request; k--)
			memcpy(g->code[k], g->code[k - 1], 2);
		g->code[k][0] =
			(unsigned char)((unsigned int)op->request | (unsigned int)op->phase << 5);
		g->code[k][1] = (unsigned char)(op->issued | op->cancelled << 1 | op->all << 2 |
						(!x->s.heard || op->addr.conn != 0) << 3 |
						(op->signal != 0) << 4);
	}
}

static void put_ops(unsigned char **at, const struct requests *g)
{
	*(*at)++ = g->n;
	memcpy(*at, g->code, 2u * g->n);
	*at += 2u * g->n;
}

/* What is over, or does not matter yet, is left out. */
static unsigned char fact_bits(const struct fact *f, bool starting)
{
	bool due = exit_is_due(f);

	return (unsigned char)(f->life | f->stale << 2 | (starting && f->released) << 3 |
			       (starting && f->lost) << 4 | (due && f->doomed) << 5);
}

static unsigned char seen_bits(const struct observer_proc *p)
{
	return (unsigned char)(p->added | p->started << 1 | p->exited << 2);
}

static unsigned char proc_bits(const struct task_proc *p)
{
	return (unsigned char)(p->exited | p->stdin_closed << 1 | (p->pid != 0) << 2 |
			       (p->token != 0) << 3);
}

static size_t put_exec(
	unsigned char *out, const struct world *w, uint32_t slot, const struct requests *ops)
{
	const struct task_exec *e = &w->execs[slot];
	unsigned char *at = out;

	*at++ = (unsigned char)e->state;
	*at++ = proc_bits(&e->proc);
	*at++ = fact_bits(&w->fact[slot + 1], e->state == EXEC_STARTING);
	*at++ = seen_bits(&w->seen.exec[slot]);
	put_ops(&at, ops);
	return (size_t)(at - out);
}

struct part {
	unsigned char bytes[40];
	size_t size;
};

static bool comes_before(const struct part *a, const struct part *b)
{
	int c = memcmp(a->bytes, b->bytes, a->size < b->size ? a->size : b->size);

	return c > 0 || (c == 0 && a->size > b->size);
}

static size_t encode(const struct explorer *x, const struct world *w, unsigned char *out)
{
	struct requests ops[PROCS] = { 0 };
	struct part parts[EXECS];
	unsigned char *at = out;

	collect_ops(x, w, ops);

	*at++ = (unsigned char)((unsigned int)w->t.state | (w->t.killed && !w->t.init.exited) << 4 |
				w->t.oom << 5 | w->t.shared_pidns << 6 | w->t.restore << 7);
	*at++ = (unsigned char)(proc_bits(&w->t.init) | w->seen.created << 4 |
				w->seen.deleted << 5 | w->seen.paused << 6 | w->seen.gone << 7);
	*at++ = (unsigned char)(fact_bits(&w->fact[0], false) | w->left << 6 | w->frozen << 7);
	*at++ = (unsigned char)(seen_bits(&w->seen.init) | w->oom_due << 5);
	put_ops(&at, &ops[0]);
	for (uint32_t i = 0; i < x->s.execs; i++) {
		struct part p;
		uint32_t k = i;

		p.size = put_exec(p.bytes, w, i, &ops[i + 1]);
		for (; x->s.symmetric && k > 0 && comes_before(&p, &parts[k - 1]); k--)
			parts[k] = parts[k - 1];
		parts[k] = p;
	}
	for (uint32_t i = 0; i < x->s.execs; i++) {
		memcpy(at, parts[i].bytes, parts[i].size);
		at += parts[i].size;
	}
	return (size_t)(at - out);
}

static void take_ops(const unsigned char **at, struct world *w, uint32_t exec)
{
	unsigned int n = *(*at)++;

	while (n-- > 0) {
		unsigned char a = *(*at)++, b = *(*at)++;
		struct task_op *op = &w->ops[w->t.n_ops++];

		*op = (struct task_op){
			.id = w->t.n_ops,
			.request = (enum input_type)(a & 31),
			.exec = exec,
			.phase = (enum op_phase)(a >> 5),
			.issued = b & 1,
			.cancelled = b >> 1 & 1,
			.all = b >> 2 & 1,
			.signal = b >> 4 & 1 ? SIGKILL : 0,
		};
		if (b >> 3 & 1)
			op->addr = (struct task_addr){ 1, op->id };
		w->t.issued += op->issued;
		if (op->request == IN_START && op->addr.conn)
			(exec == TASK_INIT ? &w->seen.init : &w->seen.exec[exec])->start_asked =
				true;
	}
}

static void take_fact(struct fact *f, unsigned char b)
{
	*f = (struct fact){ .life = b & 3,
		.stale = b >> 2 & 1,
		.released = b >> 3 & 1,
		.lost = b >> 4 & 1,
		.doomed = b >> 5 & 1 };
}

static void take_seen(struct observer_proc *p, unsigned char b, size_t where)
{
	*p = (struct observer_proc){ .added = b & 1, .started = b >> 1 & 1, .exited = b >> 2 & 1 };
	if (p->exited) {
		p->exit_status = (uint32_t)where + 1;
		p->exited_wall_ns = 1;
	}
}

static uint64_t token_of(size_t where)
{
	return 10 + where;
}

static uint64_t stale_token_of(size_t where)
{
	return 30 + where;
}

static void take_proc(struct task_proc *p, unsigned char b, size_t where)
{
	*p = (struct task_proc){ .exited = b & 1,
		.stdin_closed = b >> 1 & 1,
		.pid = b >> 2 & 1 ? 100 + (uint32_t)where : 0,
		.token = b >> 3 & 1 ? token_of(where) : 0 };
	if (p->exited) {
		p->wait_status = (int)(where + 1) << 8;
		p->exit_boot_ns = p->exit_wall_ns = 1;
	}
}

static void point(struct world *w)
{
	w->t.execs = w->execs;
	w->t.ops = w->ops;
}

static void decode(const struct explorer *x, const unsigned char *at, struct world *w)
{
	*w = (struct world){ .t = { .id = "task", .cap_execs = x->s.execs, .cap_ops = OPS } };
	point(w);
	w->t.state = (enum task_state)(at[0] & 15);
	w->t.killed = at[0] >> 4 & 1;
	w->t.oom = at[0] >> 5 & 1;
	w->t.shared_pidns = at[0] >> 6 & 1;
	w->t.restore = at[0] >> 7;
	take_proc(&w->t.init, at[1], 0);
	w->seen.created = at[1] >> 4 & 1;
	w->seen.deleted = at[1] >> 5 & 1;
	w->seen.paused = at[1] >> 6 & 1;
	w->seen.gone = at[1] >> 7;
	take_fact(&w->fact[0], at[2] & 63);
	w->left = at[2] >> 6 & 1;
	w->frozen = at[2] >> 7;
	take_seen(&w->seen.init, at[3] & 31, 0);
	w->oom_due = at[3] >> 5 & 1;
	at += 4;
	take_ops(&at, w, TASK_INIT);
	for (uint32_t i = 0; i < x->s.execs; i++) {
		w->execs[i].state = (enum exec_state)at[0];
		take_proc(&w->execs[i].proc, at[1], i + 1);
		take_fact(&w->fact[i + 1], at[2]);
		take_seen(&w->seen.exec[i], at[3], i + 1);
		at += 4;
		take_ops(&at, w, i);
		if (w->execs[i].state == EXEC_FREE)
			continue;
		w->execs[i].id[0] = (char)('a' + i);
		w->t.live += exec_is_live(&w->execs[i]);
		w->t.n_execs = i + 1;
	}
	w->t.last_op = w->t.n_ops;
	w->t.last_token = 50;
}

/* ---- visited states ---- */

static uint64_t hash(const unsigned char *p, size_t n)
{
	uint64_t h = 0x9e3779b97f4a7c15u ^ n;

	for (; n > 0; n -= n < 8 ? n : 8) {
		uint64_t v = 0;

		memcpy(&v, p, n < 8 ? n : 8);
		p += 8;
		h = (h ^ v) * 0xff51afd7ed558ccdu;
		h ^= h >> 32;
	}
	h *= 0xc4ceb9fe1a85ec53u;
	h ^= h >> 29;
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

static bool is_new(struct explorer *x, uint64_t h)
{
	size_t at;

	if (x->used * 4 >= x->size * 3)
		grow(x);
	for (at = h & (x->size - 1); x->visited[at]; at = (at + 1) & (x->size - 1))
		if (x->visited[at] == h)
			return false;
	x->visited[at] = h;
	x->used++;
	return true;
}

static void remember_parent(struct explorer *x)
{
	if (x->used > x->cap_parents) {
		x->cap_parents = x->cap_parents ? x->cap_parents * 2 : 1 << 16;
		x->parents = realloc(x->parents, x->cap_parents * sizeof(*x->parents));
		assert_non_null(x->parents);
	}
	x->parents[x->used - 1].from = x->at;
	memcpy(x->parents[x->used - 1].move, x->move, NAME_MAX_);
}

static void push(struct explorer *x, const unsigned char *code, size_t size)
{
	struct chunk *c = x->last;

	if (!c || c->end + size + 1 > sizeof(c->bytes)) {
		c = malloc(sizeof(*c));
		assert_non_null(c);
		c->next = NULL;
		c->begin = c->end = 0;
		if (x->last)
			x->last->next = c;
		else
			x->first = c;
		x->last = c;
	}
	c->bytes[c->end] = (unsigned char)size;
	memcpy(&c->bytes[c->end + 1], code, size);
	c->end += size + 1;
}

static bool pop(struct explorer *x, unsigned char *code)
{
	struct chunk *c = x->first;

	if (c && c->begin == c->end) {
		x->first = c->next;
		if (!x->first)
			x->last = NULL;
		free(c);
		c = x->first;
	}
	if (!c)
		return false;
	memcpy(code, &c->bytes[c->begin + 1], c->bytes[c->begin]);
	c->begin += c->bytes[c->begin] + 1u;
	return true;
}

/* ---- what effects do to the world ---- */

static void begin_process(struct world *w, size_t p)
{
	w->fact[p] = (struct fact){ .life = ALIVE, .stale = w->fact[p].stale };
}

static void doom_running(struct world *w)
{
	for (uint32_t i = 0; i < w->t.n_execs; i++)
		if (w->execs[i].state == EXEC_RUNNING)
			w->fact[i + 1].doomed = true;
}

static void change_world(struct world *w, const struct effect *e)
{
	size_t p = place(e->exec);

	switch (e->type) {
	case FX_CREATE:
	case FX_START:
	case FX_EXEC_START:
		if (e->token && !e->again && (e->type != FX_START || w->t.restore))
			begin_process(w, p);
		break;
	case FX_RELEASE:
		w->fact[p].released = true;
		break;
	case FX_KILL:
		if (e->op == 0)
			w->fact[p].doomed = true;
		break;
	case FX_KILL_ALL:
		w->left = false;
		doom_running(w);
		break;
	case FX_PAUSE:
		w->frozen = true;
		break;
	case FX_THAW:
		w->frozen = false;
		break;
	case FX_EXEC_GONE:
		w->fact[p] = (struct fact){ .stale = w->fact[p].stale };
		break;
	default:
		break;
	}
}

/* ---- what must hold of a step ---- */

/* The request whose success an event tells; INPUTS_: it has other causes. */
static enum input_type cause_of(enum task_topic topic)
{
	switch (topic) {
	case TOPIC_CREATE:
		return IN_CREATE;
	case TOPIC_START:
	case TOPIC_EXEC_STARTED:
		return IN_START;
	case TOPIC_PAUSED:
		return IN_PAUSE;
	case TOPIC_RESUMED:
		return IN_RESUME;
	case TOPIC_CHECKPOINTED:
		return IN_CHECKPOINT;
	case TOPIC_DELETE:
		return IN_DELETE;
	default:
		return INPUTS_;
	}
}

static void check_event(struct explorer *x, const struct world *before, const struct world *w,
	const struct task_input *in, const struct effect *e)
{
	enum input_type cause = cause_of(e->topic);

	if (cause != INPUTS_ && (in->type != IN_DONE || before->ops[in->op - 1].request != cause))
		wrong(x, "INV-2, 6, 12, 17: an event without a success");
	if (e->topic == TOPIC_EXIT && e->exec == TASK_INIT && w->oom_due)
		wrong(x, "INV-16: the exit is told before the OOM kill");
}

static void check_effect(struct explorer *x, const struct world *w, const struct effect *e)
{
	if (e->exited_wall_ns != 0 && e->exit_status != place(e->exec) + 1)
		wrong(x, "INV-14, 21: an exit status that is not the process's");
	if (e->type == FX_DELETE && w->frozen)
		wrong(x, "RACE-21: a delete while frozen");
	if (e->type == FX_DELETE && w->left)
		wrong(x, "RACE-19: a delete while what the init left may live");
	if (fx.v[0].type == FX_LOG || e->again || e->type == FX_CANCEL)
		return;
	switch (e->type) {
	case FX_REPLY:
	case FX_PIDS:
	case FX_STATS:
	case FX_RESIZE:
	case FX_KILL_ALL: /* once more after a reload */
	case FX_THAW:
		return;
	default:
		wrong(x, "4: somebody hears of what is not durable");
	}
}

static const struct task_op *op_at(const struct world *w, struct task_addr addr)
{
	for (uint32_t i = 0; i < w->t.n_ops; i++)
		if (task_addr_eq(w->ops[i].addr, addr))
			return &w->ops[i];
	return NULL;
}

static unsigned int replies_to(struct task_addr addr)
{
	unsigned int n = 0;

	for (size_t i = 0; i < fx.n; i++)
		n += fx.v[i].type == FX_REPLY && task_addr_eq(fx.v[i].addr, addr);
	return n;
}

/* Each request has one answer: in the step in which it leaves the table, or at once. */
static void check_answers(struct explorer *x, const struct world *before, const struct world *w,
	const struct task_input *in)
{
	for (uint32_t i = 0; i < before->t.n_ops; i++) {
		struct task_addr addr = before->ops[i].addr;

		if (addr.conn == 0 || in->type == IN_HANGUP)
			continue;
		if (replies_to(addr) != !op_at(w, addr))
			wrong(x, "a request is not answered exactly once");
	}
	if (input_is_request(in->type) && replies_to(in->addr) != !op_at(w, in->addr))
		wrong(x, "a new request is not answered exactly once");
	for (size_t i = 0; i < fx.n; i++)
		if (fx.v[i].type == FX_REPLY && !task_addr_eq(fx.v[i].addr, in->addr) &&
			!op_at(before, fx.v[i].addr))
			wrong(x, "an answer to nobody");
}

static void check_refusal(
	struct explorer *x, const struct world *before, const struct task_input *in)
{
	uint32_t slot;

	if (in->type != IN_START || !in->exec_id || !before->t.init.exited)
		return;
	slot = (uint32_t)(in->exec_id[0] - 'a');
	if (before->execs[slot].state != EXEC_ADDED && before->execs[slot].state != EXEC_FAILED)
		return;
	if (fx.n != 1 || fx.v[0].type != FX_REPLY || fx.v[0].code != CODE_PRECONDITION)
		wrong(x, "INV-9: a start after the init's exit does not fail its precondition");
}

/* ---- what must hold in a state ---- */

static void check_exec(struct explorer *x, const struct world *w, uint32_t slot)
{
	const struct observer_proc *seen = &w->seen.exec[slot];
	bool stopped = task_status(&w->t, slot) == STATUS_STOPPED;

	if (w->execs[slot].state == EXEC_FREE)
		return;
	if (stopped != seen->exited)
		wrong(x, "INV-15: an exec is stopped or not against its exit event");
	if (w->execs[slot].state == EXEC_FAILED && seen->started)
		wrong(x, "INV-7: a start that failed was told");
}

static void check_told(struct explorer *x, const struct world *w)
{
	bool stopped = task_status(&w->t, TASK_INIT) == STATUS_STOPPED;
	bool begun = w->t.state != TASK_NEW && w->t.state != TASK_CREATING;

	if (w->seen.gone)
		return;
	if (begun != w->seen.created)
		wrong(x, "INV-1, 12: created or not against its event");
	if (w->seen.init.exited && !stopped)
		wrong(x, "INV-15: not stopped after its exit");
	if (w->t.state == TASK_STOPPED && !w->seen.init.exited)
		wrong(x, "INV-4: stopped without an exit event");
	if (w->seen.paused != (w->t.state == TASK_PAUSED || w->t.state == TASK_RESUMING) &&
		!stopped)
		wrong(x, "INV-17: paused or not against its events");
	for (uint32_t i = 0; i < w->t.n_execs; i++)
		check_exec(x, w, i);
	for (uint32_t i = 0; w->t.state == TASK_DRAINING && i < w->t.n_ops; i++)
		if (w->ops[i].request == IN_START && !w->ops[i].cancelled)
			wrong(x, "RACE-7: a start that may hang is not cancelled");
}

/* Will this process die, or has the core nothing to wait for? */
static bool lives_on(const struct world *w, size_t p)
{
	if (w->fact[p].life != ALIVE)
		return false;
	if (p == 0)
		return !w->fact[0].doomed;
	/* An own pid namespace dies with its init. */
	return !w->fact[p].doomed && (w->t.shared_pidns || w->fact[0].life != DEAD);
}

static void check_rest(struct explorer *x, const struct world *w)
{
	bool dying = false, living = false, frozen = false;

	for (size_t p = 0; p <= x->s.execs; p++) {
		living |= lives_on(w, p);
		dying |= exit_is_due(&w->fact[p]) && !lives_on(w, p);
		frozen |= w->frozen && w->fact[p].life == ALIVE && !lives_on(w, p);
	}
	if (frozen)
		wrong(x, "RACE-21: one that was killed stays frozen");
	if (w->left && w->t.state != TASK_CREATING && w->t.state != TASK_STARTING)
		wrong(x, "RACE-19: nobody kills what the init left");
	if (dying)
		return;
	switch (w->t.state) {
	case TASK_CREATED:
	case TASK_RUNNING:
	case TASK_PAUSED:
		if (w->fact[0].life != ALIVE)
			wrong(x, "INV-18: the init is dead, and the task does not know");
		break;
	case TASK_NEW:
	case TASK_RESTORABLE:
		break;
	case TASK_STOPPED:
		if (w->frozen)
			wrong(x, "RACE-21: frozen to the end");
		if (w->t.n_ops > 0)
			wrong(x, "a request that nothing will answer");
		break;
	case TASK_DRAINING:
		wrong(x, living ? "RACE-6: nobody kills an exec that the init waits for"
				: "INV-18: the init's exit is never told");
	default:
		wrong(x, "INV-18: stuck half way");
	}
}

static void check_world(struct explorer *x, const struct world *w)
{
	struct err err;

	if (task_check_all(&w->t, &err) < 0)
		wrong(x, err.text);
	check_told(x, w);
	if (w->seen.gone && w->seen.created != w->seen.deleted)
		wrong(x, "INV-11: gone without its delete event");
	if (w->t.issued == 0 && !w->seen.gone)
		check_rest(x, w);
}

/* ---- one step ---- */

static void add_state(struct explorer *x, const struct world *w)
{
	unsigned char code[CODE_MAX];
	size_t size;

	size = encode(x, w, code);
	if (!is_new(x, hash(code, size)))
		return;
	check_world(x, w);
	if (x->tell)
		remember_parent(x);
	if (w->seen.gone)
		x->ends++;
	push(x, code, size);
}

static void watch(struct explorer *x, const struct world *before, struct world *w,
	const struct task_input *in, const struct effect *e)
{
	const char *broken;

	if (e->type == FX_EVENT)
		check_event(x, before, w, in, e);
	if (e->type == FX_EVENT && e->topic == TOPIC_OOM)
		w->oom_due = false;
	broken = observe(&w->seen, e);
	if (broken)
		wrong(x, broken);
}

/* Feed and perform the first `n` effects; of the others only what the log tells again. */
static void step(struct explorer *x, const struct world *before, struct world *w,
	const struct task_input *in, size_t n)
{
	task_step(&w->t, in, &fx);
	for (size_t i = 0; i < fx.n; i++) {
		const struct effect *e = &fx.v[i];
		bool told = e->type == FX_EVENT || e->type == FX_EXEC_GONE || e->type == FX_GONE;

		if (i < n)
			check_effect(x, w, e);
		if (i < n || told)
			watch(x, before, w, in, e);
		if (i < n || e->type == FX_EXEC_GONE)
			change_world(w, e);
	}
	check_answers(x, before, w, in);
	check_refusal(x, before, in);
}

/* The worker is gone and has come back; the record is what the log says. */
static void crash(struct explorer *x, struct world *w)
{
	struct task_input in = { .type = IN_HANGUP, .addr = { .conn = 1 } };

	x->crashes++;
	for (uint32_t i = 0; i < w->t.n_execs; i++)
		if (w->execs[i].state == EXEC_STARTING && !w->fact[i + 1].released) {
			w->fact[i + 1].lost = true;
			w->fact[i + 1].doomed = true;
		}
	if (w->t.state == TASK_GONE)
		return;
	observe_hangup(&w->seen);
	step(x, w, w, &in, SIZE_MAX);
	in.type = IN_RELOAD;
	step(x, w, w, &in, SIZE_MAX);
}

/* Does it matter whether this one was performed? The others are said to clients that are gone. */
static bool matters(const struct effect *e)
{
	switch (e->type) {
	case FX_CREATE:
	case FX_START:
	case FX_EXEC_START:
	case FX_RELEASE:
	case FX_KILL:
	case FX_KILL_ALL:
	case FX_PAUSE:
	case FX_THAW:
		return true;
	default:
		return false;
	}
}

/* A crash before each effect of the list that `in` brought about. */
static void crash_between(struct explorer *x, const struct world *from, const struct task_input *in)
{
	size_t where[16], n = 0;

	if (fx.n == 0 || fx.v[0].type != FX_LOG)
		return; /* nothing is durable: it has never come in */
	for (size_t i = 1; i < fx.n; i++)
		if (matters(&fx.v[i]) && n < 16)
			where[n++] = i;
	for (size_t i = 0; i < n; i++) {
		struct world w = *from;

		point(&w);
		step(x, from, &w, in, where[i]);
		crash(x, &w);
		add_state(x, &w);
	}
}

static void go(struct explorer *x, const struct world *from, const struct task_input *in)
{
	struct world w = *from;

	x->transitions++;
	point(&w);
	step(x, from, &w, in, SIZE_MAX);
	add_state(x, &w);
	if (x->s.moves & DO_CRASH) {
		if (x->tell) {
			size_t len = strlen(x->move);

			snprintf(x->move + len, sizeof(x->move) - len, "+crash");
		}
		crash_between(x, from, in);
	}
}

/* ---- moves ---- */

__attribute__((format(printf, 2, 3))) static void name_move(
	struct explorer *x, const char *fmt, ...)
{
	va_list ap;

	if (!x->tell)
		return;
	va_start(ap, fmt);
	vsnprintf(x->move, sizeof(x->move), fmt, ap);
	va_end(ap);
}

static uint32_t open_requests(const struct world *w, enum input_type type, uint32_t exec)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < w->t.n_ops; i++)
		n += w->ops[i].request == type && w->ops[i].exec == exec;
	return n;
}

static void request(struct explorer *x, const struct world *from, enum input_type type,
	uint32_t exec, uint32_t most)
{
	char id[2] = { (char)('a' + exec), '\0' };
	struct task_input in = { .type = type, .addr = { 1, 1000 } };

	if (open_requests(from, type, exec) >= most)
		return;
	if (exec != TASK_INIT)
		in.exec_id = id;
	if (type == IN_KILL) {
		in.signal = SIGKILL;
		in.all = exec == TASK_INIT && from->t.init.exited;
	}
	name_move(x, "%s%s%s", input_type_name(type), exec == TASK_INIT ? "" : ":",
		exec == TASK_INIT ? "" : id);
	go(x, from, &in);
}

static bool is_making(const struct task_op *op, const struct world *w)
{
	return op->request == IN_CREATE ||
	       (op->request == IN_START && (op->exec != TASK_INIT || w->t.restore));
}

/* Some outcomes cannot be: what does not exist cannot have been made, what waits has not started. */
static bool is_possible(const struct world *w, const struct task_op *op, enum input_type type)
{
	const struct fact *f = &w->fact[place(op->exec)];

	if (type == IN_FAILED)
		return true;
	if (is_making(op, w) && !(op->request == IN_CREATE && w->t.restore) && f->life == NONE)
		return false;
	if (op->request != IN_START || op->exec == TASK_INIT)
		return true;
	return !f->lost && (type == IN_MADE || f->released);
}

static bool kills_the_init(const struct task_op *op)
{
	return op->exec == TASK_INIT && (op->request == IN_KILL || op->phase == PHASE_KILL);
}

static void outcome(
	struct explorer *x, const struct world *from, uint32_t at, enum input_type type, int error)
{
	struct world w = *from;
	const struct task_op *op = &from->ops[at];
	struct task_input in = { .type = type, .op = op->id, .error = error, .text = "it broke" };
	struct fact *f = &w.fact[place(op->exec)];

	if (!is_possible(from, op, type))
		return;
	point(&w);
	in.pid = 100 + (uint32_t)place(op->exec);
	in.shared_pidns = x->s.shared;
	/* What a failed create, restore or exec start had begun is reaped by the back end; its exit
	 * may still come. */
	if (type == IN_FAILED && is_making(op, from)) {
		*f = (struct fact){ .stale = f->stale || exit_is_due(f) };
		w.left &= op->exec != TASK_INIT;
	}
	if (op->request == IN_PAUSE)
		w.frozen = type == IN_DONE;
	if (op->request == IN_RESUME && type == IN_DONE)
		w.frozen = false;
	if (kills_the_init(op) && type == IN_DONE)
		f->doomed = true;
	if (kills_the_init(op) && error == -ESRCH && f->life == ALIVE)
		f->life = ZOMBIE;
	name_move(x, "%s:%s:%zu", input_type_name(type), input_type_name(op->request),
		place(op->exec));
	go(x, &w, &in);
}

static void take_exit(struct explorer *x, const struct world *from, size_t p, bool stale, bool oom)
{
	struct world w = *from;
	struct task_input in = { .type = IN_EXIT, .oom = oom, .boot_ns = 1, .wall_ns = 1 };

	point(&w);
	in.token = stale ? stale_token_of(p) : token_of(p);
	in.wait_status = stale ? 99 << 8 : (int)(p + 1) << 8;
	if (stale) {
		w.fact[p].stale = false;
	} else {
		w.fact[p].life = DEAD;
		w.left |= p == 0 && x->s.shared;
		w.oom_due |= oom;
	}
	name_move(x, "%s:%zu%s", stale ? "late" : "exit", p, oom ? "+oom" : "");
	go(x, &w, &in);
}

static void news(struct explorer *x, const struct world *from, enum input_type type)
{
	struct world w = *from;
	struct task_input in = { .type = type, .addr = { .conn = 1 } };

	point(&w);
	if (type == IN_HANGUP)
		observe_hangup(&w.seen);
	if (type == IN_OOM && !w.seen.init.exited)
		w.oom_due = true;
	name_move(x, "%s", input_type_name(type));
	go(x, &w, &in);
}

static bool anybody_lives(const struct explorer *x, const struct world *w)
{
	for (size_t p = 0; p <= x->s.execs; p++)
		if (w->fact[p].life == ALIVE)
			return true;
	return w->left;
}

static void outcomes(struct explorer *x, const struct world *w)
{
	for (uint32_t i = 0; i < w->t.n_ops; i++) {
		const struct task_op *op = &w->ops[i];
		bool exec = op->request == IN_START && op->exec != TASK_INIT;

		if (!op->issued)
			continue;
		outcome(x, w, i, exec && op->phase != PHASE_MADE ? IN_MADE : IN_DONE, 0);
		if (x->s.moves & DO_FAIL || w->fact[place(op->exec)].life == NONE ||
			w->fact[place(op->exec)].lost)
			outcome(x, w, i, IN_FAILED, -EIO);
		if (kills_the_init(op)) /* it is a zombie already */
			outcome(x, w, i, IN_FAILED, -ESRCH);
	}
}

static void deadlines(struct explorer *x, const struct world *w)
{
	for (uint32_t i = 0; i < w->t.n_ops; i++) {
		const struct task_op *op = &w->ops[i];
		struct task_input in = { .type = IN_CANCEL, .addr = op->addr };

		if ((op->request != IN_CREATE && op->request != IN_START) || op->cancelled ||
			op->addr.conn == 0)
			continue;
		name_move(x, "cancel:%s:%zu", input_type_name(op->request), place(op->exec));
		go(x, w, &in);
	}
}

static void exits(struct explorer *x, const struct world *w)
{
	bool oom = (x->s.moves & DO_OOM) && !w->t.oom;

	for (size_t p = 0; p <= x->s.execs; p++) {
		if (exit_is_due(&w->fact[p]))
			take_exit(x, w, p, false, false);
		if (exit_is_due(&w->fact[p]) && oom)
			take_exit(x, w, p, false, true);
		if (w->fact[p].stale)
			take_exit(x, w, p, true, false);
	}
}

static void requests(struct explorer *x, const struct world *w)
{
	uint32_t m = x->s.moves;

	if (m & DO_START)
		request(x, w, IN_START, TASK_INIT, 1);
	if (m & DO_DELETE)
		request(x, w, IN_DELETE, TASK_INIT, x->s.deletes);
	if (m & DO_WAIT)
		request(x, w, IN_WAIT, TASK_INIT, 1);
	if (m & DO_KILL)
		request(x, w, IN_KILL, TASK_INIT, 1);
	if (m & DO_PAUSE) {
		request(x, w, IN_PAUSE, TASK_INIT, 1);
		request(x, w, IN_RESUME, TASK_INIT, 1);
	}
	if (m & DO_UPDATE)
		request(x, w, IN_UPDATE, TASK_INIT, 1);
	if (m & DO_CHECKPOINT)
		request(x, w, IN_CHECKPOINT, TASK_INIT, 1);
	if (m & DO_CLOSE_IO)
		request(x, w, IN_CLOSE_IO, TASK_INIT, 1);
}

static void exec_requests(struct explorer *x, const struct world *w)
{
	uint32_t m = x->s.moves;
	bool added = false;

	for (uint32_t i = 0; (m & DO_EXEC) && i < x->s.execs; i++) {
		if (w->execs[i].state == EXEC_FREE) {
			if (!added)
				request(x, w, IN_EXEC, i, 1);
			added = true; /* the lowest free slot is taken */
			continue;
		}
		request(x, w, IN_START, i, 1);
		if (m & DO_EXEC_DELETE)
			request(x, w, IN_DELETE, i, x->s.deletes);
		if (m & DO_EXEC_WAIT)
			request(x, w, IN_WAIT, i, 1);
		if (m & DO_EXEC_KILL)
			request(x, w, IN_KILL, i, 1);
		if (m & DO_CLOSE_IO)
			request(x, w, IN_CLOSE_IO, i, 1);
	}
}

static void expand(struct explorer *x, const struct world *w)
{
	if (w->seen.gone)
		return;
	outcomes(x, w);
	exits(x, w);
	requests(x, w);
	exec_requests(x, w);
	if ((x->s.moves & DO_OOM) && anybody_lives(x, w))
		news(x, w, IN_OOM);
	if (x->s.moves & DO_HANGUP)
		news(x, w, IN_HANGUP);
	if (x->s.moves & DO_CANCEL)
		deadlines(x, w);
	if (x->s.moves & DO_CRASH) {
		struct world c = *w;

		point(&c);
		name_move(x, "crash");
		crash(x, &c);
		add_state(x, &c);
		news(x, w, IN_RELOAD); /* with its connections, as in an upgrade */
	}
}

/* ---- a run ---- */

static void tell_trail(struct explorer *x, uint32_t at)
{
	const struct parent *p = &x->parents[at];

	if (p->from != at)
		tell_trail(x, p->from);
	printf(" %s", p->move);
}

static void free_all(struct explorer *x)
{
	unsigned char code[CODE_MAX];

	while (pop(x, code))
		;
	free(x->visited);
	free(x->parents);
	x->visited = NULL;
	x->parents = NULL;
	x->size = x->used = x->cap_parents = 0;
	x->transitions = x->crashes = x->ends = 0;
}

static bool run(struct explorer *x)
{
	struct task_input in = { .type = IN_CREATE, .restore = x->s.restore, .addr = { 1, 1000 } };
	struct world w = { .t = { .id = "task", .cap_execs = x->s.execs, .cap_ops = OPS } };
	unsigned char code[CODE_MAX];

	point(&w);
	if (setjmp(x->failed))
		return false;
	name_move(x, "create");
	x->at = x->next = 0;
	go(x, &w, &in);
	while (pop(x, code)) {
		decode(x, code, &w);
		x->at = x->next++;
		expand(x, &w);
	}
	return true;
}

static void explore(const struct setup *s)
{
	struct explorer x = { .s = *s };
	struct timespec from, to;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
	if (!run(&x)) { /* once more, remembering the way */
		free_all(&x);
		x.tell = true;
		run(&x);
		printf("# %s, after:", s->name);
		tell_trail(&x, x.at);
		printf(" %s\n", x.move);
		free_all(&x);
		fail_msg("%s", x.why);
	}
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
	printf("# %s: %zu states, %llu transitions, %llu crashes with reload, %llu ends, %ld s, "
	       "%zu MiB\n",
		s->name, x.used, (unsigned long long)x.transitions, (unsigned long long)x.crashes,
		(unsigned long long)x.ends, (long)(to.tv_sec - from.tv_sec),
		x.size * sizeof(*x.visited) >> 20);
	assert_true(x.ends > 0);
	free_all(&x);
}

#define OF_AN_EXEC (DO_EXEC | DO_EXEC_DELETE | DO_EXEC_WAIT | DO_EXEC_KILL)
#define OF_ORDER \
	(DO_START | DO_DELETE | DO_WAIT | DO_KILL | DO_PAUSE | DO_OOM | DO_HANGUP | DO_CANCEL | \
		DO_CRASH | DO_FAIL)
#define EVERYTHING (OF_ORDER | DO_UPDATE | DO_CHECKPOINT | DO_CLOSE_IO | OF_AN_EXEC)

/* Sanitizers make it ten times as slow: there, two execs count as alike. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SLOW true
#else
#define IS_SLOW false
#endif

static void two_execs(const char *name, bool shared)
{
	explore(&(struct setup){
		.name = name,
		.execs = 2,
		.moves = IS_SLOW ? (OF_ORDER | OF_AN_EXEC) & ~(uint32_t)(DO_CANCEL | DO_OOM)
				 : OF_ORDER | OF_AN_EXEC,
		.shared = shared,
		.symmetric = IS_SLOW,
		.deletes = 1,
	});
}

TEST(two_execs_in_a_shared_pid_namespace)
{
	two_execs("two execs, shared pid namespace", true);
}

TEST(two_execs_in_an_own_pid_namespace)
{
	two_execs("two execs, own pid namespace", false);
}

/* REEVE_EXPLORE=all: nothing taken away, some GiB. */
static void three_execs(const char *name, bool shared, uint32_t moves)
{
	if (getenv("REEVE_EXPLORE") && strcmp(getenv("REEVE_EXPLORE"), "all") == 0)
		moves = OF_ORDER | OF_AN_EXEC;
	explore(&(struct setup){
		.name = name,
		.execs = 3,
		.moves = IS_SLOW ? DO_START | DO_DELETE | DO_CRASH | DO_FAIL | DO_EXEC : moves,
		.shared = shared,
		.symmetric = true,
		.deletes = 1,
	});
}

TEST(three_execs_in_a_shared_pid_namespace)
{
	three_execs("three execs, shared pid namespace", true,
		(OF_ORDER & ~DO_CANCEL) | DO_EXEC | DO_EXEC_DELETE | DO_EXEC_KILL);
}

TEST(three_execs_in_an_own_pid_namespace)
{
	three_execs("three execs, own pid namespace", false,
		(OF_ORDER & ~DO_CANCEL) | DO_EXEC | DO_EXEC_DELETE);
}

TEST(one_exec_and_every_request)
{
	explore(&(struct setup){
		.name = "every request, one exec",
		.execs = 1,
		.moves = IS_SLOW ? EVERYTHING & ~(uint32_t)(DO_CANCEL | DO_CHECKPOINT) : EVERYTHING,
		.shared = true,
		.deletes = 2,
	});
}

TEST(one_exec_and_every_request_from_a_checkpoint)
{
	explore(&(struct setup){
		.name = "every request, from a checkpoint",
		.execs = 1,
		.moves = EVERYTHING & ~(uint32_t)(IS_SLOW ? DO_CANCEL | DO_CHECKPOINT : 0),
		.restore = true,
		.deletes = 2,
	});
}

/* Whether a client still waits is part of the state here; elsewhere somebody always does. */
TEST(one_exec_and_who_waits_for_an_answer)
{
	explore(&(struct setup){
		.name = "answers, one exec",
		.execs = 1,
		.moves = DO_START | DO_DELETE | DO_WAIT | DO_KILL | DO_PAUSE | DO_HANGUP |
			 DO_CRASH | DO_FAIL | OF_AN_EXEC,
		.shared = true,
		.heard = true,
		.deletes = 2,
	});
}
