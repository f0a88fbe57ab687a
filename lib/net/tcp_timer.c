/* TCP's timers: one for what is under way, one for a delayed acknowledgement, one for idle connections. */
#include "tcp.h"

uint64_t tcp_rto(const struct tcp *tcp)
{
	const struct tcp_profile *profile = tcp->socket.net->profile;
	uint64_t rto = tcp->srtt ? tcp->rto : profile->rto_initial;

	if (tcp->backoffs >= 16)
		return profile->rto_max;
	rto <<= tcp->backoffs;
	return rto > profile->rto_max ? profile->rto_max : rto;
}

void tcp_arm_retransmit(struct tcp *tcp, enum retransmit_kind kind, uint64_t delay)
{
	struct net *net = tcp->socket.net;

	tcp->retransmit_kind = (uint8_t)kind;
	timer_arm(&net->timers, &tcp->retransmit, net->now + (delay ? delay : 1));
}

void tcp_stop_retransmit(struct tcp *tcp)
{
	tcp->retransmit_kind = RETRANSMIT_NONE;
	timer_disarm(&tcp->socket.net->timers, &tcp->retransmit);
}

/* The peer has not answered for too long: by TCP_USER_TIMEOUT (RFC 5482), else by the number of tries. */
static bool gave_up(const struct tcp *tcp, uint32_t tries)
{
	uint64_t since = tcp->first_unanswered;

	if (tcp->user_timeout && since)
		return tcp->socket.net->now - since >= tcp->user_timeout * MILLISECOND;
	return tcp->retries >= tries;
}

static void handshake_timeout(struct tcp *tcp)
{
	const struct tcp_profile *profile = tcp->socket.net->profile;
	uint32_t tries = tcp->syn_count
	                     ? tcp->syn_count
	                     : (tcp->state == TCP_SYN_SENT ? profile->syn_retries : profile->syn_ack_retries);
	uint64_t since = tcp->first_unanswered;

	if (gave_up(tcp, tries) || (profile->profile == NET_PROFILE_FREEBSD && since &&
	                            tcp->socket.net->now - since >= (uint64_t)tcp->keep_initial * SECOND)) {
		tcp->socket.net->counts.tcp_timeouts++;
		tcp_done(tcp, tcp->soft_error ? tcp->soft_error : NET_ETIMEDOUT);
		return;
	}
	tcp->retries++;
	tcp->backoffs++;
	tcp->total_retransmitted++;
	if (tcp->retries > 1)
		tcp->ecn = false; /* perhaps a middle box minds it (RFC 3168, 6.1.1.1) */
	tcp_send_syn(tcp);
}

static void persist_timeout(struct tcp *tcp)
{
	if (gave_up(tcp, tcp->socket.net->profile->retries)) {
		tcp_done(tcp, tcp->soft_error ? tcp->soft_error : NET_ETIMEDOUT);
		return;
	}
	tcp->retries++;
	if (tcp->backoffs < 16)
		tcp->backoffs++;
	if (!tcp->first_unanswered)
		tcp->first_unanswered = tcp->socket.net->now;
	if (tcp->send_window && tcp->ring_count > tcp->sent) {
		/* There is some room: what fits goes although it is silly, corked or small. */
		bool cork = tcp->cork, more = tcp->more, no_delay = tcp->socket.no_delay;
		uint32_t largest = tcp->send_window_max;

		tcp->cork = tcp->more = false;
		tcp->socket.no_delay = true;
		tcp->send_window_max = 1;
		tcp_push(tcp);
		tcp->retransmit_kind = RETRANSMIT_NONE;
		tcp_output(tcp);
		tcp->cork = cork;
		tcp->more = more;
		tcp->socket.no_delay = no_delay;
		tcp->send_window_max = largest;
		return;
	}
	(void)tcp_send_window_probe(tcp);
	tcp_arm_retransmit(tcp, RETRANSMIT_PERSIST, tcp_rto(tcp));
}

static void retransmit_expire(struct net *net, struct timer *timer)
{
	struct tcp *tcp = NET_ITEM(timer, struct tcp, retransmit);
	enum retransmit_kind kind = (enum retransmit_kind)tcp->retransmit_kind;

	tcp->retransmit_kind = RETRANSMIT_NONE;
	if (tcp->state == TCP_SYN_SENT || tcp->state == TCP_SYN_RECEIVED) {
		handshake_timeout(tcp);
		return;
	}
	switch (kind) {
	case RETRANSMIT_PERSIST:
		persist_timeout(tcp);
		return;
	case RETRANSMIT_REORDER:
		tcp_detect_loss(tcp);
		if (tcp->lost && tcp->congestion < CONGESTION_RECOVERY) {
			tcp_enter_recovery(tcp);
			tcp->window = max32(tcp_in_flight(tcp) + 1, tcp->threshold);
		}
		tcp_rearm(tcp);
		tcp_output(tcp);
		return;
	case RETRANSMIT_PROBE:
		tcp_send_probe(tcp);
		return;
	default:
		break;
	}
	if (!tcp->sent)
		return;
	net->counts.tcp_timeouts++;
	if (gave_up(tcp, net->profile->retries)) {
		tcp_done(tcp, tcp->soft_error ? tcp->soft_error : NET_ETIMEDOUT);
		return;
	}
	tcp->retries++;
	if (tcp->backoffs < 16)
		tcp->backoffs++;
	tcp_enter_loss(tcp);
	tcp->reorder_wait = 0;
	if (!net_list_empty(&tcp->missing))
		(void)tcp_retransmit(tcp, NET_ITEM(tcp->missing.next, struct segment, order));
	tcp_arm_retransmit(tcp, RETRANSMIT_TIMEOUT, tcp_rto(tcp));
}

static void acknowledge_expire(struct net *net, struct timer *timer)
{
	struct tcp *tcp = NET_ITEM(timer, struct tcp, acknowledge);

	(void)net;
	tcp->dialogue = false; /* no answer came to go with it */
	tcp_send_ack(tcp);
}

/* ---- Idle connections: keep-alive (RFC 9293, 3.8.4), FIN-WAIT-2 of closed sockets ---- */

static void idle_expire(struct net *net, struct timer *timer)
{
	struct tcp *tcp = NET_ITEM(timer, struct tcp, idle);
	uint64_t idle, due;

	if (!tcp->socket.keep_alive || tcp->state == TCP_CLOSED || tcp->state == TCP_LISTEN ||
	    tcp->state == TCP_SYN_SENT || tcp->state == TCP_SYN_RECEIVED)
		return;
	idle = net->now - tcp->last_received;
	due = (uint64_t)tcp->keep_idle * SECOND + (uint64_t)tcp->keep_sent * tcp->keep_interval * SECOND;
	/* What is under way has a timer of its own. */
	if (!tcp->sent && idle >= due) {
		bool over = tcp->user_timeout ? tcp->keep_sent && idle >= tcp->user_timeout * MILLISECOND
		                              : tcp->keep_sent >= tcp->keep_count;

		if (over) {
			tcp_send_reset(tcp);
			tcp_done(tcp, tcp->soft_error ? tcp->soft_error : NET_ETIMEDOUT);
			return;
		}
		tcp->keep_sent++;
		(void)tcp_send_window_probe(tcp);
	}
	tcp_arm_idle(tcp);
}

void tcp_arm_idle(struct tcp *tcp)
{
	struct net *net = tcp->socket.net;
	uint64_t due;

	if (!tcp->socket.keep_alive) {
		timer_disarm(&net->timers, &tcp->idle);
		return;
	}
	due = tcp->last_received + (uint64_t)tcp->keep_idle * SECOND +
	      (uint64_t)tcp->keep_sent * tcp->keep_interval * SECOND;
	timer_arm(&net->timers, &tcp->idle, due > net->now ? due : net->now + SECOND);
}

void tcp_timers_init(struct tcp *tcp)
{
	tcp->retransmit.expire = retransmit_expire;
	tcp->acknowledge.expire = acknowledge_expire;
	tcp->idle.expire = idle_expire;
}

void tcp_timers_stop(struct tcp *tcp)
{
	struct timers *timers = &tcp->socket.net->timers;

	tcp->retransmit_kind = RETRANSMIT_NONE;
	timer_disarm(timers, &tcp->retransmit);
	timer_disarm(timers, &tcp->acknowledge);
	timer_disarm(timers, &tcp->idle);
}
