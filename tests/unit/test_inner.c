/* SPDX-License-Identifier: Apache-2.0 */
#include "services/inner.h"

#include "base/str.h"
#include "rpc/message.h"
#include "test.h"

#include "proto/image.pb-c.h"

#define SERVICE "test.Images"

/* What the service was told, and whom it has yet to answer. */
struct seen {
	char ns[32], lease[32], name[32];
	struct rpc_door *door;
	struct rpc_addr addr;
};

static void note(struct seen *seen, const struct rpc_request *req)
{
	const Pb__Image__ImageAnswer *in = (const void *)req->message;

	snprintf(seen->ns, sizeof(seen->ns), "%s", req->ns);
	snprintf(seen->lease, sizeof(seen->lease), "%s", req->lease ? req->lease : "none");
	snprintf(seen->name, sizeof(seen->name), "%s", in->image->name);
	seen->door = req->door;
	seen->addr = req->addr;
}

/* As some of ours do: what was asked is made into what is kept, with memory that ends with the call. */
static void on_write(void *arg, const struct rpc_request *req)
{
	Pb__Image__Image *image =
		((const Pb__Image__ImageAnswer *)(const void *)req->message)->image;
	const Pb__Empty empty = PB__EMPTY__INIT;

	note(arg, req);
	image->name = NULL;
	image->target->annotations = NULL;
	image->target->n_annotations = 0;
	image->target = NULL;
	rpc_reply_message(req->door, req->addr, &empty.base);
	rpc_reply(req->door, req->addr, RPC_UNKNOWN, "a second answer", NULL, 0);
}

static void on_later(void *arg, const struct rpc_request *req)
{
	note(arg, req);
}

static const struct rpc_method rows[] = {
	{ "Write", &pb__image__image_answer__descriptor, 0, on_write, RPC_UNARY },
	{ "Later", &pb__image__image_answer__descriptor, 0, on_later, RPC_UNARY },
	{ "Stream", &pb__image__image_answer__descriptor, 0, on_later, RPC_STREAM },
};

struct bench {
	struct loop *loop;
	struct rpc_service service;
	struct core core;
	struct seen seen;
	Pb__Image__ImageAnswer message;
	Pb__Image__Image image;
	Pb__Image__Descriptor target;
	Pb__Pair note, *notes[1];
	/* what came back */
	int answers;
	enum status_code code;
	char text[64];
};

static void open_bench(struct bench *b)
{
	*b = (struct bench){ 0 };
	assert_ok(loop_new(&b->loop));
	b->service = (struct rpc_service){ SERVICE, rows, ARRAY_LEN(rows), &b->seen };
	b->core = (struct core){ .loop = b->loop, .services = &b->service, .n_services = 1 };
	pb__image__image_answer__init(&b->message);
	pb__image__image__init(&b->image);
	pb__image__descriptor__init(&b->target);
	pb__pair__init(&b->note);
	b->note.key = (char *)"key";
	b->note.value = (char *)"value";
	b->notes[0] = &b->note;
	b->target.annotations = b->notes;
	b->target.n_annotations = 1;
	b->image.name = (char *)"name";
	b->image.target = &b->target;
	b->message.image = &b->image;
}

static void close_bench(struct bench *b)
{
	inner_end(&b->core);
	loop_free(b->loop);
}

static void on_done(void *arg, const struct inner_answer *a)
{
	struct bench *b = arg;

	b->answers++;
	b->code = a->code;
	snprintf(b->text, sizeof(b->text), "%s", a->text);
}

static int call(struct bench *b, const char *method, struct err *err)
{
	return inner_call(
		&b->core, SERVICE, method, "space", NULL, &b->message.base, on_done, b, err);
}

TEST(a_service_is_asked_and_answers_once_from_the_loop)
{
	struct err err = { 0 };
	struct bench b;

	open_bench(&b);
	assert_ok(call(&b, "Write", &err));
	assert_int_equal(b.answers, 0);
	assert_string_equal(b.seen.name, "name");
	assert_string_equal(b.seen.ns, "space");
	assert_string_equal(b.seen.lease, "none");
	for (int i = 0; i < 3; i++)
		loop_round(b.loop, 0);
	assert_int_equal(b.answers, 1);
	assert_int_equal(b.code, RPC_OK);
	close_bench(&b);
}

TEST(what_a_service_writes_into_a_message_is_its_own)
{
	struct err err = { 0 };
	struct bench b;

	open_bench(&b);
	assert_ok(call(&b, "Write", &err));
	assert_string_equal(b.image.name, "name");
	assert_ptr_equal(b.image.target, &b.target);
	assert_int_equal(b.target.n_annotations, 1);
	assert_ptr_equal(b.target.annotations, b.notes);
	close_bench(&b);
}

TEST(an_answer_may_come_later_and_to_nobody)
{
	struct err err = { 0 };
	struct bench b;

	open_bench(&b);
	assert_ok(call(&b, "Later", &err));
	loop_round(b.loop, 0);
	assert_int_equal(b.answers, 0);
	rpc_reply(b.seen.door, b.seen.addr, RPC_NOT_FOUND, "not there", NULL, 0);
	loop_round(b.loop, 0);
	assert_int_equal(b.answers, 1);
	assert_int_equal(b.code, RPC_NOT_FOUND);
	assert_string_equal(b.text, "not there");
	rpc_reply(b.seen.door, b.seen.addr, RPC_OK, NULL, NULL, 0);
	loop_round(b.loop, 0);
	assert_int_equal(b.answers, 1);
	close_bench(&b);
}

TEST(who_ends_is_not_told_any_more)
{
	struct err err = { 0 };
	struct bench b;

	open_bench(&b);
	assert_ok(call(&b, "Write", &err));
	assert_ok(call(&b, "Later", &err));
	inner_end(&b.core);
	loop_round(b.loop, 0);
	assert_int_equal(b.answers, 0);
	close_bench(&b);
}

TEST(what_is_no_method_of_one_answer_is_not_called)
{
	struct err err = { 0 };
	struct bench b;

	open_bench(&b);
	assert_int_equal(call(&b, "Nothing", &err), -ENOSYS);
	assert_int_equal(call(&b, "Stream", &err), -ENOSYS);
	assert_string_equal(b.seen.name, "");
	close_bench(&b);
}
