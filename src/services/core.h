/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Core: what the services of reeved share: the store, the events, and how a call is carried out.
 *
 * A method is a function from a request to a reply that knows nothing of doors. core_run() asks for
 * the namespace, makes a transaction around it, and only when that is on the disk sends the event
 * and the reply.
 *
 * Owner    What is in a core is its caller's and outlives its services. A call and what hangs on it
 *          ends with core_run().
 * Errors   A method returns 0 or a negative errno with call->err; that becomes the status
 *          (rpc/status.h), -EBUSY failed precondition, what is in no table unknown.
 * Blocks   On the store.
 * Context  Parent, on the loop's thread.
 */
#include "base/log.h"
#include "container/reaper.h"
#include "event/loop.h"
#include "rpc/service.h"
#include "services/labels.h"
#include "store/store.h"
#include "supervisor/command.h"

struct blobs;
struct core_chore;
struct core_copy;
struct core_echo;
struct core_export;
struct core_import;
struct core_inner;
struct core_stream;
struct core_writer;
struct event_bus;
struct gc;
struct tasks;

struct core {
	struct loop *loop;
	struct log *log;
	struct store *store;
	struct event_bus *events;
	struct blobs *blobs;
	struct gc *gc;
	struct tasks *tasks;
	struct core_writer *writers;    /* of content_service.c: content that is being written */
	struct core_chore *chores;      /* of chore.c: what helpers do */
	struct core_export *exports;    /* of image_export.c: archives that go */
	struct core_echo *echoes;       /* of transfer_echo.c */
	struct core_import *imports;    /* of image_import.c: archives that come */
	struct core_inner *inner;       /* of inner.c: calls of services to each other */
	struct core_stream *streams;    /* of streams.c: what clients have begun */
	struct core_copy *copies;       /* of snapshots.h: directories that are being filled */
	struct reaper reaper;           /* of our helpers */
	struct command_outside outside; /* where shims are started */
	int root;                       /* directory, and its path */
	const char *root_path;
	/* What is served, for Introspection. */
	const struct rpc_service *services;
	size_t n_services;
	char uuid[37];
};

struct core_call {
	struct core *core;
	const struct rpc_request *req;
	const char *ns; /* NULL for methods without one */
	struct arena *arena;
	struct err *err;
	const ProtobufCMessage *reply; /* NULL: Empty */
	/* To be published when all is done; topic NULL: nothing. */
	const char *topic, *event_ns, *event_type;
	const ProtobufCMessage *event;
	void (*after)(struct core *core); /* when all is done; NULL: nothing */
	bool answered;                    /* the method has answered itself, or will */
};

typedef int core_fn(struct core_call *c);

enum core_flags {
	CORE_WRITES = 1, /* in a transaction */
	CORE_NO_NS = 2,
};

void core_run(struct core *core, const struct rpc_request *req, core_fn *fn, unsigned int flags);

/* One row of a service: what the kind of its method stands for. */
struct core_method {
	core_fn *fn;
	unsigned int flags;
};

/* The namespace of a request: -EBUSY when there is none, -EINVAL when it is outside the grammar. */
int core_namespace(const struct rpc_request *req, struct err *err);

/* Decode what the store has; -ENOENT without a text. */
int core_load(struct core_call *c, enum store_bucket bucket, const char *ns, const char *key,
	const ProtobufCMessageDescriptor *type, ProtobufCMessage **ret);
int core_save(struct core_call *c, enum store_bucket bucket, const char *ns, const char *key,
	const ProtobufCMessage *m);
/* The first object of a namespace makes it. */
int core_touch_namespace(struct core_call *c);

/* What a call makes under a lease is kept as long as that. lease "" or NULL: nothing to do;
 * -ENOENT: there is no such lease. */
int core_lease(struct core_call *c, const char *lease, const char *type, const char *id);
/* Many at once, of one type. */
int core_lease_all(
	struct core_call *c, const char *lease, const char *type, const char *const *ids, size_t n);
/* What a call takes away under a lease is none of it any more. No such lease, or it has not got it: nothing to do. */
int core_unlease(struct core_call *c, const char *lease, const char *type, const char *id);

/* All records of a bucket that `keep` lets through, decoded, in the call's arena. */
struct core_list {
	ProtobufCMessage **items;
	size_t n, cap;
	size_t damaged; /* records that could not be read, and are not in it */
};
typedef bool core_keep_fn(void *arg, ProtobufCMessage *m);
int core_list(struct core_call *c, enum store_bucket bucket, const char *ns,
	const ProtobufCMessageDescriptor *type, core_keep_fn *keep, void *arg,
	struct core_list *ret);

/* Answer a stream with messages that `wrap` makes of the items one by one, as the client takes them.
 * The call's arena is taken over. */
typedef ProtobufCMessage *core_wrap_fn(void *room, ProtobufCMessage *item);
#define CORE_WRAP_SIZE 128
int core_stream(struct core_call *c, const struct core_list *list, core_wrap_fn *wrap);

Pb__Timestamp *core_now(struct core_call *c);
Pb__Timestamp *core_time(struct core_call *c, uint64_t wall_ns);
/* A string in the call's arena, as Go's %q writes it, cut. */
const char *core_quote(struct core_call *c, const char *s);
