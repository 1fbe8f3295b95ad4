/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The connection to a systemd manager: its private socket, else the bus; jobs, properties, errors in our words.
 *
 * Owner    The caller's; ended with systemd_bus_close(), which accepts a zeroed one.
 * Errors   Negative errno with *err, "systemd cgroup driver: ..."; -EHOSTDOWN: no systemd is there.
 * Blocks   Until the deadline at most.
 * Context  reeve-helper only.
 *
 * Sources: sd-bus(3), org.freedesktop.systemd1(5).
 */
#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

#include "base/err.h"

#define SYSTEMD_JOB_RESULT 64

struct systemd_bus {
	sd_bus *bus;
	sd_bus_slot *removed;
	uint64_t deadline_ns;
	bool direct;   /* the private socket: systemd at its other end, no bus between */
	char job[256]; /* that is waited for */
	char result[SYSTEMD_JOB_RESULT]; /* how it ended; "": not yet */
};

/* user: the manager of who calls, not the system's. */
int systemd_bus_open(struct systemd_bus *b, bool user, uint64_t deadline_ns, struct err *err);
void systemd_bus_close(struct systemd_bus *b);

/* A call of the manager's; the error of the reply is in *ret_name (free) when it is one of systemd's. */
int systemd_bus_new_call(
	struct systemd_bus *b, const char *method, sd_bus_message **ret, struct err *err);
int systemd_bus_call(struct systemd_bus *b, sd_bus_message *m, sd_bus_message **ret_reply,
	char **ret_name, struct err *err);

/* Until the job is gone; "done" and what `also` says (may be NULL) are success. */
int systemd_bus_wait_job(struct systemd_bus *b, const char *what, const char *job, const char *also,
	struct err *err);

/* A property of a unit; the text is heap memory. `interface` NULL: that of all units. */
int systemd_bus_unit_text(struct systemd_bus *b, const char *unit, const char *interface,
	const char *property, char **ret, struct err *err);
/* The invocation id in hex; "" where it has none. */
int systemd_bus_invocation(struct systemd_bus *b, const char *unit, char ret[33], struct err *err);
/* Its number ("252.39-1" is 252); 0 when it cannot be read. */
unsigned int systemd_bus_version(struct systemd_bus *b);
