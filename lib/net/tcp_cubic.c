/* CUBIC (RFC 9438): the congestion window as a cubic of the time since the last loss.
 *
 * Windows are in segments, times in ms. C is 0.4 and beta 0.7, scaled by 1,024.
 */
#include "tcp.h"

enum { BETA = 717 }; /* of 1,024 */

void cubic_reset(struct tcp *tcp)
{
	tcp->cubic.epoch = 0;
	tcp->cubic.last_max = 0;
	tcp->window_count = 0;
}

/* The integer cube root by Newton's method from a power of two above it. */
static uint64_t cube_root(uint64_t value)
{
	uint64_t root, next;

	if (value < 8)
		return value != 0;
	root = 1ull << ((64 - (unsigned)__builtin_clzll(value) + 2) / 3);
	while ((next = (2 * root + value / (root * root)) / 3) < root)
		root = next;
	return root;
}

uint32_t cubic_reduced(struct tcp *tcp)
{
	uint32_t window = tcp->window;

	tcp->cubic.epoch = 0;
	/* Fast convergence (4.7): a flow that lost ground makes room. */
	tcp->cubic.last_max =
	    window < tcp->cubic.last_max ? (uint32_t)((uint64_t)window * (1024 + BETA) / 2048) : window;
	return max32((uint32_t)((uint64_t)window * BETA / 1024), 2);
}

/* The window grows by one segment for each so many acknowledged. */
static uint32_t growth_interval(struct tcp *tcp, uint32_t count)
{
	uint64_t now = tcp->socket.net->now, time, distance, target;
	uint32_t window = tcp->window, interval;

	tcp->cubic.acknowledged += count;
	if (!tcp->cubic.epoch) {
		tcp->cubic.epoch = now;
		tcp->cubic.acknowledged = count;
		tcp->cubic.estimate = window;
		if (tcp->cubic.last_max > window) {
			/* K = cbrt((W_max - cwnd) / 0.4), here in ms (4.2). */
			tcp->cubic.k = cube_root((uint64_t)(tcp->cubic.last_max - window) * 2500000000ull);
			tcp->cubic.origin = tcp->cubic.last_max;
		} else {
			tcp->cubic.k = 0;
			tcp->cubic.origin = window;
		}
	}
	time = (now - tcp->cubic.epoch + tcp->min_rtt) / MILLISECOND;
	distance = time > tcp->cubic.k ? time - tcp->cubic.k : tcp->cubic.k - time;
	if (distance > 1000000)
		distance = 1000000;
	/* 0.4 t^3 */
	distance = distance * distance * distance / 2500000000ull;
	target = time > tcp->cubic.k ? tcp->cubic.origin + distance
	                             : (tcp->cubic.origin > distance ? tcp->cubic.origin - distance : 0);
	interval = target > window ? (uint32_t)(window / (target - window)) : 100 * window;
	if (!tcp->cubic.last_max && interval > 20)
		interval = 20;
	/* The Reno-friendly region (4.3): alpha = 3 (1 - beta) / (1 + beta), about 0.53. */
	{
		uint32_t step = max32((uint32_t)((uint64_t)window * 1000 / 529), 1), ahead;

		while (tcp->cubic.acknowledged > step) {
			tcp->cubic.acknowledged -= step;
			tcp->cubic.estimate++;
		}
		if (tcp->cubic.estimate > window) {
			ahead = window / (tcp->cubic.estimate - window);
			if (interval > ahead)
				interval = ahead;
		}
	}
	return max32(interval, 2);
}

void cubic_acknowledged(struct tcp *tcp, uint32_t count)
{
	uint32_t interval, most = max32(tcp->send_window_max / max32(tcp->mss, 1) + 1, 2) * 2;

	if (tcp->window < tcp->threshold) {
		uint32_t grown = min32(tcp->window + count, tcp->threshold);

		count -= grown - tcp->window;
		tcp->window = grown;
		if (!count)
			return;
	}
	interval = growth_interval(tcp, count);
	if (tcp->window_count >= interval) {
		tcp->window_count = 0;
		tcp->window++;
	}
	tcp->window_count += count;
	if (tcp->window_count >= interval) {
		tcp->window += tcp->window_count / interval;
		tcp->window_count %= interval;
	}
	if (tcp->window > most)
		tcp->window = most; /* more than the peer ever took is of no use */
}
