/* The UEFI side of the loader's platform: an EFI application that reads the bundle from the volume it was
 * started from.
 *
 * Memory comes from the firmware's page allocator below 4 GiB; what it was allocated for is noted and laid
 * over the firmware's final memory map, whose key must be fresh when boot services end (UEFI 2.10,
 * section 7.4.6).
 */
#include "disk.h"
#include "efi.h"
#include "../loader/arch.h"
#include "../loader/loader.h"
#include "../loader/memory.h"
#include "../loader/string.h"
#include "../menu/terminal.h"
#include "volumes.h"

enum { CLAIM_MAX = 64, MAP_SPARE = 8, READ_CHUNK = 4 << 20, LINE_MAX = 160 };

efi_status efi_main(efi_handle image, struct efi_system_table *system);
void enter_kernel(uint64_t page_tables, uint64_t stack, uint64_t handoff, uint64_t entry);

static efi_handle own_image;
static struct efi_system_table *firmware;
static struct efi_file *bundle_file;
static bool services_over;

/* What the loader allocated, in order; later ones override earlier ones. */
static struct handoff_memory claims[CLAIM_MAX];
static uint32_t claim_count;

static void *map_buffer;
static uint64_t map_capacity;

static bool same_guid(const struct efi_guid *a, const struct efi_guid *b)
{
	return !memcmp(a, b, sizeof(*a));
}

/* The menus' characters are those of code page 437. */
static efi_char uefi_character(uint8_t c)
{
	switch (c) {
	case GLYPH_UP:
		return 0x2191;
	case GLYPH_DOWN:
		return 0x2193;
	case GLYPH_VERTICAL:
		return 0x2502;
	case GLYPH_HORIZONTAL:
		return 0x2500;
	case GLYPH_TOP_LEFT:
		return 0x250c;
	case GLYPH_TOP_RIGHT:
		return 0x2510;
	case GLYPH_BOTTOM_LEFT:
		return 0x2514;
	case GLYPH_BOTTOM_RIGHT:
		return 0x2518;
	default:
		return c;
	}
}

void platform_put(char c)
{
	if (services_over || !firmware->output)
		return;
	if (c == '\n')
		platform_put('\r');
	efi_char text[2] = {uefi_character((uint8_t)c), 0};
	firmware->output->output_string(firmware->output, text);
}

_Noreturn void platform_stop(void)
{
	arch_end_machine();
	for (;;) {
		if (!services_over)
			firmware->boot->stall(1000000);
		else
			arch_halt();
	}
}

void platform_size(uint32_t *columns, uint32_t *rows)
{
	struct efi_text_output *output = firmware->output;
	uint64_t wide = TERMINAL_COLUMNS, high = TERMINAL_ROWS;
	if (output && output->query_mode(output, (uint64_t)output->mode->mode, &wide, &high))
		wide = TERMINAL_COLUMNS, high = TERMINAL_ROWS;
	*columns = (uint32_t)wide;
	*rows = (uint32_t)high;
}

void platform_clear(void)
{
	if (firmware->output)
		firmware->output->clear_screen(firmware->output);
}

void platform_move(uint32_t column, uint32_t row)
{
	if (firmware->output)
		firmware->output->set_cursor(firmware->output, column, row);
}

/* 12.4: light grey on black, or the other way round. */
void platform_inverse(bool inverse)
{
	enum { NORMAL = 0x07, INVERSE = 0x70 };
	static bool now;
	if (firmware->output && inverse != now)
		firmware->output->set_attribute(firmware->output, inverse ? INVERSE : NORMAL);
	now = inverse;
}

/* 12.3, table 12-4: scan codes. */
uint32_t platform_key(void)
{
	static const uint16_t keys[0x18] = {
	    [1] = KEY_UP,     [2] = KEY_DOWN,   [3] = KEY_RIGHT,    [4] = KEY_LEFT,
	    [5] = KEY_HOME,   [6] = KEY_END,    [8] = KEY_DELETE,   [0x0c] = KEY_F2,
	    [0x14] = KEY_F10, [0x16] = KEY_F12, [0x17] = KEY_ESCAPE};
	struct efi_key key;
	if (!firmware->input || firmware->input->read_key(firmware->input, &key))
		return KEY_NONE;
	if (key.character)
		return key.character <= '~' ? key.character : KEY_NONE;
	return key.scan_code < sizeof(keys) / sizeof(*keys) ? keys[key.scan_code] : KEY_NONE;
}

/* The firmware's console is wherever its setup says, the serial line among it. */
bool platform_has_serial(void)
{
	return true;
}

_Noreturn void platform_restart(void)
{
	firmware->runtime->reset_system(EFI_RESET_COLD, 0, 0, NULL);
	arch_restart();
	platform_stop();
}

_Noreturn void platform_off(void)
{
	firmware->runtime->reset_system(EFI_RESET_SHUTDOWN, 0, 0, NULL);
	platform_stop();
}

/* UEFI 2.10, section 37.5. */
uint32_t platform_random(void *bytes, uint32_t count)
{
	static const struct efi_guid random_guid = EFI_RANDOM_GUID;
	struct efi_random *random;
	if (firmware->boot->locate_protocol(&random_guid, NULL, (void **)&random) ||
	    random->get(random, NULL, count, bytes))
		return 0;
	return count;
}

/* The firmware's stack has 128 KiB (UEFI 2.10, section 2.3.4). */
const char *platform_on_stack(const char *(*function)(void *), void *argument)
{
	return function(argument);
}

uint64_t platform_allocate(uint64_t size, uint64_t align, enum handoff_memory_kind kind)
{
	uint64_t pages = page_up(size) / PAGE_SIZE;
	uint64_t extra = align / PAGE_SIZE - 1; /* cut off again below */
	uint64_t base = UINT32_MAX;
	if (firmware->boot->allocate_pages(EFI_ALLOCATE_MAX_ADDRESS, EFI_LOADER_DATA, pages + extra, &base))
		return 0;
	uint64_t start = (base + align - 1) & ~(align - 1);
	uint64_t before = (start - base) / PAGE_SIZE;
	if (before)
		firmware->boot->free_pages(base, before);
	if (extra > before)
		firmware->boot->free_pages(start + pages * PAGE_SIZE, extra - before);
	platform_claim(start, pages * PAGE_SIZE, kind);
	return start;
}

void platform_claim(uint64_t base, uint64_t size, enum handoff_memory_kind kind)
{
	if (claim_count == CLAIM_MAX)
		fail("the loader's list of allocations is full.");
	claims[claim_count++] = (struct handoff_memory){.base = base, .size = size, .kind = kind};
}

/* Opens the bundle beside the loader. There need not be one when fw_cfg gives it. */
static void open_bundle(void)
{
	static const struct efi_guid loaded_image = EFI_LOADED_IMAGE_GUID, file_system = EFI_FILE_SYSTEM_GUID;
	struct efi_loaded_image *image;
	struct efi_file_system *volume;
	struct efi_file *root;
	if (firmware->boot->handle_protocol(own_image, &loaded_image, (void **)&image) ||
	    firmware->boot->handle_protocol(image->device, &file_system, (void **)&volume) ||
	    volume->open_volume(volume, &root))
		return;
	if (root->open(root, &bundle_file, u"\\HOLON\\BUNDLE", EFI_FILE_READ, 0))
		bundle_file = NULL;
	root->close(root);
}

uint64_t platform_bundle_size(void)
{
	uint64_t size = 0;
	if (!bundle_file)
		open_bundle();
	if (!bundle_file || bundle_file->set_position(bundle_file, EFI_FILE_END) ||
	    bundle_file->get_position(bundle_file, &size))
		return 0;
	return size;
}

bool platform_read_bundle(uint64_t offset, void *to, uint64_t size)
{
	uint8_t *out = to;
	if (bundle_file->set_position(bundle_file, offset))
		return false;
	while (size) {
		uint64_t part = size < READ_CHUNK ? size : READ_CHUNK;
		if (bundle_file->read(bundle_file, &part, out) || part == 0)
			return false;
		out += part;
		size -= part;
	}
	return true;
}

static enum handoff_memory_kind kind_of(uint32_t type)
{
	switch (type) {
	case EFI_CONVENTIONAL:
	case EFI_BOOT_CODE:
	case EFI_BOOT_DATA:
		return HANDOFF_MEMORY_FREE;
	case EFI_LOADER_CODE:
	case EFI_LOADER_DATA:
		return HANDOFF_MEMORY_LOADER;
	case EFI_ACPI_RECLAIM:
		return HANDOFF_MEMORY_ACPI;
	case EFI_ACPI_NVS:
		return HANDOFF_MEMORY_ACPI_NVS;
	case EFI_MMIO:
	case EFI_MMIO_PORTS:
		return HANDOFF_MEMORY_MMIO;
	default:
		return HANDOFF_MEMORY_RESERVED;
	}
}

/* Reads the firmware's map into the map buffer, which grows as needed. The firmware's code and data stay
 * where they are as long as boot services run, so FREE is what will be free afterwards. */
static uint64_t read_map(struct memory_map *map)
{
	uint64_t size, key, step;
	uint32_t version;
	for (;;) {
		size = map_capacity;
		efi_status status = firmware->boot->get_memory_map(&size, map_buffer, &key, &step, &version);
		if (!status)
			break;
		if (status != EFI_BUFFER_TOO_SMALL)
			fail("the firmware gives no memory map.");
		/* The allocation itself adds descriptors. */
		map_capacity = page_up(size + MAP_SPARE * step);
		map_buffer = at(platform_allocate(map_capacity, PAGE_SIZE, HANDOFF_MEMORY_LOADER));
		if (!map_buffer)
			fail("not enough memory for the memory map. Give the machine more memory.");
	}
	memset(map, 0, sizeof(*map));
	for (uint64_t done = 0; done + sizeof(struct efi_memory_descriptor) <= size; done += step) {
		const struct efi_memory_descriptor *descriptor = (const void *)((uint8_t *)map_buffer + done);
		memory_add(map, descriptor->physical, descriptor->pages * PAGE_SIZE,
		           kind_of(descriptor->type));
	}
	for (uint32_t i = 0; i < claim_count; i++)
		memory_claim(map, claims[i].base, claims[i].size, claims[i].kind);
	return key;
}

static struct memory_map map;

uint64_t platform_low_page(void)
{
	uint64_t base = 0x9f000 - 1;
	if (firmware->boot->allocate_pages(EFI_ALLOCATE_MAX_ADDRESS, EFI_LOADER_DATA, 1, &base))
		return 0;
	platform_claim(base, PAGE_SIZE, HANDOFF_MEMORY_LOADER);
	return base;
}

uint64_t platform_memory_end(void)
{
	read_map(&map);
	return memory_end(&map);
}

uint64_t platform_rsdp(void)
{
	static const struct efi_guid wanted[] = {EFI_ACPI_20_GUID, EFI_ACPI_10_GUID};
	for (int version = 0; version < 2; version++)
		for (uint64_t i = 0; i < firmware->configuration_count; i++)
			if (same_guid(&firmware->configuration[i].guid, &wanted[version]))
				return physical_of(firmware->configuration[i].table);
	return 0;
}

void platform_framebuffer(struct handoff_framebuffer *framebuffer)
{
	static const struct efi_guid graphics_guid = EFI_GRAPHICS_GUID;
	struct efi_graphics *graphics;
	if (firmware->boot->locate_protocol(&graphics_guid, NULL, (void **)&graphics))
		return;
	const struct efi_graphics_mode *mode = graphics->mode;
	const struct efi_graphics_information *information = mode->information;
	if (information->format != EFI_PIXEL_RGBX && information->format != EFI_PIXEL_BGRX)
		return;
	*framebuffer = (struct handoff_framebuffer){
	    .base = mode->base,
	    .size = mode->size,
	    .width = information->width,
	    .height = information->height,
	    .stride = information->pixels_per_line * 4,
	    .format = information->format == EFI_PIXEL_RGBX ? HANDOFF_PIXEL_RGBX : HANDOFF_PIXEL_BGRX,
	};
}

/* Firmware whose console is COM1 has written to it; holon-run's option console-mark asks where that ends. */
static void mark_console(const char *options)
{
	static const char mark[] = "\033]holon-run;start\007", option[] = "console-mark";
	for (; *options; options++)
		if (!strncmp(options, option, sizeof(option) - 1))
			break;
	if (!*options)
		return;
	for (const char *c = mark; *c; c++)
		arch_console_put(*c);
}

void platform_finish(struct handoff *handoff)
{
	/* The first attempt may change the map (7.4.6); afterwards only the map and the exit may be called.
	 */
	efi_status status = EFI_ERROR;
	for (int attempt = 0; attempt < 4 && status; attempt++)
		status = firmware->boot->exit_boot_services(own_image, read_map(&map));
	if (status)
		fail("the firmware does not end its boot services.");
	services_over = true;
	arch_interrupts_off();
	mark_console(handoff->command_line);
	memory_claim(&map, 0, PAGE_SIZE,
	             HANDOFF_MEMORY_RESERVED); /* as under the BIOS: address 0 is never given out */
	handoff->memory_count = map.count;
	memcpy(handoff->memory, map.ranges, map.count * sizeof(map.ranges[0]));
}

_Noreturn void platform_enter(uint64_t page_tables, uint64_t entry, uint64_t handoff, uint64_t stack_top)
{
	arch_no_execute_on();
	enter_kernel(page_tables, stack_top, handoff, entry);
	__builtin_unreachable();
}

efi_status efi_main(efi_handle image, struct efi_system_table *system)
{
	uint64_t counter = arch_counter();
	own_image = image;
	firmware = system;
	firmware->boot->set_watchdog(0, 0, 0, NULL);
	if (firmware->output)
		firmware->output->clear_screen(firmware->output);
	const char *why = arch_firmware_check();
	if (why)
		fail("%s", why);
	volumes_init(firmware, own_image);
	disk_init(firmware, own_image);
	loader_run(HANDOFF_FIRMWARE_UEFI, counter);
}
