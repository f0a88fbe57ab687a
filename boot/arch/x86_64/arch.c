/* The loader's few needs of an x86-64 processor and a PC; see boot/loader/arch.h. */
#include "../../loader/arch.h"

#include "../../loader/loader.h"
#include "../../loader/string.h"
#include "io.h"

enum { DEBUG_EXIT = 0xf4, DEBUG_EXIT_FAILED = 0x7d };
enum { COM1 = 0x3f8, LINE_STATUS = 5, STATUS_EMPTY = 0x20 };
enum { FWCFG_SELECTOR = 0x510, FWCFG_DATA = 0x511, FWCFG_DMA_HIGH = 0x514, FWCFG_DMA_LOW = 0x518 };
enum { FWCFG_SIGNATURE = 0, FWCFG_FEATURES = 1, FEATURE_DMA = 2 };
enum { MSR_EFER = 0xc0000080, EFER_NX = 0x800 };

/* Real machines have other things at an emulator's ports: ask only below a hypervisor (CPUID.1:ECX bit 31). */
static bool hypervisor(void)
{
	return cpuid(1, 0).ecx >> 31;
}

uint64_t arch_counter(void)
{
	return read_tsc();
}

bool arch_random(uint64_t *word)
{
	enum { TRIES = 16, RDRAND = 1u << 30, RDSEED = 1u << 18 };
	bool seed = cpuid(0, 0).eax >= 7 && cpuid(7, 0).ebx & RDSEED;
	uint32_t half[2];
	if (!seed && !(cpuid(1, 0).ecx & RDRAND))
		return false;
	for (unsigned i = 0; i < 2; i++) {
		uint8_t good = 0;
		for (unsigned tries = 0; tries < TRIES && !good; tries++) {
			if (seed)
				__asm__ volatile("rdseedl %0; setc %1" : "=r"(half[i]), "=q"(good) : : "cc");
			else
				__asm__ volatile("rdrandl %0; setc %1" : "=r"(half[i]), "=q"(good) : : "cc");
		}
		if (!good)
			return false;
	}
	*word = (uint64_t)half[1] << 32 | half[0];
	return true;
}

/* A port read leaves the processor, in which other clocks run. */
uint64_t arch_jitter(void)
{
	enum { STATUS_PORT = 0x61 };
	uint64_t begin = read_tsc();
	(void)in8(STATUS_PORT);
	return read_tsc() - begin;
}

uint64_t arch_wall_clock(void)
{
	enum {
		SELECT = 0x70,
		DATA = 0x71,
		SECONDS = 0,
		MINUTES = 2,
		HOURS = 4,
		DAY = 7,
		MONTH = 8,
		YEAR = 9
	};
	static const uint8_t places[] = {SECONDS, MINUTES, HOURS, DAY, MONTH, YEAR};
	uint64_t value = 0;
	for (unsigned i = 0; i < sizeof(places); i++) {
		out8(SELECT, places[i]);
		value = value << 8 | in8(DATA);
	}
	return value;
}

void arch_interrupts_off(void)
{
	__asm__ volatile("cli");
}

void arch_end_machine(void)
{
	serial_drain();
	if (hypervisor())
		out32(DEBUG_EXIT, DEBUG_EXIT_FAILED);
}

void arch_halt(void)
{
	__asm__ volatile("hlt");
}

void arch_no_execute_on(void)
{
	if (cpuid(0x80000001, 0).edx & 1u << 20)
		write_msr(MSR_EFER, read_msr(MSR_EFER) | EFER_NX);
}

void arch_console_put(char c)
{
	for (int i = 0; i < 100000 && !(in8(COM1 + LINE_STATUS) & STATUS_EMPTY); i++)
		;
	out8(COM1, (uint8_t)c);
}

uint8_t arch_console_get(void)
{
	enum { STATUS_DATA = 1, NOTHING = 0xff };
	uint8_t status = in8(COM1 + LINE_STATUS);
	return status == NOTHING || !(status & STATUS_DATA) ? 0 : in8(COM1);
}

void arch_restart(void)
{
	enum { RESET_CONTROL = 0xcf9, FULL_RESET = 6, KEYBOARD_COMMAND = 0x64, PULSE_RESET = 0xfe };
	out8(RESET_CONTROL, FULL_RESET); /* of chip sets since the PIIX */
	out8(KEYBOARD_COMMAND, PULSE_RESET);
}

bool arch_fwcfg_present(void)
{
	char signature[4];
	if (!hypervisor())
		return false;
	out16(FWCFG_SELECTOR, FWCFG_SIGNATURE);
	for (int i = 0; i < 4; i++)
		signature[i] = (char)in8(FWCFG_DATA);
	if (memcmp(signature, "QEMU", 4) != 0)
		return false;
	out16(FWCFG_SELECTOR, FWCFG_FEATURES);
	return in8(FWCFG_DATA) & FEATURE_DMA;
}

void arch_fwcfg_start(uint64_t request)
{
	out32(FWCFG_DMA_HIGH, __builtin_bswap32((uint32_t)(request >> 32)));
	out32(FWCFG_DMA_LOW, __builtin_bswap32((uint32_t)request));
}
