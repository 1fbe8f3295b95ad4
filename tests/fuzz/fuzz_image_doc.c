/* SPDX-License-Identifier: Apache-2.0 */
/* Documents of images: the first byte says which kind the rest is read as. What is read names digests alone. */
#include <stdlib.h>
#include <string.h>

#include "manager/identifier.h"
#include "services/image_doc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_doc(struct arena *a, enum image_doc_kind kind, const char *text, size_t size)
{
	struct image_doc doc;
	struct err err = { 0 };

	if (image_doc_read(a, kind, text, size, &doc, &err) < 0) {
		if (!err.text[0])
			abort();
		return;
	}
	if (kind == IMAGE_DOC_MANIFEST && doc.n == 0)
		abort();
	for (size_t i = 0; i < doc.n; i++)
		if (identifier_check_digest(doc.children[i].desc.digest, NULL) < 0 ||
			doc.children[i].desc.size < 0)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_done(arena) struct arena a = { 0 };
	const char *text = (const char *)data + 1;
	struct image_config config;
	struct err err = { 0 };

	if (size == 0)
		return 0;
	if (data[0] % 3 < 2) {
		check_doc(&a, data[0] % 3 ? IMAGE_DOC_MANIFEST : IMAGE_DOC_INDEX, text, size - 1);
		return 0;
	}
	if (image_config_read(&a, text, size - 1, &config, &err) < 0)
		return 0;
	for (size_t i = 0; i < config.n; i++)
		if (identifier_check_digest(config.diff_ids[i], NULL) < 0)
			abort();
	return 0;
}
