/* TCP Fast Open, the client's side (RFC 7413): data in the SYN to servers that gave a cookie. */
#include "tcp.h"
#include <string.h>

/* One cookie for each of a few servers; direct-mapped, so whoever evicts one costs a round trip and no more.
 */
static struct fast_open_entry *entry_of(struct net *net, const struct net_address *server)
{
	return &net->fast_open[siphash(&net->flow_key, server, sizeof(*server)) % FAST_OPEN_MAX];
}

uint32_t tcp_fast_open_offer(struct tcp *tcp, struct tcp_syn_options *options)
{
	struct net *net = tcp->socket.net;
	const struct fast_open_entry *entry = entry_of(net, &tcp->socket.flow.remote);
	bool known = address_equal(&entry->server, &tcp->socket.flow.remote);
	struct segment *first = tcp->ring_count ? segment_at(tcp, 0) : NULL;
	uint32_t limit;

	if (known && net->now < entry->disabled_until)
		return 0;
	options->fast_open = true;
	tcp->fast_open_asked = true;
	if (!known || !entry->bytes)
		return 0; /* asks for a cookie */
	options->cookie_bytes = entry->bytes;
	options->cookie = entry->cookie;
	limit = min32(tcp->mss, entry->mss);
	limit -= min32(limit, TCP_OPTIONS_MAX);
	return first && first->length <= limit ? first->length : 0;
}

void tcp_fast_open_answer(struct tcp *tcp, const struct tcp_segment *segment)
{
	struct net *net = tcp->socket.net;
	const struct tcp_options *options = &segment->options;
	struct fast_open_entry *entry = entry_of(net, &tcp->socket.flow.remote);
	struct segment *first = tcp->ring_count ? segment_at(tcp, 0) : NULL;
	bool taken = first && segment->acknowledged == segment_end(first);

	/* 4 to 16 bytes, an even number (RFC 7413, 4.1.1). */
	if (options->has_fast_open && options->fast_open_bytes >= 4 && options->fast_open_bytes <= 16 &&
	    options->fast_open_bytes % 2 == 0) {
		entry->server = tcp->socket.flow.remote;
		entry->bytes = options->fast_open_bytes;
		memcpy(entry->cookie, options->fast_open, entry->bytes);
		entry->mss = options->has_mss ? options->mss : 536;
		entry->disabled_until = 0;
	} else if (!taken) {
		/* The server does not do this, or something on the way minds it (4.1.3.1): not for a while.
		 */
		entry->server = tcp->socket.flow.remote;
		entry->bytes = 0;
		entry->disabled_until = net->now + 900 * SECOND;
	}
	/* Data the SYN-ACK took is done; else it is sent as if it never had been. */
	if (taken) {
		tcp->sent = 1;
		tcp->send_next = tcp->send_unacknowledged = segment_end(first);
		tcp->bytes_acknowledged += first->length;
		tcp_free_sent(tcp, 1);
	} else {
		tcp->send_next = tcp->send_unacknowledged;
	}
}
