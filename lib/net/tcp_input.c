/* Arriving TCP segments: RFC 9293, 3.10.7, with the checks of RFC 5961 and RFC 7323 in their places.
 *
 * Every segment passes the same steps in the same order: header and checksum; the connection it is for;
 * timestamps (PAWS); sequence; RST; SYN; acknowledgement; window; data and FIN. A step that ends the
 * processing says so.
 */
#include "tcp.h"
#include <string.h>

/* ---- Options ---- */

void tcp_parse_options(const uint8_t *header, uint32_t count, struct tcp_options *options)
{
	const uint8_t *at = header + TCP_HEADER_BYTES, *end = header + count;

	memset(options, 0, sizeof(*options));
	while (at < end && *at) {
		uint32_t bytes;

		if (*at == 1) {
			at++;
			continue;
		}
		if (end - at < 2 || at[1] < 2 || at[1] > end - at)
			return;
		bytes = at[1];
		switch (*at) {
		case 2:
			if (bytes == 4) {
				options->has_mss = true;
				options->mss = load16(at + 2);
			}
			break;
		case 3:
			if (bytes == 3) {
				options->has_scale = true;
				options->scale = at[2] > 14 ? 14 : at[2];
			}
			break;
		case 4:
			if (bytes == 2)
				options->sack_permitted = true;
			break;
		case 5:
			if (bytes >= 10 && (bytes - 2) % 8 == 0)
				for (uint32_t place = 2;
				     place < bytes && options->sack_count < TCP_SACK_BLOCKS; place += 8)
					options->sacks[options->sack_count++] =
					    (struct tcp_range){load32(at + place), load32(at + place + 4)};
			break;
		case 8:
			if (bytes == 10) {
				options->has_timestamp = true;
				options->timestamp = load32(at + 2);
				options->echo = load32(at + 6);
			}
			break;
		case 34:
			options->has_fast_open = true;
			options->fast_open_bytes = (uint8_t)(bytes - 2);
			options->fast_open = at + 2;
			break;
		default:
			break;
		}
		at += bytes;
	}
}

/* ---- States ---- */

void tcp_set_state(struct tcp *tcp, enum tcp_state state)
{
	tcp->state = (uint8_t)state;
}

void tcp_done(struct tcp *tcp, int error)
{
	struct net_socket *socket = &tcp->socket;

	if (error && !tcp->detached)
		socket->error = error;
	tcp_timers_stop(tcp);
	flow_remove(socket->net, &socket->flow);
	tcp_free_sent(tcp, tcp->ring_count);
	tcp_set_state(tcp, TCP_CLOSED);
	tcp->write_closed = true;
	if (tcp->parent) {
		/* Nobody has accepted it yet: the listener shows the end to whoever does. */
		tcp->read_closed = true;
		return;
	}
	if (tcp->detached) {
		tcp_free(tcp);
		return;
	}
	tcp->fin_received = true;
	socket_unbind(socket);
	socket_notify(socket,
	              NET_READABLE | NET_WRITABLE | NET_HANGUP | NET_READ_HANGUP | (error ? NET_ERROR : 0u));
}

/* RFC 5961, 7: at most 1,000 challenges a second, a number near it at random (CVE-2016-5696). */
bool tcp_challenge_allowed(struct net *net)
{
	if (net->now - net->challenge_at >= SECOND) {
		net->challenge_at = net->now;
		net->challenges = 500 + net_random(net) % 1000;
	}
	if (!net->challenges)
		return false;
	net->challenges--;
	net->counts.tcp_challenges++;
	return true;
}

static void challenge(struct tcp *tcp)
{
	if (tcp_challenge_allowed(tcp->socket.net))
		tcp_send_ack(tcp);
}

void tcp_round_receive(struct tcp *tcp)
{
	uint32_t mss = min32(tcp->peer_mss, tcp->mss);

	if (!tcp->socket.net->profile->round_receive || !mss)
		return;
	tcp->socket.receive_size = (tcp->socket.receive_size + mss - 1) / mss * mss;
	tcp->receive_window_limit = tcp->socket.receive_size;
}

/* The handshake is over: sizes and timers that need both sides. */
void tcp_established(struct tcp *tcp)
{
	struct net *net = tcp->socket.net;
	const struct tcp_profile *profile = net->profile;

	tcp_set_state(tcp, TCP_ESTABLISHED);
	tcp->established = true;
	tcp->window = profile->initial_window;
	tcp->threshold = 0x7fffffff;
	cubic_reset(tcp);
	tcp->quick_acks = profile->quick_acks;
	tcp_send_size_follow(tcp);
	tcp->last_received = net->now;
	tcp->retries = 0;
	tcp->backoffs = 0;
	tcp_stop_retransmit(tcp);
	tcp_arm_idle(tcp);
	if (!tcp->parent)
		socket_notify(&tcp->socket, NET_WRITABLE);
}

/* What the peer's SYN offers, as far as we offered it too. */
static void accept_options(struct tcp *tcp, const struct tcp_options *options)
{
	struct net *net = tcp->socket.net;

	tcp->peer_mss = options->has_mss ? max32(options->mss, TCP_MSS_MIN)
	                                 : (net_is_ipv4(&tcp->socket.flow.remote) ? 536 : 1220);
	tcp->scaling = tcp->scaling && options->has_scale;
	tcp->send_scale = tcp->scaling ? options->scale : 0;
	if (!tcp->scaling)
		tcp->receive_scale = 0;
	tcp->sack = tcp->sack && options->sack_permitted;
	tcp->timestamps = tcp->timestamps && options->has_timestamp;
	if (tcp->timestamps) {
		tcp->recent_timestamp = options->timestamp;
		tcp->recent_timestamp_at = net->now;
	}
}

/* ---- SYN-SENT ---- */

static void syn_sent_input(struct tcp *tcp, struct packet *packet, struct tcp_segment *segment)
{
	struct net *net = tcp->socket.net;
	bool acknowledged = segment->flags & TCP_ACK;
	struct path path;

	if (acknowledged && (!after(segment->acknowledged, tcp->send_initial) ||
	                     after(segment->acknowledged, tcp->send_next))) {
		if (!(segment->flags & TCP_RST))
			tcp_refuse(net, packet, segment);
		goto drop;
	}
	if (acknowledged && tcp->timestamps && segment->options.has_timestamp && segment->options.echo &&
	    after(segment->options.echo, tcp_timestamp(net, tcp->timestamp_offset)))
		goto drop;
	if (segment->flags & TCP_RST) {
		if (acknowledged)
			tcp_done(tcp, NET_ECONNREFUSED);
		goto drop;
	}
	if (!(segment->flags & TCP_SYN))
		goto drop;
	accept_options(tcp, &segment->options);
	tcp->receive_initial = segment->sequence;
	tcp->receive_next = tcp->last_ack_sent = segment->sequence + 1;
	tcp->receive_advertised = tcp->receive_next + tcp->receive_window_limit;
	tcp->window_sequence = segment->sequence;
	tcp->window_acknowledged = segment->acknowledged;
	tcp->send_window = tcp->send_window_max = segment->window;
	tcp->first_unanswered = 0;
	/* ECN: the SYN-ACK answers ours with ECE alone (RFC 3168, 6.1.1). */
	tcp->ecn = tcp->ecn && (segment->flags & (TCP_ECE | TCP_CWR)) == TCP_ECE;
	if (route_find(net, &tcp->socket.flow.remote, tcp->socket.scope, &path))
		tcp_set_mss(tcp, path.mtu);
	tcp_round_receive(tcp);
	if (!acknowledged) { /* simultaneous open */
		tcp_set_state(tcp, TCP_SYN_RECEIVED);
		tcp->retries = 0;
		tcp_send_syn(tcp);
		goto drop;
	}
	if (!(tcp->timestamps && segment->options.echo) && !tcp->retries)
		tcp_rtt_sample(tcp, net->now - tcp->last_sent);
	else if (tcp->timestamps && segment->options.echo)
		tcp_rtt_sample(tcp,
		               (uint64_t)(tcp_timestamp(net, tcp->timestamp_offset) - segment->options.echo) *
		                   MILLISECOND);
	tcp->send_unacknowledged = tcp->send_initial + 1;
	tcp->rack_end = tcp->send_unacknowledged;
	if (tcp->fast_open_asked)
		tcp_fast_open_answer(tcp, segment);
	tcp_established(tcp);
	tcp->ack_now = true;
	if (segment->length || (segment->flags & TCP_FIN)) {
		segment->sequence++;
		segment->flags &= (uint16_t)~TCP_SYN;
		if (!tcp_receive_data(tcp, packet, segment))
			return;
		packet = NULL;
	}
	/* A deferred FIN or data goes out with the acknowledgement. */
	tcp_output(tcp);
drop:
	packet_free(net, packet);
}

/* ---- Checks ---- */

/* RFC 7323, 5.3: the segment is older than what was seen. */
static bool paws_refuses(const struct tcp *tcp, const struct tcp_segment *segment)
{
	if (!tcp->timestamps || !segment->options.has_timestamp || (segment->flags & TCP_RST))
		return false;
	return before(segment->options.timestamp, tcp->recent_timestamp) &&
	       tcp->socket.net->now - tcp->recent_timestamp_at < 24 * 86400 * SECOND;
}

/* RFC 9293, 3.10.7.4, first. */
static bool acceptable(const struct tcp *tcp, const struct tcp_segment *segment)
{
	uint32_t end =
	    segment->sequence + segment->length + !!(segment->flags & TCP_SYN) + !!(segment->flags & TCP_FIN);
	uint32_t right = tcp->receive_next + tcp_receive_window(tcp);

	/* What there is room for, also where the header's field could not say so, and what was promised. */
	if (before(right, tcp->receive_advertised))
		right = tcp->receive_advertised;
	if (segment->flags & TCP_RST)
		return !before(segment->sequence, tcp->receive_next) &&
		       (before(segment->sequence, right) || segment->sequence == tcp->receive_next);
	if (end == segment->sequence)
		return !before(segment->sequence, tcp->receive_next) && !after(segment->sequence, right);
	return after(end, tcp->receive_next) &&
	       (before(segment->sequence, right) || segment->sequence == tcp->receive_next);
}

static void reset_input(struct tcp *tcp, const struct tcp_segment *segment)
{
	uint32_t expected = tcp->receive_next;

	if (segment->sequence != expected && segment->sequence != tcp->last_ack_sent) {
		challenge(tcp); /* RFC 5961, 3.2 */
		return;
	}
	switch (tcp->state) {
	case TCP_SYN_RECEIVED:
		tcp_done(tcp, NET_ECONNREFUSED);
		break;
	case TCP_CLOSE_WAIT:
		tcp_done(tcp,
		         tcp->socket.net->profile->profile == NET_PROFILE_LINUX ? NET_EPIPE : NET_ECONNRESET);
		break;
	case TCP_CLOSING:
	case TCP_LAST_ACK:
		tcp_done(tcp, tcp->socket.net->profile->last_ack_reset ? NET_ECONNRESET : 0);
		break;
	default:
		tcp_done(tcp, NET_ECONNRESET);
	}
}

/* The acknowledgement step. False: processing ends. */
static bool acknowledgement_input(struct tcp *tcp, struct packet *packet, const struct tcp_segment *segment)
{
	uint32_t number = segment->acknowledged;

	if (tcp->state == TCP_SYN_RECEIVED) {
		if (!after(number, tcp->send_initial) || after(number, tcp->send_next)) {
			tcp_refuse(tcp->socket.net, packet, segment);
			return false;
		}
		tcp->send_unacknowledged = tcp->send_initial + 1;
		tcp->send_window = tcp->send_window_max = segment->window << tcp->send_scale;
		tcp->window_sequence = segment->sequence;
		tcp->window_acknowledged = number;
		tcp_established(tcp);
	}
	if (after(number, tcp->send_next)) {
		challenge(tcp);
		return false;
	}
	if (before(number, tcp->send_unacknowledged - tcp->send_window_max)) { /* RFC 5961, 5.2 */
		challenge(tcp);
		return false;
	}
	if (before(number, tcp->send_unacknowledged))
		tcp_acknowledged_before(tcp, segment); /* its data may be new too */
	else
		tcp_acknowledged(tcp, segment);
	return true;
}

/* Our FIN was acknowledged, perhaps: RFC 9293, 3.10.7.4, fifth. False: the connection is gone from here. */
static bool fin_acknowledged(struct tcp *tcp)
{
	if (!tcp->fin_queued || tcp->ring_count || tcp->send_unacknowledged != tcp->send_next ||
	    tcp->send_next != tcp->write_sequence + 1)
		return true;
	switch (tcp->state) {
	case TCP_FIN_WAIT_1:
		tcp_set_state(tcp, TCP_FIN_WAIT_2);
		socket_notify(&tcp->socket, NET_WRITABLE);
		return true;
	case TCP_CLOSING:
		tcp_enter_time_wait(tcp, TCP_TIME_WAIT);
		return false;
	case TCP_LAST_ACK:
		tcp_done(tcp, 0);
		return false;
	default:
		return true;
	}
}

/* Whether what SEGMENT, which has been taken, causes to be sent may wait for the end of a train of frames: it is one of many that
 * come in order, and the peer learns nothing sooner that it would act upon. */
static bool train_goes_on(const struct tcp *tcp, const struct tcp_segment *segment)
{
	return tcp->socket.net->train && tcp->state == TCP_ESTABLISHED &&
	       tcp->congestion == CONGESTION_OPEN && !tcp->reordered_count && !tcp->duplicate_sack &&
	       !tcp->ecn_echo && !segment->options.sack_count &&
	       !(segment->flags & (TCP_SYN | TCP_FIN | TCP_RST | TCP_CWR)) &&
	       tcp->receive_next == segment->sequence + segment->length &&
	       tcp->unacknowledged_in <= TRAIN_BYTES_MAX;
}

void net_train_begin(struct net *net)
{
	net->train = true;
}

void net_train_end(struct net *net)
{
	struct net_list *node;

	net->train = false;
	while ((node = net_list_pop(&net->train_due)))
		tcp_output(NET_ITEM(node, struct tcp, train));
}

static void connection_input(struct tcp *tcp, struct packet *packet, struct tcp_segment *segment)
{
	struct net *net = tcp->socket.net;
	uint32_t owed = tcp->receive_next;

	if (paws_refuses(tcp, segment)) {
		challenge(tcp);
		goto drop;
	}
	if (!acceptable(tcp, segment)) {
		if (segment->flags & TCP_RST)
			goto drop;
		if (segment->flags & TCP_SYN) {
			challenge(tcp);
			goto drop;
		}
		/* A repetition is told by D-SACK (RFC 2883). */
		if (tcp->sack && segment->length && before(segment->sequence, tcp->receive_next)) {
			tcp->duplicate_sack = true;
			tcp->duplicate =
			    (struct tcp_range){segment->sequence, segment->sequence + segment->length};
		}
		challenge(tcp);
		goto drop;
	}
	if (segment->flags & TCP_RST) {
		reset_input(tcp, segment);
		goto drop;
	}
	if (segment->flags & TCP_SYN) {
		/* Our SYN-ACK of a simultaneous open meets the peer's. */
		if (tcp->state == TCP_SYN_RECEIVED && segment->sequence == tcp->receive_initial &&
		    (segment->flags & TCP_ACK)) {
			segment->flags &= (uint16_t)~TCP_SYN;
			segment->sequence++;
		} else {
			challenge(tcp); /* RFC 5961, 4.2 */
			goto drop;
		}
	}
	if (!(segment->flags & TCP_ACK))
		goto drop;
	/* RFC 7323, 4.3: of segments that reach what we acknowledged last. */
	if (tcp->timestamps && segment->options.has_timestamp &&
	    !after(segment->sequence, tcp->last_ack_sent)) {
		tcp->recent_timestamp = segment->options.timestamp;
		tcp->recent_timestamp_at = net->now;
	}
	if (!acknowledgement_input(tcp, packet, segment))
		goto drop;
	tcp->last_received = net->now;
	tcp->keep_sent = 0;
	tcp_update_window(tcp, segment);
	if (!fin_acknowledged(tcp))
		goto drop;
	if (tcp->ecn && segment->length && (packet->traffic_class & ECN_MASK) == ECN_CE) {
		tcp->ecn_echo = true;
		tcp->ack_now = true;
	}
	if (segment->flags & TCP_CWR)
		tcp->ecn_echo = false;
	if (segment->length || (segment->flags & TCP_FIN)) {
		/* Data for a reader that is gone (RFC 9293, 3.10.7.4, seventh; RFC 1122, 4.2.2.13). */
		if (segment->length && tcp->detached && tcp->read_closed &&
		    after(segment->sequence + segment->length, owed) && tcp->state >= TCP_FIN_WAIT_1 &&
		    tcp->state <= TCP_FIN_WAIT_2) {
			tcp_send_reset(tcp);
			tcp_done(tcp, 0);
			goto drop;
		}
		if (!tcp_receive_data(tcp, packet, segment))
			return;
		packet = NULL;
	}
	if (!train_goes_on(tcp, segment))
		tcp_output(tcp);
	else if (net_list_empty(&tcp->train))
		net_list_append(&net->train_due, &tcp->train);
	/* Nobody reads any more: a small block waits for the peer's FIN. */
	if (tcp->state == TCP_FIN_WAIT_2 && tcp->detached)
		(void)tcp_enter_time_wait(tcp, TCP_FIN_WAIT_2);
drop:
	packet_free(net, packet);
}

void tcp_input_established(struct tcp *tcp, struct packet *packet, const struct tcp_segment *segment)
{
	struct tcp_segment copy = *segment;

	connection_input(tcp, packet, &copy);
}

/* ---- Demultiplexing ---- */

static bool read_header(struct net *net, struct packet *packet, struct tcp_segment *segment)
{
	const uint8_t *at = packet->data;
	uint32_t header;

	net->counts.tcp_received++;
	if (packet->length < TCP_HEADER_BYTES || packet->broadcast)
		return false;
	header = (at[12] >> 4) * 4u;
	if (header < TCP_HEADER_BYTES || header > packet->length)
		return false;
	if (!packet->trusted && checksum_finish(checksum_add(
	                            checksum_pseudo(&packet->from, &packet->to, PROTOCOL_TCP, packet->length),
	                            at, packet->length)) != 0)
		return false;
	packet->from_port = load16(at);
	segment->sequence = load32(at + 4);
	segment->acknowledged = load32(at + 8);
	segment->flags = at[13];
	segment->window = load16(at + 14);
	segment->urgent = load16(at + 18);
	tcp_parse_options(at, header, &segment->options);
	packet->data += header;
	packet->length -= header;
	segment->length = packet->length;
	segment->header = header;
	return true;
}

/* Does SOCKET take PACKET, whose header is read, by its time to live and its filter? That may leave less of its data. */
static bool filter_takes(const struct net_socket *socket, struct packet *packet, struct tcp_segment *segment)
{
	const uint8_t *header = packet->data - segment->header;
	uint32_t take;

	if (packet->ttl < socket->least_ttl)
		return false;
	if (!socket->filter)
		return true;
	take = socket_filter(socket, packet, header, packet->length + segment->header);
	if (!take)
		return false;
	take = max32(take, segment->header) - segment->header;
	packet->room += packet->length - take;
	packet->length = segment->length = take;
	return true;
}

void tcp_input(struct net *net, struct packet *packet)
{
	struct tcp_segment segment;
	struct net_socket *listener;
	struct flow *flow;
	uint16_t port = packet->length >= 4 ? load16(packet->data + 2) : 0;

	if (!read_header(net, packet, &segment)) {
		net->counts.tcp_bad++;
		packet_free(net, packet);
		return;
	}
	flow = flow_find(net, false, &packet->to, port, &packet->from, packet->from_port);
	packet->sequence = segment.sequence;
	packet->to_port = port;
	if (flow && flow->kind == FLOW_TCP) {
		struct tcp *tcp = tcp_of((struct net_socket *)flow);

		if (!filter_takes(&tcp->socket, packet, &segment)) {
			packet_free(net, packet);
			return;
		}
		tcp->segments_in++;
		if (tcp->state == TCP_SYN_SENT)
			syn_sent_input(tcp, packet, &segment);
		else
			connection_input(tcp, packet, &segment);
		return;
	}
	if (flow && flow->kind == FLOW_REQUEST) {
		tcp_request_input((struct tcp_request *)flow, packet, &segment);
		return;
	}
	if (flow && !tcp_time_wait_input(net, (struct tcp_time_wait *)flow, packet, &segment)) {
		packet_free(net, packet);
		return;
	}
	listener = socket_find_bound(net, PROTOCOL_TCP, &packet->to, port, packet->link->number,
	                             siphash(&net->flow_key, &packet->from, sizeof(packet->from)) +
	                                 packet->from_port);
	if (listener && !filter_takes(listener, packet, &segment)) {
		packet_free(net, packet);
		return;
	}
	if (listener) {
		tcp_listen_input(tcp_of(listener), packet, &segment);
		return;
	}
	tcp_refuse(net, packet, &segment);
	packet_free(net, packet);
}

/* ---- ICMP (RFC 5461, RFC 5927) ---- */

void tcp_icmp(struct net *net, const struct icmp_report *report)
{
	struct flow *flow =
	    flow_find(net, false, &report->from, report->from_port, &report->to, report->to_port);
	struct tcp *tcp;
	int error = report->error;

	if (!flow)
		return;
	if (flow->kind == FLOW_REQUEST) {
		tcp_request_icmp((struct tcp_request *)flow, report);
		return;
	}
	if (flow->kind != FLOW_TCP)
		return;
	tcp = tcp_of((struct net_socket *)flow);
	/* RFC 5927, 4.1: it must quote something under way. */
	if (before(report->sequence, tcp->send_unacknowledged) || !before(report->sequence, tcp->send_next))
		return;
	if (report->mtu) {
		path_learn(net, &report->to, report->mtu);
		if (tcp->state != TCP_SYN_SENT && tcp->state != TCP_SYN_RECEIVED) {
			uint32_t mss = tcp->mss;

			tcp_set_mss(tcp, report->mtu);
			if (tcp->mss < mss) {
				for (uint32_t index = 0; index < tcp->sent; index++)
					if (segment_at(tcp, index)->length > tcp->mss)
						tcp_mark_lost(tcp, segment_at(tcp, index));
				tcp_output(tcp);
			}
		}
		return;
	}
	if (tcp->state == TCP_SYN_SENT || tcp->state == TCP_SYN_RECEIVED) {
		failure_report(&tcp->socket, report, report->to_port, report->quoted, report->quoted_bytes);
		if (report->hard && net->profile->icmp_refuses)
			error = NET_ECONNREFUSED;
		if (report->hard || report->expired || net->profile->profile == NET_PROFILE_LINUX)
			tcp_done(tcp, error);
		else
			tcp->soft_error = error;
	} else {
		tcp->soft_error = error; /* said if the connection times out */
	}
}
