/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CRI sends runc's message only to the runtime type of that name; to every other it sends what stood
 * in its configuration as TOML text. A key that we do not know is an error: a misspelt SystemdCgroup
 * must not silently run containers elsewhere.
 *
 * Clients of containerd 1.6 and 1.7 take every runtime whose name does not begin with io.containerd.runc for the one that
 * containerd had first, and send its messages, which have other numbers for the same things.
 */
#include "api/task_options.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/fd.h"
#include "base/str.h"
#include "base/toml.h"
#include "rpc/any.h"

#include "proto/common.pb-c.h"
#include "proto/options.pb-c.h"

#define CONFIG_MAX_BYTES 65536

// clang-format off
static const struct {
	const char *name; /* as in a table, in lower case without '_' */
	enum toml_type type;
	size_t offset;
} keys[] = {
	{ "nopivotroot",   TOML_BOOL,   offsetof(struct task_options, run.no_pivot_root) },
	{ "nonewkeyring",  TOML_BOOL,   offsetof(struct task_options, run.no_new_keyring) },
	{ "shimcgroup",    TOML_STRING, offsetof(struct task_options, shim_cgroup) },
	{ "iouid",         TOML_INTEGER, offsetof(struct task_options, run.io_uid) },
	{ "iogid",         TOML_INTEGER, offsetof(struct task_options, run.io_gid) },
	{ "iodrainms",     TOML_INTEGER, offsetof(struct task_options, run.io_drain_ms) },
	{ "iodirect",      TOML_BOOL,   offsetof(struct task_options, run.io_direct) },
	{ "binaryname",    TOML_STRING, offsetof(struct task_options, run.binary_name) },
	{ "root",          TOML_STRING, offsetof(struct task_options, run.root) },
	{ "criupath",      TOML_STRING, offsetof(struct task_options, run.criu_path) },
	{ "systemdcgroup", TOML_BOOL,   offsetof(struct task_options, run.systemd_cgroup) },
	{ "criuimagepath", TOML_STRING, offsetof(struct task_options, run.criu_image_path) },
	{ "criuworkpath",  TOML_STRING, offsetof(struct task_options, run.criu_work_path) },
};
// clang-format on

/* ---- TOML ---- */

static int find_key(const char *name)
{
	char plain[32];
	size_t n = 0;

	for (; *name && n + 1 < sizeof(plain); name++)
		if (*name != '_' && *name != '-')
			plain[n++] = (char)tolower((unsigned char)*name);
	plain[n] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (!*name && str_eq(plain, keys[i].name))
			return (int)i;
	return -1;
}

static bool fits(const struct toml_value *v, enum toml_type type)
{
	return v->type == type &&
	       (type != TOML_INTEGER || (v->integer >= 0 && v->integer <= UINT32_MAX));
}

/* Headers are stepped over: the table that we are given may stand under its full name. */
static int take_entry(void *arg, const struct toml_entry *e, struct err *err)
{
	static const char *const expected[] = {
		[TOML_BOOL] = "true or false is expected",
		[TOML_INTEGER] = "a number of 32 bits is expected",
		[TOML_STRING] = "a string is expected",
	};
	void *field;
	int k;

	if (!e->key)
		return 0;
	k = find_key(e->key);
	if (k < 0)
		return toml_refuse(e, err, "unknown option '%s'", e->key);
	if (!fits(&e->value, keys[k].type))
		return toml_refuse(e, err, "'%s': %s", e->key, expected[keys[k].type]);
	field = (char *)arg + keys[k].offset;
	if (keys[k].type == TOML_BOOL)
		*(bool *)field = e->value.boolean;
	else if (keys[k].type == TOML_INTEGER)
		*(uint32_t *)field = (uint32_t)e->value.integer;
	else
		*(const char **)field = e->value.string;
	return 0;
}

/* ---- messages ---- */

static void from_runc(const Pb__Options__Runc *m, struct task_options *out)
{
	*out = (struct task_options){
		.run = {
			.no_pivot_root = m->no_pivot_root,
			.no_new_keyring = m->no_new_keyring,
			.systemd_cgroup = m->systemd_cgroup,
			.io_uid = m->io_uid,
			.io_gid = m->io_gid,
			.binary_name = m->binary_name,
			.root = m->root,
			.criu_path = m->criu_path,
			.criu_image_path = m->criu_image_path,
			.criu_work_path = m->criu_work_path,
		},
		.shim_cgroup = *m->shim_cgroup ? m->shim_cgroup : NULL,
	};
}

static void from_linux(const Pb__Options__LinuxCreate *m, struct task_options *out)
{
	*out = (struct task_options){
		.run = {
			.no_pivot_root = m->no_pivot_root,
			.no_new_keyring = m->no_new_keyring,
			.io_uid = m->io_uid,
			.io_gid = m->io_gid,
			.criu_image_path = m->criu_image_path,
			.criu_work_path = m->criu_work_path,
		},
		.shim_cgroup = *m->shim_cgroup ? m->shim_cgroup : NULL,
	};
}

static int from_table(const Pb__Options__Runtime *m, struct arena *arena, struct task_options *out,
	struct err *err)
{
	auto_free char *text = NULL;
	size_t size;
	int r;

	if (m->config_body.len > 0) {
		text = strndup((const char *)m->config_body.data, m->config_body.len);
		if (!text)
			return err_oom(err);
		size = m->config_body.len;
	} else if (*m->config_path) {
		r = fd_read_regular_at(AT_FDCWD, m->config_path, CONFIG_MAX_BYTES, &text, &size);
		if (r < 0) { /* never "not found": to a client that means the task */
			err_code(err, r, "read runtime options '%s'", m->config_path);
			return err->code = -EINVAL;
		}
	} else {
		return 0;
	}
	if (strlen(text) != size)
		return err_set(err, -EINVAL, "runtime options contain a NUL byte");
	return toml_read(text, "runtime options", arena, take_entry, out, err);
}

int task_options_decode_any(const char *type_url, const void *value, size_t size,
	struct arena *arena, struct task_options *ret, struct err *err)
{
	struct task_options out = { 0 };
	const ProtobufCMessage *m = NULL;
	const ProtobufCMessageDescriptor *type = NULL;
	int r = 0;

	if (any_is(type_url, ANY_RUNC_OPTIONS))
		type = &pb__options__runc__descriptor;
	else if (any_is(type_url, ANY_LINUX_CREATE))
		type = &pb__options__linux_create__descriptor;
	else if (any_is(type_url, ANY_RUNTIME_OPTIONS))
		type = &pb__options__runtime__descriptor;
	if (type)
		r = message_decode(type, value, size, arena, &m, err);
	if (r == 0 && m && type == &pb__options__runc__descriptor)
		from_runc((const void *)m, &out);
	else if (r == 0 && m && type == &pb__options__linux_create__descriptor)
		from_linux((const void *)m, &out);
	else if (r == 0 && m)
		r = from_table((const void *)m, arena, &out, err);
	if (r < 0)
		return r;
	*ret = out;
	return m != NULL;
}

int task_options_decode(const void *data, size_t size, struct arena *arena,
	struct task_options *ret, struct err *err)
{
	const ProtobufCMessage *m = NULL;
	const Pb__Any *any;
	int r;

	r = message_decode(&pb__any__descriptor, data, size, arena, &m, err);
	if (r < 0)
		return r;
	any = (const void *)m;
	return task_options_decode_any(
		any->type_url, any->value.data, any->value.len, arena, ret, err);
}

static void from_runc_checkpoint(
	const Pb__Options__RuncCheckpoint *o, struct request_checkpoint *ret)
{
	if (str_empty(ret->path))
		ret->path = o->image_path;
	ret->work_path = o->work_path;
	ret->parent_path = o->parent_path;
	ret->exit = o->exit;
	ret->open_tcp = o->open_tcp;
	ret->external_unix_sockets = o->external_unix_sockets;
	ret->terminal = o->terminal;
	ret->file_locks = o->file_locks;
	ret->empty_namespaces = (const char *const *)o->empty_namespaces;
	ret->n_empty_namespaces = o->n_empty_namespaces;
}

static void from_linux_checkpoint(
	const Pb__Options__LinuxCheckpoint *o, struct request_checkpoint *ret)
{
	Pb__Options__RuncCheckpoint same = PB__OPTIONS__RUNC_CHECKPOINT__INIT;

	same.exit = o->exit;
	same.open_tcp = o->open_tcp;
	same.external_unix_sockets = o->external_unix_sockets;
	same.terminal = o->terminal;
	same.file_locks = o->file_locks;
	same.empty_namespaces = o->empty_namespaces;
	same.n_empty_namespaces = o->n_empty_namespaces;
	same.image_path = o->image_path;
	same.work_path = o->work_path;
	from_runc_checkpoint(&same, ret);
}

int task_options_decode_checkpoint(const char *type_url, const void *value, size_t size,
	struct arena *arena, struct request_checkpoint *ret, struct err *err)
{
	bool runc = any_is(type_url, ANY_RUNC_CHECKPOINT);
	const ProtobufCMessage *m = NULL;
	int r;

	if (!runc && !any_is(type_url, ANY_LINUX_CHECKPOINT))
		return 0;
	r = message_decode(runc ? &pb__options__runc_checkpoint__descriptor
				: &pb__options__linux_checkpoint__descriptor,
		value, size, arena, &m, err);
	if (r < 0)
		return r;
	if (runc)
		from_runc_checkpoint((const void *)m, ret);
	else
		from_linux_checkpoint((const void *)m, ret);
	return 0;
}
