/* Start-up of native programs and their start page. */
#include "holon.h"
#include "text.h"

void holon_start(const struct start_info *info, struct thread_page *page);

/* Entered from start.S. A program that is given no valid start page cannot even say so: it ends. */
void holon_start(const struct start_info *info, struct thread_page *page)
{
	if (!info || info->magic != START_MAGIC || info->version != START_VERSION)
		unit_exit(E_ARGUMENT);
	window_init(info->space, info->free_base);
	unit_exit(program_main(info, page));
}

handle_t start_find(const struct start_info *info, const char *name, uint64_t *value)
{
	for (unsigned i = 0; i < START_CAPS_MAX && info->caps[i].name[0]; i++) {
		if (strncmp(info->caps[i].name, name, sizeof(info->caps[i].name)) == 0) {
			if (value)
				*value = info->caps[i].value;
			return info->caps[i].handle;
		}
	}
	return 0;
}
