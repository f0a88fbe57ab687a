/* Unix domain sockets: unix(7).
 *
 * A socket is kept alive by its file, by the sockets that are connected to it, and, before accept(2), by the
 * listener. Stream sockets receive into a ring of bytes beside which *marks* tell where descriptors or other
 * credentials came along; datagram and sequenced-packet sockets receive into a list of packets. A message in
 * flight holds its files; sockets that only messages hold are found and emptied by a collector (unix_pass.c).
 */
#pragma once

#include "../fs/name.h"
#include "../fs/ring.h"
#include "options.h"

#define UNIX_PATH_BYTES   108u
#define UNIX_BUFFER_BYTES 212992u /* SO_SNDBUF and SO_RCVBUF as Linux sets them */
#define UNIX_FILES_MAX    253u    /* SCM_MAX_FD */
#define UNIX_QUEUE_MAX    10u     /* datagrams from sockets that are not the receiver's own peer */

/* As struct sockaddr_un: LENGTH is of all of it; 2 or less: unnamed. */
struct unix_address {
	uint32_t length;
	uint16_t family;
	char path[UNIX_PATH_BYTES + 1];
};

struct unix_credentials {
	int32_t pid;
	uint32_t uid, gid;
};

struct unix_groups {
	uint32_t count, groups[32];
};

/* What travels beside the bytes. */
struct unix_control {
	struct unix_credentials credentials;
	uint32_t file_count;
	struct file **files; /* heap memory with references, or 0 */
};

/* A mark of a stream, or a packet with its bytes. */
struct unix_message {
	struct list link;
	struct unix_control control;
	uint64_t start, end;          /* marks: byte numbers of the ring that were sent along with it */
	struct unix_address *address; /* packets: the sender's name, or 0 */
	uint32_t bytes;
	uint8_t data[];
};

struct unix_socket {
	uint32_t references;
	struct file *file; /* 0 before accept and after the last close */
	int type;
	bool listening, connected, closed, pass_credentials;
	struct socket_options options;
	uint32_t shutdown;
	int error; /* SO_ERROR, positive */
	uint64_t number;
	uint64_t net;             /* inode of its network namespace: abstract names are of one */
	struct unix_socket *peer; /* a reference */
	struct list followers;    /* sockets whose peer this is */
	struct list follower_link;
	struct unix_address address;
	struct vnode *vnode; /* bound to a path: a reference; vnode->private is this socket */
	struct list abstract_link;
	struct unix_credentials own, peer_credentials; /* own: at the time of connect or listen */
	struct unix_groups own_groups, peer_groups;    /* the same of supplementary groups */

	struct ring ring;     /* streams: received bytes */
	struct list messages; /* marks or packets, in order */
	uint32_t message_count;
	uint64_t packet_bytes;
	struct unix_credentials sender; /* streams: of the byte at the tail, and of the last sent one */
	struct unix_credentials last_sender;

	struct list backlog; /* listeners: sockets to accept, by backlog_link */
	struct list backlog_link;
	uint32_t backlog_count, backlog_max;
	struct wait_queue read_wait, write_wait; /* those who receive from, or send with, this socket */
	struct wait_queue room_wait;             /* those who send to it */
	uint64_t receive_timeout, send_timeout;  /* ns; UINT64_MAX: none */
	uint32_t send_buffer, receive_buffer;    /* as getsockopt tells them */
	/* unix_pass.c */
	uint32_t in_flight; /* messages that hold this socket's file */
	struct list flight_link;
	uint32_t outside; /* of these, those that are not in a candidate's queue */
	bool candidate;   /* nothing but messages holds it, as far as is known */
};

/* ---- unix.c: life and names ---- */
struct unix_socket *unix_create(int type);
void unix_release(struct unix_socket *socket);
static inline struct unix_socket *unix_reference(struct unix_socket *socket)
{
	socket->references++;
	return socket;
}
extern const struct file_ops unix_ops;
extern const struct socket_ops unix_socket_ops;
int64_t unix_set_option(struct file *file, int level, int option, uint64_t address, int32_t bytes);
int64_t unix_get_option(struct file *file, int level, int option, uint64_t address, uint32_t *room);
/* A descriptor of SOCKET, whose reference goes over. FLAGS: O_CLOEXEC, O_NONBLOCK. */
int64_t unix_install(struct unix_socket *socket, uint32_t flags);
/* The socket ADDRESS names, with a reference, or 0 with *ERROR. */
struct unix_socket *unix_find(const struct unix_address *address, int type, int *error);
int64_t unix_bind(struct unix_socket *socket, struct unix_address *address);
void unix_set_peer(struct unix_socket *socket, struct unix_socket *peer);
struct unix_credentials unix_current(void);
/* SOCKET's own credentials and groups are the current task's. */
void unix_own(struct unix_socket *socket);
/* CREDENTIALS as the current task sees them. */
struct unix_credentials unix_seen(const struct unix_credentials *credentials);

/* ---- unix_data.c: sending and receiving ---- */
struct unix_receipt {
	struct unix_control control; /* taken over by the caller: unix_control_release */
	bool has_control;            /* credentials are known */
	struct unix_address address; /* length 0: none */
	uint32_t flags;              /* MSG_TRUNC, MSG_EOR */
};
/* CONTROL (its files) goes over on success of at least a byte. TO: 0 or a datagram's destination. */
int64_t unix_send(struct unix_socket *socket, bool wait, struct io *io, uint32_t flags,
                  struct unix_control *control, const struct unix_address *to);
int64_t unix_receive(struct unix_socket *socket, bool wait, struct io *io, uint32_t flags,
                     struct unix_receipt *receipt);
uint32_t unix_poll(struct file *file, struct poll_table *table);
uint64_t unix_readable_bytes(const struct unix_socket *socket);
void unix_wake_writers(struct unix_socket *socket);

/* ---- unix_pass.c: descriptors in flight ---- */
/* Reads the ancillary data [ADDRESS, + BYTES) of a message to send. */
int64_t unix_control_read(struct unix_control *control, uint64_t address, uint64_t bytes);
void unix_control_release(struct unix_control *control);
bool unix_control_clone(struct unix_control *to, const struct unix_control *from);
/* CONTROL's files are on their way, or have arrived. */
void unix_control_in_flight(const struct unix_control *control, bool begin);
/* Frees MESSAGE and what it holds, without recursion through sockets that hold sockets. */
void unix_message_free(struct unix_message *message);
/* A reference to a socket's file has gone, and others are left. */
void unix_file_dropped(struct file *file);
/* Writes RECEIPT's control to the user's buffer; bytes used. Sets MSG_CTRUNC in *FLAGS. */
int64_t unix_control_write(struct unix_socket *socket, struct unix_receipt *receipt, uint64_t address,
                           uint64_t bytes, uint32_t flags);
