/* SPDX-License-Identifier: Apache-2.0 */
/*
 * View: the record says what was intended last; whether init lives decides what is shown.
 */
#include "cli/view.h"

#include "base/fd.h"
#include "base/mem.h"
#include "base/pidref.h"

#define CONFIG_MAX (4u << 20)

/* Without its config a container is shown without annotations: no reason to hide it. */
static struct spec *read_config(int dirfd)
{
	auto_free char *json = NULL;
	struct spec *spec = NULL;
	size_t size;

	if (fd_read_file_at(dirfd, "config.json", CONFIG_MAX, &json, &size) < 0 ||
		spec_parse(json, size, &spec, NULL) < 0)
		return NULL;
	return spec;
}

static bool is_alive(const struct state_record *r)
{
	auto_done(pidref) struct pidref init = PIDREF_NULL;

	return state_record_init(r, &init) == 0 && !pidref_exited(&init);
}

static const char *status_of(const struct state_record *r, bool alive)
{
	if (r->status == STATE_CREATING && (r->init_pid == 0 || alive))
		return "creating";
	if (!alive)
		return "stopped";
	/* Deletion of a running container has begun and not ended. */
	if (r->status == STATE_DELETING || r->status == STATE_STOPPED)
		return "running";
	return state_status_name((enum state_status)r->status);
}

int view_open(struct state_dir *d, const char *id, struct view *ret, struct err *err)
{
	struct view v = { .state = STATE_NULL };
	const struct state_record *r;
	bool alive;
	int code;

	code = state_open(d, id, STATE_READ, &v.state, err);
	if (code < 0)
		return code;
	r = &v.state.record;
	alive = is_alive(r);
	v.spec = read_config(v.state.dirfd);
	v.doc = (struct state_doc){
		.oci_version = r->oci_version ? r->oci_version : SPEC_VERSION,
		.id = r->id,
		.pid = alive ? (pid_t)r->init_pid : 0,
		.status = status_of(r, alive),
		.bundle = r->bundle ? r->bundle : "",
		.rootfs = r->rootfs ? r->rootfs : "",
		.created_wall_ns = r->created_ns,
		.annotations = v.spec ? v.spec->annotations : NULL,
		.n_annotations = v.spec ? v.spec->n_annotations : 0,
	};
	*ret = v;
	return 0;
}

void view_done(struct view *v)
{
	if (!v)
		return;
	spec_free(v->spec);
	state_done(&v->state);
	*v = (struct view){ .state = STATE_NULL };
}
