/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every change of privilege that the executor makes, in the order of spec/security.md 2: groups, bounding set,
 * keep-caps, gid, uid (verified), then the capability sets. Between USER and CAPS the permitted set is still full
 * when PLAN_F_KEEP_CAPS asks for it: a seccomp filter without no_new_privs needs CAP_SYS_ADMIN, and it is loaded as
 * late as possible so that it need not permit our own calls.
 */
#include <asm/errno.h>
#include <asm/fcntl.h>
#include <asm/stat.h>
#include <linux/capability.h>
#include <linux/mman.h>
#include <linux/prctl.h>
#include <linux/stat.h>

#include "bare/exec.h"

#define PASSWD_MAX (1u << 20)
#define LINE_MAX_ 4096

long exec_op_root_ids(struct exec *x, const struct plan_step *s)
{
	long r = sys_call3(__NR_setresgid, s->num[1], s->num[1], s->num[1]);

	if (r >= 0)
		r = sys_call3(__NR_setresuid, s->num[0], s->num[0], s->num[0]);
	return r < 0 ? r : sys_call5(__NR_prctl, PR_SET_DUMPABLE, 0, 0, 0, 0);
}

/* A working directory that lies outside shows as "(unreachable)" (CVE-2024-21626). */
static long verify_cwd(struct exec *x)
{
	long n = sys_call2(__NR_getcwd, x->text, sizeof(x->text));

	if (n < 0)
		return n;
	if (x->text[0] == '/')
		return 0;
	x->detail = "current working directory is outside of the container's root";
	return -EPERM;
}

static long change_dir(struct exec *x, const char *path)
{
	int fd = exec_open_in_root(x, path, O_PATH | O_DIRECTORY, 0);
	long r;

	if (fd < 0)
		return fd;
	r = sys_call1(__NR_fchdir, fd);
	sys_close(fd);
	return r < 0 ? r : verify_cwd(x);
}

long exec_op_cwd(struct exec *x, const struct plan_step *s)
{
	const char *path = exec_str(x, s->str[0]);
	long r;

	if (strcmp(path, "/") == 0)
		r = x->at_root ? 0 : sys_call1(__NR_chdir, "/");
	else
		r = change_dir(x, path);
	if (r == -EACCES && (s->flags & PLAN_F_RETRY)) {
		x->cwd_again = exec_str(x, s->str[0]);
		return 0;
	}
	return r;
}

/* Without CAP_SETPCAP what is to go may stay only where it is not there anyway. */
static long drop_bounding(struct exec *x, uint64_t keep)
{
	for (unsigned long cap = 0; cap < 64; cap++) {
		long r = keep >> cap & 1 ? 0 : sys_call5(__NR_prctl, PR_CAPBSET_DROP, cap, 0, 0, 0);

		if (r == -EINVAL)
			return 0; /* beyond the newest capability of this kernel */
		if (r < 0 && sys_call5(__NR_prctl, PR_CAPBSET_READ, cap, 0, 0, 0) == 1) {
			x->detail = "capabilities cannot be taken from the bounding set";
			return r;
		}
	}
	return 0;
}

/* /dev/stdout and the like must be openable by the user: the pipes were made by root. Failure harms nobody else. */
static void own_stdio(uint32_t uid)
{
	struct stat st;

	for (int i = 0; i < 3; i++)
		if (sys_call2(__NR_fstat, i, &st) == 0 && st.st_uid != uid &&
			!((st.st_mode & S_IFMT) == S_IFCHR && st.st_rdev == 0x103))
			sys_call5(__NR_fchownat, i, "", uid, -1, SYS_AT_EMPTY_PATH);
}

static long set_caps(const struct plan_caps *c)
{
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct d[2] = {
		{ (uint32_t)c->effective, (uint32_t)c->permitted, (uint32_t)c->inheritable },
		{ (uint32_t)(c->effective >> 32), (uint32_t)(c->permitted >> 32),
			(uint32_t)(c->inheritable >> 32) },
	};

	return sys_call2(__NR_capset, &h, d);
}

static long get_caps(struct plan_caps *c)
{
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct d[2] = { { 0 }, { 0 } };
	long r = sys_call2(__NR_capget, &h, d);

	c->effective = d[0].effective | (uint64_t)d[1].effective << 32;
	c->permitted = d[0].permitted | (uint64_t)d[1].permitted << 32;
	c->inheritable = d[0].inheritable | (uint64_t)d[1].inheritable << 32;
	return r;
}

static long set_ids(const struct plan_step *s)
{
	uint32_t uid = (uint32_t)s->num[0];
	uint32_t gid = (uint32_t)s->num[1];
	uint32_t now[3];
	long r;

	r = sys_call3(__NR_setresgid, gid, gid, gid);
	if (r >= 0)
		r = sys_call3(__NR_setresuid, uid, uid, uid);
	if (r < 0)
		return r;
	if (!uid)
		return 0;
	r = sys_call3(__NR_getresuid, &now[0], &now[1], &now[2]);
	if (r < 0 || now[0] != uid || now[1] != uid || now[2] != uid)
		return -EPERM;
	/* dumpable came back with the change of ids; nobody may look until execve */
	return sys_call5(__NR_prctl, PR_SET_DUMPABLE, 0, 0, 0, 0);
}

long exec_op_user(struct exec *x, const struct plan_step *s)
{
	struct plan_caps all;
	long r = 0;

	if (s->num[0])
		own_stdio((uint32_t)s->num[0]);
	if (!s->num[2] && !(s->flags & PLAN_F_SAME_GROUPS))
		r = sys_call2(__NR_setgroups, s->blob_len / 4, exec_blob(x, s));
	if (r < 0)
		return r;
	r = drop_bounding(x, s->num[3]);
	if (r < 0)
		return r;
	if (s->num[0]) {
		r = sys_call5(__NR_prctl, PR_SET_KEEPCAPS, 1, 0, 0, 0);
		if (r < 0)
			return r;
	}
	r = s->flags & PLAN_F_SAME_IDS ? 0 : set_ids(s);
	if (r >= 0 && s->num[0] && (s->flags & PLAN_F_KEEP_CAPS)) {
		r = get_caps(&all);
		all.effective = all.permitted;
		if (r >= 0)
			r = set_caps(&all);
	}
	if (r >= 0 && x->cwd_again)
		r = change_dir(x, x->cwd_again);
	return r;
}

static long apply_held(const struct plan_caps *c)
{
	long r = set_caps(c);

	if (r < 0)
		return r;
	for (unsigned long cap = 0; cap < 64 && c->ambient >> cap; cap++)
		if (c->ambient >> cap & 1)
			sys_call5(__NR_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0);
	return 0;
}

long exec_apply_caps(const struct plan_caps *want)
{
	struct plan_caps have;
	struct plan_caps c;
	long r = get_caps(&have);

	if (r < 0)
		return r;
	/* What cannot be granted is left out, as the spec asks since 1.1. */
	c.permitted = want->permitted & have.permitted;
	c.effective = want->effective & c.permitted;
	c.inheritable = want->inheritable & (have.permitted | have.inheritable);
	c.ambient = want->ambient & c.permitted & c.inheritable;
	return apply_held(&c);
}

long exec_op_caps(struct exec *x, const struct plan_step *s)
{
	const struct plan_caps *c = exec_blob(x, s);

	return s->flags & PLAN_F_HELD ? apply_held(c) : exec_apply_caps(c);
}

char **exec_list(struct exec *x, uint32_t offset, uint64_t n, size_t spare)
{
	size_t all = n + spare + 1;
	const char *p = x->base + offset;
	char **list = x->pointers + x->n_pointers;
	long r;

	if (all <= EXEC_POINTERS - x->n_pointers) {
		x->n_pointers += all;
	} else {
		r = sys_call6(__NR_mmap, 0, (long)(all * sizeof(char *)), PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (r < 0)
			return NULL;
		list = (char **)r;
	}
	for (uint64_t i = 0; i < n; i++) {
		list[i] = (char *)p;
		p += strlen(p) + 1;
	}
	return list;
}

static const char *env_value(char **env, const char *prefix)
{
	for (; *env; env++)
		if (exec_starts(*env, prefix))
			return *env + strlen(prefix);
	return NULL;
}

/* The identity has changed, the capabilities are not the program's yet: with CAP_DAC_OVERRIDE one x for anybody will do. */
static long program_ok(const struct exec *x, const char *path)
{
	struct stat st;
	long r = sys_call4(__NR_newfstatat, SYS_AT_FDCWD, path, &st, 0);

	if (r < 0)
		return r;
	if ((st.st_mode & S_IFMT) == S_IFDIR)
		return -EISDIR;
	if ((st.st_mode & S_IFMT) != S_IFREG)
		return -EACCES;
	r = sys_call4(__NR_faccessat2, SYS_AT_FDCWD, path, 1 /* X_OK */, 0x200 /* AT_EACCESS */);
	if (r == -EACCES && st.st_mode & 0111 && x->caps &&
		x->caps->effective & 1 << CAP_DAC_OVERRIDE)
		return 0;
	return r;
}

static long find_in_path(struct exec *x, const char *name)
{
	const char *p = env_value(x->envp, "PATH=");
	size_t n;
	long r;

	if (!p)
		p = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	for (;; p += n + 1) {
		for (n = 0; p[n] && p[n] != ':'; n++)
			;
		if (n + strlen(name) + 2 <= sizeof(x->program)) {
			memcpy(x->program, p, n);
			x->program[n] = '/';
			memcpy(x->program + n + (n ? 1 : 0), name, strlen(name) + 1);
			r = program_ok(x, x->program);
			if (r >= 0)
				return 0;
		}
		if (!p[n])
			return -ENOENT; /* as Go's LookPath: whatever else was met on the way */
	}
}

/* One line "name:pw:uid:gid:gecos:home:shell": the home of uid, or NULL. Cuts the line in place. */
static char *home_of(char *line, uint64_t uid)
{
	char *field[7];
	uint64_t v = 0;
	int n = 0;

	field[n++] = line;
	for (char *p = line; *p && n < 7; p++)
		if (*p == ':') {
			*p = 0;
			field[n++] = p + 1;
		}
	if (n < 6 || !field[2][0])
		return NULL;
	for (char *p = field[2]; *p; p++) {
		if (*p < '0' || *p > '9' || v > 0xffffffffull)
			return NULL;
		v = v * 10 + (uint64_t)(*p - '0');
	}
	return v == uid && field[5][0] == '/' ? field[5] : NULL;
}

/* HOME from the image's passwd: a regular file, at most 1 MiB, lines of at most 4 KiB (spec/security.md 1.4). */
static void set_home(struct exec *x, char **slot, uint64_t uid)
{
	static char chunk[LINE_MAX_];
	static char home[5 + LINE_MAX_];
	struct stat st;
	size_t have = 0;
	size_t total = 0;
	int overlong = 0; /* what comes is the rest of a line that did not fit: no line either */
	long n = 1;
	int fd = exec_open_in_root(x, "/etc/passwd", O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);

	memcpy(home, "HOME=/", 7);
	*slot = home;
	if (fd < 0)
		return;
	if (sys_call2(__NR_fstat, fd, &st) < 0 || (st.st_mode & S_IFMT) != S_IFREG)
		n = 0;
	while (n > 0 && total < PASSWD_MAX) {
		char *line = chunk;

		n = sys_read(fd, chunk + have, sizeof(chunk) - 1 - have);
		if (n < 0)
			break;
		if (n == 0 && have)
			chunk[have++] = '\n'; /* the last line may lack its own */
		have += (size_t)n;
		total += (size_t)n;
		chunk[have] = 0;
		for (char *p = chunk; p < chunk + have; p++) {
			char *found;

			if (*p != '\n')
				continue;
			*p = 0;
			found = overlong ? NULL : home_of(line, uid);
			overlong = 0;
			if (found) {
				memcpy(home + 5, found, strlen(found) + 1);
				exec_drop(fd);
				return;
			}
			line = p + 1;
		}
		have -= (size_t)(line - chunk);
		if (have == sizeof(chunk) - 1) {
			have = 0;
			overlong = 1;
		}
		for (size_t i = 0; i < have; i++)
			chunk[i] = line[i];
	}
	exec_drop(fd);
}

long exec_op_lookup(struct exec *x, const struct plan_step *s)
{
	const char *name;

	x->argv = exec_list(x, s->str[1], s->num[0], 0);
	x->envp = exec_list(x, s->str[2], s->num[1], 1);
	if (!x->argv || !x->envp)
		return -ENOMEM;
	if (!s->num[0])
		return -EINVAL;
	if ((s->flags & PLAN_F_SET_HOME) && !env_value(x->envp, "HOME="))
		set_home(x, &x->envp[s->num[1]], s->num[2]);
	name = x->argv[0];
	x->detail = name;
	for (const char *p = name; *p; p++)
		if (*p == '/') {
			long r = exec_join(x->program, sizeof(x->program), name, NULL);

			return r < 0 ? r : program_ok(x, x->program);
		}
	return name[0] ? find_in_path(x, name) : -ENOENT;
}

long exec_op_exec(struct exec *x, const struct plan_step *s)
{
	unsigned keep = 3 + (unsigned)s->num[0];
	long r;

	/* Closed now, not at execve: args may name /proc/self/fd/N (CVE-2024-21626 follow-ups). Only the way back to
	 * the launcher stays; its end of file is the news that the program runs. */
	if (x->sync >= 0) {
		r = (unsigned)x->sync == keep ? sys_fcntl(x->sync, F_SETFD, FD_CLOEXEC)
					      : sys_dup3(x->sync, (int)keep, O_CLOEXEC);
		if (r < 0)
			return r;
	}
	if (x->sync >= 0) {
		x->sync = (int)keep;
		keep++;
	}
	r = sys_call3(__NR_close_range, keep, ~0u, 0);
	if (r < 0)
		return r;
	x->detail = x->argv[0];
	return sys_call3(__NR_execve, x->program, x->argv, x->envp);
}
