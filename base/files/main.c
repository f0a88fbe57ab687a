/* The service's loop: mounting, and when it is synced by itself. See files.h. */
#include "files.h"

#define SYNC_NS     5000000000ull /* what changed is durable after so long, whoever asks */
#define CACHE_BYTES (4u << 20)

struct service service;

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

void service_touch(void)
{
	service.changed = true;
	if (!service.timer_armed && event_timer(service.timer, clock_ns() + SYNC_NS, 1) >= 0)
		service.timer_armed = true;
}

/* By the timer: what was changed is made durable, and clients that died are let go. */
static void tick(void)
{
	service.timer_armed = false;
	sessions_clean();
	if (!service.fs || !service.changed)
		return;
	service.changed = false;
	if (service.fs->operations->sync(service.fs, 0, false) < 0)
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
	result = ext4 ? ext4_mount(&service.fs, &disk, &options) : fat_mount(&service.fs, &disk, &options);
	if (result < 0)
		block_device_close(device);
	return result;
}

static int64_t control_mount(void *context, uint64_t badge, handle_t device, uint32_t flags, int64_t wall_ns,
                             uint32_t uid, uint32_t gid, uint32_t masks, const char *type, handle_t *mount)
{
	(void)context, (void)badge;
	bool ext4 = strcmp(type, "ext4") == 0;
	if (service.fs || flags > 1 || (!ext4 && strcmp(type, "vfat") != 0))
		return service.fs ? FILE_E_BUSY : E_ARGUMENT;
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
	int result = service.fs->operations->unmount(service.fs);
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
	service.channel = start_find(service.info, "serve", 0);
	service.next_number = 1;
	int64_t timer = event_create();
	if (timer < 0 || event_bind((handle_t)timer, service.info->thread) < 0) {
		log_print(service.log, service.page, "files: cannot make its event\n");
		return 1;
	}
	service.timer = (handle_t)timer;
	struct message message = {0};
	int64_t result = channel_receive(service.channel, &message, DEADLINE_NEVER);
	while (result >= 0 && !service.ended) {
		if (message.info & INFO_EVENT) {
			tick();
			if (!service.ended)
				result = channel_receive(service.channel, &message, DEADLINE_NEVER);
			continue;
		}
		serve(&message);
		if (service.ended) { /* the answer of the last end() says that the disk is free */
			int status = finish();
			(void)(channel_reply_receive(service.channel, &message, DEADLINE_POLL) < 0);
			return status;
		}
		result = channel_reply_receive(service.channel, &message, DEADLINE_NEVER);
	}
	if (service.ended)
		return finish();
	log_print(service.log, service.page, "files: %s\n", error_text(result));
	return 1;
}
