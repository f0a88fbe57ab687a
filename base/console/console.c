/* The console service: carries bytes between the terminal (serial line) and the stream of the first
 * sub-kernel.
 *
 * One thread, one event for everything: interrupts of the two UARTs, the stream, requests on its channel.
 * COM1 is the terminal; COM2 brings holon-run's control lines (the kernel's log goes out there). The stream's
 * objects belong to the steward, so that a restarted console goes on where the one before ended.
 */
#include <holon.h>
#include "console.interface.h"
#include "control.h"
#include "uart.h"

#define BIT_COM1 (1ull << 32)
#define BIT_COM2 (1ull << 33)
#define CHUNK    256

struct console {
	struct uart terminal, log;
	handle_t terminal_irq, log_irq;
	struct stream stream;
	struct control control;
	uint8_t output[CHUNK]; /* taken from the stream, not yet sent */
	uint32_t output_at, output_end;
	uint8_t input[CHUNK]; /* received, not yet in the stream */
	uint32_t input_at, input_end;
	uint64_t input_total;
	bool ended;
};

static void pump_output(struct console *console)
{
	for (;;) {
		if (console->output_at == console->output_end) {
			console->output_at = 0;
			console->output_end = stream_read(&console->stream, console->output, CHUNK);
			if (!console->output_end)
				return;
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
		}
		uint32_t taken = stream_write(&console->stream, console->input + console->input_at,
		                              console->input_end - console->input_at);
		console->input_at += taken;
		if (!taken)
			return; /* STREAM_WRITABLE comes back here */
	}
	if (console->control.eof_known && console->input_total >= console->control.eof_at &&
	    !console->ended) {
		console->ended = true;
		stream_close(&console->stream);
	}
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
		event_signal(console->stream.peer, STREAM_RESIZED);
	}
}

static int64_t serve_drain(void *context, uint64_t badge)
{
	struct console *console = context;
	uint64_t until = clock_ns() + 2000000000ull;
	(void)badge;
	do {
		pump_output(console);
	} while ((console->output_at != console->output_end || !uart_idle(&console->terminal)) &&
	         clock_ns() < until);
	return E_OK;
}

static void handle_event(struct console *console, uint64_t bits)
{
	if (bits & BIT_COM2) {
		pump_control(console);
		irq_ack(console->log_irq);
	}
	pump_output(console);
	pump_input(console);
	if (bits & BIT_COM1)
		irq_ack(console->terminal_irq);
}

int program_main(const struct start_info *info, struct thread_page *page)
{
	static const struct console_operations operations = {.drain = serve_drain};
	static struct console console;
	handle_t channel = start_find(info, "console", 0);
	handle_t event = start_find(info, "stream-event", 0);
	handle_t log = start_find(info, "log", 0);
	uint64_t bytes;
	uint64_t ports;
	handle_t memory = start_find(info, "stream", &bytes);
	void *window = bytes >= STREAM_BYTES ? window_map(memory, 0, STREAM_BYTES, MAP_READ | MAP_WRITE) : 0;
	if (!window || event_bind(event, info->thread) < 0) {
		log_print(log, page, "console: no stream to serve\n");
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
		log_print(log, page, "console: no interrupts of the serial lines\n");
	log_print(log, page, "holon-run: ready\n"); /* abi/holon/command.h */

	struct message message = {0};
	int64_t result;
	handle_event(&console, BIT_COM1 | BIT_COM2);
	result = channel_receive(channel, &message, DEADLINE_NEVER);
	while (result >= 0) {
		if (message.info & INFO_EVENT) {
			handle_event(&console, message.words[0]);
			result = channel_receive(channel, &message, DEADLINE_NEVER);
			continue;
		}
		console_serve(&operations, &console, &message, page);
		result = channel_reply_receive(channel, &message, DEADLINE_NEVER);
	}
	log_print(log, page, "console: %s\n", error_text(result));
	return 1;
}
