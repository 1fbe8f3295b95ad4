/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transfer, as clients of 2.x ask for it: an archive into the store (image_import.h) or out of it
 * (image_export.h), one name of an image to another, a stream back (transfer_echo.h). What needs a registry is not done here, and said
 * so as containerd says of what none of its plugins does.
 */
#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "rpc/any.h"
#include "services/core.h"
#include "services/image_export.h"
#include "services/image_import.h"
#include "services/inner.h"
#include "services/services.h"
#include "services/transfer_echo.h"

#include "proto/transfer.pb-c.h"

#define TYPE "containerd.types.transfer."
#define IMAGES "containerd.services.images.v1.Images"

/* ---- another name ---- */

struct tag {
	struct core *core;
	struct rpc_door *door;
	struct rpc_addr addr;
	struct arena arena;
	char *ns, *lease;
	const Pb__Transfer__ImageStore *to;
	Pb__Image__Image *image;
};

static void tag_free(struct tag *t)
{
	arena_done(&t->arena);
	free(t->ns);
	free(t->lease);
	free(t);
}

static void tag_end(struct tag *t, const struct inner_answer *a)
{
	const Pb__Empty empty = PB__EMPTY__INIT;

	if (a->code == RPC_OK)
		rpc_reply_message(t->door, t->addr, &empty.base);
	else
		rpc_reply(t->door, t->addr, a->code, a->text, NULL, 0);
	tag_free(t);
}

static void tag_fail(struct tag *t, int r, const struct err *err)
{
	rpc_reply_err(t->door, t->addr, r, err);
	tag_free(t);
}

static void on_updated(void *arg, const struct inner_answer *a)
{
	tag_end(arg, a);
}

static void on_created(void *arg, const struct inner_answer *a)
{
	Pb__Image__UpdateImageRequest m = PB__IMAGE__UPDATE_IMAGE_REQUEST__INIT;
	struct err err = { 0 };
	struct tag *t = arg;
	int r;

	if (a->code != RPC_ALREADY_EXISTS)
		return tag_end(t, a);
	m.image = t->image;
	r = inner_call(t->core, IMAGES, "Update", t->ns, t->lease, &m.base, on_updated, t, &err);
	if (r < 0)
		tag_fail(t, r, &err);
}

static void on_got(void *arg, const struct inner_answer *a)
{
	Pb__Image__ImageAnswer m = PB__IMAGE__IMAGE_ANSWER__INIT;
	const ProtobufCMessage *answer = NULL;
	struct err err = { 0 };
	struct tag *t = arg;
	int r;

	if (a->code != RPC_OK)
		return tag_end(t, a);
	r = message_decode(&pb__image__image_answer__descriptor, a->payload, a->size, &t->arena,
		&answer, &err);
	if (r == 0 && answer)
		t->image = ((const Pb__Image__ImageAnswer *)(const void *)answer)->image;
	if (r == 0 && !t->image)
		r = err_set(&err, -EUCLEAN, "the image has no record");
	if (r < 0)
		return tag_fail(t, r, &err);
	t->image->name = t->to->name;
	t->image->labels = t->to->labels;
	t->image->n_labels = t->to->n_labels;
	m.image = t->image;
	r = inner_call(t->core, IMAGES, "Create", t->ns, t->lease, &m.base, on_created, t, &err);
	if (r < 0)
		tag_fail(t, r, &err);
}

static int decode(struct core_call *c, struct arena *a, const Pb__Any *any,
	const Pb__Transfer__ImageStore **ret)
{
	const ProtobufCMessage *m = NULL;

	if (!any || message_decode(&pb__transfer__image_store__descriptor, any->value.data,
			    any->value.len, a, &m, c->err) < 0)
		return err_set(c->err, -EINVAL, "an image store cannot be read");
	*ret = (const void *)m;
	return 0;
}

static int tag_begin(struct core_call *c, struct tag *t, const Pb__Transfer__TransferRequest *in)
{
	Pb__Image__ImageName m = PB__IMAGE__IMAGE_NAME__INIT;
	const Pb__Transfer__ImageStore *from = NULL;
	int r = decode(c, &t->arena, in->source, &from);

	if (r == 0)
		r = decode(c, &t->arena, in->destination, &t->to);
	if (r < 0 || !from)
		return r;
	m.name = from->name;
	return inner_call(t->core, IMAGES, "Get", t->ns, t->lease, &m.base, on_got, t, c->err);
}

static int tag_start(struct core_call *c, const Pb__Transfer__TransferRequest *in)
{
	struct tag *t = mem_calloc(1, sizeof(*t));
	int r;

	if (!t)
		return err_oom(c->err);
	t->core = c->core;
	t->door = c->req->door;
	t->addr = c->req->addr;
	t->ns = strdup(c->ns);
	t->lease = strdup(c->req->lease ? c->req->lease : "");
	r = t->ns && t->lease ? tag_begin(c, t, in) : err_oom(c->err);
	if (r < 0)
		tag_free(t);
	c->answered = r == 0;
	return r;
}

/* ---- the method ---- */

static int transfer(struct core_call *c)
{
	const Pb__Transfer__TransferRequest *in = (const void *)c->req->message;
	const char *from = in->source ? in->source->type_url : "";
	const char *to = in->destination ? in->destination->type_url : "";

	if (any_is(from, TYPE "ImageImportStream") && any_is(to, TYPE "ImageStore"))
		return image_import_start(c, in->source, in->destination,
			in->options ? in->options->progress_stream : "");
	if (any_is(from, TYPE "ImageStore") && any_is(to, TYPE "ImageStore"))
		return tag_start(c, in);
	if (any_is(from, TYPE "ImageStore") && any_is(to, TYPE "ImageExportStream"))
		return image_export_start(c, in->source, in->destination,
			in->options ? in->options->progress_stream : "");
	if (any_is(from, TYPE "ImageImportStream") && any_is(to, TYPE "ImageExportStream"))
		return transfer_echo_start(c, in->source, in->destination,
			in->options ? in->options->progress_stream : "");
	/* No registries: what containerd says of a pair that none of its plugins takes. */
	return err_set(
		c->err, -ENOSYS, "method Transfer not implemented for %.100s to %.100s", from, to);
}

static void handle(void *arg, const struct rpc_request *req)
{
	core_run(arg, req, transfer, 0);
}

static const struct rpc_method rows[] = {
	{ "Transfer", &pb__transfer__transfer_request__descriptor, 0, handle },
};

const struct rpc_service transfer_service = { "containerd.services.transfer.v1.Transfer", rows,
	ARRAY_LEN(rows) };
