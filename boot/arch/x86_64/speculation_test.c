/* The decisions for processors as they are sold: what each says of itself, and what Holon does there. */
#include <stdio.h>
#include <holon/handoff.h>
#include "speculation.h"

#define SPEC_CTRL(bits) ((uint64_t)(bits) << HANDOFF_X86_SPEC_CTRL_SHIFT)
#define ALWAYS          (HANDOFF_X86_ENTRY_FENCE | HANDOFF_X86_UNIT_RETURNS)
#define INTEL           .vendor = SPECULATION_INTEL, .family = 6
#define AMD             .vendor = SPECULATION_AMD

static const struct {
	const char *name;
	struct speculation_facts facts;
	bool all;
	struct speculation wanted;
} cases[] = {
    {"Core 2, never given new microcode: no barrier, no VERW, its Meltdown told",
     {INTEL, .model = 0x17},
     false,
     {ALWAYS | HANDOFF_X86_RETPOLINE, SPECULATION_MELTDOWN | SPECULATION_BUFFERS | SPECULATION_PREDICTORS}},
    {"Skylake: IBRS in the kernel, VERW",
     {INTEL, .model = 0x5e, .seven_ebx = 1u << 11, .seven_edx = 0x9c000400},
     false,
     {ALWAYS | HANDOFF_X86_RETPOLINE | HANDOFF_X86_ENTRY_IBRS | HANDOFF_X86_UNIT_IBPB |
          HANDOFF_X86_EXIT_VERW | SPEC_CTRL(2),
      SPECULATION_MELTDOWN}},
    {"Cascade Lake: enhanced IBRS, VERW for TAA",
     {INTEL, .model = 0x55, .seven_ebx = 1u << 11, .seven_edx = 0xbc000400, .capabilities = 0x2b},
     false,
     {ALWAYS | HANDOFF_X86_RETPOLINE | HANDOFF_X86_UNIT_IBPB | HANDOFF_X86_EXIT_VERW | SPEC_CTRL(3), 0}},
    {"Cascade Lake without TSX: no VERW",
     {INTEL, .model = 0x55, .seven_edx = 0xbc000400, .capabilities = 0x2b},
     false,
     {ALWAYS | HANDOFF_X86_RETPOLINE | HANDOFF_X86_UNIT_IBPB | SPEC_CTRL(3), 0}},
    {"Ice Lake: VERW for stale data of devices",
     {INTEL, .model = 0x6a, .seven_edx = 0xbc000400, .capabilities = 0x2006b},
     false,
     {ALWAYS | HANDOFF_X86_RETPOLINE | HANDOFF_X86_UNIT_IBPB | HANDOFF_X86_EXIT_VERW | SPEC_CTRL(3), 0}},
    {"Sapphire Rapids: branch history is not carried over, nothing leaks from buffers",
     {INTEL, .model = 0x8f, .seven_edx = 0xbc000400, .seven_two_edx = 0x3f, .capabilities = 0x2e06b},
     false,
     {ALWAYS | HANDOFF_X86_UNIT_IBPB | SPEC_CTRL(0x403), 0}},
    {"BHI_NO: neither retpolines nor BHI_DIS_S",
     {INTEL, .model = 0xad, .seven_edx = 0xbc000400, .seven_two_edx = 0x3f, .capabilities = 0x10e06b},
     false,
     {ALWAYS | HANDOFF_X86_UNIT_IBPB | SPEC_CTRL(3), 0}},
    {"RRSBA without BHI_DIS_S is switched off, so that retpolines hold",
     {INTEL, .model = 0x97, .seven_edx = 0xbc000400, .seven_two_edx = 1u << 2, .capabilities = 0x8e06b},
     false,
     {ALWAYS | HANDOFF_X86_RETPOLINE | HANDOFF_X86_UNIT_IBPB | SPEC_CTRL(0x43), 0}},
    {"Gracemont: VERW for register files",
     {INTEL, .model = 0xbe, .seven_edx = 0xbc000400, .seven_two_edx = 0x3f, .capabilities = 0x1000e06b},
     false,
     {ALWAYS | HANDOFF_X86_UNIT_IBPB | HANDOFF_X86_EXIT_VERW | SPEC_CTRL(0x403), 0}},
    {"the first Atom runs in order", {INTEL, .model = 0x1c}, false, {0, 0}},
    {"Zen 2: retpolines, barrier, its returns told",
     {AMD, .family = 0x17, .model = 0x71, .extended_8_ebx = 1u << 12 | 1u << 15 | 1u << 24},
     false,
     {ALWAYS | HANDOFF_X86_RETPOLINE | HANDOFF_X86_UNIT_IBPB | SPEC_CTRL(2), SPECULATION_RETURNS}},
    {"Zen 5: automatic IBRS",
     {AMD, .family = 0x1a, .extended_8_ebx = 1u << 12 | 1u << 15 | 1u << 24, .extended_21_eax = 1u << 8},
     false,
     {ALWAYS | HANDOFF_X86_AUTO_IBRS | HANDOFF_X86_UNIT_IBPB | SPEC_CTRL(2), 0}},
    {"one of a maker unknown is thought to have every fault",
     {.vendor = SPECULATION_OTHER, .family = 7},
     false,
     {ALWAYS | HANDOFF_X86_RETPOLINE, SPECULATION_MELTDOWN | SPECULATION_BUFFERS | SPECULATION_PREDICTORS}},
    {"QEMU's emulator needs none", {INTEL, .model = 0x17, .emulated = true}, false, {0, 0}},
    {"all of them, of what Zen 5 has",
     {AMD, .family = 0x1a, .extended_8_ebx = 1u << 12 | 1u << 15 | 1u << 24, .extended_21_eax = 1u << 8},
     true,
     {ALWAYS | HANDOFF_X86_AUTO_IBRS | HANDOFF_X86_UNIT_IBPB | SPEC_CTRL(6), 0}},
    {"all of them, of what Sapphire Rapids has",
     {INTEL, .model = 0x8f, .seven_edx = 0xbc000400, .seven_two_edx = 0x3f, .capabilities = 0x2e06b},
     true,
     {ALWAYS | HANDOFF_X86_UNIT_IBPB | HANDOFF_X86_EXIT_VERW | SPEC_CTRL(0x407), 0}},
    {"all of them in the emulator, whose Core 2's Meltdown is told",
     {INTEL, .model = 0x17, .emulated = true},
     true,
     {ALWAYS | HANDOFF_X86_RETPOLINE | HANDOFF_X86_ENTRY_IBRS | HANDOFF_X86_UNIT_IBPB |
          HANDOFF_X86_EXIT_VERW | SPEC_CTRL(6),
      SPECULATION_MELTDOWN | SPECULATION_BUFFERS | SPECULATION_PREDICTORS}},
};

int main(void)
{
	int failures = 0;

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct speculation found = speculation_decide(&cases[i].facts, cases[i].all);

		if (found.features == cases[i].wanted.features && found.gaps == cases[i].wanted.gaps) {
			printf("ok speculation: %s\n", cases[i].name);
			continue;
		}
		failures++;
		printf("not ok speculation: %s - features %llx, gaps %x; wanted %llx, %x\n", cases[i].name,
		       (unsigned long long)found.features, found.gaps,
		       (unsigned long long)cases[i].wanted.features, cases[i].wanted.gaps);
	}
	return failures != 0;
}
