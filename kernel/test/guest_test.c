/* Guests, from the personality's side: in, out by system calls and faults, demand-zero, and how many
 * crossings a second. */
#include <holon/handoff.h>
#include "guest_enter.h"
#include "test.h"

#define GUEST_CODE  0x400000ull
#define GUEST_DATA  0x7f0000000000ull
#define GUEST_STACK 0x7fff00000000ull
#define HIDDEN      __attribute__((visibility("hidden"))) /* no table of offsets for what is in this program */

/* Guest programs. */
extern const uint8_t guest_code[] HIDDEN, guest_code_end[] HIDDEN, guest_loop[] HIDDEN, guest_touch[] HIDDEN;
__asm__(".section .rodata\n"
        "guest_code:\n"
        "	mov $0x1234, %eax\n"
        "	mov %rsp, %rdi\n"
        "	syscall\n"
        "	add $1, %rax\n"
        "	syscall\n"
        "	ud2\n"
        "guest_loop:\n"
        "	syscall\n"
        "	jmp guest_loop\n"
        "guest_touch:\n"
        "	mov (%rdi), %rax\n"
        "	movq $99, 8(%rdi)\n"
        "	mov 8(%rdi), %rbx\n"
        "	syscall\n"
        "guest_code_end:\n"
        ".text\n");

static uint64_t guest_address(const uint8_t *code)
{
	return GUEST_CODE + (uint64_t)(code - guest_code);
}

/* Spaces with tables in several places, made, used and dropped: all memory comes back. */
static void test_leaks(handle_t memory, struct thread_page *page)
{
	struct system_info before = {0}, after = {0};
	int64_t result = 0;

	for (unsigned round = 0; round < 120 && result >= 0; round++) {
		int64_t space = space_create(SPACE_GUEST, 0);

		if (round == 20)
			system_info(page, &before);
		for (uint64_t i = 0; i < 4 && space > 0; i++)
			result |= space_map((handle_t)space, (i << 42) + (i << 33) + (2ull << 20), memory, 0,
			                    PAGE_SIZE_BYTES, MAP_READ | MAP_WRITE);
		result |= guest_space((handle_t)space);
		for (uint64_t i = 0; i < 4 && result >= 0; i++)
			*(volatile uint64_t *)((i << 42) + (i << 33) + (2ull << 20)) = i;
		result |= guest_space(0);
		result |= cap_delete((handle_t)space);
	}
	system_info(page, &after);
	report(result >= 0 && after.memory_free + 64 * PAGE_SIZE_BYTES >= before.memory_free,
	       "100 guest spaces leave no memory behind", (int64_t)(before.memory_free - after.memory_free));
}

void test_guests(const struct handoff *boot, struct thread_page *page)
{
	handle_t state_memory, code_memory, data_memory;
	struct guest_state *state = window_allocate(PAGE_SIZE_BYTES, &state_memory);
	uint8_t *code = window_allocate(PAGE_SIZE_BYTES, &code_memory);
	volatile uint64_t *data = window_allocate(PAGE_SIZE_BYTES * 4, &data_memory);
	int64_t space = space_create(SPACE_GUEST, 0);

	(void)page;
	report(space > 0, "a guest space can be made", space);
	if (space < 0 || !state || !code || !data)
		return;
	__builtin_memcpy(code, guest_code, (size_t)(guest_code_end - guest_code));
	int64_t result =
	    space_map((handle_t)space, GUEST_CODE, code_memory, 0, PAGE_SIZE_BYTES, MAP_READ | MAP_EXECUTE);

	result = result ? result
	                : space_map((handle_t)space, GUEST_DATA, data_memory, 0, PAGE_SIZE_BYTES * 4,
	                            MAP_READ | MAP_WRITE);
	report(!result, "memory can be mapped into a guest space", result);
	result =
	    space_map((handle_t)space, NATIVE_BASE + (1ull << 30), data_memory, 0, PAGE_SIZE_BYTES, MAP_READ);
	report(result < 0, "the native window of a guest space cannot be mapped", result);
	result = guest_enter();
	report(result == E_STATE, "guest_enter without a state page is refused", result);
	result = guest_bind(state_memory, 0);
	result = result ? result : guest_space((handle_t)space);
	report(!result, "a guest can be bound and its space chosen", result);

	*state = (struct guest_state){.rip = guest_address(guest_code), .rsp = GUEST_STACK, .rflags = 0x202};
	result = guest_enter();
	report(result == GUEST_EXIT_SYSCALL && state->rax == 0x1234 && state->rdi == GUEST_STACK &&
	           state->rip == guest_address(guest_code) + 10 && state->rsp == GUEST_STACK,
	       "a guest's system call comes to its personality", result);
	state->rax = 41;
	result = guest_enter();
	report(result == GUEST_EXIT_SYSCALL && state->rax == 42, "and goes on where it was",
	       (int64_t)state->rax);
	result = guest_enter();
	report(result == GUEST_EXIT_FAULT && state->vector == 6 &&
	           state->rip == guest_address(guest_loop) - 2,
	       "a guest's fault comes to its personality", result);

	*state = (struct guest_state){.rip = guest_address(guest_touch), .rdi = GUEST_DATA, .rflags = 0x202};
	data[0] = 7;
	result = guest_enter();
	report(result == GUEST_EXIT_SYSCALL && state->rax == 7 && state->rbx == 99 && data[1] == 99,
	       "a guest shares memory with its personality", result);
	*state = (struct guest_state){
	    .rip = guest_address(guest_touch), .rdi = GUEST_DATA + 0x2000, .rflags = 0x202};
	result = guest_enter();
	report(result == GUEST_EXIT_SYSCALL && state->rax == 0 &&
	           *(volatile uint64_t *)(GUEST_DATA + 0x2008) == 99,
	       "the personality sees its guest's half", result);
	*state = (struct guest_state){.rip = guest_address(guest_touch), .rdi = 0x1000, .rflags = 0x202};
	result = guest_enter();
	report(result == GUEST_EXIT_FAULT && state->vector == 14 && state->address == 0x1000,
	       "a guest's fault at an unmapped page tells the address", result);
	*state =
	    (struct guest_state){.rip = guest_address(guest_touch), .rdi = (uint64_t)state, .rflags = 0x202};
	result = guest_enter();
	report(result == GUEST_EXIT_FAULT && state->vector == 14,
	       "a guest cannot reach its personality's memory", result);

	*state = (struct guest_state){.rip = 0x800000000000ull, .rflags = 0x202};
	result = guest_enter();
	report(result == E_ARGUMENT, "a non-canonical pc is refused", result);
	*state = (struct guest_state){.rip = (uint64_t)guest_enter, .rflags = 0x202};
	result = guest_enter();
	report(result == E_ARGUMENT, "a pc in the native window is refused", result);
	*state = (struct guest_state){.rip = GUEST_CODE, .rflags = 0x3202};
	result = guest_enter();
	report(result == E_ARGUMENT, "I/O privilege is refused", result);
	*state = (struct guest_state){.rip = GUEST_CODE, .rflags = 0x202, .gs_base = 0xffff800000000000ull};
	result = guest_enter();
	report(result == E_ARGUMENT, "a GS base in the kernel's half is refused", result);

	*state = (struct guest_state){.rip = guest_address(guest_loop), .rflags = 0x202};
	uint64_t before = clock_ns();

	result = 0;
	for (unsigned i = 0; i < 20000 && result == GUEST_EXIT_SYSCALL; i++)
		result = guest_enter();
	uint64_t each = (clock_ns() - before) / 20000;

	report(result == GUEST_EXIT_SYSCALL, "20,000 crossings", result);
	log_print(boot->system, page, "guest system call and back: %lu ns\n", (unsigned long)each);
	result = guest_space(0);
	report(!result, "a guest space can be left", result);
	cap_delete((handle_t)space);
	test_leaks(data_memory, page);
}
