/* Devices that come and go below ports of PCI Express (slot.h). Slots are looked at four times a second, on machines that have some.
 *
 * A device that is to go (its button was pressed: so QEMU's device_del asks) loses its driver first and then its power. One that is gone already
 * loses its driver. Either way clients' capabilities end, and what the driver had mapped is released when nothing is there any more, or has no
 * power. What is plugged in is given a place in the windows that the firmware left to the port, and a driver; its capabilities are new ones,
 * also where it is the same device. */
#include "devmgr.h"

#include "slot.h"

#define SLOTS_MAX 32u
#define LOOK_NS   250000000ull
#define SETTLE_NS 3000000000ull /* from power to an answer (PCI Express Base 4.0, 6.6.1) */

enum phase { EMPTY, SETTLING, WORKS, OFF };

static struct slot {
	const struct pci_function *port;
	uint8_t bus; /* behind it, as the firmware said; 0: none */
	enum phase phase;
	uint64_t since;  /* power was given */
	bool unreleased; /* mappings of drivers of before */
	bool switchable; /* power was taken */
} slots[SLOTS_MAX];
static unsigned slot_count;
static uint64_t look_at;

/* Bridges too, but no port that is looked at here itself. */
static bool is_in(const struct slot *slot, const struct claim *claim)
{
	return slot->bus && PCI_BUS(claim->function.address) == slot->bus && !claim->function.hot_slot;
}

static void for_each(const struct slot *slot, void (*what)(struct claim *claim))
{
	for (unsigned i = 0; i < devmgr.claim_count; i++)
		if (is_in(slot, &devmgr.claims[i]))
			what(&devmgr.claims[i]);
}

static bool answers(const struct slot *slot)
{
	struct pci_function function;

	return slot->bus && pci_read(&devmgr.access, PCI_ADDRESS(slot->bus, 0, 0), &function);
}

static void remove_all(struct slot *slot, const char *why)
{
	LOG("devmgr: what is in the slot of " PCI_PLACE " %s\n", PCI_PLACE_OF(slot->port->address), why);
	for_each(slot, claim_remove);
	slot->switchable = slot_power(&devmgr.access, slot->port, false);
	slot->unreleased = true;
}

/* False: nothing answers yet. */
static bool add_all(const struct slot *slot)
{
	struct pci_function functions[SLOT_FUNCTIONS];
	bool placed;

	if (slot_bus(&devmgr.access, slot->port) != slot->bus)
		return false; /* it has lost what the firmware told it */
	unsigned count = slot_functions(&devmgr.access, slot->port, functions, &placed);

	if (count && !placed)
		LOG("devmgr: the firmware left too little room behind " PCI_PLACE
		    " for what was plugged in\n",
		    PCI_PLACE_OF(slot->port->address));
	for (unsigned i = 0; placed && i < count; i++)
		claim_add(&functions[i]);
	if (count)
		devmgr_changed();
	return count;
}

static void look(struct slot *slot, uint64_t now)
{
	const struct slot_state state = slot_look(&devmgr.access, slot->port);

	if (slot->phase == WORKS && (!state.present || state.changed || !answers(slot))) {
		remove_all(slot, "is gone");
		slot->phase = EMPTY; /* what is there the next time is new */
		return;
	}
	if (state.pressed && (slot->phase == WORKS || slot->phase == SETTLING)) {
		remove_all(slot, "is to go");
		slot->phase = OFF;
		return;
	}
	if (slot->unreleased && (slot->switchable || !state.present)) {
		for_each(slot, mappings_end_old);
		slot->unreleased = false;
	}
	if (!state.present) {
		if (slot->phase == SETTLING)
			(void)slot_power(&devmgr.access, slot->port, false);
		slot->phase = EMPTY;
	} else if (slot->phase == EMPTY || (slot->phase == OFF && (state.changed || state.pressed))) {
		LOG("devmgr: something was plugged into the slot of " PCI_PLACE "\n",
		    PCI_PLACE_OF(slot->port->address));
		(void)slot_power(&devmgr.access, slot->port, true);
		slot->since = now;
		slot->phase = SETTLING;
	} else if (slot->phase == SETTLING) {
		if (add_all(slot)) {
			slot->phase = WORKS;
		} else if (now - slot->since > SETTLE_NS) {
			LOG("devmgr: what is in the slot of " PCI_PLACE " does not answer\n",
			    PCI_PLACE_OF(slot->port->address));
			(void)slot_power(&devmgr.access, slot->port, false);
			slot->phase = OFF;
		}
	}
}

void hotplug_init(void)
{
	for (unsigned i = 0; i < devmgr.claim_count && slot_count < SLOTS_MAX; i++) {
		struct slot *slot = &slots[slot_count];
		if (!devmgr.claims[i].function.hot_slot)
			continue;
		slot->port = &devmgr.claims[i].function;
		slot->bus = slot_bus(&devmgr.access, slot->port);
		slot_count++;
		bool present = slot_look(&devmgr.access, slot->port).present;
		for (unsigned j = 0; present && j < devmgr.claim_count; j++)
			if (is_in(slot, &devmgr.claims[j]))
				slot->phase = WORKS; /* it was there when devices were looked for */
	}
}

uint64_t hotplug_due(uint64_t now, uint64_t next)
{
	if (!slot_count)
		return next;
	if (now >= look_at) {
		look_at = now + LOOK_NS;
		for (unsigned i = 0; i < slot_count; i++)
			look(&slots[i], now);
	}
	return look_at < next ? look_at : next;
}
