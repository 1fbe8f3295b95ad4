/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CRI sends runc's message only to the runtime type of that name; to every other it sends what stood
 * in its configuration as TOML text. Only the part of TOML that such a table can be is read: keys
 * with strings, numbers and booleans. A key that we do not know is an error: a misspelt
 * SystemdCgroup must not silently run containers elsewhere.
 */
#include "api/task_options.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/fd.h"
#include "base/str.h"
#include "rpc/any.h"

#include "proto/common.pb-c.h"
#include "proto/options.pb-c.h"

#define CONFIG_MAX_BYTES 65536

enum toml_type { TOML_BOOL, TOML_NUMBER, TOML_STRING };

// clang-format off
static const struct {
	const char *name; /* as in a table, in lower case without '_' */
	enum toml_type type;
	size_t offset;
} keys[] = {
	{ "nopivotroot",   TOML_BOOL,   offsetof(struct task_options, run.no_pivot_root) },
	{ "nonewkeyring",  TOML_BOOL,   offsetof(struct task_options, run.no_new_keyring) },
	{ "shimcgroup",    TOML_STRING, offsetof(struct task_options, shim_cgroup) },
	{ "iouid",         TOML_NUMBER, offsetof(struct task_options, run.io_uid) },
	{ "iogid",         TOML_NUMBER, offsetof(struct task_options, run.io_gid) },
	{ "iodrainms",     TOML_NUMBER, offsetof(struct task_options, run.io_drain_ms) },
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

struct line {
	const char *p;
	unsigned int number;
};

static void skip_blanks(struct line *l)
{
	l->p += strspn(l->p, " \t\r");
}

static int bad_line(const struct line *l, const char *why, struct err *err)
{
	return err_set(err, -EINVAL, "runtime options, line %u: %s", l->number, why);
}

static int take_key(struct line *l, char *out, size_t size, struct err *err)
{
	char quote = *l->p == '"' || *l->p == '\'' ? *l->p++ : '\0';
	size_t n = 0;

	for (; isalnum((unsigned char)*l->p) || *l->p == '_' || *l->p == '-'; l->p++)
		if (n + 1 < size)
			out[n++] = *l->p;
	out[n] = '\0';
	if (quote && *l->p++ != quote)
		return bad_line(l, "a key is expected", err);
	skip_blanks(l);
	if (n == 0 || *l->p++ != '=')
		return bad_line(l, "a key and '=' are expected", err);
	skip_blanks(l);
	return 0;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "\u00e9": to UTF-8. */
static bool take_unicode(struct line *l, unsigned int digits, struct buf *out)
{
	uint32_t c = 0;

	for (; digits > 0; digits--, l->p++) {
		if (hex_digit(*l->p) < 0)
			return false;
		c = c << 4 | (uint32_t)hex_digit(*l->p);
	}
	if (c == 0 || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return false;
	if (c < 0x80) {
		buf_addc(out, (char)c);
	} else if (c < 0x800) {
		buf_addc(out, (char)(0xc0 | c >> 6));
		buf_addc(out, (char)(0x80 | (c & 0x3f)));
	} else {
		buf_addc(out, (char)(c < 0x10000 ? 0xe0 | c >> 12 : 0xf0 | c >> 18));
		if (c >= 0x10000)
			buf_addc(out, (char)(0x80 | (c >> 12 & 0x3f)));
		buf_addc(out, (char)(0x80 | (c >> 6 & 0x3f)));
		buf_addc(out, (char)(0x80 | (c & 0x3f)));
	}
	return true;
}

static bool take_escape(struct line *l, struct buf *out)
{
	static const char from[] = "btnfr\"\\", to[] = "\b\t\n\f\r\"\\";
	char c = *l->p;
	const char *at = c ? strchr(from, c) : NULL;

	if (!c)
		return false;
	l->p++;
	if (c == 'u' || c == 'U')
		return take_unicode(l, c == 'u' ? 4 : 8, out);
	if (at)
		buf_addc(out, to[at - from]);
	return at != NULL;
}

static int take_string(struct line *l, struct arena *arena, const char **ret, struct err *err)
{
	auto_done(buf) struct buf b = { 0 };
	char quote = *l->p;

	if (quote != '"' && quote != '\'')
		return bad_line(l, "a string is expected", err);
	for (l->p++; *l->p != quote;) {
		char c = *l->p;

		if (c == '\0' || c == '\n')
			return bad_line(l, "a string has no end", err);
		l->p++;
		if (quote == '\'' || c != '\\')
			buf_addc(&b, c);
		else if (!take_escape(l, &b))
			return bad_line(l, "a string has a bad escape", err);
	}
	l->p++;
	*ret = arena_strndup(arena, b.data ? b.data : "", b.len);
	return *ret && buf_ok(&b) == 0 ? 0 : err_oom(err);
}

static int take_number(struct line *l, uint32_t *ret, struct err *err)
{
	size_t n = strspn(l->p, "0123456789_");
	char digits[16];
	size_t len = 0;

	for (size_t i = 0; i < n && len + 1 < sizeof(digits); i++)
		if (l->p[i] != '_')
			digits[len++] = l->p[i];
	digits[len] = '\0';
	if (str_to_u32(digits, ret) < 0)
		return bad_line(l, "a number of 32 bits is expected", err);
	l->p += n;
	return 0;
}

static int take_bool(struct line *l, bool *ret, struct err *err)
{
	*ret = str_starts(l->p, "true");
	if (!*ret && !str_starts(l->p, "false"))
		return bad_line(l, "true or false is expected", err);
	l->p += *ret ? 4 : 5;
	return 0;
}

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

static int take_entry(
	struct line *l, struct arena *arena, struct task_options *out, struct err *err)
{
	char name[64];
	void *field;
	int k, r;

	r = take_key(l, name, sizeof(name), err);
	if (r < 0)
		return r;
	k = find_key(name);
	if (k < 0)
		return err_set(err, -EINVAL, "runtime options, line %u: unknown option '%s'",
			l->number, name);
	field = (char *)out + keys[k].offset;
	if (keys[k].type == TOML_BOOL)
		r = take_bool(l, field, err);
	else if (keys[k].type == TOML_NUMBER)
		r = take_number(l, field, err);
	else
		r = take_string(l, arena, field, err);
	if (r < 0)
		err_in(err, "'%s'", name);
	return r;
}

/* Table headers are stepped over: the table that we are given may stand under its full name. */
static int parse_toml(
	const char *text, struct arena *arena, struct task_options *out, struct err *err)
{
	struct line l = { text, 1 };
	int r;

	for (;; l.number++) {
		skip_blanks(&l);
		if (*l.p == '[')
			l.p += strcspn(l.p, "\n");
		else if (*l.p && !strchr("#\n", *l.p)) {
			r = take_entry(&l, arena, out, err);
			if (r < 0)
				return r;
			skip_blanks(&l);
		}
		if (*l.p == '#')
			l.p += strcspn(l.p, "\n");
		if (*l.p == '\0')
			return 0;
		if (*l.p++ != '\n')
			return bad_line(&l, "something is left behind the value", err);
	}
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
	return parse_toml(text, arena, out, err);
}

int task_options_decode_any(const char *type_url, const void *value, size_t size,
	struct arena *arena, struct task_options *ret, struct err *err)
{
	struct task_options out = { 0 };
	const ProtobufCMessage *m = NULL;
	bool runc = any_is(type_url, ANY_RUNC_OPTIONS);
	int r = 0;

	if (runc || any_is(type_url, ANY_RUNTIME_OPTIONS))
		r = message_decode(
			runc ? &pb__options__runc__descriptor : &pb__options__runtime__descriptor,
			value, size, arena, &m, err);
	if (r == 0 && m && runc)
		from_runc((const void *)m, &out);
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

int task_options_decode_checkpoint(const char *type_url, const void *value, size_t size,
	struct arena *arena, struct request_checkpoint *ret, struct err *err)
{
	const Pb__Options__RuncCheckpoint *o;
	const ProtobufCMessage *m = NULL;
	int r;

	if (!any_is(type_url, ANY_RUNC_CHECKPOINT))
		return 0;
	r = message_decode(&pb__options__runc_checkpoint__descriptor, value, size, arena, &m, err);
	if (r < 0)
		return r;
	o = (const void *)m;
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
	return 0;
}
