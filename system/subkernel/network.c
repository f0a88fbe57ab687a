/* See network.h. Every call to the switch has a time limit: a switch that hangs costs sub-kernels their links
 * and nothing else. */
#include "network.h"
#include "link.interface.h"
#include "switch.interface.h"

#define CALL_NS 2000000000ull

static struct {
	const struct start_info *info;
	struct thread_page *page;
	handle_t log, channel;
} network;

#define LOG(...) log_print(network.log, network.page, __VA_ARGS__)

static uint64_t deadline(void)
{
	return clock_ns() + CALL_NS;
}

void network_init(const struct start_info *info, struct thread_page *page, handle_t log)
{
	network.info = info;
	network.page = page;
	network.log = log;
	network.channel = start_find(info, "switch", 0);
}

bool network_present(void)
{
	return network.channel;
}

int64_t network_create(struct network_link *link, const struct network_link *parent, const char *name,
                       const struct switch_policy *policy)
{
	*link = (struct network_link){.parent = parent ? parent->number : 0, .policy = *policy};
	if (!network.channel || (parent && !parent->number))
		return E_RIGHTS;
	int64_t result = switch_create(network.channel, network.page, link->parent, name, &link->policy,
	                               sizeof(link->policy), &link->number, &link->channel, deadline());
	if (result < 0)
		link->number = 0;
	return result;
}

void network_destroy(struct network_link *link)
{
	if (!link->number)
		return;
	(void)switch_destroy(network.channel, network.page, link->number, deadline());
	cap_delete(link->channel);
	*link = (struct network_link){0};
}

int64_t network_cut(const struct network_link *link)
{
	if (!link->number)
		return E_OK;
	int64_t result = switch_destroy(network.channel, network.page, link->number, deadline());
	return result == E_NOT_FOUND ? E_OK : result;
}

void network_forget(struct network_link *link)
{
	if (link->number)
		cap_delete(link->channel);
	*link = (struct network_link){0};
}

/* A decimal port at *TEXT, which moves behind it; 0: none. */
static uint32_t port_read(const char **text)
{
	uint32_t port = 0;
	while (**text >= '0' && **text <= '9' && port <= 65535)
		port = port * 10 + (uint32_t)(*(*text)++ - '0');
	return port <= 65535 ? port : 0;
}

void network_forward(const struct network_link *link)
{
	const char *word = network.info->arguments;
	for (; link->number && word && *word; word += strlen(word) + 1) {
		if (strncmp(word, "forward=", 8) != 0)
			continue;
		const char *at = word + 8;
		uint32_t protocol = strncmp(at, "tcp:", 4) == 0 ? 6 : strncmp(at, "udp:", 4) == 0 ? 17 : 0;
		at += protocol ? 4 : 0;
		uint32_t outer = port_read(&at);
		at += *at == ':';
		uint32_t inner = port_read(&at);
		int64_t result = E_ARGUMENT;
		if (protocol && outer && inner && !*at)
			result = switch_forward(network.channel, network.page, link->number, protocol, outer,
			                        inner, deadline());
		if (result < 0 && result != E_EXISTS)
			LOG("subkernel: %s: %s\n", word, error_text(result));
	}
}

bool network_refresh(const struct network_link *link, const char *name)
{
	if (!link->number)
		return false;
	int64_t result = switch_restore(network.channel, network.page, link->number, link->parent, name,
	                                &link->policy, sizeof(link->policy), deadline());
	return result >= 0;
}

bool network_counters(const struct network_link *link, struct link_counters *counters)
{
	const void *data;
	uint32_t bytes;
	if (!link->number || link_counters(link->channel, network.page, &data, &bytes, deadline()) < 0 ||
	    bytes != sizeof(*counters))
		return false;
	memcpy(counters, data, sizeof(*counters));
	return true;
}

int64_t network_connect(const struct network_link *client, const struct network_link *server, uint16_t port,
                        const char *service)
{
	if (!client->number || !server->number)
		return E_RIGHTS;
	return switch_connect(network.channel, network.page, client->number, server->number, port, service,
	                      deadline());
}
