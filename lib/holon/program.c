/* Start-up of native programs and their start page. */
#include "holon.h"

void holon_start(const struct start_info *info, struct thread_page *page);

/* Entered from start.S. A program that is given no valid start page cannot even say so: it ends. */
void holon_start(const struct start_info *info, struct thread_page *page)
{
	if (!info || info->magic != START_MAGIC || info->version != START_VERSION)
		unit_exit(E_ARGUMENT);
	window_init(info->space, info->free_base);
	unit_exit(program_main(info, page));
}
