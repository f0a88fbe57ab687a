/* Memory of an untrusted peer, mapped by a server: the peer can take its pages away at any time (memory_resize,
 * memory_discard of what a pager no longer supplies), and the server that touches them then would fail.
 *
 * A page that is not there is replaced by a scratch page, the same for all, the access goes on, and the region
 * is marked lost. So a server reads nonsense, which it must cope with anyway, and ends that peer when it sees
 * the mark. One thread maps and unmaps; others, which foreign_thread() names, may use what it has mapped.
 */
#pragma once

#include "holon.h"

#define FOREIGN_REGIONS_MAX 256
#define FOREIGN_THREADS_MAX 8

struct foreign {
	uint8_t *at; /* 0: not mapped */
	uint64_t bytes;
	bool lost;
};

/* First: the program's own space and its thread's page. */
void foreign_init(handle_t space, struct thread_page *page);
/* Before another thread is started, whose page is PAGE and whose stack lies from STACK on. False: no room. */
bool foreign_thread(struct thread_page *page, const void *stack, uint64_t bytes);
/* That thread, first of all. False: it must not touch such memory. */
bool foreign_thread_enter(void);
/* The page of the thread that asks. */
struct thread_page *foreign_page(void);
/* Maps BYTES (rounded up to pages) of MEMORY for reading and writing and guards them. REGION stays where it is
 * until foreign_unmap. False: no room. */
bool foreign_map(struct foreign *region, handle_t memory, uint64_t bytes);
void foreign_unmap(struct foreign *region);
