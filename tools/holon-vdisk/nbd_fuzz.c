/*
 * Fuzzes a connection of the NBD server. An odd first byte: the client says the rest. An even one: it says a handshake and requests
 * that are well formed, mostly, as the input chooses. The volume is bytes in memory; what it answers must be what was asked for.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/types.h>
#include "fuzz_faults.h"
#include "fuzz_input.h"
#include "tool.h"

#define BLOCKS   16u
#define SAID_MAX (1u << 18)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
ssize_t __wrap_recv(int fd, void *buffer, size_t bytes, int flags);
ssize_t __wrap_send(int fd, const void *buffer, size_t bytes, int flags);

static uint8_t volume[BLOCKS * VDISK_BLOCK];
static uint8_t said[SAID_MAX];
static size_t said_size, heard;
static unsigned socket_fault, volume_fault;
static bool is_read_only, interrupted;

ssize_t __wrap_recv(int fd, void *buffer, size_t bytes, int flags)
{
	(void)fd, (void)flags;
	if ((interrupted = !interrupted)) {
		errno = EINTR;
		return -1;
	}
	size_t part = bytes < said_size - heard ? bytes : said_size - heard;
	memcpy(buffer, said + heard, part);
	heard += part;
	return (ssize_t)part;
}

ssize_t __wrap_send(int fd, const void *buffer, size_t bytes, int flags)
{
	uint8_t sum = 0;
	(void)fd, (void)flags;
	if (fails(&socket_fault)) {
		errno = bytes % 4 ? EINTR : EPIPE;
		return -1;
	}
	for (size_t i = 0; i < bytes; i++) /* all of it can be read */
		sum ^= ((const uint8_t *)buffer)[i];
	return sum == 0 && bytes > 1 ? (ssize_t)bytes / 2 : (ssize_t)bytes;
}

/* ---- The volume ---- */

uint64_t vdisk_blocks(const struct vdisk *disk)
{
	(void)disk;
	return BLOCKS;
}

bool vdisk_is_read_only(const struct vdisk *disk)
{
	(void)disk;
	return is_read_only;
}

static int status(void)
{
	static const int statuses[] = {VDISK_IO, VDISK_NO_SPACE, VDISK_RANGE, VDISK_READ_ONLY};
	return is_read_only ? VDISK_READ_ONLY : fails(&volume_fault) ? statuses[heard % 4] : VDISK_OK;
}

int vdisk_flush(struct vdisk *disk)
{
	(void)disk;
	return status();
}

int bytes_read(struct vdisk *disk, uint64_t offset, size_t size, void *buffer)
{
	(void)disk;
	memcpy(buffer, volume + offset, size);
	return status();
}

int bytes_write(struct vdisk *disk, uint64_t offset, size_t size, const void *buffer)
{
	(void)disk;
	memcpy(volume + offset, buffer, size);
	return status();
}

int bytes_zero(struct vdisk *disk, uint64_t offset, uint64_t size)
{
	(void)disk;
	memset(volume + offset, 0, size);
	return status();
}

/* ---- The client ---- */

static uint8_t take_byte(void)
{
	uint8_t byte;
	take(&byte, 1);
	return byte;
}

static uint64_t take_number(void)
{
	static const uint64_t special[] = {0,     1,     512,       4096,       65535,
	                                   65536, 65537, 32u << 20, UINT32_MAX, UINT64_MAX};
	uint8_t kind = take_byte();
	uint16_t number;
	take(&number, sizeof(number));
	return kind < 100 ? special[kind % 10u] : number;
}

static void say(const void *bytes, size_t size)
{
	if (size > SAID_MAX - said_size)
		return;
	memcpy(said + said_size, bytes, size);
	said_size += size;
}

static void say_zeroes(size_t size)
{
	static const uint8_t zeroes[1u << 16];
	say(zeroes, size < sizeof(zeroes) ? size : sizeof(zeroes));
}

static void say_handshake(void)
{
	static const uint32_t options[] = {1, 2, 3, 6, 6, 6, 3, 9};
	uint32_t flags = htobe32(1 + (take_byte() & 2u));
	uint8_t odd = take_byte();
	say(&flags, sizeof(flags));
	unsigned count = odd == 255 ? 70 : odd % 4u;
	for (unsigned i = 0; i <= count; i++) {
		uint32_t size = (uint32_t)(i == count ? 6 : take_byte());
		struct __attribute__((packed)) {
			uint64_t magic;
			uint32_t option, size;
		} head = {htobe64(UINT64_C(0x49484156454F5054) + (odd == 254)),
		          htobe32(i < count  ? options[odd == 255 ? 3 : take_byte() % 8u]
		                  : odd & 64 ? 7
		                             : 1),
		          htobe32(odd == 253   ? 5000
		                  : odd == 252 ? 0
		                               : size)};
		say(&head, sizeof(head));
		say_zeroes(size);
	}
}

static void say_requests(void)
{
	for (unsigned i = 0; i < 60 && left; i++) {
		uint8_t odd = take_byte();
		uint16_t type = odd % 8u;
		uint32_t size = (uint32_t)take_number();
		struct __attribute__((packed)) {
			uint32_t magic;
			uint16_t flags, type;
			uint64_t cookie, offset;
			uint32_t size;
		} request = {htobe32(0x25609513 + (odd == 255)),
		             htobe16(odd & 16 ? 1 : 0),
		             htobe16(type),
		             i,
		             htobe64(take_number()),
		             htobe32(size)};
		if (type == 2 && odd < 200)
			continue;
		say(&request, sizeof(request));
		if (type == 1)
			say_zeroes(size);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	input = data;
	left = size;
	uint8_t kind = take_byte();
	said_size = heard = 0;
	interrupted = true;
	is_read_only = kind % 16u == 2;
	socket_fault = kind & 32 ? 1u + take_byte() % 32u : 0;
	volume_fault = kind & 64 ? 1u + take_byte() % 16u : 0;
	if (kind & 1) {
		say(input, left);
	} else {
		say_handshake();
		say_requests();
	}
	memory_fault = (kind & 0x86) == 0x86;
	nbd_begin(NULL);
	nbd_connection(0);
	memory_fault = 0;
	return 0;
}
