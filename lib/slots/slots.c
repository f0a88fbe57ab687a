/* See slots.h. */
#include "slots.h"

#include <crypto/blake3.h>
#include <crypto/util.h>
#include "filesystem/bytes.h"

enum { VERSION = 1, AT_VERSION = 8, AT_SEQUENCE = 16, AT_SLOTS = 24, SLOT_BYTES = 16, AT_DIGEST = 480 };

/* 9e6e8a6d-2f0b-4c5a-8a4e-486f6c6f6e41 and …42: as all of GPT's, the first three numbers are little-endian. */
const uint8_t slots_type_slot[16] = {0x6d, 0x8a, 0x6e, 0x9e, 0x0b, 0x2f, 0x5a, 0x4c,
                                     0x8a, 0x4e, 0x48, 0x6f, 0x6c, 0x6f, 0x6e, 0x41};
const uint8_t slots_type_record[16] = {0x6d, 0x8a, 0x6e, 0x9e, 0x0b, 0x2f, 0x5a, 0x4c,
                                       0x8a, 0x4e, 0x48, 0x6f, 0x6c, 0x6f, 0x6e, 0x42};

static const uint8_t magic[8] = {'H', 'o', 'l', 'o', 'n', 'S', 'l', 't'};

void slots_format(uint8_t record[SLOTS_RECORD_BYTES], const struct slots *slots)
{
	memset(record, 0, SLOTS_RECORD_BYTES);
	memcpy(record, magic, sizeof(magic));
	put32(record + AT_VERSION, VERSION);
	put64(record + AT_SEQUENCE, slots->sequence);
	for (unsigned i = 0; i < SLOTS; i++) {
		uint8_t *at = record + AT_SLOTS + SLOT_BYTES * i;
		at[0] = slots->slot[i].priority;
		at[1] = slots->slot[i].tries;
		at[2] = slots->slot[i].good;
		put64(at + 8, slots->slot[i].bytes);
	}
	blake3_hash(record + AT_DIGEST, record, AT_DIGEST);
}

bool slots_parse(struct slots *slots, const uint8_t record[SLOTS_RECORD_BYTES])
{
	uint8_t again[SLOTS_RECORD_BYTES];
	struct slots found = {.sequence = get64(record + AT_SEQUENCE)};
	for (unsigned i = 0; i < SLOTS; i++) {
		const uint8_t *at = record + AT_SLOTS + SLOT_BYTES * i;
		if (at[0] > SLOTS_PRIORITY_MAX || at[2] > 1)
			return false;
		found.slot[i] = (struct slot){at[0], at[1], at[2], get64(at + 8)};
	}
	/* One form for one content: whatever else is there makes a difference, and so does a digest that is wrong. */
	slots_format(again, &found);
	if (!found.sequence || memcmp(again, record, sizeof(again)) != 0)
		return false;
	*slots = found;
	return true;
}

void slots_read(struct slots *slots, const uint8_t first[SLOTS_RECORD_BYTES],
                const uint8_t second[SLOTS_RECORD_BYTES])
{
	struct slots copies[SLOTS_COPIES];
	bool valid[SLOTS_COPIES] = {slots_parse(&copies[0], first), slots_parse(&copies[1], second)};
	if (!valid[0] && !valid[1]) {
		*slots = (struct slots){.slot = {{.priority = 2}, {.priority = 1}}};
		return;
	}
	unsigned newer = !valid[0] || (valid[1] && copies[1].sequence > copies[0].sequence);
	*slots = copies[newer];
	slots->copy = newer;
}

unsigned slots_next(struct slots *slots, uint8_t record[SLOTS_RECORD_BYTES])
{
	slots->sequence++;
	slots->copy = (slots->copy + 1) % SLOTS_COPIES;
	slots_format(record, slots);
	return slots->copy;
}

static bool may_start(const struct slot *slot)
{
	return slot->priority && (slot->good || slot->tries);
}

int slots_pick(const struct slots *slots, unsigned tried)
{
	int best = -1;
	for (unsigned i = 0; i < SLOTS; i++)
		if (!(tried >> i & 1) && may_start(&slots->slot[i]) &&
		    (best < 0 || slots->slot[i].priority > slots->slot[best].priority))
			best = (int)i;
	for (unsigned i = 0; i < SLOTS && best < 0; i++)
		if (!(tried >> i & 1))
			best = (int)i;
	return best;
}

bool slots_on_trial(const struct slots *slots, unsigned slot)
{
	return !slots->slot[slot].good;
}

void slots_clear(struct slots *slots, unsigned slot)
{
	slots->slot[slot] = (struct slot){0};
}

void slots_prefer(struct slots *slots, unsigned slot)
{
	uint8_t *other = &slots->slot[1 - slot].priority;
	*other = *other != 0;
	slots->slot[slot].priority = 2;
}

void slots_offer(struct slots *slots, unsigned slot, uint64_t bytes)
{
	slots->slot[slot] = (struct slot){.tries = SLOTS_TRIES, .bytes = bytes};
	slots_prefer(slots, slot);
}

void slots_confirm(struct slots *slots, unsigned slot)
{
	slots->slot[slot].good = true;
	slots->slot[slot].tries = 0;
	slots_prefer(slots, slot);
}
