/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Terms: the words that the core shares with those who carry its answers to clients: where an
 * answer goes, how a call ended, what an event is about, what a process is doing.
 *
 * Owner    Values.
 * Errors   None.
 * Blocks   Never.
 * Context  Any.
 */
#include <stdbool.h>
#include <stdint.h>

/*
 * Address of a request. Both numbers only grow and are never used twice, so an address outlives a
 * round of the loop and a restart of the worker, where a pointer or a callback would not (design.md
 * section 4).
 */
struct task_addr {
	uint64_t conn;   /* numbered by the door from 1; 0 = nobody waits for the answer */
	uint64_t stream; /* ttrpc or HTTP/2 stream on that connection */
};

static inline bool task_addr_eq(struct task_addr a, struct task_addr b)
{
	return a.conn == b.conn && a.stream == b.stream;
}

/* How a call ended. The numbers are gRPC's, for every door speaks them (spec/shim.md 2.7). */
// clang-format off
#define TASK_CODES(_) \
	_(OK,            0,  "ok") \
	_(CANCELED,      1,  "canceled") \
	_(UNKNOWN,       2,  "unknown") \
	_(INVALID,       3,  "invalid argument") \
	_(DEADLINE,      4,  "deadline exceeded") \
	_(NOT_FOUND,     5,  "not found") \
	_(EXISTS,        6,  "already exists") \
	_(DENIED,        7,  "permission denied") \
	_(EXHAUSTED,     8,  "resource exhausted") \
	_(PRECONDITION,  9,  "failed precondition") \
	_(UNIMPLEMENTED, 12, "not implemented") \
	_(INTERNAL,      13, "internal") \
	_(UNAVAILABLE,   14, "unavailable")

/* What is published, in the order of a task's life. */
#define TASK_TOPICS(_) \
	_(CREATE,       "/tasks/create") \
	_(START,        "/tasks/start") \
	_(EXEC_ADDED,   "/tasks/exec-added") \
	_(EXEC_STARTED, "/tasks/exec-started") \
	_(OOM,          "/tasks/oom") \
	_(PAUSED,       "/tasks/paused") \
	_(RESUMED,      "/tasks/resumed") \
	_(CHECKPOINTED, "/tasks/checkpointed") \
	_(EXIT,         "/tasks/exit") \
	_(DELETE,       "/tasks/delete")

/* containerd.v1.types.Status */
#define TASK_STATUSES(_) \
	_(UNKNOWN, 0, "unknown") \
	_(CREATED, 1, "created") \
	_(RUNNING, 2, "running") \
	_(STOPPED, 3, "stopped") \
	_(PAUSED,  4, "paused") \
	_(PAUSING, 5, "pausing")
// clang-format on

enum task_code {
#define TASK_CODE_ENUM(name, number, text) CODE_##name = number,
	TASK_CODES(TASK_CODE_ENUM)
#undef TASK_CODE_ENUM
};

enum task_topic {
#define TASK_TOPIC_ENUM(name, text) TOPIC_##name,
	TASK_TOPICS(TASK_TOPIC_ENUM)
#undef TASK_TOPIC_ENUM
		TOPICS_,
};

enum task_status {
#define TASK_STATUS_ENUM(name, number, text) STATUS_##name = number,
	TASK_STATUSES(TASK_STATUS_ENUM)
#undef TASK_STATUS_ENUM
};

const char *task_code_name(
	enum task_code code); /* "not found"; "unknown" for a number without a name */
const char *task_topic_name(enum task_topic topic);    /* "/tasks/create" */
const char *task_status_name(enum task_status status); /* "created" */
