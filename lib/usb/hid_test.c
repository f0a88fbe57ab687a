/* Keyboards, mice and tablets: the report descriptors of QEMU's, and hostile ones. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "hid.h"

static int failures;
static struct input_event told[1024];
static unsigned count;

static void check(const char *name, bool right)
{
	printf(right ? "ok usb hid: %s\n" : "not ok usb hid: %s - see the check of this name\n", name);
	failures += !right;
}

static void emit(void *context, const struct input_event *event)
{
	(void)context;
	if (count < sizeof(told) / sizeof(*told))
		told[count++] = *event;
}

/* HID 1.11, B.1, as QEMU has it: modifiers, lamps, six keys. */
static const uint8_t keyboard[] = {
    0x05, 0x01, 0x09, 0x06, 0xa1, 0x01, 0x75, 0x01, 0x95, 0x08, 0x05, 0x07, 0x19, 0xe0, 0x29, 0xe7,
    0x15, 0x00, 0x25, 0x01, 0x81, 0x02, 0x95, 0x01, 0x75, 0x08, 0x81, 0x01, 0x95, 0x05, 0x75, 0x01,
    0x05, 0x08, 0x19, 0x01, 0x29, 0x05, 0x91, 0x02, 0x95, 0x01, 0x75, 0x03, 0x91, 0x01, 0x95, 0x06,
    0x75, 0x08, 0x15, 0x00, 0x25, 0xff, 0x05, 0x07, 0x19, 0x00, 0x29, 0xff, 0x81, 0x00, 0xc0};
/* Three buttons, two places of 0 to 0x7fff, a wheel. */
static const uint8_t tablet[] = {0x05, 0x01, 0x09, 0x02, 0xa1, 0x01, 0x09, 0x01, 0xa1, 0x00, 0x05, 0x09, 0x19,
                                 0x01, 0x29, 0x03, 0x15, 0x00, 0x25, 0x01, 0x95, 0x03, 0x75, 0x01, 0x81, 0x02,
                                 0x95, 0x01, 0x75, 0x05, 0x81, 0x01, 0x05, 0x01, 0x09, 0x30, 0x09, 0x31, 0x15,
                                 0x00, 0x26, 0xff, 0x7f, 0x35, 0x00, 0x46, 0xff, 0x7f, 0x75, 0x10, 0x95, 0x02,
                                 0x81, 0x02, 0x05, 0x01, 0x09, 0x38, 0x15, 0x81, 0x25, 0x7f, 0x35, 0x00, 0x45,
                                 0x00, 0x75, 0x08, 0x95, 0x01, 0x81, 0x06, 0xc0, 0xc0};

/* From a copy of just that size, so that a sanitizer sees a byte too much being read. */
static bool describe(struct hid *hid, const uint8_t *data, size_t bytes)
{
	uint8_t *copy = malloc(bytes ? bytes : 1);

	memcpy(copy, data, bytes);
	bool right = hid_describe(hid, copy, bytes);
	free(copy);
	return right;
}

static void report(struct hid *hid, const char *data, size_t bytes)
{
	uint8_t *copy = malloc(bytes ? bytes : 1);

	memcpy(copy, data, bytes);
	count = 0;
	hid_report(hid, copy, bytes, emit, 0);
	free(copy);
}

static bool is(unsigned index, uint16_t type, uint16_t code, int32_t value)
{
	return index < count && told[index].type == type && told[index].code == code &&
	       told[index].value == value;
}

static void test_keyboard(void)
{
	struct hid hid;

	check("a keyboard is one",
	      describe(&hid, keyboard, sizeof(keyboard)) && hid.field_count == 9 && !hid.numbered);
	report(&hid, "\x02\0\x04\0\0\0\0\0", 8);
	bool right = count == 2 && is(0, INPUT_KEY, 0x04, 1) && is(1, INPUT_KEY, 0xe1, 1);
	report(&hid, "\x02\0\x04\0\0\0\0\0", 8);
	check("a key and a modifier are pressed, once", right && !count);
	report(&hid, "\0\0\x05\x04\0\0\0\0", 8);
	check("one is let go, another is pressed",
	      count == 2 && is(0, INPUT_KEY, 0xe1, 0) && is(1, INPUT_KEY, 0x05, 1));
	report(&hid, "\0\0\x01\x01\x01\x01\x01\x01", 8);
	check("too many at a time tell nothing", !count);
	report(&hid, "\0\0\x05\x04", 4);
	right = !count;
	report(&hid, "", 0);
	check("a report that is cut short changes nothing that is not in it", right && !count);
	hid_release(&hid, emit, 0);
	check("when it goes, all keys are let go",
	      count == 2 && is(0, INPUT_KEY, 0x04, 0) && is(1, INPUT_KEY, 0x05, 0));
}

static void test_tablet(void)
{
	struct hid hid;

	check("a tablet is one", describe(&hid, tablet, sizeof(tablet)) && hid.field_count == 6);
	report(&hid, "\x01\xff\x7f\0\0\xff", 6);
	check("it tells a place, the wheel, and then a button",
	      count == 4 && is(0, INPUT_PLACE, INPUT_X, INPUT_PLACE_MAX) && is(1, INPUT_PLACE, INPUT_Y, 0) &&
	          is(2, INPUT_MOVE, INPUT_WHEEL, -1) && is(3, INPUT_BUTTON, 1, 1));
	report(&hid, "\x04\xff\x7f\xff\xff\0", 6);
	check("a place outside of its range is none",
	      count == 2 && is(0, INPUT_BUTTON, 1, 0) && is(1, INPUT_BUTTON, 3, 1));
}

static void test_numbered(void)
{
	/* Report 1: x, y as a mouse's; report 2: a key. */
	static const uint8_t both[] = {0x05, 0x01, 0x85, 0x01, 0x09, 0x30, 0x09, 0x31, 0x15, 0x81, 0x25, 0x7f,
	                               0x75, 0x08, 0x95, 0x02, 0x81, 0x06, 0x85, 0x02, 0x05, 0x07, 0x09, 0x04,
	                               0x15, 0x00, 0x25, 0x01, 0x75, 0x01, 0x95, 0x01, 0x81, 0x02};
	struct hid hid;

	bool right = describe(&hid, both, sizeof(both)) && hid.numbered;
	report(&hid, "\x01\x80\x05", 3);
	right = right && count == 2 && is(0, INPUT_MOVE, INPUT_X, -128) && is(1, INPUT_MOVE, INPUT_Y, 5);
	report(&hid, "\x02\x01", 2);
	right = right && count == 1 && is(0, INPUT_KEY, 4, 1);
	report(&hid, "\x03\x01\x01", 3);
	check("reports of several numbers are told apart", right && !count);
}

static void test_hostile(void)
{
	static const uint8_t huge[] = {0x05, 0x07, 0x76, 0xff, 0xff, 0x96, 0xff,
	                               0xff, 0x19, 0x00, 0x29, 0xff, 0x81, 0x00};
	static const uint8_t full[] = {0x05, 0x07, 0x75, 0x08, 0x95, 0x40, 0x19,
	                               0x04, 0x29, 0x43, 0x81, 0x02, 0x81, 0x02};
	static const uint8_t pops[] = {0xb4};
	static const uint8_t zero[] = {0x85, 0x00};
	uint8_t pushes[64], many[HID_DESCRIPTOR_MAX + 1];
	struct hid hid;
	bool right = true;

	for (size_t cut = 0; cut < sizeof(keyboard); cut++)
		right = right && (!describe(&hid, keyboard, cut) || hid.field_count <= 9);
	check("a descriptor that is cut anywhere is within its limits", right);
	check("one whose report is longer than any is none", !describe(&hid, huge, sizeof(huge)));
	check("one whose parts together are longer, too", !describe(&hid, full, sizeof(full)));
	memset(pushes, 0xa4, sizeof(pushes));
	check("pushes without end, a pop of nothing and a report 0 are refused",
	      !describe(&hid, pushes, sizeof(pushes)) && !describe(&hid, pops, 1) &&
	          !describe(&hid, zero, 2));
	right = describe(&hid, full, sizeof(full) - 2) && hid.field_count == HID_FIELDS_MAX;
	char ones[HID_REPORT_BYTES];
	memset(ones, 1, sizeof(ones));
	report(&hid, ones, sizeof(ones));
	check("of more fields than the limit the first count", right && count == HID_FIELDS_MAX);
	memset(many, 0, sizeof(many));
	check("one that is longer than the limit, or says nothing, is none",
	      !describe(&hid, many, sizeof(many)) && !describe(&hid, many, 10) && !describe(&hid, many, 0));
	static const uint8_t longs[] = {0xfe, 0x03, 0x00, 1, 2, 3, 0xfe, 0xff, 0x00};
	check("long items are passed over, and end with the descriptor",
	      !describe(&hid, longs, sizeof(longs)));
}

int main(void)
{
	test_keyboard();
	test_tablet();
	test_numbered();
	test_hostile();
	return failures != 0;
}
