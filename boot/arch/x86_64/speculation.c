/* See speculation.h. The decision is a function of numbers alone, which the host's test feeds with those of real processors. */
#include "speculation.h"

#include <holon/handoff.h>

/* Leaf 7. */
#define RTM               (1u << 11)
#define MD_CLEAR          (1u << 10)
#define IBRS_IBPB         (1u << 26)
#define STIBP             (1u << 27)
#define ARCH_CAPABILITIES (1u << 29)
#define SSBD              (1u << 31)
/* Leaf 7, subleaf 2. */
#define RRSBA_CONTROL (1u << 2)
#define BHI_CONTROL   (1u << 4)
/* AMD: leaf 80000008h, EBX, and 80000021h, EAX. */
#define AMD_IBPB      (1u << 12)
#define AMD_STIBP     (1u << 15)
#define AMD_SSBD      (1u << 24)
#define AMD_SSB_NO    (1u << 26)
#define AMD_AUTO_IBRS (1u << 8)
/* IA32_ARCH_CAPABILITIES. */
#define RDCL_NO    (1ull << 0)
#define IBRS_ALL   (1ull << 1)
#define SSB_NO     (1ull << 4)
#define MDS_NO     (1ull << 5)
#define TAA_NO     (1ull << 8)
#define MMIO_NO    (7ull << 13) /* SBDR_SSDP_NO, FBSDP_NO, PSDP_NO */
#define FB_CLEAR   (1ull << 17)
#define RRSBA      (1ull << 19)
#define BHI_NO     (1ull << 20)
#define RFDS_NO    (1ull << 27)
#define RFDS_CLEAR (1ull << 28)

#define EVERY_GUARD                                                                                          \
	(HANDOFF_X86_ENTRY_FENCE | HANDOFF_X86_ENTRY_IBRS | HANDOFF_X86_RETPOLINE | HANDOFF_X86_UNIT_IBPB |  \
	 HANDOFF_X86_UNIT_RETURNS | HANDOFF_X86_EXIT_VERW)

/* The first Atoms run everything in order. */
static bool in_order(const struct speculation_facts *facts)
{
	static const uint8_t models[] = {0x1c, 0x26, 0x27, 0x35, 0x36};

	if (facts->vendor != SPECULATION_INTEL || facts->family != 6)
		return false;
	for (uint32_t i = 0; i < sizeof(models); i++)
		if (facts->model == models[i])
			return true;
	return false;
}

/* Whether VERW must clear buffers: for what of MDS, TAA, stale data of device memory or register files is not ruled out. */
static bool buffers_leak(const struct speculation_facts *facts, bool all)
{
	uint64_t caps = facts->capabilities;

	if (facts->vendor == SPECULATION_AMD)
		return all;
	return all || !(caps & MDS_NO) || ((facts->seven_ebx & RTM) && !(caps & TAA_NO)) ||
	       ((caps & FB_CLEAR) && (caps & MMIO_NO) != MMIO_NO) ||
	       ((caps & RFDS_CLEAR) && !(caps & RFDS_NO));
}

/* Branches in the kernel that programs have taught: the processor's own way where it has one that is for always, else no
 * indirect branch is predicted, and on Intel's, whose returns may be predicted like indirect branches, IBRS besides. */
static uint64_t branches(const struct speculation_facts *facts, uint64_t *control)
{
	uint64_t caps = facts->capabilities;

	if (facts->vendor == SPECULATION_AMD && facts->extended_21_eax & AMD_AUTO_IBRS)
		return HANDOFF_X86_AUTO_IBRS;
	if (facts->vendor == SPECULATION_AMD || !(facts->seven_edx & IBRS_IBPB))
		return HANDOFF_X86_RETPOLINE;
	if (!(caps & IBRS_ALL))
		return HANDOFF_X86_RETPOLINE | HANDOFF_X86_ENTRY_IBRS;
	*control |= CONTROL_IBRS;
	if (caps & BHI_NO)
		return 0;
	if (facts->seven_two_edx & BHI_CONTROL) {
		*control |= CONTROL_BHI_DIS_S;
		return 0;
	}
	if (caps & RRSBA && facts->seven_two_edx & RRSBA_CONTROL)
		*control |= CONTROL_RRSBA_DIS_S;
	return HANDOFF_X86_RETPOLINE;
}

static uint32_t find_gaps(const struct speculation_facts *facts, uint64_t features)
{
	const bool amd = facts->vendor == SPECULATION_AMD;
	uint32_t gaps = 0;

	if (!amd && !(facts->capabilities & RDCL_NO))
		gaps |= SPECULATION_MELTDOWN;
	if (buffers_leak(facts, false) && !(features & HANDOFF_X86_EXIT_VERW))
		gaps |= SPECULATION_BUFFERS;
	if (!(features & HANDOFF_X86_UNIT_IBPB))
		gaps |= SPECULATION_PREDICTORS;
	if (amd && facts->family >= 0x15 && facts->family <= 0x19)
		gaps |= SPECULATION_RETURNS;
	return gaps;
}

struct speculation speculation_decide(const struct speculation_facts *facts, bool all)
{
	const bool amd = facts->vendor == SPECULATION_AMD;
	struct speculation found = {0, 0};
	uint64_t control = 0;

	if ((facts->emulated || in_order(facts)) && !all)
		return found;
	found.features = HANDOFF_X86_ENTRY_FENCE | HANDOFF_X86_UNIT_RETURNS | branches(facts, &control);
	if (facts->seven_edx & IBRS_IBPB || (amd && facts->extended_8_ebx & AMD_IBPB))
		found.features |= HANDOFF_X86_UNIT_IBPB;
	if (facts->seven_edx & STIBP || (amd && facts->extended_8_ebx & AMD_STIBP))
		control |= CONTROL_STIBP;
	if (facts->seven_edx & MD_CLEAR || facts->capabilities & (FB_CLEAR | RFDS_CLEAR))
		found.features |= buffers_leak(facts, all) ? HANDOFF_X86_EXIT_VERW : 0;
	/* Stores that a load passes by: within one program alone, which may ask for it with ALL. */
	if (all && (amd ? facts->extended_8_ebx & AMD_SSBD && !(facts->extended_8_ebx & AMD_SSB_NO)
	                : facts->seven_edx & SSBD && !(facts->capabilities & SSB_NO)))
		control |= CONTROL_SSBD;
	found.gaps = find_gaps(facts, found.features);
	if (facts->emulated) {
		found.features |= EVERY_GUARD;
		control = CONTROL_STIBP | CONTROL_SSBD;
	}
	found.features |= control << HANDOFF_X86_SPEC_CTRL_SHIFT;
	return found;
}
