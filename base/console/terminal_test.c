/* Tests of the console's terminal, drawing and keyboard: what programs send, and what they must not be able
 * to break. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "control.h"
#include "font.h"
#include "keyboard.h"
#include "mouse.h"
#include "screen.h"

static struct terminal terminal;
static int failures;

static void check(const char *name, bool right)
{
	printf(right ? "ok %s\n" : "not ok %s - see the check of this name\n", name);
	failures += !right;
}

static void put(const char *text)
{
	terminal_write(&terminal, (const uint8_t *)text, (uint32_t)strlen(text));
}

static void fresh(uint32_t columns, uint32_t rows, const char *text)
{
	terminal_init(&terminal, columns, rows, false);
	put(text);
}

/* True when ROW shows TEXT (ASCII) and then blanks. */
static bool row_is(uint32_t row, const char *text)
{
	const struct cell *cells = terminal_row(&terminal, row);
	size_t length = strlen(text);
	for (uint32_t i = 0; i < terminal.columns; i++)
		if (cells[i].code != (i < length ? (uint32_t)(uint8_t)text[i] : ' '))
			return false;
	return true;
}

static bool cursor_is(uint32_t column, uint32_t row)
{
	return terminal.cursor.column == column && terminal.cursor.row == row;
}

static void test_text(void)
{
	fresh(10, 3, "hello\r\nworld");
	check("terminal: lines", row_is(0, "hello") && row_is(1, "world") && cursor_is(5, 1));
	fresh(5, 3, "abcdefg");
	check("terminal: wraps at the last column", row_is(0, "abcde") && row_is(1, "fg"));
	fresh(5, 3, "abcde\r\nx");
	check("terminal: a full line and a line feed are one line", row_is(0, "abcde") && row_is(1, "x"));
	fresh(5, 2, "a\r\nb\r\nc");
	check("terminal: scrolls", row_is(0, "b") && row_is(1, "c"));
	fresh(20, 2, "a\tb\bc");
	check("terminal: tabs and backspace", row_is(0, "a       c"));
	fresh(5, 2, "\033[?7labcdefg");
	check("terminal: no wrap", row_is(0, "abcdg") && row_is(1, ""));
	terminal_init(&terminal, 10, 3, true);
	put("ab\ncd");
	check("terminal: line feeds of a pipe return the carriage", row_is(1, "cd"));
}

static void test_utf8(void)
{
	fresh(10, 2, "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z");
	const struct cell *cells = terminal_row(&terminal, 0);
	check("terminal: UTF-8", cells[0].code == 0xe9 && cells[1].code == 0x20ac &&
	                             cells[2].code == 0x1f600 && cells[3].code == 'z');
	fresh(20, 2, "\xc0\xaf|\xe0\x80\xaf|\xed\xa0\x80|\xf8|\xc3|\xe2\x82|");
	cells = terminal_row(&terminal, 0);
	bool right = true;
	for (uint32_t i = 0; i < 14; i++)
		right = right && (cells[i].code == 0xfffd || cells[i].code == '|' || cells[i].code == ' ');
	check("terminal: malformed UTF-8 becomes replacement characters", right && cells[0].code == 0xfffd);
	fresh(10, 2, "e\xcc\x81x");
	check("terminal: combining marks take no cell", row_is(0, "ex"));
}

static void test_cursor(void)
{
	fresh(10, 5, "\033[3;4Hx");
	check("terminal: cursor position", row_is(2, "   x") && cursor_is(4, 2));
	put("\033[2A\033[3D<");
	check("terminal: relative moves", row_is(0, " <"));
	put("\033[99;99H");
	check("terminal: positions are clamped", cursor_is(9, 4));
	put("\033[99999999999999A\033[99999999999999D");
	check("terminal: huge counts are clamped", cursor_is(0, 0));
	fresh(10, 5, "\033[2;2H\0337\033[31mA\033[5;5H\0338B");
	const struct cell *cells = terminal_row(&terminal, 1);
	check("terminal: save and restore", cells[1].code == 'B' && cells[1].foreground == 7);
	fresh(10, 5, "\033[3;4H\033[6n");
	check("terminal: reports the cursor",
	      terminal.answer_bytes == 6 && memcmp(terminal.answer, "\033[3;4R", 6) == 0);
	for (unsigned i = 0; i < 1000; i++)
		put("\033[6n\033[c");
	check("terminal: answers that nobody takes are bounded",
	      terminal.answer_bytes <= sizeof(terminal.answer));
}

static void test_erase(void)
{
	fresh(5, 3, "aaaaa\r\nbbbbb\r\nccccc\033[2;3H\033[K");
	check("terminal: erase to the line's end", row_is(1, "bb"));
	put("\033[1K");
	check("terminal: erase from the line's start", row_is(1, ""));
	put("\033[J");
	check("terminal: erase below", row_is(0, "aaaaa") && row_is(2, ""));
	put("\033[2J");
	check("terminal: erase all", row_is(0, ""));
	fresh(6, 2, "abcdef\033[1;2H\033[2P");
	check("terminal: delete characters", row_is(0, "adef"));
	put("\033[3@");
	check("terminal: insert characters", row_is(0, "a   de"));
	put("\033[1;1H\033[4hXY\033[4l");
	check("terminal: insert mode", row_is(0, "XYa   "));
	put("\033[1;1H\033[2X");
	check("terminal: erase characters", row_is(0, "  a"));
}

static void test_regions(void)
{
	fresh(3, 5, "1\r\n2\r\n3\r\n4\r\n5\033[2;4r\033[4;1H\nx");
	check("terminal: scrolls only the region",
	      row_is(0, "1") && row_is(1, "3") && row_is(2, "4") && row_is(3, "x") && row_is(4, "5"));
	put("\033[2;1H\033My");
	check("terminal: reverse line feed at the region's top",
	      row_is(0, "1") && row_is(1, "y") && row_is(2, "3") && row_is(3, "4") && row_is(4, "5"));
	put("\033[3;1H\033[L");
	check("terminal: insert line", row_is(2, "") && row_is(3, "3") && row_is(4, "5"));
	put("\033[M");
	check("terminal: delete line", row_is(2, "3") && row_is(3, "") && row_is(4, "5"));
	put("\033[r\033[2S");
	check("terminal: scroll up", row_is(0, "3") && row_is(2, "5"));
	put("\033[3T");
	check("terminal: scroll down", row_is(2, "") && row_is(3, "3"));
	put("\033[4;2r\033[9999;9999r");
	check("terminal: empty regions are refused", terminal.top < terminal.bottom);
}

static void test_attributes(void)
{
	fresh(10, 2, "\033[1;4;7;33;44mA\033[0mB\033[38;5;200mC\033[38;2;255;0;0mD\033[97mE");
	const struct cell *cells = terminal_row(&terminal, 0);
	check("terminal: attributes", cells[0].flags == (CELL_BOLD | CELL_UNDERLINE | CELL_REVERSE) &&
	                                  cells[0].foreground == 3 && cells[0].background == 4 &&
	                                  cells[1].flags == 0 && cells[1].foreground == 7);
	check("terminal: 256 and true colours",
	      cells[2].foreground == 200 && cells[3].foreground == 196 && cells[4].foreground == 15);
	fresh(10, 2, "\033[38;5m\033[38m\033[48;2;1mx");
	check("terminal: colours cut short", row_is(0, "x"));
	fresh(10, 2, "\033(0qx\033(Bq");
	cells = terminal_row(&terminal, 0);
	check("terminal: line drawing",
	      cells[0].code == 0x2500 && cells[1].code == 0x2502 && cells[2].code == 'q');
}

static void test_modes(void)
{
	fresh(10, 3, "shell\033[?1049h\033[Hvi");
	check("terminal: the other grid", row_is(0, "vi"));
	put("\033[?1049l");
	check("terminal: and back", row_is(0, "shell") && cursor_is(5, 0));
	put("\033[?1h\033[?25l");
	check("terminal: modes", terminal.cursor_keys && !terminal.cursor_visible);
	put("\033c");
	check("terminal: reset", !terminal.cursor_keys && terminal.cursor_visible && row_is(0, ""));
	fresh(20, 3, "a\033]0;title\007b\033P1;2|x\033\\c\033]8;;http://x\033\\d");
	check("terminal: strings are swallowed", row_is(0, "abcd"));
	fresh(20, 3, "\033[?2004h\033[>c\033[1 q\033#8\033[12;\030x\033[4\nm.");
	check("terminal: what is unknown or cancelled is swallowed", row_is(0, "x"));
}

static void test_resize(void)
{
	fresh(10, 4, "1\r\n2\r\n3\r\n4");
	terminal_resize(&terminal, 5, 2);
	check("terminal: smaller, the last lines stay", row_is(0, "3") && row_is(1, "4") && cursor_is(1, 1));
	terminal_resize(&terminal, 10, 4);
	check("terminal: larger", row_is(1, "4") && row_is(2, ""));
	terminal_resize(&terminal, 0, 100000);
	check("terminal: sizes are clamped", terminal.columns == 2 && terminal.rows == TERMINAL_ROWS_MAX);
}

static void test_screen(void)
{
	static struct screen screen;
	static struct screen again;
	enum { WIDTH = 84, HEIGHT = 50, STRIDE = 84 * 4 + 4 };
	uint8_t *pixels = malloc((size_t)STRIDE * HEIGHT); /* exactly: a write outside is found */
	uint8_t *whole = malloc((size_t)STRIDE * HEIGHT);
	memset(pixels, 0x55, (size_t)STRIDE * HEIGHT);
	memset(whole, 0x55, (size_t)STRIDE * HEIGHT);
	check("screen: size in characters", screen_init(&screen, pixels, WIDTH, HEIGHT, STRIDE, false) &&
	                                        screen.columns == 10 && screen.rows == 3);
	check("screen: too small is refused", !screen_init(&again, whole, 15, 100, 60, false));
	terminal_init(&terminal, 10, 3, false);
	for (unsigned i = 0; i < 200; i++) {
		char text[40];
		snprintf(text, sizeof(text), "\033[%u;%um%u\033[%u;%uH", 30 + i % 8, 40 + i % 7, i * 7919,
		         i % 4, i % 11);
		put(text);
		screen_draw(&screen, &terminal);
	}
	bool made = screen_init(&again, whole, WIDTH, HEIGHT, STRIDE, false);
	screen_draw(&again, &terminal);
	check("screen: drawing differences gives what drawing everything gives",
	      made && memcmp(pixels, whole, (size_t)STRIDE * HEIGHT) == 0);
	put("\033[0m\033[2J\033[?25l\033[1;1H\033[41m ");
	screen_draw(&screen, &terminal);
	check("screen: red is red", pixels[0] == 0 && pixels[1] == 0 && pixels[2] == 0xaa);
	free(pixels);
	free(whole);
	bool sorted = font_glyph_count > 100;
	for (unsigned i = 1; i < font_glyph_count; i++)
		sorted = sorted && font_glyphs[i - 1].code < font_glyphs[i].code;
	check("font: sorted", sorted);
}

static bool keys(const char *codes, size_t count, const char *wanted)
{
	struct keyboard keyboard;
	char sent[256];
	size_t length = 0;
	keyboard_init(&keyboard);
	for (size_t i = 0; i < count; i++)
		length += keyboard_take(&keyboard, (uint8_t)codes[i], false, (uint8_t *)sent + length);
	sent[length] = 0;
	return strcmp(sent, wanted) == 0;
}
#define KEYS(codes, wanted) keys(codes, sizeof(codes) - 1, wanted)

static void test_usages(void)
{
	bool all = true;
	for (uint16_t usage = 0; usage < 0x100; usage++) {
		uint8_t codes[KEYBOARD_CODES_MAX];
		uint32_t count = keyboard_codes(usage, false, codes);
		/* 0x32 is the same key as 0x31 */
		all = all && (!count || keyboard_usage(codes[count - 1], count > 1) == usage ||
		              (usage == 0x32 && keyboard_usage(codes[0], false) == 0x31));
	}
	check("keyboard: numbers of keys both ways",
	      all && !keyboard_usage(0, false) && !keyboard_usage(0x7f, true));
}

/* The events of BYTES, as "type code value;". */
static const char *mouse_says(const char *bytes, unsigned count, unsigned packet)
{
	static char text[200];
	static const char *const types[] = {"lost", "key", "button", "move", "place"};
	struct mouse mouse = {0};
	struct input_event events[MOUSE_EVENTS_MAX];
	text[0] = 0;
	for (unsigned i = 0; i < count; i++) {
		unsigned some = mouse_take(&mouse, (uint8_t)bytes[i], packet, events);
		for (unsigned k = 0; k < some; k++)
			sprintf(text + strlen(text), "%s %u %d;", types[events[k].type], events[k].code,
			        events[k].value);
	}
	return text;
}

static void test_mouse(void)
{
	check("mouse: ways, upwards negative",
	      !strcmp(mouse_says("\x08\x05\x07", 3, 3), "move 0 5;move 1 -7;"));
	check("mouse: ways of nine bits",
	      !strcmp(mouse_says("\x38\x00\x01", 3, 3), "move 0 -256;move 1 255;"));
	check("mouse: buttons change",
	      !strcmp(mouse_says("\x09\0\0\x0e\0\0", 6, 3), "button 1 1;button 1 0;button 2 1;button 3 1;"));
	check("mouse: the wheel",
	      !strcmp(mouse_says("\x08\0\0\xff\x08\0\0\x02", 8, 4), "move 2 1;move 2 -2;"));
	check("mouse: a way that was too far", !strcmp(mouse_says("\x49\x05\x07", 3, 3), "button 1 1;"));
	check("mouse: what begins no packet is left out",
	      !strcmp(mouse_says("\x07\x00\x08\x05\x00", 5, 3), "move 0 5;"));
}

static void test_keyboard(void)
{
	check("keyboard: letters", KEYS("\x23\xa3\x17\x97", "hi"));
	check("keyboard: shift", KEYS("\x2a\x23\xa3\xaa\x17\x02", "Hi1") && KEYS("\x36\x02\xb6", "!"));
	check("keyboard: caps lock turns letters alone", KEYS("\x3a\xba\x1e\x02\x2a\x1e", "A1a"));
	check("keyboard: control", KEYS("\x1d\x2e\xae\x9d\x2e", "\003c"));
	check("keyboard: alt is an escape", KEYS("\x38\x21\xb8", "\033f"));
	check("keyboard: arrows", KEYS("\xe0\x48\xe0\xc8\xe0\x4d", "\033[A\033[C"));
	check("keyboard: the shift that keyboards make up", KEYS("\xe0\x2a\xe0\x47\xe0\xaa\x1e", "\033[Ha"));
	check("keyboard: function keys", KEYS("\x3b\x3f\x58", "\033OP\033[15~\033[24~"));
	check("keyboard: keypad", KEYS("\x47\x45\xc5\x47\x49", "7\033[H\033[5~"));
	check("keyboard: pause is nothing", KEYS("\xe1\x1d\x45\xe1\x9d\xc5\x1e", "a"));
	struct keyboard keyboard;
	uint8_t bytes[KEYBOARD_BYTES_MAX];
	bool bounded = true;
	keyboard_init(&keyboard);
	for (unsigned i = 0; i < 1 << 16; i++)
		bounded = bounded &&
		          keyboard_take(&keyboard, (uint8_t)(i * 40503 >> 7), i & 1, bytes) <= sizeof(bytes);
	check("keyboard: any codes", bounded);
	/* USB's numbers of the same keys. */
	static const struct {
		uint16_t usage;
		const char *sends;
	} usb[] = {{0x04, "a"},        {0x1d, "z"},       {0x1e, "1"},      {0x27, "0"},
	           {0x28, "\r"},       {0x29, "\033"},    {0x2a, "\177"},   {0x2b, "\t"},
	           {0x2c, " "},        {0x31, "\\"},      {0x38, "/"},      {0x3a, "\033OP"},
	           {0x45, "\033[24~"}, {0x4c, "\033[3~"}, {0x4f, "\033[C"}, {0x52, "\033[A"},
	           {0x54, "/"},        {0x58, "\r"},      {0x59, "1"},      {0x63, "."},
	           {0x46, ""},         {0x64, ""},        {0xe1, ""},       {0xffff, ""}};
	bool right = true;
	for (unsigned i = 0; i < sizeof(usb) / sizeof(*usb); i++) {
		uint8_t codes[KEYBOARD_CODES_MAX];
		char sent[2 * KEYBOARD_BYTES_MAX] = "";
		uint32_t count = 0;

		keyboard_init(&keyboard);
		for (unsigned pressed = 2; pressed-- > 0;) {
			uint32_t code_count = keyboard_codes(usb[i].usage, pressed, codes);
			for (uint32_t k = 0; k < code_count; k++)
				count += keyboard_take(&keyboard, codes[k], false, (uint8_t *)sent + count);
		}
		right = right && count == strlen(usb[i].sends) && memcmp(sent, usb[i].sends, count) == 0;
	}
	check("keyboard: USB's keys are the same", right);
	uint8_t codes[KEYBOARD_CODES_MAX];
	check("keyboard: USB's modifiers are pressed and let go",
	      keyboard_codes(0xe1, true, codes) == 1 && codes[0] == 0x2a &&
	          keyboard_codes(0xe4, false, codes) == 2 && codes[0] == 0xe0 && codes[1] == 0x9d);
}

static void test_control(void)
{
	struct control control = {0};
	control_take(&control, (const uint8_t *)"size 80x2", 9);
	control_take(&control, (const uint8_t *)"4\neof 17\n", 9);
	check("control: lines in pieces",
	      control.columns == 80 && control.rows == 24 && control.eof_known && control.eof_at == 17);
	control_take(&control,
	             (const uint8_t *)"size 0x5\nsize 99999x1\nsize x\neof\neof 99999999999999999999999\n",
	             60);
	check("control: nonsense changes nothing", control.columns == 80 && control.eof_at == 17);
	for (unsigned i = 0; i < 1000; i++)
		control_take(&control, (const uint8_t *)"size 1x", 7);
	control_take(&control, (const uint8_t *)"\nsize 90x30\n", 12);
	check("control: an overlong line is dropped", control.columns == 90);
	uint32_t numbers[4];
	check("control: lists of numbers", control_numbers("1280,800,5120,1", numbers, 4) &&
	                                       numbers[2] == 5120 && !control_numbers("1,2,3", numbers, 4) &&
	                                       !control_numbers("1,2,3,4,", numbers, 4) &&
	                                       !control_numbers("1,2,3,4294967296", numbers, 4));
}

int main(void)
{
	test_text();
	test_utf8();
	test_cursor();
	test_erase();
	test_regions();
	test_attributes();
	test_modes();
	test_resize();
	test_screen();
	test_usages();
	test_mouse();
	test_keyboard();
	test_control();
	return failures != 0;
}
