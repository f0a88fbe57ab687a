/* Asking the file service for verified files of the system image. */
#pragma once

#include <holon.h>
#include "vfs.interface.h"

/* NODE's pages are the signed ones from here on, or an error. A death of the service, which is started again, is no answer;
 * so many in a row are. */
static inline int64_t vfs_verify_node(handle_t vfs, struct thread_page *page, uint32_t node)
{
	int64_t result = E_PEER;
	for (unsigned i = 0; i < 8 && result == E_PEER; i++)
		result = vfs_verify(vfs, page, node, DEADLINE_NEVER);
	return result;
}
