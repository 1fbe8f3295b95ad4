/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Status: how a failure is told to clients of ttrpc and gRPC. One table for every service
 * (spec/shim.md 2.7): errno -> code, code -> the class text that ends the message.
 *
 * Owner    Nothing is allocated.
 * Errors   None.
 * Blocks   Never.
 * Context  Any.
 */
#include <stddef.h>

enum status_code {
	RPC_OK = 0,
	RPC_CANCELED = 1,
	RPC_UNKNOWN = 2,
	RPC_INVALID_ARGUMENT = 3,
	RPC_DEADLINE_EXCEEDED = 4,
	RPC_NOT_FOUND = 5,
	RPC_ALREADY_EXISTS = 6,
	RPC_PERMISSION_DENIED = 7,
	RPC_RESOURCE_EXHAUSTED = 8,
	RPC_FAILED_PRECONDITION = 9,
	RPC_ABORTED = 10,
	RPC_OUT_OF_RANGE = 11,
	RPC_UNIMPLEMENTED = 12,
	RPC_INTERNAL = 13,
	RPC_UNAVAILABLE = 14,
	RPC_DATA_LOSS = 15,
	RPC_UNAUTHENTICATED = 16,
};

/* Code of a negative (or positive) errno; 0 gives RPC_OK, what is not in the table RPC_UNKNOWN. */
enum status_code status_from_errno(int code);

/* "not found", "already exists", ...; "unknown" for codes outside of the table, "" for RPC_OK. */
const char *status_class(enum status_code code);

/*
 * The message that a client sees: "<detail>: <class>". Clients cut the class off again when they
 * rebuild the error. RPC_UNKNOWN has no class: its text stands alone. A detail that ends in its
 * class already is left as it is. Cut to size; returns out.
 */
#define STATUS_TEXT_SIZE 544 /* the text of struct err and any class */
const char *status_text(enum status_code code, const char *detail, char *out, size_t size);
