/* The screen under the BIOS: VBE (VESA BIOS Extension 3.0, functions 00h to 02h) for a linear framebuffer,
 * and text in it with the video BIOS's own 8x16 font, so that progress shows before the kernel draws. Without
 * VBE, text mode. */
#include "bios.h"
#include "../loader/loader.h"
#include "../loader/string.h"

enum { INFO = BUFFER, MODE = BUFFER + 0x400 }; /* where VBE writes its answers */
enum { MODE_SUPPORTED = 1, MODE_GRAPHICS = 0x10, MODE_LINEAR = 0x80, MODEL_DIRECT = 6, SET_LINEAR = 0x4000 };
enum { FONT_WIDTH = 8, FONT_HEIGHT = 16, MODES_MAX = 512 };

struct vbe_info {
	char signature[4];
	uint16_t version;
	uint32_t oem, capabilities;
	uint16_t modes_offset, modes_segment;
	uint8_t rest[494];
} __attribute__((packed));

struct vbe_mode {
	uint16_t attributes;
	uint8_t windows[14];
	uint16_t stride, width, height;
	uint8_t cell[2], planes, bits, banks, model, bank_size, pages, reserved;
	uint8_t red_size, red_shift, green_size, green_shift, blue_size, blue_shift, rest_size, rest_shift,
	    flags;
	uint32_t base;
	uint8_t offscreen[6];
	uint16_t linear_stride;
	uint8_t rest[204];
} __attribute__((packed));

_Static_assert(sizeof(struct vbe_info) == 512 && sizeof(struct vbe_mode) == 256, "VBE 3.0 layouts");

static struct handoff_framebuffer screen;
static const uint8_t *font;
static uint32_t column, row;
static bool inverse;

static bool vbe_call(uint32_t function, uint32_t bx, uint32_t cx, uint32_t di)
{
	struct bios_registers registers = {
	    .eax = function, .ebx = bx, .ecx = cx, .edi = di, .es = BUFFER_SEGMENT};
	bios_call(0x10, &registers);
	return (uint16_t)registers.eax == 0x004f;
}

/* How much a mode is wanted; 0 for one that cannot be used. */
static uint32_t mode_score(const struct vbe_mode *mode)
{
	const uint32_t needed = MODE_SUPPORTED | MODE_GRAPHICS | MODE_LINEAR;
	if ((mode->attributes & needed) != needed || mode->model != MODEL_DIRECT || mode->bits != 32 ||
	    !mode->base)
		return 0;
	if (mode->green_shift != 8 || mode->red_shift + mode->blue_shift != 16)
		return 0;
	if (mode->width == 1280 && mode->height == 800)
		return 4;
	if (mode->width == 1280 && mode->height == 1024)
		return 3;
	if (mode->width == 1024 && mode->height == 768)
		return 2;
	return mode->width == 800 && mode->height == 600;
}

static void describe(const struct vbe_mode *mode, uint16_t version)
{
	uint32_t stride = version >= 0x300 && mode->linear_stride ? mode->linear_stride : mode->stride;
	screen = (struct handoff_framebuffer){
	    .base = mode->base,
	    .size = page_up((uint64_t)stride * mode->height),
	    .width = mode->width,
	    .height = mode->height,
	    .stride = stride,
	    .format = mode->blue_shift == 0 ? HANDOFF_PIXEL_BGRX : HANDOFF_PIXEL_RGBX,
	};
}

static void find_font(void)
{
	struct bios_registers registers = {.eax = 0x1130, .ebx = 0x0600};
	bios_call(0x10, &registers);
	font = at(((uint32_t)registers.es << 4) + (uint16_t)registers.ebp);
}

void screen_init(void)
{
	struct vbe_info *info = at(INFO);
	const struct vbe_mode *mode = at(MODE);
	uint16_t numbers[MODES_MAX];
	uint32_t count = 0, best_score = 0;
	uint16_t best = 0;
	memset(info, 0, sizeof(*info));
	memcpy(info->signature, "VBE2", 4);
	if (!vbe_call(0x4f00, 0, 0, 0) || memcmp(info->signature, "VESA", 4) != 0 || info->version < 0x200)
		return;
	uint16_t version = info->version;
	const uint16_t *list = at(((uint32_t)info->modes_segment << 4) + info->modes_offset);
	while (count < MODES_MAX && list[count] != 0xffff) {
		numbers[count] = list[count];
		count++;
	}
	for (uint32_t i = 0; i < count; i++) {
		memset(at(MODE), 0, sizeof(*mode));
		if (vbe_call(0x4f01, 0, numbers[i], MODE - BUFFER) && mode_score(mode) > best_score) {
			best_score = mode_score(mode);
			best = numbers[i];
			describe(mode, version);
		}
	}
	if (!best_score)
		return;
	find_font();
	if (!vbe_call(0x4f02, best | SET_LINEAR, 0, 0)) {
		screen = (struct handoff_framebuffer){0};
		return;
	}
}

void screen_framebuffer(struct handoff_framebuffer *framebuffer)
{
	*framebuffer = screen;
}

static void draw(char c)
{
	if (c == '\n' || (column + 1) * FONT_WIDTH > screen.width) {
		column = 0;
		row++;
	}
	if (c == '\n' || (row + 1) * FONT_HEIGHT > screen.height)
		return;
	uint64_t corner = screen.base + (uint64_t)row * FONT_HEIGHT * screen.stride + column * FONT_WIDTH * 4;
	for (uint32_t y = 0; y < FONT_HEIGHT; y++) {
		uint32_t *line = at(corner + (uint64_t)y * screen.stride);
		for (uint32_t x = 0; x < FONT_WIDTH; x++)
			line[x] = !(font[(uint8_t)c * FONT_HEIGHT + y] & 0x80 >> x) == inverse ? 0xc8c8c8 : 0;
	}
	column++;
}

void platform_put(char c)
{
	if (screen.format) {
		draw(c);
		return;
	}
	if (c == '\n')
		platform_put('\r');
	struct bios_registers registers = {.eax = 0x0900u | (uint8_t)c, .ebx = 0x70, .ecx = 1};
	if (inverse) /* the character's attribute, which the teletype function then keeps */
		bios_call(0x10, &registers);
	registers = (struct bios_registers){.eax = 0x0e00u | (uint8_t)c, .ebx = 7};
	bios_call(0x10, &registers);
}

void platform_size(uint32_t *columns, uint32_t *rows)
{
	*columns = screen.format ? screen.width / FONT_WIDTH : 80;
	*rows = screen.format ? screen.height / FONT_HEIGHT : 25;
}

void platform_clear(void)
{
	struct bios_registers registers = {.eax = 3};
	column = row = 0;
	if (screen.format)
		memset(at(screen.base), 0, (size_t)screen.stride * screen.height);
	else
		bios_call(0x10, &registers);
}

void platform_move(uint32_t to_column, uint32_t to_row)
{
	struct bios_registers registers = {.eax = 0x0200, .edx = to_row << 8 | to_column};
	column = to_column;
	row = to_row;
	if (!screen.format)
		bios_call(0x10, &registers);
}

void platform_inverse(bool value)
{
	inverse = value;
}
