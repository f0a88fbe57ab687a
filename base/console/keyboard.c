/* See keyboard.h. Scan codes: IBM PS/2 Hardware Interface Technical Reference, Keyboards, set 1. */
#include "keyboard.h"
#include <text.h>

#define EXTENDED 0xe0
#define PAUSE    0xe1
#define ESCAPE   0x1b

enum key {
	KEY_CONTROL = 0x1d,
	KEY_SHIFT_LEFT = 0x2a,
	KEY_SHIFT_RIGHT = 0x36,
	KEY_ALT = 0x38,
	KEY_CAPS_LOCK = 0x3a,
	KEY_F1 = 0x3b,
	KEY_F10 = 0x44,
	KEY_NUM_LOCK = 0x45,
	KEY_PAD_FIRST = 0x47,
	KEY_PAD_LAST = 0x53,
	KEY_F11 = 0x57,
	KEY_F12 = 0x58,
};

/* Keys 0x00 to 0x39; 0: no character. */
static const char plain[] = "\0\0331234567890-=\177\tqwertyuiop[]\r\0asdfghjkl;'`\0\\zxcvbnm,./\0*\0 ";
static const char shifted[] = "\0\033!@#$%^&*()_+\177\tQWERTYUIOP{}\r\0ASDFGHJKL:\"~\0|ZXCVBNM<>?\0*\0 ";
_Static_assert(sizeof(plain) == 0x3a + 1 && sizeof(shifted) == sizeof(plain), "one character a key");

/* The keypad with num lock, and what its keys, and the grey ones with the same codes, send as cursor keys: a
 * final letter, or a number for "ESC [ number ~". */
static const char pad[] = "789-456+1230.";
static const struct {
	char final;
	char number;
} pad_cursor[] = {{'H', 0}, {'A', 0}, {0, '5'}, {0, 0},   {'D', 0}, {0, 0},  {'C', 0},
                  {0, 0},   {'F', 0}, {'B', 0}, {0, '6'}, {0, '2'}, {0, '3'}};

void keyboard_init(struct keyboard *keyboard)
{
	memset(keyboard, 0, sizeof(*keyboard));
	keyboard->num_lock = true;
}

static uint32_t send(uint8_t *bytes, const char *text)
{
	uint32_t count = 0;
	for (; text[count]; count++)
		bytes[count] = (uint8_t)text[count];
	return count;
}

static uint32_t send_function(uint8_t *bytes, unsigned number)
{
	static const char *const texts[] = {"\033OP",   "\033OQ",   "\033OR",   "\033OS",
	                                    "\033[15~", "\033[17~", "\033[18~", "\033[19~",
	                                    "\033[20~", "\033[21~", "\033[23~", "\033[24~"};
	return send(bytes, texts[number]);
}

static uint32_t send_cursor(uint8_t *bytes, unsigned index, bool cursor_keys)
{
	char text[5] = {ESCAPE, cursor_keys ? 'O' : '[', pad_cursor[index].final};
	if (pad_cursor[index].number) {
		text[1] = '[';
		text[2] = pad_cursor[index].number;
		text[3] = '~';
	}
	return text[2] ? send(bytes, text) : 0;
}

/* Modifiers and locks; false: another key. */
static bool modifier(struct keyboard *keyboard, uint8_t key, bool extended, bool pressed)
{
	switch (key) {
	case KEY_CONTROL:
		keyboard->control[extended] = pressed;
		return true;
	case KEY_ALT:
		keyboard->alt[extended] = pressed;
		return true;
	case KEY_SHIFT_LEFT:
	case KEY_SHIFT_RIGHT:
		if (!extended) /* extended: a shift that the keyboard makes up around grey keys */
			keyboard->shift[key == KEY_SHIFT_RIGHT] = pressed;
		return true;
	case KEY_CAPS_LOCK:
		keyboard->caps_lock ^= pressed;
		return true;
	case KEY_NUM_LOCK:
		keyboard->num_lock ^= pressed;
		return true;
	default:
		return false;
	}
}

static uint32_t send_character(const struct keyboard *keyboard, uint8_t key, uint8_t *bytes)
{
	bool shift = keyboard->shift[0] || keyboard->shift[1];
	char character = plain[key];
	bool letter = character >= 'a' && character <= 'z';
	if (key == 0x0f && shift)
		return send(bytes, "\033[Z");
	if (!character)
		return 0;
	if (shift != (letter && keyboard->caps_lock))
		character = shifted[key];
	if (keyboard->control[0] || keyboard->control[1]) {
		if ((character >= '@' && character <= '_') || letter)
			character &= 0x1f;
		else if (character == ' ' || character == '2')
			character = 0;
		else if (character == '/' || character == '-')
			character = 0x1f;
		else if (character == '?')
			character = 0x7f;
	}
	uint32_t count = 0;
	if (keyboard->alt[0] || keyboard->alt[1])
		bytes[count++] = ESCAPE;
	bytes[count++] = (uint8_t)character;
	return count;
}

bool keyboard_prefix_take(struct keyboard_prefix *prefix, uint8_t code, bool *extended)
{
	if (prefix->skip) {
		prefix->skip--;
		return false;
	}
	*extended = prefix->extended;
	prefix->extended = code == EXTENDED;
	prefix->skip = code == PAUSE ? 2 : 0;
	return code != EXTENDED && code != PAUSE;
}

uint32_t keyboard_take(struct keyboard *keyboard, uint8_t code, bool cursor_keys,
                       uint8_t bytes[KEYBOARD_BYTES_MAX])
{
	bool extended;
	if (!keyboard_prefix_take(&keyboard->prefix, code, &extended))
		return 0;
	uint8_t key = code & (KEYBOARD_RELEASE - 1);
	if (modifier(keyboard, key, extended, !(code & KEYBOARD_RELEASE)) || code & KEYBOARD_RELEASE)
		return 0;
	if (key >= KEY_PAD_FIRST && key <= KEY_PAD_LAST) {
		unsigned index = key - KEY_PAD_FIRST;
		if (extended || (!keyboard->num_lock && pad_cursor[index].final + pad_cursor[index].number))
			return send_cursor(bytes, index, cursor_keys);
		bytes[0] = (uint8_t)pad[index];
		return 1;
	}
	if (extended) { /* enter and slash of the keypad; other keys there are no terminal's */
		bytes[0] = key == 0x1c ? '\r' : '/';
		return key == 0x1c || key == 0x35;
	}
	if (key >= KEY_F1 && key <= KEY_F10)
		return send_function(bytes, key - KEY_F1);
	if (key == KEY_F11 || key == KEY_F12)
		return send_function(bytes, key - KEY_F11 + 10);
	return key < sizeof(plain) - 1 ? send_character(keyboard, key, bytes) : 0;
}

/* By usage, from 0x04 on; GREY: those that begin with 0xe0. */
#define GREY 0x80
static const uint8_t codes_of[] = {
    0x1e,        0x30,        0x2e,        0x20,        0x12,        0x21,        0x22,
    0x23,        0x17,        0x24,        0x25,        0x26,        0x32, /* a to m */
    0x31,        0x18,        0x19,        0x10,        0x13,        0x1f,        0x14,
    0x16,        0x2f,        0x11,        0x2d,        0x15,        0x2c, /* n to z */
    0x02,        0x03,        0x04,        0x05,        0x06,        0x07,        0x08,
    0x09,        0x0a,        0x0b,                           /* 1 to 9, 0 */
    0x1c,        0x01,        0x0e,        0x0f,        0x39, /* enter, escape, rubout, tab, space */
    0x0c,        0x0d,        0x1a,        0x1b,        0x2b,        0x2b,        0x27,
    0x28,        0x29,        0x33,        0x34,        0x35,        0x3a, /* - to /, caps lock */
    0x3b,        0x3c,        0x3d,        0x3e,        0x3f,        0x40,        0x41,
    0x42,        0x43,        0x44,        0x57,        0x58, /* F1 to F12 */
    0,           0x46,        0,                              /* print, scroll lock, pause */
    GREY | 0x52, GREY | 0x47, GREY | 0x49, GREY | 0x53, GREY | 0x4f, GREY | 0x51, /* insert to page down */
    GREY | 0x4d, GREY | 0x4b, GREY | 0x50, GREY | 0x48,                           /* right, left, down, up */
    0x45,        GREY | 0x35, 0x37,        0x4a,        0x4e,        GREY | 0x1c, /* keypad: num lock to enter, */
    0x4f,        0x50,        0x51,        0x4b,        0x4c,        0x4d,        0x47,
    0x48,        0x49,        0x52,        0x53, /* 1 to 9, 0, point */
};
_Static_assert(sizeof(codes_of) == 0x64 - 0x04, "one code a key");
static const uint8_t codes_of_modifiers[] = {0x1d,        0x2a, 0x38,        GREY | 0x5b,
                                             GREY | 0x1d, 0x36, GREY | 0x38, GREY | 0x5c};

uint32_t keyboard_codes(uint16_t usage, bool pressed, uint8_t codes[KEYBOARD_CODES_MAX])
{
	uint8_t code = usage >= 0x04 && usage < 0x64   ? codes_of[usage - 0x04]
	               : usage >= 0xe0 && usage < 0xe8 ? codes_of_modifiers[usage - 0xe0]
	                                               : 0;
	uint32_t count = 0;

	if (!code)
		return 0;
	if (code & GREY)
		codes[count++] = EXTENDED;
	codes[count++] = (uint8_t)((code & ~GREY) | (pressed ? 0 : KEYBOARD_RELEASE));
	return count;
}

uint16_t keyboard_usage(uint8_t code, bool extended)
{
	uint8_t wanted = (uint8_t)((code & ~KEYBOARD_RELEASE) | (extended ? GREY : 0));
	for (uint16_t i = 0; i < sizeof(codes_of) && wanted; i++)
		if (codes_of[i] == wanted)
			return (uint16_t)(0x04 + i);
	for (uint16_t i = 0; i < sizeof(codes_of_modifiers) && wanted; i++)
		if (codes_of_modifiers[i] == wanted)
			return (uint16_t)(0xe0 + i);
	return 0;
}
