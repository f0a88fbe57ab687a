/* Acknowledgements: what they free, what they measure, and how they open the congestion window. */
#include "tcp.h"

/* RFC 6298, 2, with the variance's part at least the minimum, as Linux and FreeBSD have it. */
void tcp_rtt_sample(struct tcp *tcp, uint64_t rtt)
{
	const struct tcp_profile *profile = tcp->socket.net->profile;
	uint64_t now = tcp->socket.net->now, spread;

	if (rtt == 0)
		rtt = 1000;
	if (rtt > 300 * SECOND)
		return;
	/* The least of the last five minutes (RFC 8985, 6.2, step 1 wants a window). */
	if (!tcp->min_rtt || rtt <= tcp->min_rtt || now - tcp->min_rtt_at > 300 * SECOND) {
		tcp->min_rtt = rtt;
		tcp->min_rtt_at = now;
	}
	if (!tcp->srtt) {
		tcp->srtt = rtt;
		tcp->rttvar = rtt / 2;
	} else {
		uint64_t error = rtt > tcp->srtt ? rtt - tcp->srtt : tcp->srtt - rtt;

		tcp->rttvar = tcp->rttvar - tcp->rttvar / 4 + error / 4;
		tcp->srtt = tcp->srtt - tcp->srtt / 8 + rtt / 8;
	}
	spread = 4 * tcp->rttvar;
	if (spread < profile->rto_min)
		spread = profile->rto_min;
	tcp->rto = tcp->srtt + spread;
	if (tcp->rto > profile->rto_max)
		tcp->rto = profile->rto_max;
}

void tcp_update_window(struct tcp *tcp, const struct tcp_segment *segment)
{
	uint32_t window = segment->window << tcp->send_scale, old = tcp->send_window;

	/* RFC 9293, 3.10.7.4: only newer segments tell the window. */
	if (before(segment->acknowledged, tcp->send_unacknowledged) ||
	    !(after(segment->sequence, tcp->window_sequence) ||
	      (segment->sequence == tcp->window_sequence &&
	       !before(segment->acknowledged, tcp->window_acknowledged))))
		return;
	tcp->send_window = window;
	tcp->send_window_max = max32(tcp->send_window_max, window);
	tcp->window_sequence = segment->sequence;
	tcp->window_acknowledged = segment->acknowledged;
	if (tcp->retransmit_kind == RETRANSMIT_PERSIST && window > old) {
		tcp_stop_retransmit(tcp);
		tcp->backoffs = 0;
		tcp->retries = 0;
		tcp->first_unanswered = 0;
	}
	if (tcp->retransmit_kind == RETRANSMIT_PERSIST && !window) {
		/* The peer answers: it is alive, however long it has no room (RFC 9293, 3.8.6.1). */
		tcp->retries = 0;
	}
}

/* Takes the segments before NUMBER out of the queue. Returns how many were newly delivered; *RTT from the
 * last of them that was sent once, 0 if none. */
static uint32_t clean_sent(struct tcp *tcp, uint32_t number, uint64_t *rtt, bool *retransmitted)
{
	uint64_t now = tcp->socket.net->now;
	uint32_t gone = 0, delivered = 0;

	while (gone < tcp->sent) {
		struct segment *segment = segment_at(tcp, gone);

		if (after(segment_end(segment), number)) {
			if (after(number, segment->sequence)) { /* a part */
				uint32_t part = number - segment->sequence;

				segment->data += part;
				segment->sequence += part;
				segment->length -= part;
			}
			break;
		}
		if (segment->marks & SEGMENT_SACKED) {
			tcp->sacked--;
		} else {
			delivered++;
			tcp_rack_update(tcp, segment);
			if (!(segment->marks & SEGMENT_EVER))
				*rtt = now - segment->sent_at;
		}
		if (segment->marks & SEGMENT_EVER)
			*retransmitted = true;
		if (segment->marks & SEGMENT_LOST)
			tcp->lost--;
		if (segment->marks & SEGMENT_RETRANSMITTED)
			tcp->retransmitted--;
		gone++;
	}
	tcp_free_sent(tcp, gone);
	return delivered;
}

/* Without SACK each duplicate acknowledgement stands for one segment that arrived (RFC 6582). */
static void count_duplicates(struct tcp *tcp, bool duplicate, uint32_t gone)
{
	uint32_t most = tcp->sent ? tcp->sent - 1 - min32(tcp->lost, tcp->sent - 1) : 0;

	if (duplicate)
		tcp->sacked++;
	else if (gone)
		tcp->sacked = tcp->sacked > gone - 1 ? tcp->sacked - (gone - 1) : 0;
	if (tcp->sacked > most)
		tcp->sacked = most;
}

static void reno_loss(struct tcp *tcp, bool advanced)
{
	if (!tcp->sent)
		return;
	if (tcp->congestion == CONGESTION_RECOVERY) {
		/* A partial acknowledgement: the next one is lost too (RFC 6582, 3.2, step 3). */
		if (advanced && !(segment_at(tcp, 0)->marks & SEGMENT_LOST))
			tcp_mark_lost(tcp, segment_at(tcp, 0));
	} else if (tcp->congestion < CONGESTION_RECOVERY && tcp->duplicate_acks >= tcp->reordering) {
		tcp_mark_lost(tcp, segment_at(tcp, 0));
	}
}

/* What looked lost was only late: by timestamps (RFC 4015), or as every retransmission came twice (RFC 3708).
 */
static void try_undo(struct tcp *tcp, const struct tcp_segment *segment)
{
	bool late = tcp->timestamps && segment->options.has_timestamp && segment->options.echo &&
	            tcp->undo_timestamp && before(segment->options.echo, tcp->undo_timestamp) &&
	            after(segment->acknowledged, tcp->undo_point);

	if (!tcp->undo_valid ||
	    !(late || (tcp->undo_retransmitted == 0 && tcp->total_retransmitted && tcp->duplicate_sack_seen)))
		return;
	tcp->window = max32(tcp->window, tcp->undo_window);
	tcp->threshold = max32(tcp->threshold, tcp->undo_threshold);
	tcp->undo_valid = false;
	tcp->duplicate_sack_seen = false;
	tcp->congestion = CONGESTION_OPEN;
	if (late) {
		/* Nothing of it was lost; these were sent before all that is in order. */
		for (uint32_t index = tcp->sent; index-- > 0;) {
			struct segment *sent = segment_at(tcp, index);

			if ((sent->marks & (SEGMENT_LOST | SEGMENT_RETRANSMITTED)) == SEGMENT_LOST) {
				sent->marks &= (uint16_t)~SEGMENT_LOST;
				tcp->lost--;
				net_list_remove(&sent->order);
				net_list_insert_after(&tcp->order, &sent->order);
			}
		}
	}
}

static void probe_acknowledged(struct tcp *tcp, const struct tcp_segment *segment, bool duplicate_sack)
{
	if (!tcp->probing || before(segment->acknowledged, tcp->probe_end))
		return;
	tcp->probing = false;
	/* RFC 8985, 7.4.2: the probe repaired a loss, since no duplicate was reported. */
	if (tcp->probe_retransmitted && !duplicate_sack && tcp->congestion == CONGESTION_OPEN) {
		tcp->threshold = cubic_reduced(tcp);
		tcp->window = min32(tcp->window, tcp->threshold);
	}
}

/* A D-SACK (RFC 2883, 4): the first block lies before the acknowledgement, or within the second block. */
static bool duplicate_told(const struct tcp *tcp, const struct tcp_segment *segment)
{
	const struct tcp_range *sacks = segment->options.sacks;

	if (!tcp->sack || !segment->options.sack_count)
		return false;
	if (before(sacks[0].start, segment->acknowledged))
		return !after(sacks[0].end, segment->acknowledged) || segment->options.sack_count == 1;
	return segment->options.sack_count > 1 && !before(sacks[0].start, sacks[1].start) &&
	       !after(sacks[0].end, sacks[1].end);
}

static void prr_update(struct tcp *tcp, uint32_t delivered, bool advanced)
{
	uint32_t flight = tcp_in_flight(tcp);
	int64_t send;

	if (!delivered && !advanced)
		return;
	tcp->prr_delivered += delivered;
	if (flight > tcp->threshold) {
		send = (int64_t)(((uint64_t)tcp->prr_delivered * tcp->threshold + tcp->prior_window - 1) /
		                 max32(tcp->prior_window, 1)) -
		       (int64_t)tcp->prr_out;
	} else {
		/* RFC 6937, slow-start reduction bound. */
		int64_t limit = (int64_t)tcp->prr_delivered - tcp->prr_out;

		if (limit < (int64_t)delivered)
			limit = delivered;
		if (advanced)
			limit++;
		send = (int64_t)tcp->threshold - flight;
		if (send > limit)
			send = limit;
	}
	if (send < 1 && tcp->prr_out == 0)
		send = 1; /* the first retransmission goes at once */
	if (send < 0)
		send = 0;
	tcp->window = flight + (uint32_t)send;
}

void tcp_acknowledged(struct tcp *tcp, const struct tcp_segment *segment)
{
	uint32_t unacknowledged = tcp->send_unacknowledged, number = segment->acknowledged;
	uint32_t delivered, gone, sent = tcp->sent, flight = tcp_in_flight(tcp);
	bool advanced = after(number, unacknowledged), retransmitted = false, duplicate, told;
	uint64_t rtt = 0;

	tcp->first_unanswered = 0;
	/* Nothing is under way and nothing is told: what a peer that only sends has in each segment. */
	if (!advanced && !tcp->sent && tcp->congestion == CONGESTION_OPEN && !segment->options.sack_count)
		return;
	told = duplicate_told(tcp, segment);
	if (told) {
		tcp->duplicate_sacks++;
		tcp->duplicate_sack_seen = true;
		if (tcp->undo_retransmitted)
			tcp->undo_retransmitted--;
		tcp->rack_dsack = true;
	}
	delivered = tcp->sack ? tcp_mark_sacked(tcp, segment) : 0;
	if (advanced) {
		tcp->bytes_acknowledged += number - unacknowledged;
		tcp->send_unacknowledged = number;
		delivered += clean_sent(tcp, number, &rtt, &retransmitted);
		tcp->retries = 0;
		tcp->backoffs = 0;
		tcp->duplicate_acks = 0;
		tcp->soft_error = 0;
	}
	gone = sent - tcp->sent;
	/* RFC 5681, 2. */
	duplicate = !advanced && tcp->sent && !segment->length && !(segment->flags & (TCP_FIN | TCP_SYN)) &&
	            (segment->window << tcp->send_scale) == tcp->send_window;
	if (duplicate)
		tcp->duplicate_acks++;
	if (!tcp->sack) {
		count_duplicates(tcp, duplicate, gone);
		if (duplicate)
			delivered = 1;
	}
	if (advanced && tcp->timestamps && segment->options.has_timestamp && segment->options.echo && !rtt)
		rtt = (uint64_t)(tcp_timestamp(tcp->socket.net, tcp->timestamp_offset) -
		                 segment->options.echo) *
		      MILLISECOND;
	else if (retransmitted && !tcp->timestamps)
		rtt = 0;
	if (advanced && rtt)
		tcp_rtt_sample(tcp, rtt);
	tcp->delivered += delivered;
	probe_acknowledged(tcp, segment, told);

	/* Ends of recovery before new losses. */
	if (advanced && tcp->congestion >= CONGESTION_CWR && !before(number, tcp->recovery_point))
		tcp_leave_recovery(tcp);
	if (tcp->congestion >= CONGESTION_RECOVERY)
		try_undo(tcp, segment);
	if (tcp->sack)
		tcp_detect_loss(tcp);
	else
		reno_loss(tcp, advanced);
	if (tcp->congestion == CONGESTION_OPEN && (tcp->sacked || tcp->duplicate_acks))
		tcp->congestion = CONGESTION_DISORDER;
	else if (tcp->congestion == CONGESTION_DISORDER && !tcp->sacked && !tcp->duplicate_acks && !tcp->lost)
		tcp->congestion = CONGESTION_OPEN;
	if (tcp->lost > 0 && tcp->congestion < CONGESTION_RECOVERY)
		tcp_enter_recovery(tcp);

	if (tcp->ecn && (segment->flags & TCP_ECE) && tcp->congestion < CONGESTION_CWR && tcp->sent) {
		/* Once for each window (RFC 3168, 6.1.2). */
		tcp->threshold = cubic_reduced(tcp);
		tcp->window = tcp->threshold;
		tcp->recovery_point = tcp->send_next;
		tcp->congestion = CONGESTION_CWR;
		tcp->ecn_reduced = true;
	}
	if (tcp->congestion == CONGESTION_RECOVERY)
		prr_update(tcp, delivered, advanced);
	else if (advanced && delivered && tcp->congestion != CONGESTION_CWR &&
	         (tcp->window_limited || flight >= tcp->window))
		cubic_acknowledged(tcp, delivered);
	if (advanced || delivered)
		tcp_rearm(tcp);
	if (advanced) {
		if (flight < tcp->window) /* what was written did not fill the window */
			tcp_send_size_follow(tcp);
		if (tcp_send_room(tcp) * 3 >= tcp_send_limit(tcp))
			socket_notify(&tcp->socket, NET_WRITABLE);
		if (!tcp->ring_count)
			tcp->undo_valid = false;
	}
}

void tcp_acknowledged_before(struct tcp *tcp, const struct tcp_segment *segment)
{
	uint32_t delivered = tcp->sack ? tcp_mark_sacked(tcp, segment) : 0;

	if (!delivered)
		return;
	tcp->delivered += delivered;
	tcp_detect_loss(tcp);
	if (tcp->lost && tcp->congestion < CONGESTION_RECOVERY)
		tcp_enter_recovery(tcp);
	if (tcp->congestion == CONGESTION_RECOVERY)
		prr_update(tcp, delivered, false);
	tcp_rearm(tcp);
}
