/* Text formatting for messages: the subset of printf that logs need. No floating point. */
#include <stdarg.h>
#include "holon.h"
#include "text.h"

struct sink {
	char *buffer;
	size_t size, length; /* length counts what did not fit too */
};

static void put(struct sink *sink, char c)
{
	if (sink->length + 1 < sink->size)
		sink->buffer[sink->length] = c;
	sink->length++;
}

static void put_padded(struct sink *sink, const char *text, size_t length, int width, bool left, char fill)
{
	int missing = width > (int)length ? width - (int)length : 0;
	for (int i = 0; !left && i < missing; i++)
		put(sink, fill);
	for (size_t i = 0; i < length; i++)
		put(sink, text[i]);
	for (int i = 0; left && i < missing; i++)
		put(sink, ' ');
}

static void put_number(struct sink *sink, uint64_t value, unsigned base, bool negative, int width, bool left,
                       char fill)
{
	char digits[24];
	size_t at = sizeof(digits);
	do
		digits[--at] = "0123456789abcdef"[value % base];
	while (value /= base);
	if (negative)
		digits[--at] = '-';
	put_padded(sink, digits + at, sizeof(digits) - at, width, left, fill);
}

int text_format_list(char *buffer, size_t size, const char *format, va_list arguments)
{
	struct sink sink = {buffer, size, 0};
	for (; *format; format++) {
		if (*format != '%') {
			put(&sink, *format);
			continue;
		}
		bool left = false;
		char fill = ' ';
		int width = 0;
		int precision = -1;
		int longs = 0;
		for (format++; *format == '-' || *format == '0'; format++)
			*format == '-' ? (left = true) : (fill = '0');
		if (*format == '*') {
			width = va_arg(arguments, int);
			format++;
		}
		for (; *format >= '0' && *format <= '9'; format++)
			width = width * 10 + *format - '0';
		if (*format == '.') {
			format++;
			precision = 0;
			if (*format == '*') {
				precision = va_arg(arguments, int);
				format++;
			}
			for (; *format >= '0' && *format <= '9'; format++)
				precision = precision * 10 + *format - '0';
		}
		for (; *format == 'l' || *format == 'z'; format++)
			longs++;
		switch (*format) {
		case 's': {
			const char *text = va_arg(arguments, const char *);
			if (!text)
				text = "(null)";
			size_t length = precision >= 0 ? strnlen(text, (size_t)precision) : strlen(text);
			put_padded(&sink, text, length, width, left, ' ');
			break;
		}
		case 'c':
			put(&sink, (char)va_arg(arguments, int));
			break;
		case 'd':
		case 'i': {
			int64_t value = longs ? va_arg(arguments, long) : va_arg(arguments, int);
			uint64_t magnitude = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
			put_number(&sink, magnitude, 10, value < 0, width, left, fill);
			break;
		}
		case 'u':
		case 'x':
		case 'X': {
			uint64_t value =
			    longs ? va_arg(arguments, unsigned long) : va_arg(arguments, unsigned);
			size_t from = sink.length;
			put_number(&sink, value, *format == 'u' ? 10 : 16, false, width, left, fill);
			for (; *format == 'X' && from < sink.length && from + 1 < size; from++)
				if (buffer[from] >= 'a')
					buffer[from] = (char)(buffer[from] - 'a' + 'A');
			break;
		}
		case 'o':
			put_number(&sink,
			           longs ? va_arg(arguments, unsigned long) : va_arg(arguments, unsigned), 8,
			           false, width, left, fill);
			break;
		case 'p':
			put(&sink, '0');
			put(&sink, 'x');
			put_number(&sink, (uint64_t)va_arg(arguments, void *), 16, false, width, left, fill);
			break;
		case 0:
			format--;
			break;
		default:
			put(&sink, *format);
		}
	}
	if (size)
		buffer[sink.length < size ? sink.length : size - 1] = 0;
	return (int)sink.length;
}

int text_format(char *buffer, size_t size, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	int length = text_format_list(buffer, size, format, arguments);
	va_end(arguments);
	return length;
}

void log_print(handle_t system, struct thread_page *page, const char *format, ...)
{
	char line[256];
	va_list arguments;
	va_start(arguments, format);
	int length = text_format_list(line, sizeof(line), format, arguments);
	va_end(arguments);
	if (length >= (int)sizeof(line))
		length = sizeof(line) - 1;
	memcpy(page->bytes, line, (size_t)length);
	syscall6(SYS_LOG_WRITE, system, length, 0, 0, 0, 0, 0);
}

uint64_t log_mark(const char *name)
{
	uint64_t mark = 0;
	for (unsigned i = 0; i < sizeof(mark) && name[i]; i++)
		mark |= (uint64_t)(uint8_t)name[i] << 8 * i;
	return mark;
}

const char *error_text(int64_t error)
{
	static const char *const texts[] = {
	    [-E_OK] = "success",
	    [-E_HANDLE] = "no such capability",
	    [-E_TYPE] = "capability of another type",
	    [-E_RIGHTS] = "a right is missing",
	    [-E_ARGUMENT] = "bad argument",
	    [-E_QUOTA_MEMORY] = "memory quota used up",
	    [-E_QUOTA_CAPS] = "capability quota used up",
	    [-E_QUOTA_CPU] = "CPU share or priority above the ceiling",
	    [-E_TIMEOUT] = "deadline passed",
	    [-E_STATE] = "wrong state",
	    [-E_EXISTS] = "already there",
	    [-E_NOT_FOUND] = "not found",
	    [-E_PEER] = "the other side is gone",
	    [-E_CALL] = "no such system call",
	    [-E_SUPPORT] = "not supported by this machine",
	    [-E_CANCELLED] = "cancelled",
	    [-E_BUSY] = "busy",
	    [-E_FAULT] = "no page there",
	    [-E_WX] = "writable and executable at once",
	};
	if (error > 0 || -error >= (int64_t)(sizeof(texts) / sizeof(*texts)) || !texts[-error])
		return "unknown error";
	return texts[-error];
}
