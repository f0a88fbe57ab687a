/* Mounts of disks with file systems of other systems: each has a service of its own (base/files), which the manager starts below
 * this sub-kernel and out of its memory, and which ends with the mount. What is on the disk is never looked at here. */
#include <holon/blueprint.h>
#include <holon/file.h>
#include "../internal.h"
#include "files.interface.h"
#include "native.h"
#include "subkernel.interface.h"

#define SERVICE_MEMORY (12ull << 20)
#define SERVICE_CAPS   128u
#define END_NS         (10 * NS_PER_SECOND)

int service_start(const char *profile, uint64_t memory, uint64_t caps, struct started_service *service)
{
	handle_t manager = start_find(linux_start_info(), "manager", 0);
	struct blueprint blueprint = {.version = BLUEPRINT_VERSION, .memory_bytes = memory, .caps = caps};
	text_copy(blueprint.name, sizeof(blueprint.name), profile);
	text_copy(blueprint.profile, sizeof(blueprint.profile), profile);
	*service = (struct started_service){0};
	if (!manager)
		return -EPERM;
	int64_t event = event_create();
	int64_t peer =
	    event < 0 ? event : cap_copy((handle_t)event, RIGHT_SIGNAL | RIGHT_COPY | RIGHT_MOVE, 0);
	int64_t result =
	    peer < 0 ? peer
	             : subkernel_service(manager, current_page(), &blueprint, sizeof(blueprint),
	                                 (handle_t)peer, &service->number, &service->control, DEADLINE_NEVER);
	if (result < 0) {
		if (peer >= 0)
			cap_delete((handle_t)peer);
		if (event >= 0)
			cap_delete((handle_t)event);
		*service = (struct started_service){0};
		return linux_error_of_service(result);
	}
	service->ended = (handle_t)event;
	return 0;
}

void service_finish(struct started_service *service)
{
	handle_t manager = start_find(linux_start_info(), "manager", 0);
	uint64_t bits;
	uint64_t status;
	if (event_wait(service->ended, clock_ns() + END_NS, &bits) < 0)
		(void)(subkernel_kill(manager, current_page(), service->number, DEADLINE_NEVER) < 0);
	(void)(subkernel_status(manager, current_page(), service->number, &status, DEADLINE_NEVER) < 0);
	cap_delete(service->control);
	cap_delete(service->ended);
	*service = (struct started_service){0};
}

void service_kill(struct started_service *service)
{
	(void)(subkernel_kill(start_find(linux_start_info(), "manager", 0), current_page(), service->number,
	                      DEADLINE_NEVER) < 0);
	service_finish(service);
}

const char *files_type(const char *type, int64_t *magic)
{
	static const struct {
		const char *type, *name;
		int64_t magic;
	} known[] = {{"ext4", "ext4", 0xef53},
	             {"ext3", "ext4", 0xef53},
	             {"ext2", "ext4", 0xef53},
	             {"vfat", "vfat", 0x4d44},
	             {"msdos", "vfat", 0x4d44}};
	for (unsigned i = 0; i < sizeof(known) / sizeof(*known); i++) {
		if (strcmp(type, known[i].type) != 0)
			continue;
		*magic = known[i].magic;
		return known[i].name;
	}
	return 0;
}

/* Options of mount(2) that say who owns what on a file system that keeps no owners; those that ask for what is done anyway are
 * taken. */
struct device_options {
	uint32_t uid, gid, file_mask, directory_mask;
};

static bool number_of(const char *text, unsigned base, uint32_t *value)
{
	uint64_t number = 0;
	if (!*text)
		return false;
	for (; *text; text++) {
		unsigned digit = (unsigned)(*text - '0');
		if (digit >= base)
			return false;
		number = number * base + digit;
		if (number > UINT32_MAX)
			return false;
	}
	*value = (uint32_t)number;
	return true;
}

static int option_take(struct device_options *options, const char *word, bool keeps_owners)
{
	static const char *const known[] = {
	    "rw",     "ro",           "errors=",          "data=ordered", "user_xattr",
	    "acl",    "barrier",      "journal_checksum", "noload=0",     "iocharset=utf8",
	    "utf8",   "codepage=437", "shortname=",       "flush",        "quiet",
	    "tz=UTC", "discard=0"};
	uint32_t mask;
	bool owner = strncmp(word, "uid=", 4) == 0 || strncmp(word, "gid=", 4) == 0;
	if (owner && !keeps_owners)
		return number_of(word + 4, 10, *word == 'u' ? &options->uid : &options->gid) ? 0 : -EINVAL;
	if (!keeps_owners && (strncmp(word, "umask=", 6) == 0 || strncmp(word, "fmask=", 6) == 0 ||
	                      strncmp(word, "dmask=", 6) == 0)) {
		if (!number_of(word + 6, 8, &mask) || mask > 0777)
			return -EINVAL;
		if (*word != 'd')
			options->file_mask = mask;
		if (*word != 'f')
			options->directory_mask = mask;
		return 0;
	}
	for (unsigned i = 0; i < sizeof(known) / sizeof(*known); i++) {
		size_t length = strlen(known[i]);
		if (known[i][length - 1] == '=' ? strncmp(word, known[i], length) == 0
		                                : strcmp(word, known[i]) == 0)
			return 0;
	}
	return -EINVAL;
}

static int options_take(struct device_options *options, const char *text, bool keeps_owners)
{
	char word[64];
	*options = (struct device_options){.uid = current_task()->credentials.uid,
	                                   .gid = current_task()->credentials.gid,
	                                   .file_mask = 0022,
	                                   .directory_mask = 0022};
	while (*text) {
		size_t length = 0;
		while (text[length] && text[length] != ',')
			length++;
		if (length >= sizeof(word))
			return -EINVAL;
		memcpy(word, text, length);
		word[length] = 0;
		int error = length ? option_take(options, word, keeps_owners) : 0;
		if (error)
			return error;
		text += length + (text[length] == ',');
	}
	return 0;
}

int files_mount_device(handle_t device, const char *type, const char *text, bool read_only,
                       struct started_service *service, handle_t *mount)
{
	struct device_options options;
	int64_t magic;
	const char *name = files_type(type, &magic);
	const char *problem = "";
	int error = options_take(&options, text, magic == 0xef53);
	if (!error)
		error = service_start("files", SERVICE_MEMORY, SERVICE_CAPS, service);
	if (error) {
		cap_delete(device);
		return error;
	}
	int64_t now = (int64_t)(clock_monotonic() + clock_realtime_offset());
	int64_t result =
	    files_mount(service->control, current_page(), device, read_only, now, options.uid, options.gid,
	                options.file_mask | options.directory_mask << 16, name, mount, DEADLINE_NEVER);
	if (result >= 0)
		return 0;
	cap_delete(device);
	error = linux_error_of_service(result);
	if (files_problem(service->control, current_page(), &problem, DEADLINE_NEVER) >= 0 && *problem)
		linux_log("linux: mount: %s\n", problem);
	service_kill(service);
	return error;
}
