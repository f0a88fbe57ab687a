/*
 * One connection of the NBD server: handshake, then requests (NBD protocol, newstyle fixed handshake; the protocol's text,
 * doc/proto.md of the nbd project). What a client says is bounded before it is used; one lock guards the container.
 */
#include "tool.h"

#include <endian.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define REQUEST_MAGIC 0x25609513u
#define REPLY_MAGIC   0x67446698u
#define OPTION_MAGIC  UINT64_C(0x49484156454F5054)
#define OPTION_REPLY  UINT64_C(0x3e889045565a9)
#define OPTION_MAX    4096u
#define TRANSFER_MAX  (32u << 20)

enum { OPT_EXPORT_NAME = 1, OPT_ABORT = 2, OPT_LIST = 3, OPT_INFO = 6, OPT_GO = 7 };
enum { REP_ACK = 1, REP_SERVER = 2, REP_INFO = 3 };
#define REP_ERR_UNSUP   0x80000001u
#define REP_ERR_INVALID 0x80000003u
enum { CMD_READ = 0, CMD_WRITE = 1, CMD_DISC = 2, CMD_FLUSH = 3, CMD_TRIM = 4, CMD_WRITE_ZEROES = 6 };
/* has flags, flush, FUA, trim, write zeroes */
#define TRANSMISSION_FLAGS (1u | 4u | 8u | 32u | 64u)

static struct vdisk *disk;
static pthread_mutex_t disk_lock = PTHREAD_MUTEX_INITIALIZER;

static bool get(int fd, void *buffer, size_t size)
{
	for (size_t done = 0; done < size;) {
		ssize_t got = recv(fd, (char *)buffer + done, size - done, 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		done += (size_t)got;
	}
	return true;
}

static bool put(int fd, const void *buffer, size_t size)
{
	for (size_t done = 0; done < size;) {
		ssize_t sent = send(fd, (const char *)buffer + done, size - done, MSG_NOSIGNAL);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent <= 0)
			return false;
		done += (size_t)sent;
	}
	return true;
}

static uint64_t export_size(void)
{
	return vdisk_blocks(disk) * VDISK_BLOCK;
}

static uint16_t export_flags(void)
{
	return (uint16_t)(TRANSMISSION_FLAGS | (vdisk_is_read_only(disk) ? 2u : 0));
}

static bool reply_option(int fd, uint32_t option, uint32_t type, const void *data, uint32_t size)
{
	struct __attribute__((packed)) {
		uint64_t magic;
		uint32_t option, type, size;
	} head = {htobe64(OPTION_REPLY), htobe32(option), htobe32(type), htobe32(size)};
	return put(fd, &head, sizeof(head)) && put(fd, data, size);
}

/* INFO and GO: size and flags, and the block sizes that suit. */
static bool reply_info(int fd, uint32_t option)
{
	struct __attribute__((packed)) {
		uint16_t type;
		uint64_t size;
		uint16_t flags;
	} export = {htobe16(0), htobe64(export_size()), htobe16(export_flags())};
	struct __attribute__((packed)) {
		uint16_t type;
		uint32_t least, best, most;
	} sizes = {htobe16(3), htobe32(1), htobe32(VDISK_BLOCK), htobe32(TRANSFER_MAX)};
	return reply_option(fd, option, REP_INFO, &export, sizeof(export)) &&
	       reply_option(fd, option, REP_INFO, &sizes, sizeof(sizes)) &&
	       reply_option(fd, option, REP_ACK, NULL, 0);
}

static bool export_by_name(int fd, bool no_zeroes)
{
	struct __attribute__((packed)) {
		uint64_t size;
		uint16_t flags;
		uint8_t zeroes[124];
	} export = {htobe64(export_size()), htobe16(export_flags()), {0}};
	return put(fd, &export, no_zeroes ? 10 : sizeof(export));
}

/* True: transmission begins. */
static bool handshake(int fd)
{
	struct __attribute__((packed)) {
		uint64_t magic, option_magic;
		uint16_t flags;
	} hello = {htobe64(UINT64_C(0x4e42444d41474943)), htobe64(OPTION_MAGIC), htobe16(3)};
	uint32_t client;
	if (!put(fd, &hello, sizeof(hello)) || !get(fd, &client, sizeof(client)))
		return false;
	bool no_zeroes = be32toh(client) & 2;
	for (unsigned rounds = 0; rounds < 64; rounds++) {
		struct __attribute__((packed)) {
			uint64_t magic;
			uint32_t option, size;
		} head;
		uint8_t data[OPTION_MAX];
		if (!get(fd, &head, sizeof(head)) || be64toh(head.magic) != OPTION_MAGIC ||
		    be32toh(head.size) > OPTION_MAX || !get(fd, data, be32toh(head.size)))
			return false;
		uint32_t option = be32toh(head.option);
		uint32_t no_name = 0;
		bool good = true;
		switch (option) {
		case OPT_EXPORT_NAME:
			return export_by_name(fd, no_zeroes);
		case OPT_GO:
			return be32toh(head.size) < 6 ? false : reply_info(fd, option);
		case OPT_INFO:
			good = reply_info(fd, option);
			break;
		case OPT_LIST:
			good = reply_option(fd, option, REP_SERVER, &no_name, sizeof(no_name)) &&
			       reply_option(fd, option, REP_ACK, NULL, 0);
			break;
		case OPT_ABORT:
			reply_option(fd, option, REP_ACK, NULL, 0);
			return false;
		default:
			good = reply_option(fd, option, REP_ERR_UNSUP, NULL, 0);
		}
		if (!good)
			return false;
	}
	return false;
}

static uint32_t error_number(int status)
{
	switch (status) {
	case VDISK_OK:
		return 0;
	case VDISK_NO_SPACE:
		return ENOSPC;
	case VDISK_RANGE:
		return EINVAL;
	case VDISK_READ_ONLY:
		return EPERM;
	default:
		return EIO;
	}
}

struct __attribute__((packed)) request {
	uint32_t magic;
	uint16_t flags, type;
	uint64_t cookie, offset;
	uint32_t size;
};

static int perform(const struct request *request, void *buffer)
{
	uint64_t offset = be64toh(request->offset);
	uint32_t size = be32toh(request->size);
	int status = VDISK_RANGE;
	bool inside = offset <= export_size() && size <= export_size() - offset;
	switch (be16toh(request->type)) {
	case CMD_READ:
		status = inside ? bytes_read(disk, offset, size, buffer) : VDISK_RANGE;
		break;
	case CMD_WRITE:
		status = inside ? bytes_write(disk, offset, size, buffer) : VDISK_NO_SPACE;
		break;
	case CMD_TRIM:
	case CMD_WRITE_ZEROES:
		status = inside ? bytes_zero(disk, offset, size) : VDISK_RANGE;
		break;
	case CMD_FLUSH:
		status = vdisk_flush(disk);
		break;
	}
	if (status == VDISK_OK && (be16toh(request->flags) & 1)) /* forced unit access */
		status = vdisk_flush(disk);
	return status;
}

static void transmit(int fd)
{
	uint8_t *buffer = malloc(TRANSFER_MAX);
	struct request request;
	while (buffer && get(fd, &request, sizeof(request))) {
		uint32_t size = be32toh(request.size);
		uint16_t type = be16toh(request.type);
		bool moves = type == CMD_READ || type == CMD_WRITE;
		if (be32toh(request.magic) != REQUEST_MAGIC || type == CMD_DISC ||
		    (moves && size > TRANSFER_MAX) || (type == CMD_WRITE && !get(fd, buffer, size)))
			break;
		pthread_mutex_lock(&disk_lock);
		int status = perform(&request, buffer);
		pthread_mutex_unlock(&disk_lock);
		struct __attribute__((packed)) {
			uint32_t magic, error;
			uint64_t cookie;
		} reply = {htobe32(REPLY_MAGIC), htobe32(error_number(status)), request.cookie};
		if (!put(fd, &reply, sizeof(reply)) ||
		    (type == CMD_READ && status == VDISK_OK && !put(fd, buffer, size)))
			break;
	}
	free(buffer);
}

void nbd_begin(struct vdisk *served)
{
	disk = served;
}

void nbd_connection(int fd)
{
	if (handshake(fd))
		transmit(fd);
}

void nbd_end(void)
{
	pthread_mutex_lock(&disk_lock);
}
