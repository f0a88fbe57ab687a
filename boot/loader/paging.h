/* The page tables the kernel is entered with (abi/holon/handoff.h says what they map). */
#pragma once

#include <stdint.h>

struct paging_plan {
	uint64_t memory_end;     /* map physical memory up to here, and at least 4 GiB */
	uint64_t kernel_base;    /* physical; equal to kernel_virtual modulo 2 MiB */
	uint64_t kernel_virtual; /* in the top 2 GiB */
	uint64_t kernel_size;    /* bytes */
};

/* Bytes of memory paging_build needs. */
uint64_t paging_size(const struct paging_plan *plan);
/* Builds the tables in paging_size() bytes at `tables` (page aligned) and returns the top table's address. */
uint64_t paging_build(const struct paging_plan *plan, uint64_t tables);
