/* Pins: see pin.h. A device keeps writing to memory that its driver gave it, whatever becomes of the driver,
 * of the memory object and of who owned it. So a pinned frame goes back to the others only when the pin ends,
 * which whoever supervises the drivers (the steward, for devmgr) decides after the device was silenced. */
#include "bytes.h"
#include "calls.h"
#include "pin.h"
#include "thread.h"
#include "unit.h"

#define UNPIN_SLICE 16u /* each may free one */

static struct lock pins_lock; /* every unit's list, and which one a pin is in */

/* The pin that the running call has begun, or a new one. */
static struct pin *pin_building(struct thread *self, struct unit *owner, struct memory *memory,
                                uint32_t first, int64_t *error)
{
	struct pin *pin = (struct pin *)self->building;
	struct unit *payer = memory->object.owner;

	if (pin && pin->object.type == OBJECT_PIN && pin->memory == &memory->object && pin->first == first)
		return pin;
	if (payer->object.dead) {
		*error = E_HANDLE;
		return 0;
	}
	pin = (struct pin *)object_create(owner, OBJECT_PIN, sizeof(*pin), error);
	if (!pin)
		return 0;
	pin->first = first;
	pin->payer = payer;
	lock_take(&pins_lock);
	list_append(&payer->pins, &pin->payer_node);
	lock_release(&pins_lock);
	if (object_reference(&memory->object))
		pin->memory = &memory->object;
	thread_build(self, &pin->object);
	return pin;
}

int64_t sys_pin_create(struct call *call, struct object *system, struct memory *memory, uint64_t offset,
                       uint64_t bytes)
{
	uint64_t first = offset / PAGE_SIZE_BYTES, count = bytes / PAGE_SIZE_BYTES;
	struct thread *self = call->self;
	struct pin *pin;
	int64_t status = E_OK;

	if (offset % PAGE_SIZE_BYTES || bytes % PAGE_SIZE_BYTES || !count || count > PIN_PAGES_MAX ||
	    first > UINT32_MAX)
		return E_ARGUMENT;
	pin = pin_building(self, system->owner, memory, (uint32_t)first, &status);
	if (!pin)
		return status;
	/* One a slice: it may have to be copied. */
	status = memory_pin(memory, first + pin->count, 0, &pin->frames[pin->count]);
	pin->count += status == E_OK;
	if (status == CALL_RESTART || (status == E_OK && pin->count < count))
		return CALL_RESTART;
	if (status < 0)
		return status; /* the dispatcher releases the beginning */
	memcpy(self->page->bytes, pin->frames, count * sizeof(pin->frames[0]));
	self->building = 0;
	if (pin->memory)
		object_release(pin->memory);
	pin->memory = 0;
	return call_result_object(call, &pin->object, RIGHT_ALL);
}

bool pins_pass_slice(struct unit *unit, uint64_t *bytes)
{
	struct pin *pin = 0;

	*bytes = 0;
	lock_take(&pins_lock);
	if (!list_empty(&unit->pins)) {
		pin = container_of(unit->pins.next, struct pin, payer_node);
		for (unsigned i = 0; i < UNPIN_SLICE && pin->passed < pin->count; i++)
			if (memory_pin_pass(pin->frames[pin->passed++], unit, unit->parent))
				*bytes += PAGE_SIZE_BYTES;
		if (pin->passed == pin->count) {
			pin->passed = 0;
			pin->payer = unit->parent;
			list_move(&unit->parent->pins, &pin->payer_node);
		}
	}
	lock_release(&pins_lock);
	return pin;
}

bool pin_teardown(struct object *object)
{
	struct pin *pin = container_of(object, struct pin, object);

	lock_take(&pins_lock);
	for (unsigned i = 0; i < UNPIN_SLICE && pin->count; i++)
		memory_unpin(pin->frames[--pin->count], 0);
	if (pin->passed > pin->count)
		pin->passed = pin->count;
	if (!pin->count && !list_empty(&pin->payer_node))
		list_remove(&pin->payer_node);
	lock_release(&pins_lock);
	if (pin->count)
		return false;
	if (pin->memory)
		object_release(pin->memory);
	pin->memory = 0;
	return true;
}
