/* The service of one disk with a file system of other systems: mounting, and when it is synced by itself. Its sessions
 * are lib/file_service's.
 *
 * One thread, one disk, one file system: what fails here is an I/O error of those that mounted it, and of nobody else.
 * Nothing that a caller sends is trusted, nor what the disk holds (lib/ext4, lib/fat).
 */
#include <holon.h>
#include <string.h>
#include "block/block_device.h"
#include "file_service/file_service.h"
#include "files.interface.h"
#include "native_newlib.h"

#define SYNC_NS     5000000000ull /* what changed is durable after so long, whoever asks */
#define CACHE_BYTES (4u << 20)

static struct {
	const struct start_info *info;
	struct thread_page *page;
	handle_t log, timer;
	int64_t clock_offset; /* of whoever is served */
	bool timer_armed, opened;
	struct block_device device;
	struct served served; /* its fs is 0 while nothing is mounted */
	char problem[200];
} service;

/* The last session has ended: nobody comes any more. */
static bool is_over(void)
{
	return service.opened && !service.served.sessions;
}

static int64_t now_ns(void)
{
	return (int64_t)clock_ns() + service.clock_offset;
}

static void report(void *context, const char *text)
{
	(void)context;
	strncpy(service.problem, text, sizeof(service.problem) - 1);
	log_print(service.log, service.page, "files: %s\n", text);
}

static void touch(struct served *served)
{
	served->changed = true;
	if (!service.timer_armed && event_timer(service.timer, clock_ns() + SYNC_NS, 1) >= 0)
		service.timer_armed = true;
}

/* By the timer: what was changed is made durable, and clients that died are let go. */
static void tick(void)
{
	service.timer_armed = false;
	sessions_clean(&service.served, false);
	if (!service.served.changed)
		return;
	service.served.changed = false;
	if (service.served.fs->operations->sync(service.served.fs, 0, false) < 0)
		log_print(service.log, service.page,
		          "files: what was written last could not be made durable\n");
}

/* ---- The control ---- */

static int64_t files_mount_do(handle_t channel, uint32_t flags, uint32_t uid, uint32_t gid, uint32_t masks,
                              bool ext4)
{
	struct block_device *device = &service.device;
	int64_t result = block_device_open(device, channel, service.page);
	if (result < 0)
		return result;
	device->bad_sectors_alone = true;
	const struct disk disk = {.context = device,
	                          .bytes = device->bytes,
	                          .sector_bytes = device->client.description.sector_bytes,
	                          .read_only = device->read_only,
	                          .read = block_device_read,
	                          .write = block_device_write,
	                          .flush = block_device_flush,
	                          .discard = block_device_discard};
	const struct filesystem_options options = {.read_only = flags & 1,
	                                           .now_ns = now_ns,
	                                           .report = report,
	                                           .cache_bytes = CACHE_BYTES,
	                                           .uid = uid,
	                                           .gid = gid,
	                                           .file_mask = masks & 0777,
	                                           .directory_mask = masks >> 16 & 0777};
	result = ext4 ? ext4_mount(&service.served.fs, &disk, &options)
	              : fat_mount(&service.served.fs, &disk, &options);
	if (result < 0)
		block_device_close(device);
	return result;
}

static int64_t control_mount(void *context, uint64_t badge, handle_t device, uint32_t flags, int64_t wall_ns,
                             uint32_t uid, uint32_t gid, uint32_t masks, const char *type, handle_t *mount)
{
	(void)context, (void)badge;
	bool ext4 = strcmp(type, "ext4") == 0;
	if (service.served.fs || flags > 1 || (!ext4 && strcmp(type, "vfat") != 0))
		return service.served.fs ? FILE_E_BUSY : E_ARGUMENT;
	service.clock_offset = wall_ns - (int64_t)clock_ns();
	service.problem[0] = 0;
	int64_t copy = cap_copy(device, RIGHT_CALL | RIGHT_COPY | RIGHT_MOVE, 0);
	int64_t result = copy < 0 ? copy : files_mount_do((handle_t)copy, flags, uid, gid, masks, ext4);
	if (result >= 0)
		result = channel_give(BADGE(BADGE_MOUNT, 0, 0), mount);
	if (result < 0)
		return result;
	cap_delete(device);
	return E_OK;
}

static int64_t control_problem(void *context, uint64_t badge, const char **text)
{
	(void)context, (void)badge;
	*text = service.problem;
	return E_OK;
}

static const struct files_operations control_operations = {.mount = control_mount,
                                                           .problem = control_problem};

/* ---- The mount ---- */

static bool has_failed(const struct served *served)
{
	(void)served;
	return service.device.failed;
}

static int64_t mount_session(void *context, uint64_t badge, handle_t quota, handle_t changes, uint32_t flags,
                             int64_t wall_ns, handle_t *given, uint64_t *root, const void **attributes,
                             uint32_t *bytes)
{
	struct served *served = &service.served;
	(void)context, (void)badge;
	if (!served->fs || is_over())
		return FILE_E_IO;
	*root = served->fs->root;
	int64_t result =
	    session_begin(served, *root, false, quota, changes, flags, wall_ns, given, attributes, bytes);
	service.opened = service.opened || result >= 0;
	return result;
}

/* On a mount all but session() find no session of their badge: FILE_E_IO. */
static const struct file_operations mount_operations = {.session = mount_session, FILE_SERVICE_CALLS};

/* ---- The loop ---- */

static void serve(struct message *message)
{
	const struct session *session;
	switch (BADGE_KIND(message->badge)) {
	case BADGE_CONTROL:
		files_serve(&control_operations, 0, message, service.page);
		return;
	case BADGE_MOUNT:
		file_serve(&mount_operations, 0, message, service.page);
		return;
	default:
		session = session_of(message->badge);
		if (session)
			service.clock_offset = session->clock_offset;
		file_serve(&session_operations, 0, message, service.page);
	}
}

/* The last session has ended: the disk is left whole, and this service with it. */
static int finish(void)
{
	int result = service.served.fs->operations->unmount(service.served.fs);
	block_device_close(&service.device);
	if (result < 0)
		log_print(service.log, service.page,
		          "files: what was written last could not be made durable\n");
	return result < 0;
}

int main(int argument_count, char **arguments)
{
	(void)argument_count, (void)arguments;
	service.info = native_start;
	service.page = native_page();
	service.log = start_find(service.info, "log", 0);
	file_service.channel = start_find(service.info, "serve", 0);
	file_service.touch = touch;
	file_service.has_failed = has_failed;
	int64_t timer = event_create();
	if (timer < 0 || event_bind((handle_t)timer, service.info->thread) < 0) {
		log_print(service.log, service.page, "files: cannot make its event\n");
		return 1;
	}
	service.timer = (handle_t)timer;
	struct message message = {0};
	int64_t result = channel_receive(file_service.channel, &message, DEADLINE_NEVER);
	while (result >= 0 && !is_over()) {
		if (message.info & INFO_EVENT) {
			tick();
			if (!is_over())
				result = channel_receive(file_service.channel, &message, DEADLINE_NEVER);
			continue;
		}
		serve(&message);
		if (is_over()) { /* the answer of the last end() says that the disk is free */
			int status = finish();
			(void)(channel_reply_receive(file_service.channel, &message, DEADLINE_POLL) < 0);
			return status;
		}
		result = channel_reply_receive(file_service.channel, &message, DEADLINE_NEVER);
	}
	if (is_over())
		return finish();
	log_print(service.log, service.page, "files: %s\n", error_text(result));
	return 1;
}
