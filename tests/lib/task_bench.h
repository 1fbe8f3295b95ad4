/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Bench: a task in words. A row says what was given, what then comes in, and what must come out, in
 * order; every step is seen by the observer, every record is written and read back, and what was
 * logged is replayed at the end.
 *
 * In:  create restore start start:x add:x delete delete:x kill=SIG kill:x=SIG killall=SIG pause resume update checkpoint
 *      state state:x wait wait:x pids stats connect resize resize:x close-io close-io:x cancel:REQUEST[:x] hangup oom
 *      reload; did:REQUEST[:x][=PID] and fail:REQUEST[:x][=ERRNO] end the oldest such request that is with the back end;
 *      made:x=PID; exit[:x]=CODE (sCODE: a signal, CODE+oom: with an OOM kill); late:x=CODE: the exit of the process
 *      of an earlier start of x; redo: the last outcome once more; frame: the last request once more; ops: how many
 *      requests are open; create with a pid below 1000 has its own pid namespace, others share one
 * Out: [order] [order x] +event(...) request:ANSWER request(x):ANSWER request!CODE
 *
 * Owner    A bench is a value.
 * Errors   What does not hold ends the row: bench_fail() jumps back to run_row(), which returns the
 *          text. bench_fail() outside of a row ends the program.
 */
#include "task/task.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "task_observer.h"

static sigjmp_buf bench_back;
static bool bench_armed;
static char bench_why[8192];

__attribute__((format(printf, 1, 2), noreturn)) static inline void bench_fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(bench_why, sizeof(bench_why), fmt, ap);
	va_end(ap);
	if (bench_armed)
		siglongjmp(bench_back, 1);
	fprintf(stderr, "%s\n", bench_why);
	abort();
}

#define bench_check(cond) \
	do { \
		if (!(cond)) \
			bench_fail("%s:%d: %s", __FILE__, __LINE__, #cond); \
	} while (0)

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
	struct task_input last_request, last_outcome;
	char last_exec[TASK_ID_MAX + 1]; /* of the last request */
};

static inline void bench_init(struct bench *b)
{
	memset(b, 0, sizeof(*b));
	bench_check((task_init(&b->t, "c")) == 0);
	b->t.execs = b->execs;
	b->t.cap_execs = EXECS;
	b->t.ops = b->ops;
	b->t.cap_ops = OPS;
	b->fx.v = b->v;
	b->fx.cap = 128;
}

__attribute__((format(printf, 2, 3))) static inline void say(struct bench *b, const char *fmt, ...)
{
	va_list ap;

	if (b->out_len > 0)
		b->out[b->out_len++] = ' ';
	va_start(ap, fmt);
	b->out_len += (size_t)vsnprintf(b->out + b->out_len, sizeof(b->out) - b->out_len, fmt, ap);
	va_end(ap);
	bench_check(b->out_len < sizeof(b->out) - 1);
}

static inline void say_event(struct bench *b, const struct effect *e, const char *x)
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

static inline void say_reply(struct bench *b, const struct effect *e, const char *x)
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

static inline void say_order(struct bench *b, const struct effect *e, const char *x)
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

static inline void perform(struct bench *b, bool quiet)
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
			bench_fail("%s", wrong);
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
static inline void check_record(struct bench *b, const unsigned char *before, size_t before_size)
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

	bench_check(size <= sizeof(after));
	if (task_check_all(&b->t, &err) < 0)
		bench_fail("%s", err.text);
	if (logged == same)
		bench_fail("the record %s, the input was%s logged",
			same ? "is as it was" : "changed", logged ? "" : " not");
	for (size_t i = 1; i < b->fx.n; i++)
		bench_check(b->fx.v[i].type != FX_LOG);
	bench_check((task_decode_room(after, size, &n_execs, &n_ops, &err)) == 0);
	bench_check(n_execs == b->t.n_execs);
	bench_check(n_ops == b->t.n_ops);
	if (task_decode(after, size, &copy, &err) < 0)
		bench_fail("%s", err.text);
	bench_check(task_encode(&copy, again, sizeof(again)) == size);
	bench_check(memcmp(again, after, size) == 0);
}

static inline void feed(struct bench *b, const struct task_input *in, bool quiet)
{
	static unsigned char before[1 << 14];
	size_t size = task_encode(&b->t, before, sizeof(before));
	size_t n;

	/* Through the form in which it is logged. */
	n = input_encode(in, b->log + b->log_size + 2, sizeof(b->log) - b->log_size - 2);
	bench_check(n < 4096 && b->log_size + 2 + n < sizeof(b->log));
	b->log[b->log_size] = (unsigned char)(n >> 8);
	b->log[b->log_size + 1] = (unsigned char)n;

	struct task_input read;
	struct err err;

	if (input_decode(b->log + b->log_size + 2, n, &read, &err) < 0)
		bench_fail("%s", err.text);
	task_step(&b->t, &read, &b->fx);
	if (b->fx.n > 0 && b->fx.v[0].type == FX_LOG)
		b->log_size += 2 + n;
	check_record(b, before, size);
	perform(b, quiet);
}

static inline enum input_type type_named(const char *name)
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
	bench_fail("no input is called '%s'", name);
	return INPUTS_;
}

static inline const struct task_op *issued_op(struct bench *b, const char *request, const char *x)
{
	uint32_t exec = *x ? task_find_exec(&b->t, x) : TASK_INIT;

	for (uint32_t i = 0; i < b->t.n_ops; i++)
		if (b->t.ops[i].issued && b->t.ops[i].request == type_named(request) &&
			b->t.ops[i].exec == exec)
			return &b->t.ops[i];
	bench_fail("no %s %s is with the back end", request, x);
	return NULL;
}

static inline void take_exit(
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

static inline void take_outcome(struct bench *b, struct task_input *in, const char *request,
	const char *x, const char *value)
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

static inline void take_word(struct bench *b, char *word, bool quiet)
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
		b->last_outcome = in;
		feed(b, &in, quiet);
		return;
	}
	if (strcmp(verb, "redo") == 0 || strcmp(verb, "frame") == 0) {
		in = *verb == 'r' ? b->last_outcome : b->last_request;
		feed(b, &in, quiet);
		return;
	}
	if (strcmp(verb, "ops") == 0) {
		say(b, "{%u}", b->t.n_ops);
		return;
	}
	x = word ? word : value + strlen(value);
	if (strcmp(verb, "made") == 0) {
		in.type = IN_MADE;
		take_outcome(b, &in, "start", x, value);
		b->last_outcome = in;
	} else if (strcmp(verb, "exit") == 0 || strcmp(verb, "late") == 0) {
		take_exit(b, &in, x, value, *verb == 'l');
	} else {
		in.type = type_named(verb);
		in.exec_id = x;
		in.restore = strcmp(verb, "restore") == 0;
		in.all = strcmp(verb, "killall") == 0;
		in.signal = (uint32_t)strtoul(value, NULL, 10);
		in.addr = (struct task_addr){ 1, b->stream += 2 };
		b->last_request = in;
		snprintf(b->last_exec, sizeof(b->last_exec), "%s", x);
		b->last_request.exec_id = b->last_exec;
	}
	if (in.type == IN_HANGUP)
		observe_hangup(&b->seen);
	feed(b, &in, quiet);
}

static inline void take_words(struct bench *b, const char *words, bool quiet)
{
	char copy[1024], *rest = copy, *word;

	snprintf(copy, sizeof(copy), "%s", words);
	while ((word = strsep(&rest, " ")))
		if (*word)
			take_word(b, word, quiet);
}

/* Loading is feeding: the inputs that were logged make the same record once more. */
static inline void check_replay(const struct bench *b)
{
	static struct bench other;
	static unsigned char one[1 << 14], two[1 << 14];
	size_t at = 0, size;

	bench_init(&other);
	while (at < b->log_size) {
		size_t n = (size_t)b->log[at] << 8 | b->log[at + 1];
		struct task_input in;
		struct err err;

		bench_check((input_decode(b->log + at + 2, n, &in, &err)) == 0);
		task_step(&other.t, &in, &other.fx);
		at += 2 + n;
	}
	size = task_encode(&b->t, one, sizeof(one));
	bench_check(task_encode(&other.t, two, sizeof(two)) == size);
	bench_check(memcmp(one, two, size) == 0);
}

struct row {
	const char *name;
	const char *given; /* what it says is not looked at, beyond the observer */
	const char *in;
	const char *out;
	const char *text; /* of the last refusal */
};

/* The row without a frame around it. */
static inline void play_row(const struct row *row)
{
	static struct bench b;

	bench_init(&b);
	take_words(&b, row->given, true);
	take_words(&b, row->in, false);
	if (strcmp(b.out, row->out) != 0)
		bench_fail("%s:\n  in:   %s | %s\n  want: %s\n  got:  %s", row->name, row->given,
			row->in, row->out, b.out);
	if (row->text && strcmp(b.text, row->text) != 0)
		bench_fail("%s:\n  want: %s\n  got:  %s", row->name, row->text, b.text);
	check_replay(&b);
}

/* NULL, or what does not hold. */
static inline const char *run_row(const struct row *row)
{
	const char *why = NULL;

	bench_armed = true;
	if (sigsetjmp(bench_back, 1) == 0)
		play_row(row);
	else
		why = bench_why;
	bench_armed = false;
	return why;
}
