/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A newer program is attached beside the one that is there, on the same map, and then takes the place of its pin: no
 * exit falls between the two, and what both record is the same. An older helper leaves a newer program alone. All of it under a
 * lock on the directory, for two may be started at once; one that dies in between leaves two programs attached,
 * which the next run makes one.
 *
 * Of the two programs the one at a function is attached where that can be done, and tried on a child of ours: where a compiler has
 * put that function into its callers nothing would ever run. Else it is the one at the tracepoint.
 *
 * What surprises: names in bpffs hold no dots.
 */
#include "helper/recorder.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/pidref.h"
#include "base/str.h"
#include "exit/recorder.h"
#include "exit/recorder_map.h"
#include "exit/recorder_place.h"

#define KERNEL_TYPES "/sys/kernel/btf/vmlinux"
#define LOCKDOWN "/sys/kernel/security/lockdown"
#define TRIAL_STATUS 77

extern const unsigned char recorder_image[];
extern const size_t recorder_image_size;

struct recorder {
	const char *dir;
	uint32_t entries;
	uint32_t by_start;
	bool at_tracepoint;
	int dirfd;
	uint32_t attached; /* version of the program that is pinned; 0: none */
	struct bpf_object *object;
	struct bpf_map *map;
	struct bpf_link *link;
	bool map_is_new;
};

/* What libbpf says last; it has no place for a pointer of ours. */
static char last_words[200];

__attribute__((format(printf, 2, 0))) static int on_libbpf(
	enum libbpf_print_level level, const char *fmt, va_list ap)
{
	if (level == LIBBPF_WARN) {
		vsnprintf(last_words, sizeof(last_words), fmt, ap);
		last_words[strcspn(last_words, "\n")] = '\0';
	}
	return 0;
}

/* ---- why not ---- */

static bool may(unsigned int capability)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[2] = { 0 };

	return syscall(SYS_capget, &h, d) == 0 &&
	       (d[CAP_TO_INDEX(capability)].effective & CAP_TO_MASK(capability));
}

static bool is_locked_down(void)
{
	auto_free char *text = NULL;

	return fd_read_file_at(AT_FDCWD, LOCKDOWN, 4096, &text, NULL) == 0 &&
	       strstr(text, "[confidentiality]");
}

/* The kernel says EPERM for each of these. */
static int explain(struct err *err, int code, const char *what)
{
	if (code == -EPERM && is_locked_down())
		return err_set(err, code, "%s: the kernel is locked down (confidentiality)", what);
	if (code == -EPERM && !may(CAP_SYS_ADMIN) && !(may(CAP_BPF) && may(CAP_PERFMON)))
		return err_set(err, code, "%s: %s%s%s missing", what, may(CAP_BPF) ? "" : "CAP_BPF",
			may(CAP_BPF) || may(CAP_PERFMON) ? "" : " and ",
			may(CAP_PERFMON) ? " is"
			: may(CAP_BPF)   ? "CAP_PERFMON is"
					 : "CAP_PERFMON are");
	if (*last_words)
		return err_code(err, code, "%s (%s)", what, last_words);
	return err_code(err, code, "%s", what);
}

/* ---- the directory ---- */

/* Of what is pinned: the newest program, and (drop) no other. */
static int look(struct recorder *r, bool drop, struct err *err)
{
	int fd = fd_open_at(r->dirfd, ".", O_RDONLY | O_DIRECTORY, 0);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;

	if (!d) {
		err_sys(err, "read '%s'", r->dir);
		fd_close(fd);
		return err ? err->code : -EIO;
	}
	while ((e = readdir(d))) {
		uint32_t version = exit_recorder_link_version(e->d_name);

		if (drop && version && version < r->attached)
			unlinkat(r->dirfd, e->d_name, 0);
		if (version > r->attached)
			r->attached = version;
	}
	closedir(d);
	return 0;
}

/* ---- the program ---- */

static bool fits(int fd)
{
	struct bpf_map_info info = { 0 };
	uint32_t size = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &size) == 0 && info.type == BPF_MAP_TYPE_HASH &&
	       info.key_size == sizeof(struct recorder_key) &&
	       info.value_size == sizeof(struct recorder_value);
}

/* The pinned map, or the object's own, which is made when it is loaded. */
static int choose_map(struct recorder *r, const char *pin, struct err *err)
{
	auto_close int fd = -EBADF;
	int code;

	r->map = bpf_object__find_map_by_name(r->object, RECORDER_MAP_NAME);
	if (!r->map)
		return err_set(err, -EIO, "the exit recorder's program has no map");
	fd = bpf_obj_get(pin);
	r->map_is_new = fd == -ENOENT;
	if (r->map_is_new)
		code = bpf_map__set_max_entries(r->map, r->entries);
	else if (fd < 0)
		return explain(err, fd, "open the exit recorder's map");
	else if (!fits(fd))
		return err_set(err, -EINVAL, "'%s' is not the exit recorder's map", pin);
	else
		code = bpf_map__reuse_fd(r->map, fd);
	return code < 0 ? err_code(err, code, "use the exit recorder's map") : 0;
}

static int set_key(struct recorder *r, struct err *err)
{
	struct bpf_map *m;

	if (!r->by_start)
		return 0;
	bpf_object__for_each_map(m, r->object)
	{
		if (strstr(bpf_map__name(m), ".rodata"))
			return bpf_map__set_initial_value(m, &r->by_start, sizeof(r->by_start)) < 0
				       ? err_set(err, -EIO, "the program's constants are others")
				       : 0;
	}
	return err_set(err, -EIO, "the program has no constants");
}

/* The program of this name and no other. */
static int load(struct recorder *r, const char *name, const char *pin, struct err *err)
{
	struct bpf_object_open_opts o = { .sz = sizeof(o), .object_name = "reeve_exit" };
	struct bpf_program *p;
	int code;

	r->object = bpf_object__open_mem(recorder_image, recorder_image_size, &o);
	if (!r->object)
		return explain(err, -errno, "read the exit recorder's program");
	bpf_object__for_each_program(p, r->object)
		bpf_program__set_autoload(p, str_eq(bpf_program__name(p), name));
	code = choose_map(r, pin, err);
	if (code == 0)
		code = set_key(r, err);
	if (code < 0)
		return code;
	code = bpf_object__load(r->object);
	return code < 0 ? explain(err, code, "load the exit recorder's program") : 0;
}

static void unload(struct recorder *r)
{
	bpf_link__destroy(r->link); /* its pin holds it, if it has one */
	bpf_object__close(r->object);
	r->link = NULL;
	r->object = NULL;
	*last_words = '\0';
}

static int attach(struct recorder *r, const char *name, const char *pin, struct err *err)
{
	struct bpf_program *p;
	int code = load(r, name, pin, err);

	if (code < 0)
		return code;
	p = bpf_object__find_program_by_name(r->object, name);
	r->link = p ? bpf_program__attach(p) : NULL;
	return r->link ? 0 : explain(err, p ? -errno : -EIO, "attach the exit recorder's program");
}

/* In the child: nothing but the end. */
static pid_t make_trial(int gate[2])
{
	pid_t pid = pipe2(gate, O_CLOEXEC) < 0 ? -1 : fork();
	char go;

	if (pid != 0)
		return pid;
	close(gate[1]);
	_exit(read(gate[0], &go, 1) == 0 ? TRIAL_STATUS : 1);
}

/* True as well where it cannot be tried: without a process or with a full map. */
static bool is_written(const struct recorder *r)
{
	struct exit_recorder use = { .map = bpf_map__fd(r->map), .entries = 1 };
	auto_done(pidref) struct pidref who = PIDREF_NULL;
	struct recorder_value v = { 0 };
	int gate[2] = { -EBADF, -EBADF }, status;
	pid_t pid = make_trial(gate);
	bool armed;

	armed = pid > 0 && pidref_open(pid, &who) == 0 &&
		(who.start_time || pidref_read_start_time(pid, &who.start_time) == 0);
	use.by_inode = !r->by_start && who.inode;
	armed = armed && exit_recorder_arm(&use, &who, 0, NULL) == 0;
	fd_close_all(gate, 2);
	if (pid > 0)
		(void)waitpid(pid, &status, 0);
	if (!armed)
		return true;
	(void)exit_recorder_read(&use, &who, &v);
	(void)exit_recorder_forget(&use, &who, NULL);
	return v.state == RECORDER_ENDED && v.wait_status == TRIAL_STATUS << 8;
}

static int attach_one(struct recorder *r, const char *pin, struct err *err)
{
	struct err silent = { 0 };

	if (access(KERNEL_TYPES, R_OK) < 0)
		return err_sys(err, "no types of the kernel (BTF): '%s'", KERNEL_TYPES);
	if (!r->at_tracepoint && attach(r, RECORDER_AT_FUNCTION, pin, &silent) == 0 &&
		is_written(r))
		return 0;
	unload(r);
	return attach(r, RECORDER_AT_TRACEPOINT, pin, err);
}

static int pin_both(struct recorder *r, const char *map_pin, struct err *err)
{
	auto_free char *pin = NULL;
	int code;

	if (asprintf(&pin, "%s/" RECORDER_LINK_PIN "%d", r->dir, RECORDER_PROGRAM_VERSION) < 0)
		return err_oom(err);
	if (r->map_is_new)
		unlink(pin); /* of a program whose map somebody has removed */
	code = r->map_is_new ? bpf_map__pin(r->map, map_pin) : 0;
	if (code == 0) {
		code = bpf_link__pin(r->link, pin);
		if (code < 0 && r->map_is_new)
			bpf_map__unpin(r->map, map_pin);
	}
	return code < 0 ? explain(err, code, "pin the exit recorder's program") : 0;
}

static int switch_on(struct recorder *r, uint32_t *ret_done, struct err *err)
{
	auto_free char *pin = NULL;
	uint32_t before;
	int code = recorder_place_make(r->dir, &r->dirfd, err);

	if (code == 0)
		code = look(r, false, err);
	if (code < 0)
		return code;
	before = r->attached;
	if (before >= RECORDER_PROGRAM_VERSION &&
		faccessat(r->dirfd, RECORDER_MAP_PIN, F_OK, 0) == 0) {
		*ret_done = RECORDER_WAS_ON;
		return look(r, true, err);
	}
	if (asprintf(&pin, "%s/" RECORDER_MAP_PIN, r->dir) < 0)
		return err_oom(err);
	code = attach_one(r, pin, err);
	if (code == 0)
		code = pin_both(r, pin, err);
	if (code == 0)
		code = look(r, false, err);
	if (code == 0)
		code = look(r, true, err);
	*ret_done = before ? RECORDER_REPLACED : RECORDER_ATTACHED;
	return code;
}

/* ---- the order ---- */

static int parse(struct recorder *r, char *const *words, size_t n, struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		if (str_starts(words[i], "dir=/"))
			r->dir = words[i] + 4;
		else if (str_eq(words[i], "key=start"))
			r->by_start = 1;
		else if (str_eq(words[i], "at=tracepoint"))
			r->at_tracepoint = true;
		else if (!str_starts(words[i], "entries=") ||
			 str_to_u32(words[i] + 8, &r->entries) < 0 || r->entries == 0)
			return err_set(err, -EINVAL, "unknown word '%s'", words[i]);
	}
	return r->dir ? 0 : err_set(err, -EINVAL, "the recorder needs dir=PATH");
}

int recorder_main(int news, char *const *words, size_t n)
{
	struct recorder r = { .entries = RECORDER_ENTRIES, .dirfd = -EBADF };
	struct recorder_news answer = { 0 };
	struct err err = { 0 };

	libbpf_set_print(on_libbpf);
	answer.code = parse(&r, words, n, &err);
	if (answer.code == 0)
		answer.code = switch_on(&r, &answer.done, &err);
	if (answer.code < 0)
		answer.done = 0;
	snprintf(answer.text, sizeof(answer.text), "%.*s", (int)sizeof(answer.text) - 1, err.text);
	unload(&r);
	fd_close(r.dirfd);
	return fd_send(news, &answer, sizeof(answer), NULL, 0) < 0 || answer.code < 0;
}
