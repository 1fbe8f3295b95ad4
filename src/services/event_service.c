/* SPDX-License-Identifier: Apache-2.0 */
/* Events: the bus (event_bus.h) as a service, and its Forward once more for shims, over ttrpc. */
#include "base/clock.h"
#include "manager/identifier.h"
#include "services/core.h"
#include "services/event_bus.h"
#include "services/services.h"
#include "services/tasks.h"

#include "proto/api.pb-c.h"

enum { PUBLISH, FORWARD, SUBSCRIBE };

static int publish(struct core_call *c)
{
	const Pb__Api__PublishRequest *in = (const void *)c->req->message;
	const Pb__Any none = PB__ANY__INIT;
	int r = identifier_check_topic(in->topic, c->err);

	if (r == 0)
		event_bus_publish(c->core->events, c->ns, in->topic, in->event ? in->event : &none,
			clock_wall_ns());
	return r;
}

static int forward(struct core_call *c)
{
	const Pb__Events__ForwardRequest *in = (const void *)c->req->message;
	const Pb__Events__Envelope none = PB__EVENTS__ENVELOPE__INIT;

	int r = event_bus_forward(c->core->events, in->envelope ? in->envelope : &none, c->err);

	if (r == 0)
		tasks_note(c->core->tasks, in->envelope);
	return r;
}

static int subscribe(struct core_call *c)
{
	const Pb__Api__SubscribeRequest *in = (const void *)c->req->message;
	int r = event_bus_subscribe(c->core->events, c->req, in->filters, in->n_filters, c->err);

	c->answered = r == 0;
	return r;
}

static const struct core_method methods[] = {
	[PUBLISH] = { publish, 0 },
	[FORWARD] = { forward, CORE_NO_NS },
	[SUBSCRIBE] = { subscribe, CORE_NO_NS },
};

static void handle(void *arg, const struct rpc_request *req)
{
	core_run(arg, req, methods[req->method->kind].fn, methods[req->method->kind].flags);
}

static const struct rpc_method rows[] = {
	{ "Forward", &pb__events__forward_request__descriptor, FORWARD, handle },
	{ "Publish", &pb__api__publish_request__descriptor, PUBLISH, handle },
	{ "Subscribe", &pb__api__subscribe_request__descriptor, SUBSCRIBE, handle, RPC_STREAM },
};

const struct rpc_service event_service = { "containerd.services.events.v1.Events", rows,
	ARRAY_LEN(rows) };
/* The first row alone. */
const struct rpc_service event_forward_service = { "containerd.services.events.ttrpc.v1.Events",
	rows, 1 };
