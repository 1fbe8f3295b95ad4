/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Input: one thing that happened to a task: a request, the outcome of an effect, an exit, an OOM
 * kill, a reload.
 *
 * The log of a task is its inputs in order (design.md section 4): loading is feeding them again. An
 * input therefore holds all that the core needs, and carries as `payload` what only the supervisor
 * understands (bundle, streams, spec).
 *
 * Owner    Strings and payload are borrowed; after input_decode() they point into the decoded
 *          bytes.
 * Errors   input_decode(): -EBADMSG with *err filled; *ret is written only on success.
 * Blocks   Never.
 * Context  Any; nothing is allocated.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "task/terms.h"

// clang-format off
#define INPUT_TYPES(_) \
	/* requests; `addr` says where the answer goes, `exec_id` which process is meant */ \
	_(CREATE,     "create") \
	_(START,      "start") \
	_(DELETE,     "delete") \
	_(EXEC,       "exec") \
	_(STATE,      "state") \
	_(PIDS,       "pids") \
	_(PAUSE,      "pause") \
	_(RESUME,     "resume") \
	_(CHECKPOINT, "checkpoint") \
	_(KILL,       "kill") \
	_(RESIZE,     "resize") \
	_(CLOSE_IO,   "close-io") \
	_(UPDATE,     "update") \
	_(WAIT,       "wait") \
	_(STATS,      "stats") \
	_(CONNECT,    "connect") \
	/* about requests: the deadline of the one at `addr` passed; connection addr.conn is gone */ \
	_(CANCEL,     "cancel") \
	_(HANGUP,     "hangup") \
	/* outcomes of the effect that named `op`; MADE comes before DONE where an exec waits at its barrier */ \
	_(MADE,       "made") \
	_(DONE,       "done") \
	_(FAILED,     "failed") \
	/* news from the kernel */ \
	_(EXIT,       "exit") \
	_(OOM,        "oom") \
	/* the worker has started again and fed the log: what was under way is ordered once more */ \
	_(RELOAD,     "reload")
// clang-format on

enum input_type {
#define INPUT_ENUM(name, text) IN_##name,
	INPUT_TYPES(INPUT_ENUM)
#undef INPUT_ENUM
		INPUTS_,
};

struct task_input {
	enum input_type type;
	struct task_addr addr;
	const char *exec_id; /* NULL or "": the init; the new id in IN_EXEC */

	/* IN_KILL */
	uint32_t signal;
	bool all; /* every process of the container */

	/* IN_RESIZE */
	uint32_t width;
	uint32_t height;

	bool restore; /* IN_CREATE: from a checkpoint: no process until Start */

	uint32_t op; /* IN_MADE, IN_DONE, IN_FAILED */

	/* IN_MADE; IN_DONE of create and of a restoring start */
	uint32_t pid;
	bool shared_pidns; /* create: the kernel does not kill the rest when the init exits (4.13) */

	/* IN_FAILED */
	int error;        /* negative errno */
	const char *text; /* what the client is told */

	/* IN_EXIT. An exit is matched by token, never by pid. */
	uint64_t token;
	int32_t wait_status;
	uint64_t boot_ns;
	uint64_t wall_ns;
	bool oom; /* the last look at the counter of OOM kills found a new one (INV-16) */

	const void *payload;
	size_t payload_size;
};

const char *input_type_name(enum input_type type);
bool input_is_request(enum input_type type);

/*
 * The bytes of an input: docs/formats/task.md. Returns the size that is needed, and writes only
 * when `cap` is enough, so a call with cap 0 measures.
 */
size_t input_encode(const struct task_input *in, void *out, size_t cap);
int input_decode(const void *data, size_t size, struct task_input *ret, struct err *err);
