/* RAM of the simulated machine. By itself, because the C library's names for mappings are the kernel's, too.
 */
#include <stdlib.h>
#include <sys/mman.h>
#include "ram.h"

void *ram_create(size_t bytes)
{
	void *ram =
	    mmap(0, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (ram == MAP_FAILED)
		abort();
	return ram;
}
