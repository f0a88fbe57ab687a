/* TCP (RFC 9293) inside the stack: the control block and what its files owe each other.
 *
 * tcp_input.c    arriving segments: which connection, the state machine, resets and challenges (RFC 5961)
 * tcp_ack.c      acknowledgements: round-trip times (RFC 6298), the sent queue, congestion state
 * tcp_recovery.c what is lost: SACK scoreboard (RFC 2018, 6675), RACK and TLP (RFC 8985), PRR (RFC 6937)
 * tcp_cubic.c    the congestion window (RFC 9438)
 * tcp_receive.c  data in and out of order, acknowledgements to send, the receive window
 * tcp_output.c   segments to send: options, Nagle, silly windows, resets
 * tcp_timer.c    retransmission, persist, keep-alive, delayed acknowledgements, the end of connections
 * tcp_listen.c   half-open connections, SYN cookies (RFC 4987), TIME-WAIT
 * tcp_socket.c   the socket calls; tcp_option.c their options; tcp_profile.c choices by profile
 *
 * The send queue is cut into segments when data is written. Segments stand in a ring in order of sequence:
 * the first `sent` of them have been sent; a binary search finds one by its sequence. All counts are in
 * segments, as in Linux.
 */
#pragma once

#include "internal.h"

enum tcp_state {
	TCP_ESTABLISHED = 1, /* numbers as in struct tcp_info */
	TCP_SYN_SENT,
	TCP_SYN_RECEIVED,
	TCP_FIN_WAIT_1,
	TCP_FIN_WAIT_2,
	TCP_TIME_WAIT,
	TCP_CLOSED,
	TCP_CLOSE_WAIT,
	TCP_LAST_ACK,
	TCP_LISTEN,
	TCP_CLOSING,
};

enum tcp_flags {
	TCP_FIN = 1,
	TCP_SYN = 2,
	TCP_RST = 4,
	TCP_PSH = 8,
	TCP_ACK = 16,
	TCP_URG = 32,
	TCP_ECE = 64,
	TCP_CWR = 128,
};

enum tcp_congestion_state {
	CONGESTION_OPEN,
	CONGESTION_DISORDER,
	CONGESTION_CWR,
	CONGESTION_RECOVERY,
	CONGESTION_LOSS
};

enum {
	TCP_HEADER_BYTES = 20,
	TCP_OPTIONS_MAX = 40,
	TCP_SACK_BLOCKS = 4,
	TCP_MSS_MIN = 48,
	TCP_REORDER_MAX = 1024, /* segments out of order that are kept, each with at least its charge */
	TIME_WAITS_MAX = 16384,
	/* Data of one segment where the link would take more (the loopback), so that it fits 64 KiB with what stands before it. */
	SEGMENT_BYTES_MAX = 65536 - 512,
	TRAIN_BYTES_MAX = 65535, /* that may wait for an acknowledgement until a train of frames ends */
	/* A connection that holds this much memory for what it sends, or was sent, gets no more while it is scarce (arena_scarce). */
	SCARCE_HELD = 4096,
	REQUESTS_MAX = 4096, /* of one listener: its backlog, and at most this */
};

struct tcp_profile {
	enum net_profile profile;
	bool options_freebsd;  /* order and padding of options */
	bool round_receive;    /* SO_RCVBUF becomes a multiple of the segment size with the connection */
	bool reset_unread;     /* close(2) with unread data resets (RFC 2525, 2.17) */
	bool ack_every_second; /* of any size; else when more than a full segment waits for it */
	bool icmp_refuses; /* any hard ICMP error during connect is ECONNREFUSED; time exceeded ends it too */
	bool fin_again;    /* an acknowledgement before our FIN's carries the FIN again */
	bool listen_ignores; /* a SYN-ACK for a listener gets no reset */
	bool last_ack_reset; /* a reset in CLOSING or LAST-ACK is told */
	bool send_grows;     /* the send buffer follows the window, as far as send_max, unless it was set */
	bool
	    ack_when_read; /* the last of what was pushed is acknowledged when it is read, but in a dialogue */
	uint8_t window_scale;   /* offered */
	uint8_t initial_window; /* segments (RFC 6928) */
	uint8_t quick_acks;     /* segments acknowledged at once at a connection's start */
	uint8_t syn_retries, syn_ack_retries, retries;
	uint32_t receive_size, send_size, receive_max, send_max; /* bytes of buffers */
	uint64_t rto_initial, rto_min, rto_max, delayed_ack, time_wait, fin_wait;
};

/* What a segment's options said. */
struct tcp_options {
	bool has_timestamp, sack_permitted, has_scale, has_mss, has_fast_open;
	uint8_t scale, sack_count;
	uint8_t fast_open_bytes;
	const uint8_t *fast_open;
	uint16_t mss;
	uint32_t timestamp, echo;
	struct tcp_range {
		uint32_t start, end;
	} sacks[TCP_SACK_BLOCKS];
};

/* A segment that arrived. */
struct tcp_segment {
	uint32_t sequence, acknowledged, window; /* window not yet scaled */
	uint16_t flags;
	uint32_t length; /* bytes of data */
	uint32_t header; /* bytes in front of them */
	uint16_t urgent;
	struct tcp_options options;
};

enum segment_mark {
	SEGMENT_SACKED = 1,
	SEGMENT_LOST = 2,
	SEGMENT_RETRANSMITTED = 4, /* a retransmission of it is under way */
	SEGMENT_EVER = 8,          /* it was retransmitted once */
	SEGMENT_PUSH = 16,
	SEGMENT_FIN = 32,
};

/* A piece of the stream to send. */
struct segment {
	struct net_list order; /* the connection's order or missing, or none */
	uint64_t sent_at;
	uint32_t sequence, length;
	uint32_t capacity;
	uint32_t charge;
	uint16_t marks;
	uint16_t transmissions;
	uint8_t *data; /* in bytes */
	uint8_t bytes[];
};

enum retransmit_kind {
	RETRANSMIT_NONE,
	RETRANSMIT_TIMEOUT,
	RETRANSMIT_PROBE,
	RETRANSMIT_REORDER,
	RETRANSMIT_PERSIST
};

struct tcp_listener;

/* 1,024 bytes, as a block of the arena has: a word more would take two. */
struct tcp {
	struct net_socket socket; /* first */
	uint8_t state;
	uint8_t congestion; /* enum tcp_congestion_state */
	uint8_t send_scale, receive_scale;
	bool scaling, timestamps, sack, ecn;
	bool established; /* it was, once */
	bool detached;    /* closed by its user */
	bool read_closed, write_closed;
	bool fin_queued, fin_received;
	bool no_options, cork;
	bool ecn_echo, ecn_reduced; /* ECE to send; CWR to send */
	bool fast_open, fast_open_asked;
	bool more; /* MSG_MORE */
	bool not_sent_low_set;
	uint16_t user_mss; /* TCP_MAXSEG */

	/* Sending */
	uint32_t send_initial, send_unacknowledged, send_next, send_window, send_window_max;
	uint32_t window_sequence, window_acknowledged; /* of the last window update */
	uint32_t mss;                                  /* data bytes in a full segment, options off */
	uint32_t peer_mss;
	uint32_t small_sent;     /* behind the last segment sent that was not full */
	uint32_t write_sequence; /* behind the last byte written */
	struct segment **ring;
	uint32_t ring_head, ring_count, ring_size, sent;
	uint32_t send_charge;
	struct net_list order;   /* sent, not acknowledged in any way, not lost: by time of sending */
	struct net_list missing; /* lost and not sent again yet, first lost first */

	/* Congestion, in segments */
	uint32_t window, threshold, prior_window;
	uint32_t window_count; /* acknowledged since the window last grew */
	uint32_t sacked, lost, retransmitted;
	uint32_t recovery_point; /* send_next when the present recovery began */
	struct net_list train;   /* in the stack's train_due, or in no list */
	uint32_t reordering;
	uint32_t duplicate_acks;
	uint32_t delivered;
	uint32_t prr_delivered, prr_out;
	bool window_limited;
	uint32_t undo_window, undo_threshold, undo_retransmitted; /* to go back when a loss was none */
	uint32_t undo_point;
	bool undo_valid, duplicate_sack_seen;
	uint32_t undo_timestamp;
	struct {
		uint64_t epoch;
		uint32_t origin, last_max, estimate, acknowledged;
		uint64_t k; /* ms */
	} cubic;
	struct tcp_range sack_seen[TCP_SACK_BLOCKS];

	/* RACK (RFC 8985) */
	uint64_t rack_sent_at;
	uint64_t rack_rtt, reorder_wait; /* until when the next segment counts as lost; 0: none */
	uint8_t reorder_steps, reorder_persist;
	bool reorder_seen, rack_dsack;
	uint32_t rack_end;
	uint32_t rack_highest; /* forward acknowledged */
	uint32_t reorder_round;
	uint32_t probe_end; /* of an outstanding tail loss probe */
	bool probing, probe_retransmitted;

	/* Round-trip times, ns */
	uint64_t srtt, rttvar, rto, min_rtt;
	uint64_t min_rtt_at;
	uint32_t timestamp_offset, recent_timestamp;
	uint64_t recent_timestamp_at;
	uint8_t backoffs;

	/* Receiving */
	uint32_t receive_initial, receive_next, receive_advertised; /* right edge last told */
	uint32_t last_ack_sent;
	uint32_t data_in_at;       /* ms: when data came last; 0: never */
	struct net_list received;  /* packets in order that were not read */
	struct net_list reordered; /* packets beyond a gap, by sequence */
	uint32_t reordered_count;
	uint32_t readable;
	uint32_t receive_charge;
	struct tcp_range recent_sacks[TCP_SACK_BLOCKS]; /* most recent first (RFC 2018, 4) */
	uint8_t recent_sack_count;
	bool duplicate_sack;
	struct tcp_range duplicate;
	uint32_t unacknowledged_in; /* bytes received since the last acknowledgement */
	uint32_t largest_segment_in;
	uint8_t quick_acks;
	bool ack_now;
	bool pushed;   /* what waits for an acknowledgement ends with a push */
	bool dialogue; /* data went out soon after data came in, so that it acknowledges */
	uint32_t receive_window_limit;
	uint64_t receive_round_at;
	uint32_t receive_round_bytes;

	/* Timers */
	struct timer retransmit, acknowledge, idle;
	uint8_t retransmit_kind;
	uint32_t retries;
	uint64_t first_unanswered; /* since when the peer owes an answer; 0: it does not */
	uint64_t last_received, last_sent;
	uint32_t keep_idle, keep_interval, keep_count, keep_sent; /* seconds, seconds, probes, probes */
	uint32_t keep_initial;
	uint32_t user_timeout; /* ms; 0: by count */
	uint32_t syn_count, not_sent_low;
	int16_t linger2;
	uint16_t fast_open_queue; /* TCP_FASTOPEN of listeners, which is only told */
	uint32_t defer_accept;
	uint32_t window_clamp; /* TCP_WINDOW_CLAMP; 0: none */

	/* Listening and being accepted */
	struct tcp_listener *listener; /* its queues when in state LISTEN */
	struct tcp *parent;            /* the listener whose queue it stands in */

	/* Counters of struct tcp_info */
	uint64_t bytes_acknowledged, bytes_received, bytes_sent, bytes_retransmitted;
	uint32_t segments_in, segments_out, data_in, data_out, total_retransmitted, duplicate_sacks,
	    reorder_events;
	int soft_error;
};

/* The arena's blocks are powers of two: a byte more is a kilobyte more for each connection. */
_Static_assert(sizeof(struct tcp) <= 1024, "a connection's block");

/* A half-open connection of a listener. */
struct tcp_request {
	struct flow flow; /* first */
	struct net *net;
	struct tcp *listener;
	struct net_list node; /* the listener's, oldest first */
	struct timer timer;
	uint32_t send_initial, receive_initial;
	uint32_t timestamp, timestamp_offset;
	uint32_t scope;
	uint32_t peer_window;
	uint16_t mss;
	uint8_t scale, retries, traffic_class;
	bool scaling, timestamps, sack, ecn;
	uint64_t sent_at;
};

struct tcp_time_wait {
	struct flow flow; /* first */
	struct net_list node;
	struct timer timer;
	uint32_t send_next, receive_next, receive_window;
	uint32_t recent_timestamp, timestamp_offset;
	uint64_t recent_timestamp_at;
	bool timestamps;
	uint8_t receive_scale, state; /* TCP_FIN_WAIT_2 or TCP_TIME_WAIT */
	uint32_t scope;
};

struct tcp_listener {
	struct net_list requests; /* oldest first */
	struct net_list queue;    /* established, to be accepted: net_socket.node */
	uint32_t request_count, queue_count, backlog;
	uint64_t cookies_until; /* cookies are taken until then */
};

static inline struct tcp *tcp_of(struct net_socket *socket)
{
	return (struct tcp *)socket;
}

static inline bool before(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

static inline bool after(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) > 0;
}

static inline struct segment *segment_at(const struct tcp *tcp, uint32_t index)
{
	return tcp->ring[(tcp->ring_head + index) & (tcp->ring_size - 1)];
}

/* Sequence behind SEGMENT, its FIN included. */
static inline uint32_t segment_end(const struct segment *segment)
{
	return segment->sequence + segment->length + !!(segment->marks & SEGMENT_FIN);
}

static inline uint32_t tcp_in_flight(const struct tcp *tcp)
{
	return tcp->sent - tcp->sacked - tcp->lost + tcp->retransmitted;
}

/* ---- tcp_profile.c ---- */
extern const struct tcp_profile tcp_profiles[2];

/* ---- tcp_input.c ---- */
/* The connection is over: ERROR (0: none) goes to its user, timers and queues go. Frees it when it is
 * detached. */
void tcp_done(struct tcp *tcp, int error);
void tcp_set_state(struct tcp *tcp, enum tcp_state state);
/* The options of the HEADER of COUNT bytes; malformed ones end the reading (RFC 9293, 3.1). */
void tcp_parse_options(const uint8_t *header, uint32_t count, struct tcp_options *options);
bool tcp_challenge_allowed(struct net *net);
void tcp_established(struct tcp *tcp);
/* The peer's segment size is known: FreeBSD's buffers become multiples of it. */
void tcp_round_receive(struct tcp *tcp);
/* The rest of a segment whose acknowledgement made the connection TCP; takes PACKET over. */
void tcp_input_established(struct tcp *tcp, struct packet *packet, const struct tcp_segment *segment);

/* ---- tcp_ack.c ---- */
/* The acknowledgement of SEGMENT, whose number lies within what was sent. */
void tcp_acknowledged(struct tcp *tcp, const struct tcp_segment *segment);
/* An old acknowledgement: only its SACK blocks may be news. */
void tcp_acknowledged_before(struct tcp *tcp, const struct tcp_segment *segment);
void tcp_rtt_sample(struct tcp *tcp, uint64_t rtt);
void tcp_update_window(struct tcp *tcp, const struct tcp_segment *segment);

/* ---- tcp_recovery.c ---- */
/* Marks what the blocks of SEGMENT cover; returns how many segments are new in that. */
uint32_t tcp_mark_sacked(struct tcp *tcp, const struct tcp_segment *segment);
void tcp_mark_lost(struct tcp *tcp, struct segment *segment);
/* SEGMENT was acknowledged or sacked: what RACK learns of it. */
void tcp_rack_update(struct tcp *tcp, const struct segment *segment);
void tcp_detect_loss(struct tcp *tcp);
void tcp_enter_recovery(struct tcp *tcp);
void tcp_enter_loss(struct tcp *tcp);
void tcp_leave_recovery(struct tcp *tcp);
/* How many segments may be sent now. */
uint32_t tcp_allowance(const struct tcp *tcp);
/* Arms the timer that the sent queue needs: timeout, probe or reordering. */
void tcp_rearm(struct tcp *tcp);
void tcp_send_probe(struct tcp *tcp);

/* ---- tcp_cubic.c ---- */
void cubic_reset(struct tcp *tcp);
/* COUNT segments were acknowledged while the window was in use. */
void cubic_acknowledged(struct tcp *tcp, uint32_t count);
/* The threshold after a loss. */
uint32_t cubic_reduced(struct tcp *tcp);

/* ---- tcp_receive.c ---- */
/* Data or FIN of PACKET, whose data is SEGMENT's; takes it over. */
/* False: the connection is gone. */
bool tcp_receive_data(struct tcp *tcp, struct packet *packet, const struct tcp_segment *segment);
uint32_t tcp_receive_window(const struct tcp *tcp);
/* What an acknowledgement now advertises: bytes, a multiple of the scale. */
uint32_t tcp_advertise(struct tcp *tcp);
void tcp_ack_soon(struct tcp *tcp);
void tcp_free_received(struct tcp *tcp);
int64_t tcp_read(struct tcp *tcp, void *buffer, size_t count, bool peek, bool discard);

/* ---- tcp_output.c ---- */
void tcp_send_syn(struct tcp *tcp);
/* Sends what may be sent: lost segments, new ones, a FIN; else an acknowledgement if one is due now. */
void tcp_output(struct tcp *tcp);
void tcp_send_ack(struct tcp *tcp);
void tcp_send_reset(struct tcp *tcp);
bool tcp_retransmit(struct tcp *tcp, struct segment *segment);
bool tcp_send_window_probe(struct tcp *tcp);
/* The answer to SEGMENT of PACKET where there is no connection (RFC 9293, 3.10.7.1). */
void tcp_refuse(struct net *net, const struct packet *packet, const struct tcp_segment *segment);
uint32_t tcp_timestamp(const struct net *net, uint32_t offset);
/* Writes options of a SYN or SYN-ACK to AT; returns their bytes, a multiple of four. */
struct tcp_syn_options {
	uint16_t mss;
	uint8_t scale;
	bool scaling, sack, timestamps;
	uint32_t timestamp, echo;
	bool fast_open;
	uint8_t cookie_bytes;
	const uint8_t *cookie;
};
uint32_t tcp_write_syn_options(const struct tcp_profile *profile, uint8_t *at,
                               const struct tcp_syn_options *options);
/* Sends a segment that belongs to no control block's queue. */
struct tcp_bare {
	const struct flow *flow;
	uint32_t sequence, acknowledged, window;
	uint16_t flags;
	uint8_t traffic_class, ttl;
	uint32_t scope;
	const uint8_t *options;
	uint32_t option_bytes;
};
void tcp_send_bare(struct net *net, const struct tcp_bare *bare);
/* Appends COUNT bytes at AT to the send queue; returns how many there was memory for. */
size_t tcp_queue(struct tcp *tcp, const void *at, size_t count, bool *fault);
/* The last byte written is to be pushed to the reader. */
void tcp_push(struct tcp *tcp);
bool tcp_queue_fin(struct tcp *tcp);
/* The window has grown, or is there: the send buffer follows. */
void tcp_send_size_follow(struct tcp *tcp);
void tcp_free_sent(struct tcp *tcp, uint32_t count);
void tcp_set_mss(struct tcp *tcp, uint32_t path_mtu);
/* Bytes of the send buffer that count now: while half of the arena is in use, what a connection begins with. */
uint32_t tcp_send_limit(const struct tcp *tcp);
uint32_t tcp_send_room(const struct tcp *tcp);

/* ---- tcp_fast_open.c: the client's side of RFC 7413 ---- */
/* Fills OPTIONS of a first SYN; returns how many bytes of the queue's first segment go with it. */
uint32_t tcp_fast_open_offer(struct tcp *tcp, struct tcp_syn_options *options);
/* The SYN-ACK that answers: what of the data it took, and the cookie it brings. */
void tcp_fast_open_answer(struct tcp *tcp, const struct tcp_segment *segment);

/* ---- tcp_timer.c ---- */
void tcp_timers_init(struct tcp *tcp);
void tcp_timers_stop(struct tcp *tcp);
void tcp_arm_retransmit(struct tcp *tcp, enum retransmit_kind kind, uint64_t delay);
void tcp_stop_retransmit(struct tcp *tcp);
void tcp_arm_idle(struct tcp *tcp);
uint64_t tcp_rto(const struct tcp *tcp); /* with backoff */

/* ---- tcp_listen.c ---- */
/* A SYN for LISTENER. */
void tcp_listen_input(struct tcp *listener, struct packet *packet, const struct tcp_segment *segment);
/* A segment for the half-open connection REQUEST; takes PACKET over. */
void tcp_request_input(struct tcp_request *request, struct packet *packet, const struct tcp_segment *segment);
/* A segment for a connection in TIME-WAIT. True: it was a new SYN, to be looked at as for a listener. */
bool tcp_time_wait_input(struct net *net, struct tcp_time_wait *wait, const struct packet *packet,
                         const struct tcp_segment *segment);
/* TCP's connection waits out its end as a small block. False: TCP was detached and is gone. */
bool tcp_enter_time_wait(struct tcp *tcp, enum tcp_state state);
void tcp_listener_end(struct tcp *tcp);
/* An ACK for LISTENER that may bring a cookie back; the connection, or 0. */
struct tcp *tcp_cookie_check(struct tcp *listener, const struct packet *packet,
                             const struct tcp_segment *segment);
void tcp_request_icmp(struct tcp_request *request, const struct icmp_report *report);
void tcp_request_end(struct tcp_request *request);

/* ---- tcp_socket.c ---- */
struct tcp *tcp_allocate(struct net *net, int family);
void tcp_free(struct tcp *tcp);
/* SO_RCVBUF was set. */
/* No more than TCP_WINDOW_CLAMP is offered. */
static inline void tcp_clamp_window(struct tcp *tcp)
{
	if (tcp->window_clamp)
		tcp->receive_window_limit = min32(tcp->receive_window_limit, tcp->window_clamp);
}
void tcp_receive_size_changed(struct tcp *tcp);
/* What a connection takes over from the listener it came by. */
void tcp_inherit(struct tcp *tcp, const struct tcp *listener);
uint32_t tcp_initial_sequence(struct net *net, const struct flow *flow);
uint32_t tcp_timestamp_offset(struct net *net, const struct flow *flow);
int tcp_set_option(struct net_socket *socket, int level, int name, const void *value, size_t count);
int tcp_get_option(struct net_socket *socket, int level, int name, void *value, size_t *count);
