/* See control.h. */
#include "control.h"
#include <text.h>

static bool number(const char **text, uint64_t limit, uint64_t *value)
{
	const char *at = *text;
	*value = 0;
	for (; *at >= '0' && *at <= '9'; at++) {
		*value = *value * 10 + (uint64_t)(*at - '0');
		if (*value > limit)
			return false;
	}
	bool some = at != *text;
	*text = at;
	return some;
}

bool control_size(const char *text, uint32_t *columns, uint32_t *rows)
{
	uint64_t width;
	uint64_t height;
	if (!number(&text, 1000, &width) || *text++ != 'x' || !number(&text, 1000, &height) || !width ||
	    !height)
		return false;
	*columns = (uint32_t)width;
	*rows = (uint32_t)height;
	return true;
}

bool control_numbers(const char *text, uint32_t *numbers, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		uint64_t value;
		if ((i && *text++ != ',') || !number(&text, INT32_MAX, &value))
			return false;
		numbers[i] = (uint32_t)value;
	}
	return !*text;
}

static void control_line(struct control *control)
{
	const char *text = control->line;
	uint64_t value;
	if (strncmp(text, "eof ", 4) == 0) {
		text += 4;
		if (number(&text, 1ull << 60, &value)) {
			control->eof_known = true;
			control->eof_at = value;
		}
	} else if (strncmp(text, "size ", 5) == 0) {
		control_size(text + 5, &control->columns, &control->rows);
	}
}

void control_take(struct control *control, const uint8_t *bytes, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		if (bytes[i] == '\n' || bytes[i] == '\r') {
			control->line[control->length < sizeof(control->line) ? control->length : 0] = 0;
			if (control->length)
				control_line(control);
			control->length = 0;
		} else if (control->length < sizeof(control->line)) {
			control->line[control->length++] = (char)bytes[i];
		}
	}
}
