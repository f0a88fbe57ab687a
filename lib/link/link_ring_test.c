/* Links: two clients and a wire between them, and peers that write nonsense into the rings. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "link_fake.h"

#define ENTRIES 8u
#define BUFFERS 16u

static int failures;

struct end {
	_Alignas(64) uint8_t rings[LINK_RINGS_BYTES(ENTRIES)];
	uint8_t data[BUFFERS][LINK_BUFFER_BYTES];
	struct link_client client;
	struct link_fake_end wire;
};
static struct end ends[2];

static void check(const char *name, bool right)
{
	printf(right ? "ok link ring: %s\n" : "not ok link ring: %s - see the check of this name\n", name);
	failures += !right;
}

static bool end_open(struct end *end)
{
	memset(end, 0, sizeof(*end));
	link_client_create(&end->client, (struct link_rings *)end->rings, ENTRIES, BUFFERS);
	end->wire.data = &end->data[0][0];
	return link_server_attach(&end->wire.server, (struct link_rings *)end->rings, sizeof(end->rings),
	                          sizeof(end->data), ENTRIES);
}

static bool send(struct end *end, uint32_t buffer, uint16_t bytes, uint16_t flags, bool *signal)
{
	struct link_entry entry = {.offset = buffer * LINK_BUFFER_BYTES, .bytes = bytes, .flags = flags};

	return link_client_send(&end->client, &entry, 1, signal);
}

static uint32_t carry(uint32_t lose, bool *wake_a, bool *wake_b)
{
	return link_fake_carry(&ends[0].wire, &ends[1].wire, lose, wake_a, wake_b);
}

static void test_exchange(void)
{
	struct end *a = &ends[0], *b = &ends[1];
	struct link_entry entry;
	bool signal = false, wake_a = false, wake_b = false;

	check("both ends attach", end_open(a) && end_open(b));
	check("the first buffer posted wakes the server", link_client_post(&b->client, 3, &signal) && signal);
	signal = false;
	check("a second one does not, and none is posted twice",
	      link_client_post(&b->client, 7, &signal) && !signal &&
	          !link_client_post(&b->client, 3, &signal));
	memset(a->data[1], 0x5a, 60);
	check("the first frame wakes the server, the second does not",
	      send(a, 1, 60, 0, &signal) && signal && (signal = false, send(a, 1, 61, 0, &signal)) &&
	          !signal);
	link_client_room(&a->client, true);
	check("both are carried, and both sides are told",
	      carry(0, &wake_a, &wake_b) == 2 && wake_a && wake_b);
	check("what was sent is done",
	      link_client_done(&a->client) == 2 && link_client_done(&a->client) == 0);
	bool right = link_client_arrived(&b->client, &entry, NULL) && entry.bytes == 60 &&
	             entry.offset == 3 * LINK_BUFFER_BYTES && b->data[3][59] == 0x5a && b->data[3][60] == 0;
	check("the first lies in the first buffer", right);
	right = link_client_arrived(&b->client, &entry, NULL) && entry.bytes == 61 &&
	        !link_client_arrived(&b->client, &entry, NULL);
	check("the second in the second, and that was all", right);
	send(a, 1, 60, 0, &signal);
	check("a frame without a buffer is dropped and counted",
	      carry(0, &wake_a, &wake_b) == 0 && ((struct link_rings *)b->rings)->dropped == 1 &&
	          link_client_done(&a->client) == 1);
}

static void test_pieces(void)
{
	struct end *a = &ends[0], *b = &ends[1];
	struct link_entry entry;
	bool signal = false, wake = false;
	struct link_entry pieces[2] = {{.offset = 100, .bytes = 14, .flags = LINK_MORE, .segment_bytes = 9},
	                               {.offset = LINK_BUFFER_BYTES, .bytes = 1500}};

	link_client_post(&b->client, 0, &signal);
	link_client_send(&a->client, pieces, 2, &signal);
	check("half a frame does not arrive", carry(0, &wake, &wake) == 0);
	check("and its buffers come back", link_client_arrived(&b->client, &entry, NULL) &&
	                                       entry.bytes == 0 &&
	                                       !link_client_arrived(&b->client, &entry, NULL));
	link_client_post(&b->client, 0, &signal);
	link_client_post(&b->client, 1, &signal);
	link_client_send(&a->client, pieces, 2, &signal);
	check("a frame in two pieces arrives as one", carry(0, &wake, &wake) == 1);
	check("with what it says", link_client_arrived(&b->client, &entry, NULL) &&
	                               entry.flags == LINK_MORE && entry.segment_bytes == 9 &&
	                               entry.bytes == 14 && link_client_arrived(&b->client, &entry, NULL) &&
	                               entry.flags == 0 && entry.bytes == 1500);
	link_client_done(&a->client);
	bool full = true;
	for (uint32_t i = 0; i < ENTRIES; i++)
		full = full && send(a, 2, 60, 0, &signal);
	check("a full ring takes no more",
	      full && !send(a, 2, 60, 0, &signal) && link_client_room(&a->client, false) == 0);
	carry(0, &wake, &wake);
	check("and has room again", link_client_room(&a->client, false) == ENTRIES);
	bool right = true;
	for (uint32_t round = 0; right && round < 100000; round++) {
		right = link_client_post(&b->client, round % BUFFERS, &signal) &&
		        send(a, 0, (uint16_t)(round % 1500), 0, &signal) && carry(0, &wake, &wake) == 1 &&
		        link_client_arrived(&b->client, &entry, NULL) && entry.bytes == round % 1500;
		link_client_done(&a->client);
	}
	check("positions wrap around the rings", right);
}

static void test_hostile(void)
{
	struct end *a = &ends[0], *b = &ends[1];
	struct link_entry entry;
	bool bounded = true, inside = true, signal = false;

	end_open(a);
	end_open(b);
	srand(1);
	for (uint32_t round = 0; round < 200000; round++) {
		for (unsigned i = 0; i < 2; i++)
			((uint32_t *)ends[i].rings)[2 + (unsigned)rand() % (sizeof(a->rings) / 4 - 2)] =
			    (uint32_t)rand() * 2654435761u;
		uint32_t taken = 0;
		for (uint32_t i = 0; i < 3; i++) {
			link_client_post(&b->client, (uint32_t)rand() % BUFFERS, &signal);
			send(a, (uint32_t)rand() % BUFFERS, 1000, (uint16_t)(rand() & LINK_MORE), &signal);
		}
		bounded = bounded && carry(0, &signal, &signal) <= LINK_ENTRIES_MAX;
		while (link_client_arrived(&b->client, &entry, NULL) && taken++ <= ENTRIES)
			inside = inside && entry.offset < sizeof(b->data) &&
			         entry.bytes <= LINK_BUFFER_BYTES - entry.offset % LINK_BUFFER_BYTES;
		bounded = bounded && taken <= ENTRIES && link_client_done(&a->client) <= ENTRIES;
	}
	check("nonsense in the rings stays inside them", bounded && inside);
}

static void test_refusals(void)
{
	struct end *a = &ends[0], *b = &ends[1];
	struct link_rings *rings = (struct link_rings *)b->rings;
	struct link_server other;
	struct link_entry entry;
	uint32_t wrong = 0;
	bool signal = false;

	check("what is too small, or no power of two, is refused",
	      end_open(b) &&
	          !link_server_attach(&other, rings, sizeof(b->rings) - 1, sizeof(b->data), ENTRIES) &&
	          !link_server_attach(&other, rings, sizeof(b->rings), LINK_BUFFER_BYTES - 1, ENTRIES) &&
	          !link_server_attach(&other, rings, UINT64_MAX, sizeof(b->data), 7) &&
	          !link_server_attach(&other, rings, UINT64_MAX, sizeof(b->data), 2 * LINK_ENTRIES_MAX));
	check("a buffer that nobody took is not given back",
	      !link_server_put(&b->wire.server, &(struct link_entry){0}, &signal));
	link_client_post(&b->client, 2, &signal);
	link_client_post(&b->client, 4, &signal);
	uint32_t buffer;
	link_server_empty(&b->wire.server, &buffer);
	link_server_empty(&b->wire.server, &buffer);
	link_server_put(&b->wire.server, &(struct link_entry){.offset = 2 * LINK_BUFFER_BYTES, .bytes = 5},
	                &signal);
	link_server_put(&b->wire.server, &(struct link_entry){.offset = 2 * LINK_BUFFER_BYTES, .bytes = 5},
	                &signal);
	check("a buffer that is given back twice is taken once",
	      link_client_arrived(&b->client, &entry, &wrong) &&
	          !link_client_arrived(&b->client, &entry, &wrong) && wrong == 1);
	end_open(a);
	struct link_entry outside = {.offset = sizeof(a->data) - 10, .bytes = 11};
	link_client_send(&a->client, &outside, 1, &signal);
	check("a frame outside the data is empty for the server",
	      link_server_take(&a->wire.server, &entry) && entry.bytes == 0);
	signal = false;
	link_server_state(&a->wire.server, LINK_STATE_UP, &signal);
	check("a change of the carrier is told", signal && link_client_up(&a->client));
}

int main(void)
{
	test_exchange();
	test_pieces();
	test_hostile();
	test_refusals();
	return failures != 0;
}
