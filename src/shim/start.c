/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The socket listens before the answer is printed: containerd connects once and does not try again.
 *
 * What the server must have from its first moment (score, cgroup, cookie) this process takes on for
 * itself before it starts the server. It is about to end anyway, no pid has to be written anywhere,
 * and there is no moment in which the server runs without.
 */
#include "shim/start.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "api/task_name.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "exit/guardian_launch.h"
#include "shim/address.h"
#include "shim/bootstrap.h"
#include "shim/probe.h"
#include "shim/shim_cgroup.h"
#include "supervisor/group.h"

#ifndef PR_SCHED_CORE
#define PR_SCHED_CORE 62
#define PR_SCHED_CORE_CREATE 1
#endif
#define SCHED_CORE_PROCESS_GROUP 2

#define INPUT_MAX_BYTES (4u << 20)
#define JOIN_TRIES 5
#define OUR_VERSION 3

static const char *env_get(char *const *env, const char *name)
{
	size_t len = strlen(name);

	for (; *env; env++)
		if (strncmp(*env, name, len) == 0 && (*env)[len] == '=')
			return *env + len + 1;
	return NULL;
}

/* The server's environment: ours without what is meant for containerd alone. */
static char **server_env(const struct start *s, const struct bootstrap *b, struct arena *arena)
{
	char **env;
	size_t n = 0, out = 0;

	while (s->env[n])
		n++;
	env = arena_calloc(arena, n + 2, sizeof(*env));
	for (size_t i = 0; env && i < n; i++)
		if (!str_starts(s->env[i], "NOTIFY_SOCKET=") &&
			!(b->ttrpc_address && str_starts(s->env[i], "TTRPC_ADDRESS=")))
			env[out++] = s->env[i];
	if (env && b->ttrpc_address) {
		env[out] = arena_printf(arena, "TTRPC_ADDRESS=%s", b->ttrpc_address);
		if (!env[out])
			return NULL;
	}
	return env;
}

static int set_cookie(const struct start *s, struct err *err)
{
	const char *wanted = env_get(s->env, "SCHED_CORE");

	if (str_empty(wanted))
		return 0;
	if (prctl(PR_SCHED_CORE, PR_SCHED_CORE_CREATE, 0, SCHED_CORE_PROCESS_GROUP, 0) < 0)
		return err_sys(err, "enable core scheduling");
	return 0;
}

int start_read_score(pid_t pid, int *ret, struct err *err)
{
	auto_free char *text = NULL;
	char path[64];
	int64_t score;
	int r;

	snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", pid);
	r = fd_read_file_at(AT_FDCWD, path, 64, &text, NULL);
	if (r == 0) {
		text[strcspn(text, "\n")] = '\0';
		r = str_to_i64(text, &score);
	}
	if (r < 0)
		return err_code(err, r, "read containerd's oom_score_adj");
	*ret = (int)score;
	return 0;
}

/* One worse than containerd's, so that the kernel takes a shim first. */
static int set_score(const struct start *s, struct err *err)
{
	int score = s->containerd_score < 1000 ? s->containerd_score + 1 : 1000;
	char text[16];
	int r;

	snprintf(text, sizeof(text), "%d", score);
	r = fd_write_file_at(AT_FDCWD, "/proc/self/oom_score_adj", text);
	if (r == -EACCES || r == -EPERM) {
		log_write(s->log, LOG_WARN_, "oom_score_adj stays as it is: %d is not permitted",
			score);
		return 0;
	}
	return r < 0 ? err_code(err, r, "set oom_score_adj %d", score) : 0;
}

static int take_on(const struct start *s, const struct bootstrap *b, struct err *err)
{
	int r = set_cookie(s, err);

	if (r == 0 && b->options.shim_cgroup)
		r = shim_cgroup_enter("", b->options.shim_cgroup, err);
	return r < 0 ? r : set_score(s, err);
}

static int launch(const struct start *s, const struct bootstrap *b, int listener,
	struct arena *arena, pid_t *ret_pid, struct err *err)
{
	const struct shim_args *a = s->args;
	char *argv[] = { (char *)s->program, (char *)"-namespace", (char *)a->ns, (char *)"-id",
		(char *)a->id, (char *)"-address", (char *)a->address,
		a->debug || b->debug ? (char *)"-debug" : NULL, NULL };
	char **env = server_env(s, b, arena);
	int r;

	if (!env)
		return err_oom(err);
	r = take_on(s, b, err);
	return r < 0 ? r : guardian_launch(listener, argv, env, ret_pid, err);
}

static int print(const struct start *s, const struct bootstrap *b, int version, const char *path,
	struct err *err)
{
	auto_done(buf) struct buf out = { 0 };
	char address[ADDRESS_PATH_SIZE + 8];
	int r;

	snprintf(address, sizeof(address), "unix://%s", path);
	r = file_replace_at(s->bundle, "address", address, strlen(address), 0644);
	if (r < 0)
		return err_code(err, r, "write the address to the bundle");
	r = bootstrap_encode(b->params, version, address, &out);
	if (r == 0)
		r = fd_write_full(s->output, out.data, out.len);
	return r < 0 ? err_code(err, r, "write the address") : 0;
}

static int serve(const struct start *s, const struct bootstrap *b, int listener,
	struct arena *arena, struct err *err)
{
	struct address_own own;
	pid_t pid = 0;
	int r;

	r = address_of_fd(listener, &own);
	if (r < 0)
		return err_code(err, r, "find our own socket");
	r = launch(s, b, listener, arena, &pid, err);
	if (r == 0)
		r = print(s, b, OUR_VERSION, own.path, err);
	if (r == 0)
		return 0;
	if (pid > 0)
		guardian_launch_undo(pid);
	address_unlink(&own, NULL);
	unlinkat(s->bundle, "address", 0);
	return r;
}

/* A server that leaves takes its name away first, so the next try finds it free. */
static int join_or_serve(const struct start *s, const struct bootstrap *b, const char *dir,
	const char *name, struct arena *arena, struct err *err)
{
	char path[ADDRESS_PATH_SIZE];
	int r = 0, version;

	for (int i = 0; i < JOIN_TRIES; i++) {
		auto_close int listener = -EBADF;

		r = address_bind(dir, name, &listener, path, err);
		if (r < 0)
			return r;
		if (listener >= 0)
			return serve(s, b, listener, arena, err);
		r = probe_version(path, s->args->id, &version, err);
		if (r == 0)
			return print(s, b, version, path, err);
	}
	return r;
}

static int check_args(const struct shim_args *a, struct err *err)
{
	int r = task_name_check(a->ns, "namespace", err);

	if (r == 0)
		r = task_name_check(a->id, "id", err);
	if (r == 0 && str_empty(a->address))
		return err_set(err, -EINVAL, "address of containerd is required");
	return r;
}

int start_run(const struct start *s, struct err *err)
{
	auto_done(arena) struct arena arena = { 0 };
	auto_free char *input = NULL, *group = NULL;
	char dir[ADDRESS_PATH_SIZE], name[SHA256_HEX_SIZE];
	const struct shim_args *a = s->args;
	struct bootstrap b;
	size_t size;
	int r;

	r = check_args(a, err);
	if (r < 0)
		return r;
	r = fd_read_file(s->input, INPUT_MAX_BYTES, &input, &size);
	if (r < 0)
		return err_code(err, r, "read standard input");
	r = bootstrap_decode(input, size, a->id, a->ns, &arena, &b, err);
	if (r < 0)
		return r;
	r = group_read(s->bundle, a->id, &group, err);
	if (r < 0)
		return r;
	r = address_dir(b.socket_dir ? b.socket_dir : s->socket_dir,
		env_get(s->env, "XDG_RUNTIME_DIR"), dir, err);
	if (r < 0)
		return r;
	r = group_socket_name(a->address, a->ns, group, name, err);
	return r < 0 ? r : join_or_serve(s, &b, dir, name, &arena, err);
}
