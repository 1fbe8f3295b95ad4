/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `reeve doctor`: what is missing on this machine and what that costs, and whether all is well with
 * reeved. The exit status is 1 when somebody must do something; a feature that an older kernel has
 * not is told, but is nothing wrong.
 */
#include "cli/doctor.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/json_write.h"
#include "cli/commands.h"
#include "settings/settings.h"

struct doctor_options {
	const char *config, *root, *state, *format;
};

#define AT(member) offsetof(struct doctor_options, member)

// clang-format off
static const struct args_option options[] = {
	{ "config", 'c', ARGS_STRING, AT(config), "FILE", "configuration of reeved (" SETTINGS_PATH ")" },
	{ "root", 0, ARGS_STRING, AT(root), "DIR", "root directory of reeved, if not the configured one" },
	{ "state", 0, ARGS_STRING, AT(state), "DIR", "its state directory, likewise" },
	{ "format", 'f', ARGS_STRING, AT(format), "FORMAT", "text or json" },
};
// clang-format on

static const char *const kinds[] = {
	[DOCTOR_OK] = "ok",
	[DOCTOR_NOTE] = "note",
	[DOCTOR_MISSING] = "missing",
	[DOCTOR_WRONG] = "wrong",
};

void doctor_add(struct doctor *d, enum doctor_kind kind, const char *section, const char *cost,
	const char *fmt, ...)
{
	auto_free char *text = NULL;
	struct doctor_finding *f;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0 || mem_grow(&d->list, &d->cap, d->n + 1, sizeof(*d->list)) < 0) {
		d->failed = true;
		return;
	}
	f = &d->list[d->n];
	*f = (struct doctor_finding){ kind, section, arena_strdup(&d->arena, text),
		cost ? arena_strdup(&d->arena, cost) : NULL };
	if (f->text && (f->cost || !cost))
		d->n++;
	else
		d->failed = true;
}

void doctor_done(struct doctor *d)
{
	free(d->list);
	arena_done(&d->arena);
	*d = (struct doctor){ 0 };
}

static bool is_wrong(const struct doctor *d)
{
	for (size_t i = 0; i < d->n; i++)
		if (d->list[i].kind == DOCTOR_WRONG)
			return true;
	return false;
}

/* ---- output ---- */

/* Lines of a finding stand below each other; what others chose cannot end one. */
static void add_indented(struct buf *out, const char *text)
{
	for (const char *p = text;;) {
		size_t len = strcspn(p, "\n");
		auto_free char *line = strndup(p, len);

		if (line)
			log_add_plain(out, line);
		if (!p[len] || !p[len + 1])
			return;
		buf_adds(out, "\n           ");
		p += len + 1;
	}
}

static void write_text(const struct doctor *d, struct buf *out)
{
	const char *section = "";

	for (size_t i = 0; i < d->n; i++) {
		const struct doctor_finding *f = &d->list[i];

		if (!str_eq(section, f->section))
			buf_addf(out, "%s%s\n", i > 0 ? "\n" : "", f->section);
		section = f->section;
		buf_addf(out, "  %-8s ", kinds[f->kind]);
		add_indented(out, f->text);
		if (f->cost) {
			buf_adds(out, "\n           ");
			add_indented(out, f->cost);
		}
		buf_addc(out, '\n');
	}
	buf_adds(out, is_wrong(d) ? "\nsomething is wrong\n" : "\nnothing is wrong\n");
}

static void write_json(const struct doctor *d, struct buf *out)
{
	struct json_writer w = { .out = out, .indent = "  " };

	json_write_open(&w, '{');
	json_write_member_bool(&w, "ok", !is_wrong(d));
	json_write_key(&w, "findings");
	json_write_open(&w, '[');
	for (size_t i = 0; i < d->n; i++) {
		json_write_open(&w, '{');
		json_write_member_str(&w, "section", d->list[i].section);
		json_write_member_str(&w, "kind", kinds[d->list[i].kind]);
		json_write_member_str(&w, "text", d->list[i].text);
		if (d->list[i].cost)
			json_write_member_str(&w, "cost", d->list[i].cost);
		json_write_close(&w, '}');
	}
	json_write_close(&w, ']');
	json_write_close(&w, '}');
	buf_addc(out, '\n');
}

/* ---- the command ---- */

static int read_settings(const struct doctor_options *o, struct settings *s, struct err *err)
{
	int r = settings_init(s, err);

	if (r == 0)
		r = settings_load(s, o->config ? o->config : SETTINGS_PATH, !o->config, err);
	if (r < 0)
		return r;
	if (o->root)
		s->root = o->root;
	if (o->state)
		s->state = o->state;
	return settings_check(s, err);
}

static int run(struct cli *cli, const void *target, const struct args_list *args, struct err *err)
{
	const struct doctor_options *o = target;
	auto_done(settings) struct settings s = { 0 };
	auto_done(doctor) struct doctor d = { 0 };
	auto_done(buf) struct buf out = { 0 };
	bool json = str_eq(o->format, "json");
	int r;

	if (o->format && !json && !str_eq(o->format, "text"))
		return err_set(err, -EINVAL, "unknown format '%s': text or json", o->format);
	r = read_settings(o, &s, err);
	if (r < 0)
		return r;
	doctor_look_at_machine(&d);
	doctor_look_at_reeved(&d, &s);
	if (d.failed)
		return err_oom(err);
	if (json)
		write_json(&d, &out);
	else
		write_text(&d, &out);
	r = cli_print(&out, err);
	return r < 0 ? r : is_wrong(&d);
}

const struct cli_command doctor_command = {
	.name = "doctor",
	.usage = "[OPTIONS]",
	.summary = "tell what this machine lacks, and whether all is well with reeved",
	.options = options,
	.n_options = ARRAY_LEN(options),
	.target_size = sizeof(struct doctor_options),
	.run = run,
};
