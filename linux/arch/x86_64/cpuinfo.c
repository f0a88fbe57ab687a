/* /proc/cpuinfo, as Linux words it on x86-64. */
#include "../../internal.h"
#include "../../proc/proc.h"

static void cpuid(uint32_t leaf, uint32_t sub, uint32_t out[4])
{
	__asm__ volatile("cpuid"
	                 : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3])
	                 : "a"(leaf), "c"(sub));
}

void text_cpuinfo(struct proc_text *text, const struct proc_subject *subject)
{
	/* Names in the order of the bits; "" is not shown. */
	static const char *const edx1[32] = {
	    "fpu",  "vme",  "de",   "pse", "tsc",  "msr", "pae",   "mce", "cx8",     "apic", "",
	    "sep",  "mtrr", "pge",  "mca", "cmov", "pat", "pse36", "pn",  "clflush", "",     "dts",
	    "acpi", "mmx",  "fxsr", "sse", "sse2", "ss",  "ht",    "tm",  "ia64",    "pbe"};
	static const char *const ecx1[32] = {"pni",    "pclmulqdq", "dtes64", "monitor", "ds_cpl",
	                                     "vmx",    "smx",       "est",    "tm2",     "ssse3",
	                                     "cid",    "sdbg",      "fma",    "cx16",    "xtpr",
	                                     "pdcm",   "",          "pcid",   "dca",     "sse4_1",
	                                     "sse4_2", "x2apic",    "movbe",  "popcnt",  "tsc_deadline_timer",
	                                     "aes",    "xsave",     "",       "avx",     "f16c",
	                                     "rdrand", "hypervisor"};
	static const char *const ebx7[32] = {
	    "fsgsbase",   "tsc_adjust", "",           "bmi1",     "hle",    "avx2",     "",
	    "smep",       "bmi2",       "erms",       "invpcid",  "rtm",    "",         "",
	    "mpx",        "",           "avx512f",    "avx512dq", "rdseed", "adx",      "smap",
	    "avx512ifma", "",           "clflushopt", "clwb",     "",       "avx512pf", "avx512er",
	    "avx512cd",   "sha_ni",     "avx512bw",   "avx512vl"};
	uint32_t r[4];
	uint32_t one[4];
	uint32_t seven[4] = {0};
	char vendor[13];
	char brand[49] = "";
	(void)subject;
	cpuid(0, 0, r);
	uint32_t highest = r[0];
	memcpy(vendor, &r[1], 4);
	memcpy(vendor + 4, &r[3], 4);
	memcpy(vendor + 8, &r[2], 4);
	vendor[12] = 0;
	cpuid(1, 0, one);
	if (highest >= 7)
		cpuid(7, 0, seven);
	cpuid(0x80000000u, 0, r);
	if (r[0] >= 0x80000004u)
		for (uint32_t i = 0; i < 3; i++)
			cpuid(0x80000002u + i, 0, (uint32_t *)(void *)(brand + 16 * i));
	uint32_t family = (one[0] >> 8 & 15) == 15 ? 15 + (one[0] >> 20 & 255) : one[0] >> 8 & 15;
	for (uint32_t cpu = 0; cpu < machine.cpu_count; cpu++) {
		uint64_t khz = machine.info.clock.multiplier
		                   ? (1000000ull << machine.info.clock.shift) / machine.info.clock.multiplier
		                   : 0;
		proc_print(text,
		           "processor\t: %u\nvendor_id\t: %s\ncpu family\t: %u\nmodel\t\t: %u\nmodel name\t: "
		           "%s\nstepping\t: %u\n",
		           cpu, vendor, family, (one[0] >> 4 & 15) | (one[0] >> 12 & 0xf0), brand,
		           one[0] & 15);
		proc_print(text,
		           "cpu MHz\t\t: %lu.%03lu\ncache size\t: 512 KB\nphysical id\t: 0\nsiblings\t: "
		           "%u\ncore id\t\t: %u\ncpu cores\t: %u\napicid\t\t: %u\n",
		           khz / 1000, khz % 1000, machine.cpu_count, cpu, machine.cpu_count, cpu);
		proc_print(text, "fpu\t\t: yes\nfpu_exception\t: yes\nwp\t\t: yes\nflags\t\t:");
		const struct {
			const char *const *names;
			uint32_t bits;
		} words[3] = {{edx1, one[3]}, {ecx1, one[2]}, {ebx7, seven[1]}};
		for (unsigned i = 0; i < 3; i++)
			for (unsigned bit = 0; bit < 32; bit++)
				if (words[i].bits >> bit & 1 && words[i].names[bit][0])
					proc_print(text, " %s", words[i].names[bit]);
		proc_print(text,
		           " lm nx syscall\nbogomips\t: %lu.%02lu\nclflush size\t: 64\ncache_alignment\t: "
		           "64\naddress sizes\t: 40 bits physical, 48 bits virtual\n\n",
		           khz / 500, khz / 5 % 100);
	}
}
