/* Which segments are lost, and how fast to repair that. */
#include "tcp.h"

/* ---- Marks ---- */

void tcp_mark_lost(struct tcp *tcp, struct segment *segment)
{
	if (segment->marks & SEGMENT_SACKED)
		return;
	if (segment->marks & SEGMENT_RETRANSMITTED) {
		segment->marks &= (uint16_t)~SEGMENT_RETRANSMITTED;
		tcp->retransmitted--;
	} else if (segment->marks & SEGMENT_LOST) {
		return; /* it waits for its retransmission already */
	}
	if (!(segment->marks & SEGMENT_LOST)) {
		segment->marks |= SEGMENT_LOST;
		tcp->lost++;
	}
	net_list_remove(&segment->order);
	net_list_append(&tcp->missing, &segment->order);
}

/* The index of the first sent segment that ends behind SEQUENCE. */
static uint32_t segment_index(const struct tcp *tcp, uint32_t sequence)
{
	uint32_t low = 0, high = tcp->sent;

	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (after(segment_end(segment_at(tcp, middle)), sequence))
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

static uint32_t mark_range(struct tcp *tcp, uint32_t start, uint32_t end)
{
	uint32_t count = 0;

	for (uint32_t index = segment_index(tcp, start); index < tcp->sent; index++) {
		struct segment *segment = segment_at(tcp, index);

		if (after(segment_end(segment), end))
			break;
		if (before(segment->sequence, start) || (segment->marks & SEGMENT_SACKED))
			continue;
		tcp_rack_update(tcp, segment);
		/* Reordering: something older than what was sacked arrives without having been sent again. */
		if (tcp->rack_highest && before(segment->sequence, tcp->rack_highest) &&
		    !(segment->marks & SEGMENT_EVER)) {
			tcp->reorder_seen = true;
			tcp->reorder_events++;
		}
		if (segment->marks & SEGMENT_LOST)
			tcp->lost--;
		if (segment->marks & SEGMENT_RETRANSMITTED)
			tcp->retransmitted--;
		segment->marks =
		    (uint16_t)((segment->marks & ~(SEGMENT_LOST | SEGMENT_RETRANSMITTED)) | SEGMENT_SACKED);
		net_list_remove(&segment->order);
		tcp->sacked++;
		count++;
		if (after(segment_end(segment), tcp->rack_highest) || !tcp->rack_highest)
			tcp->rack_highest = segment_end(segment);
	}
	return count;
}

/* Blocks repeat in every acknowledgement: only what the last ones did not have is walked. */
uint32_t tcp_mark_sacked(struct tcp *tcp, const struct tcp_segment *segment)
{
	struct tcp_range seen[TCP_SACK_BLOCKS] = {{0, 0}};
	uint32_t count = 0, kept = 0;

	for (unsigned block = 0; block < segment->options.sack_count; block++) {
		struct tcp_range range = segment->options.sacks[block];
		struct tcp_range known = {range.start, range.start};

		/* Only what is under way counts; anything else is a D-SACK or an attack. */
		if (!before(range.start, range.end) || !after(range.start, tcp->send_unacknowledged) ||
		    after(range.end, tcp->send_next))
			continue;
		for (unsigned index = 0; index < TCP_SACK_BLOCKS; index++) {
			struct tcp_range *old = &tcp->sack_seen[index];

			if (old->start != old->end && !before(old->start, range.start) &&
			    !after(old->end, range.end)) {
				known = *old;
				break;
			}
		}
		count += mark_range(tcp, range.start, known.start);
		count += mark_range(tcp, known.end, range.end);
		seen[kept++] = range;
	}
	for (unsigned index = 0; index < kept; index++)
		tcp->sack_seen[index] = seen[index];
	return count;
}

/* ---- RACK ---- */

/* RFC 8985, 6.2, step 2. */
void tcp_rack_update(struct tcp *tcp, const struct segment *segment)
{
	uint64_t now = tcp->socket.net->now, rtt = now - segment->sent_at;

	/* The acknowledgement of a retransmission may be of the first sending. */
	if ((segment->marks & SEGMENT_EVER) && rtt < tcp->min_rtt)
		return;
	tcp->rack_rtt = rtt;
	if (segment->sent_at > tcp->rack_sent_at ||
	    (segment->sent_at == tcp->rack_sent_at && after(segment_end(segment), tcp->rack_end))) {
		tcp->rack_sent_at = segment->sent_at;
		tcp->rack_end = segment_end(segment);
	}
}

/* Step 4: how late a segment may be. */
static uint64_t reorder_window(struct tcp *tcp)
{
	uint64_t window;

	if (!tcp->reorder_seen && (tcp->congestion >= CONGESTION_RECOVERY || tcp->sacked >= tcp->reordering))
		return 0;
	if (tcp->rack_dsack && !before(tcp->send_unacknowledged, tcp->reorder_round)) {
		tcp->rack_dsack = false;
		tcp->reorder_round = tcp->send_next;
		if (tcp->reorder_steps < 255)
			tcp->reorder_steps++;
		tcp->reorder_persist = 16;
	}
	window = tcp->min_rtt / 4 * (1u + tcp->reorder_steps);
	return window < tcp->srtt ? window : tcp->srtt;
}

/* Step 5. */
void tcp_detect_loss(struct tcp *tcp)
{
	uint64_t now = tcp->socket.net->now, window, wait = 0;
	struct net_list *node, *next;

	if (!tcp->rack_sent_at || !tcp->sent)
		return;
	window = reorder_window(tcp);
	for (node = tcp->order.next; node != &tcp->order; node = next) {
		struct segment *segment = NET_ITEM(node, struct segment, order);
		uint64_t due = segment->sent_at + tcp->rack_rtt + window;

		next = node->next;
		if (segment->sent_at > tcp->rack_sent_at ||
		    (segment->sent_at == tcp->rack_sent_at && !before(segment_end(segment), tcp->rack_end)))
			break;
		if (due <= now) {
			tcp_mark_lost(tcp, segment);
		} else {
			/* Times of sending rise: the last of these is the latest. */
			wait = due - now;
		}
	}
	tcp->reorder_wait = wait;
}

/* ---- States ---- */

static void remember_undo(struct tcp *tcp)
{
	tcp->undo_valid = true;
	tcp->undo_window = tcp->window;
	tcp->undo_threshold = tcp->threshold;
	tcp->undo_retransmitted = 0;
	tcp->undo_timestamp = 0;
	tcp->undo_point = tcp->send_unacknowledged;
	tcp->duplicate_sack_seen = false;
}

void tcp_enter_recovery(struct tcp *tcp)
{
	remember_undo(tcp);
	tcp->prior_window = tcp->window;
	if (tcp->congestion != CONGESTION_CWR)
		tcp->threshold = cubic_reduced(tcp);
	tcp->recovery_point = tcp->send_next;
	tcp->prr_delivered = tcp->prr_out = 0;
	tcp->congestion = CONGESTION_RECOVERY;
	tcp->ecn_reduced = tcp->ecn;
}

/* The retransmission timer has expired (RFC 5681, 3.1; RFC 6675, 5.1). */
void tcp_enter_loss(struct tcp *tcp)
{
	bool reneged = tcp->sent && (segment_at(tcp, 0)->marks & SEGMENT_SACKED);

	if (tcp->congestion < CONGESTION_LOSS || !before(tcp->send_unacknowledged, tcp->recovery_point)) {
		remember_undo(tcp);
		tcp->threshold = cubic_reduced(tcp);
	}
	if (!tcp->sack)
		tcp->sacked = 0;
	for (uint32_t index = 0; index < tcp->sent; index++) {
		struct segment *segment = segment_at(tcp, index);

		if (reneged && (segment->marks & SEGMENT_SACKED)) { /* RFC 2018, 8 */
			segment->marks &= (uint16_t)~SEGMENT_SACKED;
			tcp->sacked--;
		}
		tcp_mark_lost(tcp, segment);
	}
	if (reneged)
		for (unsigned index = 0; index < TCP_SACK_BLOCKS; index++)
			tcp->sack_seen[index] = (struct tcp_range){0, 0};
	tcp->window = tcp_in_flight(tcp) + 1;
	tcp->window_count = 0;
	tcp->recovery_point = tcp->send_next;
	tcp->congestion = CONGESTION_LOSS;
	tcp->ecn_reduced = tcp->ecn;
	tcp->duplicate_acks = 0;
	tcp->probing = false;
}

void tcp_leave_recovery(struct tcp *tcp)
{
	if (tcp->congestion == CONGESTION_RECOVERY)
		tcp->window = max32(tcp->threshold, 1);
	tcp->congestion = CONGESTION_OPEN;
	tcp->duplicate_acks = 0;
	if (!tcp->sack)
		tcp->sacked = 0;
	if (tcp->reorder_persist && --tcp->reorder_persist == 0)
		tcp->reorder_steps = 0;
}

uint32_t tcp_allowance(const struct tcp *tcp)
{
	uint32_t flight = tcp_in_flight(tcp);

	/* A duplicate acknowledgement takes a segment out of flight: limited transmit (RFC 3042) by itself.
	 */
	return tcp->window > flight ? tcp->window - flight : 0;
}

/* ---- The timer for what is under way ---- */

void tcp_rearm(struct tcp *tcp)
{
	const struct net *net = tcp->socket.net;
	uint64_t rto = tcp_rto(tcp), probe;

	if (!tcp->sent) {
		if (tcp->retransmit_kind != RETRANSMIT_PERSIST)
			tcp_stop_retransmit(tcp);
		return;
	}
	if (tcp->reorder_wait) {
		tcp_arm_retransmit(tcp, RETRANSMIT_REORDER, tcp->reorder_wait);
		return;
	}
	if (tcp->sack && net->profile->profile == NET_PROFILE_LINUX && tcp->congestion == CONGESTION_OPEN &&
	    !tcp->probing && !tcp->sacked && tcp->srtt) {
		/* RFC 8985, 7.2. */
		probe = 2 * tcp->srtt + (tcp->sent == 1 ? 200 * MILLISECOND : 2 * MILLISECOND);
		if (probe < rto) {
			tcp_arm_retransmit(tcp, RETRANSMIT_PROBE, probe);
			return;
		}
	}
	tcp_arm_retransmit(tcp, RETRANSMIT_TIMEOUT, rto);
}

void tcp_send_probe(struct tcp *tcp)
{
	struct segment *last;
	uint32_t next = tcp->send_next;

	tcp->probing = true;
	tcp->probe_retransmitted = false;
	/* New data if there is any and the peer has room, whatever the congestion window says. */
	if (tcp->sent < tcp->ring_count) {
		uint32_t window = tcp->window;

		tcp->window = tcp_in_flight(tcp) + 1;
		tcp_output(tcp);
		tcp->window = window;
	}
	if (tcp->send_next == next && tcp->sent) {
		last = segment_at(tcp, tcp->sent - 1);
		if (!(last->marks & SEGMENT_SACKED))
			tcp->probe_retransmitted = tcp_retransmit(tcp, last);
	}
	tcp->probe_end = tcp->send_next;
	tcp_arm_retransmit(tcp, RETRANSMIT_TIMEOUT, tcp_rto(tcp));
}
