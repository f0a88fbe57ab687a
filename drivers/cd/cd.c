/* See cd.h. */
#include "cd.h"

#include <text.h>

#define SENSE_BYTES   18u
#define INQUIRY_BYTES 36u
#define LOOKS         5u /* a drive may have something to tell before it answers */
#define TRIES         3u
#define START_NS      3000000000ull /* for all that is asked when the driver begins */
#define NO_MEDIUM     0x3au         /* of SENSE_NOT_READY */
#define MEDIUM_NEW    0x28u         /* of SENSE_ATTENTION */

static int32_t answer(const struct cd *cd, struct scsi_command command, void *to, uint32_t bytes)
{
	uint8_t packet[CD_PACKET_BYTES];

	if (clock_ns() >= cd->until)
		return -1;
	memcpy(packet, command.bytes, sizeof(packet));
	return cd->answer(cd->context, packet, to, bytes, cd->until);
}

static struct scsi_sense sense_of(const struct cd *cd)
{
	struct scsi_sense sense = {.key = SENSE_MEDIUM};
	uint8_t said[SENSE_BYTES];
	int32_t bytes = answer(cd, scsi_simple(SCSI_REQUEST_SENSE, SENSE_BYTES), said, SENSE_BYTES);

	if (bytes > 0)
		(void)scsi_sense_parse(said, (size_t)bytes, &sense);
	return sense;
}

bool cd_identified(const uint16_t words[256])
{
	return words[0] >> 14 == 2 && (words[0] >> 8 & 31) == SCSI_CD && !(words[0] & 3) &&
	       words[49] >> 8 & 1;
}

/* The sectors of what is in the drive; 0: nothing that can be read. *CHANGED: it was put in since the drive was last asked. */
static uint64_t medium(const struct cd *cd, bool *changed)
{
	uint64_t sectors;
	uint32_t sector_bytes;
	uint8_t said[8];

	for (unsigned tries = 0; answer(cd, scsi_simple(SCSI_TEST_UNIT_READY, 0), 0, 0) < 0; tries++) {
		struct scsi_sense sense = sense_of(cd);
		*changed |= sense.key == SENSE_ATTENTION && sense.code == MEDIUM_NEW;
		if (sense.key != SENSE_ATTENTION || tries == LOOKS)
			return 0;
	}
	int32_t bytes = answer(cd, scsi_capacity(false), said, sizeof(said));
	return bytes >= 0 && scsi_capacity_parse(said, (size_t)bytes, false, &sectors, &sector_bytes) &&
	               sector_bytes == CD_SECTOR && sectors <= UINT32_MAX
	           ? sectors
	           : 0;
}

bool cd_init(struct cd *cd, unsigned index, uint32_t transfer_bytes)
{
	struct block_description *is = &cd->description;
	uint8_t said[INQUIRY_BYTES];
	bool removable, changed = false;

	*is = (struct block_description){.sector_bytes = CD_SECTOR,
	                                 .physical_bytes = CD_SECTOR,
	                                 .transfer_bytes = transfer_bytes - transfer_bytes % CD_SECTOR,
	                                 .data_alignment = 512,
	                                 .queue_depth = 1,
	                                 .flags = BLOCK_IS_READ_ONLY | BLOCK_IS_REMOVABLE};
	cd->until = clock_ns() + START_NS;
	memcpy(is->serial, "cd0", sizeof("cd0"));
	is->serial[2] = (char)('0' + index % 10);
	int32_t bytes = answer(cd, scsi_simple(SCSI_INQUIRY, INQUIRY_BYTES), said, INQUIRY_BYTES);
	if (bytes < 0 ||
	    !scsi_inquiry_parse(said, (size_t)bytes, SCSI_CD, &removable, is->model, sizeof(is->model)))
		return false;
	is->sectors = medium(cd, &changed);
	return true;
}

static void medium_is(struct cd *cd, uint64_t sectors, bool changed)
{
	if (!changed && sectors == cd->description.sectors)
		return;
	cd->description.sectors = sectors;
	block_server_replaced(cd->server, cd->number, &cd->description);
}

void cd_look(struct cd *cd)
{
	bool changed = false;
	uint64_t now = clock_ns();

	if (now < cd->rests_until)
		return;
	cd->until = now + CD_PATIENCE_NS;
	uint64_t sectors = medium(cd, &changed);
	now = clock_ns();
	bool late = now >= cd->until;
	if (late)
		cd->rests_until = now + CD_REST_NS;
	if (!late || changed) /* which it says once */
		medium_is(cd, late ? 0 : sectors, changed);
}

void cd_read(const struct block_io *io, uint8_t packet[CD_PACKET_BYTES])
{
	struct scsi_command command = scsi_transfer(false, io->sector, io->sectors);

	memcpy(packet, command.bytes, CD_PACKET_BYTES);
}

enum block_status cd_failed(struct cd *cd, bool *again)
{
	cd->until = clock_ns() + CD_PATIENCE_NS;
	struct scsi_sense sense = sense_of(cd);
	bool empty = sense.key == SENSE_NOT_READY && sense.code == NO_MEDIUM;

	if (empty || (sense.key == SENSE_ATTENTION && sense.code == MEDIUM_NEW)) {
		*again = false;
		medium_is(cd, 0, true); /* what is there now, who opens it next is told */
		return BLOCK_GONE;
	}
	*again = sense.key != SENSE_MEDIUM && sense.key != SENSE_ILLEGAL && ++cd->tries < TRIES;
	return BLOCK_MEDIUM;
}
