/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What a supervisor with real processes says, as a line to compare: "Create:ok +create Kill!5 +exit(init,3)". For tests
 * that run each case in a process of its own: a check that fails ends that process, after the line of the check.
 *
 * Context  One file per program includes this header. Streams are numbered from 1, below 1024.
 */
#include <stdarg.h>

#include "supervisor/supervisor.h"
#include "test.h"

#define CHECK(cond) \
	do { \
		if (!(cond)) { \
			fprintf(stderr, "# line %d: %s\n# heard: %s\n# text: %s\n", __LINE__, \
				#cond, heard, text); \
			_exit(1); \
		} \
	} while (0)

static char heard[16384], text[1024];
static bool answered[1024]; /* by stream */
static uint32_t last_pid;
static size_t last_n_pids;
static bool has_stats;

__attribute__((format(printf, 1, 2))) static void hear(const char *fmt, ...)
{
	size_t len = strlen(heard);
	va_list ap;

	if (len > 0)
		heard[len++] = ' ';
	va_start(ap, fmt);
	vsnprintf(heard + len, sizeof(heard) - len, fmt, ap);
	va_end(ap);
}

static void on_reply(void *arg, struct task_addr to, const struct response *r)
{
	const char *name = request_type_name(r->type);

	(void)arg;
	CHECK(to.stream < ARRAY_LEN(answered) && !answered[to.stream]);
	answered[to.stream] = true;
	last_pid = r->pid;
	snprintf(text, sizeof(text), "%s", r->text ? r->text : "");
	if (r->type == REQ_PIDS && r->code == CODE_OK)
		last_n_pids = r->pids.n;
	if (r->type == REQ_STATS && r->code == CODE_OK)
		has_stats = r->stats.stats != NULL;
	if (r->code != CODE_OK)
		hear("%s!%u", name, (unsigned int)r->code);
	else if (r->type == REQ_WAIT || r->type == REQ_DELETE)
		hear("%s:%u", name, r->exit_status);
	else if (r->type == REQ_STATE)
		hear("%s:%s", name, task_status_name(r->state.status));
	else
		hear("%s:ok", name);
}

static void on_event(void *arg, const struct event *e)
{
	const char *topic = task_topic_name(e->topic) + strlen("/tasks/");

	(void)arg;
	if (e->topic == TOPIC_EXIT)
		hear("+exit(%s,%u)", e->exec_id ? e->exec_id : "init", e->exit_status);
	else
		hear("+%s", topic);
}

static void on_shutdown(void *arg)
{
	(void)arg;
}

static const struct supervisor_sink sink = {
	.reply = on_reply,
	.event = on_event,
	.shutdown = on_shutdown,
};
