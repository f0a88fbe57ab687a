/* Memory of an untrusted peer, mapped by a server: the peer can take its pages away at any time (memory_resize,
 * memory_discard of what a pager no longer supplies), and the server that touches them then would fail.
 *
 * A page that is not there is replaced by a scratch page, the same for all, the access goes on, and the region
 * is marked lost. So a server reads nonsense, which it must cope with anyway, and ends that peer when it sees
 * the mark. For programs with one thread.
 */
#pragma once

#include "holon.h"

#define FOREIGN_REGIONS_MAX 256

struct foreign {
	uint8_t *at; /* 0: not mapped */
	uint64_t bytes;
	bool lost;
};

/* First: the program's own space and its thread's page. */
void foreign_init(handle_t space, struct thread_page *page);
/* Maps BYTES (rounded up to pages) of MEMORY for reading and writing and guards them. REGION stays where it is
 * until foreign_unmap. False: no room. */
bool foreign_map(struct foreign *region, handle_t memory, uint64_t bytes);
void foreign_unmap(struct foreign *region);
