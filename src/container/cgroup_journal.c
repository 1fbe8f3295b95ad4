/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a control file says when it is read is mostly what it takes when it is written. The exceptions are here: files
 * with a line per device, of which a write changes one (and where no line means the default), and memory.oom_control.
 */
#include "container/cgroup_journal.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "container/cgroup_dir.h"

/* The line of `text` that begins with these `len` bytes and a blank. */
static const char *line_of(const char *text, const char *key, size_t len, size_t *ret_len)
{
	for (; *text; text += strcspn(text, "\n"), text += *text == '\n') {
		*ret_len = strcspn(text, "\n");
		if (*ret_len > len && strncmp(text, key, len) == 0 && text[len] == ' ')
			return text;
	}
	return NULL;
}

static const char *default_of(const char *file, bool v2)
{
	if (str_eq(file, "io.max"))
		return "rbps=max wbps=max riops=max wiops=max";
	if (str_eq(file, "rdma.max"))
		return "hca_handle=max hca_object=max";
	return v2 ? "default" : "0";
}

const char *cgroup_journal_inverse(
	struct arena *a, const char *file, const char *value, const char *text, bool v2)
{
	bool names = str_eq(file, "net_prio.ifpriomap") || str_eq(file, "rdma.max");
	size_t len, key = strcspn(value, " ");
	const char *line;

	if (str_eq(file, "memory.oom_control")) {
		line = line_of(text, "oom_kill_disable", strlen("oom_kill_disable"), &len);
		return line ? arena_strndup(a, line + len - 1, 1) : NULL;
	}
	if (names || memchr(value, ':', key)) {
		line = line_of(text, value, key, &len);
		return line ? arena_strndup(a, line, len)
			    : arena_printf(a, "%.*s %s", (int)key, value, default_of(file, v2));
	}
	line = line_of(text, "default", strlen("default"), &len);
	if (!line) {
		line = strrchr(text, '\n');
		line = line ? line + 1 : text;
		len = strlen(line);
	}
	return arena_strndup(a, line, len);
}

void cgroup_journal_note(
	struct cgroup_journal *j, const struct cgroup_dir *d, const char *file, const char *value)
{
	char text[CGROUP_VALUE_SIZE];
	struct cgroup_journal_entry *e;

	if (cgroup_get(d, file, text) < 0 || mem_grow(&j->v, &j->cap, j->n + 1, sizeof(*j->v)) < 0)
		return;
	e = &j->v[j->n];
	*e = (struct cgroup_journal_entry){
		.dir = d,
		.file = arena_strdup(&j->arena, file),
		.before = cgroup_journal_inverse(&j->arena, file, value, text, d->v2),
	};
	j->n += e->file && e->before;
}

bool cgroup_journal_undo(struct cgroup_journal *j)
{
	size_t left = j->n, before;

	do {
		before = left;
		for (size_t i = j->n; i-- > 0;) {
			struct cgroup_journal_entry *e = &j->v[i];

			if (e->done || cgroup_put(e->dir, e->file, e->before) < 0)
				continue;
			e->done = true;
			left--;
		}
	} while (left > 0 && left < before);
	return left == 0;
}

void cgroup_journal_done(struct cgroup_journal *j)
{
	free(j->v);
	arena_done(&j->arena);
	*j = (struct cgroup_journal){ 0 };
}
