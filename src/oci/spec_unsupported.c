/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the model reads but this version does not apply. Such a field is refused by name: a
 * container that runs without something that was asked for is worse than one that does not start. A
 * row goes when its feature comes.
 */
#include <errno.h>
#include <string.h>

#include "oci/spec.h"

static bool has_intel_rdt(const struct spec *s)
{
	return s->linux_ && s->linux_->intel_rdt;
}

static const struct {
	const char *field;
	bool (*is_set)(const struct spec *s);
} rows[] = {
	{ "linux.intelRdt", has_intel_rdt },
};

int spec_unsupported(const struct spec *s, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].is_set(s))
			return err_set(
				err, -ENOTSUP, "%s: not supported by this version", rows[i].field);
	return 0;
}
