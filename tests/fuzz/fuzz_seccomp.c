/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linux.seccomp of a document: what is compiled never leaves the program, and decides as the profile
 * evaluated rule by rule, for the calls that it names and their neighbours.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "container/seccomp_filter.h"
#include "oci/spec.h"
#include "seccomp_interp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ask(const struct spec_seccomp *s, const struct seccomp_filter *f, uint32_t arch,
	uint32_t nr, const uint64_t args[6])
{
	struct seccomp_data call = { .nr = (int)nr,
		.arch = arch == SCMP_ARCH_X32 ? AUDIT_ARCH_X86_64 : arch };

	memcpy(call.args, args, sizeof(call.args));
	if (interp_run(f->program, f->size / sizeof(struct sock_filter), &call) !=
		(int64_t)ref_evaluate(s, arch, nr, args))
		abort();
}

/* Arguments around the values that the profile compares with. */
static void ask_about(const struct spec_seccomp *s, const struct seccomp_filter *f, uint32_t nr,
	const struct spec_seccomp_syscall *call)
{
	uint32_t arch = seccomp_arch_native();
	uint64_t args[6] = { 0 };

	ask(s, f, arch, nr, args);
	ask(s, f, arch, nr + 1, args);
	for (size_t i = 0; i < call->n_args && i < 8; i++)
		for (int off = -1; off <= 1; off++) {
			args[call->args[i].index] = call->args[i].value + (uint64_t)(int64_t)off;
			ask(s, f, arch, nr, args);
			args[call->args[i].index] ^= 1ull << 32;
			ask(s, f, arch, nr, args);
			args[call->args[i].index] = call->args[i].value_two;
			ask(s, f, arch, nr, args);
		}
}

static void compare(const struct spec_seccomp *s)
{
	struct seccomp_filter f;
	struct err err = { 0 };
	size_t asked = 0;

	if (seccomp_compile(s, NULL, &f, &err) < 0) {
		if (err.code >= 0 || !err.text[0])
			abort();
		return;
	}
	for (size_t i = 0; i < s->n_syscalls && f.size > 0; i++)
		for (size_t k = 0; k < s->syscalls[i].n_names && asked < 64; k++, asked++) {
			int64_t nr = ref_number(seccomp_arch_native(), s->syscalls[i].names[k]);

			if (nr >= 0)
				ask_about(s, &f, (uint32_t)nr, &s->syscalls[i]);
		}
	seccomp_filter_done(&f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf text = { 0 };
	struct spec *spec = NULL;
	struct err err = { 0 };

	buf_adds(&text, "{\"ociVersion\":\"1.2.0\",\"linux\":{\"seccomp\":");
	buf_add(&text, data, size);
	buf_adds(&text, "}}");
	if (buf_ok(&text) == 0 && spec_parse(text.data, text.len, &spec, &err) == 0 &&
		spec->linux_ && spec->linux_->seccomp)
		compare(spec->linux_->seccomp);
	spec_free(spec);
	buf_done(&text);
	return 0;
}
