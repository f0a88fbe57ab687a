/* The file service: owns the system image and vouches for its files.
 *
 * The image's metadata is verified once at start; a file's blocks the first time someone asks, after which a
 * bit says so. Everyone maps the file pages in place, out of the one image; no file data passes through this
 * service.
 */
#include <holon.h>
#include <sysimg/sysimg.h>
#include "vfs.interface.h"

struct vfs {
	handle_t memory;
	uint64_t bytes;
	struct sysimg image;
	uint8_t *verified; /* a bit a node */
};

static int64_t serve_image(void *context, uint64_t badge, handle_t *memory, uint64_t *bytes)
{
	const struct vfs *vfs = context;
	(void)badge;
	*memory = vfs->memory;
	*bytes = vfs->bytes;
	return E_OK;
}

static int64_t serve_verify(void *context, uint64_t badge, uint32_t node)
{
	struct vfs *vfs = context;
	(void)badge;
	if (node >= vfs->image.header->node_count)
		return E_ARGUMENT;
	if (vfs->verified[node / 8] >> node % 8 & 1)
		return E_OK;
	if (!sysimg_verify(&vfs->image, node))
		return E_FAULT;
	vfs->verified[node / 8] |= (uint8_t)(1 << node % 8);
	return E_OK;
}

int program_main(const struct start_info *info, struct thread_page *page)
{
	static const struct vfs_operations operations = {.image = serve_image, .verify = serve_verify};
	static struct vfs vfs;
	handle_t log = start_find(info, "log", 0);
	handle_t channel = start_find(info, "vfs", 0);
	vfs.memory = start_find(info, "image", &vfs.bytes);
	const void *bytes = window_map(vfs.memory, 0, vfs.bytes, MAP_READ);
	const char *wrong =
	    bytes ? sysimg_open(&vfs.image, bytes, vfs.bytes, true) : "cannot map the system image";
	if (wrong) {
		log_print(log, page, "%s\n", wrong);
		return 1;
	}
	vfs.verified = window_allocate(vfs.image.header->node_count / 8 + 1, 0);
	if (!vfs.verified)
		return 1;
	struct message message = {0};
	int64_t result = channel_receive(channel, &message, DEADLINE_NEVER);
	while (result >= 0) {
		vfs_serve(&operations, &vfs, &message, page);
		result = channel_reply_receive(channel, &message, DEADLINE_NEVER);
	}
	log_print(log, page, "%s\n", error_text(result));
	return 1;
}
