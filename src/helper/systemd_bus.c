/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The private socket comes first: it needs no message bus, which a small machine does not have, and nobody stands between.
 * What surprises: it is systemd itself that answers on it, so there is nothing to subscribe to and no name to send to.
 */
#include "helper/systemd_bus.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"

#define NAME "org.freedesktop.systemd1"
#define PATH "/org/freedesktop/systemd1"
#define MANAGER NAME ".Manager"
#define WHO "systemd cgroup driver"

static uint64_t left_usec(const struct systemd_bus *b)
{
	uint64_t now = clock_boot_ns();

	return now < b->deadline_ns ? (b->deadline_ns - now) / 1000 + 1 : 1;
}

static int too_late(struct err *err)
{
	return err_set(err, -ETIMEDOUT, WHO ": systemd did not answer in time");
}

/* ---- the connection ---- */

static bool is_nobody(int r)
{
	return r == -ENOENT || r == -ECONNREFUSED || r == -ENOTDIR || r == -ENOTCONN;
}

/* Until the other side has said who it is. */
static int greet(struct systemd_bus *b)
{
	for (;;) {
		int r = sd_bus_is_ready(b->bus);

		if (r != 0)
			return r < 0 ? r : 0;
		r = sd_bus_process(b->bus, NULL);
		if (r == 0)
			r = sd_bus_wait(b->bus, left_usec(b));
		if (r < 0)
			return r;
		if (clock_boot_ns() >= b->deadline_ns)
			return -ETIMEDOUT;
	}
}

static int connect_to(struct systemd_bus *b, const char *address, bool direct)
{
	int r = sd_bus_new(&b->bus);

	if (r >= 0)
		r = sd_bus_set_address(b->bus, address);
	if (r >= 0)
		r = sd_bus_set_bus_client(b->bus, !direct);
	if (r >= 0)
		r = sd_bus_start(b->bus);
	if (r >= 0)
		r = greet(b);
	b->direct = direct;
	if (r < 0)
		b->bus = sd_bus_close_unref(b->bus);
	return r < 0 ? r : 0;
}

/* "unix:path=..." with what D-Bus wants escaped. */
static char *address_of(const char *directory, const char *file)
{
	struct buf out = { 0 };

	buf_adds(&out, "unix:path=");
	for (const char *p = directory; *p; p++) {
		if (strchr("/._-", *p) || (*p >= '0' && *p <= '9') || (*p >= 'A' && *p <= 'Z') ||
			(*p >= 'a' && *p <= 'z'))
			buf_addc(&out, *p);
		else
			buf_addf(&out, "%%%02x", (unsigned char)*p);
	}
	buf_addf(&out, "/%s", file);
	return buf_take(&out);
}

static int open_at(struct systemd_bus *b, const char *directory, const char *socket,
	const char *bus, const char *bus_address)
{
	char *address = address_of(directory, socket);
	int r = address ? connect_to(b, address, true) : -ENOMEM, second;

	free(address);
	if (r == 0 || r == -ENOMEM)
		return r;
	address = bus_address ? strdup(bus_address) : address_of(directory, bus);
	second = address ? connect_to(b, address, false) : -ENOMEM;
	free(address);
	return is_nobody(second) ? r : second;
}

static int match_removed(struct systemd_bus *b);

static int subscribe(struct systemd_bus *b)
{
	int r = match_removed(b);

	if (r < 0 || b->direct)
		return r;
	return sd_bus_call_method(b->bus, NAME, PATH, MANAGER, "Subscribe", NULL, NULL, NULL);
}

static int nobody(int r, const char *where, struct err *err)
{
	if (is_nobody(r))
		return err_set(err, -EHOSTDOWN,
			WHO ": systemd does not run here: nobody listens at '%s'", where);
	return err_code(err, r, WHO ": connect to systemd at '%s'", where);
}

static int open_user(struct systemd_bus *b, char where[512], struct err *err)
{
	const char *session = getenv("DBUS_SESSION_BUS_ADDRESS"), *dir = getenv("XDG_RUNTIME_DIR");

	session = str_empty(session) ? NULL : session;
	if (str_empty(dir) && !session)
		return err_set(err, -EHOSTDOWN,
			WHO ": no user manager: neither XDG_RUNTIME_DIR nor "
			    "DBUS_SESSION_BUS_ADDRESS is set");
	snprintf(where, 512, "%.400s%s", str_empty(dir) ? session : dir,
		str_empty(dir) ? "" : "/systemd/private");
	return open_at(b, str_empty(dir) ? "/nonexistent" : dir, "systemd/private", "bus", session);
}

int systemd_bus_open(struct systemd_bus *b, bool user, uint64_t deadline_ns, struct err *err)
{
	char where[512] = "/run/systemd/private";
	int r;

	*b = (struct systemd_bus){ .deadline_ns = deadline_ns };
	*err = (struct err){ 0 };
	if (user)
		r = open_user(b, where, err);
	else
		r = open_at(b, "/run", "systemd/private", "dbus/system_bus_socket", NULL);
	if (r < 0)
		return err->code ? r : nobody(r, where, err);
	r = subscribe(b);
	return r < 0 ? err_code(err, r, WHO ": listen to systemd") : 0;
}

void systemd_bus_close(struct systemd_bus *b)
{
	sd_bus_slot_unref(b->removed);
	sd_bus_close_unref(b->bus);
	*b = (struct systemd_bus){ 0 };
}

/* ---- calls ---- */

int systemd_bus_new_call(
	struct systemd_bus *b, const char *method, sd_bus_message **ret, struct err *err)
{
	int r = sd_bus_message_new_method_call(b->bus, ret, NAME, PATH, MANAGER, method);

	return r < 0 ? err_code(err, r, WHO ": %s", method) : 0;
}

static int failed(const sd_bus_error *e, int r, const char *what, char **ret_name, struct err *err)
{
	int code = r == -EINVAL || r >= 0 ? -EINVAL : r;

	if (ret_name && e->name)
		*ret_name = strdup(e->name);
	if (r == -ETIMEDOUT)
		return too_late(err);
	/* Engines read errno's own text for "not found" as a program that was not found. */
	if (code == -ENOENT)
		code = -EINVAL;
	if (e->message)
		return err_set(err, code, WHO ": %s: %.300s", what, e->message);
	return err_code(err, code, WHO ": %s", what);
}

int systemd_bus_call(struct systemd_bus *b, sd_bus_message *m, sd_bus_message **ret_reply,
	char **ret_name, struct err *err)
{
	sd_bus_error e = SD_BUS_ERROR_NULL;
	int r = sd_bus_call(b->bus, m, left_usec(b), &e, ret_reply);

	if (r < 0)
		r = failed(&e, r, sd_bus_message_get_member(m), ret_name, err);
	else
		r = 0;
	sd_bus_error_free(&e);
	return r;
}

/* ---- jobs ---- */

static int on_removed(sd_bus_message *m, void *arg, sd_bus_error *e)
{
	const char *job, *unit, *result;
	struct systemd_bus *b = arg;
	uint32_t id;

	if (sd_bus_message_read(m, "uoss", &id, &job, &unit, &result) >= 0 && str_eq(job, b->job))
		snprintf(b->result, sizeof(b->result), "%s", result);
	return 0;
}

static int match_removed(struct systemd_bus *b)
{
	return sd_bus_match_signal(b->bus, &b->removed, b->direct ? NULL : NAME, PATH, MANAGER,
		"JobRemoved", on_removed, b);
}

int systemd_bus_wait_job(
	struct systemd_bus *b, const char *what, const char *job, const char *also, struct err *err)
{
	snprintf(b->job, sizeof(b->job), "%s", job);
	b->result[0] = '\0';
	while (!b->result[0]) {
		int r = sd_bus_process(b->bus, NULL);

		if (r == 0)
			r = sd_bus_wait(b->bus, left_usec(b));
		if (r < 0 && r != -EINTR)
			return err_code(err, r, WHO ": wait for systemd to %s", what);
		if (!b->result[0] && clock_boot_ns() >= b->deadline_ns)
			return too_late(err);
	}
	if (str_eq(b->result, "done") || str_eq(b->result, also))
		return 0;
	return err_set(err, -EIO, WHO ": %s: the job ended as '%s'", what, b->result);
}

/* ---- properties ---- */

static char *path_of(const char *unit)
{
	char *path = NULL;

	return sd_bus_path_encode(PATH "/unit", unit, &path) < 0 ? NULL : path;
}

int systemd_bus_unit_text(struct systemd_bus *b, const char *unit, const char *interface,
	const char *property, char **ret, struct err *err)
{
	sd_bus_error e = SD_BUS_ERROR_NULL;
	char *path = path_of(unit);
	int r;

	if (!path)
		return err_oom(err);
	r = sd_bus_get_property_string(
		b->bus, NAME, path, interface ? interface : NAME ".Unit", property, &e, ret);
	if (r < 0)
		r = failed(&e, r, property, NULL, err);
	sd_bus_error_free(&e);
	free(path);
	return r < 0 ? r : 0;
}

int systemd_bus_invocation(struct systemd_bus *b, const char *unit, char ret[33], struct err *err)
{
	sd_bus_error e = SD_BUS_ERROR_NULL;
	sd_bus_message *reply = NULL;
	char *path = path_of(unit);
	const void *bytes = NULL;
	size_t n = 0;
	int r;

	if (!path)
		return err_oom(err);
	r = sd_bus_get_property(b->bus, NAME, path, NAME ".Unit", "InvocationID", &e, &reply, "ay");
	if (r >= 0)
		r = sd_bus_message_read_array(reply, 'y', &bytes, &n);
	if (r < 0)
		r = failed(&e, r, "InvocationID", NULL, err);
	ret[0] = '\0';
	for (size_t i = 0; r >= 0 && i < n && i < 16; i++)
		snprintf(ret + 2 * i, 3, "%02x", ((const uint8_t *)bytes)[i]);
	sd_bus_message_unref(reply);
	sd_bus_error_free(&e);
	free(path);
	return r < 0 ? r : 0;
}

unsigned int systemd_bus_version(struct systemd_bus *b)
{
	char *text = NULL, digits[8] = "";
	uint32_t n = 0;

	if (sd_bus_get_property_string(b->bus, NAME, PATH, MANAGER, "Version", NULL, &text) < 0)
		return 0;
	snprintf(digits, sizeof(digits), "%.*s", (int)strspn(text, "0123456789"), text);
	free(text);
	return str_to_u32(digits, &n) < 0 ? 0 : n;
}
