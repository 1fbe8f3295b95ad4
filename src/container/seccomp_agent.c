/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process cannot send its listener itself: the call by which it did would be one that the agent has to permit. So
 * it tells the number (by write, which no profile may notify of), waits, and we take a copy.
 */
#include "container/seccomp_agent.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/json_write.h"
#include "base/kernel.h"
#include "base/mem.h"
#include "base/str.h"

static int write_message(const struct seccomp_agent_message *m, struct buf *out)
{
	const struct spec_seccomp *s = m->spec->linux_->seccomp;
	struct json_writer w = { .out = out };

	json_write_open(&w, '{');
	json_write_member_str(&w, "ociVersion", m->spec->oci_version);
	json_write_key(&w, "fds");
	json_write_open(&w, '[');
	json_write_str(&w, "seccompFd");
	json_write_close(&w, ']');
	json_write_member_i64(&w, "pid", m->process->pid);
	if (!str_empty(s->listener_metadata))
		json_write_member_str(&w, "metadata", s->listener_metadata);
	json_write_key(&w, "state");
	json_write_raw(&w, m->state);
	json_write_close(&w, '}');
	return buf_ok(out);
}

int seccomp_agent_send(const struct seccomp_agent_message *m, struct err *err)
{
	const struct spec_seccomp *s = m->spec->linux_ ? m->spec->linux_->seccomp : NULL;
	auto_close int listener = -EBADF;
	auto_close int agent = -EBADF;
	auto_done(buf) struct buf text = { 0 };
	int r;

	if (!s || str_empty(s->listener_path))
		return err_set(err, -EINVAL, "linux.seccomp.listenerPath: missing");
	listener = kernel_pidfd_getfd(m->process->fd, m->listener);
	if (listener < 0)
		return err_code(err, listener,
			"linux.seccomp: take the listener of the container's filter");
	agent = fd_unix_connect(s->listener_path, SOCK_STREAM | SOCK_NONBLOCK);
	if (agent < 0)
		return err_code(err, agent,
			"linux.seccomp.listenerPath: failed to connect with seccomp agent at '%s'",
			s->listener_path);
	r = write_message(m, &text);
	if (r == 0)
		r = fd_send(agent, text.data, text.len, &listener, 1);
	return r < 0 ? err_code(err, r,
			       "linux.seccomp.listenerPath: send the listener to the agent at '%s'",
			       s->listener_path)
		     : 0;
}
