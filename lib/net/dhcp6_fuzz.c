/* The DHCPv6 client told anything: the input is a list of times that pass and messages, those made to fit the question
 * under way so that more than the first check is reached. What it sends and holds must stay within its limits. */
#include "dhcp6.h"
#include <stdlib.h>
#include <string.h>

static struct dhcp6 client;
static uint64_t now;
static uint32_t sent;

static void send(void *context, const uint8_t *message, uint32_t bytes)
{
	(void)context;
	if (bytes < 4 || bytes > DHCP6_SENT_MAX || message[0] == 0)
		abort();
	for (uint32_t at = 4; at < bytes; at += 4u + message[at + 3]) /* options that fit */
		if (bytes - at < 4 || message[at + 2] || message[at + 3] > bytes - at - 4)
			abort();
	sent++;
}

static uint32_t draw(void *context)
{
	static uint32_t state = 1;

	(void)context;
	return state = state * 1664525u + 1013904223u;
}

static void changed(void *context)
{
	const struct dhcp6_lease *lease = &client.lease;

	(void)context;
	if (lease->name_server_count > DHCP6_NAME_SERVERS || lease->preferred_until > lease->valid_until ||
	    (lease->bound && (lease->address[0] == 0xff || lease->valid_until <= now)))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t mac[6] = {2, 0, 0, 0, 0, 7};
	static const uint8_t names[] = {0, 1, 0, 10, 0, 3, 0, 1, 2, 0, 0, 0, 0, 7, 0, 2, 0, 2, 9, 9};
	uint64_t begin = now = 1000000;

	sent = 0;
	dhcp6_init(&client, mac, send, draw, changed, NULL);
	client.credit_at = now;
	dhcp6_want(&client, DHCP6_ADDRESS, now);
	while (size >= 3) {
		uint8_t what = data[0], message[600];
		uint32_t bytes = data[1] * 2u, at = 0;
		uint64_t due = dhcp6_due(&client);

		now = data[2] & 128 && due != DHCP6_NEVER && due > now ? due : now + data[2] * 8u;
		data += 3;
		size -= 3;
		(void)dhcp6_advance(&client, now);
		bytes = bytes < size ? bytes : (uint32_t)size;
		if (what & 1) { /* an answer to the question, from a server */
			message[0] = client.state == 1 ? 2 : 7;
			message[1] = (uint8_t)(client.transaction >> 16);
			message[2] = (uint8_t)(client.transaction >> 8);
			message[3] = (uint8_t)client.transaction;
			memcpy(message + 4, names, sizeof(names));
			at = 4 + sizeof(names);
		}
		memcpy(message + at, data, bytes);
		dhcp6_input(&client, message, at + bytes, now);
		data += bytes;
		size -= bytes;
		if ((what & 0xf0) == 0xf0)
			dhcp6_rejoin(&client, now);
		else if ((what & 0xf0) == 0xe0)
			dhcp6_decline(&client, now);
		else if ((what & 0xf0) == 0xd0)
			dhcp6_release(&client, now);
		else if ((what & 0xf0) == 0xc0)
			dhcp6_want(&client, (what >> 1) % 3, now);
	}
	if (sent > 20 + (now - begin) / 1000)
		abort();
	return 0;
}
