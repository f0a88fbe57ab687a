/* Sockets of the internet: ip(7), ipv6(7), tcp(7), udp(7), raw(7), packet(7). A struct inet_socket is a
 * socket of lib/net with what belongs to its file. */
#pragma once

#include "interface.h"
#include "options.h"

#define INET_KEPT 32u
enum { ARPHRD_ETHER = 1, ARPHRD_LOOPBACK = 772 };
enum { IP_TOS = 1, IP_TTL = 2, IP_PKTINFO = 8 };
enum { IPV6_PKTINFO = 50, IPV6_HOPLIMIT = 52, IPV6_TCLASS = 67 };
/* tcpi_state of TCP_INFO: inet_tcp_state */
enum {
	TCP_STATE_ESTABLISHED = 1,
	TCP_STATE_SYN_SENT,
	TCP_STATE_FIN_WAIT1 = 4,
	TCP_STATE_CLOSED = 7,
	TCP_STATE_CLOSE_WAIT,
	TCP_STATE_LAST_ACK,
	TCP_STATE_LISTENS,
	TCP_STATE_CLOSING
};

/* What a program says of one datagram: of its ancillary data. */
struct inet_ancillary {
	struct net_ancillary net;
	uint16_t segment; /* UDP_SEGMENT; 0: one datagram */
};

/* A datagram that is put together (MSG_MORE, UDP_CORK). Guarded by stack_lock. */
struct inet_cork {
	struct inet_ancillary with; /* the first part's */
	struct net_endpoint to;
	bool named;
	uint32_t bytes, room;
	uint8_t *data; /* 0: nothing is there yet */
};

struct inet_socket {
	struct net_socket *socket;
	struct net_namespace *net; /* a reference */
	struct wait_queue wait;    /* guarded by stack_lock */
	uint64_t number;
	uint64_t receive_timeout, send_timeout; /* ns; UINT64_MAX: none */
	struct socket_options options;
	uint16_t kept[INET_KEPT]; /* inet_kept.c */
	struct inet_cork *cork;   /* 0: no datagram is begun; guarded by stack_lock */
	uint16_t family;
	uint8_t type;
	bool connecting; /* connect(2) began and nobody was told how it ended */
};

extern const struct file_ops inet_ops;
extern const struct socket_ops inet_socket_ops;

/* inet_address.c */
/* The endpoint of ADDRESS for SOCKET, or -EINVAL, -EAFNOSUPPORT. */
int64_t inet_endpoint_read(const struct inet_socket *socket, const struct socket_address *address,
                           struct net_endpoint *endpoint);
void inet_endpoint_tell(const struct inet_socket *socket, const struct net_endpoint *endpoint,
                        struct socket_address *address);
/* inet_options.c */
int64_t inet_set_option(struct file *file, int level, int option, uint64_t address, int32_t bytes);
int64_t inet_get_option(struct file *file, int level, int option, uint64_t address, uint32_t *room);
/* inet_control.c: what a message's ancillary data, [ADDRESS, + BYTES) of the program's, say of it. */
int64_t inet_control_read(const struct inet_socket *inet, struct inet_ancillary *with, uint64_t address,
                          uint64_t bytes);
/* inet_kept.c: options below SOL_SOCKET whose values are kept. -ENOPROTOOPT: it is none of them. */
void inet_kept_init(struct inet_socket *inet);
int64_t inet_kept_set(struct inet_socket *inet, int level, int option, const uint8_t *bytes, int32_t count);
int64_t inet_kept_get(const struct inet_socket *inet, int level, int option, uint32_t *value);
/* The value, 0 of what INET's type does not know. */
uint16_t inet_kept(const struct inet_socket *inet, int level, int option);
/* Sends the datagram that SOCKET has begun, if any; between stack_begin and stack_end. */
int64_t inet_cork_push(struct inet_socket *socket);
void inet_cork_drop(struct inet_socket *socket);
/* The filter of a struct inet_socket, its context: see socket_filter_run. Under stack_lock. */
uint32_t inet_filter(void *context, const struct net_view *view);
/* Ancillary data that SOCKET wants of a message: written to the user's buffer, as recvmsg(2). */
int64_t inet_control_stream(const struct inet_socket *socket, struct socket_message *message);
int64_t inet_control_write(const struct inet_socket *socket, const struct net_receipt *receipt,
                           struct socket_message *message);
/* The same for what a socket is told of a failure. */
int64_t inet_control_failure(const struct inet_socket *socket, const struct net_failure *failure,
                             struct socket_message *message);
/* inet_data.c */
int64_t inet_send(struct file *file, struct socket_message *message, uint32_t flags);
int64_t inet_receive(struct file *file, struct socket_message *message, uint32_t flags);
/* Close(2) waits for what SO_LINGER says. */
void inet_linger(struct file *file);
uint32_t inet_poll(struct file *file, struct poll_table *table);
/* enum tcp_state of lib/net (TCP_INFO) of a stream. */
uint8_t inet_tcp_state(const struct inet_socket *socket);
