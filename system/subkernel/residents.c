/* The manifest's own sub-kernels (resident.h), which the manager starts and starts again, and the ledger's capability: who holds
 * it is connected with the port of the one that is called "ledger", or of the one that the first sub-kernel started as the
 * ledger's node. */
#include <text.h>
#include "resident.h"
#include "start.h"
#include "steward.interface.h"

#define STEWARD_NS 1000000000ull /* for it to take a call */

/* The resident that serves under NAME and runs, and its sub-kernel; 0: there is none. */
static struct subkernel *serving(const char *name, uint16_t *port)
{
	const struct resident *resident;
	for (unsigned i = 0; (resident = resident_at(i)); i++) {
		struct subkernel *subkernel = subkernel_find(resident->number);
		if (!subkernel || subkernel->ended || !resident->entry->port ||
		    strcmp(resident->entry->name, name) != 0)
			continue;
		*port = resident->entry->port;
		return subkernel;
	}
	return 0;
}

/* The ledger's node, and its port; 0: there is none. */
static struct subkernel *ledger_node(uint16_t *port)
{
	for (unsigned i = 0; i < SUBKERNELS_MAX; i++) {
		struct subkernel *subkernel = &manager.table[i];
		if (!subkernel->number || subkernel->ended || !(subkernel->flags & BLUEPRINT_LEDGER_NODE) ||
		    !subkernel->parent)
			continue;
		*port = BLUEPRINT_LEDGER_PORT;
		return subkernel;
	}
	return serving("ledger", port);
}

bool ledger_present(void)
{
	uint16_t port;
	return ledger_node(&port) != 0;
}

void connect_ledger(const struct subkernel *client)
{
	uint16_t port;
	const struct subkernel *ledger = client->flags & BLUEPRINT_LEDGER ? ledger_node(&port) : 0;
	if (!ledger || ledger == client || client->ended)
		return;
	int64_t result = network_connect(&client->link, &ledger->link, port, "ledger");
	if (result < 0)
		LOG("subkernel: %s is not connected with the ledger: %s\n", client->name, error_text(result));
}

void connect_all(void)
{
	for (unsigned i = 0; i < SUBKERNELS_MAX; i++)
		if (manager.table[i].number)
			connect_ledger(&manager.table[i]);
}

static void resident_start(struct resident *resident)
{
	const struct manifest_resident *entry = resident->entry;
	struct subkernel *first = &manager.table[0];
	struct blueprint blueprint = {.version = BLUEPRINT_VERSION,
	                              .profile = "linux",
	                              .memory_bytes = entry->memory,
	                              .caps = entry->caps,
	                              .flags = entry->blocks ? BLUEPRINT_BLOCKS | BLUEPRINT_NESTING : 0,
	                              .net = {.mode = entry->nat ? SWITCH_NAT : SWITCH_NONE}};
	text_copy(blueprint.name, sizeof(blueprint.name), entry->name);
	text_copy(blueprint.image, sizeof(blueprint.image), entry->image);
	resident->starts++;
	if (!resident_prepare(resident)) {
		LOG("subkernel: no memory to start %s\n", entry->name);
		return;
	}
	struct connection connection = {.memory = resident->memory,
	                                .event = resident->event,
	                                .peer = resident->peer,
	                                .command = resident->command,
	                                .command_bytes = resident->command_bytes,
	                                .serves = entry->port != 0};
	if (entry->add)
		connection.add.object = start_find(manager.info, "add", &connection.add.bytes);
	int64_t stream = cap_copy(resident->memory, RIGHT_READ | RIGHT_COPY | RIGHT_MOVE, 0);
	int64_t number = stream < 0 ? stream : subkernel_start(first, &blueprint, &connection);
	if (number < 0) {
		LOG("subkernel: cannot start %s: %s\n", entry->name, error_text(number));
		if (stream >= 0)
			cap_delete((handle_t)stream);
		return;
	}
	subkernel_find((uint64_t)number)->stream = (handle_t)stream;
	resident->number = (uint64_t)number;
	if (entry->port)
		connect_all();
}

void residents_look(void)
{
	struct resident *resident;
	for (unsigned i = 0; (resident = resident_at(i)); i++) {
		struct subkernel *subkernel = subkernel_find(resident->number);
		resident_drain(resident);
		if (subkernel && !subkernel->ended)
			continue;
		if (subkernel) {
			LOG("subkernel: %s ended with status %lu\n", resident->entry->name,
			    subkernel->status);
			const uint64_t code = subkernel->status >> 8;
			const bool told = !subkernel->status && strcmp(resident->entry->when, "trial") == 0 &&
			                  steward_works(start_find(manager.info, "steward", 0), manager.page,
			                                clock_ns() + STEWARD_NS) >= 0;
			resident->over |= told || code == 126 || code == 127; /* done; no such program */
			subkernel_forget(subkernel);
		}
		resident->number = 0;
		resident->over |= resident->starts && !resident->entry->restart;
		if (!resident->over && resident->starts < RESIDENT_STARTS_MAX && manager.table[0].number)
			resident_start(resident);
	}
}
