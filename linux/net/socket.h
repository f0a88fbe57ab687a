/* What the socket calls share with the address families.
 *
 * socket.c copies arguments in and results out; a family answers through a struct socket_ops, which is found
 * through its files' operations (struct file_ops, `socket`). Operations are called with the common lock held
 * alone, unless `parallel` says otherwise.
 */
#pragma once

#include "../internal.h"

enum { AF_UNSPEC = 0, AF_UNIX = 1, AF_INET = 2, AF_INET6 = 10, AF_NETLINK = 16, AF_PACKET = 17 };
enum { SOCK_STREAM = 1, SOCK_DGRAM = 2, SOCK_RAW = 3, SOCK_SEQPACKET = 5, SOCK_TYPE_MASK = 15 };
enum { SOCK_CLOEXEC = O_CLOEXEC, SOCK_NONBLOCK = O_NONBLOCK };
enum message_flags {
	MSG_OOB = 1,
	MSG_PEEK = 2,
	MSG_CTRUNC = 8,
	MSG_PROBE = 0x10, /* MSG_PROXY in the C library's header */
	MSG_TRUNC = 0x20,
	MSG_DONTWAIT = 0x40,
	MSG_EOR = 0x80,
	MSG_WAITALL = 0x100,
	MSG_ERRQUEUE = 0x2000,
	MSG_NOSIGNAL = 0x4000,
	MSG_MORE = 0x8000,
	MSG_WAITFORONE = 0x10000,
	MSG_FASTOPEN = 0x20000000,
	MSG_CMSG_CLOEXEC = 0x40000000
};
enum { SHUTDOWN_READ = 1, SHUTDOWN_WRITE = 2, SHUTDOWN_BOTH = 3 };
enum {
	SOL_IP = 0,
	SOL_SOCKET = 1,
	SOL_TCP = 6,
	SOL_UDP = 17,
	SOL_IPV6 = 41,
	SOL_PACKET = 263,
	SOL_NETLINK = 270
};
#define CONTROL_MAX 20480u /* net.core.optmem_max */
/* What stands before each piece of ancillary data: struct cmsghdr; LENGTH with it. */
struct control_header {
	uint64_t length;
	int32_t level, type;
};
enum { SCM_RIGHTS = 1, SCM_CREDENTIALS = 2 };
enum { TCP_INQ = 36, UDP_CORK = 1, UDP_SEGMENT = 103 };
enum {
	SO_DEBUG = 1,
	SO_REUSEADDR,
	SO_TYPE,
	SO_ERROR,
	SO_DONTROUTE,
	SO_BROADCAST,
	SO_SNDBUF,
	SO_RCVBUF,
	SO_KEEPALIVE,
	SO_OOBINLINE,
	SO_NO_CHECK,
	SO_PRIORITY,
	SO_LINGER,
	SO_REUSEPORT = 15,
	SO_PASSCRED,
	SO_PEERCRED,
	SO_RCVLOWAT,
	SO_SNDLOWAT,
	SO_RCVTIMEO,
	SO_SNDTIMEO,
	SO_BINDTODEVICE = 25,
	SO_ATTACH_FILTER,
	SO_DETACH_FILTER,
	SO_PEERNAME = 28,
	SO_TIMESTAMP,
	SO_ACCEPTCONN,
	SO_SNDBUFFORCE = 32,
	SO_RCVBUFFORCE,
	SO_PASSSEC,
	SO_TIMESTAMPNS,
	SO_MARK,
	SO_PROTOCOL = 38,
	SO_DOMAIN,
	SO_PEERGROUPS = 59,
	SO_RCVTIMEO_NEW = 66,
	SO_SNDTIMEO_NEW
};

#define SOCKET_ADDRESS_BYTES 128u /* struct sockaddr_storage */

/* A struct sockaddr of any family; LENGTH 0: none. */
struct socket_address {
	uint32_t length;
	union {
		uint16_t family;
		uint8_t bytes[SOCKET_ADDRESS_BYTES];
	};
};

/* What a program gives sendmsg(2) and recvmsg(2). */
struct user_message {
	uint64_t name;
	uint32_t name_bytes, pad1;
	uint64_t segments, segment_count, control, control_bytes;
	uint32_t flags, pad2;
};
_Static_assert(sizeof(struct user_message) == 56, "struct msghdr");

/* A message to send, or one to receive into. */
struct socket_message {
	struct io io;
	struct socket_address address;   /* where it goes, or the sender */
	uint64_t control, control_bytes; /* user memory; received: how much of it was used */
	uint32_t flags;                  /* received: MSG_TRUNC... */
};

struct socket_ops {
	int64_t (*bind)(struct file *file, struct socket_address *address);
	int64_t (*connect)(struct file *file, const struct socket_address *address);
	int64_t (*listen)(struct file *file, int backlog);
	/* A new descriptor; FLAGS: SOCK_CLOEXEC, SOCK_NONBLOCK. */
	int64_t (*accept)(struct file *file, uint32_t flags, struct socket_address *peer);
	int64_t (*name)(struct file *file, bool peer, struct socket_address *address);
	int64_t (*shutdown)(struct file *file, uint32_t what);
	/* FLAGS: MSG_*; whether to wait is theirs and the file's. */
	int64_t (*send)(struct file *file, struct socket_message *message, uint32_t flags);
	int64_t (*receive)(struct file *file, struct socket_message *message, uint32_t flags);
	int64_t (*set_option)(struct file *file, int level, int option, uint64_t address, int32_t bytes);
	/* *BYTES: room, and then what was written to ADDRESS. */
	int64_t (*get_option)(struct file *file, int level, int option, uint64_t address, uint32_t *bytes);
	bool parallel; /* send and receive may be called while the common lock is shared */
};

/* The open socket file of FD, or 0 with *ERROR. */
struct file *socket_file(int fd, int64_t *error);
static inline bool socket_waits(const struct file *file, uint32_t flags)
{
	return !(file->flags & O_NONBLOCK) && !(flags & MSG_DONTWAIT);
}
uint64_t socket_deadline(uint64_t timeout);
/* What an interrupted or timed-out wait answers. */
int64_t socket_wait_error(int result, uint64_t timeout);
/* SO_RCVTIMEO and SO_SNDTIMEO; UINT64_MAX: none. */
int64_t socket_set_timeout(uint64_t *timeout, uint64_t address, int32_t bytes);
/* Its struct timeval in VALUE (16 bytes). */
void socket_get_timeout(uint64_t timeout, void *value);
/* A sender found nobody to read: SIGPIPE unless FLAGS say not. -EPIPE. */
int64_t socket_broken(uint32_t flags);

/* New sockets of a family: a descriptor, or an error. TYPE with SOCK_CLOEXEC and SOCK_NONBLOCK. */
int64_t unix_socket_create(int type, int protocol);
int64_t unix_socket_pair(int type, int protocol, uint64_t address);
int64_t inet_socket_create(int family, int type, int protocol);
int64_t netlink_socket_create(int type, int protocol);
