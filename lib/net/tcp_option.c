/* Options of TCP sockets, tcp(7), and struct tcp_info. Names are Linux' numbers. */
#include "tcp.h"
#include <string.h>

enum { LEVEL_TCP = 6 };
enum {
	OPTION_NODELAY = 1,
	OPTION_MAXSEG = 2,
	OPTION_CORK = 3,
	OPTION_KEEPIDLE = 4,
	OPTION_KEEPINTVL = 5,
	OPTION_KEEPCNT = 6,
	OPTION_SYNCNT = 7,
	OPTION_LINGER2 = 8,
	OPTION_DEFER_ACCEPT = 9,
	OPTION_WINDOW_CLAMP = 10,
	OPTION_INFO = 11,
	OPTION_QUICKACK = 12,
	OPTION_CONGESTION = 13,
	OPTION_USER_TIMEOUT = 18,
	OPTION_FASTOPEN = 23,
	OPTION_NOTSENT_LOWAT = 25,
	OPTION_CC_INFO = 26,
	OPTION_SAVED_SYN = 28,
	OPTION_FASTOPEN_CONNECT = 30,
	OPTION_ULP = 31
};

/* linux/tcp.h, struct tcp_info, up to tcpi_reord_seen; times in microseconds but for the last_* (ms). */
struct tcp_info_linux {
	uint8_t state, ca_state, retransmits, probes, backoff, options, wscale, delivery_rate_flags;
	uint32_t rto, ato, snd_mss, rcv_mss;
	uint32_t unacked, sacked, lost, retrans, fackets;
	uint32_t last_data_sent, last_ack_sent, last_data_recv, last_ack_recv;
	uint32_t pmtu, rcv_ssthresh, rtt, rttvar, snd_ssthresh, snd_cwnd, advmss, reordering;
	uint32_t rcv_rtt, rcv_space, total_retrans;
	uint64_t pacing_rate, max_pacing_rate, bytes_acked, bytes_received;
	uint32_t segs_out, segs_in, notsent_bytes, min_rtt, data_segs_in, data_segs_out;
	uint64_t delivery_rate, busy_time, rwnd_limited, sndbuf_limited;
	uint32_t delivered, delivered_ce;
	uint64_t bytes_sent, bytes_retrans;
	uint32_t dsack_dups, reord_seen;
};

static void info_fill(const struct tcp *tcp, struct tcp_info_linux *info)
{
	const struct net *net = tcp->socket.net;
	uint32_t limit = tcp->timestamps ? tcp->mss - 12 : tcp->mss;

	memset(info, 0, sizeof(*info));
	info->state = tcp->state;
	info->ca_state = tcp->congestion;
	info->retransmits = (uint8_t)tcp->retries;
	info->probes =
	    tcp->retransmit_kind == RETRANSMIT_PERSIST ? (uint8_t)tcp->retries : (uint8_t)tcp->keep_sent;
	info->backoff = tcp->backoffs;
	if (tcp->state != TCP_CLOSED && tcp->state != TCP_LISTEN && tcp->state != TCP_SYN_SENT) {
		info->options = (uint8_t)((tcp->timestamps ? 1 : 0) | (tcp->sack ? 2 : 0) |
		                          (tcp->scaling ? 4 : 0) | (tcp->ecn ? 8 : 0));
		info->wscale = (uint8_t)(tcp->send_scale | tcp->receive_scale << 4);
	}
	info->rto = (uint32_t)(tcp_rto(tcp) / 1000);
	info->ato = (uint32_t)(net->profile->delayed_ack / 1000);
	info->snd_mss = limit;
	info->rcv_mss = tcp->largest_segment_in ? tcp->largest_segment_in : 536;
	info->unacked = tcp->state == TCP_LISTEN ? tcp->listener->queue_count : tcp->sent;
	info->sacked = tcp->state == TCP_LISTEN ? tcp->listener->backlog : tcp->sacked;
	info->lost = tcp->lost;
	info->retrans = tcp->retransmitted;
	info->last_data_sent = (uint32_t)((net->now - tcp->last_sent) / MILLISECOND);
	info->last_data_recv = info->last_ack_recv =
	    (uint32_t)((net->now - tcp->last_received) / MILLISECOND);
	info->pmtu = tcp->mss + TCP_HEADER_BYTES + (net_is_ipv4(&tcp->socket.flow.remote) ? 20 : 40);
	info->rcv_ssthresh = tcp->receive_window_limit;
	info->rtt = (uint32_t)(tcp->srtt / 1000);
	info->rttvar = (uint32_t)(tcp->rttvar / 1000);
	info->snd_ssthresh = tcp->threshold;
	info->snd_cwnd = tcp->window;
	info->advmss = limit;
	info->reordering = tcp->reordering;
	info->rcv_space = tcp->receive_window_limit;
	info->total_retrans = tcp->total_retransmitted;
	info->pacing_rate = info->max_pacing_rate = UINT64_MAX;
	info->bytes_acked = tcp->bytes_acknowledged;
	info->bytes_received = tcp->bytes_received;
	info->segs_out = tcp->segments_out;
	info->segs_in = tcp->segments_in;
	info->notsent_bytes = tcp_unsent(&tcp->socket, false);
	info->min_rtt = (uint32_t)(tcp->min_rtt / 1000);
	info->data_segs_in = tcp->data_in;
	info->data_segs_out = tcp->data_out;
	info->delivered = tcp->delivered;
	info->bytes_sent = tcp->bytes_sent;
	info->bytes_retrans = tcp->bytes_retransmitted;
	info->dsack_dups = tcp->duplicate_sacks;
	info->reord_seen = tcp->reorder_events;
}

int tcp_set_option(struct net_socket *socket, int level, int name, const void *value, size_t count)
{
	struct tcp *tcp = tcp_of(socket);
	int32_t number;

	if (level != LEVEL_TCP)
		return -NET_ENOPROTOOPT;
	if (name == OPTION_CONGESTION) {
		if (count >= 5 && count <= 16 && memcmp(value, "cubic", 5) == 0 &&
		    (count == 5 || !((const char *)value)[5]))
			return 0;
		return -NET_ENOENT;
	}
	if (count < sizeof(number))
		return -NET_EINVAL;
	memcpy(&number, value, sizeof(number));
	switch (name) {
	case OPTION_NODELAY:
		socket->no_delay = number != 0;
		if (number) { /* tcp(7): what is corked goes now, the cork stays */
			bool cork = tcp->cork;

			tcp->cork = false;
			tcp_output(tcp);
			tcp->cork = cork;
		}
		return 0;
	case OPTION_CORK:
		tcp->cork = number != 0;
		if (!number) {
			tcp_push(tcp);
			tcp_output(tcp);
		}
		return 0;
	case OPTION_MAXSEG:
		if (number && (number < 88 || number > 32767))
			return -NET_EINVAL;
		tcp->user_mss = (uint16_t)number;
		return 0;
	case OPTION_KEEPIDLE:
	case OPTION_KEEPINTVL:
		if (number < 1 || number > 32767)
			return -NET_EINVAL;
		*(name == OPTION_KEEPIDLE ? &tcp->keep_idle : &tcp->keep_interval) = (uint32_t)number;
		if (tcp->state != TCP_CLOSED && tcp->state != TCP_LISTEN)
			tcp_arm_idle(tcp);
		return 0;
	case OPTION_KEEPCNT:
		if (number < 1 || number > 127)
			return -NET_EINVAL;
		tcp->keep_count = (uint32_t)number;
		return 0;
	case OPTION_SYNCNT:
		if (number < 1 || number > 127)
			return -NET_EINVAL;
		tcp->syn_count = (uint32_t)number;
		return 0;
	case OPTION_LINGER2:
		tcp->linger2 = number < 0 ? -1 : !number ? 60 : (int16_t)min32((uint32_t)number, 120);
		return 0;
	case OPTION_DEFER_ACCEPT: /* in whole retransmissions: 1, 3, 7, 15 ... seconds */
		for (tcp->defer_accept = 0; number > 0 && tcp->defer_accept < (uint32_t)number;)
			tcp->defer_accept =
			    tcp->defer_accept >= 127 ? (uint32_t)number : 2 * tcp->defer_accept + 1;
		return 0;
	case OPTION_WINDOW_CLAMP:
		if (!number && tcp->state != TCP_CLOSED)
			return -NET_EINVAL;
		tcp->window_clamp = number ? max32((uint32_t)number, 1152) : 0;
		tcp_clamp_window(tcp);
		return 0;
	case OPTION_QUICKACK:
		tcp->quick_acks = number ? 16 : 0;
		if (number && tcp->acknowledge.armed)
			tcp_send_ack(tcp);
		return 0;
	case OPTION_USER_TIMEOUT:
		if (number < 0)
			return -NET_EINVAL;
		tcp->user_timeout = (uint32_t)number;
		return 0;
	case OPTION_NOTSENT_LOWAT:
		tcp->not_sent_low_set = true;
		tcp->not_sent_low = (uint32_t)number;
		socket_notify(socket, NET_WRITABLE);
		return 0;
	case OPTION_FASTOPEN_CONNECT:
		if (tcp->state != TCP_CLOSED || number < 0 || number > 1)
			return -NET_EINVAL;
		tcp->fast_open = number != 0;
		return 0;
	case OPTION_FASTOPEN: /* listeners: accepted, and no cookie is given out, which RFC 7413 allows */
		if (socket->net->profile->profile == NET_PROFILE_FREEBSD)
			tcp->fast_open = number != 0;
		if (number < 0 || (tcp->state != TCP_CLOSED && tcp->state != TCP_LISTEN))
			return -NET_EINVAL;
		tcp->fast_open_queue = (uint16_t)min32((uint32_t)number, 4096); /* Linux' somaxconn */
		return 0;
	case OPTION_ULP:
		return -NET_ENOENT; /* nothing lies upon TCP */
	default:
		return -NET_ENOPROTOOPT;
	}
}

int tcp_get_option(struct net_socket *socket, int level, int name, void *value, size_t *count)
{
	struct tcp *tcp = tcp_of(socket);
	struct tcp_info_linux info;
	uint32_t number;

	if (level != LEVEL_TCP)
		return -NET_ENOPROTOOPT;
	switch (name) {
	case OPTION_INFO:
		info_fill(tcp, &info);
		if (*count > sizeof(info))
			*count = sizeof(info);
		memcpy(value, &info, *count);
		return 0;
	case OPTION_CONGESTION:
		if (*count > 16)
			*count = 16;
		memset(value, 0, *count);
		memcpy(value, "cubic", *count < 5 ? *count : 5);
		return 0;
	case OPTION_CC_INFO:
	case OPTION_ULP:
	case OPTION_SAVED_SYN:
		*count = 0;
		return 0;
	case OPTION_NODELAY:
		number = socket->no_delay;
		break;
	case OPTION_CORK:
		number = tcp->cork;
		break;
	case OPTION_MAXSEG:
		number = tcp->mss ? (tcp->timestamps ? tcp->mss - 12 : tcp->mss)
		                  : (tcp->user_mss ? tcp->user_mss : 536);
		if ((tcp->state == TCP_CLOSED || tcp->state == TCP_LISTEN) && tcp->user_mss)
			number = tcp->user_mss;
		break;
	case OPTION_KEEPIDLE:
		number = tcp->keep_idle;
		break;
	case OPTION_KEEPINTVL:
		number = tcp->keep_interval;
		break;
	case OPTION_KEEPCNT:
		number = tcp->keep_count;
		break;
	case OPTION_SYNCNT:
		number = tcp->syn_count ? tcp->syn_count : socket->net->profile->syn_retries;
		break;
	case OPTION_LINGER2:
		number = (uint32_t)(int32_t)tcp->linger2;
		break;
	case OPTION_DEFER_ACCEPT:
		number = tcp->defer_accept;
		break;
	case OPTION_WINDOW_CLAMP:
		number = tcp->window_clamp || tcp->state == TCP_CLOSED ? tcp->window_clamp
		                                                       : tcp->receive_window_limit;
		break;
	case OPTION_QUICKACK:
		number = tcp->quick_acks != 0;
		break;
	case OPTION_USER_TIMEOUT:
		number = tcp->user_timeout;
		break;
	case OPTION_NOTSENT_LOWAT:
		number = tcp->not_sent_low_set ? tcp->not_sent_low : 0;
		break;
	case OPTION_FASTOPEN_CONNECT:
		number = tcp->fast_open;
		break;
	case OPTION_FASTOPEN:
		number = tcp->fast_open_queue;
		break;
	default:
		return -NET_ENOPROTOOPT;
	}
	if (*count > sizeof(number))
		*count = sizeof(number);
	memcpy(value, &number, *count);
	return 0;
}
