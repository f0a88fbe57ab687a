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

/* ---- What syslog(2) reads ---- */

#define KEPT_BYTES 16384u

static char kept[KEPT_BYTES];
static uint64_t kept_end, kept_read, kept_cleared; /* bytes since the start; who reads is at KEPT_READ */
static struct wait_queue kept_wait = WAIT_QUEUE_INIT(kept_wait);

static uint64_t kept_start(uint64_t from)
{
	uint64_t oldest = kept_end > KEPT_BYTES ? kept_end - KEPT_BYTES : 0;
	return from > oldest ? from : oldest;
}

/* The line, as the kernel's log has it: its priority (information), seconds since the start. */
static void keep(void)
{
	char entry[LINE_BYTES + 32];
	uint64_t now = clock_monotonic();
	uint64_t seconds = now / NS_PER_SECOND, micro = now % NS_PER_SECOND / 1000;
	text_format(entry, sizeof(entry), "<6>[%5lu.%06lu] %s\n", seconds, micro, line);
	for (const char *c = entry; *c; c++)
		kept[kept_end++ % KEPT_BYTES] = *c;
	wake_all(&kept_wait, 0);
}

/* Up to COUNT bytes from FROM on, to ADDRESS. */
static int64_t kept_copy(uint64_t from, uint64_t count, uint64_t address)
{
	char part[256];
	uint64_t done = 0;
	while (done < count) {
		uint64_t chunk = count - done < sizeof(part) ? count - done : sizeof(part);
		lock_acquire(&log_lock);
		for (uint64_t i = 0; i < chunk; i++)
			part[i] = kept[(from + done + i) % KEPT_BYTES];
		lock_release(&log_lock);
		if (copy_to_user(address + done, part, chunk))
			return -EFAULT;
		done += chunk;
	}
	return (int64_t)done;
}

/* Whole lines: from the first that begins at FROM or behind. */
static uint64_t line_start(uint64_t from)
{
	if (from + KEPT_BYTES != kept_end)
		return from;
	while (from < kept_end && kept[from++ % KEPT_BYTES] != '\n')
		;
	return from;
}

static int64_t read_all(uint64_t address, int32_t bytes, bool clear)
{
	uint64_t end = kept_end, from = line_start(kept_start(kept_cleared));
	if (end - from > (uint32_t)bytes) { /* the last lines that fit */
		from = end - (uint32_t)bytes;
		while (from < end && kept[(from - 1) % KEPT_BYTES] != '\n')
			from++;
	}
	int64_t result = kept_copy(from, end - from, address);
	if (clear)
		kept_cleared = end;
	return result;
}

static int64_t read_next(uint64_t address, int32_t bytes)
{
	lock_acquire(&log_lock);
	int result = wait_event_locked(&kept_wait, &log_lock, kept_read != kept_end, DEADLINE_NEVER);
	lock_release(&log_lock);
	if (result)
		return result;
	uint64_t from = kept_start(kept_read), count = kept_end - from;
	int64_t done = kept_copy(from, count < (uint32_t)bytes ? count : (uint32_t)bytes, address);
	if (done > 0)
		kept_read = from + (uint64_t)done;
	return done;
}

SYSCALL_HANDLER(syslog, int action, uint64_t address, int32_t bytes)
{
	enum { CLOSE, OPEN, READ, READ_ALL, READ_CLEAR, CLEAR, CONSOLE_OFF, CONSOLE_ON, LEVEL, UNREAD, SIZE };
	if (action < CLOSE || action > SIZE)
		return capable(CAP_SYSLOG) || capable(CAP_SYS_ADMIN) ? -EINVAL : -EPERM;
	if (!capable(CAP_SYSLOG) && !capable(CAP_SYS_ADMIN)) /* kernel.dmesg_restrict, as Debian has it */
		return -EPERM;
	bool reads = action == READ || action == READ_ALL || action == READ_CLEAR;
	if (reads && (!address || bytes < 0))
		return -EINVAL;
	if (reads && !bytes)
		return 0;
	if (reads && !user_range(address, (uint32_t)bytes))
		return -EFAULT;
	switch (action) {
	case READ:
		return read_next(address, bytes);
	case READ_ALL:
	case READ_CLEAR:
		return read_all(address, bytes, action == READ_CLEAR);
	case CLEAR:
		kept_cleared = kept_end;
		return 0;
	case LEVEL:
		return bytes < 1 || bytes > 8 ? -EINVAL : 0;
	case UNREAD:
		return (int64_t)(kept_end - kept_start(kept_read));
	case SIZE:
		return KEPT_BYTES;
	default:
		return 0;
	}
}

/* ---- Writing ---- */

/* May one more line be written now? */
static bool allowed(void)
{
	static uint64_t begin;
	static uint32_t count;
	uint64_t now = clock_monotonic();
	if (now >= begin + INTERVAL_NS) {
		if (count > BURST && machine.log)
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
	lock_acquire(&log_lock);
	if (allowed()) {
		__builtin_va_start(arguments, format);
		text_format_list(text, sizeof(text), format, arguments);
		__builtin_va_end(arguments);
		spell_out(text);
		keep();
		if (machine.log)
			log_print(machine.log, current_page(), "%s\n", line);
	}
	lock_release(&log_lock);
}
