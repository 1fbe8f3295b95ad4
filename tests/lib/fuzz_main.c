/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a fuzzer's entry over files, for builds without libFuzzer: each file of each directory
 * given, and the empty input, in the order of the directory. Prints TAP with one line per
 * directory. What it looks for is a crash, a hang (the test's time limit) or what the sanitizers of
 * the build report.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int run_file(int dirfd, const char *name)
{
	struct stat st;
	uint8_t *data;
	ssize_t n;
	int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st) < 0) {
		perror(name);
		return -1;
	}
	if (!S_ISREG(st.st_mode)) {
		close(fd);
		return 0;
	}
	/* Exactly as long as the input, so that a sanitizer sees a read beyond it. */
	data = malloc(st.st_size > 0 ? (size_t)st.st_size : 1);
	n = data ? read(fd, data, (size_t)st.st_size) : -1;
	close(fd);
	if (n != st.st_size) {
		perror(name);
		free(data);
		return -1;
	}
	fprintf(stderr, "%s\n", name);
	LLVMFuzzerTestOneInput(data, (size_t)n);
	free(data);
	return 1;
}

static int run_dir(const char *path)
{
	struct dirent *e;
	DIR *d = opendir(path);
	int files = 0, n;

	if (!d) {
		perror(path);
		return -1;
	}
	while ((e = readdir(d))) {
		n = run_file(dirfd(d), e->d_name);
		if (n < 0) {
			closedir(d);
			return -1;
		}
		files += n;
	}
	closedir(d);
	return files;
}

int main(int argc, char **argv)
{
	int bad = 0, i, n;

	printf("1..%d\n", argc - 1);
	LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
	for (i = 1; i < argc; i++) {
		n = run_dir(argv[i]);
		printf("%s %d - %d inputs\n", n > 0 ? "ok" : "not ok", i, n);
		bad |= n <= 0;
	}
	return bad;
}
