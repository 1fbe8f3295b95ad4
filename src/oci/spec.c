/* SPDX-License-Identifier: Apache-2.0 */
/* Spec: the end of documents, and look-ups that every reader of them needs. */
#include "oci/spec.h"

#include <stdlib.h>
#include <string.h>

void spec_free(struct spec *s)
{
	if (!s)
		return;
	arena_done(&s->arena);
	free(s);
}

void spec_process_doc_free(struct spec_process_doc *d)
{
	if (!d)
		return;
	arena_done(&d->arena);
	free(d);
}

void spec_resources_doc_free(struct spec_resources_doc *d)
{
	if (!d)
		return;
	arena_done(&d->arena);
	free(d);
}

const struct spec_namespace *spec_namespace_find(const struct spec *s, enum spec_ns_type type)
{
	for (size_t i = 0; s->linux_ && i < s->linux_->n_namespaces; i++)
		if (s->linux_->namespaces[i].type == type)
			return &s->linux_->namespaces[i];
	return NULL;
}

bool spec_namespace_is_new(const struct spec *s, enum spec_ns_type type)
{
	const struct spec_namespace *ns = spec_namespace_find(s, type);

	return ns && str_empty(ns->path);
}

bool spec_memory_policy_is_none(const struct spec_memory_policy *p)
{
	return !p->has_mode && !p->flags && str_empty(p->nodes);
}

const char *spec_kv_get(const struct spec_kv *kv, size_t n, const char *key)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(kv[i].key, key) == 0)
			return kv[i].value;
	return NULL;
}

const char *spec_annotation(const struct spec *s, const char *key)
{
	return spec_kv_get(s->annotations, s->n_annotations, key);
}
