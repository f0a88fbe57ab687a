/* See scsi.h. SCSI's numbers are big-endian, BOT's little-endian. */
#include "scsi.h"

#include <text.h>

static const uint8_t command_signature[4] = {'U', 'S', 'B', 'C'}, status_signature[4] = {'U', 'S', 'B', 'S'};

static void put32_big(uint8_t *to, uint32_t value)
{
	for (unsigned i = 0; i < 4; i++)
		to[i] = (uint8_t)(value >> (24 - 8 * i));
}

static uint32_t get32_big(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void put32(uint8_t *to, uint32_t value)
{
	for (unsigned i = 0; i < 4; i++)
		to[i] = (uint8_t)(value >> (8 * i));
}

static uint32_t get32(const uint8_t *at)
{
	return (uint32_t)at[3] << 24 | (uint32_t)at[2] << 16 | (uint32_t)at[1] << 8 | at[0];
}

struct scsi_command scsi_simple(uint8_t operation, uint32_t answer)
{
	struct scsi_command command = {.length = operation < 0x20 ? 6 : 10};

	command.bytes[0] = operation;
	if (operation == SCSI_MODE_SENSE_6)
		command.bytes[2] = 0x3f; /* all pages: some devices know no other */
	if (command.length == 6)
		command.bytes[4] = (uint8_t)answer;
	return command;
}

struct scsi_command scsi_capacity(bool wide)
{
	struct scsi_command command = {.length = wide ? 16 : 10};

	command.bytes[0] = wide ? SCSI_SERVICE_ACTION_IN_16 : SCSI_READ_CAPACITY_10;
	if (wide) {
		command.bytes[1] = 0x10;
		command.bytes[13] = 32;
	}
	return command;
}

struct scsi_command scsi_transfer(bool write, uint64_t sector, uint32_t sectors)
{
	bool wide = sector + sectors > UINT32_MAX;
	struct scsi_command command = {.length = wide ? 16 : 10};

	if (wide) {
		command.bytes[0] = write ? SCSI_WRITE_16 : SCSI_READ_16;
		put32_big(command.bytes + 2, (uint32_t)(sector >> 32));
		put32_big(command.bytes + 6, (uint32_t)sector);
		put32_big(command.bytes + 10, sectors);
	} else {
		command.bytes[0] = write ? SCSI_WRITE_10 : SCSI_READ_10;
		put32_big(command.bytes + 2, (uint32_t)sector);
		command.bytes[7] = (uint8_t)(sectors >> 8);
		command.bytes[8] = (uint8_t)sectors;
	}
	return command;
}

void bot_command(uint8_t to[BOT_COMMAND_BYTES], uint32_t tag, uint32_t bytes, bool in,
                 const struct scsi_command *command)
{
	memset(to, 0, BOT_COMMAND_BYTES);
	memcpy(to, command_signature, sizeof(command_signature));
	put32(to + 4, tag);
	put32(to + 8, bytes);
	to[12] = in ? 0x80 : 0;
	to[14] = command->length;
	memcpy(to + 15, command->bytes, command->length);
}

enum bot_status bot_status_parse(const uint8_t *data, size_t bytes, uint32_t tag, uint32_t wanted,
                                 uint32_t *moved)
{
	*moved = 0;
	if (bytes != BOT_STATUS_BYTES || memcmp(data, status_signature, sizeof(status_signature)) != 0 ||
	    get32(data + 4) != tag || data[12] > 1)
		return BOT_BROKEN;
	if (data[12])
		return BOT_FAILED;
	if (get32(data + 8) > wanted)
		return BOT_BROKEN;
	*moved = wanted - get32(data + 8);
	return BOT_GOOD;
}

bool scsi_sense_parse(const uint8_t *data, size_t bytes, struct scsi_sense *sense)
{
	if (bytes < 14 || (data[0] & 0x7e) != 0x70)
		return false;
	*sense = (struct scsi_sense){.key = data[2] & 15, .code = data[12], .qualifier = data[13]};
	return true;
}

bool scsi_capacity_parse(const uint8_t *data, size_t bytes, bool wide, uint64_t *sectors,
                         uint32_t *sector_bytes)
{
	uint64_t last;

	if (bytes < (wide ? 12u : 8u))
		return false;
	last = wide ? (uint64_t)get32_big(data) << 32 | get32_big(data + 4) : get32_big(data);
	*sector_bytes = get32_big(data + (wide ? 8 : 4));
	*sectors = last + 1;
	return *sectors && *sectors <= UINT64_MAX / 4096 && *sector_bytes >= 512 && *sector_bytes <= 4096 &&
	       !(*sector_bytes & (*sector_bytes - 1));
}

bool scsi_inquiry_parse(const uint8_t *data, size_t bytes, enum scsi_type type, bool *removable, char *model,
                        size_t room)
{
	size_t length = 0;

	if (bytes < 36 || !room || (data[0] & 0x1f) != (uint8_t)type || data[0] >> 5)
		return false;
	*removable = data[1] & 0x80;
	for (size_t i = 8; i < 32 && length + 1 < room; i++) {
		bool twice = data[i] == ' ' && (!length || model[length - 1] == ' ');
		if (!twice)
			model[length++] = (char)(data[i] >= 0x20 && data[i] < 0x7f ? data[i] : '-');
	}
	while (length && model[length - 1] == ' ')
		length--;
	model[length] = 0;
	return true;
}

bool scsi_protected(const uint8_t *data, size_t bytes)
{
	return bytes >= 4 && data[2] & 0x80;
}
