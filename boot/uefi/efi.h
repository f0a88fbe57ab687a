/* The part of UEFI the loader uses, from the UEFI Specification 2.10; the section stands at each definition.
 *
 * Table members the loader does not use are placeholders of the right size. Functions use the Microsoft x64
 * calling convention, which is the compiler's own for this target.
 */
#pragma once

#include <stdint.h>

typedef uint64_t efi_status; /* appendix D: 0 is success, errors have the top bit set */
typedef void *efi_handle;
typedef uint16_t efi_char;

#define EFI_ERROR            (1ull << 63)
#define EFI_BUFFER_TOO_SMALL (EFI_ERROR | 5)

/* Appendix A */
struct efi_guid {
	uint32_t a;
	uint16_t b, c;
	uint8_t d[8];
};

/* 4.2 */
struct efi_table_header {
	uint64_t signature;
	uint32_t revision, size, crc, reserved;
};

/* 12.4 */
struct efi_text_output {
	void *reset;
	efi_status (*output_string)(struct efi_text_output *self, const efi_char *text);
	void *test_string;
	efi_status (*query_mode)(struct efi_text_output *self, uint64_t mode, uint64_t *columns,
	                         uint64_t *rows);
	void *set_mode;
	efi_status (*set_attribute)(struct efi_text_output *self, uint64_t attribute);
	efi_status (*clear_screen)(struct efi_text_output *self);
	efi_status (*set_cursor)(struct efi_text_output *self, uint64_t column, uint64_t row);
	void *enable_cursor;
	struct {
		int32_t max, mode;
	} * mode;
};

/* 12.3 */
struct efi_key {
	uint16_t scan_code;
	efi_char character;
};
struct efi_text_input {
	void *reset;
	efi_status (*read_key)(struct efi_text_input *self, struct efi_key *key);
};

/* 7.2.3 */
enum efi_memory_type {
	EFI_RESERVED,
	EFI_LOADER_CODE,
	EFI_LOADER_DATA,
	EFI_BOOT_CODE,
	EFI_BOOT_DATA,
	EFI_RUNTIME_CODE,
	EFI_RUNTIME_DATA,
	EFI_CONVENTIONAL,
	EFI_UNUSABLE,
	EFI_ACPI_RECLAIM,
	EFI_ACPI_NVS,
	EFI_MMIO,
	EFI_MMIO_PORTS,
	EFI_PAL_CODE,
	EFI_PERSISTENT,
};

enum efi_allocate { EFI_ALLOCATE_ANY, EFI_ALLOCATE_MAX_ADDRESS, EFI_ALLOCATE_ADDRESS };

struct efi_memory_descriptor {
	uint32_t type, padding;
	uint64_t physical, virtual_start, pages, attribute;
};

/* 4.4 */
struct efi_boot_services {
	struct efi_table_header header;
	void *raise_tpl, *restore_tpl;
	efi_status (*allocate_pages)(uint32_t how, uint32_t type, uint64_t pages, uint64_t *memory);
	efi_status (*free_pages)(uint64_t memory, uint64_t pages);
	efi_status (*get_memory_map)(uint64_t *size, void *map, uint64_t *key, uint64_t *descriptor_size,
	                             uint32_t *descriptor_version);
	void *allocate_pool, *free_pool;
	void *event_functions[6];
	void *install, *reinstall, *uninstall;
	efi_status (*handle_protocol)(efi_handle handle, const struct efi_guid *protocol, void **interface);
	void *reserved, *register_notify, *locate_handle;
	efi_status (*locate_device_path)(const struct efi_guid *protocol, const uint8_t **path,
	                                 efi_handle *handle);
	void *install_table;
	efi_status (*load_image)(uint8_t by_policy, efi_handle parent, const void *path, const void *source,
	                         uint64_t size, efi_handle *image);
	efi_status (*start_image)(efi_handle image, uint64_t *exit_size, efi_char **exit_data);
	void *exit, *unload_image;
	efi_status (*exit_boot_services)(efi_handle image, uint64_t map_key);
	void *next_monotonic_count;
	efi_status (*stall)(uint64_t microseconds);
	efi_status (*set_watchdog)(uint64_t seconds, uint64_t code, uint64_t size, efi_char *data);
	efi_status (*connect)(efi_handle controller, efi_handle *drivers, const void *path,
	                      uint8_t recursive);
	void *disconnect, *open, *close, *open_information, *protocols_per_handle;
	efi_status (*locate_buffer)(uint32_t how, const struct efi_guid *protocol, void *key, uint64_t *count,
	                            efi_handle **handles);
	efi_status (*locate_protocol)(const struct efi_guid *protocol, void *registration, void **interface);
};

/* 4.6 */
struct efi_configuration {
	struct efi_guid guid;
	void *table;
};

enum { EFI_ALL_HANDLES = 0, EFI_BY_PROTOCOL = 2 };
enum { EFI_RESET_COLD = 0, EFI_RESET_SHUTDOWN = 2 };

/* 8.2 */
struct efi_runtime_services {
	struct efi_table_header header;
	void *time_functions[4], *memory_functions[2];
	efi_status (*get_variable)(const efi_char *name, const struct efi_guid *vendor, uint32_t *attributes,
	                           uint64_t *size, void *data);
	void *next_variable, *set_variable, *next_monotonic_count;
	void (*reset_system)(uint32_t kind, efi_status status, uint64_t size, void *data);
};

/* 10.2, 10.3.5.1, 10.3.5.4 */
enum {
	EFI_PATH_MEDIA = 4,
	EFI_PATH_PARTITION = 1,
	EFI_PATH_FILE = 4,
	EFI_PATH_END = 0x7f,
	EFI_PATH_WHOLE = 0xff
};
struct efi_path_node {
	uint8_t type, subtype;
	uint8_t length[2]; /* of the node, little-endian */
};

/* 4.3 */
struct efi_system_table {
	struct efi_table_header header;
	efi_char *vendor;
	uint32_t revision;
	efi_handle input_handle;
	struct efi_text_input *input;
	efi_handle output_handle;
	struct efi_text_output *output;
	efi_handle error_handle;
	struct efi_text_output *error;
	struct efi_runtime_services *runtime;
	struct efi_boot_services *boot;
	uint64_t configuration_count;
	struct efi_configuration *configuration;
};

/* 9.1 */
struct efi_loaded_image {
	uint32_t revision;
	efi_handle parent;
	struct efi_system_table *system;
	efi_handle device;
};

/* 13.5 */
struct efi_file {
	uint64_t revision;
	efi_status (*open)(struct efi_file *self, struct efi_file **file, const efi_char *name, uint64_t mode,
	                   uint64_t attributes);
	efi_status (*close)(struct efi_file *self);
	void *remove;
	efi_status (*read)(struct efi_file *self, uint64_t *size, void *buffer);
	void *write;
	efi_status (*get_position)(struct efi_file *self, uint64_t *position);
	efi_status (*set_position)(struct efi_file *self, uint64_t position);
};

#define EFI_FILE_READ 1
#define EFI_FILE_END  UINT64_MAX /* set_position: the end of the file */

/* 13.4 */
struct efi_file_system {
	uint64_t revision;
	efi_status (*open_volume)(struct efi_file_system *self, struct efi_file **root);
};

/* 13.9 */
struct efi_block_media {
	uint32_t id;
	uint8_t removable, present, partition, read_only, write_caching;
	uint32_t block_bytes, alignment;
	uint64_t last_block;
};

struct efi_block {
	uint64_t revision;
	const struct efi_block_media *media;
	void *reset;
	efi_status (*read)(struct efi_block *self, uint32_t media, uint64_t block, uint64_t size,
	                   void *buffer);
	efi_status (*write)(struct efi_block *self, uint32_t media, uint64_t block, uint64_t size,
	                    const void *buffer);
	efi_status (*flush)(struct efi_block *self);
};

/* 12.9 */
enum efi_pixel_format { EFI_PIXEL_RGBX, EFI_PIXEL_BGRX, EFI_PIXEL_MASK, EFI_PIXEL_BLT_ONLY };

struct efi_graphics_information {
	uint32_t version, width, height, format;
	uint32_t masks[4];
	uint32_t pixels_per_line;
};

struct efi_graphics_mode {
	uint32_t count, current;
	struct efi_graphics_information *information;
	uint64_t information_size, base, size;
};

struct efi_random {
	efi_status (*information)(struct efi_random *self, uint64_t *size, void *list);
	efi_status (*get)(struct efi_random *self, const struct efi_guid *algorithm, uint64_t size,
	                  void *bytes);
};

struct efi_graphics {
	void *query, *set, *blt;
	struct efi_graphics_mode *mode;
};

#define EFI_LOADED_IMAGE_GUID                                                                                \
	{                                                                                                    \
		0x5b1b31a1, 0x9562, 0x11d2,                                                                  \
		{                                                                                            \
			0x8e, 0x3f, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b                                       \
		}                                                                                            \
	}
#define EFI_BLOCK_GUID                                                                                       \
	{                                                                                                    \
		0x964e5b21, 0x6459, 0x11d2,                                                                  \
		{                                                                                            \
			0x8e, 0x39, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b                                       \
		}                                                                                            \
	}
#define EFI_FILE_SYSTEM_GUID                                                                                 \
	{                                                                                                    \
		0x964e5b22, 0x6459, 0x11d2,                                                                  \
		{                                                                                            \
			0x8e, 0x39, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b                                       \
		}                                                                                            \
	}
#define EFI_DEVICE_PATH_GUID /* 10.2 */                                                                      \
	{                                                                                                    \
		0x09576e91, 0x6d3f, 0x11d2,                                                                  \
		{                                                                                            \
			0x8e, 0x39, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b                                       \
		}                                                                                            \
	}
#define EFI_GLOBAL_GUID /* 3.3 */                                                                            \
	{                                                                                                    \
		0x8be4df61, 0x93ca, 0x11d2,                                                                  \
		{                                                                                            \
			0xaa, 0x0d, 0x00, 0xe0, 0x98, 0x03, 0x2b, 0x8c                                       \
		}                                                                                            \
	}
#define EFI_RANDOM_GUID /* 37.5 */                                                                           \
	{                                                                                                    \
		0x3152bca5, 0xeade, 0x433d,                                                                  \
		{                                                                                            \
			0x86, 0x2e, 0xc0, 0x1c, 0xdc, 0x29, 0x1f, 0x44                                       \
		}                                                                                            \
	}
#define EFI_GRAPHICS_GUID                                                                                    \
	{                                                                                                    \
		0x9042a9de, 0x23dc, 0x4a38,                                                                  \
		{                                                                                            \
			0x96, 0xfb, 0x7a, 0xde, 0xd0, 0x80, 0x51, 0x6a                                       \
		}                                                                                            \
	}
#define EFI_ACPI_20_GUID /* 4.6.1.1 */                                                                       \
	{                                                                                                    \
		0x8868e871, 0xe4f1, 0x11d3,                                                                  \
		{                                                                                            \
			0xbc, 0x22, 0x00, 0x80, 0xc7, 0x3c, 0x88, 0x81                                       \
		}                                                                                            \
	}
#define EFI_ACPI_10_GUID                                                                                     \
	{                                                                                                    \
		0xeb9d2d30, 0x2d88, 0x11d3,                                                                  \
		{                                                                                            \
			0x9a, 0x16, 0x00, 0x90, 0x27, 0x3f, 0xc1, 0x4d                                       \
		}                                                                                            \
	}
