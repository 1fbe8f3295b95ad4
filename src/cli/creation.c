/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Creation. Everything that can be known to fail is tried before the container is made: id, bundle, terminal, sockets,
 * the directory of the pid file, the descriptors that are to be kept.
 */
#include "cli/creation.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "container/annotation.h"

/* Sockets that a service manager has given us; its word counts only if they are meant for this process. */
static uint32_t listen_fds(void)
{
	const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
	uint32_t for_pid, n;

	if (str_to_u32(pid, &for_pid) < 0 || for_pid != (uint32_t)getpid() ||
		str_to_u32(count, &n) < 0)
		return 0;
	return n;
}

static bool by_systemd(const struct cli *cli)
{
	return cli->global.cgroup_manager ? str_eq(cli->global.cgroup_manager, "systemd")
					  : cli->global.systemd_cgroup;
}

static int load(const struct creation_options *o, char **ret_bundle, struct spec **ret_spec,
	char **ret_json, size_t *ret_size, struct err *err)
{
	auto_free char *bundle = path_absolute(str_empty(o->bundle) ? "." : o->bundle);
	auto_free char *config = str_empty(o->config) ? NULL : path_absolute(o->config);
	int r;

	if (!bundle || (!config && !str_empty(o->config)))
		return err_sys(err, "find the current directory");
	r = container_load_bundle(bundle, config, ret_spec, ret_json, ret_size, err);
	if (r == 0)
		*ret_bundle = take_ptr(bundle);
	return r;
}

static int open_parts(struct creation *c, const struct spec *spec, bool detached, struct err *err)
{
	const struct creation_options *o = c->options;
	bool terminal = spec->process && spec->process->terminal;
	int r = console_check(terminal, detached, o->console_socket, err);

	if (r == 0)
		r = pid_file_open(o->pid_file, &c->pid_file, err);
	if (r == 0)
		r = console_open(&c->console, o->console_socket, err);
	return r;
}

static int make(struct creation *c, struct container_create *req, struct err *err)
{
	struct container_handler h;
	int r;

	c->session.console = &c->console;
	session_handler(&c->session, &h);
	if (c->options->restore)
		r = container_restore(
			&c->session.host, req, c->options->restore, &h, &c->container, err);
	else
		r = container_create(&c->session.host, req, &h, &c->container, err);
	req->spec = NULL;
	if (r == 0) {
		r = session_wait(&c->session, err);
		/* A create that failed has cleaned up; only the object is left. */
		if (r < 0) {
			container_free(c->container);
			c->container = NULL;
		}
	}
	if (r < 0)
		return r;
	r = console_result(&c->console, err);
	if (r < 0)
		session_undo(&c->session, c->container);
	return r;
}

int creation_begin(struct creation *c, struct cli *cli, const struct creation_options *o,
	const char *id, bool detached, bool by_socket, struct err *err)
{
	auto_free char *bundle = NULL;
	auto_free char *json = NULL;
	struct container_create req = {
		.id = id,
		.stdio = { STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO },
		.listen_fds = listen_fds(),
		.notify_socket = getenv("NOTIFY_SOCKET"),
		.start_by_socket = by_socket,
		.starts_at_once = !by_socket,
		.no_pivot = o->no_pivot,
		.no_new_keyring = o->no_new_keyring,
		.systemd_cgroup = by_systemd(cli),
		.unit_prefix = cli->dialect->name,
		.subgroup = cli->dialect->subgroup,
	};
	int r;

	*c = (struct creation){ .console = CONSOLE_NULL, .pid_file = PID_FILE_NULL, .options = o };
	r = state_id_check(id, err);
	if (r == 0)
		r = cli_count_fds(cli, req.listen_fds, o->preserve_fds, &req.preserve_fds, err);
	if (r == 0)
		r = load(o, &bundle, &req.spec, &json, &req.json_size, err);
	/* What is only created may do without. */
	if (r == 0 && !by_socket && !o->restore && !req.spec->process)
		r = err_set(err, -EINVAL, "process: missing in the configuration");
	/* Without a pid namespace of their own they come to us. */
	if (r == 0 && !detached && !o->no_subreaper &&
		!spec_namespace_is_new(req.spec, SPEC_NS_PID)) {
		r = cli->process->become_subreaper();
		if (r < 0)
			err_code(err, r, "become a subreaper");
	}
	if (r == 0)
		r = open_parts(c, req.spec, detached, err);
	if (r == 0)
		r = session_open(&c->session, cli, true, err);
	if (r == 0) {
		req.bundle = bundle;
		req.json = json;
		r = make(c, &req, err);
	}
	spec_free(req.spec);
	return r;
}

int creation_publish(struct creation *c, struct err *err)
{
	const struct pidref *init = container_init(c->container);
	const char *receiver = c->options->pidfd_socket;
	int r = 0;

	if (str_empty(receiver))
		receiver = annotation_pidfd_receiver(container_spec(c->container));
	if (receiver)
		r = console_send_fd(receiver, "pidfd", init->fd, err);
	return r < 0 ? r : pid_file_write(&c->pid_file, init->pid, err);
}

void creation_done(struct creation *c, int result)
{
	console_done(&c->console);
	pid_file_done(&c->pid_file);
	/* Of a failure something may be under way that has to be ended. */
	if (result >= 0 && session_is_last(&c->session))
		return;
	container_free(c->container);
	session_done(&c->session);
}
