/* Before and after a connection: half-open ones, SYN cookies, TIME-WAIT. Each takes a small block, not a
 * socket.
 *
 * A listener has at most as many half-open connections as its backlog; beyond that it answers with cookies,
 * which need no memory. A cookie is 32 bits: 5 of a minute counter, 3 of a table of segment sizes, 24 of a
 * keyed hash over the connection, the counter and the peer's sequence; with timestamps, the low 6 bits of
 * ours carry scale, SACK and ECN (as Linux does).
 */
#include "tcp.h"
#include <string.h>

#define COOKIE_PERIOD (64 * SECOND)

static const uint16_t cookie_sizes[8] = {216, 536, 1024, 1220, 1300, 1440, 1460, 8960};

/* ---- Cookies ---- */

static uint32_t cookie_hash(struct net *net, const struct flow *flow, uint32_t sequence, uint32_t count)
{
	struct {
		struct net_address local, remote;
		uint16_t local_port, remote_port;
		uint32_t sequence, count;
	} text = {flow->local, flow->remote, flow->local_port, flow->remote_port, sequence, count};

	return (uint32_t)siphash(&net->cookie_key, &text, sizeof(text)) & 0xffffff;
}

static uint32_t cookie_make(struct net *net, const struct flow *flow, uint32_t sequence, uint16_t mss)
{
	uint32_t count = (uint32_t)(net->now / COOKIE_PERIOD), size = 7;

	while (size && cookie_sizes[size] > mss)
		size--;
	return (count & 31) << 27 | size << 24 |
	       (cookie_hash(net, flow, sequence, count << 3 | size) & 0xffffff);
}

static uint16_t cookie_read(struct net *net, const struct flow *flow, uint32_t sequence, uint32_t cookie)
{
	uint32_t count = (uint32_t)(net->now / COOKIE_PERIOD), size = cookie >> 24 & 7;

	for (uint32_t age = 0; age < 2 && age <= count; age++)
		if (((count - age) & 31) == cookie >> 27 &&
		    cookie_hash(net, flow, sequence, (count - age) << 3 | size) == (cookie & 0xffffff))
			return cookie_sizes[size];
	return 0;
}

/* ---- Half-open connections ---- */

static void request_expire(struct net *net, struct timer *timer);

static uint16_t offered_mss(struct net *net, const struct flow *flow, const struct tcp *listener)
{
	uint32_t headers = TCP_HEADER_BYTES + (net_is_ipv4(&flow->remote) ? 20 : 40), mss = 536;
	struct path path;

	if (route_find(net, &flow->remote, 0, &path))
		mss = path.link->config.mtu - headers;
	if (listener->user_mss && mss > listener->user_mss)
		mss = listener->user_mss;
	return (uint16_t)mss;
}

static uint32_t offered_window(const struct tcp *listener, uint16_t mss)
{
	uint32_t window = min32(listener->receive_window_limit, 65535);

	if (listener->socket.net->profile->profile == NET_PROFILE_LINUX && window > mss)
		window = window / mss * mss;
	return window;
}

static void request_answer(struct tcp_request *request, bool cookie)
{
	struct net *net = request->net;
	const struct tcp *listener = request->listener;
	uint8_t bytes[TCP_OPTIONS_MAX];
	uint16_t mss = offered_mss(net, &request->flow, listener);
	struct tcp_syn_options options = {.mss = mss,
	                                  .scale = listener->receive_scale,
	                                  .scaling = request->scaling,
	                                  .sack = request->sack,
	                                  .timestamps = request->timestamps,
	                                  .timestamp = tcp_timestamp(net, request->timestamp_offset),
	                                  .echo = request->timestamp};
	struct tcp_bare bare = {.flow = &request->flow,
	                        .sequence = request->send_initial,
	                        .acknowledged = request->receive_initial + 1,
	                        .window = offered_window(listener, mss),
	                        .flags = TCP_SYN | TCP_ACK,
	                        .ttl = listener->socket.ttl,
	                        .traffic_class = listener->socket.traffic_class,
	                        .scope = request->scope,
	                        .options = bytes};

	if (cookie && request->timestamps)
		options.timestamp = (options.timestamp & ~63u) | (request->scaling ? request->scale : 15u) |
		                    (request->sack ? 16u : 0u) | (request->ecn ? 32u : 0u);
	if (request->ecn)
		bare.flags |= TCP_ECE;
	bare.option_bytes = tcp_write_syn_options(net->profile, bytes, &options);
	request->sent_at = net->now;
	tcp_send_bare(net, &bare);
}

/* An acknowledgement for who is not in step. */
static void request_answer_ack(struct tcp_request *request)
{
	struct net *net = request->net;
	const struct tcp *listener = request->listener;
	uint8_t options[TCP_OPTIONS_MAX] = {1, 1, 8, 10};
	struct tcp_bare bare = {.flow = &request->flow,
	                        .sequence = request->send_initial + 1,
	                        .acknowledged = request->receive_initial + 1,
	                        .flags = TCP_ACK,
	                        .scope = request->scope,
	                        .options = options,
	                        .option_bytes = request->timestamps ? 12 : 0};

	bare.window = offered_window(listener, offered_mss(net, &request->flow, listener));
	if (request->scaling)
		bare.window >>= listener->receive_scale;
	store32(options + 4, tcp_timestamp(net, request->timestamp_offset));
	store32(options + 8, request->timestamp);
	tcp_send_bare(net, &bare);
}

void tcp_request_end(struct tcp_request *request)
{
	struct net *net = request->net;

	timer_disarm(&net->timers, &request->timer);
	net_list_remove(&request->node);
	flow_remove(net, &request->flow);
	request->listener->listener->request_count--;
	net->request_count--;
	arena_free(&net->arena, request);
}

static void request_expire(struct net *net, struct timer *timer)
{
	struct tcp_request *request = NET_ITEM(timer, struct tcp_request, timer);

	if (request->retries >= net->profile->syn_ack_retries) {
		tcp_request_end(request);
		return;
	}
	request->retries++;
	timer_arm(&net->timers, timer, net->now + (net->profile->rto_initial << request->retries));
	request_answer(request, false);
}

void tcp_listen_input(struct tcp *listener, struct packet *packet, const struct tcp_segment *segment)
{
	struct net *net = listener->socket.net;
	struct tcp_listener *queues = listener->listener;
	const struct tcp_profile *profile = net->profile;
	struct tcp_request template = {0}, *request;
	bool full, cookie;

	if (segment->flags & TCP_RST)
		goto drop;
	if (segment->flags & TCP_ACK) {
		struct tcp *tcp =
		    segment->flags & TCP_SYN ? NULL : tcp_cookie_check(listener, packet, segment);

		if (!tcp) {
			if (!((segment->flags & TCP_SYN) && profile->listen_ignores))
				tcp_refuse(net, packet, segment);
			goto drop;
		}
		packet_free(net, packet); /* its data comes again */
		return;
	}
	if (!(segment->flags & TCP_SYN) ||
	    ((segment->flags & TCP_FIN) && profile->profile == NET_PROFILE_LINUX) ||
	    address_multicast(&packet->from))
		goto drop;
	template.net = net;
	template.listener = listener;
	template.flow.local = packet->to;
	template.flow.remote = packet->from;
	template.flow.local_port = packet->to_port;
	template.flow.remote_port = packet->from_port;
	template.scope = address_link_local(&packet->from) ? packet->link->number : 0;
	template.receive_initial = segment->sequence;
	template.mss = segment->options.has_mss ? (uint16_t)max32(segment->options.mss, TCP_MSS_MIN)
	                                        : (net_is_ipv4(&packet->from) ? 536 : 1220);
	template.scaling = segment->options.has_scale && listener->scaling;
	template.scale = segment->options.scale;
	template.sack = segment->options.sack_permitted && listener->sack;
	template.timestamps = segment->options.has_timestamp && listener->timestamps;
	template.timestamp = segment->options.timestamp;
	template.timestamp_offset = tcp_timestamp_offset(net, &template.flow);
	template.ecn = (segment->flags & (TCP_ECE | TCP_CWR)) == (TCP_ECE | TCP_CWR);
	template.peer_window = segment->window;
	full = queues->request_count >= max32(queues->backlog, 1) || net->request_count >= REQUESTS_MAX;
	if (queues->queue_count > queues->backlog) { /* nobody accepts: no promise to a new one */
		net->counts.tcp_listen_full++;
		goto drop;
	}
	request = full ? NULL : (struct tcp_request *)arena_allocate_zeroed(&net->arena, sizeof(*request));
	cookie = !request;
	if (cookie) {
		template.send_initial = cookie_make(net, &template.flow, segment->sequence, template.mss);
		if (!template.timestamps) /* nowhere to note these */
			template.scaling = template.sack = template.ecn = false;
		queues->cookies_until = net->now + 2 * COOKIE_PERIOD;
		net->counts.tcp_cookies_sent++;
		request_answer(&template, true);
		goto drop;
	}
	*request = template;
	request->send_initial = tcp_initial_sequence(net, &request->flow);
	net_list_append(&queues->requests, &request->node);
	queues->request_count++;
	net->request_count++;
	flow_insert(net, &request->flow, FLOW_REQUEST);
	request->timer.expire = request_expire;
	timer_arm(&net->timers, &request->timer, net->now + profile->rto_initial);
	request_answer(request, false);
drop:
	packet_free(net, packet);
}

/* The connection that LISTENER's peer has confirmed, in its queue; 0 when there is no memory. */
static struct tcp *listener_spawn(struct tcp *listener, const struct tcp_request *request,
                                  const struct tcp_segment *segment)
{
	struct net *net = listener->socket.net;
	struct tcp *tcp = tcp_allocate(net, listener->socket.family);
	struct net_socket *socket;
	struct path path;

	if (!tcp)
		return NULL;
	socket = &tcp->socket;
	socket->flow.local = request->flow.local;
	socket->flow.remote = request->flow.remote;
	socket->flow.local_port = request->flow.local_port;
	socket->flow.remote_port = request->flow.remote_port;
	tcp_inherit(tcp, listener);
	socket->scope = request->scope ? request->scope : listener->socket.scope;
	tcp->parent = listener;
	tcp->scaling = request->scaling;
	tcp->send_scale = request->scaling ? request->scale : 0;
	tcp->receive_scale = request->scaling ? listener->receive_scale : 0;
	tcp->sack = request->sack;
	tcp->timestamps = request->timestamps;
	tcp->timestamp_offset = request->timestamp_offset;
	tcp->recent_timestamp = request->timestamp;
	tcp->recent_timestamp_at = net->now;
	tcp->ecn = request->ecn;
	tcp->peer_mss = request->mss;
	if (route_find(net, &socket->flow.remote, socket->scope, &path))
		tcp_set_mss(tcp, path.mtu);
	tcp_round_receive(tcp);
	tcp->send_initial = request->send_initial;
	tcp->send_unacknowledged = tcp->send_next = tcp->write_sequence = request->send_initial + 1;
	tcp->small_sent = tcp->send_unacknowledged;
	tcp->receive_initial = request->receive_initial;
	tcp->receive_next = tcp->last_ack_sent = request->receive_initial + 1;
	tcp->receive_advertised =
	    tcp->receive_next + offered_window(listener, offered_mss(net, &socket->flow, listener));
	tcp->send_window = tcp->send_window_max = segment->window << tcp->send_scale;
	tcp->window_sequence = segment->sequence;
	tcp->window_acknowledged = segment->acknowledged;
	if (request->sent_at && !request->retries)
		tcp_rtt_sample(tcp, net->now - request->sent_at);
	return tcp;
}

static void listener_enqueue(struct tcp *listener, struct tcp *tcp)
{
	struct net *net = listener->socket.net;

	flow_insert(net, &tcp->socket.flow, FLOW_TCP);
	net_list_append(&listener->listener->queue, &tcp->socket.node);
	listener->listener->queue_count++;
	tcp_established(tcp);
	socket_notify(&listener->socket, NET_READABLE);
}

struct tcp *tcp_cookie_check(struct tcp *listener, const struct packet *packet,
                             const struct tcp_segment *segment)
{
	struct net *net = listener->socket.net;
	struct tcp_request request = {0};
	struct tcp *tcp;

	if (net->now >= listener->listener->cookies_until)
		return NULL;
	request.net = net;
	request.listener = listener;
	request.flow.local = packet->to;
	request.flow.remote = packet->from;
	request.flow.local_port = packet->to_port;
	request.flow.remote_port = packet->from_port;
	request.receive_initial = segment->sequence - 1;
	request.send_initial = segment->acknowledged - 1;
	request.mss = cookie_read(net, &request.flow, request.receive_initial, request.send_initial);
	if (!request.mss) {
		net->counts.tcp_cookies_bad++;
		return NULL;
	}
	if (listener->listener->queue_count > listener->listener->backlog) {
		net->counts.tcp_listen_full++;
		return NULL;
	}
	request.scope = address_link_local(&packet->from) ? packet->link->number : 0;
	if (segment->options.has_timestamp && listener->timestamps) {
		request.timestamps = true;
		request.timestamp = segment->options.timestamp;
		request.timestamp_offset = tcp_timestamp_offset(net, &request.flow);
		request.scaling = (segment->options.echo & 15) != 15;
		request.scale = (uint8_t)(segment->options.echo & 15);
		request.sack = segment->options.echo & 16;
		request.ecn = segment->options.echo & 32;
	}
	tcp = listener_spawn(listener, &request, segment);
	if (tcp) {
		net->counts.tcp_cookies_taken++;
		listener_enqueue(listener, tcp);
	}
	return tcp;
}

void tcp_request_input(struct tcp_request *request, struct packet *packet, const struct tcp_segment *segment)
{
	struct net *net = request->net;
	struct tcp *listener = request->listener, *tcp;
	uint32_t window = offered_window(listener, offered_mss(net, &request->flow, listener));
	uint32_t next = request->receive_initial + 1, end = segment->sequence + segment->length;

	/* RFC 7323, 5.3. */
	if (request->timestamps && segment->options.has_timestamp && !(segment->flags & TCP_RST) &&
	    before(segment->options.timestamp, request->timestamp)) {
		if (!(segment->flags & TCP_RST) && tcp_challenge_allowed(net))
			request_answer(request, false);
		goto drop;
	}
	if ((segment->flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN &&
	    segment->sequence == request->receive_initial) {
		request_answer(request, false); /* ours was lost */
		goto drop;
	}
	/* The sequence: within the window (RFC 9293, 3.10.7.4). */
	if (before(segment->sequence, next) ? !after(end, next) && segment->sequence != next
	                                    : !before(segment->sequence, next + max32(window, 1))) {
		if (!(segment->flags & TCP_RST) && tcp_challenge_allowed(net))
			request_answer_ack(request);
		goto drop;
	}
	if (segment->flags & TCP_RST) {
		if (segment->sequence == next)
			tcp_request_end(request);
		else if (tcp_challenge_allowed(net)) /* RFC 5961, 3.2 */
			request_answer_ack(request);
		goto drop;
	}
	if (segment->flags & TCP_SYN) {
		if (tcp_challenge_allowed(net))
			request_answer_ack(request);
		goto drop;
	}
	if (!(segment->flags & TCP_ACK))
		goto drop;
	if (segment->acknowledged != request->send_initial + 1) {
		tcp_refuse(net, packet, segment);
		goto drop;
	}
	if (listener->listener->queue_count > listener->listener->backlog) {
		/* The peer believes itself connected; it will send again (tcp_abort_on_overflow=0). */
		net->counts.tcp_listen_full++;
		goto drop;
	}
	if (listener->defer_accept && !segment->length && !(segment->flags & TCP_FIN))
		goto drop; /* TCP_DEFER_ACCEPT: data makes the connection */
	tcp = listener_spawn(listener, request, segment);
	if (!tcp)
		goto drop;
	if (segment->options.has_timestamp && tcp->timestamps)
		tcp->recent_timestamp = segment->options.timestamp;
	tcp_request_end(request);
	listener_enqueue(listener, tcp);
	/* The segment's data and FIN, as any other's. */
	tcp_input_established(tcp, packet, segment);
	return;
drop:
	packet_free(net, packet);
}

void tcp_request_icmp(struct tcp_request *request, const struct icmp_report *report)
{
	if (report->sequence == request->send_initial && report->hard && !report->mtu)
		tcp_request_end(request);
}

void tcp_listener_end(struct tcp *tcp)
{
	struct tcp_listener *queues = tcp->listener;
	struct net_list *node;

	while (!net_list_empty(&queues->requests))
		tcp_request_end(NET_ITEM(queues->requests.next, struct tcp_request, node));
	while ((node = net_list_pop(&queues->queue))) {
		struct tcp *child = tcp_of(NET_ITEM(node, struct net_socket, node));

		child->parent = NULL;
		child->detached = true;
		if (child->state != TCP_CLOSED)
			tcp_send_reset(child);
		tcp_done(child, 0);
	}
	arena_free(&tcp->socket.net->arena, queues);
	tcp->listener = NULL;
}

/* ---- TIME-WAIT ---- */

static void time_wait_end(struct net *net, struct tcp_time_wait *wait)
{
	timer_disarm(&net->timers, &wait->timer);
	net_list_remove(&wait->node);
	flow_remove(net, &wait->flow);
	net->time_wait_count--;
	arena_free(&net->arena, wait);
}

static void time_wait_expire(struct net *net, struct timer *timer)
{
	time_wait_end(net, NET_ITEM(timer, struct tcp_time_wait, timer));
}

bool tcp_enter_time_wait(struct tcp *tcp, enum tcp_state state)
{
	struct net *net = tcp->socket.net;
	const struct tcp_profile *profile = net->profile;
	bool detached = tcp->detached;
	struct tcp_time_wait *wait;

	if (net->time_wait_count >= TIME_WAITS_MAX)
		time_wait_end(net, NET_ITEM(net->time_waits.next, struct tcp_time_wait, node));
	wait = (struct tcp_time_wait *)arena_allocate_zeroed(&net->arena, sizeof(*wait));
	flow_remove(net, &tcp->socket.flow);
	if (wait) {
		wait->flow.local = tcp->socket.flow.local;
		wait->flow.remote = tcp->socket.flow.remote;
		wait->flow.local_port = tcp->socket.flow.local_port;
		wait->flow.remote_port = tcp->socket.flow.remote_port;
		wait->send_next = tcp->send_next;
		wait->receive_next = tcp->receive_next;
		wait->receive_window = after(tcp->receive_advertised, tcp->receive_next)
		                           ? tcp->receive_advertised - tcp->receive_next
		                           : 0;
		wait->receive_scale = tcp->receive_scale;
		wait->timestamps = tcp->timestamps;
		wait->recent_timestamp = tcp->recent_timestamp;
		wait->recent_timestamp_at = tcp->recent_timestamp_at;
		wait->timestamp_offset = tcp->timestamp_offset;
		wait->scope = tcp->socket.scope;
		wait->state = (uint8_t)state;
		net_list_append(&net->time_waits, &wait->node);
		net->time_wait_count++;
		flow_insert(net, &wait->flow, FLOW_TIME_WAIT);
		wait->timer.expire = time_wait_expire;
		timer_arm(&net->timers, &wait->timer,
		          net->now + (state == TCP_FIN_WAIT_2 ? profile->fin_wait : profile->time_wait));
	}
	tcp_done(tcp, 0);
	if (detached)
		return false;
	tcp->state = TCP_TIME_WAIT; /* as getsockopt shows it */
	return true;
}

static void time_wait_ack(struct net *net, const struct tcp_time_wait *wait)
{
	uint8_t options[TCP_OPTIONS_MAX] = {1, 1, 8, 10};
	struct tcp_bare bare = {.flow = &wait->flow,
	                        .sequence = wait->send_next,
	                        .acknowledged = wait->receive_next,
	                        .window = wait->receive_window >> wait->receive_scale,
	                        .flags = TCP_ACK,
	                        .scope = wait->scope,
	                        .options = options,
	                        .option_bytes = wait->timestamps ? 12 : 0};

	store32(options + 4, tcp_timestamp(net, wait->timestamp_offset));
	store32(options + 8, wait->recent_timestamp);
	tcp_send_bare(net, &bare);
}

bool tcp_time_wait_input(struct net *net, struct tcp_time_wait *wait, const struct packet *packet,
                         const struct tcp_segment *segment)
{
	uint32_t end = segment->sequence + segment->length + !!(segment->flags & TCP_FIN);
	bool old = wait->timestamps && segment->options.has_timestamp &&
	           before(segment->options.timestamp, wait->recent_timestamp);

	(void)packet;
	if (segment->flags & TCP_RST) /* RFC 1337: not even a good one */
		return false;
	if ((segment->flags & (TCP_SYN | TCP_ACK)) == TCP_SYN) {
		/* RFC 6191; RFC 9293, 3.10.7.4: a new connection, surely later than the old one. */
		bool later = wait->timestamps && segment->options.has_timestamp
		                 ? after(segment->options.timestamp, wait->recent_timestamp)
		                 : after(segment->sequence, wait->receive_next);

		if (later && wait->state == TCP_TIME_WAIT) {
			time_wait_end(net, wait);
			return true;
		}
		if (tcp_challenge_allowed(net))
			time_wait_ack(net, wait);
		return false;
	}
	if (segment->flags & TCP_SYN) {
		if (tcp_challenge_allowed(net))
			time_wait_ack(net, wait);
		return false;
	}
	if (!(segment->flags & TCP_ACK))
		return false;
	if (wait->state == TCP_FIN_WAIT_2 && !old) {
		/* Nobody reads what comes now. */
		if (segment->length && after(end, wait->receive_next)) {
			struct tcp_bare bare = {.flow = &wait->flow,
			                        .sequence = segment->acknowledged,
			                        .flags = TCP_RST,
			                        .scope = wait->scope};

			net->counts.tcp_resets_sent++;
			tcp_send_bare(net, &bare);
			time_wait_end(net, wait);
			return false;
		}
		if ((segment->flags & TCP_FIN) && segment->sequence == wait->receive_next) {
			wait->receive_next++;
			wait->state = TCP_TIME_WAIT;
			timer_arm(&net->timers, &wait->timer, net->now + net->profile->time_wait);
			time_wait_ack(net, wait);
			return false;
		}
	}
	/* Anything that is not just the last acknowledgement is answered (a FIN that came again restarts the
	 * wait). */
	if (end != segment->sequence || segment->sequence != wait->receive_next || old) {
		if ((segment->flags & TCP_FIN) && !old && end == wait->receive_next)
			timer_arm(&net->timers, &wait->timer, net->now + net->profile->time_wait);
		if (tcp_challenge_allowed(net))
			time_wait_ack(net, wait);
	}
	return false;
}
