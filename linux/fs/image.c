/* The system image as the personality sees it: mapped once, read in place, verified file by file by the file
 * service. */
#include <holon.h>
#include <sysimg/sysimg.h>
#include "../internal.h"
#include "ramfs_data.h"
#include "vfs.interface.h"

#define VERIFY_ATTEMPTS 5

static struct sysimg image;
static struct memory_object *object;
static handle_t vfs;

bool image_init(const struct start_info *info)
{
	uint64_t bytes;
	handle_t memory = start_find(info, "image", &bytes);
	vfs = start_find(info, "vfs", 0);
	object = memory ? memory_object_adopt(memory, bytes) : 0;
	void *window = object ? memory_object_map(object, 0, bytes, false) : 0;
	/* The file service has verified the metadata's digest. */
	return window && !sysimg_open(&image, window, bytes, false);
}

const struct sysimg *image_get(void)
{
	return &image;
}

int64_t image_root(void)
{
	const char *name = start_word(linux_start_info(), "image=");
	char path[48] = "linux";
	if (name)
		text_format(path, sizeof(path), "images/%s", name);
	return sysimg_path(&image, path);
}

struct memory_object *image_object(void)
{
	return object;
}

int image_verify(uint32_t node)
{
	int64_t result = E_PEER;
	for (unsigned i = 0; i < VERIFY_ATTEMPTS && result == E_PEER;
	     i++) /* the service may be restarted meanwhile */
		result = vfs_verify(vfs, current_page(), node, DEADLINE_NEVER);
	if (result < 0)
		linux_log("linux: file %u of the system image: %s\n", node, error_text(result));
	return result < 0 ? -EIO : 0;
}
