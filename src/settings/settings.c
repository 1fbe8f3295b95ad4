/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One table says what there is. What a key means is in that table too, so that the file that is
 * delivered, `reeved config default` and what is read cannot say different things.
 */
#include "settings/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/sha256.h"
#include "base/toml.h"

#define FILE_MAX_BYTES (1u << 20)
#define USUAL_STATE "/run/reeved"
#define USUAL_BPFFS "/sys/fs/bpf/reeved"
#define AT(field) offsetof(struct settings, field)

static const char *const levels[] = { "debug", "info", "warn", "error", NULL };
static const char *const formats[] = { "text", "json", NULL };

struct settings_key {
	const char *table, *name;
	enum toml_type type;
	size_t offset;
	int64_t min, max;         /* TOML_INTEGER */
	const char *const *words; /* TOML_STRING: one of them; NULL: any */
	bool path;                /* TOML_STRING: absolute, or "" */
	bool octal;
	const char *help; /* lines of it end with '\n', but the last */
};

// clang-format off
static const struct settings_key keys[] = {
	{ "", "address", TOML_STRING, AT(address), .path = true, .help =
		"Socket of the gRPC API." },
	{ "", "ttrpc_address", TOML_STRING, AT(ttrpc_address), .path = true, .help =
		"Socket on which shims tell events; \"\": that of the API with \".ttrpc\" behind." },
	{ "", "root", TOML_STRING, AT(root), .path = true, .help =
		"Directory of what outlives a reboot: the store, content, snapshots." },
	{ "", "state", TOML_STRING, AT(state), .path = true, .help =
		"Directory of what does not: bundles. On a tmpfs." },

	{ "socket", "mode", TOML_INTEGER, AT(socket_mode), 0, 0777, .octal = true, .help =
		"Permissions of both sockets. Who may connect to that of the API is root on this machine." },
	{ "socket", "gid", TOML_INTEGER, AT(socket_gid), 0, UINT32_MAX - 1, .help =
		"Their group." },

	{ "log", "level", TOML_STRING, AT(log_level), .words = levels, .help =
		"\"debug\", \"info\", \"warn\" or \"error\": what is less is not logged." },
	{ "log", "format", TOML_STRING, AT(log_format), .words = formats, .help =
		"\"text\", or \"json\" for one object a line. It goes to standard error; where that leads to the\n"
		"journal, with the priority that the journal keeps." },

	{ "tasks", "embedded", TOML_STRINGS, AT(embedded), .help =
		"Runtimes whose tasks live inside of reeved, without a shim of their own. Containers of every\n"
		"other runtime get the shim of that name." },
	{ "tasks", "max", TOML_INTEGER, AT(tasks_max), 0, INT32_MAX, .help =
		"A task that would be one more than this is refused; 0: any number." },
	{ "tasks", "load_seconds", TOML_INTEGER, AT(load_seconds), 1, 300, .help =
		"How long the start waits for shims that are there already, all of them together." },

	{ "gc", "delay_ms", TOML_INTEGER, AT(gc_delay_ms), 0, 3600000, .help =
		"From a removal to the collection of what nothing leads to any more." },

	{ "events", "unsent_bytes", TOML_INTEGER, AT(events_unsent_bytes), 65536, 24 << 20, .help =
		"A subscriber that has left so much unread is cut off." },

	{ "exits", "recorder", TOML_BOOL, AT(recorder), .help =
		"Record exit codes in the kernel (eBPF), for when reeved and its guardian are both killed.\n"
		"Where the machine does not permit it, it is off and `reeve doctor` says why." },
	{ "exits", "bpffs", TOML_STRING, AT(recorder_bpffs), .path = true, .help =
		"Directory for what the recorder keeps, of this daemon alone. In /sys/fs/bpf, or with a bpffs of\n"
		"its own; what is not mounted yet is mounted. Empty: /sys/fs/bpf/reeved with the usual state\n"
		"directory, and /sys/fs/bpf/reeved-HASH, of the state directory's path, with another." },

	{ "worker", "watchdog_seconds", TOML_INTEGER, AT(watchdog_seconds), 0, 86400, .help =
		"A worker that has been stuck for so long is ended, and started again; 0: it is not watched." },
	{ "worker", "oom_score", TOML_INTEGER, AT(worker_oom_score), -1000, 1000, .help =
		"oom_score_adj of the worker, and of containers whose spec says nothing." },
	{ "worker", "memory_max_bytes", TOML_INTEGER, AT(worker_memory_max), 0, INT64_MAX, .help =
		"What the worker may use of memory, in a cgroup of its own; 0: any. Containers, shims and the\n"
		"guardian are outside of it. Where the machine does not permit it, there is no limit and\n"
		"`reeve doctor` says why." },

	{ "guardian", "oom_score", TOML_INTEGER, AT(guardian_oom_score), -1000, 1000, .help =
		"oom_score_adj of the guardian, the parent of all containers." },
};
// clang-format on

static const struct {
	const char *name, *help;
} tables[] = {
	{ "socket", "Who may connect." },
	{ "log", "What is told, and where." },
	{ "tasks", "Containers that run." },
	{ "gc", "Content and snapshots that nobody needs any more." },
	{ "events", "What subscribers are told." },
	{ "exits", "Exit codes that outlive reeved." },
	{ "worker", "The process that serves. When it dies, its guardian starts it again; "
		    "containers do not notice." },
	{ "guardian", "The process that stays." },
};

static const char *table_help(const char *table)
{
	for (size_t i = 0; i < ARRAY_LEN(tables); i++)
		if (str_eq(tables[i].name, table))
			return tables[i].help;
	return NULL;
}

int settings_init(struct settings *s, struct err *err)
{
	static const char *const embedded[] = { "io.containerd.reeve.v2", "io.containerd.runc.v2",
		NULL };

	*s = (struct settings){
		.address = "/run/reeved/reeved.sock",
		.ttrpc_address = "",
		.root = "/var/lib/reeved",
		.state = USUAL_STATE,
		.socket_mode = 0660,
		.log_level = "info",
		.log_format = "text",
		.load_seconds = 5,
		.gc_delay_ms = 100,
		.events_unsent_bytes = 16 << 20,
		.recorder = true,
		.recorder_bpffs = "",
		.watchdog_seconds = 30,
		.guardian_oom_score = -999,
	};
	s->embedded = arena_alloc(&s->arena, sizeof(embedded));
	if (!s->embedded)
		return err_oom(err);
	memcpy(s->embedded, embedded, sizeof(embedded));
	return 0;
}

void settings_done(struct settings *s)
{
	arena_done(&s->arena);
	*s = (struct settings){ 0 };
}

/* ---- reading ---- */

struct reading {
	struct settings *s;
	bool seen[ARRAY_LEN(keys)];
	bool opened[ARRAY_LEN(tables)];
};

static const char *const type_names[] = {
	[TOML_BOOL] = "true or false",
	[TOML_INTEGER] = "a whole number",
	[TOML_STRING] = "a string",
	[TOML_STRINGS] = "a list of strings",
};

static int open_table(struct reading *in, const struct toml_entry *e, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
		if (!str_eq(tables[i].name, e->table))
			continue;
		if (in->opened[i])
			return toml_refuse(e, err, "table '%s' stands twice", e->table);
		in->opened[i] = true;
		return 0;
	}
	return toml_refuse(e, err, "unknown table '%s'", e->table);
}

static int find_key(const struct toml_entry *e, size_t *ret, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		if (!str_eq(keys[i].name, e->key) || !str_eq(keys[i].table, e->table))
			continue;
		*ret = i;
		return 0;
	}
	return toml_refuse(e, err, "unknown key '%s%s%s'", e->table, *e->table ? "." : "", e->key);
}

static bool is_word(const char *const *words, const char *s)
{
	for (; *words; words++)
		if (str_eq(*words, s))
			return true;
	return false;
}

static int refuse_range(const struct settings_key *k, const struct toml_entry *e, struct err *err)
{
	if (k->octal)
		return toml_refuse(e, err, "'%s' is outside of 0o%llo to 0o%llo", k->name,
			(unsigned long long)k->min, (unsigned long long)k->max);
	return toml_refuse(e, err, "'%s' is outside of %lld to %lld", k->name, (long long)k->min,
		(long long)k->max);
}

static int check_value(const struct settings_key *k, const struct toml_entry *e, struct err *err)
{
	const struct toml_value *v = &e->value;

	if (v->type != k->type)
		return toml_refuse(e, err, "'%s' is %s, not %s", k->name, type_names[k->type],
			type_names[v->type]);
	if (v->type == TOML_INTEGER && (v->integer < k->min || v->integer > k->max))
		return refuse_range(k, e, err);
	if (v->type == TOML_STRING && k->words && !is_word(k->words, v->string))
		return toml_refuse(e, err, "'%s' may not be '%s'", k->name, v->string);
	if (v->type == TOML_STRING && k->path && *v->string && *v->string != '/')
		return toml_refuse(e, err, "'%s': '%s' is no absolute path", k->name, v->string);
	return 0;
}

static int take_entry(void *arg, const struct toml_entry *e, struct err *err)
{
	struct reading *in = arg;
	const struct settings_key *k;
	void *field;
	size_t i = 0;
	int r;

	if (!e->key)
		return open_table(in, e, err);
	r = find_key(e, &i, err);
	if (r < 0)
		return r;
	k = &keys[i];
	if (in->seen[i])
		return toml_refuse(e, err, "key '%s' stands twice", e->key);
	in->seen[i] = true;
	r = check_value(k, e, err);
	if (r < 0)
		return r;
	field = (char *)in->s + k->offset;
	if (k->type == TOML_BOOL)
		*(bool *)field = e->value.boolean;
	else if (k->type == TOML_INTEGER)
		*(int64_t *)field = e->value.integer;
	else if (k->type == TOML_STRING)
		*(const char **)field = e->value.string;
	else
		*(const char ***)field = e->value.strings;
	return 0;
}

int settings_parse(struct settings *s, const char *text, const char *path, struct err *err)
{
	struct reading in = { .s = s };

	return toml_read(text, path, &s->arena, take_entry, &in, err);
}

int settings_load(struct settings *s, const char *path, bool missing_ok, struct err *err)
{
	auto_free char *text = NULL;
	size_t size = 0;
	int r = fd_read_regular_at(AT_FDCWD, path, FILE_MAX_BYTES, &text, &size);

	if (r == -ENOENT && missing_ok)
		return 0;
	if (r < 0)
		return err_code(err, r, "read configuration '%s'", path);
	if (strlen(text) != size)
		return err_set(err, -EINVAL, "configuration '%s' contains a NUL byte", path);
	return settings_parse(s, text, path, err);
}

static int check_path(const char *path, const char *what, struct err *err)
{
	return *path == '/' ? 0 : err_set(err, -EINVAL, "%s '%s' is no absolute path", what, path);
}

/* Two daemons must not share one: each forgets what it does not know. */
static int choose_bpffs(struct settings *s, struct err *err)
{
	auto_free char *state = path_clean(s->state);
	char hash[SHA256_HEX_SIZE];

	if (!state)
		return err_oom(err);
	s->recorder_bpffs = str_eq(state, USUAL_STATE)
				    ? USUAL_BPFFS
				    : arena_printf(&s->arena, USUAL_BPFFS "-%.16s",
					      sha256_hex(state, strlen(state), hash));
	return s->recorder_bpffs ? 0 : err_oom(err);
}

int settings_check(struct settings *s, struct err *err)
{
	int r = check_path(s->address, "address", err);

	if (r == 0)
		r = check_path(s->root, "root", err);
	if (r == 0)
		r = check_path(s->state, "state", err);
	if (r == 0 && str_empty(s->ttrpc_address)) {
		s->ttrpc_address = arena_printf(&s->arena, "%s.ttrpc", s->address);
		if (!s->ttrpc_address)
			return err_oom(err);
	}
	if (r == 0)
		r = check_path(s->ttrpc_address, "ttrpc_address", err);
	if (r == 0 && str_eq(s->ttrpc_address, s->address))
		return err_set(err, -EINVAL, "address and ttrpc_address are both '%s'", s->address);
	if (r == 0 && str_empty(s->recorder_bpffs))
		r = choose_bpffs(s, err);
	if (r == 0 && s->recorder)
		r = check_path(s->recorder_bpffs, "exits.bpffs", err);
	return r;
}

/* ---- writing ---- */

static void add_comment(struct buf *out, const char *text)
{
	for (;;) {
		size_t len = strcspn(text, "\n");

		buf_adds(out, "# ");
		buf_add(out, text, len);
		buf_addc(out, '\n');
		if (!text[len])
			return;
		text += len + 1;
	}
}

static void add_string(struct buf *out, const char *s)
{
	/* What JSON escapes, TOML reads; a DEL it wants escaped is none that a path has. */
	buf_add_json(out, s);
}

static void add_value(struct buf *out, const struct settings_key *k, const void *field)
{
	const char *const *list;

	switch (k->type) {
	case TOML_BOOL:
		buf_adds(out, *(const bool *)field ? "true" : "false");
		break;
	case TOML_INTEGER:
		if (k->octal)
			buf_addf(out, "0o%llo", *(const unsigned long long *)field);
		else
			buf_addf(out, "%lld", *(const long long *)field);
		break;
	case TOML_STRING:
		add_string(out, *(const char *const *)field);
		break;
	case TOML_STRINGS:
		list = *(const char *const *const *)field;
		buf_addc(out, '[');
		for (size_t i = 0; list[i]; i++) {
			buf_adds(out, i > 0 ? ", " : "");
			add_string(out, list[i]);
		}
		buf_addc(out, ']');
		break;
	}
}

void settings_write(const struct settings *s, bool commented, struct buf *out)
{
	const char *table = "";

	if (commented) {
		add_comment(out, "reeved: see reeved.toml(5). What stands here is what holds when "
				 "nothing is set.\n"
				 "A key that is not known keeps reeved from starting. Arguments "
				 "beat this file.");
		buf_addc(out, '\n');
	}
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		const struct settings_key *k = &keys[i];

		if (!str_eq(table, k->table)) {
			table = k->table;
			buf_addc(out, '\n');
			if (commented)
				add_comment(out, table_help(table));
			buf_addf(out, "[%s]\n", table);
		}
		if (commented) {
			add_comment(out, k->help);
			buf_addc(out, '#');
		}
		buf_addf(out, "%s = ", k->name);
		add_value(out, k, (const char *)s + k->offset);
		buf_adds(out,
			commented && i + 1 < ARRAY_LEN(keys) && str_eq(keys[i + 1].table, table)
				? "\n\n"
				: "\n");
	}
}
