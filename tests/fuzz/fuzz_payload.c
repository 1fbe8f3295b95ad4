/* SPDX-License-Identifier: Apache-2.0 */
/* A request as bytes: what is taken is written the same again. */
#include <stdlib.h>
#include <string.h>

#include "supervisor/payload.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct payload a, b;
	struct err err = { 0 };
	uint8_t *again;
	size_t n;

	if (payload_from_bytes(data, size, &a, &err) < 0) {
		if (!err.text[0])
			abort();
		return 0;
	}
	if (payload_from_request(&a.request, &b, NULL) < 0)
		abort();
	n = payload_encode(&b.request, NULL, 0);
	again = malloc(n);
	if (!again || n != b.size || payload_encode(&b.request, again, n) != n ||
		memcmp(again, b.data, n) != 0)
		abort();
	free(again);
	payload_done(&a);
	payload_done(&b);
	return 0;
}
