/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The record of a container, between its struct and its file: one flat JSON object and a line with its CRC.
 *
 * Both directions go through one table of fields. A record remembers the document that it was read from, and writing
 * adds its unknown members to ours: what a newer version put there stays. Absent strings and lists, zeros and false are not
 * written.
 */
#include "container/state_record.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "base/crc32.h"
#include "base/fd.h"
#include "base/json_write.h"
#define DEPTH_MAX 64
#define CRC_PREFIX "crc32 "

static const char *const status_names[] = {
	[STATE_CREATING] = "creating",
	[STATE_CREATED] = "created",
	[STATE_RUNNING] = "running",
	[STATE_PAUSED] = "paused",
	[STATE_STOPPED] = "stopped",
	[STATE_DELETING] = "deleting",
	NULL,
};

static const char *const layout_names[] = {
	[STATE_CGROUP_NONE] = "none",
	[STATE_CGROUP_V1] = "v1",
	[STATE_CGROUP_V2] = "v2",
	[STATE_CGROUP_HYBRID] = "hybrid",
	NULL,
};

static const char *const sandbox_names[] = {
	[STATE_SANDBOX_SINGLE] = "single",
	[STATE_SANDBOX_SANDBOX] = "sandbox",
	[STATE_SANDBOX_MEMBER] = "member",
	NULL,
};

enum field_type { FIELD_STRING, FIELD_UINT, FIELD_INT, FIELD_BOOL, FIELD_WORD, FIELD_STRINGS };

struct field {
	const char *key;
	enum field_type type;
	size_t offset;
	size_t count_offset;      /* FIELD_STRINGS */
	const char *const *words; /* FIELD_WORD */
	uint64_t max;             /* FIELD_UINT */
	bool required;
};

#define AT(member) offsetof(struct state_record, member)

// clang-format off
static const struct field fields[] = {
	{ "v", FIELD_UINT, AT(version), .max = STATE_VERSION + 1, .required = true },
	{ "generation", FIELD_UINT, AT(generation), .max = UINT64_MAX },
	{ "id", FIELD_STRING, AT(id), .required = true },
	{ "bundle", FIELD_STRING, AT(bundle) },
	{ "rootfs", FIELD_STRING, AT(rootfs) },
	{ "created", FIELD_UINT, AT(created_ns), .max = UINT64_MAX },
	{ "owner", FIELD_UINT, AT(owner), .max = UINT32_MAX },
	{ "ociVersion", FIELD_STRING, AT(oci_version) },
	{ "status", FIELD_WORD, AT(status), .words = status_names, .required = true },
	{ "initPid", FIELD_UINT, AT(init_pid), .max = INT32_MAX },
	{ "initStartTime", FIELD_UINT, AT(init_start_time), .max = UINT64_MAX },
	{ "initInode", FIELD_UINT, AT(init_inode), .max = UINT64_MAX },
	{ "bootId", FIELD_STRING, AT(boot_id) },
	{ "cgroupLayout", FIELD_WORD, AT(cgroup_layout), .words = layout_names },
	{ "cgroupPath", FIELD_STRING, AT(cgroup_path) },
	{ "cgroupUnit", FIELD_STRING, AT(cgroup_unit) },
	{ "cgroupUnitInvocation", FIELD_STRING, AT(cgroup_unit_invocation) },
	{ "cgroupDirs", FIELD_STRINGS, AT(cgroup_dirs), .count_offset = AT(n_cgroup_dirs) },
	{ "streams", FIELD_STRINGS, AT(streams), .count_offset = AT(n_streams) },
	{ "resctrlDir", FIELD_STRING, AT(resctrl_dir) },
	{ "resctrlMonitorDir", FIELD_STRING, AT(resctrl_monitor_dir) },
	{ "resctrlMade", FIELD_BOOL, AT(resctrl_made) },
	{ "sandboxId", FIELD_STRING, AT(sandbox_id) },
	{ "sandboxType", FIELD_WORD, AT(sandbox_type), .words = sandbox_names },
	{ "ownPidNamespace", FIELD_BOOL, AT(own_pidns) },
	{ "sessionKeyring", FIELD_BOOL, AT(session_keyring) },
	{ "terminal", FIELD_BOOL, AT(terminal) },
	{ "poststartHooks", FIELD_BOOL, AT(poststart_hooks) },
	{ "poststopHooks", FIELD_BOOL, AT(poststop_hooks) },
	{ "notifySocket", FIELD_BOOL, AT(notify_socket) },
	{ "noProcess", FIELD_BOOL, AT(no_process) },
	{ "rootless", FIELD_BOOL, AT(rootless) },
	{ "exited", FIELD_BOOL, AT(has_exit) },
	{ "exitStatus", FIELD_UINT, AT(exit_status), .max = UINT32_MAX },
	{ "exitedAt", FIELD_UINT, AT(exited_ns), .max = UINT64_MAX },
	{ "oomScoreSaved", FIELD_BOOL, AT(has_oom_score) },
	{ "oomScore", FIELD_INT, AT(oom_score) },
	{ "oomScoreAdjSet", FIELD_BOOL, AT(has_own_oom_score) },
	{ "oomScoreAdj", FIELD_INT, AT(own_oom_score) },
};
// clang-format on

static void *slot(const struct state_record *r, size_t offset)
{
	return (char *)(uintptr_t)r + offset;
}

/* ---- reading ---- */

/* A copy that is all text: a NUL inside would cut a path short. */
static const char *copy_string(struct state_record *r, struct json_object *v)
{
	const char *s;

	if (!json_object_is_type(v, json_type_string))
		return NULL;
	s = json_object_get_string(v);
	if (strlen(s) != (size_t)json_object_get_string_len(v))
		return NULL;
	return arena_strdup(&r->arena, s);
}

static int read_strings(struct state_record *r, const struct field *f, struct json_object *v)
{
	const char **list;
	size_t n;

	if (!json_object_is_type(v, json_type_array))
		return -EBADMSG;
	n = json_object_array_length(v);
	list = arena_calloc(&r->arena, n ? n : 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		list[i] = copy_string(r, json_object_array_get_idx(v, i));
		if (!list[i])
			return -EBADMSG;
	}
	*(const char ***)slot(r, f->offset) = list;
	*(size_t *)slot(r, f->count_offset) = n;
	return 0;
}

static int read_uint(const struct field *f, struct json_object *v, uint64_t *ret)
{
	uint64_t n;

	/* json-c keeps numbers above INT64_MAX as unsigned and turns those beyond UINT64_MAX into the greatest. */
	if (!json_object_is_type(v, json_type_int))
		return -EBADMSG;
	if (json_object_get_int64(v) < 0)
		return -EBADMSG;
	n = json_object_get_uint64(v);
	if (n > f->max)
		return -EBADMSG;
	*ret = n;
	return 0;
}

static int read_word(const struct field *f, struct json_object *v, uint64_t *ret)
{
	if (!json_object_is_type(v, json_type_string))
		return -EBADMSG;
	for (size_t i = 0; f->words[i]; i++) {
		if (strcmp(f->words[i], json_object_get_string(v)) == 0) {
			*ret = i;
			return 0;
		}
	}
	return -EBADMSG;
}

static int read_field(struct state_record *r, const struct field *f, struct json_object *v)
{
	void *to = slot(r, f->offset);

	switch (f->type) {
	case FIELD_STRING:
		*(const char **)to = copy_string(r, v);
		return *(const char **)to ? 0 : -EBADMSG;
	case FIELD_UINT:
		return read_uint(f, v, to);
	case FIELD_INT:
		if (!json_object_is_type(v, json_type_int))
			return -EBADMSG;
		*(int64_t *)to = json_object_get_int64(v);
		return 0;
	case FIELD_BOOL:
		if (!json_object_is_type(v, json_type_boolean))
			return -EBADMSG;
		*(bool *)to = json_object_get_boolean(v);
		return 0;
	case FIELD_WORD:
		return read_word(f, v, to);
	case FIELD_STRINGS:
		return read_strings(r, f, v);
	}
	return -EBADMSG;
}

static int read_fields(struct state_record *r, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		struct json_object *v;
		int code;

		if (!json_object_object_get_ex(r->document, fields[i].key, &v)) {
			if (fields[i].required)
				return err_set(
					err, -EBADMSG, "field '%s' is missing", fields[i].key);
			continue;
		}
		code = read_field(r, &fields[i], v);
		if (code == -ENOMEM)
			return err_oom(err);
		if (code < 0)
			return err_set(
				err, code, "field '%s' has a wrong type or value", fields[i].key);
	}
	if (r->version == 0)
		return err_set(err, -EBADMSG, "version 0 is not one");
	return 0;
}

/* The two lines: *ret_len bytes of JSON, then the CRC of them. */
static int check_lines(const char *data, size_t size, size_t *ret_len, struct err *err)
{
	char want[32];
	const char *end = size > 0 ? memchr(data, '\n', size) : NULL;
	size_t len;

	if (size > STATE_RECORD_MAX)
		return err_set(err, -EBADMSG, "more than %u bytes", STATE_RECORD_MAX);
	if (!end)
		return err_set(err, -EBADMSG, "its first line has no end");
	len = (size_t)(end - data);
	snprintf(want, sizeof(want), CRC_PREFIX "%08x\n", crc32_add(0, data, len));
	if (size - len - 1 != strlen(want) || memcmp(end + 1, want, strlen(want)) != 0)
		return err_set(err, -EBADMSG, "its CRC is wrong");
	*ret_len = len;
	return 0;
}

/* json-c lets pass what is beyond Unicode, which the writer would replace. */
static bool is_utf8(const char *s, size_t len)
{
	for (size_t n; len > 0; s += n, len -= n) {
		n = str_utf8_len(s, len);
		if (n == 0)
			return false;
	}
	return true;
}

static int parse_document(const char *json, size_t len, struct json_object **ret, struct err *err)
{
	struct json_tokener *tokener;
	struct json_object *document;
	size_t end;

	if (!is_utf8(json, len))
		return err_set(err, -EBADMSG, "its first line is not UTF-8");
	tokener = json_tokener_new_ex(DEPTH_MAX);
	if (!tokener)
		return err_oom(err);
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	document = json_tokener_parse_ex(tokener, json, (int)len);
	end = json_tokener_get_parse_end(tokener);
	json_tokener_free(tokener);
	if (!json_object_is_type(document, json_type_object) || end != len) {
		json_object_put(document);
		return err_set(err, -EBADMSG, "its first line is no JSON object");
	}
	*ret = document;
	return 0;
}

int state_record_parse(const char *data, size_t size, struct state_record *ret, struct err *err)
{
	struct state_record r = { 0 };
	size_t len = 0;
	int code;

	code = check_lines(data, size, &len, err);
	if (code == 0)
		code = parse_document(data, len, &r.document, err);
	if (code == 0)
		code = read_fields(&r, err);
	if (code < 0) {
		state_record_done(&r);
		return code;
	}
	*ret = r;
	return 0;
}

/* ---- writing ---- */

/* True when there is nothing to say; those members are left out. */
static bool is_absent(const struct state_record *r, const struct field *f)
{
	const void *from = slot(r, f->offset);

	switch (f->type) {
	case FIELD_STRING:
		return !*(const char *const *)from;
	case FIELD_UINT:
		return *(const uint64_t *)from == 0;
	case FIELD_INT:
		return *(const int64_t *)from == 0;
	case FIELD_BOOL:
		return !*(const bool *)from;
	case FIELD_WORD:
		return !f->required && *(const uint64_t *)from == 0;
	case FIELD_STRINGS:
		return *(size_t *)slot(r, f->count_offset) == 0;
	}
	return true;
}

static void write_strings(
	const struct state_record *r, const struct field *f, struct json_writer *w)
{
	const char **list = *(const char ***)slot(r, f->offset);
	size_t n = *(size_t *)slot(r, f->count_offset);

	json_write_open(w, '[');
	for (size_t i = 0; i < n; i++)
		json_write_str(w, list[i]);
	json_write_close(w, ']');
}

static void write_field(const struct state_record *r, const struct field *f, struct json_writer *w)
{
	const void *from = slot(r, f->offset);

	if (is_absent(r, f))
		return;
	json_write_key(w, f->key);
	switch (f->type) {
	case FIELD_STRING:
		json_write_str(w, *(const char *const *)from);
		break;
	case FIELD_UINT:
		json_write_u64(w, *(const uint64_t *)from);
		break;
	case FIELD_INT:
		json_write_i64(w, *(const int64_t *)from);
		break;
	case FIELD_BOOL:
		json_write_bool(w, true);
		break;
	case FIELD_WORD:
		json_write_str(w, f->words[*(const uint64_t *)from]);
		break;
	case FIELD_STRINGS:
		write_strings(r, f, w);
		break;
	}
}

static bool is_known(const char *key)
{
	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		if (strcmp(key, fields[i].key) == 0)
			return true;
	return false;
}

/* What the document that it was read from has beside our fields. */
static int write_unknown(struct json_object *document, struct json_writer *w)
{
	if (!document)
		return 0;
	json_object_object_foreach(document, key, value)
	{
		const char *text;

		if (is_known(key))
			continue;
		text = json_object_to_json_string_ext(
			value, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
		if (!text)
			return -ENOMEM;
		json_write_key(w, key);
		json_write_raw(w, text);
	}
	return 0;
}

int state_record_write(const struct state_record *r, struct buf *out)
{
	struct json_writer w = { .out = out };
	struct state_record full = *r;
	size_t start = out->len, len;
	int code;

	assert(r->id && r->status < ARRAY_LEN(status_names) - 1);
	if (full.version == 0)
		full.version = STATE_VERSION;
	json_write_open(&w, '{');
	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		write_field(&full, &fields[i], &w);
	code = write_unknown(r->document, &w);
	json_write_close(&w, '}');
	if (code == 0)
		code = buf_ok(out);
	if (code < 0)
		return code;
	len = out->len - start;
	buf_addf(out, "\n" CRC_PREFIX "%08x\n", crc32_add(0, out->data + start, len));
	return buf_ok(out);
}

/* ---- the struct ---- */

void state_record_done(struct state_record *r)
{
	if (!r)
		return;
	json_object_put(r->document);
	arena_done(&r->arena);
	*r = (struct state_record){ 0 };
}

const char *state_record_string(struct state_record *r, const char *s)
{
	return s ? arena_strdup(&r->arena, s) : NULL;
}

int state_record_add_cgroup_dir(struct state_record *r, const char *path)
{
	const char **list = arena_calloc(&r->arena, r->n_cgroup_dirs + 1, sizeof(*list));
	const char *copy = state_record_string(r, path);

	if (!list || !copy)
		return -ENOMEM;
	if (r->n_cgroup_dirs)
		memcpy(list, r->cgroup_dirs, r->n_cgroup_dirs * sizeof(*list));
	list[r->n_cgroup_dirs++] = copy;
	r->cgroup_dirs = list;
	return 0;
}

const char *state_status_name(enum state_status s)
{
	return (size_t)s < ARRAY_LEN(status_names) - 1 ? status_names[s] : "unknown";
}

static const char *read_boot_id(struct arena *a, struct fd_spent *spent)
{
	char text[40] = { 0 };
	int fd = fd_open("/proc/sys/kernel/random/boot_id", O_RDONLY, 0);
	bool whole = fd >= 0 && fd_read_full(fd, text, 36) == 36;

	fd_spend(spent, fd);
	return whole ? arena_strdup(a, text) : NULL;
}

void state_record_set_boot(struct state_record *r, struct fd_spent *spent)
{
	r->boot_id = read_boot_id(&r->arena, spent);
}

void state_record_set_init(struct state_record *r, const struct pidref *init, bool outlives_boot)
{
	r->init_pid = (uint64_t)init->pid;
	r->init_start_time = init->start_time;
	r->init_inode = init->inode;
	if (!outlives_boot)
		r->boot_id = NULL;
	else if (!r->boot_id)
		state_record_set_boot(r, NULL);
}

int state_record_init(const struct state_record *r, struct fd_spent *spent, struct pidref *ret)
{
	struct arena scratch = { 0 };
	const char *now = r->boot_id ? read_boot_id(&scratch, spent) : NULL;
	bool same_boot = !now || strcmp(now, r->boot_id) == 0;

	arena_done(&scratch);
	if (r->init_pid == 0 || !same_boot)
		return -ESRCH;
	return pidref_reopen((pid_t)r->init_pid, r->init_inode, r->init_start_time, ret);
}
