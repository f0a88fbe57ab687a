/* See volumes.h. A program on another volume is named by that volume's device path with a file's node behind it (UEFI 2.10, 10.3.5.4);
 * whether it may run is the firmware's decision (Secure Boot). */
#include "volumes.h"

#include "../loader/loader.h"
#include "../loader/string.h"

enum { NODE_BYTES = sizeof(struct efi_path_node) };

static struct efi_system_table *firmware;
static efi_handle own_image;

void volumes_init(struct efi_system_table *system, efi_handle image)
{
	firmware = system;
	own_image = image;
}

uint32_t path_length(const uint8_t *path)
{
	uint32_t length = 0;
	for (;;) {
		const struct efi_path_node *node = (const void *)(path + length);
		uint32_t bytes = node->length[0] | (uint32_t)node->length[1] << 8;
		if (node->type == EFI_PATH_END && node->subtype == EFI_PATH_WHOLE)
			return length;
		if (bytes < NODE_BYTES || length + bytes > PATH_BYTES_MAX / 2)
			return 0;
		length += bytes;
	}
}

static void node_put(uint8_t *at, uint8_t type, uint8_t subtype, uint32_t bytes)
{
	struct efi_path_node node = {type, subtype, {(uint8_t)bytes, (uint8_t)(bytes >> 8)}};
	memcpy(at, &node, sizeof(node));
}

void path_end(uint8_t *at)
{
	node_put(at, EFI_PATH_END, EFI_PATH_WHOLE, NODE_BYTES);
}

/* Starts FILE on the volume with that device path; returns when it cannot. */
static void start(const uint8_t *volume, const char *file)
{
	static uint8_t path[PATH_BYTES_MAX];
	uint32_t length = path_length(volume), characters = (uint32_t)strlen(file) + 1;
	uint32_t bytes = NODE_BYTES + 2 * characters;
	efi_handle image;
	if (!length || length + bytes + NODE_BYTES > sizeof(path))
		return;
	memcpy(path, volume, length);
	node_put(path + length, EFI_PATH_MEDIA, EFI_PATH_FILE, bytes);
	for (uint32_t i = 0; i < characters; i++) {
		efi_char c = (uint8_t)file[i];
		memcpy(path + length + NODE_BYTES + 2 * i, &c, sizeof(c));
	}
	path_end(path + length + bytes);
	if (firmware->boot->load_image(0, own_image, path, NULL, 0, &image))
		return;
	firmware->boot->start_image(image, NULL, NULL);
	platform_restart();
}

/* A firmware in a hurry has drivers for what it boots from alone. */
static void connect_all(void)
{
	efi_handle *handles;
	uint64_t count;
	if (firmware->boot->locate_buffer(EFI_ALL_HANDLES, NULL, NULL, &count, &handles))
		return;
	for (uint64_t i = 0; i < count; i++)
		firmware->boot->connect(handles[i], NULL, NULL, true);
}

void platform_boot_other(uint32_t disk, const char *file)
{
	static const struct efi_guid loaded_image = EFI_LOADED_IMAGE_GUID, file_system = EFI_FILE_SYSTEM_GUID,
	                             device_path = EFI_DEVICE_PATH_GUID;
	struct efi_loaded_image *own;
	efi_handle *volumes;
	uint64_t count;
	(void)disk;
	if (!*file)
		return;
	connect_all();
	if (firmware->boot->handle_protocol(own_image, &loaded_image, (void **)&own) ||
	    firmware->boot->locate_buffer(EFI_BY_PROTOCOL, &file_system, NULL, &count, &volumes))
		return;
	for (uint64_t i = 0; i < count; i++) {
		const uint8_t *path;
		if (volumes[i] != own->device &&
		    !firmware->boot->handle_protocol(volumes[i], &device_path, (void **)&path))
			start(path, file);
	}
}

/* 3.3: the variable SecureBoot. */
const char *platform_vouched(void)
{
	static const struct efi_guid global = EFI_GLOBAL_GUID;
	uint8_t on = 0;
	uint64_t size = sizeof(on);
	if (firmware->runtime->get_variable(u"SecureBoot", &global, NULL, &size, &on) || !on)
		return "nothing vouches for it: Secure Boot is off";
	return "Secure Boot vouches for it";
}
