/* Off and again. Off is ACPI's S5, with the ports QEMU's machines use where the tables say nothing; reset
 * tries the ACPI register, the keyboard controller and at last a triple fault. */
#include <log.h>
#include <memory.h>
#include "x86.h"

#define SLEEP_ENABLE (1u << 13)

void arch_halt(void)
{
	for (;;)
		__asm__ volatile("cli; hlt");
}

static void sleep_port(const struct handoff_register *control)
{
	uint16_t port = (uint16_t)control->address;

	if (control->space == HANDOFF_SPACE_PORT)
		out16(port, (uint16_t)((in16(port) & 0xc003) | control->value | SLEEP_ENABLE));
}

/* This CPU alone goes on, on the kernel's own tables and stack, which the wipe spares. */
static void machine_end(void)
{
	apic_stop_others();
	paging_load(cpu_self(), kernel_root);
	memory_wipe();
}

/* The others have stopped, and what there was to say is said. */
void arch_panic_end(void)
{
	machine_end();
	log_print("memory is wiped\n");
}

void arch_power_off(void)
{
	machine_end();
	sleep_port(&machine.power_off[0]);
	sleep_port(&machine.power_off[1]);
	clock_delay(100000000);
	out16(0x604, SLEEP_ENABLE);
	out16(0xb004, SLEEP_ENABLE);
	log_print("The machine can be switched off now.\n");
	arch_halt();
}

void arch_reboot(void)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) none = {0, 0};

	machine_end();
	if (machine.reset.space == HANDOFF_SPACE_PORT) {
		out8((uint16_t)machine.reset.address, (uint8_t)machine.reset.value);
		clock_delay(50000000);
	}
	for (unsigned tries = 0; in8(0x64) & 2 && tries < 100000; tries++)
		arch_pause();
	out8(0x64, 0xfe);
	clock_delay(50000000);
	__asm__ volatile("lidt %0; int3" ::"m"(none));
	arch_halt();
}
