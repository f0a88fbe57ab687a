/* The console service: carries bytes between the machine's terminal and the stream of the first sub-kernel.
 *
 * The terminal is COM1 and, where the machine has them, the screen and keyboards: output goes to both,
 * input comes from all. One thread, one event for everything: interrupts, the stream, requests on its
 * channel. COM2 brings holon-run's control lines (the kernel's log goes out there). The stream's objects
 * belong to the steward, so that a restarted console goes on where the one before ended.
 */
#include <holon.h>
#include "console.interface.h"
#include "control.h"
#include "display.h"
#include "i8042.h"
#include "inputs.h"
#include "keyboard.h"
#include "line.h"
#include "source.h"
#include "uart.h"

#define BIT_COM1      (1ull << 32)
#define BIT_COM2      (1ull << 33)
#define BIT_KEYBOARD  (1ull << 34)
#define BIT_INPUT     (1ull << 35)
#define BIT_DEVICES   (1ull << 36)
#define BIT_TIMER     (1ull << 37)
#define BIT_MOUSE     (1ull << 38)
#define BIT_SCREEN    (1ull << 39)
#define BIT_LINE      (1ull << 40)
#define CHUNK         256
#define LINE_READS    16 /* at a time */
#define REDRAW_CHUNKS 64 /* of output at most between two redraws */

struct console {
	const struct start_info *info;
	struct uart terminal, log;
	handle_t terminal_irq, log_irq;
	struct stream stream;
	struct control control;
	struct display display;
	struct keyboard keyboard;
	struct i8042 i8042;
	struct inputs inputs; /* other keyboards */
	struct line line;     /* another terminal, of a driver */
	struct source source; /* all that is pressed and moved, for a program */
	handle_t channel, keyboard_irq, mouse_irq;
	bool screen_types; /* what is typed beside the screen is the terminal's */
	bool typed_here;   /* the last input came from the keyboard, so the screen answers terminal queries */
	uint8_t output[CHUNK]; /* taken from the stream, not yet sent */
	uint32_t output_at, output_end;
	uint8_t input[CHUNK]; /* received, not yet in the stream */
	uint32_t input_at, input_end;
	uint8_t line_input[SERIAL_AT_ONCE]; /* of the other terminal, not yet in the stream */
	uint32_t line_at, line_end;
	uint64_t input_total;
	bool ended;
};

/* What the keyboard or the screen says; it is lost where the program does not read. */
static void type(struct console *console, const uint8_t *bytes, uint32_t count)
{
	if (count && !console->ended && console->screen_types)
		(void)stream_write(&console->stream, bytes, count);
}

static void take_code(void *context, uint8_t code)
{
	struct console *console = context;
	uint8_t bytes[KEYBOARD_BYTES_MAX];
	uint32_t count =
	    keyboard_take(&console->keyboard, code, console->display.terminal.cursor_keys, bytes);

	console->typed_here = console->typed_here || count;
	type(console, bytes, count);
}

static void pump_keyboard(struct console *console)
{
	int byte;
	bool mouse;
	while ((byte = i8042_read(&console->i8042, &mouse)) >= 0) {
		if (mouse) {
			source_mouse_byte(&console->source, (uint8_t)byte, console->i8042.packet_bytes);
			continue;
		}
		source_scan_code(&console->source, (uint8_t)byte);
		take_code(console, (uint8_t)byte);
	}
}

static void show(struct console *console, const uint8_t *bytes, uint32_t count)
{
	struct terminal *terminal = &console->display.terminal;
	line_write(&console->line, bytes, count);
	display_write(&console->display, bytes, count);
	if (console->typed_here)
		type(console, terminal->answer, terminal->answer_bytes);
	terminal->answer_bytes = 0;
}

static void pump_output(struct console *console)
{
	for (unsigned chunks = 1;; chunks++) {
		if (console->output_at == console->output_end) {
			uint64_t until;
			if (line_waits(&console->line, &until)) {
				inputs_wake(&console->inputs, until);
				return;
			}
			console->output_at = 0;
			console->output_end = stream_read(&console->stream, console->output, CHUNK);
			if (!console->output_end)
				return;
			show(console, console->output, console->output_end);
			if (chunks % REDRAW_CHUNKS == 0)
				display_update(&console->display);
		}
		uint32_t sent = uart_write(&console->terminal, console->output + console->output_at,
		                           console->output_end - console->output_at);
		console->output_at += sent;
		if (!sent)
			return; /* the transmit interrupt comes back here */
	}
}

static void pump_input(struct console *console)
{
	for (;;) {
		if (console->input_at == console->input_end) {
			console->input_at = 0;
			console->input_end = uart_read(&console->terminal, console->input, CHUNK);
			console->input_total += console->input_end;
			if (!console->input_end)
				break;
			console->typed_here = false;
		}
		uint32_t taken = stream_write(&console->stream, console->input + console->input_at,
		                              console->input_end - console->input_at);
		console->input_at += taken;
		if (!taken) { /* STREAM_WRITABLE comes back here */
			uart_listen(&console->terminal, false);
			return;
		}
	}
	uart_listen(&console->terminal, true);
	if (console->control.eof_known && console->input_total >= console->control.eof_at &&
	    !console->ended) {
		console->ended = true;
		stream_close(&console->stream);
	}
}

/* What was typed on the other terminal, as far as there is room: the line keeps the rest. A command on pipes gets nothing from there. */
static void pump_line(struct console *console)
{
	bool raw = console->stream.header->flags & STREAM_FLAG_RAW;
	for (unsigned reads = 0; reads <= LINE_READS;) {
		if (console->line_at == console->line_end) {
			console->line_at = 0;
			console->line_end = line_read(&console->line, console->line_input);
			if (!console->line_end)
				return;
			console->typed_here = false;
			reads++;
		}
		uint32_t left = console->line_end - console->line_at, taken = left;
		if (!raw && !console->ended)
			taken = stream_write(&console->stream, console->line_input + console->line_at, left);
		console->line_at += taken;
		if (!taken)
			return; /* STREAM_WRITABLE comes back here */
	}
	event_signal(console->inputs.event, BIT_LINE); /* there is more */
}

static void pump_control(struct console *console)
{
	uint8_t bytes[64];
	uint32_t count;
	while ((count = uart_read(&console->log, bytes, sizeof(bytes))) > 0)
		control_take(&console->control, bytes, count);
	struct stream_header *header = console->stream.header;
	if (console->control.columns &&
	    (header->columns != console->control.columns || header->rows != console->control.rows)) {
		header->columns = console->control.columns;
		header->rows = console->control.rows;
		display_resize(&console->display, header->columns, header->rows);
		event_signal(console->stream.peer, STREAM_RESIZED);
	}
}

static int64_t serve_drain(void *context, uint64_t badge)
{
	struct console *console = context;
	uint64_t until = clock_ns() + 2000000000ull;
	(void)badge;
	bool whole;
	do {
		pump_output(console);
		whole = line_flush(&console->line);
	} while ((console->output_at != console->output_end || !uart_idle(&console->terminal) || !whole) &&
	         clock_ns() < until);
	return E_OK;
}

static int64_t serve_screen(void *context, uint64_t badge, uint32_t lent)
{
	struct console *console = context;
	(void)badge;
	if (!display_lend(&console->display, lent))
		return E_NOT_FOUND;
	display_update(&console->display);
	return E_OK;
}

static int64_t serve_input(void *context, uint64_t badge, handle_t *source)
{
	struct console *console = context;
	(void)badge;
	return console->display.present || inputs_screen_comes(&console->inputs)
	           ? source_give(console->channel, source)
	           : E_NOT_FOUND;
}

static void tell_event(void *context, const struct input_event *event)
{
	struct console *console = context;
	source_event(&console->source, event);
}

/* There is a screen to see what they do: keyboards and pointers. What is typed is for terminals: a command on pipes gets its input from
 * them alone. */
static void keyboards_start(struct console *console)
{
	const struct start_info *info = console->info;
	handle_t event = console->inputs.event;
	console->screen_types = !console->display.raw;
	keyboard_init(&console->keyboard);
	console->keyboard_irq = start_find(info, "keyboard-irq", 0);
	console->mouse_irq = start_find(info, "mouse-irq", 0);
	/* Where that fails the keyboard's interrupts tell of the mouse's bytes, too. */
	(void)(irq_bind(console->mouse_irq, event, BIT_MOUSE) < 0);
	if (irq_bind(console->keyboard_irq, event, BIT_KEYBOARD) >= 0)
		i8042_init(&console->i8042, start_find(info, "keyboard-data", 0),
		           start_find(info, "keyboard-command", 0));
	console->inputs.wanted = true;
}

/* The screen's size is what programs are told, where no terminal on the serial line has one. */
static void screen_sized(struct console *console)
{
	struct stream_header *header = console->stream.header;
	display_resize(&console->display, console->control.columns, console->control.rows);
	if (console->display.raw || console->control.columns)
		return;
	header->columns = console->display.terminal.columns;
	header->rows = console->display.terminal.rows;
}

static void device_found(void *context, uint32_t kind, const char *name)
{
	struct console *console = context;
	if (kind == DEVICE_SERIAL)
		line_found(&console->line, name);
	if (kind == DEVICE_SCREEN && console->display.panel.devices)
		panel_found(&console->display.panel, name);
}

/* A driver's screen may have come, or changed its size. */
static void screen_look(struct console *console)
{
	bool first = !console->display.present;
	if (!display_look(&console->display))
		return;
	screen_sized(console);
	event_signal(console->stream.peer, STREAM_RESIZED);
	if (!first)
		return;
	keyboards_start(console);
	inputs_look_soon(&console->inputs);
}

static void devices_looked(void *context)
{
	struct console *console = context;
	line_look(&console->line);
	screen_look(console);
}

static void screen_start(struct console *console, struct thread_page *page, handle_t event)
{
	bool raw = console->stream.header->flags & STREAM_FLAG_RAW;
	display_init(&console->display, console->info, raw);
	console->inputs = (struct inputs){.devices = start_find(console->info, "device", 0),
	                                  .event = event,
	                                  .input_bit = BIT_INPUT,
	                                  .devices_bit = BIT_DEVICES,
	                                  .timer_bit = BIT_TIMER,
	                                  .page = page,
	                                  .take = take_code,
	                                  .tell = tell_event,
	                                  .found = device_found,
	                                  .looked = devices_looked,
	                                  .context = console};
	if (console->display.present) {
		screen_sized(console);
		keyboards_start(console);
	} else {
		console->display.panel = (struct panel){
		    .devices = console->inputs.devices, .event = event, .bit = BIT_SCREEN, .page = page};
	}
	console->line =
	    (struct line){.devices = console->inputs.devices, .event = event, .bit = BIT_LINE, .page = page};
	if (console->inputs.devices)
		inputs_start(&console->inputs);
}

static void handle_event(struct console *console, uint64_t bits)
{
	if (bits & BIT_COM2) {
		pump_control(console);
		irq_ack(console->log_irq);
	}
	if (bits & (BIT_KEYBOARD | BIT_MOUSE)) {
		pump_keyboard(console);
		if (bits & BIT_KEYBOARD)
			irq_ack(console->keyboard_irq);
		if (bits & BIT_MOUSE)
			irq_ack(console->mouse_irq);
	}
	if (bits & BIT_SCREEN)
		screen_look(console);
	inputs_work(&console->inputs, bits);
	input_queue_tell(&console->source.queue);
	if (bits & BIT_LINE)
		line_flush(&console->line);
	if (bits & BIT_LINE || console->line_at != console->line_end)
		pump_line(console);
	do {
		pump_output(console);
		pump_input(console);
	} while (uart_pending(&console->terminal));
	if (bits & BIT_COM1)
		irq_ack(console->terminal_irq);
	display_update(&console->display);
	if (console->display.panel.channel && !console->display.panel.good) /* its driver is another one */
		inputs_look_soon(&console->inputs);
}

int program_main(const struct start_info *info, struct thread_page *page)
{
	static const struct console_operations operations = {
	    .drain = serve_drain, .input = serve_input, .screen = serve_screen};
	static struct console console;
	console.info = info;
	handle_t event = start_find(info, "stream-event", 0);
	handle_t log = start_find(info, "log", 0);
	console.channel = start_find(info, "console", 0);
	uint64_t bytes;
	uint64_t ports;
	handle_t memory = start_find(info, "stream", &bytes);
	void *window = bytes >= STREAM_BYTES ? window_map(memory, 0, STREAM_BYTES, MAP_READ | MAP_WRITE) : 0;
	if (!window || event_bind(event, info->thread) < 0) {
		log_print(log, page, "no stream to serve\n");
		return 1;
	}
	stream_init(&console.stream, window, 0, start_find(info, "stream-peer", 0), true);
	handle_t com1 = start_find(info, "com1", &ports);
	uart_init(&console.terminal, com1, (uint16_t)ports);
	handle_t com2 = start_find(info, "com2", &ports);
	uart_init(&console.log, com2, (uint16_t)ports);
	console.terminal_irq = start_find(info, "com1-irq", 0);
	console.log_irq = start_find(info, "com2-irq", 0);
	const char *word = info->arguments;
	for (; *word; word += strlen(word) + 1) {
		if (strcmp(word, "raw") == 0)
			console.stream.header->flags |= STREAM_FLAG_RAW;
		else if (strncmp(word, "size=", 5) == 0)
			control_size(word + 5, &console.control.columns, &console.control.rows);
	}
	if (irq_bind(console.terminal_irq, event, BIT_COM1) < 0 ||
	    irq_bind(console.log_irq, event, BIT_COM2) < 0)
		log_print(log, page, "no interrupts of the serial lines\n");
	screen_start(&console, page, event);
	log_print(log, page, "holon-run: ready\n"); /* abi/holon/command.h */

	struct message message = {0};
	int64_t result;
	handle_event(&console, BIT_COM1 | BIT_COM2);
	result = channel_receive(console.channel, &message, DEADLINE_NEVER);
	while (result >= 0) {
		if (message.info & INFO_EVENT) {
			handle_event(&console, message.words[0]);
			result = channel_receive(console.channel, &message, DEADLINE_NEVER);
			continue;
		}
		if (message.badge == SOURCE_BADGE)
			source_serve(&console.source, &message, page);
		else
			console_serve(&operations, &console, &message, page);
		result = channel_reply_receive(console.channel, &message, DEADLINE_NEVER);
	}
	log_print(log, page, "%s\n", error_text(result));
	return 1;
}
