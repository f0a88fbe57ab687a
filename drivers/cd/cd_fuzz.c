/* What CD drives say: a drive that answers anything, or refuses, at any time. It is asked so often and no more, and what is believed of it
 * can be served. */
#include <stdlib.h>
#include <string.h>
#include "cd.h"

#define ASKED_MOST 40u /* by one look: what a drive has to tell, and its capacity */

static const uint8_t *data;
static size_t left;
static unsigned asked, replaced;

static void must(bool right)
{
	if (!right)
		abort();
}

void block_server_replaced(struct block_server *server, unsigned number, const struct block_description *is)
{
	(void)server;
	must(number == 3 && is->sectors <= UINT32_MAX && is->sector_bytes == CD_SECTOR);
	replaced++;
}

static uint8_t take(void)
{
	return left ? left--, *data++ : 0;
}

int64_t syscall6(uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f,
                 uint64_t *second)
{
	(void)number, (void)a, (void)b, (void)c, (void)d, (void)e, (void)f, (void)second;
	return 1; /* the clock */
}

static int32_t answer(void *context, const uint8_t packet[CD_PACKET_BYTES], void *to, uint32_t bytes,
                      uint64_t until)
{
	const uint8_t how = take();
	(void)until;
	uint32_t said = how & 64 ? bytes : how % (bytes + 1);
	(void)context, (void)packet;
	must(asked++ < ASKED_MOST);
	for (uint32_t i = 0; i < said; i++)
		((uint8_t *)to)[i] = take();
	return how & 128 ? -1 : (int32_t)said;
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	struct cd cd = {.answer = answer, .number = 3};
	uint16_t words[256] = {0};
	uint8_t packet[CD_PACKET_BYTES];
	data = input;
	left = size;
	memcpy(words, input, size < sizeof(words) ? size : sizeof(words));
	(void)cd_identified(words);
	asked = 0;
	if (!cd_init(&cd, take(), 33 * 4096))
		return 0;
	must(cd.description.sectors <= UINT32_MAX && cd.description.transfer_bytes == 33 * 4096 &&
	     memchr(cd.description.model, 0, sizeof(cd.description.model)));
	for (unsigned i = 0; i < 8 && left; i++) {
		bool again = true;
		const uint64_t sectors = cd.description.sectors;
		asked = replaced = 0;
		if (take() & 1) {
			cd_look(&cd);
			must(cd.description.sectors == sectors || replaced == 1);
		} else {
			const enum block_status status = cd_failed(&cd, &again);
			must(status == BLOCK_GONE ? !again && replaced == 1 && !cd.description.sectors
			                          : status == BLOCK_MEDIUM && !replaced);
			must(!again || cd.tries < 8);
		}
	}
	const struct block_io io = {.sector = UINT32_MAX - 1u, .sectors = 1};
	cd_read(&io, packet);
	must(packet[0] == SCSI_READ_10 && packet[2] == 0xff && packet[5] == 0xfe && packet[8] == 1);
	return 0;
}
