/* The personality's lines in the system's log.
 *
 * A line may hold text of guests: names of programs, what they write to /dev/kmsg. It stays one line, begins
 * with who wrote it, and control characters are spelled out, so that no guest can make up a line of somebody
 * else. More than a few lines a second are counted instead of written: the log may be as slow as a serial
 * port.
 */
#include "internal.h"

#define LINE_BYTES  250u /* log_print takes 255 and its newline must be among them */
#define INTERVAL_NS (5 * NS_PER_SECOND)
#define BURST       50u /* lines of an interval */

static struct lock log_lock = LOCK_INIT(LOCK_LOG);
static char text[LINE_BYTES], line[LINE_BYTES];

/* FROM into the line, with control characters as \xHH, without the newline it may end with. */
static void spell_out(const char *from)
{
	static const char digits[] = "0123456789abcdef";
	size_t length = strlen(from);
	char *to = line;
	if (length && from[length - 1] == '\n')
		length--;
	for (size_t i = 0; i < length && to < line + sizeof(line) - 4; i++) {
		uint8_t c = (uint8_t)from[i];
		if (c >= ' ' && c != 0x7f) {
			*to++ = (char)c;
			continue;
		}
		*to++ = '\\';
		*to++ = 'x';
		*to++ = digits[c >> 4];
		*to++ = digits[c & 15];
	}
	*to = 0;
}

/* May one more line be written now? */
static bool allowed(void)
{
	static uint64_t begin;
	static uint32_t count;
	uint64_t now = clock_monotonic();
	if (now >= begin + INTERVAL_NS) {
		if (count > BURST)
			log_print(machine.log, current_page(), "linux: %u lines were left out\n",
			          count - BURST);
		begin = now;
		count = 0;
	}
	return ++count <= BURST;
}

void linux_log(const char *format, ...)
{
	__builtin_va_list arguments;
	if (!machine.log)
		return;
	lock_acquire(&log_lock);
	if (allowed()) {
		__builtin_va_start(arguments, format);
		text_format_list(text, sizeof(text), format, arguments);
		__builtin_va_end(arguments);
		spell_out(text);
		log_print(machine.log, current_page(), "%s\n", line);
	}
	lock_release(&log_lock);
}
