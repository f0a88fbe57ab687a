/* See line.h. */
#include "line.h"

#include "device.interface.h"
#include "serial.interface.h"

#define CALL_NS  200000000ull
#define AT_ONCE  1024u /* bytes of a call */
#define ROOM     1024u /* that output finds, or waits for */
#define STILL_NS 1000000000ull

static uint64_t deadline(void)
{
	return clock_ns() + CALL_NS;
}

/* Its driver does not answer: it is found again when the next one does. */
static void lose(struct line *line)
{
	cap_delete(line->channel);
	line->channel = 0;
	line->sent = line->put;
}

void line_found(struct line *line, const char *name)
{
	if (!line->channel && device_open(line->devices, line->page, name, &line->channel, deadline()) < 0)
		line->channel = 0;
}

void line_look(struct line *line)
{
	int64_t event =
	    line->channel ? cap_copy(line->event, RIGHT_SIGNAL | RIGHT_COPY | RIGHT_MOVE, line->bit) : 0;

	if (event <= 0)
		return;
	if (serial_watch(line->channel, line->page, (handle_t)event, line->bit, deadline()) >= 0)
		return;
	cap_delete((handle_t)event);
	lose(line);
}

uint32_t line_read(struct line *line, uint8_t bytes[SERIAL_AT_ONCE])
{
	const void *data;
	uint32_t count;

	if (!line->channel)
		return 0;
	if (serial_read(line->channel, line->page, &data, &count, deadline()) < 0 || count > SERIAL_AT_ONCE) {
		lose(line);
		return 0;
	}
	memcpy(bytes, data, count);
	return count;
}

bool line_flush(struct line *line)
{
	while (line->channel && line->sent != line->put) {
		uint32_t at = line->sent % LINE_KEPT, left = line->put - line->sent, taken;
		uint32_t part = left < LINE_KEPT - at ? left : LINE_KEPT - at;

		part = part < AT_ONCE ? part : AT_ONCE;
		if (serial_write(line->channel, line->page, line->kept + at, part, &taken, deadline()) < 0 ||
		    taken > part) {
			lose(line);
			break;
		}
		line->sent += taken;
		line->moved_at = taken ? clock_ns() : line->moved_at;
		if (taken < part)
			return false;
	}
	return true;
}

void line_write(struct line *line, const uint8_t *bytes, uint32_t count)
{
	if (!line->channel)
		return;
	if (line->sent == line->put)
		line->moved_at = clock_ns();
	for (uint32_t i = 0; i < count && line->put - line->sent < LINE_KEPT; i++)
		line->kept[line->put++ % LINE_KEPT] = bytes[i];
	line_flush(line);
}

bool line_waits(const struct line *line, uint64_t *until)
{
	*until = line->moved_at + STILL_NS;
	return line->channel && line->put - line->sent > LINE_KEPT - ROOM && clock_ns() < *until;
}
