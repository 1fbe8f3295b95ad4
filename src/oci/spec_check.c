/* SPDX-License-Identifier: Apache-2.0 */
/* Checks that the parts of spec_validate() share: names, paths, ids. */
#include "oci/spec_check.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int spec_check_fail(struct err *err, int code, const char *fmt, ...)
{
	char text[sizeof(err->text)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	for (char *p = text; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
	return err_set(err, code, "%s", text);
}

int spec_check_absolute(const char *field, const char *path, struct err *err)
{
	if (path && path[0] == '/')
		return 0;
	return spec_check_fail(
		err, -EINVAL, "%s: '%s' is not an absolute path", field, path ? path : "");
}

int spec_check_id(const char *field, uint32_t id, struct err *err)
{
	if (id != UINT32_MAX)
		return 0;
	return spec_check_fail(err, -EINVAL, "%s: 4294967295 is no id", field);
}

/* The kernel keeps 12 bits of a major and 20 of a minor number. */
int spec_check_device_number(const char *field, int64_t major, int64_t minor, struct err *err)
{
	if (major >= 0 && major < 1 << 12 && minor >= 0 && minor < 1 << 20)
		return 0;
	return spec_check_fail(err, -EINVAL, "%s: %lld:%lld is no device number", field,
		(long long)major, (long long)minor);
}

bool spec_check_plain_name(const char *name)
{
	if (!*name || strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return false;
	for (const char *p = name; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return false;
	return strlen(name) <= 255;
}

bool spec_check_interface_name(const char *name)
{
	return spec_check_plain_name(name) && strlen(name) <= 15 && !strpbrk(name, " :");
}
