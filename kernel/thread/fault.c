/* Faults in user mode.
 *
 * A fault in the guest half is resolved by the guest space, whether the guest or its personality made it; in
 * the native window by the native space. What cannot be resolved is the guest's exit, or goes to the thread's
 * fault entry, or fails the unit.
 */
#include <bytes.h>
#include <memory.h>
#include <space.h>
#include "sched.h"

/* Of a fault entry: code that must not fault at one place twice in a row. */
#define FAULT_ENTRY_BYTES 128u

/* x86 page-fault error code (Intel SDM volume 3, 4.7). */
#define FAULT_WRITE   2u
#define FAULT_EXECUTE 16u

void thread_fault(struct thread *thread, const struct fault_record *fault)
{
	bool again = fault->pc == thread->fault_pc;

	if (thread->in_guest) {
		arch_guest_exit(thread, GUEST_EXIT_FAULT, fault->vector, fault->error, fault->address);
		return;
	}
	thread->fault_pc = fault->pc;
	if (!thread->fault_entry || (again && fault->pc >= thread->fault_entry &&
	                             fault->pc < thread->fault_entry + FAULT_ENTRY_BYTES)) {
		unit_end(thread->unit, UNIT_FAILED, 0, fault);
		return;
	}
	thread->page->fault = *fault;
	arch_redirect(thread, thread->fault_entry);
}

void kernel_exception(struct thread *thread, uint64_t vector, uint64_t error)
{
	struct fault_record fault = {.pc = arch_thread_pc(thread), .vector = vector, .error = error};

	thread_fault(thread, &fault);
}

void kernel_page_fault(struct thread *thread, uint64_t address, uint64_t error)
{
	struct fault_record fault = {
	    .pc = arch_thread_pc(thread), .address = address, .vector = ARCH_PAGE_FAULT, .error = error};
	struct space *space = thread->guest_space;
	enum space_fault result;
	struct memory *memory;
	uint64_t page;

	if (!thread->in_guest && native_address(address))
		space = thread->space;
	if (space && address < USER_END && !space->object.dead) {
		result =
		    space_resolve(space, address, error & FAULT_WRITE, error & FAULT_EXECUTE, &memory, &page);
		if (result == SPACE_FAULT_PAGER)
			fault.error |= thread_wait_pager(thread, memory, page, error & FAULT_WRITE);
		if (result == SPACE_FAULT_RESOLVED || (result == SPACE_FAULT_PAGER && fault.error == error))
			return;
	}
	thread_fault(thread, &fault);
}
