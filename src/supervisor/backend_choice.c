/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container and a process of this back end are one of the other's and which that is. A binary that is not found goes
 * to the back end that would run it, whose error says so.
 */
#include "supervisor/backend_choice.h"

#include <errno.h>

#include "base/mem.h"
#include "base/str.h"
#include "supervisor/runtime_path.h"

struct backend_container {
	const struct backend *of;
	struct backend_container *inner;
};

struct backend_process {
	const struct backend *of;
	struct backend_process *inner;
};

static bool is_ours(const struct backend_choice *choice, const char *name)
{
	auto_free char *path = NULL;

	if (str_empty(name))
		return true;
	return runtime_path_find(name, choice->search, &path, NULL) == 0 &&
	       runtime_path_is_reeve(path, choice->search);
}

static int choice_create(void *arg, const struct backend_create *req, struct backend_call *call,
	struct backend_container **ret, struct err *err)
{
	const struct backend_choice *choice = arg;
	bool ours = is_ours(choice, req->request->options.binary_name);
	struct backend_container *c = mem_calloc(1, sizeof(*c));
	int r;

	if (!c)
		return err_oom(err);
	c->of = ours ? choice->native : choice->oci;
	*ret = c; /* done() may come before create() returns, and what it asks for needs the container */
	r = c->of->create(ours ? choice->native_arg : choice->oci_arg, req, call, &c->inner, err);
	if (r < 0) {
		*ret = NULL;
		free(c);
	}
	return r;
}

static int choice_start(struct backend_container *c, struct backend_call *call, struct err *err)
{
	return c->of->start(c->inner, call, err);
}

static int choice_exec(struct backend_container *c, const struct backend_exec *req,
	struct backend_call *call, struct backend_process **ret, struct err *err)
{
	struct backend_process *p = mem_calloc(1, sizeof(*p));
	int r;

	if (!p)
		return err_oom(err);
	p->of = c->of;
	r = c->of->exec(c->inner, req, call, &p->inner, err);
	if (r < 0)
		free(p);
	else
		*ret = p;
	return r;
}

static int choice_exec_release(struct backend_process *p, struct err *err)
{
	return p->of->exec_release(p->inner, err);
}

static int choice_barrier(struct backend_container *c, struct backend_process *p)
{
	return c->inner ? c->of->barrier(c->inner, p ? p->inner : NULL) : -EBADF;
}

static int choice_adopt(
	void *arg, const struct backend_adopt *req, struct backend_container **ret, struct err *err)
{
	const struct backend_choice *choice = arg;
	bool ours = is_ours(choice, req->request->options.binary_name);
	struct backend_container *c = mem_calloc(1, sizeof(*c));
	int r;

	if (!c)
		return err_oom(err);
	c->of = ours ? choice->native : choice->oci;
	r = c->of->adopt(ours ? choice->native_arg : choice->oci_arg, req, &c->inner, err);
	if (r < 0)
		free(c);
	else
		*ret = c;
	return r;
}

static const struct pidref *choice_init(struct backend_container *c)
{
	return c->inner && c->of->init ? c->of->init(c->inner) : NULL;
}

static int choice_adopt_exec(struct backend_container *c, const struct pidref *process, int barrier,
	struct backend_call *call, struct backend_process **ret, struct err *err)
{
	struct backend_process *p = mem_calloc(1, sizeof(*p));
	int r;

	if (!p)
		return err_oom(err);
	p->of = c->of;
	r = c->of->adopt_exec(c->inner, process, barrier, call, &p->inner, err);
	if (r < 0)
		free(p);
	else
		*ret = p;
	return r;
}

static void choice_cancel(struct backend_container *c, struct backend_process *p)
{
	c->of->cancel(c->inner, p ? p->inner : NULL);
}

static int choice_kill(
	struct backend_container *c, int sig, bool all, struct backend_call *call, struct err *err)
{
	return c->of->kill(c->inner, sig, all, call, err);
}

static int choice_pause(struct backend_container *c, struct backend_call *call, struct err *err)
{
	return c->of->pause(c->inner, call, err);
}

static int choice_resume(struct backend_container *c, struct backend_call *call, struct err *err)
{
	return c->of->resume(c->inner, call, err);
}

static int choice_update(struct backend_container *c, const char *resources, size_t size,
	struct backend_call *call, struct err *err)
{
	return c->of->update(c->inner, resources, size, call, err);
}

static int choice_checkpoint(struct backend_container *c, const struct request_checkpoint *req,
	struct backend_call *call, struct err *err)
{
	return c->of->checkpoint(c->inner, req, call, err);
}

static int choice_delete(struct backend_container *c, struct backend_call *call, struct err *err)
{
	return c->of->delete_(c->inner, call, err);
}

static void choice_kill_all(struct backend_container *c)
{
	c->of->kill_all(c->inner);
}

static void choice_thaw(struct backend_container *c)
{
	c->of->thaw(c->inner);
}

static int choice_pids(struct backend_container *c, pid_t **ret, size_t *ret_n, struct err *err)
{
	return c->of->pids(c->inner, ret, ret_n, err);
}

static int choice_stats(struct backend_container *c, const struct stats **ret, struct err *err)
{
	return c->of->stats(c->inner, ret, err);
}

static uint64_t choice_oom_kills(struct backend_container *c)
{
	return c->of->oom_kills(c->inner);
}

static const char *choice_state_root(struct backend_container *c)
{
	return c->of->state_root(c->inner);
}

static const char *choice_program(struct backend_container *c)
{
	return c->of->program ? c->of->program(c->inner) : NULL;
}

static void choice_exec_free(struct backend_process *p)
{
	if (!p)
		return;
	p->of->exec_free(p->inner);
	free(p);
}

static void choice_free(struct backend_container *c)
{
	if (!c)
		return;
	c->of->free(c->inner);
	free(c);
}

const struct backend backend_choice = {
	.name = "choice",
	.create = choice_create,
	.start = choice_start,
	.exec = choice_exec,
	.exec_release = choice_exec_release,
	.barrier = choice_barrier,
	.adopt = choice_adopt,
	.init = choice_init,
	.adopt_exec = choice_adopt_exec,
	.cancel = choice_cancel,
	.kill = choice_kill,
	.pause = choice_pause,
	.resume = choice_resume,
	.update = choice_update,
	.checkpoint = choice_checkpoint,
	.delete_ = choice_delete,
	.kill_all = choice_kill_all,
	.thaw = choice_thaw,
	.pids = choice_pids,
	.stats = choice_stats,
	.oom_kills = choice_oom_kills,
	.state_root = choice_state_root,
	.program = choice_program,
	.exec_free = choice_exec_free,
	.free = choice_free,
};
