/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A group that was there before the container stays behind it; only its own directory goes. The kernel tells why it
 * refuses a schema in info/last_cmd_status, so that is the text.
 */
#include "container/intel_rdt.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"

#define RESCTRL_MAGIC 0x7655821

int intel_rdt_check(const char *root, struct err *err)
{
	struct statfs fs;

	if (statfs(root, &fs) < 0 || fs.f_type != RESCTRL_MAGIC)
		return err_set(err, -ENOTSUP,
			"linux.intelRdt: this machine has no resctrl file system at '%s'", root);
	return 0;
}

static bool has_schema(const struct spec_intel_rdt *t)
{
	return !str_empty(t->l3_cache_schema) || !str_empty(t->mem_bw_schema) || t->n_schemata;
}

int intel_rdt_plan(const char *root, const struct spec_intel_rdt *t, const char *id,
	struct state_record *rec, struct err *err)
{
	const char *name = str_empty(t->clos_id) ? id : t->clos_id;
	bool exists;

	rec->resctrl_dir = strcmp(name, "/") == 0 ? state_record_string(rec, root)
						  : arena_printf(&rec->arena, "%s/%s", root, name);
	if (!rec->resctrl_dir)
		return err_oom(err);
	exists = access(rec->resctrl_dir, F_OK) == 0;
	if (!exists && !str_empty(t->clos_id) && !has_schema(t))
		return err_set(err, -EINVAL,
			"linux.intelRdt.closID: there is no group '%s', and no schema to make it",
			t->clos_id);
	rec->resctrl_made = !exists;
	if (!t->enable_monitoring)
		return 0;
	rec->resctrl_monitor_dir =
		arena_printf(&rec->arena, "%s/mon_groups/%s", rec->resctrl_dir, id);
	return rec->resctrl_monitor_dir ? 0 : err_oom(err);
}

static int put(const char *dir, const char *file, const char *text)
{
	auto_free char *path = NULL;
	auto_close int fd = -EBADF;

	if (asprintf(&path, "%s/%s", dir, file) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	fd = fd_open(path, O_WRONLY | O_CREAT, 0600);
	return fd < 0 ? fd : fd_write_full(fd, text, strlen(text));
}

static int write_schemata(
	const struct spec_intel_rdt *t, const struct state_record *rec, struct err *err)
{
	auto_done(buf) struct buf text = { 0 };
	int r;

	if (!str_empty(t->l3_cache_schema))
		buf_addf(&text, "%s\n", t->l3_cache_schema);
	if (!str_empty(t->mem_bw_schema))
		buf_addf(&text, "%s\n", t->mem_bw_schema);
	for (size_t i = 0; i < t->n_schemata; i++)
		buf_addf(&text, "%s\n", t->schemata[i]);
	r = buf_ok(&text);
	if (r == 0)
		r = put(rec->resctrl_dir, "schemata", text.data);
	return r < 0 ? err_code(err, r,
			       "linux.intelRdt: write the schemata of '%s' (see "
			       "info/last_cmd_status there)",
			       rec->resctrl_dir)
		     : 0;
}

static int make_dir(const char *path, struct err *err)
{
	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return err_sys(err, "linux.intelRdt: make the group '%s'", path);
	return 0;
}

int intel_rdt_make(const struct spec_intel_rdt *t, struct state_record *rec, struct err *err)
{
	int r = rec->resctrl_made ? make_dir(rec->resctrl_dir, err) : 0;

	if (r == 0 && has_schema(t))
		r = write_schemata(t, rec, err);
	if (r == 0 && rec->resctrl_monitor_dir)
		r = make_dir(rec->resctrl_monitor_dir, err);
	return r;
}

int intel_rdt_enter(const struct state_record *rec, pid_t pid, struct err *err)
{
	char text[24];
	int r = 0;

	snprintf(text, sizeof(text), "%d", pid);
	if (rec->resctrl_dir)
		r = put(rec->resctrl_dir, "tasks", text);
	if (r == 0 && rec->resctrl_monitor_dir)
		r = put(rec->resctrl_monitor_dir, "tasks", text);
	return r < 0 ? err_code(err, r, "linux.intelRdt: enter the group '%s'", rec->resctrl_dir)
		     : 0;
}

void intel_rdt_remove(const struct state_record *rec)
{
	if (rec->resctrl_monitor_dir)
		rmdir(rec->resctrl_monitor_dir);
	if (rec->resctrl_dir && rec->resctrl_made)
		rmdir(rec->resctrl_dir);
}
