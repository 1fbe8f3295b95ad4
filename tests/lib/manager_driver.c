/* SPDX-License-Identifier: Apache-2.0 */
/*
 * manager_driver ROOT STATE GRPC-ADDRESS [LIMIT=MS]...: a manager (src/manager) without a door: takes orders from
 * standard input, one JSON object in a line, and writes what comes of them to standard output, the same way.
 *
 *	{"do":"load"}                                                     -> {"loaded":true}
 *	{"do":"create","tag":1,"ns":"n","id":"i","runtime":"io.containerd.runc.v2","spec":"FILE","request":"HEX",
 *	 "options":"HEX"}                                                  -> {"tag":1,"code":0,"text":"","payload":"HEX"}
 *	{"do":"delete","tag":1,"ns":"n","id":"i"}                          -> the same
 *	{"do":"call","tag":1,"ns":"n","id":"i","method":"State","request":"HEX","timeout":MS}
 *	{"do":"list","tag":1,"ns":"n"}                                     -> {"tag":1,"tasks":["n/i"]}
 *	{"do":"state","tag":1,"ns":"n","id":"i"}                           -> {"tag":1,"state":"live"}
 *	{"do":"note","ns":"n","id":"i","pid":1,"status":2}
 *	{"do":"know","ns":"n","id":"i","runtime":"io.containerd.runc.v2"}: a container of the store
 *	an event without an order                                          -> {"event":"exit","ns":"n","id":"i","pid":1,"status":2}
 *
 * manager_driver make ROOT STATE NS ID SPEC-FILE
 * manager_driver remove ROOT STATE NS ID: a bundle alone.
 *
 * HEX is an encoded message. It ends with its input. The log goes to standard error.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/json_read.h"
#include "base/json_write.h"
#include "manager/task_manager.h"
#include "rpc/message.h"

static const struct json_limits limits = {
	.bytes = 16u << 20, .nodes = 4096, .string = 16u << 20, .depth = 8
};

struct known {
	char name[160], runtime[80];
};

struct driver {
	struct loop *loop;
	struct log log;
	struct task_manager *m;
	struct loop_fd input;
	struct buf lines;
	struct known known[64];
	size_t n_known;
};

static void die(const char *what)
{
	fprintf(stderr, "manager_driver: %s\n", what);
	exit(2);
}

/* ---- output ---- */

static void say(struct buf *line)
{
	buf_addc(line, '\n');
	if (buf_ok(line) < 0 || fd_write_full(STDOUT_FILENO, line->data, line->len) < 0)
		exit(3); /* whoever listened has gone */
	buf_done(line);
}

static void add_hex(struct buf *out, const void *data, size_t size)
{
	const unsigned char *p = data;

	for (size_t i = 0; i < size; i++)
		buf_addf(out, "%02x", p[i]);
}

static void on_answered(void *arg, uint64_t tag, const struct shim_answer *a)
{
	struct buf line = { 0 };

	buf_addf(&line, "{\"tag\":%llu,\"code\":%d,\"text\":", (unsigned long long)tag,
		(int)a->code);
	buf_add_json(&line, a->text);
	buf_adds(&line, ",\"payload\":\"");
	add_hex(&line, a->payload, a->size);
	buf_adds(&line, "\"}");
	say(&line);
}

static void on_event(void *arg, const struct shim_event *e)
{
	struct buf line = { 0 };

	buf_addf(&line, "{\"event\":\"%s\",\"ns\":\"%s\",\"id\":\"%s\",\"pid\":%u,\"status\":%u}",
		e->kind == SHIM_EVENT_EXIT ? "exit" : "delete", e->ns, e->id, e->exit.pid,
		e->exit.status);
	say(&line);
}

static void on_loaded(void *arg)
{
	struct buf line = { 0 };

	buf_adds(&line, "{\"loaded\":true}");
	say(&line);
}

static int runtime_of(void *arg, const char *ns, const char *id, char **ret)
{
	struct driver *d = arg;
	char name[160];

	snprintf(name, sizeof(name), "%s/%s", ns, id);
	for (size_t i = 0; i < d->n_known; i++)
		if (strcmp(d->known[i].name, name) == 0) {
			*ret = strdup(d->known[i].runtime);
			return *ret ? 0 : -ENOMEM;
		}
	return -ENOENT;
}

static const struct task_manager_ops ops = { on_answered, on_event, on_loaded, runtime_of };

/* ---- input ---- */

static const char *text(const struct json_node *o, const char *key)
{
	const struct json_node *n = json_read_get(o, key);

	return n && n->kind == JSON_READ_STRING ? n->text : NULL;
}

static uint64_t number(const struct json_node *o, const char *key)
{
	const struct json_node *n = json_read_get(o, key);
	uint64_t v = 0;

	return n && json_read_u64(n, &v) == 0 ? v : 0;
}

static const ProtobufCMessage *message(const struct json_node *o, const char *key,
	const ProtobufCMessageDescriptor *type, struct arena *arena)
{
	const char *hex = text(o, key);
	size_t n = hex ? strlen(hex) / 2 : 0;
	unsigned char *data = arena_alloc(arena, n + 1);
	const ProtobufCMessage *m;
	struct err err;

	if (!hex && strcmp(key, "options") == 0)
		return NULL;
	for (size_t i = 0; i < n; i++)
		if (sscanf(hex + 2 * i, "%2hhx", &data[i]) != 1)
			die("bad hex");
	if (message_decode(type, data, n, arena, &m, &err) < 0)
		die(err.text);
	return m;
}

static void create(struct driver *d, const struct json_node *o, struct arena *arena)
{
	auto_free char *spec = NULL;
	size_t size = 0;
	struct task_manager_create c = {
		.ns = text(o, "ns"),
		.id = text(o, "id"),
		.runtime = text(o, "runtime"),
		.runtime_path = text(o, "runtime_path"),
		.deadline_boot_ns = number(o, "timeout")
					    ? clock_boot_ns() + number(o, "timeout") * NS_PER_MS
					    : 0,
	};

	if (text(o, "spec") &&
		fd_read_file_at(AT_FDCWD, text(o, "spec"), 16u << 20, &spec, &size) < 0)
		die("no spec");
	c.spec = spec;
	c.spec_size = size;
	c.request = (const Pb__Task__CreateRequest *)(const void *)message(
		o, "request", &pb__task__create_request__descriptor, arena);
	c.runtime_options =
		(const Pb__Any *)(const void *)message(o, "options", &pb__any__descriptor, arena);
	task_manager_create(d->m, number(o, "tag"), &c);
}

// clang-format off
static const struct {
	const char *name;
	const ProtobufCMessageDescriptor *type;
} methods[] = {
	{ "State", &pb__task__state_request__descriptor },
	{ "Start", &pb__task__start_request__descriptor },
	{ "Kill", &pb__task__kill_request__descriptor },
	{ "Exec", &pb__task__exec_request__descriptor },
	{ "Wait", &pb__task__wait_request__descriptor },
	{ "Pids", &pb__task__pids_request__descriptor },
	{ "Delete", &pb__task__delete_request__descriptor },
	{ "Connect", &pb__task__connect_request__descriptor },
};
// clang-format on

static void call(struct driver *d, const struct json_node *o, struct arena *arena)
{
	const char *method = text(o, "method");
	uint64_t timeout = number(o, "timeout");

	for (size_t i = 0; i < ARRAY_LEN(methods); i++)
		if (str_eq(methods[i].name, method))
			return task_manager_call(d->m, number(o, "tag"), text(o, "ns"),
				text(o, "id"), method,
				message(o, "request", methods[i].type, arena),
				timeout ? clock_boot_ns() + timeout * NS_PER_MS : 0);
	die("unknown method");
}

static void add_task(void *arg, const char *ns, const char *id)
{
	struct buf *line = arg;

	buf_addf(line, "%s\"%s/%s\"", line->data[line->len - 1] == '[' ? "" : ",", ns, id);
}

static void list(struct driver *d, const struct json_node *o)
{
	struct buf line = { 0 };

	buf_addf(&line, "{\"tag\":%llu,\"tasks\":[", (unsigned long long)number(o, "tag"));
	task_manager_each(d->m, text(o, "ns"), add_task, &line);
	buf_adds(&line, "]}");
	say(&line);
}

static void state(struct driver *d, const struct json_node *o)
{
	const char *s = task_manager_state(d->m, text(o, "ns"), text(o, "id"));
	struct buf line = { 0 };

	buf_addf(&line, "{\"tag\":%llu,\"state\":\"%s\"}", (unsigned long long)number(o, "tag"),
		s ? s : "none");
	say(&line);
}

static void know(struct driver *d, const struct json_node *o)
{
	struct known *k = &d->known[d->n_known++];

	if (d->n_known > ARRAY_LEN(d->known))
		die("knows too much");
	snprintf(k->name, sizeof(k->name), "%s/%s", text(o, "ns"), text(o, "id"));
	snprintf(k->runtime, sizeof(k->runtime), "%s", text(o, "runtime"));
}

static void obey(struct driver *d, const char *line, size_t size)
{
	auto_done(arena) struct arena arena = { 0 };
	struct json_node *o = NULL;
	struct err err = { 0 };
	const char *what;

	if (json_read(&arena, line, size, &limits, &o, &err) < 0)
		die(err.text);
	what = text(o, "do");
	if (str_eq(what, "load") && task_manager_load(d->m, &err) < 0)
		die(err.text);
	else if (str_eq(what, "create"))
		create(d, o, &arena);
	else if (str_eq(what, "delete"))
		task_manager_delete(d->m, number(o, "tag"), text(o, "ns"), text(o, "id"));
	else if (str_eq(what, "call"))
		call(d, o, &arena);
	else if (str_eq(what, "list"))
		list(d, o);
	else if (str_eq(what, "state"))
		state(d, o);
	else if (str_eq(what, "know"))
		know(d, o);
	else if (str_eq(what, "note"))
		task_manager_note_exit(d->m, text(o, "ns"), text(o, "id"),
			&(struct shim_exit){ true, (uint32_t)number(o, "pid"),
				(uint32_t)number(o, "status"), clock_wall_ns() });
	else if (!str_eq(what, "load"))
		die("unknown order");
}

static void on_input(struct loop_fd *source, uint32_t events)
{
	struct driver *d = container_of(source, struct driver, input);
	char data[65536];
	ssize_t n = read(STDIN_FILENO, data, sizeof(data));
	const char *end;

	if (n <= 0)
		return loop_stop(d->loop, 0);
	buf_add(&d->lines, data, (size_t)n);
	while (d->lines.len > 0 && (end = memchr(d->lines.data, '\n', d->lines.len))) {
		size_t size = (size_t)(end - d->lines.data);

		obey(d, d->lines.data, size);
		buf_consume(&d->lines, size + 1);
	}
}

/* ---- beginning and end ---- */

static void take_limit(struct shim_limits *l, const char *word)
{
	const struct {
		const char *name;
		uint64_t *ns;
	} names[] = {
		{ "start=", &l->start_ns },
		{ "create=", &l->create_ns },
		{ "delete=", &l->delete_ns },
		{ "undo=", &l->undo_ns },
		{ "shutdown=", &l->shutdown_ns },
		{ "clean=", &l->clean_ns },
		{ "load=", &l->load_ns },
		{ "silent=", &l->silent_ns },
		{ "retry=", &l->retry_ns },
	};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (str_starts(word, names[i].name)) {
			*names[i].ns = strtoull(word + strlen(names[i].name), NULL, 10) * NS_PER_MS;
			return;
		}
	die("unknown limit");
}

static void many_files(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) == 0) {
		l.rlim_cur = l.rlim_max;
		setrlimit(RLIMIT_NOFILE, &l);
	}
}

static int one_bundle(int argc, char **argv)
{
	struct bundle_store store = BUNDLE_STORE_NULL;
	struct bundle_request req = { .intent = { "runtime", "/binary", INTENT_LAUNCH } };
	auto_free char *spec = NULL;
	struct err err;
	int r;

	if (argc < 6)
		die("too few arguments");
	req.ns = argv[4];
	req.id = argv[5];
	r = bundle_store_open(argv[2], argv[3], &store, &err);
	if (r == 0 && argc > 6) {
		r = fd_read_file_at(AT_FDCWD, argv[6], 16u << 20, &spec, &req.spec_size);
		req.spec = spec;
		r = r < 0 ? err_code(&err, r, "spec") : bundle_make(&store, &req, &err);
	} else if (r == 0) {
		r = bundle_remove(&store, req.ns, req.id, &err);
	}
	if (r < 0)
		fprintf(stderr, "%s\n", err.text);
	bundle_store_close(&store);
	return r < 0;
}

int main(int argc, char **argv)
{
	static char self[PATH_MAX], ttrpc[PATH_MAX];
	struct driver d = { .log = {
				    .fd = STDERR_FILENO, .level = LOG_INFO_, .format = LOG_TEXT } };
	struct task_manager_config config = { .ops = &ops, .arg = &d };
	struct err err;
	int r;

	if (argc < 4)
		die("usage: manager_driver ROOT STATE GRPC-ADDRESS [LIMIT=MS]...");
	signal(SIGPIPE, SIG_IGN);
	if (str_eq(argv[1], "make") || str_eq(argv[1], "remove"))
		return one_bundle(argc, argv);
	many_files();
	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0 || loop_new(&d.loop) < 0)
		die("cannot begin");
	snprintf(ttrpc, sizeof(ttrpc), "%s.ttrpc", argv[3]);
	for (int i = 4; i < argc; i++)
		take_limit(&config.limits, argv[i]);
	config.loop = d.loop;
	config.log = &d.log;
	config.reaper = reaper_own(d.loop);
	config.root = argv[1];
	config.state = argv[2];
	config.grpc_address = argv[3];
	config.ttrpc_address = ttrpc;
	config.program = self;
	config.search = getenv("PATH");
	if (task_manager_new(&config, &d.m, &err) < 0)
		die(err.text);
	if (loop_fd_add(d.loop, &d.input, STDIN_FILENO, EPOLLIN, on_input) < 0)
		die("no input");
	r = loop_run(d.loop);
	task_manager_free(d.m);
	loop_free(d.loop);
	buf_done(&d.lines);
	return r < 0 ? 1 : r;
}
