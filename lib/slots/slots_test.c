/* Tests of the slots' record: its form, which copy counts, and whose turn it is. */
#include "slots.h"

#include <stdio.h>
#include <string.h>

static int failures;

static void check(bool good, const char *name)
{
	failures += !good;
	printf(good ? "ok %s\n" : "not ok %s - it is otherwise\n", name);
}

static const struct slots two_good = {
    .sequence = 7, .slot = {{2, 0, true, 4096}, {1, 0, true, 8192}}, .copy = 1};

static void test_form(void)
{
	uint8_t record[SLOTS_RECORD_BYTES], other[SLOTS_RECORD_BYTES];
	struct slots read;
	slots_format(record, &two_good);
	bool same = slots_parse(&read, record) && read.sequence == 7 && read.slot[1].bytes == 8192 &&
	            read.slot[0].priority == 2 && read.slot[1].good;
	check(same, "slots: a record is read as it was written");
	unsigned accepted = 0;
	for (unsigned bit = 0; bit < 8 * SLOTS_RECORD_BYTES; bit++) {
		memcpy(other, record, sizeof(other));
		other[bit / 8] ^= (uint8_t)(1u << bit % 8);
		accepted += slots_parse(&read, other);
	}
	check(!accepted, "slots: each flipped bit of a record is noticed");
	struct slots wrong = two_good;
	wrong.slot[0].priority = SLOTS_PRIORITY_MAX + 1;
	slots_format(record, &wrong);
	check(!slots_parse(&read, record), "slots: a priority out of bounds is refused, digest or not");
	wrong = two_good;
	wrong.sequence = 0;
	slots_format(record, &wrong);
	check(!slots_parse(&read, record), "slots: a record without a sequence is none");
}

/* Every write of a record, cut off at every byte: what is read is the old one or the new one. */
static void test_torn(void)
{
	uint8_t copies[SLOTS_COPIES][SLOTS_RECORD_BYTES] = {0}, fresh[SLOTS_RECORD_BYTES];
	struct slots slots = {0}, read;
	unsigned wrong = 0;
	slots_offer(&slots, 0, 4096);
	memcpy(copies[slots_next(&slots, fresh)], fresh, sizeof(fresh));
	slots_confirm(&slots, 0);
	memcpy(copies[slots_next(&slots, fresh)], fresh, sizeof(fresh));
	for (unsigned round = 0; round < 20; round++) {
		struct slots next = slots;
		slots_offer(&next, round & 1, 4096 * round);
		unsigned copy = slots_next(&next, fresh);
		for (unsigned cut = 0; cut <= sizeof(fresh); cut++) {
			uint8_t torn[SLOTS_COPIES][SLOTS_RECORD_BYTES];
			memcpy(torn, copies, sizeof(torn));
			memcpy(torn[copy], fresh, cut);
			slots_read(&read, torn[0], torn[1]);
			wrong += read.sequence != slots.sequence && read.sequence != next.sequence;
		}
		memcpy(copies[copy], fresh, sizeof(fresh));
		slots_read(&slots, copies[0], copies[1]);
		wrong += slots.sequence != next.sequence || slots.copy != copy;
	}
	check(!wrong, "slots: a write that is cut at any byte leaves the old record or the new one");
}

static void test_turns(void)
{
	struct slots slots = two_good;
	check(slots_pick(&slots, 0) == 0 && slots_pick(&slots, 1) == 1 && slots_pick(&slots, 3) < 0,
	      "slots: the higher priority comes first, then the other, then none");
	slots_offer(&slots, 1, 4096);
	check(slots_pick(&slots, 0) == 1 && slots_on_trial(&slots, 1) && slots.slot[1].tries == SLOTS_TRIES,
	      "slots: a new image's turn is first, on trial");
	slots.slot[1].tries = 0;
	check(slots_pick(&slots, 0) == 0, "slots: without tries left, the good one's turn is first");
	slots_confirm(&slots, 1);
	check(slots_pick(&slots, 0) == 1 && !slots_on_trial(&slots, 1),
	      "slots: one that was confirmed stays first");
	slots_clear(&slots, 1);
	check(slots_pick(&slots, 0) == 0, "slots: one that is being written has no turn");
	slots_clear(&slots, 0);
	check(slots_pick(&slots, 0) == 0 && slots_pick(&slots, 1) == 1,
	      "slots: rather than none, any is tried");
	slots = two_good;
	slots_prefer(&slots, 1);
	check(slots_pick(&slots, 0) == 1 && slots.slot[0].priority, "slots: a person may prefer the other");
	uint8_t none[SLOTS_RECORD_BYTES] = {0};
	slots_read(&slots, none, none);
	check(slots_pick(&slots, 0) == 0 && slots_pick(&slots, 1) == 1 && !slots.sequence,
	      "slots: with no record both are tried");
}

int main(void)
{
	test_form();
	test_torn();
	test_turns();
	return failures != 0;
}
