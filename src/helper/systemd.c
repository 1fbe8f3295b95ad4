/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The three orders: start a unit, stop it, set its properties.
 *
 * systemd starts no scope without a process, so this one is it. It stays until its maker has put the container's process
 * into the scope's cgroup, or is gone; then it leaves, and an empty scope ends by itself.
 */
#include "helper/systemd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "container/unit_wire.h"
#include "helper/systemd_bus.h"

#define PATIENCE_NS (30 * NS_PER_SEC)
#define NAME "org.freedesktop.systemd1"
#define STALE_TRIES 100 /* of 10 ms: a unit of an earlier container that is on its way out */

struct order {
	struct systemd_bus bus;
	const char *what, *unit, *of, *invocation, *description;
	char *const *property; /* those words that are properties */
	size_t n;
	unsigned int version; /* systemd's, when asked for */
};

/* ---- the words ---- */

static int read_order(struct order *o, char *const *words, size_t n, struct err *err)
{
	struct {
		const char *name;
		const char **at;
	} own[] = { { "do=", &o->what }, { "unit=", &o->unit }, { "of=", &o->of },
		{ "invocation=", &o->invocation }, { "description=", &o->description } };
	size_t i;

	for (i = 0; i < n; i++) {
		size_t k = 0;

		while (k < ARRAY_LEN(own) && !str_starts(words[i], own[k].name))
			k++;
		if (k == ARRAY_LEN(own))
			break;
		*own[k].at = words[i] + strlen(own[k].name);
	}
	o->property = words + i;
	o->n = n - i;
	return o->what && o->unit ? 0 : err_set(err, -EINVAL, "reeve-helper: no such order");
}

/* ---- properties ---- */

static int append_bytes(sd_bus_message *m, const char *hex)
{
	uint8_t bytes[4096];
	size_t n = strlen(hex) / 2;

	if (n > sizeof(bytes))
		return -E2BIG;
	for (size_t i = 0; i < n; i++) {
		char two[3] = { hex[2 * i], hex[2 * i + 1], '\0' };

		bytes[i] = (uint8_t)strtoul(two, NULL, 16);
	}
	return sd_bus_message_append_array(m, 'y', bytes, n);
}

/* "FIRST SECOND" as the one element of a list, or none. */
static int append_pair(sd_bus_message *m, const char *value)
{
	const char *blank = strrchr(value, ' ');
	char first[256];

	if (!blank)
		return sd_bus_message_append(m, "a(ss)", 0);
	if ((size_t)(blank - value) >= sizeof(first))
		return -ENAMETOOLONG;
	memcpy(first, value, (size_t)(blank - value));
	first[blank - value] = '\0';
	return sd_bus_message_append(m, "a(ss)", 1, first, blank + 1);
}

static int append_value(sd_bus_message *m, const char *type, const char *value)
{
	uint64_t n;

	if (str_eq(type, "s"))
		return sd_bus_message_append(m, "s", value);
	if (str_eq(type, "b"))
		return sd_bus_message_append(m, "b", str_eq(value, "1"));
	if (str_eq(type, "as"))
		return sd_bus_message_append(m, "as", 1, value);
	if (str_eq(type, "ay"))
		return append_bytes(m, value);
	if (str_eq(type, "a(ss)"))
		return append_pair(m, value);
	if (!str_eq(type, "t") || str_to_u64(value, UINT64_MAX, &n) < 0)
		return -EINVAL;
	return sd_bus_message_append(m, "t", n);
}

/* NAME[@VERSION]=TYPE:VALUE */
static int append_property(struct order *o, sd_bus_message *m, const char *word)
{
	size_t len = strcspn(word, "=@");
	const char *equals = strchr(word, '='), *colon = equals ? strchr(equals, ':') : NULL;
	char name[64], type[8];
	uint32_t since = 0;
	int r;

	if (!colon || len >= sizeof(name) || (size_t)(colon - equals) > sizeof(type))
		return -EINVAL;
	memcpy(name, word, len);
	name[len] = '\0';
	snprintf(type, sizeof(type), "%.*s", (int)(colon - equals - 1), equals + 1);
	if (word[len] == '@') {
		since = (uint32_t)strtoul(word + len + 1, NULL, 10);
		if (!o->version)
			o->version = systemd_bus_version(&o->bus);
		if (o->version < since)
			return 0;
	}
	r = sd_bus_message_open_container(m, 'r', "sv");
	if (r >= 0)
		r = sd_bus_message_append(m, "s", name);
	if (r >= 0)
		r = sd_bus_message_open_container(m, 'v', type);
	if (r >= 0)
		r = append_value(m, type, colon + 1);
	if (r >= 0)
		r = sd_bus_message_close_container(m);
	return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_pid(sd_bus_message *m)
{
	return sd_bus_message_append(m, "(sv)", "PIDs", "au", 1, (uint32_t)getpid());
}

static int append_properties(struct order *o, sd_bus_message *m, bool with_pid, struct err *err)
{
	int r = sd_bus_message_open_container(m, 'a', "(sv)");

	for (size_t i = 0; r >= 0 && i < o->n; i++) {
		r = append_property(o, m, o->property[i]);
		if (r < 0)
			return err_code(
				err, r, "systemd cgroup driver: property '%.100s'", o->property[i]);
	}
	if (r >= 0 && with_pid)
		r = append_pid(m);
	if (r >= 0)
		r = sd_bus_message_close_container(m);
	return r < 0 ? err_code(err, r, "systemd cgroup driver: properties") : 0;
}

/* ---- simple calls ---- */

/* METHOD(unit, further strings); what it answers is the job's path, or nothing. */
static int call_unit(struct order *o, const char *method, const char *second, sd_bus_message **ret,
	char **ret_name, struct err *err)
{
	sd_bus_message *m = NULL;
	int r = systemd_bus_new_call(&o->bus, method, &m, err);

	if (r == 0 && sd_bus_message_append(m, "s", o->unit) < 0)
		r = err_oom(err);
	if (r == 0 && second && sd_bus_message_append(m, "s", second) < 0)
		r = err_oom(err);
	if (r == 0 && str_eq(method, "KillUnit") && sd_bus_message_append(m, "i", 9) < 0)
		r = err_oom(err);
	if (r == 0)
		r = systemd_bus_call(&o->bus, m, ret, ret_name, err);
	sd_bus_message_unref(m);
	return r;
}

/* A unit that failed stays until somebody says that he knows. */
static void reset_failed(struct order *o)
{
	sd_bus_message *reply = NULL;
	struct err ignored = { 0 };

	call_unit(o, "ResetFailedUnit", NULL, &reply, NULL, &ignored);
	sd_bus_message_unref(reply);
}

static int wait_job(
	struct order *o, sd_bus_message *reply, const char *what, const char *also, struct err *err)
{
	const char *job;

	if (sd_bus_message_read(reply, "o", &job) < 0)
		return err_set(err, -EPROTO, "systemd cgroup driver: %s: no job", what);
	return systemd_bus_wait_job(&o->bus, what, job, also, err);
}

/* ---- start ---- */

static bool is_slice(const char *unit)
{
	return str_ends(unit, ".slice");
}

static int start_once(struct order *o, sd_bus_message **ret, char **ret_name, struct err *err)
{
	sd_bus_message *m = NULL;
	int r = systemd_bus_new_call(&o->bus, "StartTransientUnit", &m, err);

	if (r == 0 && sd_bus_message_append(m, "ss", o->unit, "replace") < 0)
		r = err_oom(err);
	if (r == 0)
		r = append_properties(o, m, !is_slice(o->unit), err);
	if (r == 0 && sd_bus_message_append(m, "a(sa(sv))", 0) < 0)
		r = err_oom(err);
	if (r == 0)
		r = systemd_bus_call(&o->bus, m, ret, ret_name, err);
	sd_bus_message_unref(m);
	return r;
}

/* Its processes are gone, or it has failed: it will not stay. */
static bool is_on_its_way_out(struct order *o)
{
	struct err ignored = { 0 };
	char *state = NULL;
	bool out = systemd_bus_unit_text(&o->bus, o->unit, NULL, "ActiveState", &state, &ignored) ==
			   0 &&
		   !str_eq(state, "active") && !str_eq(state, "activating");

	free(state);
	return out;
}

static int start(struct order *o, struct err *err)
{
	sd_bus_message *reply = NULL;
	int r;

	for (int tries = 0;; tries++) {
		auto_free char *name = NULL;
		bool exists;

		r = start_once(o, &reply, &name, err);
		exists = r < 0 && str_eq(name, NAME ".UnitExists");
		if (exists && (tries == STALE_TRIES || !is_on_its_way_out(o)))
			return err_set(err, -EEXIST,
				"systemd cgroup driver: unit '%s' exists already", o->unit);
		if (!exists)
			break;
		reset_failed(o);
		nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
	}
	if (r == 0)
		r = wait_job(o, reply, "start the unit", NULL, err);
	sd_bus_message_unref(reply);
	return r < 0 ? err_in(err, "unit '%s'", o->unit) : 0;
}

static int describe(struct order *o, struct unit_news *n, struct err *err)
{
	const char *interface = is_slice(o->unit) ? NAME ".Slice" : NAME ".Scope";
	char *cgroup = NULL;
	int r = systemd_bus_unit_text(&o->bus, o->unit, interface, "ControlGroup", &cgroup, err);

	if (r == 0 && (*cgroup != '/' || strlen(cgroup) >= sizeof(n->cgroup)))
		r = err_set(
			err, -EPROTO, "systemd cgroup driver: unit '%s' has no cgroup", o->unit);
	if (r == 0)
		snprintf(n->cgroup, sizeof(n->cgroup), "%s", cgroup);
	free(cgroup);
	return r < 0 ? r : systemd_bus_invocation(&o->bus, o->unit, n->invocation, err);
}

/* Nobody sends anything: what comes is the end. */
static void stay(int news)
{
	char c;
	ssize_t n;

	do
		n = recv(news, &c, 1, 0);
	while (n > 0 || (n < 0 && errno == EINTR));
}

/* ---- stop ---- */

static int is_another(struct order *o, bool *ret, struct err *err)
{
	char *text = NULL, invocation[UNIT_INVOCATION_SIZE];
	int r;

	if (o->invocation) {
		r = systemd_bus_invocation(&o->bus, o->unit, invocation, err);
		/* One that has ended, and stays for somebody to see how, has none. */
		*ret = r == 0 && *invocation && !str_eq(invocation, o->invocation);
		return r;
	}
	r = systemd_bus_unit_text(&o->bus, o->unit, NULL, "Description", &text, err);
	*ret = r == 0 && !str_eq(text, o->description);
	free(text);
	return r;
}

/* The unit is there and the one that is meant. -ESTALE: another one has its name. */
static int is_meant(struct order *o, bool *ret, struct err *err)
{
	char *state = NULL;
	bool another = false;
	int r = systemd_bus_unit_text(&o->bus, o->unit, NULL, "LoadState", &state, err);

	*ret = r == 0 && !str_eq(state, "not-found");
	free(state);
	if (r == 0 && *ret)
		r = is_another(o, &another, err);
	return another ? err_set(err, -ESTALE, "unit '%s' is another's", o->unit) : r;
}

static int stop(struct order *o, struct err *err)
{
	auto_free char *name = NULL;
	sd_bus_message *reply = NULL;
	struct err ignored = { 0 };
	bool meant;
	int r = is_meant(o, &meant, err);

	if (r < 0 || !meant)
		return r;
	/* What the container's end has left: StopUnit would ask it nicely, and wait. */
	call_unit(o, "KillUnit", "all", &reply, NULL, &ignored);
	reply = sd_bus_message_unref(reply);
	r = call_unit(o, "StopUnit", "replace", &reply, &name, err);
	if (r == 0)
		r = wait_job(o, reply, "stop the unit", "canceled", err);
	sd_bus_message_unref(reply);
	if (r < 0 && str_eq(name, NAME ".NoSuchUnit"))
		r = 0;
	if (r == 0)
		reset_failed(o);
	return r < 0 ? err_in(err, "unit '%s'", o->unit) : 0;
}

/* ---- set ---- */

static int set(struct order *o, struct err *err)
{
	sd_bus_message *m = NULL, *reply = NULL;
	char *state = NULL;
	int r;

	if (o->n == 0)
		return 0;
	r = systemd_bus_new_call(&o->bus, "SetUnitProperties", &m, err);
	if (r == 0 && sd_bus_message_append(m, "sb", o->unit, 1) < 0)
		r = err_oom(err);
	if (r == 0)
		r = append_properties(o, m, false, err);
	if (r == 0)
		r = systemd_bus_call(&o->bus, m, &reply, NULL, err);
	sd_bus_message_unref(m);
	sd_bus_message_unref(reply);
	/* It writes its files before it looks at the next request: with this answer they are written. */
	if (r == 0)
		r = systemd_bus_unit_text(&o->bus, o->unit, NULL, "ActiveState", &state, err);
	free(state);
	return r < 0 ? err_in(err, "unit '%s'", o->unit) : 0;
}

/* ---- the order ---- */

static int carry_out(struct order *o, struct unit_news *n, struct err *err)
{
	int r = systemd_bus_open(
		&o->bus, str_eq(o->of, "user"), clock_boot_ns() + PATIENCE_NS, err);

	n->type = UNIT_NEWS_DONE;
	if (r == -EHOSTDOWN && str_eq(o->what, "stop")) /* and so no unit of it */
		return 0;
	if (r < 0)
		return r;
	if (str_eq(o->what, "stop"))
		return stop(o, err);
	if (str_eq(o->what, "set"))
		return set(o, err);
	n->type = UNIT_NEWS_STARTED;
	r = start(o, err);
	return r < 0 ? r : describe(o, n, err);
}

int systemd_main(int news, char *const *words, size_t n)
{
	struct order o = { 0 };
	struct unit_news told = { 0 };
	struct err err = { 0 };
	int r = read_order(&o, words, n, &err);

	if (r == 0)
		r = carry_out(&o, &told, &err);
	if (r < 0) {
		told.type = UNIT_NEWS_FAILED;
		told.code = err.code;
		snprintf(
			told.text, sizeof(told.text), "%.*s", (int)sizeof(told.text) - 1, err.text);
	}
	fd_send(news, &told, sizeof(told), NULL, 0);
	systemd_bus_close(&o.bus);
	if (told.type == UNIT_NEWS_STARTED)
		stay(news);
	return r < 0;
}
