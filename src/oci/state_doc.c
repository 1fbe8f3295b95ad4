/* SPDX-License-Identifier: Apache-2.0 */
/*
 * State document. Three forms, because three kinds of readers came to rely on them: hooks search
 * the text, so theirs is compact and its slashes are plain; people read `state`; clients of `list`
 * expect null, not [], for nothing.
 */
#include "oci/state_doc.h"

#include "base/clock.h"
#include "base/json_write.h"

static void write_annotations(struct json_writer *w, const struct state_doc *s)
{
	if (s->n_annotations == 0)
		return;
	json_write_key(w, "annotations");
	json_write_open(w, '{');
	for (size_t i = 0; i < s->n_annotations; i++)
		json_write_member_str(w, s->annotations[i].key, s->annotations[i].value);
	json_write_close(w, '}');
}

static void write_full(struct json_writer *w, const struct state_doc *s)
{
	char created[CLOCK_RFC3339_SIZE];

	json_write_open(w, '{');
	json_write_member_str(w, "ociVersion", s->oci_version);
	json_write_member_str(w, "id", s->id);
	json_write_member_i64(w, "pid", s->pid);
	json_write_member_str(w, "status", s->status);
	json_write_member_str(w, "bundle", s->bundle);
	json_write_member_str(w, "rootfs", s->rootfs);
	json_write_member_str(w, "created", clock_rfc3339(s->created_wall_ns, created));
	write_annotations(w, s);
	json_write_member_str(w, "owner", s->owner ? s->owner : "");
	json_write_close(w, '}');
}

int state_doc_write_hook(const struct state_doc *s, struct buf *out)
{
	struct json_writer w = { .out = out };

	json_write_open(&w, '{');
	json_write_member_str(&w, "ociVersion", s->oci_version);
	json_write_member_str(&w, "id", s->id);
	json_write_member_str(&w, "status", s->status);
	if (s->pid > 0)
		json_write_member_i64(&w, "pid", s->pid);
	json_write_member_str(&w, "bundle", s->bundle);
	write_annotations(&w, s);
	json_write_close(&w, '}');
	return buf_ok(out);
}

int state_doc_write(const struct state_doc *s, struct buf *out)
{
	struct json_writer w = { .out = out, .indent = "  " };

	write_full(&w, s);
	return buf_ok(out);
}

int state_doc_write_list(
	const struct state_doc *states, size_t n, const char *empty, struct buf *out)
{
	struct json_writer w = { .out = out };

	if (n == 0) {
		json_write_raw(&w, empty);
	} else {
		json_write_open(&w, '[');
		for (size_t i = 0; i < n; i++)
			write_full(&w, &states[i]);
		json_write_close(&w, ']');
	}
	buf_addc(out, '\n');
	return buf_ok(out);
}
