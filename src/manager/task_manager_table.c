/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list of tasks. An id is in it from its create to the removal of its bundle; what clients see of it is less.
 */
#include "manager/task_manager_impl.h"

#include "base/str.h"

static size_t bucket_of(const char *ns, const char *id)
{
	uint32_t h = 2166136261u;

	for (; *ns; ns++)
		h = (h ^ (unsigned char)*ns) * 16777619u;
	h = (h ^ '/') * 16777619u;
	for (; *id; id++)
		h = (h ^ (unsigned char)*id) * 16777619u;
	return h % TASK_MANAGER_BUCKETS;
}

struct shim_task *task_manager_find(const struct task_manager *m, const char *ns, const char *id)
{
	struct shim_task *t;

	if (!ns || !id)
		return NULL;
	for (t = m->buckets[bucket_of(ns, id)]; t; t = shim_task_place(t)->next)
		if (str_eq(shim_task_ns(t), ns) && str_eq(shim_task_id(t), id))
			return t;
	return NULL;
}

void task_manager_add(struct task_manager *m, struct shim_task *t)
{
	struct shim_task **head = &m->buckets[bucket_of(shim_task_ns(t), shim_task_id(t))];

	shim_task_place(t)->next = *head;
	*head = t;
}

void task_manager_remove(struct task_manager *m, struct shim_task *t)
{
	struct shim_task **at = &m->buckets[bucket_of(shim_task_ns(t), shim_task_id(t))];

	while (*at && *at != t)
		at = &shim_task_place(*at)->next;
	if (*at)
		*at = shim_task_place(t)->next;
}

void task_manager_each(
	const struct task_manager *m, const char *ns, task_manager_task_fn *fn, void *arg)
{
	if (m->embedded)
		embedded_each(m->embedded, ns, fn, arg);
	for (size_t i = 0; i < TASK_MANAGER_BUCKETS; i++)
		for (struct shim_task *t = m->buckets[i]; t; t = shim_task_place(t)->next)
			if (shim_task_visible(t) && (!ns || str_eq(shim_task_ns(t), ns)))
				fn(arg, shim_task_ns(t), shim_task_id(t));
}

bool task_manager_has(const struct task_manager *m, const char *ns, const char *id)
{
	const struct shim_task *t = task_manager_find(m, ns, id);

	return (t && shim_task_visible(t)) || (m->embedded && embedded_has(m->embedded, ns, id));
}

const char *task_manager_state(const struct task_manager *m, const char *ns, const char *id)
{
	const struct shim_task *t = task_manager_find(m, ns, id);

	if (m->embedded && embedded_knows(m->embedded, ns, id))
		return "embedded";
	return t ? shim_task_state(t) : NULL;
}

size_t task_manager_embedded(const struct task_manager *m)
{
	return m->embedded ? embedded_count(m->embedded) : 0;
}
