/* See link_fake.h. */
#include "link_fake.h"

#include <string.h>

/* One frame's pieces into buffers of OTHER. False: there were not enough; those taken go back empty. */
static bool deliver(const struct link_fake_end *end, struct link_fake_end *other,
                    const struct link_entry *pieces, uint32_t count, bool *wake_other)
{
	uint32_t buffers[LINK_PIECES_MAX];
	uint32_t got = 0;

	while (got < count && pieces[got].bytes <= LINK_BUFFER_BYTES &&
	       link_server_empty(&other->server, &buffers[got]))
		got++;
	for (uint32_t i = 0; i < got; i++) {
		struct link_entry entry = pieces[i];
		entry.offset = buffers[i] * LINK_BUFFER_BYTES;
		if (got == count)
			memcpy(other->data + entry.offset, end->data + pieces[i].offset, entry.bytes);
		else
			entry.bytes = entry.flags = 0;
		link_server_put(&other->server, &entry, wake_other);
	}
	return got == count;
}

uint32_t link_fake_carry(struct link_fake_end *end, struct link_fake_end *other, uint32_t lose, bool *wake,
                         bool *wake_other)
{
	struct link_entry pieces[LINK_PIECES_MAX];
	uint32_t arrived = 0, number = 0, count = 0;

	while (number < LINK_ENTRIES_MAX && link_server_take(&end->server, &pieces[count])) {
		bool last = !(pieces[count++].flags & LINK_MORE) || count == LINK_PIECES_MAX;
		if (!last)
			continue;
		if ((!lose || ++number % lose) && deliver(end, other, pieces, count, wake_other))
			arrived++;
		else
			link_server_dropped(&other->server);
		link_server_done(&end->server, count, wake);
		count = 0;
	}
	link_server_done(&end->server, count, wake);
	return arrived;
}
