/* SPDX-License-Identifier: Apache-2.0 */
/* A config.json: what is read is written and read again as the same; checks only read. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "oci/spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct spec *one = NULL, *two = NULL;
	struct buf first = { 0 }, second = { 0 };
	struct err err = { 0 };

	if (spec_parse((const char *)data, size, &one, &err) < 0) {
		if (err.code >= 0 || !err.text[0])
			abort();
		return 0;
	}
	spec_validate(one, &err);
	if (spec_write(one, &first) < 0 || spec_parse(first.data, first.len, &two, &err) < 0 ||
		spec_write(two, &second) < 0 || strcmp(first.data, second.data) != 0)
		abort();
	if (spec_validate(one, NULL) != spec_validate(two, NULL))
		abort();
	spec_free(one);
	spec_free(two);
	buf_done(&first);
	buf_done(&second);
	return 0;
}
