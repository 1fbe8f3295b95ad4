/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connect is the call that every version answers at once and without an error; that its service is
 * unknown is an answer, too. A server that stays silent is taken for version 2: each one that ever
 * was can do that.
 */
#include "shim/probe.h"

#include <errno.h>

#include "base/clock.h"
#include "event/loop.h"
#include "rpc/ttrpc_client.h"

#include "proto/task.pb-c.h"

struct probe {
	struct loop *loop;
	int version; /* 0: the server left */
};

static void probe_answer(void *arg, uint64_t tag, const struct ttrpc_answer *a)
{
	struct probe *p = arg;

	if (a->end == TTRPC_LOST)
		p->version = 0;
	else
		p->version = a->end == TTRPC_ANSWERED && a->code != RPC_UNIMPLEMENTED ? 3 : 2;
	loop_stop(p->loop, 0);
}

static void probe_closed(void *arg)
{
}

static const struct ttrpc_client_ops probe_ops = { probe_answer, probe_closed };

int probe_version(const char *path, const char *id, int *ret_version, struct err *err)
{
	Pb__Task__ConnectRequest m = PB__TASK__CONNECT_REQUEST__INIT;
	auto_freep(loop) struct loop *loop = NULL;
	auto_freep(ttrpc_client) struct ttrpc_client *client = NULL;
	struct probe probe = { 0 };
	int fd, r;

	r = loop_new(&loop);
	if (r < 0)
		return err_code(err, r, "make a loop");
	probe.loop = loop;
	r = ttrpc_connect(path, &fd, err);
	if (r < 0)
		return r;
	r = ttrpc_client_new_take_fd(loop, fd, 0, &probe_ops, &probe, &client, err);
	if (r < 0)
		return r;
	m.id = (char *)id;
	r = ttrpc_client_call(client, 1, "containerd.task.v3.Task", "Connect", &m.base,
		clock_boot_ns() + PROBE_TIMEOUT_NS, err);
	if (r < 0)
		return r;
	r = loop_run(loop);
	if (r < 0)
		return err_code(err, r, "wait for the shim at '%s'", path);
	if (probe.version == 0)
		return err_set(err, -ECONNRESET, "the shim at '%s' has left", path);
	*ret_version = probe.version;
	return 0;
}
