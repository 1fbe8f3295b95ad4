/* SPDX-License-Identifier: Apache-2.0 */
/* A process.json: what is read is written and read again as the same; checks only read. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "oci/spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct spec_process_doc *one = NULL, *two = NULL;
	struct buf first = { 0 }, second = { 0 };
	struct err err = { 0 };

	if (spec_parse_process((const char *)data, size, &one, &err) < 0) {
		if (err.code >= 0 || !err.text[0])
			abort();
		return 0;
	}
	spec_validate_process(&one->process, &err);
	if (spec_write_process(&one->process, &first) < 0 ||
		spec_parse_process(first.data, first.len, &two, &err) < 0 ||
		spec_write_process(&two->process, &second) < 0 ||
		strcmp(first.data, second.data) != 0)
		abort();
	if (spec_validate_process(&one->process, NULL) !=
		spec_validate_process(&two->process, NULL))
		abort();
	spec_process_doc_free(one);
	spec_process_doc_free(two);
	buf_done(&first);
	buf_done(&second);
	return 0;
}
