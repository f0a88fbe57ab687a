/*
 * The words of USB mass storage: wrappers of commands and of their status (USB Mass Storage Class, Bulk-Only Transport 1.0,
 * "BOT"), and those SCSI commands and answers that a disk needs (SBC-3, SPC-4). No I/O, no allocation; what a device answers
 * is checked before it is believed.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BOT_COMMAND_BYTES 31u
#define BOT_STATUS_BYTES  13u
#define SCSI_COMMAND_MAX  16u

enum scsi_operation {
	SCSI_TEST_UNIT_READY = 0x00,
	SCSI_REQUEST_SENSE = 0x03,
	SCSI_INQUIRY = 0x12,
	SCSI_MODE_SENSE_6 = 0x1a,
	SCSI_READ_CAPACITY_10 = 0x25,
	SCSI_READ_10 = 0x28,
	SCSI_WRITE_10 = 0x2a,
	SCSI_SYNCHRONIZE_CACHE_10 = 0x35,
	SCSI_READ_16 = 0x88,
	SCSI_WRITE_16 = 0x8a,
	SCSI_SERVICE_ACTION_IN_16 = 0x9e /* with action 0x10: READ CAPACITY (16) */
};

struct scsi_command {
	uint8_t bytes[SCSI_COMMAND_MAX];
	uint8_t length;
};

/* Commands with an answer of ANSWER bytes (at most 255 where one byte holds it). */
struct scsi_command scsi_simple(uint8_t operation, uint32_t answer);
struct scsi_command scsi_capacity(bool wide);
/* READ or WRITE, of the length that SECTOR needs. SECTORS: below 65,536. */
struct scsi_command scsi_transfer(bool write, uint64_t sector, uint32_t sectors);

/* BOT, 5.1 */
void bot_command(uint8_t to[BOT_COMMAND_BYTES], uint32_t tag, uint32_t bytes, bool in,
                 const struct scsi_command *command);
enum bot_status {
	BOT_GOOD,
	BOT_FAILED, /* REQUEST SENSE says why */
	BOT_BROKEN  /* to be reset */
};
/* 5.2, 6.3: the status of the command TAG, which was to move WANTED bytes, and how many of them count (MOVED; none unless BOT_GOOD). */
enum bot_status bot_status_parse(const uint8_t *data, size_t bytes, uint32_t tag, uint32_t wanted,
                                 uint32_t *moved);

struct scsi_sense {
	uint8_t key, code, qualifier;
};
enum scsi_key {
	SENSE_NONE = 0,
	SENSE_RECOVERED = 1,
	SENSE_NOT_READY = 2,
	SENSE_MEDIUM = 3,
	SENSE_ILLEGAL = 5,
	SENSE_ATTENTION = 6,
	SENSE_PROTECTED = 7
};
/* SPC-4, 4.5.3: fixed format. False: no sense. */
bool scsi_sense_parse(const uint8_t *data, size_t bytes, struct scsi_sense *sense);

/* SBC-3, 5.16 (8 bytes), 5.17 (WIDE: 32). False: no capacity that can be used. A SECTORS of 2^32 from the short one asks for
 * the wide one. */
bool scsi_capacity_parse(const uint8_t *data, size_t bytes, bool wide, uint64_t *sectors,
                         uint32_t *sector_bytes);
enum scsi_type { SCSI_DISK = 0, SCSI_CD = 5 };
/* SPC-4, 6.6.2: whether it is of this TYPE, whether its medium can be changed, and its maker's words for it. */
bool scsi_inquiry_parse(const uint8_t *data, size_t bytes, enum scsi_type type, bool *removable, char *model,
                        size_t room);
/* SPC-4, 7.5.5: MODE SENSE (6)'s header says whether it is write-protected. */
bool scsi_protected(const uint8_t *data, size_t bytes);
