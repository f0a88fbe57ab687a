/* What the trivial application measures: payloads whose bytes 8 to 15 hold when they were sent (monotonic,
 * µs). */
#ifndef LEDGER_NODE_BYTES_H
#define LEDGER_NODE_BYTES_H

#include <stdint.h>

#define BYTES_BUCKET_US 250
#define BYTES_BUCKETS   40000 /* up to ten seconds */

struct bytes_figures {
	uint64_t from_us, until_us; /* only payloads sent in between are counted */
	uint64_t payloads, total;
	uint64_t buckets[BYTES_BUCKETS];
};

#endif
