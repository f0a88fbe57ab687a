/* The debug registers that a tracer sets, without those of the processor: a task with an armed one executes instruction
 * by instruction, and what is watched is compared after each. Kept for PTRACE_POKEUSER by the names of the processor's
 * (Intel SDM, volume 3, "Debug Registers"): 0..3 addresses, 6 what was hit, 7 what is armed.
 *
 * Writes are seen by what they change; reads cannot be seen, and a tracer that asks for them is refused.
 */
#include "trace/trace.h"
#include "../internal.h"

#define STATUS       6u
#define CONTROL      7u
#define STEPPED      (1u << 14) /* in STATUS */
#define TRAP_HWBKPT  4
#define CONTROL_KEPT 0xffff03ffull

enum watch_kind { WATCH_EXECUTE = 0, WATCH_WRITE = 1, WATCH_IO = 2, WATCH_ACCESS = 3 };

static bool armed(uint64_t control, unsigned slot)
{
	return control >> slot * 2 & 3;
}

static enum watch_kind kind_of(uint64_t control, unsigned slot)
{
	return (enum watch_kind)(control >> (16 + slot * 4) & 3);
}

static unsigned bytes_of(uint64_t control, unsigned slot)
{
	static const uint8_t bytes[4] = {1, 2, 8, 4};
	return bytes[control >> (18 + slot * 4) & 3];
}

bool trace_watches(const struct trace *trace)
{
	return trace->debug[CONTROL] & 0xff;
}

static uint64_t value_at(struct trace *trace, unsigned slot)
{
	uint64_t value = 0;
	if (trace->task->mm)
		(void)mm_access(trace->task->mm, trace->debug[slot], &value,
		                bytes_of(trace->debug[CONTROL], slot), MM_FORCE);
	return value;
}

static int control_check(const struct trace *trace, uint64_t control)
{
	for (unsigned slot = 0; slot < WATCHES; slot++) {
		enum watch_kind kind = kind_of(control, slot);
		unsigned bytes = bytes_of(control, slot);
		if (!armed(control, slot))
			continue;
		if (kind == WATCH_IO || kind == WATCH_ACCESS || (kind == WATCH_EXECUTE && bytes != 1) ||
		    trace->debug[slot] % bytes || !user_range(trace->debug[slot], bytes))
			return -EINVAL;
	}
	return 0;
}

int trace_debug_set(struct trace *trace, unsigned number, uint64_t value)
{
	if (number == 4 || number == 5)
		return -EIO;
	if (number < WATCHES && !user_range(value, 1))
		return -EINVAL;
	if (number == CONTROL) {
		value &= CONTROL_KEPT;
		int error = control_check(trace, value);
		if (error)
			return error;
	} else if (number < WATCHES && armed(trace->debug[CONTROL], number) &&
	           value % bytes_of(trace->debug[CONTROL], number)) {
		return -EINVAL;
	}
	trace->debug[number] = value;
	for (unsigned slot = 0; slot < WATCHES; slot++)
		if (armed(trace->debug[CONTROL], slot))
			trace->watched[slot] = value_at(trace, slot);
	return 0;
}

/* Bits of STATUS: which of the armed ones the last instruction hit, or the next one will be. */
static uint64_t hits(struct trace *trace)
{
	uint64_t found = 0, control = trace->debug[CONTROL];
	for (unsigned slot = 0; slot < WATCHES; slot++) {
		if (!armed(control, slot))
			continue;
		if (kind_of(control, slot) == WATCH_EXECUTE) {
			if (trace->task->state->rip == trace->debug[slot])
				found |= 1ull << slot;
			continue;
		}
		uint64_t value = value_at(trace, slot);
		if (value != trace->watched[slot])
			found |= 1ull << slot;
		trace->watched[slot] = value;
	}
	return found;
}

bool trace_stepped(void)
{
	struct task *task = current_task();
	struct trace *trace = task->trace;
	if (!trace || !trace->flags_forced)
		return false;
	if (!trace->tracer) { /* it was let go while it ran */
		trace_flags_lift(task);
		return true;
	}
	uint64_t found = trace_watches(trace) ? hits(trace) : 0;
	trace->debug[STATUS] |= found | (trace->step ? STEPPED : 0);
	if (found) {
		unsigned slot = (unsigned)__builtin_ctzll(found);
		signal_fault(SIGTRAP, TRAP_HWBKPT, trace->debug[slot]);
	} else if (trace->step) {
		signal_fault(SIGTRAP, TRAP_TRACE, task->state->rip);
	} else {
		trace_flags_apply();
	}
	return true;
}
