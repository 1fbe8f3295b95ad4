/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mount tables as a checkpoint reads them: the container's, a line "--", the host's. What is found is written as a file
 * of the images, and read again as the same.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "container/criu_mounts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char config[] = "{\"ociVersion\":\"1.0.0\",\"root\":{\"path\":\"r\"},\"mounts\":["
			     "{\"destination\":\"/data\",\"type\":\"bind\",\"source\":\"/srv/"
			     "data\",\"options\":[\"rbind\"]},"
			     "{\"destination\":\"/tmp\",\"type\":\"tmpfs\",\"source\":\"t\"}]}";

static bool same(void *arg, const char *path, const char *source)
{
	return strlen(path) % 3 == strlen(source) % 3;
}

/* Names of the images are text: one that is not UTF-8 is written as if it were Latin-1. */
static bool is_text(const struct criu_mounts *m)
{
	for (size_t i = 0; i < m->n; i++)
		for (const char *p = m->v[i].path; *p; p++)
			if (*p & 0x80)
				return false;
	return true;
}

static void again(const struct criu_mounts *one)
{
	struct arena arena = { 0 };
	struct buf first = { 0 }, second = { 0 };
	struct criu_mounts two = { 0 };

	if (!is_text(one))
		return;
	if (criu_mounts_write(one, &first) < 0 ||
		criu_mounts_read(first.data, first.len, &arena, &two, NULL) < 0 ||
		criu_mounts_write(&two, &second) < 0 || strcmp(first.data, second.data) != 0)
		abort();
	buf_done(&first);
	buf_done(&second);
	arena_done(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = calloc(1, size + 1), *host;
	struct arena arena = { 0 };
	struct criu_mounts found = { 0 };
	struct spec *spec = NULL;
	struct err err = { 0 };

	if (!text || spec_parse(config, sizeof(config) - 1, &spec, &err) < 0)
		abort();
	memcpy(text, data, size);
	host = strstr(text, "--\n");
	if (host) {
		*host = '\0';
		host += 3;
	}
	if (criu_mounts_find(
		    text, host ? host : "", spec, size & 1, same, NULL, &arena, &found, &err) == 0)
		again(&found);
	else if (err.code >= 0 || !err.text[0])
		abort();
	if (criu_mounts_read((const char *)data, size, &arena, &found, &err) == 0)
		again(&found);
	spec_free(spec);
	arena_done(&arena);
	free(text);
	return 0;
}
