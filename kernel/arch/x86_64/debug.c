/* Last words: which functions are on the stack. The kernel keeps no frame pointers, so every word of the
 * stack that points just behind a call instruction's place in the text is named; some may be left over from
 * earlier calls. */
#include <log.h>
#include "x86.h"

/* Made by tools/ksyms from the linked kernel: sorted offsets of functions from kernel_start, and their names.
 */
extern const uint32_t ksyms_count;
extern const struct {
	uint32_t offset, name;
} ksyms[];
extern const char ksyms_names[];
extern uint8_t kernel_text_end[];

bool log_addresses;

void arch_panic_begin(void)
{
	apic_stop_others();
}

static void print_place(uint64_t address)
{
	uint32_t low = 0, high = ksyms_count, offset = (uint32_t)(address - (uint64_t)kernel_start);

	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;

		if (ksyms[middle].offset <= offset)
			low = middle;
		else
			high = middle;
	}
	if (log_addresses)
		log_print("  %016lx", address);
	if (ksyms_count)
		log_print(" %s+0x%x", ksyms_names + ksyms[low].name, offset - ksyms[low].offset);
	log_print("\n");
}

static bool in_text(uint64_t address)
{
	return address > (uint64_t)kernel_start && address < (uint64_t)kernel_text_end;
}

/* CALL is 5 bytes with a displacement, 2 or 3 through a register. */
static bool after_call(uint64_t address)
{
	const uint8_t *code = (const uint8_t *)address;

	return in_text(address - 8) &&
	       (code[-5] == 0xe8 || code[-2] == 0xff || code[-3] == 0xff || code[-6] == 0xff);
}

void backtrace_from(uint64_t pc, uint64_t stack)
{
	struct cpu *cpu = cpu_self();
	uint64_t end = (stack | 4095) + 1;
	unsigned lines = 0;

	if (stack < (uint64_t)kernel_start)
		return;
	if (cpu && stack < cpu->kernel_stack && stack >= cpu->kernel_stack - HANDOFF_STACK_BYTES)
		end = cpu->kernel_stack;
	log_print("on the stack of CPU %u:\n", cpu ? cpu->index : 0);
	if (in_text(pc))
		print_place(pc);
	for (uint64_t at = stack & ~7ull; at < end && lines < 24; at += 8) {
		uint64_t word = *(const uint64_t *)at;

		if (!in_text(word) || !after_call(word))
			continue;
		print_place(word);
		lines++;
	}
}

void arch_backtrace(void)
{
	uint64_t here;

	__asm__ volatile("mov %%rsp, %0" : "=r"(here));
	backtrace_from(0, here);
}
