/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Version, Introspection and health: what there is to say about the daemon itself.
 *
 * The list of plugins names what containerd names for the same work, for clients look there for what
 * a server can do; it is made of the services that the door has.
 */
#include "config.h"
#include <errno.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/str.h"
#include "rpc/any.h"
#include "services/core.h"
#include "services/filter.h"
#include "services/services.h"
#include "services/tasks.h"

#include "proto/api.pb-c.h"

enum { VERSION, SERVER, PLUGINS, PLUGIN_INFO, CHECK, WATCH };

#define SERVING 1

static int version(struct core_call *c)
{
	Pb__Api__VersionResponse *m = arena_calloc(c->arena, 1, sizeof(*m));

	if (!m)
		return err_oom(c->err);
	pb__api__version_response__init(m);
	m->version = (char *)REEVE_VERSION;
	m->revision = (char *)REEVE_COMMIT;
	c->reply = &m->base;
	return 0;
}

static int server(struct core_call *c)
{
	Pb__Api__ServerResponse *m = arena_calloc(c->arena, 1, sizeof(*m));
	struct stat st;

	if (!m)
		return err_oom(c->err);
	pb__api__server_response__init(m);
	m->uuid = c->core->uuid;
	m->pid = (uint64_t)getpid();
	if (stat("/proc/self/ns/pid", &st) == 0)
		m->pidns = st.st_ino;
	c->reply = &m->base;
	return 0;
}

/* ---- plugins ---- */

// clang-format off
static const struct {
	const char *service, *type, *id;
} plugins[] = {
	{ "containerd.services.containers.v1.Containers",       "io.containerd.grpc.v1",       "containers" },
	{ "containerd.services.content.v1.Content",             "io.containerd.content.v1",    "content" },
	{ "containerd.services.content.v1.Content",             "io.containerd.grpc.v1",       "content" },
	{ "containerd.services.diff.v1.Diff",                   "io.containerd.grpc.v1",       "diff" },
	{ "containerd.services.events.v1.Events",               "io.containerd.event.v1",      "exchange" },
	{ "containerd.services.events.v1.Events",               "io.containerd.grpc.v1",       "events" },
	{ "grpc.health.v1.Health",                              "io.containerd.grpc.v1",       "healthcheck" },
	{ "containerd.services.images.v1.Images",               "io.containerd.grpc.v1",       "images" },
	{ "containerd.services.introspection.v1.Introspection", "io.containerd.grpc.v1",       "introspection" },
	{ "containerd.services.leases.v1.Leases",               "io.containerd.grpc.v1",       "leases" },
	{ "containerd.services.namespaces.v1.Namespaces",       "io.containerd.grpc.v1",       "namespaces" },
	{ "containerd.services.snapshots.v1.Snapshots",         "io.containerd.grpc.v1",       "snapshots" },
	{ "containerd.services.snapshots.v1.Snapshots",         "io.containerd.snapshotter.v1", "native" },
	{ "containerd.services.snapshots.v1.Snapshots",         "io.containerd.snapshotter.v1", "overlayfs" },
	{ "containerd.services.streaming.v1.Streaming",         "io.containerd.grpc.v1",       "streaming" },
	{ "containerd.services.streaming.v1.Streaming",         "io.containerd.streaming.v1",  "manager" },
	{ "containerd.services.tasks.v1.Tasks",                 "io.containerd.grpc.v1",       "tasks" },
	{ "containerd.services.tasks.v1.Tasks",                 "io.containerd.runtime.v2",    "task" },
	{ "containerd.services.transfer.v1.Transfer",           "io.containerd.grpc.v1",       "transfer" },
	{ "containerd.services.transfer.v1.Transfer",           "io.containerd.transfer.v1",   "local" },
	{ "containerd.services.version.v1.Version",             "io.containerd.grpc.v1",       "version" },
};
// clang-format on

static const char *plugin_field(void *object, const char *const *path, size_t n)
{
	const Pb__Api__Plugin *p = object;

	if (str_eq(path[0], "type"))
		return p->type;
	return str_eq(path[0], "id") ? p->id : NULL;
}

static const char *go_architecture(const char *machine)
{
	if (str_eq(machine, "x86_64"))
		return "amd64";
	return str_eq(machine, "aarch64") ? "arm64" : machine;
}

/* Those that do work on containers' behalf say for which machine. */
static int add_platform(struct core_call *c, Pb__Api__Plugin *p)
{
	Pb__Api__Platform *platform = arena_calloc(c->arena, 1, sizeof(*platform));
	struct utsname name;

	p->platforms = arena_calloc(c->arena, 1, sizeof(Pb__Api__Platform *));
	if (!platform || !p->platforms || uname(&name) < 0)
		return err_oom(c->err);
	pb__api__platform__init(platform);
	platform->os = (char *)"linux";
	platform->architecture = arena_strdup(c->arena, go_architecture(name.machine));
	if (!platform->architecture)
		return err_oom(c->err);
	p->platforms[p->n_platforms++] = platform;
	return 0;
}

static int plugin_new(struct core_call *c, size_t i, Pb__Api__Plugin **ret)
{
	Pb__Api__Plugin *p = arena_calloc(c->arena, 1, sizeof(*p));

	if (!p)
		return err_oom(c->err);
	pb__api__plugin__init(p);
	p->type = (char *)plugins[i].type;
	p->id = (char *)plugins[i].id;
	*ret = p;
	if (str_ends(p->type, "snapshotter.v1") || str_ends(p->type, "runtime.v2"))
		return add_platform(c, p);
	return 0;
}

static int list_plugins(struct core_call *c)
{
	const Pb__Api__PluginsRequest *in = (const void *)c->req->message;
	Pb__Api__PluginsResponse *m = arena_calloc(c->arena, 1, sizeof(*m));
	const struct filter *filter;
	int r = filter_parse(in->filters, in->n_filters, c->arena, &filter, c->err);

	if (r < 0)
		return r;
	if (!m)
		return err_oom(c->err);
	pb__api__plugins_response__init(m);
	m->plugins = arena_calloc(c->arena, ARRAY_LEN(plugins), sizeof(Pb__Api__Plugin *));
	if (!m->plugins)
		return err_oom(c->err);
	for (size_t i = 0; i < ARRAY_LEN(plugins); i++) {
		Pb__Api__Plugin *p = NULL;

		if (!rpc_find_service(c->core->services, c->core->n_services, plugins[i].service))
			continue;
		r = plugin_new(c, i, &p);
		if (r < 0)
			return r;
		if (filter_match(filter, plugin_field, p))
			m->plugins[m->n_plugins++] = p;
	}
	c->reply = &m->base;
	return 0;
}

/* ---- one plugin, of 2.x ---- */

/* What a runtime says of itself, asked for beside the row. */
struct info_order {
	struct task_order order;
	struct rpc_door *door;
	struct rpc_addr addr;
	struct buf row; /* the answer as far as it is known, encoded */
};

static void info_order_free(struct info_order *o)
{
	buf_done(&o->row);
	free(o);
}

static int reply_info(struct info_order *o, const struct shim_answer *a, struct err *err)
{
	auto_done(arena) struct arena arena = { 0 };
	Pb__Api__PluginInfoResponse m;
	const ProtobufCMessage *row = NULL;
	Pb__Any extra = PB__ANY__INIT;
	int r = message_decode(&pb__api__plugin_info_response__descriptor, o->row.data, o->row.len,
		&arena, &row, err);

	if (r < 0)
		return r;
	m = *(const Pb__Api__PluginInfoResponse *)(const void *)row;
	extra.type_url = (char *)ANY_RUNTIME_INFO;
	extra.value = (ProtobufCBinaryData){ a->size, (uint8_t *)a->payload };
	m.extra = &extra;
	rpc_reply_message(o->door, o->addr, &m.base);
	return 0;
}

static void on_info(struct task_order *order, const struct shim_answer *a)
{
	struct info_order *o = container_of(order, struct info_order, order);
	struct err err = { 0 };

	if (a && a->code != RPC_OK)
		rpc_reply(o->door, o->addr, a->code, a->text, NULL, 0);
	else if (a && reply_info(o, a, &err) < 0)
		rpc_reply_err(o->door, o->addr, err.code, &err);
	info_order_free(o);
}

static int order_info(struct core_call *c, const Pb__Api__RuntimeRequest *in)
{
	struct info_order *o = mem_calloc(1, sizeof(*o));

	if (!o)
		return err_oom(c->err);
	o->door = c->req->door;
	o->addr = c->req->addr;
	message_encode(c->reply, &o->row);
	if (buf_ok(&o->row) < 0) {
		info_order_free(o);
		return err_oom(c->err);
	}
	c->answered = true;
	task_manager_info(tasks_manager(c->core->tasks),
		tasks_order(c->core->tasks, &o->order, on_info), in->runtime_path, in->options);
	return 0;
}

/* Only the runtime has more to say than its row; what it is asked for it in. */
static int ask_plugin(struct core_call *c, const Pb__Api__PluginInfoRequest *in)
{
	const ProtobufCMessage *m = NULL;

	if (!str_eq(in->type, "io.containerd.runtime.v2"))
		return err_set(c->err, -ENOSYS, "plugin does not provided extra information");
	if (!any_is(in->options->type_url, ANY_RUNTIME_REQUEST))
		return err_set(
			c->err, -ENOSYS, "unknown request type %.100s", in->options->type_url);
	if (message_decode(&pb__api__runtime_request__descriptor, in->options->value.data,
		    in->options->value.len, c->arena, &m, NULL) < 0)
		return err_set(c->err, -EUCLEAN,
			"failed to unmarshal plugin info Options: proto: cannot parse invalid "
			"wire-format data");
	return order_info(c, (const void *)m);
}

static int plugin_info(struct core_call *c)
{
	const Pb__Api__PluginInfoRequest *in = (const void *)c->req->message;
	Pb__Api__PluginInfoResponse *m = arena_calloc(c->arena, 1, sizeof(*m));
	int r;

	if (!m)
		return err_oom(c->err);
	pb__api__plugin_info_response__init(m);
	for (size_t i = 0; i < ARRAY_LEN(plugins); i++) {
		if (!str_eq(plugins[i].type, in->type) || !str_eq(plugins[i].id, in->id) ||
			!rpc_find_service(
				c->core->services, c->core->n_services, plugins[i].service))
			continue;
		c->reply = &m->base;
		r = plugin_new(c, i, &m->plugin);
		return r == 0 && in->options ? ask_plugin(c, in) : r;
	}
	return err_set(c->err, -ENOENT, "plugin %.100s.%.100s not found", in->type, in->id);
}

/* ---- health ---- */

static int check(struct core_call *c)
{
	const Pb__Api__HealthRequest *in = (const void *)c->req->message;
	Pb__Api__HealthResponse *m = arena_calloc(c->arena, 1, sizeof(*m));

	if (!m)
		return err_oom(c->err);
	if (*in->service && !rpc_find_service(c->core->services, c->core->n_services, in->service))
		return err_set(c->err, -ENOENT, "unknown service");
	pb__api__health_response__init(m);
	m->status = SERVING;
	c->reply = &m->base;
	return 0;
}

/* The state never changes while there is somebody to tell it: one message, then silence. */
static int watch(struct core_call *c)
{
	int r = check(c);

	if (r == 0)
		r = rpc_send(c->req->door, c->req->addr, c->reply);
	c->answered = r == 0;
	return r;
}

static const struct core_method methods[] = {
	[VERSION] = { version, CORE_NO_NS },
	[SERVER] = { server, CORE_NO_NS },
	[PLUGINS] = { list_plugins, CORE_NO_NS },
	[PLUGIN_INFO] = { plugin_info, CORE_NO_NS },
	[CHECK] = { check, CORE_NO_NS },
	[WATCH] = { watch, CORE_NO_NS },
};

static void handle(void *arg, const struct rpc_request *req)
{
	core_run(arg, req, methods[req->method->kind].fn, methods[req->method->kind].flags);
}

static const struct rpc_method version_methods[] = {
	{ "Version", &pb__empty__descriptor, VERSION, handle },
};
static const struct rpc_method introspection_methods[] = {
	{ "PluginInfo", &pb__api__plugin_info_request__descriptor, PLUGIN_INFO, handle },
	{ "Plugins", &pb__api__plugins_request__descriptor, PLUGINS, handle },
	{ "Server", &pb__empty__descriptor, SERVER, handle },
};
static const struct rpc_method health_methods[] = {
	{ "Check", &pb__api__health_request__descriptor, CHECK, handle },
	{ "Watch", &pb__api__health_request__descriptor, WATCH, handle, RPC_STREAM },
};

const struct rpc_service version_service = { "containerd.services.version.v1.Version",
	version_methods, ARRAY_LEN(version_methods) };
const struct rpc_service introspection_service = {
	"containerd.services.introspection.v1.Introspection", introspection_methods,
	ARRAY_LEN(introspection_methods)
};
const struct rpc_service health_service = { "grpc.health.v1.Health", health_methods,
	ARRAY_LEN(health_methods) };
