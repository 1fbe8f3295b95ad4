/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Image: giving back the pages of relocated constants for the time of a wait.
 *
 * What is dropped is only what the linker made read-only (RELRO), page by page, and only when the page of the file with
 * its relative relocations applied is the page in memory, byte by byte. So everything that anybody else has written there is
 * kept: addresses that a resolver chose, variables of the C library, what a loader bound.
 *
 * What surprises: between dropping and restoring nothing may be used that such a page could hold, not even a function of
 * the C library, which may be called through one. image_wait() makes system calls by itself and calls nothing.
 */
#include "base/image.h"

#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "bare/sys.h"
#include "base/fd.h"
#include "base/mem.h"

#if defined(__x86_64__)
#define RELATIVE R_X86_64_RELATIVE
#else
#define RELATIVE R_AARCH64_RELATIVE
#endif

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* 5.14 */
#endif

/* What is between the objects of a page is read as well. */
#define WHOLE_PAGES __attribute__((no_sanitize("address")))

/* What the headers of the running program say. */
struct headers {
	const ElfW(Phdr) * phdr;
	size_t n_phdr;
	uintptr_t base;
	const ElfW(Rela) * rela;
	size_t n_relative;
	uintptr_t relro, relro_end; /* before the base is added */
};

static const ElfW(Phdr) * find_header(const struct headers *h, uint32_t type)
{
	for (size_t i = 0; i < h->n_phdr; i++)
		if (h->phdr[i].p_type == type)
			return &h->phdr[i];
	return NULL;
}

/* A loader adds the base to the addresses of this table, or does not. */
static bool read_dynamic(struct headers *h)
{
	for (const ElfW(Dyn) *d = _DYNAMIC; d->d_tag != DT_NULL; d++) {
		if (d->d_tag == DT_RELA)
			h->rela = (const ElfW(Rela) *)(d->d_un.d_ptr < h->base
							       ? d->d_un.d_ptr + h->base
							       : d->d_un.d_ptr);
		if (d->d_tag == DT_RELACOUNT)
			h->n_relative = d->d_un.d_val;
		if (d->d_tag == DT_RELAENT && d->d_un.d_val != sizeof(*h->rela))
			return false;
	}
	return h->rela && h->n_relative > 0;
}

/* The relative ones come first, in the order of their addresses. */
static bool are_in_order(const struct headers *h)
{
	for (size_t i = 0; i < h->n_relative; i++) {
		const ElfW(Rela) *r = &h->rela[i];

		if (ELF64_R_TYPE(r->r_info) != RELATIVE || r->r_offset % sizeof(uintptr_t) != 0 ||
			(i > 0 && r[-1].r_offset >= r->r_offset))
			return false;
	}
	return true;
}

static bool read_headers(struct headers *h)
{
	extern const char __ehdr_start[] __attribute__((visibility("hidden")));
	const ElfW(Phdr) * load, *relro;

	h->phdr = (const ElfW(Phdr) *)getauxval(AT_PHDR);
	h->n_phdr = h->phdr ? getauxval(AT_PHNUM) : 0;
	load = find_header(h, PT_LOAD);
	relro = find_header(h, PT_GNU_RELRO);
	if (!load || !relro)
		return false;
	h->base = (uintptr_t)__ehdr_start - load->p_vaddr;
	h->relro = relro->p_vaddr;
	h->relro_end = relro->p_vaddr + relro->p_memsz;
	return read_dynamic(h) && are_in_order(h);
}

/* Where the file has the page of this address; < 0: it has not. */
static off_t offset_in_file(const struct headers *h, uintptr_t page, size_t size)
{
	for (size_t i = 0; i < h->n_phdr; i++) {
		const ElfW(Phdr) *p = &h->phdr[i];
		uintptr_t begin = p->p_vaddr & ~(size - 1);

		if (p->p_type == PT_LOAD && page >= begin &&
			page + size <= p->p_vaddr + p->p_filesz)
			return (off_t)(p->p_offset - (p->p_vaddr - begin) + (page - begin));
	}
	return -1;
}

WHOLE_PAGES static bool are_equal(const uintptr_t *a, const uintptr_t *b, size_t size)
{
	for (size_t i = 0; i < size / sizeof(*a); i++)
		if (a[i] != b[i])
			return false;
	return true;
}

/* True when the file and these relocations make the page what it is. */
static bool can_be_remade(
	const struct headers *h, const struct image_run *run, int file, char *copy)
{
	uintptr_t page = run->at - h->base;
	off_t at = offset_in_file(h, page, run->size);

	if (at < 0 || pread(file, copy, run->size, at) != (ssize_t)run->size)
		return false;
	for (size_t i = 0; i < run->n; i++) {
		uintptr_t value = h->base + (uintptr_t)run->rela[i].r_addend;

		memcpy(copy + (run->rela[i].r_offset - page), &value, sizeof(value));
	}
	return are_equal((const uintptr_t *)(void *)copy, (const uintptr_t *)run->at, run->size);
}

static void add_run(struct image *im, const struct image_run *run)
{
	struct image_run *last = im->n_runs > 0 ? &im->runs[im->n_runs - 1] : NULL;

	if (last && last->at + last->size == run->at) {
		last->size += run->size;
		last->n += run->n;
	} else if (im->n_runs < IMAGE_RUNS) {
		im->runs[im->n_runs++] = *run;
	}
}

static void look_at_pages(
	struct image *im, const struct headers *h, int file, char *copy, size_t size)
{
	const ElfW(Rela) *r = h->rela, *end = h->rela + h->n_relative;

	for (uintptr_t page = h->relro & ~(size - 1); page + size <= h->relro_end; page += size) {
		struct image_run run = { .at = h->base + page, .size = size };

		while (r < end && r->r_offset < page)
			r++;
		for (run.rela = r; r < end && r->r_offset < page + size; r++)
			run.n++;
		if (run.n > 0 && can_be_remade(h, &run, file, copy))
			add_run(im, &run);
	}
}

void image_look(struct image *ret)
{
	size_t size = (size_t)sysconf(_SC_PAGESIZE);
	auto_close int file = fd_open("/proc/self/exe", O_RDONLY, 0);
	auto_free char *copy = malloc(size);
	struct headers h = { 0 };

	*ret = (struct image){ 0 };
	if (file < 0 || !copy || !read_headers(&h))
		return;
	ret->base = h.base;
	look_at_pages(ret, &h, file, copy, size);
}

WHOLE_PAGES void image_wait(const struct image *im, int fd, int timeout_ms)
{
	const struct timespec limit = {
		.tv_sec = timeout_ms / 1000,
		.tv_nsec = (long)(timeout_ms % 1000) * 1000000,
	};
	struct pollfd q = { .fd = fd, .events = POLLIN };
	size_t n = 0;

	/* Here still with the way back: a page that cannot be written to later would end us. */
	while (n < im->n_runs && sys_call3(__NR_mprotect, im->runs[n].at, im->runs[n].size,
					 PROT_READ | PROT_WRITE) == 0)
		n++;
	for (size_t i = 0; i < n; i++)
		sys_call3(__NR_madvise, im->runs[i].at, im->runs[i].size, MADV_DONTNEED);
	sys_call5(__NR_ppoll, &q, 1, timeout_ms < 0 ? NULL : &limit, NULL, 0);
	for (size_t i = 0; i < n; i++) {
		const struct image_run *run = &im->runs[i];

		sys_call3(__NR_madvise, run->at, run->size,
			MADV_POPULATE_WRITE); /* faults, at once */
		for (size_t k = 0; k < run->n; k++)
			*(uintptr_t *)(im->base + run->rela[k].r_offset) =
				im->base + (uintptr_t)run->rela[k].r_addend;
		sys_call3(__NR_mprotect, run->at, run->size, PROT_READ);
	}
}
