/* Tests of a CD drive that takes its time: the disks beside it wait for it a second at most, and that seldom. */
#include <stdio.h>
#include <string.h>
#include "cd.h"

#define SECOND 1000000000ull

static int failures;
static uint64_t now = SECOND, takes; /* for each answer, ns */
static unsigned asked, replaced;
static uint8_t last_sector; /* of the medium */
static bool is_new;         /* which it tells who asks next, once, at once */

static void check(const char *name, bool right)
{
	printf(right ? "ok cd drive: %s\n" : "not ok cd drive: %s - see the check of this name\n", name);
	failures += !right;
}

int64_t syscall6(uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f,
                 uint64_t *second)
{
	(void)a, (void)b, (void)c, (void)d, (void)e, (void)f, (void)second;
	return number == SYS_CLOCK ? (int64_t)now : E_OK;
}

void block_server_replaced(struct block_server *server, unsigned number, const struct block_description *is)
{
	(void)server, (void)number, (void)is;
	replaced++;
}

/* A drive with a medium of LAST_SECTOR + 1 sectors. */
static int32_t answer(void *context, const uint8_t packet[CD_PACKET_BYTES], void *to, uint32_t bytes,
                      uint64_t until)
{
	static const uint8_t inquiry[36] = {SCSI_CD, 0x80, 5, 0x21, 31};
	const uint8_t capacity[8] = {[3] = last_sector, [6] = CD_SECTOR >> 8};

	(void)context;
	asked++;
	if (is_new && packet[0] == SCSI_TEST_UNIT_READY)
		return -1;
	if (is_new && packet[0] == SCSI_REQUEST_SENSE) {
		const uint8_t sense[18] = {0x70, [2] = SENSE_ATTENTION, [7] = 10, [12] = 0x28};
		is_new = false;
		memcpy(to, sense, bytes < sizeof(sense) ? bytes : sizeof(sense));
		return (int32_t)bytes;
	}
	if (now + takes >= until) {
		now = until;
		return -1;
	}
	now += takes;
	memset(to ? to : (void *)&(uint8_t){0}, 0, to ? bytes : 1);
	if (packet[0] == SCSI_INQUIRY)
		memcpy(to, inquiry, bytes < sizeof(inquiry) ? bytes : sizeof(inquiry));
	else if (bytes == sizeof(capacity))
		memcpy(to, capacity, bytes);
	return (int32_t)bytes;
}

int main(void)
{
	struct cd cd = {.answer = answer};

	last_sector = 99;
	check("a drive tells what lies in it", cd_init(&cd, 0, 65536) && cd.description.sectors == 100);
	last_sector = 49;
	cd_look(&cd);
	check("another medium is seen by who looks", replaced == 1 && cd.description.sectors == 50);
	takes = 5 * SECOND;
	last_sector = 9;
	uint64_t began = now;
	cd_look(&cd);
	check("one that takes long is waited for a second, and stays what it was",
	      now - began <= SECOND && replaced == 1 && cd.description.sectors == 50);
	asked = 0;
	for (unsigned i = 0; i < 20; i++, now += SECOND)
		cd_look(&cd);
	check("and is left alone for a while then", !asked);
	now += 20 * SECOND;
	takes = 0;
	cd_look(&cd);
	check("after which it is asked again", asked && replaced == 2 && cd.description.sectors == 10);
	is_new = true;
	takes = 5 * SECOND;
	cd_look(&cd);
	check("another medium that was told of before it took long is no longer the old one",
	      replaced == 3 && !cd.description.sectors);
	bool again;
	began = now;
	(void)cd_failed(&cd, &again);
	check("nor is longer asked why it has failed", now - began <= SECOND);
	return failures != 0;
}
