/* Segments to send: cutting the stream, when to send, options, resets. */
#include "tcp.h"
#include <string.h>

/* ---- The queue ---- */

static bool ring_grow(struct tcp *tcp)
{
	struct net *net = tcp->socket.net;
	uint32_t size = tcp->ring_size ? tcp->ring_size * 2 : 8;
	struct segment **ring;

	if (size > 16384)
		return false;
	ring = (struct segment **)arena_allocate(&net->arena, size * sizeof(struct segment *));
	if (!ring)
		return false;
	for (uint32_t index = 0; index < tcp->ring_count; index++)
		ring[index] = segment_at(tcp, index);
	arena_free(&net->arena, tcp->ring);
	tcp->ring = ring;
	tcp->ring_head = 0;
	tcp->ring_size = size;
	return true;
}

/* A segment with room for BYTES at place INDEX of the ring. */
static struct segment *segment_insert(struct tcp *tcp, uint32_t index, size_t bytes)
{
	struct net *net = tcp->socket.net;
	struct segment *segment;

	if (tcp->ring_count == tcp->ring_size && !ring_grow(tcp))
		return NULL;
	segment = (struct segment *)arena_allocate(&net->arena, sizeof(*segment) + bytes);
	if (!segment)
		return NULL;
	memset(segment, 0, sizeof(*segment));
	net_list_init(&segment->order);
	segment->data = segment->bytes;
	segment->charge = (uint32_t)arena_capacity(&net->arena, segment);
	segment->capacity = segment->charge - (uint32_t)sizeof(*segment);
	tcp->send_charge += segment->charge;
	for (uint32_t at = tcp->ring_count; at > index; at--)
		tcp->ring[(tcp->ring_head + at) & (tcp->ring_size - 1)] = segment_at(tcp, at - 1);
	tcp->ring[(tcp->ring_head + index) & (tcp->ring_size - 1)] = segment;
	tcp->ring_count++;
	return segment;
}

/* Data bytes in a full segment with the options that will be on it. */
static uint32_t segment_limit(const struct tcp *tcp)
{
	uint32_t options = tcp->timestamps ? 12 : 0;

	return tcp->mss > options ? min32(tcp->mss - options, SEGMENT_BYTES_MAX) : 1;
}

/* The last segment, not sent yet, in a block of its full size. */
static struct segment *segment_grow(struct tcp *tcp, uint32_t limit)
{
	struct net *net = tcp->socket.net;
	struct segment *old = segment_at(tcp, tcp->ring_count - 1);
	struct segment *grown = (struct segment *)arena_allocate(&net->arena, sizeof(*grown) + limit);

	if (!grown)
		return NULL;
	memcpy(grown, old, sizeof(*grown));
	net_list_init(&grown->order);
	grown->data = grown->bytes;
	memcpy(grown->data, old->data, old->length);
	grown->charge = (uint32_t)arena_capacity(&net->arena, grown);
	grown->capacity = grown->charge - (uint32_t)sizeof(*grown);
	tcp->send_charge += grown->charge - old->charge;
	tcp->ring[(tcp->ring_head + tcp->ring_count - 1) & (tcp->ring_size - 1)] = grown;
	arena_free(&net->arena, old);
	return grown;
}

static inline uint32_t segment_room(const struct segment *segment)
{
	return (uint32_t)(segment->bytes + segment->capacity - (segment->data + segment->length));
}

/* Takes the last segment, which is empty and in no list, away again. */
static void segment_withdraw(struct tcp *tcp)
{
	struct segment *last = segment_at(tcp, --tcp->ring_count);

	tcp->send_charge -= last->charge;
	arena_free(&tcp->socket.net->arena, last);
	if (!tcp->ring_count) {
		arena_free(&tcp->socket.net->arena, tcp->ring);
		tcp->ring = NULL;
		tcp->ring_size = tcp->ring_head = 0;
	}
}

size_t tcp_queue(struct tcp *tcp, const void *at, size_t count, bool *fault)
{
	const uint8_t *bytes = (const uint8_t *)at;
	uint32_t limit = segment_limit(tcp);
	size_t done = 0;

	while (done < count) {
		struct segment *last =
		    tcp->ring_count > tcp->sent ? segment_at(tcp, tcp->ring_count - 1) : NULL;
		uint32_t part = (uint32_t)(count - done < limit ? count - done : limit);

		if (tcp->send_charge >= SCARCE_HELD && arena_scarce(&tcp->socket.net->arena))
			break;
		if (!last || last->length >= limit) {
			/* A lone small write gets a small block. */
			last = segment_insert(tcp, tcp->ring_count, last || tcp->sent ? limit : part);
			if (!last)
				break;
			last->sequence = tcp->write_sequence;
		} else if (!segment_room(last)) {
			last = segment_grow(tcp, limit);
			if (!last)
				break;
		}
		part = min32(part, min32(limit - last->length, segment_room(last)));
		if (!tcp->socket.net->copy(last->data + last->length, bytes + done, part)) {
			if (!last->length)
				segment_withdraw(tcp);
			*fault = true;
			break;
		}
		last->length += part;
		last->marks &= (uint16_t)~SEGMENT_PUSH;
		tcp->write_sequence += part;
		done += part;
	}
	return done;
}

void tcp_push(struct tcp *tcp)
{
	if (tcp->ring_count <= tcp->sent)
		return;
	segment_at(tcp, tcp->ring_count - 1)->marks |= SEGMENT_PUSH;
}

bool tcp_queue_fin(struct tcp *tcp)
{
	struct segment *last = tcp->ring_count > tcp->sent ? segment_at(tcp, tcp->ring_count - 1) : NULL;

	if (tcp->fin_queued)
		return true;
	if (!last) {
		last = segment_insert(tcp, tcp->ring_count, 0);
		if (!last)
			return false;
		last->sequence = tcp->write_sequence;
	}
	last->marks |= SEGMENT_FIN;
	tcp->fin_queued = true;
	return true;
}

void tcp_free_sent(struct tcp *tcp, uint32_t count)
{
	struct net *net = tcp->socket.net;

	for (uint32_t index = 0; index < count; index++) {
		struct segment *segment = segment_at(tcp, index);

		tcp->send_charge -= segment->charge;
		net_list_remove(&segment->order);
		arena_free(&net->arena, segment);
	}
	if (!count)
		return;
	tcp->ring_head = (tcp->ring_head + count) & (tcp->ring_size - 1);
	tcp->ring_count -= count;
	tcp->sent -= min32(count, tcp->sent);
	if (!tcp->ring_count) {
		arena_free(&net->arena, tcp->ring);
		tcp->ring = NULL;
		tcp->ring_size = tcp->ring_head = 0;
		tcp->sacked = tcp->lost = tcp->retransmitted = 0;
	}
}

uint32_t tcp_send_limit(const struct tcp *tcp)
{
	const struct net *net = tcp->socket.net;

	return net->arena.used < net->arena.units * (ARENA_UNIT / 2)
	           ? tcp->socket.send_size
	           : min32(tcp->socket.send_size, net->profile->send_size);
}

uint32_t tcp_send_room(const struct tcp *tcp)
{
	uint32_t queued = tcp->write_sequence - tcp->send_unacknowledged, size = tcp_send_limit(tcp);

	/* Memory counts too: crumbs hold whole blocks. */
	if (tcp->state == TCP_SYN_SENT || tcp->state == TCP_SYN_RECEIVED)
		queued = tcp->write_sequence - tcp->send_initial - 1;
	if (tcp->send_charge / 4 > queued)
		queued = tcp->send_charge / 4;
	return size > queued ? size - queued : 0;
}

/* As Linux: twice the window, in the memory that full segments take there, which programs see (SO_SNDBUF). One connection has at most
 * a sixteenth of the arena this way, and none grows while half of it is in use, when what has grown does not count either
 * (tcp_send_limit): peers that acknowledge nothing more must not have the arena among them. */
void tcp_send_size_follow(struct tcp *tcp)
{
	enum { SEGMENT_OVERHEAD = 640, SEGMENT_HEAD = 256 };
	const struct net *net = tcp->socket.net;
	uint64_t most = net->arena.units * (ARENA_UNIT / 16), segment = 1, size;

	if (tcp->socket.send_size_set || !net->profile->send_grows)
		return;
	while (segment < tcp->mss + SEGMENT_OVERHEAD)
		segment *= 2;
	size = 2 * max32(tcp->window, net->profile->initial_window) * (segment + SEGMENT_HEAD);
	size = size < net->profile->send_max ? size : net->profile->send_max;
	size = size < most ? size : most;
	if (size > tcp->socket.send_size && net->arena.used < net->arena.units * (ARENA_UNIT / 2))
		tcp->socket.send_size = (uint32_t)size;
}

/* Cuts the segment at INDEX after BYTES; false when memory is short. */
static bool segment_split(struct tcp *tcp, uint32_t index, uint32_t bytes)
{
	struct segment *first = segment_at(tcp, index), *second;

	second = segment_insert(tcp, index + 1, first->length - bytes);
	if (!second)
		return false;
	memcpy(second->data, first->data + bytes, first->length - bytes);
	second->length = first->length - bytes;
	second->sequence = first->sequence + bytes;
	second->sent_at = first->sent_at;
	second->transmissions = first->transmissions;
	second->marks = first->marks;
	first->length = bytes;
	first->marks &= (uint16_t) ~(SEGMENT_FIN | SEGMENT_PUSH);
	if (index < tcp->sent) {
		tcp->sent++;
		tcp->sacked += !!(second->marks & SEGMENT_SACKED);
		tcp->lost += !!(second->marks & SEGMENT_LOST);
		tcp->retransmitted += !!(second->marks & SEGMENT_RETRANSMITTED);
		if (!net_list_empty(&first->order))
			net_list_insert_after(&first->order, &second->order);
	}
	return true;
}

void tcp_set_mss(struct tcp *tcp, uint32_t path_mtu)
{
	uint32_t headers = TCP_HEADER_BYTES + (net_is_ipv4(&tcp->socket.flow.remote) ? 20 : 40);
	uint32_t mss = path_mtu > headers + TCP_MSS_MIN ? path_mtu - headers : TCP_MSS_MIN;

	if (tcp->peer_mss && mss > tcp->peer_mss)
		mss = tcp->peer_mss;
	if (tcp->user_mss && mss > tcp->user_mss)
		mss = tcp->user_mss;
	/* Half the largest window the peer ever offered, where that is less (RFC 9293, 3.8.6.2.1). */
	tcp->mss = mss;
}

/* ---- Options ---- */

uint32_t tcp_timestamp(const struct net *net, uint32_t offset)
{
	return (uint32_t)(net->now / MILLISECOND) + offset;
}

static uint32_t write_timestamp(uint8_t *at, uint32_t timestamp, uint32_t echo)
{
	at[0] = 8;
	at[1] = 10;
	store32(at + 2, timestamp);
	store32(at + 6, echo);
	return 10;
}

uint32_t tcp_write_syn_options(const struct tcp_profile *profile, uint8_t *at,
                               const struct tcp_syn_options *options)
{
	uint32_t count = 4;

	at[0] = 2;
	at[1] = 4;
	store16(at + 2, options->mss);
	if (profile->options_freebsd) {
		if (options->scaling) {
			at[count++] = 1;
			at[count++] = 3;
			at[count++] = 3;
			at[count++] = options->scale;
		}
		if (options->sack) {
			at[count++] = 4;
			at[count++] = 2;
		}
		if (options->timestamps)
			count += write_timestamp(at + count, options->timestamp, options->echo);
	} else {
		if (options->sack && options->timestamps) {
			at[count++] = 4;
			at[count++] = 2;
		} else if (options->sack) {
			at[count++] = 1;
			at[count++] = 1;
			at[count++] = 4;
			at[count++] = 2;
		} else if (options->timestamps) {
			at[count++] = 1;
			at[count++] = 1;
		}
		if (options->timestamps)
			count += write_timestamp(at + count, options->timestamp, options->echo);
		if (options->scaling) {
			at[count++] = 1;
			at[count++] = 3;
			at[count++] = 3;
			at[count++] = options->scale;
		}
	}
	if (options->fast_open && count + 2 + options->cookie_bytes <= TCP_OPTIONS_MAX) {
		at[count++] = 34;
		at[count++] = (uint8_t)(2 + options->cookie_bytes);
		if (options->cookie_bytes)
			memcpy(at + count, options->cookie, options->cookie_bytes);
		count += options->cookie_bytes;
	}
	while (count % 4)
		at[count++] = profile->options_freebsd ? 0 : 1;
	return count;
}

/* Options of any segment but a SYN. */
static uint32_t write_options(struct tcp *tcp, uint8_t *at, bool data)
{
	uint32_t count = 0, blocks;

	if (tcp->timestamps) {
		at[count++] = 1;
		at[count++] = 1;
		count += write_timestamp(at + count, tcp_timestamp(tcp->socket.net, tcp->timestamp_offset),
		                         tcp->recent_timestamp);
	}
	blocks = tcp->recent_sack_count + tcp->duplicate_sack;
	if (!tcp->sack || !blocks || data)
		return count;
	blocks = min32(blocks, (TCP_OPTIONS_MAX - count - 4) / 8);
	at[count++] = 1;
	at[count++] = 1;
	at[count++] = 5;
	at[count++] = (uint8_t)(2 + 8 * blocks);
	for (uint32_t block = 0, recent = 0; block < blocks; block++) {
		const struct tcp_range *range;

		if (block == 0 && tcp->duplicate_sack)
			range = &tcp->duplicate;
		else
			range = &tcp->recent_sacks[recent++];
		store32(at + count, range->start);
		store32(at + count + 4, range->end);
		count += 8;
	}
	tcp->duplicate_sack = false;
	return count;
}

/* ---- Sending ---- */

static void header_write(uint8_t *at, const struct flow *flow, uint32_t sequence, uint32_t acknowledged,
                         uint16_t flags, uint32_t window, uint32_t header_bytes)
{
	store16(at, flow->local_port);
	store16(at + 2, flow->remote_port);
	store32(at + 4, sequence);
	store32(at + 8, flags & TCP_ACK ? acknowledged : 0);
	at[12] = (uint8_t)(header_bytes / 4 << 4);
	at[13] = (uint8_t)flags;
	store16(at + 14, window > 65535 ? 65535 : window);
	store16(at + 16, 0);
	store16(at + 18, 0);
}

/* Checksums and sends the TCP segment in PIECES. SEGMENT_BYTES: the device cuts it, and finishes the
 * checksum. */
static bool segment_send(struct net *net, const struct flow *flow, struct net_piece *pieces, unsigned count,
                         size_t total, uint8_t ttl, uint8_t traffic_class, uint32_t scope,
                         uint32_t segment_bytes, bool may_fragment)
{
	uint8_t *header = (uint8_t *)(uintptr_t)pieces[0].bytes;
	struct ip_header ip = {.from = flow->local,
	                       .to = flow->remote,
	                       .protocol = PROTOCOL_TCP,
	                       .ttl = ttl,
	                       .traffic_class = traffic_class,
	                       .scope = scope,
	                       .may_fragment = may_fragment};
	struct net_offload offload = {segment_bytes, (uint16_t)pieces[0].count};

	/* What stays on this machine is trusted by who takes it (packet->trusted). */
	if (!net_own_address(net, &flow->remote)) {
		uint32_t sum = checksum_pseudo(&flow->local, &flow->remote, PROTOCOL_TCP, (uint32_t)total);

		store16(header + 16, checksum_finish(checksum_pieces(sum, pieces, count)));
	}
	net->counts.tcp_sent++;
	return ip_send(net, &ip, pieces, count, total, segment_bytes ? &offload : NULL) == 0;
}

void tcp_send_bare(struct net *net, const struct tcp_bare *bare)
{
	uint8_t space[HEADERS_MAX + TCP_HEADER_BYTES + TCP_OPTIONS_MAX], *at = space + HEADERS_MAX;
	uint32_t bytes = TCP_HEADER_BYTES + bare->option_bytes;
	struct net_piece pieces[3] = {{at, bytes}};

	header_write(at, bare->flow, bare->sequence, bare->acknowledged, bare->flags, bare->window, bytes);
	if (bare->option_bytes)
		memcpy(at + TCP_HEADER_BYTES, bare->options, bare->option_bytes);
	(void)segment_send(net, bare->flow, pieces, 1, bytes, bare->ttl, bare->traffic_class, bare->scope, 0,
	                   true);
}

void tcp_refuse(struct net *net, const struct packet *packet, const struct tcp_segment *segment)
{
	struct flow flow = {.local = packet->to,
	                    .remote = packet->from,
	                    .local_port = packet->to_port,
	                    .remote_port = packet->from_port};
	struct tcp_bare bare = {.flow = &flow, .scope = packet->link->number};

	if ((segment->flags & TCP_RST) || packet->broadcast)
		return;
	if (segment->flags & TCP_ACK) {
		bare.sequence = segment->acknowledged;
		bare.flags = TCP_RST;
	} else {
		bare.acknowledged = segment->sequence + segment->length + !!(segment->flags & TCP_SYN) +
		                    !!(segment->flags & TCP_FIN);
		bare.flags = TCP_RST | TCP_ACK;
	}
	net->counts.tcp_resets_sent++;
	tcp_send_bare(net, &bare);
}

/* What goes with any segment of TCP: it also acknowledges. */
static void acknowledgement_sent(struct tcp *tcp)
{
	tcp->last_ack_sent = tcp->receive_next;
	tcp->unacknowledged_in = 0;
	tcp->ack_now = tcp->pushed = false;
	timer_disarm(&tcp->socket.net->timers, &tcp->acknowledge);
	tcp->segments_out++;
}

static uint16_t ecn_flags(struct tcp *tcp, bool data, bool retransmission)
{
	uint16_t flags = tcp->ecn_echo ? TCP_ECE : 0;

	if (tcp->ecn && data && !retransmission && tcp->ecn_reduced) {
		flags |= TCP_CWR;
		tcp->ecn_reduced = false;
	}
	return flags;
}

/* Sends COUNT segments from INDEX on as one, which the device cuts when it is longer than one. */
static bool transmit(struct tcp *tcp, uint32_t index, uint32_t count, uint32_t total, bool retransmission,
                     bool push)
{
	struct net *net = tcp->socket.net;
	uint8_t space[HEADERS_MAX + TCP_HEADER_BYTES + TCP_OPTIONS_MAX], *at = space + HEADERS_MAX;
	struct net_piece pieces[NET_PIECES_MAX];
	struct segment *first = segment_at(tcp, index), *last = segment_at(tcp, index + count - 1);
	uint32_t header = TCP_HEADER_BYTES + write_options(tcp, at + TCP_HEADER_BYTES, true);
	uint16_t flags = TCP_ACK | ecn_flags(tcp, total > 0, retransmission);
	uint8_t class = tcp->socket.traffic_class;
	unsigned pieces_count = 1;
	bool sent;

	if (last->marks & SEGMENT_FIN)
		flags |= TCP_FIN;
	if ((push || (last->marks & SEGMENT_PUSH)) && last->length)
		flags |= TCP_PSH;
	if (tcp->ecn && total && !retransmission)
		class |= ECN_ECT0;
	header_write(at, &tcp->socket.flow, first->sequence, tcp->receive_next, flags,
	             tcp_advertise(tcp) >> tcp->receive_scale, header);
	pieces[0] = (struct net_piece){at, header};
	for (uint32_t part = 0; part < count; part++) {
		struct segment *segment = segment_at(tcp, index + part);

		if (segment->length)
			pieces[pieces_count++] = (struct net_piece){segment->data, segment->length};
	}
	sent =
	    segment_send(net, &tcp->socket.flow, pieces, pieces_count, header + total, tcp->socket.ttl, class,
	                 tcp->socket.scope, count > 1 ? first->length : 0, tcp->socket.path_discovery == 0);
	acknowledgement_sent(tcp);
	tcp->last_sent = net->now;
	if (total && tcp->data_in_at &&
	    (uint32_t)(net->now / MILLISECOND) - tcp->data_in_at < net->profile->delayed_ack / MILLISECOND)
		tcp->dialogue = true;
	for (uint32_t part = 0; part < count; part++) {
		struct segment *segment = segment_at(tcp, index + part);

		segment->sent_at = net->now;
		segment->transmissions++;
		net_list_remove(&segment->order);
		net_list_append(&tcp->order, &segment->order);
	}
	if (total) {
		tcp->data_out += count;
		tcp->bytes_sent += total;
	}
	return sent;
}

bool tcp_retransmit(struct tcp *tcp, struct segment *segment)
{
	struct net *net = tcp->socket.net;
	uint32_t limit = segment_limit(tcp), low = 0, high = tcp->sent;
	uint32_t window_end = tcp->send_unacknowledged + tcp->send_window;

	while (low + 1 < high) { /* its place in the ring */
		uint32_t middle = (low + high) / 2;

		if (after(segment_at(tcp, middle)->sequence, segment->sequence))
			high = middle;
		else
			low = middle;
	}
	/* A FIN alone has the sequence of the segment behind it. */
	while (segment_at(tcp, low) != segment)
		low--;
	if (segment->length > limit && !segment_split(tcp, low, limit))
		return false;
	if (!before(segment->sequence, window_end) && segment->sequence != tcp->send_unacknowledged)
		return false; /* the peer shrank its window */
	if (!(segment->marks & SEGMENT_RETRANSMITTED)) {
		segment->marks |= SEGMENT_RETRANSMITTED;
		tcp->retransmitted++;
	}
	segment->marks |= SEGMENT_EVER;
	tcp->total_retransmitted++;
	tcp->bytes_retransmitted += segment->length;
	net->counts.tcp_retransmitted++;
	tcp->undo_retransmitted++;
	if (!tcp->undo_timestamp)
		tcp->undo_timestamp = tcp_timestamp(net, tcp->timestamp_offset);
	if (tcp->congestion == CONGESTION_RECOVERY)
		tcp->prr_out++;
	return transmit(tcp, low, 1, segment->length, true, false);
}

/* Whether the unsent segment at INDEX may go now although it is not full: Nagle, cork, silly windows. */
static bool may_send_small(const struct tcp *tcp, const struct segment *segment, bool last)
{
	if (segment->marks & SEGMENT_FIN)
		return true;
	if (!last)
		return true;
	if (tcp->cork || tcp->more)
		return false;
	/* Minshall's Nagle: it waits only for an earlier small segment. */
	return tcp->socket.no_delay || !(tcp->sent && after(tcp->small_sent, tcp->send_unacknowledged));
}

/* Sends new segments as the windows allow. Returns whether it sent any. */
static bool output_new(struct tcp *tcp)
{
	struct net *net = tcp->socket.net;
	uint32_t allowance = tcp_allowance(tcp), limit = segment_limit(tcp);
	uint32_t window_end = tcp->send_unacknowledged + tcp->send_window;
	uint32_t burst_max = 1;
	struct path path;
	bool any = false;

	tcp->window_limited = false;
	if (tcp->sent >= tcp->ring_count)
		return false;
	if (route_find(net, &tcp->socket.flow.remote, tcp->socket.scope, &path) &&
	    path.link->config.segment_max) {
		burst_max = path.link->config.segment_max > 200
		                ? (path.link->config.segment_max - 120) / max32(limit, 1)
		                : 1;
		burst_max = min32(max32(burst_max, 1), NET_PIECES_MAX - 3);
	}
	while (tcp->sent < tcp->ring_count) {
		uint32_t count = 0, total = 0;

		while (tcp->sent + count < tcp->ring_count && count < burst_max) {
			uint32_t index = tcp->sent + count;
			struct segment *segment = segment_at(tcp, index);
			bool last = index + 1 == tcp->ring_count;

			if (count >= allowance) {
				tcp->window_limited = true;
				break;
			}
			if (segment->length > limit && !segment_split(tcp, index, limit))
				break;
			segment = segment_at(tcp, index);
			last = index + 1 == tcp->ring_count;
			if (after(segment->sequence + segment->length, window_end)) {
				/* A part, if that is at least half of the largest window (RFC
				 * 9293, 3.8.6.2.1). */
				uint32_t room =
				    after(window_end, segment->sequence) ? window_end - segment->sequence : 0;

				if (!room || (room < limit && room < tcp->send_window_max / 2) || count ||
				    !segment_split(tcp, index, room))
					break;
				segment = segment_at(tcp, index);
				last = false;
			}
			if (segment->length < limit && !may_send_small(tcp, segment, last))
				break;
			if (segment->length != limit &&
			    count) /* the device cuts equal parts; the last may be shorter */
				if (segment->length > segment_at(tcp, tcp->sent)->length)
					break;
			total += segment->length;
			count++;
			if (segment->length < limit || (segment->marks & SEGMENT_FIN))
				break;
		}
		if (!count)
			break;
		{
			struct segment *end = segment_at(tcp, tcp->sent + count - 1);

			if (end->length < limit)
				tcp->small_sent = segment_end(end);
			tcp->sent += count;
			tcp->send_next = segment_end(end);
			if (tcp->congestion == CONGESTION_RECOVERY)
				tcp->prr_out += count;
		}
		/* A burst that the window ends is pushed: its reader may see no more for a while. */
		(void)transmit(tcp, tcp->sent - count, count, total, false, count > 1 && count >= allowance);
		allowance = tcp_allowance(tcp);
		any = true;
	}
	return any;
}

static void acknowledge_now(struct tcp *tcp)
{
	struct segment *last = tcp->sent ? segment_at(tcp, tcp->sent - 1) : NULL;

	if (tcp->socket.net->profile->fin_again && last && (last->marks & SEGMENT_FIN) && !last->length)
		(void)transmit(tcp, tcp->sent - 1, 1, 0, true,
		               false); /* FreeBSD's acknowledgement of this state */
	else
		tcp_send_ack(tcp);
}

void tcp_output(struct tcp *tcp)
{
	struct net *net = tcp->socket.net;
	/* Of gaps only a segment without data tells: it has the SACK blocks, and alone counts as a duplicate (RFC 5681, 2). */
	bool any = false, tell = tcp->ack_now && (tcp->reordered_count || tcp->duplicate_sack);

	switch (tcp->state) {
	case TCP_ESTABLISHED:
	case TCP_CLOSE_WAIT:
	case TCP_FIN_WAIT_1:
	case TCP_CLOSING:
	case TCP_LAST_ACK:
		break;
	default:
		if (tcp->ack_now && tcp->state != TCP_CLOSED && tcp->state != TCP_SYN_SENT &&
		    tcp->state != TCP_LISTEN)
			tcp_send_ack(tcp);
		return;
	}
	/* After a long idle time the window's size says nothing any more (RFC 5681, 4.1). */
	if (!tcp->sent && tcp->last_sent && tcp->srtt && net->now - tcp->last_sent > tcp->rto &&
	    tcp->window > net->profile->initial_window && tcp->ring_count) {
		uint64_t idle = (net->now - tcp->last_sent) / tcp->rto;

		for (; idle && tcp->window > net->profile->initial_window; idle--)
			tcp->window = max32(tcp->window / 2, net->profile->initial_window);
		tcp->cubic.epoch = 0;
	}
	/* What is lost goes first. */
	while (!net_list_empty(&tcp->missing) && tcp_allowance(tcp) > 0) {
		if (!tcp_retransmit(tcp, NET_ITEM(tcp->missing.next, struct segment, order)))
			break;
		any = true;
	}
	if (net_list_empty(&tcp->missing) && output_new(tcp))
		any = true;
	if (any) {
		if (tcp->retransmit_kind != RETRANSMIT_REORDER || !tcp->reorder_wait)
			tcp_rearm(tcp);
		if (!tcp->first_unanswered)
			tcp->first_unanswered = net->now;
	} else if (!tcp->sent && tcp->ring_count && tcp->retransmit_kind == RETRANSMIT_NONE && !tcp->cork &&
	           after(segment_at(tcp, 0)->sequence + max32(segment_at(tcp, 0)->length, 1),
	                 tcp->send_unacknowledged + tcp->send_window)) {
		/* The peer's window is closed, or too small. */
		tcp_arm_retransmit(tcp, RETRANSMIT_PERSIST, tcp_rto(tcp));
	} else if (tcp->ring_count > tcp->sent && !tcp->sent && tcp->retransmit_kind == RETRANSMIT_NONE) {
		/* A silly window, or held back for more (tcp(7), TCP_CORK): the timer overrides. */
		tcp_arm_retransmit(tcp, RETRANSMIT_PERSIST, tcp->cork ? 200 * MILLISECOND : tcp_rto(tcp));
	}
	if (tcp->ack_now || tell)
		acknowledge_now(tcp);
}

void tcp_send_ack(struct tcp *tcp)
{
	uint8_t options[TCP_OPTIONS_MAX];
	struct tcp_bare bare = {.flow = &tcp->socket.flow,
	                        .sequence = tcp->send_next,
	                        .acknowledged = tcp->receive_next,
	                        .flags = TCP_ACK,
	                        .traffic_class = tcp->socket.traffic_class,
	                        .ttl = tcp->socket.ttl,
	                        .scope = tcp->socket.scope,
	                        .options = options};

	bare.flags |= ecn_flags(tcp, false, false);
	bare.option_bytes = write_options(tcp, options, false);
	bare.window = tcp_advertise(tcp) >> tcp->receive_scale;
	acknowledgement_sent(tcp);
	tcp_send_bare(tcp->socket.net, &bare);
}

/* An acknowledgement of what the peer has acknowledged: it must answer (RFC 9293, 3.8.4 and 3.8.6.1). */
bool tcp_send_window_probe(struct tcp *tcp)
{
	uint8_t options[TCP_OPTIONS_MAX];
	struct tcp_bare bare = {.flow = &tcp->socket.flow,
	                        .sequence = tcp->send_unacknowledged - 1,
	                        .acknowledged = tcp->receive_next,
	                        .flags = TCP_ACK,
	                        .traffic_class = tcp->socket.traffic_class,
	                        .ttl = tcp->socket.ttl,
	                        .scope = tcp->socket.scope,
	                        .options = options};

	bare.option_bytes = write_options(tcp, options, false);
	bare.window = tcp_advertise(tcp) >> tcp->receive_scale;
	acknowledgement_sent(tcp);
	tcp_send_bare(tcp->socket.net, &bare);
	return true;
}

void tcp_send_reset(struct tcp *tcp)
{
	struct tcp_bare bare = {.flow = &tcp->socket.flow,
	                        .sequence = tcp->send_next,
	                        .acknowledged = tcp->receive_next,
	                        .flags = TCP_RST | TCP_ACK,
	                        .ttl = tcp->socket.ttl,
	                        .scope = tcp->socket.scope};

	tcp->socket.net->counts.tcp_resets_sent++;
	tcp_send_bare(tcp->socket.net, &bare);
}

void tcp_send_syn(struct tcp *tcp)
{
	struct net *net = tcp->socket.net;
	const struct tcp_profile *profile = net->profile;
	bool answer = tcp->state == TCP_SYN_RECEIVED;
	uint8_t space[HEADERS_MAX + TCP_HEADER_BYTES + TCP_OPTIONS_MAX], *at = space + HEADERS_MAX;
	uint32_t header = TCP_HEADER_BYTES, window = tcp_receive_window(tcp), data = 0;
	uint16_t flags = TCP_SYN | (answer ? TCP_ACK : 0);
	struct tcp_syn_options options = {.mss = (uint16_t)tcp->mss,
	                                  .scale = tcp->receive_scale,
	                                  .scaling = tcp->scaling,
	                                  .sack = tcp->sack,
	                                  .timestamps = tcp->timestamps,
	                                  .timestamp = tcp_timestamp(net, tcp->timestamp_offset),
	                                  .echo = answer ? tcp->recent_timestamp : 0};
	struct net_piece pieces[4];
	unsigned count = 1;

	if (profile->profile == NET_PROFILE_LINUX && window > tcp->mss && window < 65536)
		window = window / tcp->mss * tcp->mss;
	window = min32(window, 65535);
	if (tcp->fast_open && !answer && tcp->retries == 0)
		data = tcp_fast_open_offer(tcp, &options);
	if (!tcp->no_options)
		header += tcp_write_syn_options(profile, at + TCP_HEADER_BYTES, &options);
	if (tcp->ecn)
		flags |= answer ? TCP_ECE : TCP_ECE | TCP_CWR;
	header_write(at, &tcp->socket.flow, tcp->send_initial, tcp->receive_next, flags, window, header);
	pieces[0] = (struct net_piece){at, header};
	if (data)
		pieces[count++] = (struct net_piece){segment_at(tcp, 0)->data, data};
	if (answer)
		tcp->receive_advertised = tcp->receive_next + window;
	(void)segment_send(net, &tcp->socket.flow, pieces, count, header + data, tcp->socket.ttl,
	                   tcp->socket.traffic_class, tcp->socket.scope, 0, tcp->socket.path_discovery == 0);
	tcp->segments_out++;
	tcp->last_sent = net->now;
	tcp->last_ack_sent = tcp->receive_next;
	if (tcp->send_next == tcp->send_initial || data)
		tcp->send_next = tcp->send_initial + 1 + data;
	tcp_arm_retransmit(tcp, RETRANSMIT_TIMEOUT, tcp_rto(tcp));
}
