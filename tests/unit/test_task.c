/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The core, row by row. A row says what was given, what then comes in, and what must come out, in order.
 *
 * In:  create restore start start:x add:x delete delete:x kill=SIG kill:x=SIG killall=SIG pause resume update checkpoint
 *      state state:x wait wait:x pids stats connect resize resize:x close-io close-io:x cancel:REQUEST[:x] hangup oom
 *      reload; did:REQUEST[:x][=PID] and fail:REQUEST[:x][=ERRNO] end the oldest such request that is with the back end;
 *      made:x=PID; exit[:x]=CODE (sCODE: a signal, CODE+oom: with an OOM kill); late:x=CODE: the exit of the process
 *      of an earlier start of x; create with a pid below 1000 has its own pid namespace, others share one
 * Out: [order] [order x] +event(...) request:ANSWER request(x):ANSWER request!CODE
 */
#include "task/task.h"

#include <errno.h>

#include "task_observer.h"
#include "test.h"

#define EXECS 3
#define OPS 32

struct bench {
	struct task t;
	struct task_exec execs[EXECS];
	struct task_op ops[OPS];
	struct effect v[128];
	struct effects fx;
	struct observer seen;
	uint64_t stream;
	uint64_t first_token[EXECS]; /* by slot: of the first start */
	unsigned char log[1 << 16];
	size_t log_size;
	char out[4096];
	size_t out_len;
	char text[700]; /* of the last refusal */
	char names[EXECS][TASK_ID_MAX + 1];
};

static void bench_init(struct bench *b)
{
	memset(b, 0, sizeof(*b));
	assert_ok(task_init(&b->t, "c"));
	b->t.execs = b->execs;
	b->t.cap_execs = EXECS;
	b->t.ops = b->ops;
	b->t.cap_ops = OPS;
	b->fx.v = b->v;
	b->fx.cap = 128;
}

__attribute__((format(printf, 2, 3))) static void say(struct bench *b, const char *fmt, ...)
{
	va_list ap;

	if (b->out_len > 0)
		b->out[b->out_len++] = ' ';
	va_start(ap, fmt);
	b->out_len += (size_t)vsnprintf(b->out + b->out_len, sizeof(b->out) - b->out_len, fmt, ap);
	va_end(ap);
	assert_true(b->out_len < sizeof(b->out) - 1);
}

static void say_event(struct bench *b, const struct effect *e, const char *x)
{
	const char *topic = task_topic_name(e->topic) + strlen("/tasks/");

	switch (e->topic) {
	case TOPIC_CREATE:
	case TOPIC_START:
		say(b, "+%s(%u)", topic, e->pid);
		break;
	case TOPIC_EXEC_ADDED:
		say(b, "+%s(%s)", topic, x);
		break;
	case TOPIC_EXEC_STARTED:
		say(b, "+%s(%s,%u)", topic, x, e->pid);
		break;
	case TOPIC_EXIT:
		if (e->exec == TASK_INIT)
			say(b, "+%s(%u)", topic, e->exit_status);
		else
			say(b, "+%s(%s,%u)", topic, x, e->exit_status);
		break;
	case TOPIC_DELETE:
		say(b, "+%s(%u)", topic, e->exit_status);
		break;
	default:
		say(b, "+%s", topic);
	}
}

static void say_reply(struct bench *b, const struct effect *e, const char *x)
{
	const char *name = input_type_name(e->request);
	char who[64];

	snprintf(who, sizeof(who), e->exec == TASK_INIT ? "%s" : "%s(%s)", name, x);
	if (e->code != CODE_OK) {
		say(b, "%s!%u", who, (unsigned int)e->code);
		snprintf(b->text, sizeof(b->text), "%s", e->text);
		return;
	}
	switch (e->request) {
	case IN_CREATE:
	case IN_START:
	case IN_CONNECT:
		say(b, "%s:%u", who, e->pid);
		break;
	case IN_DELETE:
	case IN_WAIT:
		if (e->exited_wall_ns == 0)
			say(b, "%s:never", who);
		else
			say(b, "%s:%u", who, e->exit_status);
		break;
	case IN_STATE:
		say(b, "%s:%s/%u/%u", who, task_status_name(e->status), e->pid, e->exit_status);
		break;
	default:
		say(b, "%s:ok", who);
	}
}

static void say_order(struct bench *b, const struct effect *e, const char *x)
{
	const char *name = effect_type_name(e->type);
	char detail[64] = "";

	if (e->type == FX_KILL)
		snprintf(detail, sizeof(detail), " %u%s", e->signal, e->all ? " all" : "");
	if ((e->type == FX_EXEC_START || e->type == FX_CREATE) && e->stdin_closed)
		snprintf(detail, sizeof(detail), " eof");
	if (e->type == FX_PIDS)
		snprintf(detail, sizeof(detail), " %u", e->pid);
	say(b, "[%s%s%s%s%s]", e->again ? "again " : "", name, *x ? " " : "", x, detail);
}

static void perform(struct bench *b, bool quiet)
{
	for (size_t i = 0; i < b->fx.n; i++) {
		const struct effect *e = &b->fx.v[i];
		const char *x = e->exec == TASK_INIT ? "" : b->names[e->exec];
		const char *wrong;

		if (e->type == FX_EXEC_NEW)
			snprintf(b->names[e->exec], sizeof(b->names[0]), "%s",
				b->t.execs[e->exec].id);
		if (e->type == FX_EXEC_START && b->first_token[e->exec] == 0)
			b->first_token[e->exec] = e->token;
		wrong = observe(&b->seen, e);
		if (wrong)
			fail_msg("%s", wrong);
		if (quiet || e->type == FX_LOG || e->type == FX_EXEC_NEW)
			continue;
		if (e->type == FX_EVENT)
			say_event(b, e, x);
		else if (e->type == FX_REPLY)
			say_reply(b, e, x);
		else
			say_order(b, e, x);
	}
}

/* The record after a step that was logged can be read back; one that was not logged has changed nothing. */
static void check_record(struct bench *b, const unsigned char *before, size_t before_size)
{
	static unsigned char after[1 << 14], again[1 << 14];
	struct task_exec execs[EXECS];
	struct task_op ops[OPS];
	struct task copy = { .execs = execs, .cap_execs = EXECS, .ops = ops, .cap_ops = OPS };
	size_t size = task_encode(&b->t, after, sizeof(after));
	bool logged = b->fx.n > 0 && b->fx.v[0].type == FX_LOG;
	bool same = size == before_size && memcmp(before, after, size) == 0;
	uint32_t n_execs, n_ops;
	struct err err;

	assert_true(size <= sizeof(after));
	if (task_check_all(&b->t, &err) < 0)
		fail_msg("%s", err.text);
	if (logged == same)
		fail_msg("the record %s, the input was%s logged", same ? "is as it was" : "changed",
			logged ? "" : " not");
	for (size_t i = 1; i < b->fx.n; i++)
		assert_int_not_equal(b->fx.v[i].type, FX_LOG);
	assert_ok(task_decode_room(after, size, &n_execs, &n_ops, &err));
	assert_int_equal(n_execs, b->t.n_execs);
	assert_int_equal(n_ops, b->t.n_ops);
	if (task_decode(after, size, &copy, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(task_encode(&copy, again, sizeof(again)), size);
	assert_memory_equal(again, after, size);
}

static void feed(struct bench *b, const struct task_input *in, bool quiet)
{
	static unsigned char before[1 << 14];
	size_t size = task_encode(&b->t, before, sizeof(before));
	size_t n;

	/* Through the form in which it is logged. */
	n = input_encode(in, b->log + b->log_size + 2, sizeof(b->log) - b->log_size - 2);
	assert_true(n < 4096 && b->log_size + 2 + n < sizeof(b->log));
	b->log[b->log_size] = (unsigned char)(n >> 8);
	b->log[b->log_size + 1] = (unsigned char)n;

	struct task_input read;
	struct err err;

	if (input_decode(b->log + b->log_size + 2, n, &read, &err) < 0)
		fail_msg("%s", err.text);
	task_step(&b->t, &read, &b->fx);
	if (b->fx.n > 0 && b->fx.v[0].type == FX_LOG)
		b->log_size += 2 + n;
	check_record(b, before, size);
	perform(b, quiet);
}

static enum input_type type_named(const char *name)
{
	for (unsigned int i = 0; i < INPUTS_; i++)
		if (strcmp(input_type_name(i), name) == 0)
			return i;
	if (strcmp(name, "add") == 0)
		return IN_EXEC;
	if (strcmp(name, "restore") == 0)
		return IN_CREATE;
	if (strcmp(name, "killall") == 0)
		return IN_KILL;
	fail_msg("no input is called '%s'", name);
	return INPUTS_;
}

static const struct task_op *issued_op(struct bench *b, const char *request, const char *x)
{
	uint32_t exec = *x ? task_find_exec(&b->t, x) : TASK_INIT;

	for (uint32_t i = 0; i < b->t.n_ops; i++)
		if (b->t.ops[i].issued && b->t.ops[i].request == type_named(request) &&
			b->t.ops[i].exec == exec)
			return &b->t.ops[i];
	fail_msg("no %s %s is with the back end", request, x);
	return NULL;
}

static void take_exit(
	struct bench *b, struct task_input *in, const char *x, const char *value, bool late)
{
	int code = (int)strtol(value + (*value == 's'), NULL, 10);
	uint32_t exec = *x ? task_find_exec(&b->t, x) : TASK_INIT;

	in->type = IN_EXIT;
	in->wait_status = *value == 's' ? code : code << 8;
	in->boot_ns = 5000;
	in->wall_ns = 7000;
	in->oom = strstr(value, "+oom") != NULL;
	if (late)
		in->token = b->first_token[exec];
	else
		in->token = exec == TASK_INIT ? b->t.init.token : b->t.execs[exec].proc.token;
}

static void take_outcome(struct bench *b, struct task_input *in, const char *request, const char *x,
	const char *value)
{
	long n = strtol(value, NULL, 10);

	in->op = issued_op(b, request, x)->id;
	if (in->type == IN_FAILED) {
		in->error = n ? -(int)n : -EIO;
		in->text = "it broke";
		return;
	}
	in->pid = (uint32_t)n;
	in->shared_pidns = n >= 1000;
}

static void take_word(struct bench *b, char *word, bool quiet)
{
	struct task_input in = { 0 };
	char *value = strchr(word, '=');
	char *x, *verb;

	if (value)
		*value++ = '\0';
	else
		value = strchr(word, '\0');
	verb = strsep(&word, ":");
	if (strcmp(verb, "did") == 0 || strcmp(verb, "fail") == 0 || strcmp(verb, "cancel") == 0) {
		char *request = strsep(&word, ":");

		x = word ? word : value + strlen(value);
		in.type = *verb == 'd' ? IN_DONE : IN_FAILED;
		if (*verb == 'c') {
			in.type = IN_CANCEL;
			in.addr = issued_op(b, request, x)->addr;
		} else {
			take_outcome(b, &in, request, x, value);
		}
		feed(b, &in, quiet);
		return;
	}
	x = word ? word : value + strlen(value);
	if (strcmp(verb, "made") == 0) {
		in.type = IN_MADE;
		take_outcome(b, &in, "start", x, value);
	} else if (strcmp(verb, "exit") == 0 || strcmp(verb, "late") == 0) {
		take_exit(b, &in, x, value, *verb == 'l');
	} else {
		in.type = type_named(verb);
		in.exec_id = x;
		in.restore = strcmp(verb, "restore") == 0;
		in.all = strcmp(verb, "killall") == 0;
		in.signal = (uint32_t)strtoul(value, NULL, 10);
		in.addr = (struct task_addr){ 1, b->stream += 2 };
	}
	if (in.type == IN_HANGUP)
		observe_hangup(&b->seen);
	feed(b, &in, quiet);
}

static void take_words(struct bench *b, const char *words, bool quiet)
{
	char copy[1024], *rest = copy, *word;

	snprintf(copy, sizeof(copy), "%s", words);
	while ((word = strsep(&rest, " ")))
		if (*word)
			take_word(b, word, quiet);
}

/* Loading is feeding: the inputs that were logged make the same record once more. */
static void check_replay(const struct bench *b)
{
	static struct bench other;
	static unsigned char one[1 << 14], two[1 << 14];
	size_t at = 0, size;

	bench_init(&other);
	while (at < b->log_size) {
		size_t n = (size_t)b->log[at] << 8 | b->log[at + 1];
		struct task_input in;
		struct err err;

		assert_ok(input_decode(b->log + at + 2, n, &in, &err));
		task_step(&other.t, &in, &other.fx);
		at += 2 + n;
	}
	size = task_encode(&b->t, one, sizeof(one));
	assert_int_equal(task_encode(&other.t, two, sizeof(two)), size);
	assert_memory_equal(one, two, size);
}

struct row {
	const char *name;
	const char *given; /* what it says is not looked at, beyond the observer */
	const char *in;
	const char *out;
	const char *text; /* of the last refusal */
};

static void run_row(const struct row *row)
{
	static struct bench b;

	bench_init(&b);
	take_words(&b, row->given, true);
	take_words(&b, row->in, false);
	if (strcmp(b.out, row->out) != 0)
		fail_msg("%s:\n  in:   %s | %s\n  want: %s\n  got:  %s", row->name, row->given,
			row->in, row->out, b.out);
	if (row->text && strcmp(b.text, row->text) != 0)
		fail_msg("%s:\n  want: %s\n  got:  %s", row->name, row->text, b.text);
	check_replay(&b);
}

static void run_rows(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		run_row(&rows[i]);
}

#define CREATED "create did:create=100 "
#define RUNNING CREATED "start did:start "
#define SHARED "create did:create=1000 start did:start "
#define EXEC_RUNS "add:a start:a made:a=20 did:start:a "

// clang-format off
static const struct row life[] = {
	{ "a whole life", "",
	  "create did:create=100 start did:start wait exit=3 delete did:delete did:delete",
	  "[create] +create(100) create:100 [start] +start(100) start:100 [flush] wait:3 +exit(3) "
	  "[drain] [do-delete] +delete(3) delete:3 [gone]" },
	{ "an exec's life", RUNNING,
	  "add:a start:a made:a=20 did:start:a wait:a exit:a=7 delete:a did:delete:a",
	  "+exec-added(a) exec(a):ok [exec-start a] [release a] +exec-started(a,20) start(a):20 "
	  "[flush a] wait(a):7 +exit(a,7) [drain a] delete(a):7 [exec-gone a]" },
	{ "a signal is 128 and its number", RUNNING, "exit=s9 state", "[flush] +exit(137) state:stopped/100/137" },
	{ "pause and resume", RUNNING, "pause state did:pause state resume did:resume state",
	  "[do-pause] state:pausing/100/0 +paused pause:ok state:paused/100/0 [do-resume] +resumed resume:ok "
	  "state:running/100/0" },
	{ "a pause that fails leaves it running", RUNNING, "pause fail:pause state",
	  "[do-pause] pause!2 state:running/100/0", "it broke" },
	{ "a resume that fails leaves it paused", RUNNING "pause did:pause", "resume fail:resume state",
	  "[do-resume] resume!2 state:paused/100/0" },
	{ "an exec is paused with its container", RUNNING EXEC_RUNS "pause did:pause", "state:a", "state(a):paused/20/0" },
	{ "a pause waits for an exec that is being made", RUNNING "add:a start:a made:a=20", "pause did:start:a did:pause",
	  "+exec-started(a,20) start(a):20 [do-pause] +paused pause:ok" },
	{ "a pause that waited is refused when the init exits", RUNNING "add:a start:a", "pause exit=1 fail:start:a",
	  "[cancel a] [flush] pause!2 start(a)!2 +exit(1)" },
	{ "an exec cannot start while paused", RUNNING "add:a pause did:pause", "start:a",
	  "start(a)!2", "OCI runtime exec failed: cannot exec in a paused container" },
	{ "update and checkpoint", RUNNING, "update did:update checkpoint did:checkpoint update fail:update",
	  "[do-update] update:ok [do-checkpoint] +checkpointed checkpoint:ok [do-update] update!2" },
	{ "what a back end cannot do at all is unimplemented", RUNNING, "checkpoint fail:checkpoint=95",
	  "[do-checkpoint] checkpoint!12" },
	{ "a failed create publishes nothing (INV-12)", "", "create fail:create", "[create] create!2 [gone]", "it broke" },
	{ "a failed start leaves it created", CREATED, "start fail:start state start did:start",
	  "[start] start!2 state:created/100/0 [start] +start(100) start:100" },
	{ "the exit of a failed start is published", CREATED "start", "exit=1 fail:start",
	  "start!2 [flush] +exit(1)" },
	{ "a delete that fails may be tried again", RUNNING "exit=0", "delete did:delete fail:delete delete did:delete did:delete",
	  "[drain] [do-delete] delete!2 [drain] [do-delete] +delete(0) delete:0 [gone]" },
	{ "output that cannot be drained does not stop a delete", RUNNING "exit=0", "delete fail:delete did:delete",
	  "[drain] [do-delete] +delete(0) delete:0 [gone]" },
	{ "delete kills what was never started (INV-10)", CREATED, "delete state start did:delete exit=s9 did:delete did:delete",
	  "[kill 9 all] state:created/100/0 start!2 [flush] +exit(137) [drain] [do-delete] +delete(137) delete:137 [gone]",
	  "cannot start a deleted process" },
	{ "the exit may come before that kill returns", CREATED, "delete exit=s9 did:delete did:delete did:delete",
	  "[kill 9 all] [flush] +exit(137) [drain] [do-delete] +delete(137) delete:137 [gone]" },
	{ "a kill that fails fails the delete", CREATED, "delete fail:delete state", "[kill 9 all] delete!2 state:created/100/0" },
	{ "one that found nobody waits for the exit", CREATED, "delete fail:delete=3 exit=1 did:delete did:delete",
	  "[kill 9 all] [flush] +exit(1) [drain] [do-delete] +delete(1) delete:1 [gone]" },
	{ "delete drops execs that were never started", RUNNING "add:a exit=0", "delete did:delete did:delete",
	  "[drain] [do-delete] +delete(0) delete:0 [exec-gone a] [gone]" },
	{ "an exec id is free after its delete", RUNNING "add:a", "add:a delete:a add:a",
	  "exec!6 delete(a):never [exec-gone a] +exec-added(a) exec(a):ok", "id a: already exists" },
	{ "a failed exec may be started again, and is another process", RUNNING "add:a start:a fail:start:a",
	  "start:a late:a=1 made:a=21 did:start:a exit:a=2",
	  "[exec-start a] [release a] +exec-started(a,21) start(a):21 [flush a] +exit(a,2)" },
	{ "CloseIO is remembered for an exec that is not started", RUNNING "add:a", "close-io:a close-io:a start:a",
	  "[close-stdin a] close-io(a):ok close-io(a):ok [exec-start a eof]" },
	{ "CloseIO and ResizePty of the init", RUNNING, "close-io resize exit=0 resize",
	  "[close-stdin] close-io:ok [resize-pty] resize:ok [flush] +exit(0) resize!2", "cannot resize a stopped container" },
	{ "Pids names the init of a stopped task", RUNNING "exit=0", "pids stats connect", "[pids 100] [stats] connect:100" },
	{ "kill of an exec in its start waits for it", RUNNING "add:a start:a", "kill:a=15 made:a=20 did:start:a did:kill:a",
	  "[release a] +exec-started(a,20) start(a):20 [kill a 15] kill(a):ok" },
	{ "a hangup ends waits unheard, and a start goes on", RUNNING "add:a start:a wait:a wait", "hangup made:a=20 did:start:a",
	  "[release a] +exec-started(a,20)" },
	{ "a deadline hurries the start it belongs to", RUNNING "add:a start:a", "cancel:start:a cancel:start:a fail:start:a=110",
	  "[cancel a] start(a)!4" },
	{ "a cancelled exec is not released", RUNNING "add:a start:a", "cancel:start:a made:a=20 fail:start:a=125",
	  "[cancel a] start(a)!1" },
	{ "from a checkpoint: no process until start", "", "restore did:create state start did:start=100 exit=0",
	  "[create] +create(0) create:0 state:created/0/0 [start] +start(100) start:100 [flush] +exit(0)" },
	{ "a restore that fails can be tried again, or deleted", "restore did:create", "start fail:start delete did:delete",
	  "[start] start!2 [do-delete] +delete(0) delete:never [gone]" },
	{ "what was under way is ordered again after a reload", RUNNING "add:a start:a pause", "reload", "[again exec-start a]" },
	{ "after a reload an outcome may come twice", RUNNING "pause reload did:pause", "state", "state:paused/100/0" },
	{ "a reload while draining kills what is left again", SHARED EXEC_RUNS "exit=1", "reload", "[kill-all] [thaw]" },
};

static const struct row invariants[] = {
	{ "INV-1 create comes first, an early OOM after it", "create", "oom did:create=100", "+create(100) create:100 +oom" },
	{ "INV-2 no start event for a failed start", CREATED, "start fail:start", "[start] start!2" },
	{ "INV-3 start before exit", CREATED, "start exit=0 did:start", "[start] +start(100) start:100 [flush] +exit(0)" },
	{ "INV-4 an init that dies unstarted has one exit", CREATED, "exit=1 exit=1", "[flush] +exit(1)" },
	{ "INV-5 added before started", RUNNING, "start:a add:a start:a", "start!5 +exec-added(a) exec(a):ok [exec-start a]",
	  "process does not exist a: not found" },
	{ "INV-6 exec-started before its exit, and one exit", RUNNING "add:a start:a made:a=20", "exit:a=0 exit:a=0 did:start:a",
	  "+exec-started(a,20) start(a):20 [flush a] +exit(a,0)" },
	{ "INV-7 a failed exec start publishes nothing and ends its waits", RUNNING "add:a wait:a", "start:a fail:start:a late:a=1 wait:a state:a",
	  "[exec-start a] start(a)!2 wait(a):never wait(a):never state(a):created/0/0" },
	{ "INV-8 the init's exit is the last one", SHARED EXEC_RUNS, "exit=1 exit:a=s9",
	  "[kill-all] [flush] [flush a] +exit(a,137) +exit(1)" },
	{ "INV-9 no exec starts after the init", RUNNING "add:a exit=0", "start:a", "start(a)!9",
	  "container c init process is not running: failed precondition" },
	{ "INV-9 nor while its exit waits for others", SHARED EXEC_RUNS "add:b exit=0", "start:b", "start(b)!9" },
	{ "INV-9 nor while its exit waits for its start", CREATED "add:a start exit=0", "start:a", "start(a)!9" },
	{ "INV-10 exit before delete", RUNNING "exit=0", "delete did:delete did:delete", "[drain] [do-delete] +delete(0) delete:0 [gone]" },
	{ "INV-11 no delete event before the delete succeeded", RUNNING "exit=0", "delete did:delete fail:delete", "[drain] [do-delete] delete!2" },
	{ "INV-12 a failed create publishes nothing, whatever happened meanwhile", "create", "oom exit=137 fail:create", "create!2 [gone]" },
	{ "INV-13 event, then reply", CREATED, "start did:start", "[start] +start(100) start:100" },
	{ "INV-14 Wait says what TaskExit says", RUNNING, "wait exit=42 wait", "[flush] wait:42 +exit(42) wait:42" },
	{ "INV-15 stopped as soon as the exit is known", SHARED EXEC_RUNS "exit=5", "state wait", "state:stopped/1000/5 wait:5" },
	{ "INV-16 OOM before the exit that it caused", RUNNING, "exit=s9+oom oom", "+oom [flush] +exit(137)" },
	{ "INV-17 no paused event when the pause fails", RUNNING, "pause fail:pause", "[do-pause] pause!2" },
	{ "INV-18 the init's exit comes out when the last start fails", SHARED "add:a start:a", "exit=1 fail:start:a",
	  "[kill-all] [cancel a] [flush] start(a)!2 +exit(1)" },
	{ "INV-21 Delete says what TaskExit said", RUNNING "exit=s15", "delete did:delete did:delete",
	  "[drain] [do-delete] +delete(143) delete:143 [gone]" },
};

static const struct row races[] = {
	{ "RACE-1 the init exits before its pid is known", "create", "exit=1 did:create=100", "+create(100) create:100 [flush] +exit(1)" },
	{ "RACE-2 an exec exits before its start returns", RUNNING "add:a wait:a start:a", "made:a=20 exit:a=7 did:start:a",
	  "[release a] +exec-started(a,20) start(a):20 [flush a] wait(a):7 +exit(a,7)" },
	{ "RACE-3 the init dies while it is created", "create", "exit=s9 did:create=100 state",
	  "+create(100) create:100 [flush] +exit(137) state:stopped/100/137" },
	{ "RACE-4 the init exits while Start runs", CREATED "wait start", "exit=0 state did:start",
	  "state:created/100/0 +start(100) start:100 [flush] wait:0 +exit(0)" },
	{ "RACE-5 execs pending at the init's exit fail", SHARED "add:a add:b start:a start:b", "exit=1 fail:start:a fail:start:b",
	  "[kill-all] [cancel a] [cancel b] [flush] start(a)!2 start(b)!2 +exit(1)" },
	{ "RACE-6 an exec pending at the init's exit starts all the same", SHARED "add:a start:a made:a=20", "exit=1 did:start:a exit:a=s9",
	  "[kill-all] [cancel a] [flush] +exec-started(a,20) start(a):20 [kill a 9] [flush a] +exit(a,137) +exit(1)" },
	{ "RACE-7 an exec that hangs in its start is cancelled", RUNNING "add:a start:a", "exit=1", "[cancel a] [flush]" },
	{ "RACE-8 only the init's exit is held back", SHARED "add:a add:b start:a start:b made:b=21 did:start:b", "exit:b=4 exit=1",
	  "[flush b] +exit(b,4) [kill-all] [cancel a] [flush]" },
	{ "RACE-9 an exit is known by its token, not its pid", RUNNING "add:a start:a fail:start:a start:a made:a=100 did:start:a",
	  "late:a=1 exit:a=2", "[flush a] +exit(a,2)" },
	{ "RACE-10 the init is reaped before its exec", RUNNING EXEC_RUNS, "exit=0 exit:a=s9", "[flush] [flush a] +exit(a,137) +exit(0)" },
	{ "RACE-11 Delete right after Wait", SHARED EXEC_RUNS "wait", "exit=1 delete exit:a=s9 did:delete did:delete",
	  "[kill-all] [flush] wait:1 [flush a] +exit(a,137) +exit(1) [drain] [do-delete] +delete(1) delete:1 [exec-gone a] [gone]" },
	{ "RACE-12 Delete waits for the exec's exit", RUNNING EXEC_RUNS "exit=0", "delete exit:a=0", "[flush a] +exit(a,0) +exit(0) [drain]" },
	{ "RACE-13 the kill-all has no outcome to wait for", SHARED, "exit=0", "[kill-all] [flush] +exit(0)" },
	{ "RACE-14, 15 exits of many at once are all told", SHARED EXEC_RUNS "add:b start:b made:b=21 did:start:b",
	  "exit=0 exit:b=s9 exit:a=s9", "[kill-all] [flush] [flush b] +exit(b,137) [flush a] +exit(a,137) +exit(0)" },
	{ "RACE-16 an exec that was begun and failed is nobody's", SHARED "add:a start:a made:a=20", "fail:start:a late:a=1 exit=0",
	  "start(a)!2 [kill-all] [flush] +exit(0)" },
	{ "RACE-19 an early exit kills what is left as well", "create", "exit=1 did:create=1000",
	  "+create(1000) create:1000 [kill-all] [flush] +exit(1)" },
	{ "RACE-19 so does one during the start, and no exec starts", "create did:create=1000 add:a start", "exit=1 did:start start:a",
	  "+start(1000) start:1000 [kill-all] [flush] +exit(1) start(a)!9" },
	{ "RACE-20 the init ends with its checkpoint", RUNNING, "checkpoint exit=s9 did:checkpoint delete did:delete did:delete",
	  "[do-checkpoint] [flush] +exit(137) checkpoint:ok [drain] [do-delete] +delete(137) delete:137 [gone]" },
	{ "RACE-21 an exit while paused thaws", SHARED "pause did:pause", "exit=s9", "[kill-all] [thaw] [flush] +exit(137)" },
	{ "RACE-21 SIGKILL of a paused one thaws it", RUNNING "pause did:pause", "kill=9 did:kill exit=s9",
	  "[kill 9] [thaw] kill:ok [thaw] [flush] +exit(137)" },
	{ "RACE-21 also when the pause comes after it", RUNNING "kill=9 did:kill", "pause did:pause", "[do-pause] +paused pause:ok [thaw]" },
	{ "RACE-21 a freeze that comes after the exit is undone", RUNNING "pause", "exit=0 did:pause", "[thaw] [flush] +exit(0) [thaw] pause!2",
	  "cannot pause a stopped container" },
	{ "RACE-22 nobody signals an exec that has exited", RUNNING EXEC_RUNS "exit:a=0", "kill:a=9", "kill(a)!5",
	  "process already finished: not found" },
};

static const struct row refusals[] = {
	{ "unknown container", "", "start", "start!5", "container not created: not found" },
	{ "unknown while it is created, but for Connect", "create", "state wait kill=9 connect pids exec", "state!5 wait!5 kill!5 connect:0 pids!5 exec!5" },
	{ "a delete while it is created gives the create up", "create", "delete fail:create=125", "[cancel] delete!5 create!1 [gone]" },
	{ "a second create", RUNNING, "create", "create!6", "task c: already exists" },
	{ "a create of one that is being created", "create", "create", "create!6" },
	{ "unknown exec", RUNNING, "wait:x", "wait!5", "process does not exist x: not found" },
	{ "start twice", RUNNING, "start", "start!2", "cannot start a running process" },
	{ "start while it starts", CREATED "start", "start", "start!2", "cannot start a running process" },
	{ "start a paused one", RUNNING "pause did:pause", "start", "start!2", "cannot start a paused process" },
	{ "start a stopped one", RUNNING "exit=0", "start", "start!2", "cannot start a stopped process" },
	{ "start an exec twice", RUNNING EXEC_RUNS, "start:a", "start(a)!2", "cannot start a running process" },
	{ "start an exec that is over", RUNNING EXEC_RUNS "exit:a=0", "start:a", "start(a)!2", "cannot start a stopped process" },
	{ "delete a running one", RUNNING, "delete", "delete!2", "cannot delete a running process" },
	{ "delete a paused one", RUNNING "pause did:pause", "delete", "delete!2", "cannot delete a paused process" },
	{ "delete a running exec", RUNNING EXEC_RUNS, "delete:a", "delete(a)!2", "cannot delete a running process" },
	{ "delete twice at once: one wins", RUNNING "exit=0", "delete delete did:delete did:delete",
	  "[drain] [do-delete] +delete(0) delete:0 delete!5 [gone]", "cannot delete a deleted process: not found" },
	{ "delete an exec twice at once", RUNNING EXEC_RUNS "exit:a=3", "delete:a delete:a did:delete:a",
	  "[drain a] delete(a):3 delete(a)!5 [exec-gone a]" },
	{ "delete of an exec waits for a kill of it", RUNNING EXEC_RUNS "kill:a=15 exit:a=3", "delete:a did:delete:a did:kill:a",
		"[drain a] kill(a):ok delete(a):3 [exec-gone a]" },
	{ "pause in created", CREATED, "pause", "pause!2", "cannot pause task in created state" },
	{ "pause twice", RUNNING "pause did:pause", "pause", "pause!2", "cannot pause a paused container" },
	{ "pause a stopped one", RUNNING "exit=0", "pause", "pause!2", "cannot pause a stopped container" },
	{ "resume in created", CREATED, "resume", "resume!2", "cannot resume task in created state" },
	{ "resume a running one", RUNNING, "resume", "resume!2", "cannot resume a running process" },
	{ "resume a stopped one", RUNNING "exit=0", "resume", "resume!2", "cannot resume a stopped container" },
	{ "update a stopped one", RUNNING "exit=0", "update", "update!2", "cannot update a stopped container" },
	{ "checkpoint in created", CREATED, "checkpoint", "checkpoint!2", "cannot checkpoint a task in created state" },
	{ "checkpoint a stopped one", RUNNING "exit=0", "checkpoint", "checkpoint!2", "cannot checkpoint a stopped container" },
	{ "exec from a checkpoint that is not restored", "restore did:create", "add:a", "exec!2", "cannot exec in a created state" },
	{ "exec in a paused one", RUNNING "pause did:pause", "add:a", "exec!2", "cannot exec in a paused state" },
	{ "exec in a stopped one", RUNNING "exit=0", "add:a", "exec!2", "cannot exec in a stopped state" },
	{ "exec in one that is being deleted", RUNNING "exit=0 delete", "add:a", "exec!2", "cannot exec in a deleted state" },
	{ "exec with the container's id", RUNNING, "add:c", "exec!6", "id c: already exists" },
	{ "exec without an id", RUNNING, "add", "exec!3" },
	{ "more execs than there is room for", RUNNING "add:a add:b add:d", "add:e", "exec!8" },
	{ "kill a stopped one", RUNNING "exit=0", "kill=15", "kill!5", "process already finished: not found" },
	{ "kill all of a stopped one is up to the runtime", RUNNING "exit=0", "killall=9 fail:kill=3", "[kill 9 all] kill!5" },
	{ "kill one that is being deleted", RUNNING "exit=0 delete", "kill=9", "kill!5", "cannot kill a deleted process: not found" },
	{ "kill one that the runtime does not know", RUNNING, "kill=9 fail:kill=2", "[kill 9] kill!5", "no such container: not found" },
	{ "kill that fails otherwise", RUNNING, "kill=9 fail:kill=1", "[kill 9] kill!2", "unknown error after kill: it broke" },
	{ "kill of an exec that is not started", RUNNING "add:a", "kill:a=9", "kill(a)!9", "process not created: failed precondition" },
	{ "kill of an exec whose start fails", RUNNING "add:a start:a", "kill:a=9 fail:start:a", "start(a)!2 kill(a)!9" },
	{ "kill of an exec that is over when its start returns", RUNNING "add:a start:a made:a=20", "kill:a=9 exit:a=0 did:start:a",
	  "+exec-started(a,20) start(a):20 kill(a)!5 [flush a] +exit(a,0)" },
	{ "no such signal", RUNNING, "kill=65", "kill!3" },
	{ "a delete while an operation is under way waits for it", RUNNING "update exit=0", "delete did:delete did:update did:delete",
	  "[drain] update:ok [do-delete] +delete(0) delete:0 [gone]" },
};
// clang-format on

TEST(a_task_lives_as_written)
{
	run_rows(life, sizeof(life) / sizeof(life[0]));
}

TEST(the_invariants_hold_where_they_are_hard)
{
	run_rows(invariants, sizeof(invariants) / sizeof(invariants[0]));
}

TEST(no_race_breaks_it)
{
	run_rows(races, sizeof(races) / sizeof(races[0]));
}

TEST(what_is_refused_is_refused_in_the_words_of_the_reference)
{
	run_rows(refusals, sizeof(refusals) / sizeof(refusals[0]));
}

TEST(a_request_that_is_read_twice_counts_once)
{
	static struct bench b;
	struct task_input in = { .type = IN_START, .addr = { 1, 99 } };

	bench_init(&b);
	take_words(&b, CREATED, true);
	feed(&b, &in, false);
	feed(&b, &in, false);
	assert_string_equal(b.out, "[start]");
}

TEST(full_tables_refuse_and_lose_nothing)
{
	static struct bench b;

	bench_init(&b);
	take_words(&b, RUNNING, true);
	for (int i = 0; i < OPS; i++)
		take_words(&b, "wait", true);
	take_words(&b, "wait", false);
	assert_string_equal(b.out, "wait!8");
	b.out_len = 0;
	take_words(&b, "exit=1", false);
	assert_text_has(b.out, "+exit(1)");
	assert_int_equal(b.t.n_ops, 0);
}

TEST(an_id_has_a_limit)
{
	char id[TASK_ID_MAX + 2];
	struct task t;

	memset(id, 'x', sizeof(id));
	id[TASK_ID_MAX + 1] = '\0';
	assert_int_equal(task_init(&t, id), -ENAMETOOLONG);
	id[TASK_ID_MAX] = '\0';
	assert_ok(task_init(&t, id));
}

/* Every byte of a record changed to every other value: refused, or a task that holds together. Never a crash. */
TEST(a_damaged_record_or_input_is_refused_or_sound)
{
	static struct bench b;
	unsigned char bytes[2048];
	struct task_exec execs[EXECS];
	struct task_op ops[OPS];
	struct task copy = { .execs = execs, .cap_execs = EXECS, .ops = ops, .cap_ops = OPS };
	struct task_input in;
	uint32_t n_execs, n_ops;
	size_t size;
	struct err err;

	bench_init(&b);
	take_words(&b, SHARED EXEC_RUNS "add:b start:b wait wait:b kill=9 exit=1", true);
	size = task_encode(&b.t, bytes, sizeof(bytes));
	assert_true(size < sizeof(bytes));
	for (size_t i = 0; i < size; i++) {
		unsigned char was = bytes[i];

		for (unsigned int v = 0; v < 256; v++) {
			bytes[i] = (unsigned char)v;
			if (task_decode_room(bytes, size, &n_execs, &n_ops, &err) == 0 &&
				task_decode(bytes, size, &copy, &err) == 0)
				assert_ok(task_check_all(&copy, &err));
			input_decode(bytes, size, &in, &err);
		}
		bytes[i] = was;
	}
	for (size_t cut = 0; cut < size; cut++)
		task_decode(bytes, cut, &copy, &err);
	assert_ok(task_decode(bytes, size, &copy, &err));
}
