/* Lines that holon-run sends on COM2 (abi/holon/command.h): "eof N" and "size COLUMNSxROWS". */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct control {
	char line[64];
	uint32_t length;
	bool eof_known;
	uint64_t eof_at;        /* bytes of COM1 input in all */
	uint32_t columns, rows; /* 0: not told yet */
};

/* Takes received bytes; unknown and overlong lines are dropped. */
void control_take(struct control *control, const uint8_t *bytes, uint32_t count);
/* Parses "COLUMNSxROWS"; false leaves the numbers alone. */
bool control_size(const char *text, uint32_t *columns, uint32_t *rows);
/* Parses COUNT comma-separated numbers below 2^31; false unless TEXT is just that. */
bool control_numbers(const char *text, uint32_t *numbers, unsigned count);
