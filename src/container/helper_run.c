/* SPDX-License-Identifier: Apache-2.0 */
/* The helper stands beside our own program, or where it was installed. */
#include "container/helper_run.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "config.h"
#include "container/spawn.h"

static void add_word(struct helper_words *w, char *word)
{
	if (!word || mem_grow(&w->word, &w->cap, w->n + 2, sizeof(*w->word)) < 0) {
		w->failed = true;
		return;
	}
	w->word[w->n++] = word;
	w->word[w->n] = NULL;
}

void helper_words_add(struct helper_words *w, const char *name, const char *fmt, ...)
{
	char *value = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&value, fmt, ap);
	va_end(ap);
	add_word(w, n < 0 ? NULL : arena_printf(&w->arena, "%s=%s", name, value));
	if (n >= 0)
		free(value);
}

void helper_words_flag(struct helper_words *w, const char *name, bool on)
{
	if (on)
		add_word(w, arena_strdup(&w->arena, name));
}

void helper_words_fd(struct helper_words *w, const char *name, int fd)
{
	if (mem_grow(&w->fd, &w->fds_cap, w->n_fds + 1, sizeof(*w->fd)) < 0) {
		w->failed = true;
		fd_close(fd);
		return;
	}
	w->fd[w->n_fds++] = fd;
	helper_words_add(w, name, "%d", fd);
}

void helper_words_done(struct helper_words *w)
{
	for (size_t i = 0; i < w->n_fds; i++)
		fd_close(w->fd[i]);
	free(w->fd);
	free(w->word);
	arena_done(&w->arena);
	*w = (struct helper_words){ 0 };
}

static int find_helper(const char *need, char path[PATH_MAX], struct err *err)
{
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - sizeof("/reeve-helper"));
	char *slash;

	if (n > 0) {
		path[n] = '\0';
		slash = strrchr(path, '/');
		memcpy(slash, "/reeve-helper", sizeof("/reeve-helper"));
		if (access(path, X_OK) == 0)
			return 0;
	}
	snprintf(path, PATH_MAX, "%s/reeve-helper", REEVE_LIBEXECDIR);
	return access(path, X_OK) == 0 ? 0 : err_sys(err, "%s '%s'", need, path);
}

int helper_spawn(const char *need, const char *task, const struct helper_words *words, int sock,
	bool with_parent, pid_t *ret_pid, int *ret_pidfd, int *ret_said, struct err *err)
{
	auto_free char **argv = mem_calloc(words->n + 3, sizeof(char *));
	auto_close int null = fd_open("/dev/null", O_RDWR, 0);
	auto_close int said = memfd_create("said", MFD_CLOEXEC);
	char name[] = "reeve-helper", path[PATH_MAX];
	int r = find_helper(need, path, err);

	if (r < 0)
		return r;
	if (!argv || null < 0 || words->failed)
		return err_oom(err);
	argv[0] = name;
	argv[1] = (char *)task;
	if (words->n)
		memcpy(argv + 2, words->word, words->n * sizeof(*argv));
	r = spawn_process(&(struct spawn){ .program = -EBADF,
				  .path = path,
				  .argv = argv,
				  .envp = environ,
				  .stdio = { sock, null, said >= 0 ? said : null },
				  .keep = words->fd,
				  .n_keep = words->n_fds,
				  .with_parent = with_parent },
		ret_pid, ret_pidfd, err);
	if (r == 0)
		*ret_said = take_fd(&said);
	return r;
}

int helper_silent(int said, struct err *err)
{
	char text[256];
	ssize_t n = said >= 0 ? pread(said, text, sizeof(text) - 1, 0) : 0;

	text[n > 0 ? n : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return *text ? err_set(err, -EPIPE, "reeve-helper has ended: %s", text)
		     : err_set(err, -EPIPE, "reeve-helper has ended without a word");
}
