/* Between the generated dispatcher (call_dispatch, from abi/substrate.interface) and what it stands on. */
#pragma once

#include "calls.h"
#include "thread.h"
#include "unit.h"

/* Runs call NUMBER of CALL->self until it is done or preemption is pending. */
int64_t call_run(struct call *call, uint64_t number);
/* Runs call NUMBER once, a slice of it: decoding and handler. */
int64_t call_dispatch(struct call *call, uint64_t number);
/* By number, a bit each: calls whose purpose is to end objects, so that they also work off what others left.
 */
extern const uint64_t calls_reaping[];

/* Looks up the handle in argument INDEX into call->caps[INDEX]: alive, of TYPE, with RIGHTS. */
static inline int64_t call_handle(struct call *call, unsigned index, enum object_type type, uint16_t rights)
{
	return cap_lookup(call->self->unit, arch_argument(call->self, index), type, rights,
	                  &call->caps[index]);
}

/* The same where a dead object may be named: to go on with its end. */
static inline int64_t call_dead(struct call *call, unsigned index, enum object_type type, uint16_t rights)
{
	return cap_lookup_dead(call->self->unit, arch_argument(call->self, index), type, rights,
	                       &call->caps[index]);
}

/* The same where 0 stands for the caller's own unit or thread, or for nothing. */
static inline int64_t call_optional(struct call *call, unsigned index, enum object_type type, uint16_t rights)
{
	if (arch_argument(call->self, index))
		return call_handle(call, index, type, rights);
	call->caps[index] = (struct cap_view){.object = type == OBJECT_UNIT     ? &call->self->unit->object
	                                                : type == OBJECT_THREAD ? &call->self->object
	                                                                        : 0};
	return E_OK;
}

static inline void *call_object(struct call *call, unsigned index)
{
	return call->caps[index].object;
}
