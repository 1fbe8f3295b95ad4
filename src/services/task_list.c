/* SPDX-License-Identifier: Apache-2.0 */
/*
 * List and Metrics: every shim of the namespace is asked at the same time, and what they say is one
 * answer. A task that goes meanwhile is not in it. One whose shim does not answer in time is listed,
 * as unknown, but has no metrics.
 */
#include "services/task_call.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "services/filter.h"

struct gather;

struct gathered {
	struct task_order order;
	struct gather *gather;
	char *id;
	ProtobufCMessage *result; /* NULL: not in the answer */
};

typedef ProtobufCMessage *gather_fn(struct gather *g, const char *id, const struct shim_answer *a);

struct gather {
	struct tasks *tasks;
	struct arena arena; /* of everything that hangs on it */
	struct rpc_door *door;
	struct rpc_addr addr;
	gather_fn *take;
	void (*reply)(struct gather *g);
	struct gathered **items;
	size_t n, cap;
	size_t open; /* answers that are to come */
	/* While ids are collected. */
	const char *ns;
	const struct filter *filter;
	bool failed; /* memory ran out */
};

/* ---- the end ---- */

static void gather_free(struct gather *g)
{
	arena_done(&g->arena);
	free(g->items);
	free(g);
}

static void close_one(struct gather *g, bool tell)
{
	if (--g->open > 0)
		return;
	if (tell)
		g->reply(g);
	gather_free(g);
}

static void on_answered(struct task_order *o, const struct shim_answer *a)
{
	struct gathered *item = container_of(o, struct gathered, order);

	if (a)
		item->result = item->gather->take(item->gather, item->id, a);
	close_one(item->gather, a != NULL);
}

/* ---- who is asked ---- */

static const char *task_field(void *object, const char *const *path, size_t n)
{
	const char *const *ns_id = object;

	if (str_eq(path[0], "namespace"))
		return ns_id[0];
	return str_eq(path[0], "id") ? ns_id[1] : NULL;
}

static void add(void *arg, const char *ns, const char *id)
{
	struct gather *g = arg;
	const char *ns_id[2] = { ns, id };
	struct gathered *item;

	if (g->filter && !filter_match(g->filter, task_field, ns_id))
		return;
	item = arena_calloc(&g->arena, 1, sizeof(*item));
	if (!item || mem_grow(&g->items, &g->cap, g->n + 1, sizeof(struct gathered *)) < 0) {
		g->failed = true;
		return;
	}
	item->gather = g;
	item->id = arena_strdup(&g->arena, id);
	g->failed = g->failed || !item->id;
	g->items[g->n++] = item;
}

static int by_id(const void *a, const void *b)
{
	const struct gathered *const *x = a, *const *y = b;

	return strcmp((*x)->id, (*y)->id);
}

/* The end may come before it returns. */
static void ask_all(struct gather *g, struct core_call *c, const char *method)
{
	uint64_t deadline = clock_boot_ns() + TASK_STATE_NS;
	struct task_manager *m = tasks_manager(g->tasks);

	g->open = g->n + 1;
	for (size_t i = 0; i < g->n; i++) {
		Pb__Task__StateRequest request = PB__TASK__STATE_REQUEST__INIT;
		struct gathered *item = g->items[i];

		request.id = item->id; /* Stats has the same field */
		task_manager_call(m, tasks_order(g->tasks, &item->order, on_answered), c->ns,
			item->id, method, &request.base, deadline);
	}
	close_one(g, true);
}

static int gather(struct core_call *c, const struct filter *filter, const char *method,
	gather_fn *take, void (*reply)(struct gather *g))
{
	struct gather *g = mem_calloc(1, sizeof(*g));

	if (!g)
		return err_oom(c->err);
	*g = (struct gather){ .tasks = c->core->tasks,
		.door = c->req->door,
		.addr = c->req->addr,
		.take = take,
		.reply = reply,
		.filter = filter };
	task_manager_each(tasks_manager(g->tasks), c->ns, add, g);
	g->filter = NULL; /* the call's */
	if (g->failed) {
		gather_free(g);
		return err_oom(c->err);
	}
	if (g->n > 0)
		qsort(g->items, g->n, sizeof(struct gathered *), by_id);
	c->answered = true;
	ask_all(g, c, method);
	return 0;
}

/* Those that have something to say, as the message has them. */
static void collect(struct gather *g, void *rows, size_t *n)
{
	ProtobufCMessage **list = arena_calloc(&g->arena, g->n + 1, sizeof(ProtobufCMessage *));

	for (size_t i = 0; list && i < g->n; i++)
		if (g->items[i]->result)
			list[(*n)++] = g->items[i]->result;
	*(ProtobufCMessage ***)rows = list;
}

/* ---- List ---- */

static ProtobufCMessage *take_state(struct gather *g, const char *id, const struct shim_answer *a)
{
	Pb__Tasks__Process *p = NULL;

	if (a->code == RPC_OK)
		return task_call_process(a, id, &g->arena, &p) == 0 ? &p->base : NULL;
	if (a->code != RPC_DEADLINE_EXCEEDED)
		return NULL;
	p = arena_calloc(&g->arena, 1, sizeof(*p));
	if (!p)
		return NULL;
	pb__tasks__process__init(p);
	p->id = (char *)id;
	return &p->base;
}

static void reply_list(struct gather *g)
{
	Pb__Tasks__ListResponse m = PB__TASKS__LIST_RESPONSE__INIT;

	collect(g, &m.tasks, &m.n_tasks);
	rpc_reply_message(g->door, g->addr, &m.base);
}

/* The filter of the request means nothing, as in containerd. */
int task_call_list(struct core_call *c)
{
	return gather(c, NULL, "State", take_state, reply_list);
}

/* ---- Metrics ---- */

static ProtobufCMessage *take_stats(struct gather *g, const char *id, const struct shim_answer *a)
{
	Pb__Tasks__Metric *metric = arena_calloc(&g->arena, 1, sizeof(*metric));
	Pb__Timestamp *now = arena_calloc(&g->arena, 1, sizeof(*now));
	const ProtobufCMessage *m = NULL;

	if (!metric || !now || a->code != RPC_OK ||
		message_decode(&pb__task__stats_response__descriptor, a->payload, a->size,
			&g->arena, &m, NULL) < 0)
		return NULL;
	pb__timestamp__init(now);
	message_set_time(now, clock_wall_ns());
	pb__tasks__metric__init(metric);
	metric->timestamp = now;
	metric->id = (char *)id;
	metric->data = ((const Pb__Task__StatsResponse *)(const void *)m)->stats;
	return &metric->base;
}

static void reply_metrics(struct gather *g)
{
	Pb__Tasks__MetricsResponse m = PB__TASKS__METRICS_RESPONSE__INIT;

	collect(g, &m.metrics, &m.n_metrics);
	rpc_reply_message(g->door, g->addr, &m.base);
}

int task_call_metrics(struct core_call *c)
{
	const Pb__Tasks__MetricsRequest *in = (const void *)c->req->message;
	const struct filter *filter = NULL;
	int r = filter_parse(in->filters, in->n_filters, c->arena, &filter, c->err);

	return r < 0 ? r : gather(c, filter, "Stats", take_stats, reply_metrics);
}
