/* The page tables the kernel is entered with, and those it runs on (abi/holon/handoff.h says what each map). */
#pragma once

#include <stdint.h>

struct handoff;
struct relocation;

struct paging_plan {
	uint64_t memory_end;     /* map physical memory up to here, and at least 4 GiB */
	uint64_t kernel_base;    /* physical; equal to kernel_virtual modulo 2 MiB */
	uint64_t kernel_virtual; /* in the top 2 GiB */
	uint64_t kernel_size;    /* bytes */
	uint64_t direct_map;     /* whole GiB from HANDOFF_DIRECT_MAP */
};

/* Bytes of memory paging_build needs. */
uint64_t paging_size(const struct paging_plan *plan);
/* Builds the tables in paging_size() bytes at `tables` (page aligned) and returns the top table's address. */
uint64_t paging_build(const struct paging_plan *plan, uint64_t tables);

/* Bytes of memory that paging_kernel_build takes at most, on a machine whose RAM ends there. */
uint64_t paging_kernel_size(uint64_t memory_end);
/* Builds the kernel's own tables and stacks in SIZE bytes at BASE by HANDOFF, which is complete otherwise, by the kernel's ELF file
 * and how that was relocated; sets handoff->root. Returns how far the memory was used. */
uint64_t paging_kernel_build(struct handoff *handoff, const void *image, const struct relocation *relocation,
                             uint64_t base, uint64_t size);
