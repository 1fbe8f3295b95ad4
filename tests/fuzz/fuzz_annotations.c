/* SPDX-License-Identifier: Apache-2.0 */
/* config.json of a bundle as `start` looks at it: the annotations that say which containers share a shim. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "supervisor/group.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_free char *text = malloc(size + 1);
	auto_free char *group = NULL;
	struct err err = { 0 };

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	if (group_parse(text, size, "self", &group, &err) < 0) {
		if (!err.text[0] || group)
			abort();
	} else if (!group || !*group) {
		abort();
	}
	return 0;
}
