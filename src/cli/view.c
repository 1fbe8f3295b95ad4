/* SPDX-License-Identifier: Apache-2.0 */
/*
 * View: a container as others see it. Its status is computed from its processes, not taken from the record.
 */
#include "cli/view.h"

#include "base/mem.h"

int view_open(const struct host *h, const char *id, struct view *ret, struct err *err)
{
	struct container *c;
	const struct state_record *r;
	const struct spec *spec;
	enum container_status status;
	int code;

	code = container_open(h, id, &c, err);
	if (code < 0)
		return code;
	/* Without its configuration a container is shown without annotations: no reason to hide it. */
	(void)container_need_spec(c, NULL);
	spec = container_spec(c);
	r = container_record(c);
	status = container_status(c);
	*ret = (struct view){
		.container = c,
		.doc = {
			.oci_version = r->oci_version ? r->oci_version : SPEC_VERSION,
			.id = r->id,
			.pid = status == CONTAINER_STOPPED ? 0 : container_init(c)->pid,
			.status = container_status_name(status),
			.bundle = r->bundle ? r->bundle : "",
			.rootfs = r->rootfs ? r->rootfs : "",
			.created_wall_ns = r->created_ns,
			.annotations = spec ? spec->annotations : NULL,
			.n_annotations = spec ? spec->n_annotations : 0,
		},
	};
	return 0;
}

void view_done(struct view *v)
{
	if (!v)
		return;
	container_free(v->container);
	*v = (struct view){ 0 };
}
