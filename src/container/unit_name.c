/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit names. A dash in a slice's name is a level of the tree: "a-b.slice" lies in "a.slice". In a scope's it is a letter
 * as any other, so an id with dashes needs no escape; only letters that systemd does not know are.
 */
#include "container/unit_name.h"

#include <errno.h>
#include <string.h>

#include "base/str.h"

#define UNIT_NAME_MAX 255
#define SLICE ".slice"

static bool is_letter(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       (c && strchr(":-_.\\@", c));
}

bool unit_name_is_valid(const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < len; i++)
		if (!is_letter(name[i]))
			return false;
	return len > 0 && len <= UNIT_NAME_MAX;
}

int unit_slice_path(const char *slice, struct arena *arena, const char **ret, struct err *err)
{
	size_t len = strlen(slice), stem = len - strlen(SLICE);
	auto_done(buf) struct buf out = { 0 };

	if (str_eq(slice, "-.slice")) {
		*ret = "";
		return 0;
	}
	if (!unit_name_is_valid(slice) || !str_ends(slice, SLICE) || stem == 0 || *slice == '-' ||
		slice[stem - 1] == '-' || strstr(slice, "--"))
		return err_set(
			err, -EINVAL, "linux.cgroupsPath: '%s' is not the name of a slice", slice);
	for (size_t i = 1; i <= stem; i++)
		if (i == stem || slice[i] == '-')
			buf_addf(&out, "/%.*s" SLICE, (int)i, slice);
	*ret = buf_ok(&out) == 0 ? arena_strdup(arena, out.data) : NULL;
	return *ret ? 0 : err_oom(err);
}

static const char *escape(const char *id, struct arena *arena)
{
	auto_done(buf) struct buf out = { 0 };

	for (const char *p = id; *p; p++) {
		if (is_letter(*p) && *p != '\\')
			buf_addc(&out, *p);
		else
			buf_addf(&out, "\\x%02x", (unsigned char)*p);
	}
	return buf_ok(&out) == 0 ? arena_strdup(arena, out.len ? out.data : "") : NULL;
}

/* "SLICE:PREFIX:NAME" in three. */
static int cut(const char *path, struct arena *arena, const char *part[3], struct err *err)
{
	const char *first = strchr(path, ':');
	const char *second = first ? strchr(first + 1, ':') : NULL;

	if (!second || strchr(second + 1, ':') || !second[1])
		return err_set(err, -EINVAL,
			"linux.cgroupsPath: expected cgroupsPath to be of format "
			"\"slice:prefix:name\" for systemd cgroups, got \"%s\" instead",
			path);
	part[0] = arena_strndup(arena, path, (size_t)(first - path));
	part[1] = arena_strndup(arena, first + 1, (size_t)(second - first - 1));
	part[2] = arena_strdup(arena, second + 1);
	return part[0] && part[1] && part[2] ? 0 : err_oom(err);
}

int unit_name_resolve(const char *path, const char *prefix, const char *id, bool unprivileged,
	struct arena *arena, struct unit_name *ret, struct err *err)
{
	const char *part[3] = { "", prefix, NULL }, *ignored;
	struct unit_name n;
	int r = 0;

	if (str_empty(path))
		part[2] = escape(id, arena);
	else
		r = cut(path, arena, part, err);
	if (r < 0)
		return r;
	if (!part[2])
		return err_oom(err);
	n.slice = *part[0] ? part[0] : unprivileged ? "user.slice" : "system.slice";
	n.is_slice = !str_empty(path) && str_ends(part[2], SLICE);
	n.unit = n.is_slice ? part[2] : arena_printf(arena, "%s-%s.scope", part[1], part[2]);
	if (!n.unit)
		return err_oom(err);
	r = unit_slice_path(n.slice, arena, &ignored, err);
	if (r == 0 && n.is_slice)
		r = unit_slice_path(n.unit, arena, &ignored, err);
	if (r < 0)
		return r;
	if (n.is_slice && str_eq(n.unit, "-.slice"))
		return err_set(
			err, -EINVAL, "linux.cgroupsPath: '%s' is the root of all slices", path);
	if (!unit_name_is_valid(n.unit))
		return err_set(
			err, -EINVAL, "linux.cgroupsPath: '%s' is not the name of a unit", n.unit);
	*ret = n;
	return 0;
}
