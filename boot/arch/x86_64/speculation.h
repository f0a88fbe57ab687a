/* Which guards against speculation past what a program may read the kernel takes, by what the processor says of itself. The
 * kernel writes them into its text at boot; docs/security.md says what they are worth.
 *
 * Sources: Intel, "CPUID Enumeration and Architectural MSRs" of its guidance on speculative execution; AMD, "Software
 * techniques for managing speculation on AMD processors", and APM 2, 3.2.9.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* IA32_SPEC_CTRL, as features have it from HANDOFF_X86_SPEC_CTRL_SHIFT on. */
#define CONTROL_IBRS        1ull
#define CONTROL_STIBP       2ull
#define CONTROL_SSBD        4ull
#define CONTROL_RRSBA_DIS_S (1ull << 6)
#define CONTROL_BHI_DIS_S   (1ull << 10)

enum speculation_vendor { SPECULATION_OTHER, SPECULATION_INTEL, SPECULATION_AMD };

/* What CPUID says, and IA32_ARCH_CAPABILITIES, which is 0 where it is not there. */
struct speculation_facts {
	enum speculation_vendor vendor; /* AMD: Hygon too */
	uint32_t family, model;
	uint32_t seven_ebx, seven_edx; /* leaf 7 */
	uint32_t seven_two_edx;        /* leaf 7, subleaf 2 */
	uint32_t extended_8_ebx, extended_21_eax;
	uint64_t capabilities;
	bool emulated; /* by QEMU, which runs no instruction ahead */
};

/* What is left open. */
enum speculation_gap {
	SPECULATION_MELTDOWN =
	    1 << 0, /* a program reads what the kernel has mapped: its tables are not kept apart */
	SPECULATION_BUFFERS =
	    1 << 1, /* what the processor's buffers hold of others (MDS), without MD_CLEAR */
	SPECULATION_PREDICTORS = 1 << 2, /* no barrier between units for what branches were taught */
	SPECULATION_RETURNS = 1 << 3,    /* returns that a program taught (Retbleed, Inception) */
};

struct speculation {
	uint64_t features; /* HANDOFF_X86_… */
	uint32_t gaps;     /* enum speculation_gap */
};

/* ALL: as if the processor said that it needs everything; what it does not have it is not asked for, but by the emulator,
 * which takes any. */
struct speculation speculation_decide(const struct speculation_facts *facts, bool all);
/* Asks this processor. */
void speculation_read(struct speculation_facts *facts, bool emulated);
/* Names the guards and the gaps in the log; nothing where there are neither. */
void speculation_say(const struct speculation *found);
