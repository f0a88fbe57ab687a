/* Fuzzes the record of slots: two copies of anything, one with its digest made right. What is read is within bounds and in its one
 * form, and both slots are tried once each, whatever the record says. */
#include <crypto/blake3.h>
#include <stdlib.h>
#include <string.h>

#include "slots.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t copies[SLOTS_COPIES][SLOTS_RECORD_BYTES] = {0}, again[SLOTS_RECORD_BYTES];
	struct slots slots, parsed;
	if (!size)
		return 0;
	const unsigned first = data[0] & 1;
	data++;
	size--;
	memcpy(copies, data, size < sizeof(copies) ? size : sizeof(copies));
	blake3_hash(copies[first] + 480, copies[first], 480);
	for (unsigned i = 0; i < SLOTS_COPIES; i++) {
		if (!slots_parse(&parsed, copies[i]))
			continue;
		slots_format(again, &parsed);
		if (memcmp(again, copies[i], sizeof(again)) != 0)
			abort();
	}
	slots_read(&slots, copies[0], copies[1]);
	unsigned tried = 0;
	for (int pick; (pick = slots_pick(&slots, tried)) >= 0; tried |= 1u << pick)
		if (pick >= SLOTS || tried >> pick & 1)
			abort();
	if (tried != (1u << SLOTS) - 1)
		abort();
	const unsigned slot = size & 1, copy = slots.copy;
	slots_offer(&slots, slot, 4096);
	if (slots_pick(&slots, 0) != (int)slot || slots.slot[slot].priority > SLOTS_PRIORITY_MAX)
		abort();
	slots_confirm(&slots, slot);
	if (slots_next(&slots, again) == copy || (slots.sequence && !slots_parse(&parsed, again)))
		abort();
	return 0;
}
