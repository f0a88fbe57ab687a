/* Data that arrives: in order, beyond gaps, and what is acknowledged and offered for it. */
#include "tcp.h"
#include <string.h>

/* ---- The window ---- */

uint32_t tcp_receive_window(const struct tcp *tcp)
{
	uint32_t limit = tcp->receive_window_limit;

	return limit > tcp->readable ? limit - tcp->readable : 0;
}

uint32_t tcp_advertise(struct tcp *tcp)
{
	uint32_t window = tcp_receive_window(tcp), most = 65535u << tcp->receive_scale, old = 0;
	uint32_t step = min32(tcp->receive_window_limit / 2, tcp->mss);

	if (after(tcp->receive_advertised, tcp->receive_next))
		old = tcp->receive_advertised - tcp->receive_next;
	/* Silly windows are not offered (RFC 9293, 3.8.6.2.2), and the right edge never moves back. */
	if (window < step && window < tcp->receive_window_limit / 4)
		window = 0;
	if (window < old)
		window = old;
	if (window > most)
		window = most;
	/* Rounded up where that only keeps a promise, else down. */
	if (window == old)
		window += ((1u << tcp->receive_scale) - 1);
	window = window >> tcp->receive_scale << tcp->receive_scale;
	if (window > most)
		window = most;
	if (after(tcp->receive_next + window, tcp->receive_advertised))
		tcp->receive_advertised = tcp->receive_next + window;
	return window;
}

/* ---- Acknowledging ---- */

void tcp_ack_soon(struct tcp *tcp)
{
	struct net *net = tcp->socket.net;
	bool second = net->profile->ack_every_second
	                  ? tcp->acknowledge.armed
	                  : tcp->unacknowledged_in > min32(tcp->largest_segment_in, tcp->mss);

	if (tcp->quick_acks) {
		tcp->quick_acks--;
		tcp->ack_now = true;
	} else if (second) {
		tcp->ack_now = true;
	} else if (!tcp->acknowledge.armed) {
		timer_arm(&net->timers, &tcp->acknowledge, net->now + net->profile->delayed_ack);
	}
}

/* ---- SACK blocks to send (RFC 2018, 4) ---- */

static void sack_remove(struct tcp *tcp, unsigned index)
{
	tcp->recent_sack_count--;
	memmove(&tcp->recent_sacks[index], &tcp->recent_sacks[index + 1],
	        (tcp->recent_sack_count - index) * sizeof(tcp->recent_sacks[0]));
}

static void sack_note(struct tcp *tcp, struct tcp_range range)
{
	for (unsigned index = 0; index < tcp->recent_sack_count;) {
		struct tcp_range *old = &tcp->recent_sacks[index];

		if (before(old->end, range.start) || after(old->start, range.end))
			index++;
		else
			sack_remove(tcp, index);
	}
	if (tcp->recent_sack_count == TCP_SACK_BLOCKS)
		tcp->recent_sack_count--;
	memmove(&tcp->recent_sacks[1], &tcp->recent_sacks[0],
	        tcp->recent_sack_count * sizeof(tcp->recent_sacks[0]));
	tcp->recent_sacks[0] = range;
	tcp->recent_sack_count++;
}

static void sack_trim(struct tcp *tcp)
{
	for (unsigned index = 0; index < tcp->recent_sack_count;)
		if (after(tcp->recent_sacks[index].end, tcp->receive_next))
			index++;
		else
			sack_remove(tcp, index);
}

static void duplicate_note(struct tcp *tcp, uint32_t start, uint32_t end)
{
	if (!tcp->sack || tcp->duplicate_sack)
		return;
	tcp->duplicate_sack = true;
	tcp->duplicate = (struct tcp_range){start, end};
}

/* ---- Queues ---- */

static inline uint32_t packet_end(const struct packet *packet)
{
	return packet->sequence + packet->length;
}

/* PACKET in as little memory as it needs: many small ones must not hold large buffers. */
static struct packet *packet_shrink(struct tcp *tcp, struct packet *packet)
{
	struct net *net = tcp->socket.net;
	struct packet *small;

	if (packet->length * 4 >= packet->charge)
		return packet;
	small = packet_allocate(net, 0, packet->length);
	if (!small)
		return packet;
	memcpy(small->data, packet->data, packet->length);
	small->length = packet->length;
	small->room -= packet->length;
	small->sequence = packet->sequence;
	small->fin = packet->fin;
	packet_free(net, packet);
	return small;
}

/* PACKET begins at receive_next: to the reader. */
static void receive_append(struct tcp *tcp, struct packet *packet)
{
	struct net *net = tcp->socket.net;

	tcp->receive_next += packet->length;
	tcp->readable += packet->length;
	tcp->bytes_received += packet->length;
	if (packet->fin)
		tcp->fin_received = true;
	if (!packet->length || (tcp->detached && tcp->read_closed)) {
		tcp->readable -= packet->length;
		packet_free(net, packet);
		return;
	}
	if (!net_list_empty(&tcp->received)) {
		struct packet *last = NET_ITEM(tcp->received.previous, struct packet, node);

		if (last->room >= packet->length && packet->length * 2 < packet->charge) {
			memcpy(last->data + last->length, packet->data, packet->length);
			last->length += packet->length;
			last->room -= packet->length;
			packet_free(net, packet);
			return;
		}
	}
	net_list_append(&tcp->received, &packet->node);
	tcp->receive_charge += packet->charge;
}

/* What stands behind receive_next now. Returns whether anything did. */
static bool reordered_take(struct tcp *tcp)
{
	bool any = false;

	while (!net_list_empty(&tcp->reordered)) {
		struct packet *packet = NET_ITEM(tcp->reordered.next, struct packet, node);

		if (after(packet->sequence, tcp->receive_next))
			break;
		net_list_remove(&packet->node);
		tcp->reordered_count--;
		tcp->receive_charge -= packet->charge;
		any = true;
		if (before(packet->sequence, tcp->receive_next)) {
			uint32_t old = tcp->receive_next - packet->sequence;

			duplicate_note(tcp, packet->sequence, packet->sequence + min32(old, packet->length));
			if (old > packet->length || (old == packet->length && !packet->fin)) {
				packet_free(tcp->socket.net, packet);
				continue;
			}
			packet->data += old;
			packet->length -= old;
			packet->sequence += old;
		}
		receive_append(tcp, packet);
		if (tcp->fin_received)
			break;
	}
	sack_trim(tcp);
	return any;
}

/* PACKET lies beyond a gap. The queue keeps no byte twice. */
static void reordered_insert(struct tcp *tcp, struct packet *packet)
{
	struct net *net = tcp->socket.net;
	struct net_list *place = tcp->reordered.previous, *node;
	uint32_t start = packet->sequence, end = packet_end(packet);
	struct tcp_range range;

	while (place != &tcp->reordered && after(NET_ITEM(place, struct packet, node)->sequence, start))
		place = place->previous;
	if (place != &tcp->reordered) {
		const struct packet *old = NET_ITEM(place, struct packet, node);

		if (after(packet_end(old), start)) {
			uint32_t common = min32(packet_end(old) - start, packet->length);

			duplicate_note(tcp, start, start + common);
			if (common == packet->length && !(packet->fin && !old->fin)) {
				packet_free(net, packet);
				packet = NULL;
			} else {
				packet->data += common;
				packet->length -= common;
				packet->sequence += common;
			}
		}
	}
	/* What follows and is covered goes; what is covered in part keeps its part. */
	while (packet && place->next != &tcp->reordered) {
		struct packet *next = NET_ITEM(place->next, struct packet, node);

		if (!after(end, next->sequence))
			break;
		if (!before(end, packet_end(next)) && !(next->fin && end == packet_end(next))) {
			duplicate_note(tcp, next->sequence, packet_end(next));
			net_list_remove(&next->node);
			tcp->reordered_count--;
			tcp->receive_charge -= next->charge;
			packet_free(net, next);
		} else {
			duplicate_note(tcp, next->sequence, end);
			packet->room += end - next->sequence;
			packet->length -= end - next->sequence;
			break;
		}
	}
	if (packet) {
		packet = packet_shrink(tcp, packet);
		net_list_insert_after(place, &packet->node);
		tcp->reordered_count++;
		tcp->receive_charge += packet->charge;
		place = &packet->node;
	}
	/* The run of bytes around it is the first block of the next acknowledgement. */
	range = (struct tcp_range){NET_ITEM(place, struct packet, node)->sequence,
	                           packet_end(NET_ITEM(place, struct packet, node))};
	for (node = place->previous; node != &tcp->reordered; node = node->previous) {
		if (packet_end(NET_ITEM(node, struct packet, node)) != range.start)
			break;
		range.start = NET_ITEM(node, struct packet, node)->sequence;
	}
	for (node = place->next; node != &tcp->reordered; node = node->next) {
		if (NET_ITEM(node, struct packet, node)->sequence != range.end)
			break;
		range.end = packet_end(NET_ITEM(node, struct packet, node));
	}
	sack_note(tcp, range);
}

/* There is memory for another packet of this connection. What is out of order is given up first (RFC 2018,
 * 8). */
static bool memory_left(struct tcp *tcp, const struct packet *packet, bool in_order)
{
	uint32_t most = 2 * max32(tcp->receive_window_limit, 65536) + 65536;

	if (arena_scarce(&tcp->socket.net->arena))
		most = max32(SCARCE_HELD, packet->charge);
	if (tcp->receive_charge + packet->charge <= most && tcp->reordered_count < TCP_REORDER_MAX)
		return true;
	if (!in_order)
		return false;
	while (!net_list_empty(&tcp->reordered)) {
		struct packet *last = NET_ITEM(tcp->reordered.previous, struct packet, node);

		net_list_remove(&last->node);
		tcp->reordered_count--;
		tcp->receive_charge -= last->charge;
		packet_free(tcp->socket.net, last);
		tcp->recent_sack_count = 0;
		if (tcp->receive_charge + packet->charge <= most)
			return true;
	}
	return tcp->receive_charge + packet->charge <= most;
}

/* The stream has ended. False: the connection is gone. */
static bool fin_arrived(struct tcp *tcp)
{
	tcp->receive_next++;
	tcp->ack_now = true;
	socket_notify(&tcp->socket, NET_READABLE | NET_READ_HANGUP);
	switch (tcp->state) {
	case TCP_ESTABLISHED:
		tcp_set_state(tcp, TCP_CLOSE_WAIT);
		return true;
	case TCP_FIN_WAIT_1:
		tcp_set_state(tcp, TCP_CLOSING);
		return true;
	case TCP_FIN_WAIT_2:
		tcp_send_ack(tcp);
		return tcp_enter_time_wait(tcp, TCP_TIME_WAIT);
	default:
		return true;
	}
}

bool tcp_receive_data(struct tcp *tcp, struct packet *packet, const struct tcp_segment *segment)
{
	struct net *net = tcp->socket.net;
	uint32_t right = tcp->receive_advertised;

	packet->sequence = segment->sequence;
	packet->fin = segment->flags & TCP_FIN;
	if (tcp->fin_received ||
	    (tcp->state != TCP_ESTABLISHED && tcp->state != TCP_FIN_WAIT_1 && tcp->state != TCP_FIN_WAIT_2)) {
		packet_free(net, packet);
		return true;
	}
	tcp->data_in++;
	tcp->largest_segment_in = max32(tcp->largest_segment_in, min32(packet->length, 65535));
	if (before(packet->sequence, tcp->receive_next)) {
		uint32_t old = min32(tcp->receive_next - packet->sequence, packet->length);

		duplicate_note(tcp, packet->sequence, packet->sequence + old);
		tcp->ack_now = true;
		packet->data += old;
		packet->length -= old;
		packet->sequence += old;
	}
	if (after(packet_end(packet), right)) {
		uint32_t over = packet_end(packet) - right;

		over = min32(over, packet->length);
		packet->length -= over;
		packet->room += over;
		packet->fin = false;
		if (!packet->length) { /* a probe of a closed window */
			tcp->ack_now = true;
			packet_free(net, packet);
			return true;
		}
	}
	if (!memory_left(tcp, packet, packet->sequence == tcp->receive_next)) {
		tcp->ack_now = true;
		packet_free(net, packet);
		return true;
	}
	if (packet->sequence != tcp->receive_next) {
		tcp->ack_now = true; /* RFC 5681, 4.2 */
		reordered_insert(tcp, packet);
		return true;
	}
	tcp->unacknowledged_in += packet->length;
	tcp->data_in_at = (uint32_t)(net->now / MILLISECOND);
	tcp->pushed = segment->flags & TCP_PSH;
	if (packet->length)
		tcp_ack_soon(tcp);
	receive_append(tcp, packet_shrink(tcp, packet));
	if (tcp->reordered_count) {
		tcp->ack_now = true;
		if (!tcp->fin_received)
			(void)reordered_take(tcp);
	}
	if (tcp->fin_received) {
		if (!fin_arrived(tcp))
			return false;
	} else if (tcp->readable) {
		socket_notify(&tcp->socket, NET_READABLE);
	}
	return true;
}

void tcp_free_received(struct tcp *tcp)
{
	struct net_list *node;

	while ((node = net_list_pop(&tcp->received)))
		packet_free(tcp->socket.net, NET_ITEM(node, struct packet, node));
	while ((node = net_list_pop(&tcp->reordered)))
		packet_free(tcp->socket.net, NET_ITEM(node, struct packet, node));
	tcp->reordered_count = 0;
	tcp->readable = tcp->receive_charge = 0;
	tcp->recent_sack_count = 0;
}

/* The window follows the reader: twice what he takes in a round trip (dynamic right-sizing, Fisk and Feng
 * 2001). */
static void window_follow(struct tcp *tcp, uint32_t count)
{
	struct net *net = tcp->socket.net;
	uint64_t round = tcp->srtt ? tcp->srtt : 100 * MILLISECOND;
	uint32_t most = net->profile->receive_max / 2;

	tcp->receive_round_bytes += count;
	if (net->now - tcp->receive_round_at < round)
		return;
	if (!tcp->socket.receive_size_set && !tcp->window_clamp &&
	    net->profile->profile == NET_PROFILE_LINUX &&
	    tcp->receive_round_bytes > tcp->receive_window_limit / 2 && tcp->receive_window_limit < most &&
	    net->arena.used < net->arena.units * (ARENA_UNIT / 2)) {
		tcp->receive_window_limit = min32(
		    max32(tcp->receive_round_bytes, tcp->receive_window_limit / 2) * 2 + 16 * tcp->mss, most);
		tcp->socket.receive_size = 2 * tcp->receive_window_limit;
	}
	tcp->receive_round_at = net->now;
	tcp->receive_round_bytes = 0;
}

int64_t tcp_read(struct tcp *tcp, void *buffer, size_t count, bool peek, bool discard)
{
	struct net *net = tcp->socket.net;
	struct net_list *node = tcp->received.next;
	size_t done = 0;
	uint32_t window;

	while (done < count && node != &tcp->received) {
		struct packet *packet = NET_ITEM(node, struct packet, node);
		size_t part = count - done < packet->length ? count - done : packet->length;

		node = node->next;
		if (!discard && !net->copy((uint8_t *)buffer + done, packet->data, part)) {
			if (!done)
				return -NET_EFAULT;
			break;
		}
		done += part;
		if (peek)
			continue;
		packet->data += part;
		packet->length -= (uint32_t)part;
		tcp->readable -= (uint32_t)part;
		if (!packet->length) {
			net_list_remove(&packet->node);
			tcp->receive_charge -= packet->charge;
			packet_free(net, packet);
		}
	}
	if (peek || !done)
		return (int64_t)done;
	window_follow(tcp, (uint32_t)done);
	/* The peer is told of room once that is two segments or half the buffer more than it knows of. */
	window = tcp_receive_window(tcp);
	if (tcp->state == TCP_ESTABLISHED || tcp->state == TCP_FIN_WAIT_1 || tcp->state == TCP_FIN_WAIT_2) {
		uint32_t known = after(tcp->receive_advertised, tcp->receive_next)
		                     ? tcp->receive_advertised - tcp->receive_next
		                     : 0;

		window = min32(window, 65535u << tcp->receive_scale);
		if (window > known && window - known >= min32(2 * tcp->mss, tcp->receive_window_limit / 2) &&
		    (known < tcp->receive_window_limit / 2 ||
		     window - known >= tcp->receive_window_limit / 4))
			tcp_send_ack(tcp);
	}
	/* The sender may have nothing more to send before it hears of this. */
	if (tcp->pushed && !tcp->dialogue && tcp->unacknowledged_in && net->profile->ack_when_read &&
	    net_list_empty(&tcp->received) && tcp->state == TCP_ESTABLISHED)
		tcp_send_ack(tcp);
	return (int64_t)done;
}
