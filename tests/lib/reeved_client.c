/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reeved_client SOCKET NAMESPACE VERB [ARGUMENT]...: a small client of containerd's API, for where there is no ctr and for calls
 * that ctr does not make. NAMESPACE "-" sends none.
 *
 *	call SERVICE/METHOD HEX [HEADER VALUE]...  one call with an encoded message: "CODE TEXT", then each answer as HEX
 *	blob FILE [LABEL VALUE]...                 content: prints its digest
 *	image NAME DIGEST SIZE MEDIA-TYPE
 *	layer PARENT CHAIN DIGEST SIZE MEDIA-TYPE  unpack one on top of PARENT ("-": none), as snapshot CHAIN
 *	create ID IMAGE PARENT RUNTIME CONFIG      a container and its snapshot
 *	start ID DIR                               its task, with the output to fifos in DIR: prints the pid
 *	output DIR                                 copy it, to its end
 *	exec ID EXEC-ID DIR PROCESS                another process in it, and its output; its status is ours
 *	wait ID                                    its status is ours
 *	kill ID SIGNAL
 *	delete ID                                  task, container and snapshot; the status is ours
 *	tasks                                      id, pid, state
 *	events                                     until killed: topic, container, process, status
 *
 * A failure is written to standard error, and is status 125.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <nghttp2/nghttp2.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/sha256.h"
#include "base/str.h"
#include "rpc/grpc_wire.h"
#include "rpc/message.h"

#include "proto/api.pb-c.h"
#include "proto/events.pb-c.h"
#include "proto/image.pb-c.h"
#include "proto/task.pb-c.h"
#include "proto/tasks.pb-c.h"

#define FAILED 125
#define HEADERS_MAX 8
#define SNAPSHOTTER "overlayfs"

struct client;
typedef void message_fn(struct client *c, const void *data, size_t size);

struct client {
	nghttp2_session *h2;
	int sock;
	const char *ns;
	const char *extra[2 * HEADERS_MAX]; /* further headers */
	size_t n_extra;
	struct arena arena;
	/* Of the call under way. */
	struct buf request;
	size_t sent;
	struct grpc_reader reader;
	message_fn *message;
	struct buf answer; /* the last message */
	char text[GRPC_TEXT_MAX];
	int status; /* -1: none yet */
	bool ended;
	/* What is copied meanwhile. */
	int from[2];
};

static void die(const char *what, const char *why)
{
	fprintf(stderr, "reeved_client: %s: %s\n", what, why);
	exit(FAILED);
}

/* ---- one call after the other ---- */

static ssize_t give_request(nghttp2_session *s, int32_t stream, uint8_t *out, size_t room,
	uint32_t *flags, nghttp2_data_source *source, void *arg)
{
	struct client *c = arg;
	size_t n = c->request.len - c->sent;

	if (n > room)
		n = room;
	memcpy(out, c->request.data + c->sent, n);
	c->sent += n;
	if (c->sent == c->request.len)
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	return (ssize_t)n;
}

static int on_data(nghttp2_session *s, uint8_t flags, int32_t stream, const uint8_t *data,
	size_t size, void *arg)
{
	struct client *c = arg;
	struct buf *whole;

	while (size > 0 && grpc_read(&c->reader, &data, &size, &whole) == GRPC_WHOLE) {
		if (c->message)
			c->message(c, whole->data, whole->len);
		buf_done(&c->answer);
		buf_add(&c->answer, whole->data, whole->len);
	}
	return 0;
}

static int on_header(nghttp2_session *s, const nghttp2_frame *frame, const uint8_t *name,
	size_t n_name, const uint8_t *value, size_t n_value, uint8_t flags, void *arg)
{
	auto_done(buf) struct buf text = { 0 };
	struct client *c = arg;

	if (strcmp((const char *)name, "grpc-status") == 0)
		c->status = (int)strtol((const char *)value, NULL, 10);
	if (strcmp((const char *)name, "grpc-message") == 0) {
		grpc_text_decode((const char *)value, &text);
		snprintf(c->text, sizeof(c->text), "%s", text.data ? text.data : "");
	}
	return 0;
}

static int on_close(nghttp2_session *s, int32_t stream, uint32_t code, void *arg)
{
	struct client *c = arg;

	c->ended = true;
	return 0;
}

static void open_session(struct client *c)
{
	nghttp2_session_callbacks *calls;

	if (nghttp2_session_callbacks_new(&calls) < 0)
		die("session", "out of memory");
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(calls, on_data);
	nghttp2_session_callbacks_set_on_header_callback(calls, on_header);
	nghttp2_session_callbacks_set_on_stream_close_callback(calls, on_close);
	if (nghttp2_session_client_new(&c->h2, calls, c) < 0)
		die("session", "out of memory");
	nghttp2_session_callbacks_del(calls);
	nghttp2_submit_settings(c->h2, NGHTTP2_FLAG_NONE, NULL, 0);
}

/* One piece of what is there to copy; false: nothing was. */
static bool copy_some(int from)
{
	char bytes[4096];
	ssize_t n = from < 0 ? 0 : read(from, bytes, sizeof(bytes));

	return n > 0 && fd_write_full(STDOUT_FILENO, bytes, (size_t)n) == 0;
}

static void send_all(struct client *c)
{
	const uint8_t *bytes;
	ssize_t n;

	while ((n = nghttp2_session_mem_send(c->h2, &bytes)) > 0)
		if (fd_write_full(c->sock, bytes, (size_t)n) < 0)
			die("send", strerror(errno));
}

static void pump(struct client *c)
{
	static uint8_t bytes[65536];
	struct pollfd fds[3] = { { c->sock, POLLIN, 0 }, { c->from[0], POLLIN, 0 },
		{ c->from[1], POLLIN, 0 } };
	ssize_t n;

	send_all(c);
	if (poll(fds, 3, -1) < 0)
		die("poll", strerror(errno));
	for (int i = 1; i < 3; i++)
		if (fds[i].revents & POLLIN)
			copy_some(fds[i].fd);
	if (!fds[0].revents)
		return;
	n = read(c->sock, bytes, sizeof(bytes));
	if (n <= 0)
		die("connection", n < 0 ? strerror(errno) : "the daemon has closed it");
	if (nghttp2_session_mem_recv(c->h2, bytes, (size_t)n) < 0)
		die("connection", "what the daemon says is no HTTP/2");
}

static nghttp2_nv header(const char *name, const char *value)
{
	return (nghttp2_nv){ (uint8_t *)name, (uint8_t *)value, strlen(name), strlen(value),
		NGHTTP2_NV_FLAG_NONE };
}

/* The gRPC code; the last message is in c->answer. */
static int call_bytes(struct client *c, const char *method, const void *data, size_t size)
{
	nghttp2_data_provider body = { .read_callback = give_request };
	nghttp2_nv h[7 + HEADERS_MAX];
	uint8_t prefix[GRPC_PREFIX_BYTES];
	auto_free char *path = NULL;
	size_t n = 0;

	if (asprintf(&path, "/%s", method) < 0)
		die(method, "out of memory");
	h[n++] = header(":method", "POST");
	h[n++] = header(":scheme", "http");
	h[n++] = header(":path", path);
	h[n++] = header(":authority", "localhost");
	h[n++] = header("content-type", "application/grpc");
	h[n++] = header("te", "trailers");
	if (strcmp(c->ns, "-") != 0)
		h[n++] = header("containerd-namespace", c->ns);
	for (size_t i = 0; i + 1 < c->n_extra; i += 2)
		h[n++] = header(c->extra[i], c->extra[i + 1]);
	grpc_prefix(prefix, (uint32_t)size);
	buf_done(&c->request);
	buf_add(&c->request, prefix, sizeof(prefix));
	buf_add(&c->request, data, size);
	grpc_reader_done(&c->reader);
	c->reader = (struct grpc_reader){ 0 };
	buf_done(&c->answer);
	c->sent = 0;
	c->status = -1;
	c->ended = false;
	c->text[0] = '\0';
	if (nghttp2_submit_request(c->h2, NULL, h, n, &body, NULL) < 0)
		die(method, "cannot be called");
	while (!c->ended)
		pump(c);
	return c->status;
}

static int try_call(struct client *c, const char *method, const ProtobufCMessage *m)
{
	auto_done(buf) struct buf bytes = { 0 };

	message_encode(m, &bytes);
	return call_bytes(c, method, bytes.data, bytes.len);
}

static void call(struct client *c, const char *method, const ProtobufCMessage *m)
{
	if (try_call(c, method, m) != 0)
		die(method, c->text);
}

static const void *answer(struct client *c, const ProtobufCMessageDescriptor *type)
{
	const ProtobufCMessage *m = NULL;
	struct err err;

	if (message_decode(type, c->answer.data, c->answer.len, &c->arena, &m, &err) < 0)
		die("answer", err.text);
	return m;
}

/* ---- any call ---- */

static void print_hex(struct client *c, const void *data, size_t size)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < size; i++)
		printf("%02x", p[i]);
	putchar('\n');
	fflush(stdout);
}

static int verb_call(struct client *c, int n, char **arg)
{
	size_t size = strlen(arg[1]) / 2;
	uint8_t *data = arena_alloc(&c->arena, size + 1);

	for (size_t i = 0; data && i < size; i++)
		if (sscanf(arg[1] + 2 * i, "%2hhx", &data[i]) != 1)
			die("call", "bad hex");
	for (int i = 2; i < n && c->n_extra < ARRAY_LEN(c->extra); i++)
		c->extra[c->n_extra++] = arg[i];
	c->message = print_hex;
	call_bytes(c, arg[0], data, size);
	printf("%d %s\n", c->status, c->text);
	return 0;
}

/* ---- images ---- */

static int verb_blob(struct client *c, int n, char **arg)
{
	Pb__Image__WriteContentRequest m = PB__IMAGE__WRITE_CONTENT_REQUEST__INIT;
	auto_free char *data = NULL;
	char digest[7 + SHA256_HEX_SIZE] = "sha256:";
	size_t size = 0;

	if (fd_read_file_at(AT_FDCWD, arg[0], GRPC_MESSAGE_MAX - 4096, &data, &size) < 0)
		die(arg[0], "cannot be read");
	sha256_hex(data, size, digest + 7);
	m.action = 2; /* all of it, and commit */
	m.ref = digest;
	m.expected = digest;
	m.total = (int64_t)size;
	m.data = (ProtobufCBinaryData){ size, (uint8_t *)data };
	m.labels = arena_calloc(&c->arena, (size_t)n, sizeof(Pb__Pair *));
	for (int i = 1; i + 1 < n; i += 2) {
		Pb__Pair *label = arena_calloc(&c->arena, 1, sizeof(*label));

		pb__pair__init(label);
		label->key = arg[i];
		label->value = arg[i + 1];
		m.labels[m.n_labels++] = label;
	}
	if (try_call(c, "containerd.services.content.v1.Content/Write", &m.base) != 0 &&
		c->status != 6)
		die(arg[0], c->text);
	puts(digest);
	return 0;
}

static Pb__Image__Descriptor *descriptor(struct client *c, char **arg)
{
	Pb__Image__Descriptor *d = arena_calloc(&c->arena, 1, sizeof(*d));

	pb__image__descriptor__init(d);
	d->digest = arg[0];
	d->size = strtoll(arg[1], NULL, 10);
	d->media_type = arg[2];
	return d;
}

static int verb_image(struct client *c, int n, char **arg)
{
	Pb__Image__ImageAnswer m = PB__IMAGE__IMAGE_ANSWER__INIT;
	Pb__Image__Image image = PB__IMAGE__IMAGE__INIT;

	image.name = arg[0];
	image.target = descriptor(c, arg + 1);
	m.image = &image;
	call(c, "containerd.services.images.v1.Images/Create", &m.base);
	return 0;
}

static const Pb__Image__MountsAnswer *prepare(struct client *c, char *key, char *parent)
{
	Pb__Image__PrepareRequest m = PB__IMAGE__PREPARE_REQUEST__INIT;

	m.snapshotter = (char *)SNAPSHOTTER;
	m.key = key;
	m.parent = strcmp(parent, "-") != 0 ? parent : (char *)"";
	call(c, "containerd.services.snapshots.v1.Snapshots/Prepare", &m.base);
	return answer(c, &pb__image__mounts_answer__descriptor);
}

static int verb_layer(struct client *c, int n, char **arg)
{
	Pb__Image__ApplyRequest apply = PB__IMAGE__APPLY_REQUEST__INIT;
	Pb__Image__CommitRequest commit = PB__IMAGE__COMMIT_REQUEST__INIT;
	char *key = arena_printf(&c->arena, "extract %s", arg[1]);
	const Pb__Image__MountsAnswer *mounts = prepare(c, key, arg[0]);

	apply.diff = descriptor(c, arg + 2);
	apply.mounts = mounts->mounts;
	apply.n_mounts = mounts->n_mounts;
	call(c, "containerd.services.diff.v1.Diff/Apply", &apply.base);
	commit.snapshotter = (char *)SNAPSHOTTER;
	commit.key = key;
	commit.name = arg[1];
	call(c, "containerd.services.snapshots.v1.Snapshots/Commit", &commit.base);
	return 0;
}

/* ---- tasks ---- */

static Pb__Any *file_any(struct client *c, const char *path, const char *type)
{
	Pb__Any *any = arena_calloc(&c->arena, 1, sizeof(*any));
	auto_free char *data = NULL;
	size_t size = 0;

	if (fd_read_file_at(AT_FDCWD, path, 1u << 20, &data, &size) < 0)
		die(path, "cannot be read");
	pb__any__init(any);
	any->type_url = (char *)type;
	any->value = (ProtobufCBinaryData){ size, arena_alloc(&c->arena, size + 1) };
	memcpy(any->value.data, data, size);
	return any;
}

static int verb_create(struct client *c, int n, char **arg)
{
	Pb__Api__CreateContainerRequest m = PB__API__CREATE_CONTAINER_REQUEST__INIT;
	Pb__Api__Container k = PB__API__CONTAINER__INIT;
	Pb__Api__Runtime runtime = PB__API__RUNTIME__INIT;

	(void)prepare(c, arg[0], arg[2]);
	runtime.name = arg[3];
	k.id = k.snapshot_key = arg[0];
	k.image = arg[1];
	k.snapshotter = (char *)SNAPSHOTTER;
	k.runtime = &runtime;
	k.spec = file_any(c, arg[4], "types.containerd.io/opencontainers/runtime-spec/1/Spec");
	m.container = &k;
	call(c, "containerd.services.containers.v1.Containers/Create", &m.base);
	return 0;
}

static char *fifo(struct client *c, const char *dir, const char *name)
{
	char *path = arena_printf(&c->arena, "%s/%s", dir, name);

	if (mkfifo(path, 0600) < 0 && errno != EEXIST)
		die(path, strerror(errno));
	return path;
}

static int verb_start(struct client *c, int n, char **arg)
{
	Pb__Image__SnapshotKey mounts = PB__IMAGE__SNAPSHOT_KEY__INIT;
	Pb__Tasks__CreateRequest create = PB__TASKS__CREATE_REQUEST__INIT;
	Pb__Task__StartRequest start = PB__TASK__START_REQUEST__INIT;
	const Pb__Image__MountsAnswer *rootfs;

	mounts.snapshotter = (char *)SNAPSHOTTER;
	mounts.key = arg[0];
	call(c, "containerd.services.snapshots.v1.Snapshots/Mounts", &mounts.base);
	rootfs = answer(c, &pb__image__mounts_answer__descriptor);
	create.container_id = arg[0];
	create.rootfs = rootfs->mounts;
	create.n_rootfs = rootfs->n_mounts;
	create.stdout = fifo(c, arg[1], "out");
	create.stderr = fifo(c, arg[1], "err");
	call(c, "containerd.services.tasks.v1.Tasks/Create", &create.base);
	start.id = arg[0];
	call(c, "containerd.services.tasks.v1.Tasks/Start", &start.base);
	printf("%u\n",
		((const Pb__Task__StartResponse *)answer(c, &pb__task__start_response__descriptor))
			->pid);
	return 0;
}

static void listen_to(struct client *c, const char *dir)
{
	c->from[0] = fd_open(fifo(c, dir, "out"), O_RDWR | O_NONBLOCK, 0);
	c->from[1] = fd_open(fifo(c, dir, "err"), O_RDWR | O_NONBLOCK, 0);
}

static int verb_output(struct client *c, int n, char **arg)
{
	struct pollfd fds[2] = { { 0, POLLIN, 0 }, { 0, POLLIN, 0 } };

	/* Opened for reading alone: their end is that of the last writer. */
	fds[0].fd = fd_open(fifo(c, arg[0], "out"), O_RDONLY, 0);
	fds[1].fd = fd_open(fifo(c, arg[0], "err"), O_RDONLY, 0);
	while (fds[0].fd >= 0 || fds[1].fd >= 0) {
		if (poll(fds, 2, -1) < 0)
			die("poll", strerror(errno));
		for (int i = 0; i < 2; i++)
			if (fds[i].revents && !copy_some(fds[i].fd))
				fds[i].fd = -1;
	}
	return 0;
}

static int wait_for(struct client *c, char *id, char *exec_id)
{
	Pb__Task__WaitRequest m = PB__TASK__WAIT_REQUEST__INIT;

	m.id = id;
	m.exec_id = exec_id;
	call(c, "containerd.services.tasks.v1.Tasks/Wait", &m.base);
	return (int)((const Pb__Task__WaitResponse *)answer(
			     c, &pb__task__wait_response__descriptor))
		->exit_status;
}

static int verb_exec(struct client *c, int n, char **arg)
{
	Pb__Tasks__ExecRequest m = PB__TASKS__EXEC_REQUEST__INIT;
	Pb__Task__StartRequest start = PB__TASK__START_REQUEST__INIT;
	Pb__Task__DeleteRequest delete = PB__TASK__DELETE_REQUEST__INIT;
	int status;

	listen_to(c, arg[2]);
	m.container_id = start.id = delete.id = arg[0];
	m.exec_id = start.exec_id = delete.exec_id = arg[1];
	m.stdout = fifo(c, arg[2], "out");
	m.stderr = fifo(c, arg[2], "err");
	m.spec = file_any(c, arg[3], "types.containerd.io/opencontainers/runtime-spec/1/Process");
	call(c, "containerd.services.tasks.v1.Tasks/Exec", &m.base);
	call(c, "containerd.services.tasks.v1.Tasks/Start", &start.base);
	status = wait_for(c, arg[0], arg[1]);
	call(c, "containerd.services.tasks.v1.Tasks/DeleteProcess", &delete.base);
	while (copy_some(c->from[0]) || copy_some(c->from[1]))
		;
	return status;
}

static int verb_wait(struct client *c, int n, char **arg)
{
	return wait_for(c, arg[0], (char *)"");
}

static int verb_kill(struct client *c, int n, char **arg)
{
	Pb__Task__KillRequest m = PB__TASK__KILL_REQUEST__INIT;

	m.id = arg[0];
	m.signal = (uint32_t)strtoul(arg[1], NULL, 10);
	call(c, "containerd.services.tasks.v1.Tasks/Kill", &m.base);
	return 0;
}

static int verb_delete(struct client *c, int n, char **arg)
{
	Pb__Tasks__TaskId task = PB__TASKS__TASK_ID__INIT;
	Pb__Api__ContainerId container = PB__API__CONTAINER_ID__INIT;
	Pb__Image__SnapshotKey snapshot = PB__IMAGE__SNAPSHOT_KEY__INIT;
	int status;

	task.container_id = container.id = snapshot.key = arg[0];
	snapshot.snapshotter = (char *)SNAPSHOTTER;
	call(c, "containerd.services.tasks.v1.Tasks/Delete", &task.base);
	status = (int)((const Pb__Tasks__DeleteResponse *)answer(
			       c, &pb__tasks__delete_response__descriptor))
			 ->exit_status;
	call(c, "containerd.services.containers.v1.Containers/Delete", &container.base);
	call(c, "containerd.services.snapshots.v1.Snapshots/Remove", &snapshot.base);
	return status;
}

static int verb_tasks(struct client *c, int n, char **arg)
{
	static const char *const states[] = { "UNKNOWN", "CREATED", "RUNNING", "STOPPED", "PAUSED",
		"PAUSING" };
	Pb__Tasks__ListRequest m = PB__TASKS__LIST_REQUEST__INIT;
	const Pb__Tasks__ListResponse *list;

	call(c, "containerd.services.tasks.v1.Tasks/List", &m.base);
	list = answer(c, &pb__tasks__list_response__descriptor);
	for (size_t i = 0; i < list->n_tasks; i++)
		printf("%s %u %s\n", list->tasks[i]->id, list->tasks[i]->pid,
			states[list->tasks[i]->status < ARRAY_LEN(states) ? list->tasks[i]->status
									  : 0]);
	return 0;
}

static void print_event(struct client *c, const void *data, size_t size)
{
	auto_done(arena) struct arena arena = { 0 };
	const ProtobufCMessage *m = NULL, *body = NULL;
	const Pb__Events__Envelope *e;
	const Pb__Events__TaskExit *exit_ = NULL;
	const Pb__Events__TaskStart *other;

	if (message_decode(&pb__events__envelope__descriptor, data, size, &arena, &m, NULL) < 0)
		return;
	e = (const void *)m;
	if (!e->event || strncmp(e->topic, "/tasks/", 7) != 0)
		return;
	/* The container is the first field of all of them. */
	if (strcmp(e->topic, "/tasks/exit") == 0 &&
		message_decode(&pb__events__task_exit__descriptor, e->event->value.data,
			e->event->value.len, &arena, &body, NULL) == 0)
		exit_ = (const void *)body;
	if (exit_)
		printf("%-20s container=%s process=%s status=%u\n", e->topic, exit_->container_id,
			exit_->id, exit_->exit_status);
	else if (message_decode(&pb__events__task_oom__descriptor, e->event->value.data,
			 e->event->value.len, &arena, &body, NULL) == 0 &&
		 (other = (const void *)body))
		printf("%-20s container=%s\n", e->topic, other->container_id);
	fflush(stdout);
}

static int verb_events(struct client *c, int n, char **arg)
{
	Pb__Api__SubscribeRequest m = PB__API__SUBSCRIBE_REQUEST__INIT;

	c->message = print_event;
	call(c, "containerd.services.events.v1.Events/Subscribe", &m.base);
	return 0;
}

// clang-format off
static const struct {
	const char *name;
	int n; /* arguments, at least */
	int (*run)(struct client *c, int n, char **arg);
} verbs[] = {
	{ "blob",   1, verb_blob },
	{ "call",   2, verb_call },
	{ "create", 5, verb_create },
	{ "delete", 1, verb_delete },
	{ "events", 0, verb_events },
	{ "exec",   4, verb_exec },
	{ "image",  4, verb_image },
	{ "kill",   2, verb_kill },
	{ "layer",  5, verb_layer },
	{ "output", 1, verb_output },
	{ "start",  2, verb_start },
	{ "tasks",  0, verb_tasks },
	{ "wait",   1, verb_wait },
};
// clang-format on

static int connect_to(const char *path)
{
	int sock = fd_unix_connect_at(AT_FDCWD, path, SOCK_STREAM);

	if (sock < 0)
		die(path, strerror(-sock));
	return sock;
}

int main(int argc, char **argv)
{
	struct client c = { .sock = -EBADF, .from = { -1, -1 } };

	for (size_t i = 0; argc > 3 && i < ARRAY_LEN(verbs); i++) {
		if (strcmp(argv[3], verbs[i].name) != 0 || argc - 4 < verbs[i].n)
			continue;
		c.ns = argv[2];
		if (strcmp(argv[3], "output") != 0) {
			c.sock = connect_to(argv[1]);
			open_session(&c);
		}
		return verbs[i].run(&c, argc - 4, argv + 4);
	}
	die("usage", "reeved_client SOCKET NAMESPACE VERB [ARGUMENT]...");
}
