/* The part of speculation.h that asks this processor and tells of it. */
#include "../../loader/loader.h"
#include "../../loader/string.h"
#include "io.h"
#include "speculation.h"

void speculation_read(struct speculation_facts *facts, bool emulated)
{
	enum { CAPABILITIES_THERE = 1 << 29, MSR_CAPABILITIES = 0x10a };
	struct cpuid name = cpuid(0, 0), one = cpuid(1, 0);
	const uint32_t words[3] = {name.ebx, name.edx, name.ecx}, extended = cpuid(0x80000000, 0).eax;

	*facts = (struct speculation_facts){.emulated = emulated};
	if (!memcmp(words, "GenuineIntel", 12))
		facts->vendor = SPECULATION_INTEL;
	else if (!memcmp(words, "AuthenticAMD", 12) || !memcmp(words, "HygonGenuine", 12))
		facts->vendor = SPECULATION_AMD;
	facts->family = one.eax >> 8 & 15;
	facts->model = (one.eax >> 4 & 15) | (one.eax >> 12 & 0xf0);
	if (facts->family == 15)
		facts->family += one.eax >> 20 & 0xff;
	if (name.eax >= 7) {
		struct cpuid seven = cpuid(7, 0);

		facts->seven_ebx = seven.ebx;
		facts->seven_edx = seven.edx;
		facts->seven_two_edx = seven.eax >= 2 ? cpuid(7, 2).edx : 0;
	}
	if (facts->seven_edx & CAPABILITIES_THERE)
		facts->capabilities = read_msr(MSR_CAPABILITIES);
	facts->extended_8_ebx = extended >= 0x80000008 ? cpuid(0x80000008, 0).ebx : 0;
	facts->extended_21_eax = extended >= 0x80000021 ? cpuid(0x80000021, 0).eax : 0;
}

static void add(char *line, size_t size, bool wanted, const char *name)
{
	size_t used = strlen(line), length = strlen(name);

	if (!wanted || used + length + 3 > size)
		return;
	if (used) {
		line[used++] = ',';
		line[used++] = ' ';
	}
	memcpy(line + used, name, length + 1);
}

void speculation_say(const struct speculation *found)
{
	static char guards[160], gaps[200];
	const uint64_t features = found->features, control = features >> HANDOFF_X86_SPEC_CTRL_SHIFT;

	add(guards, sizeof(guards), features & HANDOFF_X86_ENTRY_FENCE, "fences");
	add(guards, sizeof(guards), features & HANDOFF_X86_AUTO_IBRS, "automatic IBRS");
	add(guards, sizeof(guards), control & CONTROL_IBRS, "enhanced IBRS");
	add(guards, sizeof(guards), features & HANDOFF_X86_ENTRY_IBRS, "IBRS");
	add(guards, sizeof(guards), features & HANDOFF_X86_RETPOLINE, "retpolines");
	add(guards, sizeof(guards), control & CONTROL_BHI_DIS_S, "BHI_DIS_S");
	add(guards, sizeof(guards), features & HANDOFF_X86_UNIT_IBPB, "IBPB");
	add(guards, sizeof(guards), features & HANDOFF_X86_UNIT_RETURNS, "filled return stack");
	add(guards, sizeof(guards), control & CONTROL_STIBP, "STIBP");
	add(guards, sizeof(guards), control & CONTROL_SSBD, "SSBD");
	add(guards, sizeof(guards), features & HANDOFF_X86_EXIT_VERW, "VERW");
	if (guards[0])
		say("Against speculation: %s", guards);
	add(gaps, sizeof(gaps), found->gaps & SPECULATION_MELTDOWN, "Meltdown (the kernel's memory)");
	add(gaps, sizeof(gaps), found->gaps & SPECULATION_BUFFERS, "MDS (what others left in its buffers)");
	add(gaps, sizeof(gaps), found->gaps & SPECULATION_PREDICTORS, "Spectre between units (no IBPB)");
	add(gaps, sizeof(gaps), found->gaps & SPECULATION_RETURNS, "Retbleed (returns in the kernel)");
	if (gaps[0])
		say("Programs can read what is not theirs on this processor, and Holon does not stop it: %s",
		    gaps);
}
