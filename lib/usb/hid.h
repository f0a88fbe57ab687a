/*
 * Keyboards, mice and tablets: what their report descriptor says, and what a report means. Sources: Device Class Definition for
 * Human Interface Devices 1.11 ("HID"), 5 and 6.2.2; HID Usage Tables 1.4. The device is hostile: a descriptor is read once, within
 * the limits below, and what does not fit is left out; a report has only the bits that were received. No I/O, no allocation.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <holon/input.h>

#define HID_DESCRIPTOR_MAX 1024u
#define HID_REPORT_BYTES   64u
#define HID_FIELDS_MAX     64u
#define HID_REPORTS_MAX    8u /* of one device, told by their first byte */
#define HID_BUTTONS_MAX    32u
#define HID_KEYS           256u

enum hid_kind { HID_KEY, HID_KEYS_PRESSED, HID_BUTTON, HID_AXIS };

/* Some bits of a report. */
struct hid_field {
	uint8_t kind;   /* enum hid_kind */
	uint8_t report; /* its report's number */
	uint8_t bits;   /* of one value, 1 to 32 */
	bool is_signed; /* axis: */
	bool relative;  /* else a place between LOW and HIGH */
	uint16_t bit;   /* the first */
	uint16_t count; /* of values: 1, but for an array of pressed keys */
	uint16_t usage; /* key, button or axis (enum input_axis); of an array, the key that LOW stands for */
	int32_t low, high; /* logical, LOW < HIGH for axes */
};

struct hid {
	unsigned field_count;
	struct hid_field fields[HID_FIELDS_MAX];
	bool numbered;                /* reports begin with their number */
	uint32_t keys[HID_KEYS / 32]; /* that are pressed, by bits */
	uint32_t buttons;
	int32_t places[INPUT_AXES]; /* last told; negative: none */
};

typedef void hid_emit(void *context, const struct input_event *event);

/* Reads a report descriptor of BYTES at DATA. False: the device has nothing to tell that this system knows. */
bool hid_describe(struct hid *hid, const uint8_t *data, size_t bytes);
/* Takes a report, and tells what has changed. */
void hid_report(struct hid *hid, const uint8_t *data, size_t bytes, hid_emit *emit, void *context);
/* All that is pressed is let go: the device is gone. */
void hid_release(struct hid *hid, hid_emit *emit, void *context);
