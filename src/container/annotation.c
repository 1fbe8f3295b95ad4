/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What surprises: values are taken as crun takes them, one by one. Groups are kept by "1" alone, unknown calls are refused by
 * everything but "0".
 */
#include "container/annotation.h"

#include <errno.h>

#include "base/mem.h"
#include "base/str.h"

/* Its program, or the machine that it runs in, is another's; the second is instead of linux.seccomp. */
#define HANDLER "run.oci.handler"
#define FILTER_BYTES "run.oci.seccomp_bpf_data"

static const char *find_mount_context(const char *word)
{
	static const char *const words[] = { "context", "fscontext", "defcontext", "rootcontext" };

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (str_eq(words[i], word))
			return words[i];
	return NULL;
}

int annotation_check(const struct spec *s, struct err *err)
{
	const char *handler = spec_annotation(s, HANDLER);
	const char *context = spec_annotation(s, ANNOTATION_MOUNT_CONTEXT);

	if (!str_empty(handler))
		return err_set(err, -ENOTSUP,
			"annotation '" HANDLER "': there is no handler '%.120s' here, only Linux "
			"containers",
			handler);
	if (spec_annotation(s, FILTER_BYTES))
		return err_set(err, -ENOTSUP,
			"annotation '" FILTER_BYTES
			"': a filter cannot be given as bytes, only as linux.seccomp");
	if (context && !find_mount_context(context))
		return err_set(err, -EINVAL,
			"annotation '" ANNOTATION_MOUNT_CONTEXT
			"': '%.120s' is none of context, fscontext, defcontext, rootcontext",
			context);
	return 0;
}

bool annotation_keeps_groups(const struct spec *s)
{
	return str_eq(spec_annotation(s, ANNOTATION_KEEP_GROUPS), "1");
}

const char *annotation_delegate(const struct spec *s)
{
	const char *value = spec_annotation(s, ANNOTATION_DELEGATE);

	return str_empty(value) ? NULL : value;
}

const char *annotation_mount_context(const struct spec *s)
{
	const char *found = find_mount_context(spec_annotation(s, ANNOTATION_MOUNT_CONTEXT));

	return found ? found : "context";
}

const char *annotation_pidfd_receiver(const struct spec *s)
{
	const char *value = spec_annotation(s, ANNOTATION_PIDFD_RECEIVER);

	return str_empty(value) ? NULL : value;
}

bool annotation_refuses_unknown_calls(const struct spec *s)
{
	const char *value = spec_annotation(s, ANNOTATION_UNKNOWN_CALL);

	return value && !str_eq(value, "0");
}
