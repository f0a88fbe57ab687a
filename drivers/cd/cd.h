/* CD drives on ATA's packet interface, whatever carries the packets: what is said to them, and what lies in them. A drive is a
 * read-only block device of 2,048-byte sectors, with none while it is empty; another medium is another device for whom had the
 * one before open (block_server_replaced). Sources: MMC-5 and SPC-3 for commands and answers; ATA/ATAPI-6 for packets.
 *
 * One thread. Answers are checked before they are believed (lib/usb/scsi.h), and a drive that answers anything else is empty.
 */
#pragma once

#include "block/block_server.h"
#include "usb/scsi.h"

#define CD_SECTOR       2048u
#define CD_PACKET_BYTES 12u
#define CD_PATIENCE_NS  1000000000ull
#define CD_REST_NS      30000000000ull

struct cd {
	/* Sends PACKET, and takes at most BYTES of what comes, all there and then. How much came, or -1: refused, or not there at UNTIL (ns). */
	int32_t (*answer)(void *context, const uint8_t packet[CD_PACKET_BYTES], void *to, uint32_t bytes,
	                  uint64_t until);
	void *context;
	uint64_t until;              /* so long the controller's other disks wait, */
	uint64_t rests_until;        /* and that not again before this */
	struct block_server *server; /* once it serves the drive, */
	unsigned number;             /* which is this one of its devices */
	struct block_description description;
	unsigned tries; /* of the request under way */
};

/* IDENTIFY PACKET DEVICE (ATA/ATAPI-6, 8.16): a CD drive with packets of 12 bytes and DMA. */
bool cd_identified(const uint16_t words[256]);
/* Asks what drive it is and what is in it; the INDEX-th of this controller is "cdINDEX". False: none. */
bool cd_init(struct cd *cd, unsigned index, uint32_t transfer_bytes);
/* Looks what is in it now, while nothing is under way. A drive that takes longer than CD_PATIENCE_NS stays what it was, or is empty where it told of
 * another medium before, and is left alone for CD_REST_NS. */
void cd_look(struct cd *cd);
/* The packet that reads. */
void cd_read(const struct block_io *io, uint8_t packet[CD_PACKET_BYTES]);
/* A read has failed, and nothing is under way: what of it, or *AGAIN: it is to be tried again. */
enum block_status cd_failed(struct cd *cd, bool *again);
