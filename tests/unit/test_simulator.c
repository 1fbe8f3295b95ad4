/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Simulator: the supervisor in a simulated world (sim_world.h), under random schedules: requests over several
 * connections, processes that exit at any moment, failures of any operation, OOM kills, deadlines, hang-ups, and a worker
 * that dies at any point and is followed by one that takes up its journal.
 *
 * A checker rebuilds from answers and events alone what happened, and compares it with the truth in the end: order, each
 * event once (again only after a death, and in the same words), exit codes, and that nothing is left.
 *
 * REEVE_SEED=N repeats schedule N first, REEVE_SCHEDULES=N makes so many, REEVE_TRACE=1 says what happens.
 */
#include "supervisor/supervisor.h"

#include <assert.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "sim_world.h"
#include "supervisor/payload.h"
#include "test.h"

#define IDS 3
#define EXEC_IDS 3
#define CONNS 4
#define STEPS 300
#define TASKS 256
#define TASK_EVENTS 512
#define TASK_EXECS 96
#define REQUESTS 1024

/* ---- what the checker knows ---- */

struct told_proc {
	char id[16];
	bool started, exited;
	uint32_t pid, status;
	uint64_t exited_ns;
	bool waited; /* a Wait was answered with this: */
	uint32_t wait_status;
	uint64_t wait_ns;
};

struct told_task {
	uint64_t number;
	char id[16];
	bool created, deleted, paused;
	unsigned int ooms;
	uint64_t sequence;
	uint64_t words[TASK_EVENTS]; /* hash of each event, to know it again */
	struct told_proc init;
	struct told_proc execs[TASK_EXECS]; /* each time an id is added is another one */
	int n_execs;
};

struct asked {
	struct task_addr addr;
	enum request_type type;
	struct told_task *task; /* that it is about, as far as was told then */
	struct told_proc *proc;
};

struct queued {
	uint64_t task, sequence;
};

struct bench {
	struct loop *loop;
	struct fdtable fds;
	struct supervisor *sup;
	struct test_tmpdir dir;
	struct told_task tasks[TASKS];
	int n_tasks;
	struct asked asked[REQUESTS]; /* not answered yet */
	int n_asked;
	struct queued queue[4096]; /* the publisher's: events not acknowledged */
	size_t n_queue;
	uint64_t conns[CONNS];
	uint64_t last_conn, last_stream;
	bool calm;
	unsigned int danger; /* a worker is doomed once in so many steps; 0: never */
	uint64_t seed;
	unsigned int step;
	size_t fds_before;
	/* of all schedules */
	uint64_t requests, answers, events, deaths, exits;
};

static struct bench bench;

void sim_wrong(const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	printf("# REEVE_SEED=%llu, step %u\n", (unsigned long long)bench.seed, bench.step);
	fail_msg("%s", text);
	abort();
}

#define MUST(cond, ...) \
	do { \
		if (!(cond)) \
			sim_wrong(__VA_ARGS__); \
	} while (0)

static struct told_task *task_numbered(uint64_t number)
{
	for (int i = 0; i < bench.n_tasks; i++)
		if (bench.tasks[i].number == number)
			return &bench.tasks[i];
	return NULL;
}

/* The one that lives, as far as was told. */
static struct told_task *task_of(const char *id)
{
	for (int i = bench.n_tasks; i-- > 0;)
		if (strcmp(bench.tasks[i].id, id) == 0)
			return bench.tasks[i].deleted ? NULL : &bench.tasks[i];
	return NULL;
}

static struct told_proc *exec_of(struct told_task *t, const char *id)
{
	for (int i = t->n_execs; i-- > 0;)
		if (strcmp(t->execs[i].id, id) == 0)
			return &t->execs[i];
	return NULL;
}

/* ---- events ---- */

static bool somebody_waits_for_a_start(const struct told_proc *p)
{
	for (int i = 0; i < bench.n_asked; i++)
		if (bench.asked[i].proc == p && bench.asked[i].type == REQ_START)
			return true;
	return false;
}

static uint32_t status_of(int wait_status)
{
	return WIFSIGNALED(wait_status) ? 128u + (uint32_t)WTERMSIG(wait_status)
					: (uint32_t)WEXITSTATUS(wait_status);
}

static void told_exit(struct told_task *t, struct told_proc *p, const struct event *e)
{
	const struct sim_proc *truth = sim_proc_of((pid_t)e->pid);

	MUST(!p->exited, "INV-4, 6: a second exit of %s", p->id);
	MUST(!t->init.exited, "INV-8: an exit of %s after that of its init", p->id);
	MUST(p == &t->init || p->started, "INV-7: an exit of %s, which was never started", p->id);
	MUST(p->pid == e->pid, "exit of %s: pid %u, not %u", p->id, e->pid, p->pid);
	MUST(truth && !truth->alive, "exit of %s: process %u lives", p->id, e->pid);
	MUST(status_of(truth->status) == e->exit_status, "exit of %s: status %u, not %u", p->id,
		e->exit_status, status_of(truth->status));
	MUST(!somebody_waits_for_a_start(p), "INV-3: %s has exited, and its start is not answered",
		p->id);
	MUST(!p->waited || (p->wait_status == e->exit_status && p->wait_ns == e->exited_wall_ns),
		"INV-14: Wait of %s told another exit", p->id);
	MUST(!truth->by_oom || t->ooms > 0 || p != &t->init,
		"INV-16: %s was killed for memory, and nobody was told", p->id);
	for (int i = 0; p == &t->init && i < t->n_execs; i++)
		MUST(!t->execs[i].started || t->execs[i].exited,
			"INV-8: the init's exit is told while %s lives", t->execs[i].id);
	p->exited = true;
	p->status = e->exit_status;
	p->exited_ns = e->exited_wall_ns;
	bench.exits++;
}

static void told_created(struct told_task *t, const struct event *e)
{
	MUST(!t->created && e->sequence == 1, "INV-1: create is not the first event");
	t->created = true;
	snprintf(t->id, sizeof(t->id), "%s", e->id);
	snprintf(t->init.id, sizeof(t->init.id), "%s", e->id);
	t->init.pid = e->pid;
}

static void told_started(struct told_task *t, struct told_proc *p, const struct event *e)
{
	MUST(!p->started && !p->exited, "INV-3, 6: start of %s is late or told twice", p->id);
	MUST(!t->init.exited, "INV-9: %s has started after its init's exit", p->id);
	MUST(sim_proc_of((pid_t)e->pid) && sim_proc_of((pid_t)e->pid)->released,
		"INV-2: start of %s is told, and it has not started", p->id);
	MUST(p != &t->init || p->pid == e->pid, "start of %s has another pid", p->id);
	p->started = true;
	p->pid = e->pid;
}

static void told_deleted(struct told_task *t, const struct event *e)
{
	MUST(t->init.exited, "INV-10: delete before the exit");
	MUST(e->exit_status == t->init.status && e->exited_wall_ns == t->init.exited_ns,
		"INV-21: delete tells another exit");
	t->deleted = true;
}

static void told_new(struct told_task *t, const struct event *e)
{
	struct told_proc *p = &t->init;

	MUST(t->created || e->topic == TOPIC_CREATE, "INV-1: an event before create");
	MUST(!t->deleted, "INV-11: an event after delete");
	if (e->exec_id && e->topic == TOPIC_EXEC_ADDED) {
		MUST(t->n_execs < TASK_EXECS, "too many execs for the checker");
		p = &t->execs[t->n_execs++];
		snprintf(p->id, sizeof(p->id), "%s", e->exec_id);
	} else if (e->exec_id) {
		p = exec_of(t, e->exec_id);
		MUST(p, "INV-5: an event of an exec that was not added");
	}
	switch (e->topic) {
	case TOPIC_CREATE:
		told_created(t, e);
		break;
	case TOPIC_START:
	case TOPIC_EXEC_STARTED:
		told_started(t, p, e);
		break;
	case TOPIC_EXIT:
		told_exit(t, p, e);
		break;
	case TOPIC_DELETE:
		told_deleted(t, e);
		break;
	case TOPIC_OOM:
		t->ooms++;
		break;
	case TOPIC_PAUSED:
	case TOPIC_RESUMED:
		MUST(t->paused == (e->topic == TOPIC_RESUMED),
			"INV-17: paused and resumed not in turn");
		t->paused = e->topic == TOPIC_PAUSED;
		break;
	default:
		break;
	}
	MUST(!t->init.exited || e->topic == TOPIC_EXIT || e->topic == TOPIC_DELETE,
		"an event between exit and delete");
}

static uint64_t words_of(const struct event *e)
{
	char text[256];
	uint64_t h = 1469598103934665603u;

	snprintf(text, sizeof(text), "%d %s %s %u %u %llu", (int)e->topic, e->id,
		e->exec_id ? e->exec_id : "", e->pid, e->exit_status,
		(unsigned long long)e->exited_wall_ns);
	for (const char *c = text; *c; c++)
		h = (h ^ (unsigned char)*c) * 1099511628211u;
	return h;
}

static void on_event(void *arg, const struct event *e)
{
	struct told_task *t = task_numbered(e->task);

	(void)arg;
	if (sim_point())
		return;
	sim_trace("event %s of %s/%s, task %llu, %llu", task_topic_name(e->topic), e->id,
		e->exec_id ? e->exec_id : "", (unsigned long long)e->task,
		(unsigned long long)e->sequence);
	MUST(bench.n_queue < ARRAY_LEN(bench.queue), "too many events wait");
	bench.queue[bench.n_queue++] = (struct queued){ e->task, e->sequence };
	if (!t) {
		MUST(bench.n_tasks < TASKS, "too many tasks for the checker");
		t = &bench.tasks[bench.n_tasks++];
		*t = (struct told_task){ .number = e->task };
	}
	MUST(e->sequence < TASK_EVENTS, "too many events of a task");
	MUST(e->sequence <= t->sequence + 1, "INV-19: a gap in the events of a task");
	if (e->sequence <= t->sequence) { /* its worker died before it was acknowledged */
		MUST(t->words[e->sequence] == words_of(e),
			"INV-19: an event is told again in other words");
		return;
	}
	t->sequence = e->sequence;
	t->words[e->sequence] = words_of(e);
	bench.events++;
	told_new(t, e);
}

/* ---- answers ---- */

static void answered_wait(const struct asked *a, const struct response *r)
{
	struct told_proc *p = a->proc;

	if (r->exited_wall_ns == 0) {
		MUST(!p || !p->exited, "INV-14: Wait says that %s never ran", p->id);
		return;
	}
	MUST(p, "a Wait for nobody is answered");
	MUST(!p->exited || (p->status == r->exit_status && p->exited_ns == r->exited_wall_ns),
		"INV-14: Wait of %s tells another exit", p->id);
	p->waited = true;
	p->wait_status = r->exit_status;
	p->wait_ns = r->exited_wall_ns;
}

static void answered_delete(const struct asked *a, const struct response *r)
{
	const struct told_proc *p = a->proc;

	MUST(a->task && p, "a Delete of nobody is answered");
	MUST(p != &a->task->init || a->task->deleted,
		"INV-13: Delete is answered before its event");
	MUST(!p->started || p->exited, "Delete of %s is answered while it lives", p->id);
	MUST(!p->exited || (r->exit_status == p->status && r->exited_wall_ns == p->exited_ns),
		"INV-21: Delete of %s tells another exit", p->id);
}

static void answered(const struct asked *a, const struct response *r)
{
	switch (r->type) {
	case REQ_START:
		MUST(a->proc && a->proc->started, "INV-13: Start is answered before its event");
		MUST(!a->proc->exited, "INV-3: Start is answered after the exit");
		break;
	case REQ_WAIT:
		answered_wait(a, r);
		break;
	case REQ_DELETE:
		answered_delete(a, r);
		break;
	case REQ_STATE:
		MUST(!a->proc || !a->proc->exited || r->state.status == STATUS_STOPPED,
			"INV-15: %s has exited, and is %s", a->proc->id,
			task_status_name(r->state.status));
		break;
	case REQ_PAUSE:
		MUST(a->task && a->task->sequence > 0,
			"INV-13: Pause is answered before its event");
		break;
	default:
		break;
	}
}

static void on_reply(void *arg, struct task_addr to, const struct response *r)
{
	struct asked a;
	int i = 0;

	(void)arg;
	if (sim_point())
		return;
	while (i < bench.n_asked && !task_addr_eq(bench.asked[i].addr, to))
		i++;
	MUST(i < bench.n_asked, "an answer to nobody: %s", request_type_name(r->type));
	a = bench.asked[i];
	MUST(a.type == r->type, "%s is answered as %s", request_type_name(a.type),
		request_type_name(r->type));
	sim_trace("%s: %s%s", request_type_name(r->type), task_code_name(r->code),
		r->code ? r->text : "");
	bench.asked[i] = bench.asked[--bench.n_asked];
	bench.answers++;
	if (r->code == CODE_OK)
		answered(&a, r);
	else
		MUST(r->text && *r->text, "%s is refused without a reason",
			request_type_name(r->type));
	MUST(r->type != REQ_START || !a.task || !a.task->init.exited || r->code != CODE_OK,
		"INV-9: a start after the init's exit");
}

static void on_log(void *arg, const char *ns, const char *id, const struct task_input *in)
{
	(void)arg, (void)ns;
	sim_trace("log %s of %s", input_type_name(in->type), id);
	sim_point();
}

static int save_events(void *arg, struct buf *out)
{
	(void)arg;
	buf_add(out, bench.queue, bench.n_queue * sizeof(bench.queue[0]));
	return buf_ok(out);
}

static int load_events(void *arg, const void *data, size_t size, struct err *err)
{
	(void)arg, (void)err;
	MUST(size <= sizeof(bench.queue) && size % sizeof(bench.queue[0]) == 0,
		"saved events are damaged");
	bench.n_queue = size / sizeof(bench.queue[0]);
	if (size)
		memcpy(bench.queue, data, size);
	return 0;
}

static void take_acked(void)
{
	memmove(bench.queue, bench.queue + 1, --bench.n_queue * sizeof(bench.queue[0]));
}

static void forget_event(void *arg, uint64_t task, uint64_t sequence)
{
	(void)arg;
	if (sim.dead)
		return;
	MUST(bench.n_queue > 0 && bench.queue[0].task == task &&
			bench.queue[0].sequence == sequence,
		"INV-19: the journal has lost events");
	take_acked();
}

static void on_shutdown(void *arg)
{
	(void)arg;
}

static const struct supervisor_sink sink = {
	.reply = on_reply,
	.event = on_event,
	.log = on_log,
	.save_events = save_events,
	.load_events = load_events,
	.forget_event = forget_event,
	.shutdown = on_shutdown,
};

/* ---- workers ---- */

static void open_conns(void)
{
	for (int i = 0; i < CONNS; i++)
		bench.conns[i] = ++bench.last_conn;
}

static void worker_start(void)
{
	struct supervisor_config config = {
		.sink = &sink,
		.backend = &sim_backend,
		.fds = &bench.fds,
		.journaled = true,
		.journal_max = sim_one_in(2) ? 1 : 0, /* rewritten all the time, or never */
	};

	assert_ok(loop_new(&bench.loop));
	assert_ok(exit_source_new(bench.loop, &sim.exits));
	sim.fds = &bench.fds;
	sim.ring_read = sim.ring_tail;
	bench.n_queue = 0;
	config.loop = bench.loop;
	config.exits = sim.exits;
	assert_ok(supervisor_new(&config, &bench.sup, NULL));
	assert_ok(supervisor_load(bench.sup, NULL));
	MUST(sim.dead || supervisor_last_conn(bench.sup) <= bench.last_conn,
		"a connection that never was");
	open_conns();
	while (sim_tell_exit()) /* the guardian has kept them */
		;
}

static void worker_end(void)
{
	supervisor_free(bench.sup);
	MUST(bench.fds.n == 0, "fd '%s' is left in the table", bench.fds.entries[0].name);
	MUST(sim.containers == 0 && sim.processes == 0, "objects of the back end are left");
	fdtable_done(&bench.fds);
	exit_source_free(sim.exits);
	loop_free(bench.loop);
	memset(sim.calls, 0, sizeof(sim.calls));
}

/* The next worker takes over; it may die as well. */
static void recover(void)
{
	while (sim.dead) {
		bench.deaths++;
		worker_end();
		sim_end_the_unkept();
		bench.fds = sim.kept;
		sim.kept = (struct fdtable){ 0 };
		bench.n_asked = 0; /* their connections are gone */
		sim.dead = false;
		if (sim_one_in(4) && !bench.calm)
			sim.die_in = 1 + (int)sim_below(20);
		sim_trace("another worker");
		worker_start();
	}
}

static void round_(void)
{
	assert_true(loop_round(bench.loop, 0) >= 0);
}

/* ---- clients ---- */

static void ask(enum request_type type, const char *id, const char *exec_id)
{
	struct request req = { .type = type, .ns = "k8s.io", .id = id, .exec_id = exec_id };
	struct asked *a = &bench.asked[bench.n_asked];
	char bundle[128];

	if (bench.n_asked == REQUESTS)
		return;
	snprintf(bundle, sizeof(bundle), "%s/%s", bench.dir.path, id);
	if (type == REQ_CREATE)
		req.create.bundle = bundle;
	if (type == REQ_EXEC)
		req.exec.spec = "{}", req.exec.spec_size = 2;
	if (type == REQ_UPDATE)
		req.update.resources = "{}", req.update.size = 2;
	if (type == REQ_CHECKPOINT)
		req.checkpoint.path = "/img";
	if (type == REQ_KILL) {
		req.kill.signal = sim_one_in(3) && !bench.calm ? SIGTERM : SIGKILL;
		req.kill.all = sim_one_in(4);
	}
	if (sim_one_in(8) && !bench.calm)
		req.deadline_boot_ns = sim.boot_ns + sim_below(2000) * NS_PER_MS;
	*a = (struct asked){ .type = type, .task = task_of(id) };
	a->addr = (struct task_addr){ bench.conns[sim_below(CONNS)], bench.last_stream += 2 };
	if (a->task)
		a->proc = exec_id ? exec_of(a->task, exec_id) : &a->task->init;
	if (type == REQ_EXEC || type == REQ_CREATE)
		a->proc = NULL;
	bench.n_asked++;
	bench.requests++;
	sim_trace("%s %s/%s", request_type_name(type), id, exec_id ? exec_id : "");
	supervisor_request(bench.sup, a->addr, &req);
}

static const char *const ids[IDS] = { "a", "b", "c" };
static const char *const exec_ids[EXEC_IDS] = { "x", "y", "z" };

static void random_request(void)
{
	static const enum request_type of_task[] = { REQ_CREATE, REQ_START, REQ_START, REQ_START,
		REQ_START, REQ_START, REQ_START, REQ_WAIT, REQ_WAIT, REQ_STATE, REQ_PIDS, REQ_KILL,
		REQ_DELETE, REQ_DELETE, REQ_PAUSE, REQ_RESUME, REQ_RESUME, REQ_UPDATE,
		REQ_CHECKPOINT, REQ_CONNECT, REQ_STATS, REQ_CLOSE_IO, REQ_RESIZE_PTY };
	static const enum request_type of_exec[] = { REQ_EXEC, REQ_EXEC, REQ_START, REQ_START,
		REQ_START, REQ_WAIT, REQ_STATE, REQ_KILL, REQ_DELETE, REQ_DELETE, REQ_CLOSE_IO,
		REQ_RESIZE_PTY };

	const char *id = ids[sim_below(IDS)];

	if (!task_of(id) && !sim_one_in(8))
		ask(REQ_CREATE, id, NULL);
	else if (sim_one_in(2))
		ask(of_task[sim_below(ARRAY_LEN(of_task))], id, NULL);
	else
		ask(of_exec[sim_below(ARRAY_LEN(of_exec))], id, exec_ids[sim_below(EXEC_IDS)]);
}

static void hang_up(void)
{
	int which = (int)sim_below(CONNS);
	uint64_t conn = bench.conns[which];

	sim_trace("hang-up of %llu", (unsigned long long)conn);
	for (int i = 0; i < bench.n_asked;)
		if (bench.asked[i].addr.conn == conn)
			bench.asked[i] = bench.asked[--bench.n_asked];
		else
			i++;
	supervisor_hangup(bench.sup, conn);
	bench.conns[which] = ++bench.last_conn;
}

/* Subscribers take events in their order. */
static void publish(void)
{
	for (unsigned int n = 1 + sim_below(4); n > 0 && bench.n_queue > 0 && !sim.dead; n--) {
		struct queued q = bench.queue[0];

		take_acked();
		supervisor_acked(bench.sup, q.task, q.sequence);
	}
}

static void pass_time(void)
{
	uint64_t ns = sim_below(800) * NS_PER_MS;

	sim.boot_ns += ns;
	sim.wall_ns += ns;
	round_();
}

static void random_step(void)
{
	unsigned int r = sim_below(100);

	if (r < 38)
		random_request();
	else if (r < 60 || r >= 98)
		sim_finish();
	else if (r < 70)
		sim_tell_exit();
	else if (r < 76)
		sim_somebody_exits();
	else if (r < 78)
		sim_out_of_memory();
	else if (r < 80)
		sim_notify();
	else if (r < 82)
		hang_up();
	else if (r < 90)
		publish();
	else
		pass_time();
	if (bench.danger && sim.die_in == 0 && sim_one_in(bench.danger))
		sim.die_in = 1 + (int)sim_below(12);
	recover();
	if (sim_one_in(2))
		round_();
	recover();
}

/* ---- the end of a schedule ---- */

static void let_everything_end(void)
{
	for (int i = 0; i < 400; i++) {
		bool more = sim_finish();

		more |= sim_tell_exit();
		sim_notify();
		publish();
		round_();
		if (!more)
			break;
	}
}

static void end_task(const char *id)
{
	const struct sim_box *b;

	ask(REQ_KILL, id, NULL);
	let_everything_end();
	b = sim_box_by_id(id);
	/* Its execs end by themselves; one that hung would be killed with the init. */
	for (int i = 0; b && i < sim.n_procs; i++)
		if (sim.procs[i].box == b->number && !sim.procs[i].is_init)
			sim_die(&sim.procs[i], 0);
	let_everything_end();
	ask(REQ_DELETE, id, NULL);
	let_everything_end();
}

static void check_the_end(void)
{
	MUST(supervisor_count(bench.sup) == 0, "%zu tasks are left", supervisor_count(bench.sup));
	MUST(bench.n_queue == 0, "INV-20: events are left");
	MUST(bench.n_asked == 0, "%s is never answered", request_type_name(bench.asked[0].type));
	for (int i = 0; i < SIM_BOXES; i++)
		MUST(sim.boxes[i].number == 0, "container '%s' is left", sim.boxes[i].id);
	for (int i = 0; i < sim.n_procs; i++)
		MUST(!sim.procs[i].alive, "process %d is left", sim.procs[i].pid);
	for (int i = 0; i < bench.n_tasks; i++) {
		const struct told_task *t = &bench.tasks[i];

		MUST(t->deleted && t->init.exited, "INV-18: the end of '%s' is not told", t->id);
		for (int k = 0; k < t->n_execs; k++)
			MUST(t->execs[k].started == t->execs[k].exited,
				"INV-6: the exit of '%s' is not told", t->execs[k].id);
	}
}

static void end_schedule(void)
{
	bench.calm = sim.calm = true;
	sim.die_in = 0;
	for (int i = 0; i < 20 && (i < 2 || supervisor_count(bench.sup) > 0); i++) {
		let_everything_end();
		for (int k = 0; k < IDS; k++)
			end_task(ids[k]);
		pass_time();
	}
	let_everything_end();
	check_the_end();
}

static void begin_schedule(uint64_t seed)
{
	uint64_t boot = sim.boot_ns, wall = sim.wall_ns;

	memset(&sim, 0, sizeof(sim));
	sim.random = seed;
	sim.boot_ns = boot ? boot : NS_PER_SEC;
	sim.wall_ns = wall ? wall : 1700000000 * NS_PER_SEC;
	sim.trace = getenv("REEVE_TRACE") != NULL;
	bench.seed = seed;
	bench.n_tasks = bench.n_asked = 0;
	bench.last_conn = bench.last_stream = 0;
	bench.calm = false;
	bench.danger = sim_one_in(3) ? 0 : 20 << sim_below(4);
	worker_start();
}

static void run_schedule(uint64_t seed)
{
	begin_schedule(seed);
	for (bench.step = 0; bench.step < STEPS; bench.step++)
		random_step();
	end_schedule();
	worker_end();
	MUST(test_open_fds() == bench.fds_before, "fds are left open");
}

/* ---- the test ---- */

/* The signal is this thread's own, from an assertion: nothing else is at work in stdio. */
static void on_abort(int sig)
{
	/* NOLINTNEXTLINE(bugprone-signal-handler) */
	printf("# signal %d: REEVE_SEED=%llu, step %u\n", sig, (unsigned long long)bench.seed,
		bench.step);
	fflush(stdout); /* NOLINT(bugprone-signal-handler) */
	signal(sig, SIG_DFL);
	raise(sig);
}

static uint64_t first_seed(void)
{
	struct timespec now;

	if (getenv("REEVE_SEED"))
		return strtoull(getenv("REEVE_SEED"), NULL, 10);
	clock_gettime(CLOCK_REALTIME, &now);
	return ((uint64_t)now.tv_sec * NS_PER_SEC + (uint64_t)now.tv_nsec) % 1000000000;
}

TEST(random_schedules_keep_the_order_and_leave_nothing)
{
	uint64_t first = first_seed();
	unsigned long n =
		getenv("REEVE_SCHEDULES") ? strtoul(getenv("REEVE_SCHEDULES"), NULL, 10) : 5000;

	printf("# REEVE_SEED=%llu\n", (unsigned long long)first);
	fflush(stdout);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGABRT, on_abort);
	signal(SIGSEGV, on_abort);
	bench.dir = test_tmpdir_memory();
	for (int i = 0; i < IDS; i++)
		assert_ok(mkdirat(bench.dir.fd, ids[i], 0700));
	bench.fds_before = test_open_fds();
	for (unsigned long i = 0; i < n; i++)
		run_schedule(first + i);
	printf("# %lu schedules: %llu requests, %llu answers, %llu events, %llu exits told, %llu "
	       "workers died\n",
		n, (unsigned long long)bench.requests, (unsigned long long)bench.answers,
		(unsigned long long)bench.events, (unsigned long long)bench.exits,
		(unsigned long long)bench.deaths);
	test_tmpdir_remove(&bench.dir);
}
