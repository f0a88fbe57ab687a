/* See pins.h. A pin's name is its place, below the number of pins made before it: an old name is none. */
#include "pins.h"

static struct {
	handle_t handle; /* 0: free */
	uint64_t name, epoch;
} pins[PINS_MAX];
static uint64_t made, epoch;
static unsigned next; /* where the search for a free place begins */

int64_t pins_make(handle_t system, handle_t memory, uint64_t offset, uint64_t bytes, uint64_t *pin)
{
	unsigned tries = 0;

	if (bytes > PINS_PAGES_MAX * PAGE_SIZE_BYTES)
		return E_ARGUMENT;
	while (pins[next].handle && tries++ < PINS_MAX)
		next = (next + 1) % PINS_MAX;
	if (pins[next].handle)
		return E_QUOTA_CAPS;
	int64_t handle = pin_create(system, memory, offset, bytes);
	if (handle < 0)
		return handle;
	pins[next].handle = (handle_t)handle;
	pins[next].epoch = epoch;
	*pin = pins[next].name = ++made * PINS_MAX + next;
	return E_OK;
}

void pins_epoch(void)
{
	epoch++;
}

int64_t pins_end(uint64_t pin)
{
	unsigned place = (unsigned)(pin % PINS_MAX);

	if (!pin) {
		for (place = 0; place < PINS_MAX; place++) {
			if (!pins[place].handle || pins[place].epoch == epoch)
				continue;
			cap_delete(pins[place].handle);
			pins[place].handle = 0;
		}
		return E_OK;
	}
	if (!pins[place].handle || pins[place].name != pin)
		return E_NOT_FOUND;
	cap_delete(pins[place].handle);
	pins[place].handle = 0;
	return E_OK;
}
