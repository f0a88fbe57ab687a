/* The boot handoff: all that the kernel and the first unit are told about the machine.
 *
 * The loader (UEFI or BIOS) fills one struct handoff in memory of kind HANDOFF_MEMORY_MODULE and enters the
 * kernel's ELF entry point with:
 *   - long mode, interrupts off, direction flag clear, a stack of at least 16 KiB in loader memory;
 *   - RDI = physical address of the struct, which begins a page;
 *   - page tables (loader memory) that map, writable and executable, all physical memory from 0 to the end of
 * RAM, and at least the first 4 GiB, twice: identically, and at the direct map; and the kernel's segments. EFER.NXE set. Boot services are over.
 * The kernel goes over to tables of its own, which the loader has made too: handoff.root. Their lower half is empty. Above,
 * they map RAM but the kernel's image at the direct map, the image as its segments allow, each processor's stacks, with
 * nothing below each, and a page of registers of each interrupt controller.
 *
 * Where image and direct map are the loader chooses anew at each boot, by relocations in the kernel's file (boot/loader/relocate.h);
 * a kernel without them has both where it was linked, the direct map at HANDOFF_DIRECT_MAP. Every physical address in the struct is page aligned where it names pages. The loader checks the kernel ELF and
 * the bundle before use, and at last the handoff by its own rules (boot/loader/handoff_check.c); the kernel
 * refuses, with a message, a magic, version or size it does not know.
 *
 * Interrupt controllers let nothing through but between processors (x86: all lines of the 8259s and the I/O APICs are
 * masked). The other processors wait, on the loader's tables, for their handoff_cpu.entry to become nonzero; loader
 * memory may be used for other things once they have left it.
 *
 * The kernel fills in the handles, where it made the first unit capabilities, takes out its own addresses, and maps the struct
 * read-only in the first unit, whose first argument is its address.
 */
#pragma once

#include <stdint.h>

#define HANDOFF_MAGIC      0x464f444e484e4c48ull /* "HLNHNDOF" read as little-endian bytes */
#define HANDOFF_VERSION    6
#define HANDOFF_DIRECT_MAP 0xffff800000000000ull /* the lowest place of the direct map */

/* In the kernel's own tables, behind its IMAGE (handoff.kernel_virtual): the tops of processor CPU's stack and of its stack ALARM,
 * 1 to 3, for what may come at any instruction; the first controller's registers, each other one's a page behind. */
#define HANDOFF_IMAGE_MAX    (64ull << 20)
#define HANDOFF_WINDOW_BYTES (2ull << 20)
#define HANDOFF_STACK_BYTES  16384ull
#define HANDOFF_ALARM_BYTES  8192ull
#define HANDOFF_STACK(image, cpu)                                                                            \
	((image) + HANDOFF_IMAGE_MAX + (cpu)*0x10000ull + 4096 + HANDOFF_STACK_BYTES)
#define HANDOFF_ALARM(image, cpu, alarm) (HANDOFF_STACK(image, cpu) + (alarm) * (4096 + HANDOFF_ALARM_BYTES))
#define HANDOFF_REGISTERS(image)         ((image) + HANDOFF_IMAGE_MAX + 0x100000)

#define HANDOFF_MEMORY_MAX     256
#define HANDOFF_CPU_MAX        8
#define HANDOFF_CONTROLLER_MAX 16
#define HANDOFF_LINE_MAX       16
#define HANDOFF_MODULE_MAX     16
#define HANDOFF_COMMAND_MAX    1024

enum handoff_memory_kind {
	HANDOFF_MEMORY_FREE = 1, /* usable RAM */
	HANDOFF_MEMORY_LOADER,   /* page tables, stack, loader, waiting processors: free once these are done
	                            with */
	HANDOFF_MEMORY_KERNEL,   /* the kernel's loaded segments */
	HANDOFF_MEMORY_MODULE,   /* a module's pages, or the handoff's */
	HANDOFF_MEMORY_ACPI,     /* ACPI tables (reclaimable) */
	HANDOFF_MEMORY_ACPI_NVS,
	HANDOFF_MEMORY_RESERVED,
	HANDOFF_MEMORY_MMIO,
	HANDOFF_MEMORY_TABLES, /* the kernel's own page tables and stacks */
};

/* One range; the array is sorted by base, ranges do not overlap, base and size are multiples of 4096. */
struct handoff_memory {
	uint64_t base;
	uint64_t size;
	uint32_t kind;
	uint32_t reserved;
	uint64_t handle; /* kernel: of kind ACPI, read-only memory of these pages alone */
};

/* A file the loader placed in memory. Names known to the system: "steward" (the first unit:
 * abi/holon/first.h), which comes first, "system" (sysimg), "command" (text: what holon-run asks to run),
 * "add" (tar: files added by holon-run). */
struct handoff_module {
	char name[32];   /* NUL terminated */
	uint64_t base;   /* physical, page aligned; the rest of the last page is zero */
	uint64_t size;   /* bytes */
	uint64_t handle; /* kernel: its pages, readable and executable; 0 for an empty module */
};

enum handoff_pixel_format {
	HANDOFF_PIXEL_NONE = 0, /* no framebuffer */
	HANDOFF_PIXEL_BGRX,     /* 32 bits a pixel, blue in the lowest byte */
	HANDOFF_PIXEL_RGBX,
};

struct handoff_framebuffer {
	uint64_t base;  /* physical */
	uint64_t size;  /* bytes */
	uint32_t width; /* pixels */
	uint32_t height;
	uint32_t stride; /* bytes from one row to the next */
	uint32_t format; /* enum handoff_pixel_format */
	uint64_t handle; /* kernel: its pages, write-combining; 0 where there is none */
};

/* ---- The machine, as ACPI or a device tree describes it ---- */

/* A processor that runs, in the loader, and waits. The first one is the one that enters the kernel. */
struct handoff_cpu {
	uint64_t id; /* x86: local APIC id; AArch64: MPIDR */
	uint64_t
	    entry; /* written last, by the kernel: a virtual address in its image, entered without a stack */
	uint64_t argument; /* which then is in the first argument's register */
	uint64_t budget;   /* kernel: handle of a best-effort budget on it */
};

enum handoff_controller_kind {
	HANDOFF_CONTROLLER_LOCAL_APIC =
	    1, /* x86: the first in the list; base: its registers where it is memory-mapped */
	HANDOFF_CONTROLLER_IO_APIC, /* first: its first global interrupt, count: how many it has */
	HANDOFF_CONTROLLER_GIC_DISTRIBUTOR,
	HANDOFF_CONTROLLER_GIC_REDISTRIBUTOR,
	HANDOFF_CONTROLLER_GIC_CPU, /* of a GICv2 */
};

struct handoff_controller {
	uint64_t base; /* physical address of its registers */
	uint32_t kind; /* enum handoff_controller_kind */
	uint32_t first;
	uint32_t count, reserved;
};

/* Where the old interrupt with this index (ISA on a PC) arrives, and how. */
struct handoff_line {
	uint32_t global;
	uint8_t level, active_low;
	uint16_t reserved;
};

enum handoff_register_space { HANDOFF_SPACE_NONE = 0, HANDOFF_SPACE_PORT, HANDOFF_SPACE_MEMORY };

/* A device register and what to write there. */
struct handoff_register {
	uint64_t address;
	uint32_t space; /* enum handoff_register_space; NONE: there is no such register */
	uint32_t value;
};

enum handoff_log_kind { HANDOFF_LOG_NONE = 0, HANDOFF_LOG_16550_PORT, HANDOFF_LOG_PL011 };

/* Features that all processors of the machine have and that the kernel is to use. */
enum handoff_x86_feature {
	HANDOFF_X86_PGE = 1 << 0,
	HANDOFF_X86_PAT = 1 << 1,
	HANDOFF_X86_X2APIC = 1 << 2,
	HANDOFF_X86_TSC_DEADLINE = 1 << 3,
	HANDOFF_X86_TSC_INVARIANT = 1 << 4,
	HANDOFF_X86_XSAVE = 1 << 5,
	HANDOFF_X86_XSAVEOPT = 1 << 6,
	HANDOFF_X86_SMEP = 1 << 7,
	HANDOFF_X86_SMAP = 1 << 8, /* not below QEMU's emulator, whose IRETQ to user mode then faults */
	HANDOFF_X86_UMIP = 1 << 9,
	HANDOFF_X86_GIGABYTE_PAGES = 1 << 10,
	/* Guards against speculation past what a program may read (boot/arch/x86_64/speculation.h): */
	HANDOFF_X86_ENTRY_FENCE = 1 << 11,  /* LFENCE where an interrupt chose whether to swap GS */
	HANDOFF_X86_ENTRY_IBRS = 1 << 12,   /* IBRS is set in the kernel alone */
	HANDOFF_X86_RETPOLINE = 1 << 13,    /* indirect branches by way of a return */
	HANDOFF_X86_UNIT_IBPB = 1 << 14,    /* a barrier for branch predictors between units */
	HANDOFF_X86_UNIT_RETURNS = 1 << 15, /* the return stack is filled between units */
	HANDOFF_X86_EXIT_VERW = 1 << 16,    /* VERW clears buffers on the way to user mode */
	HANDOFF_X86_AUTO_IBRS = 1 << 17,    /* EFER's */
};
/* IA32_SPEC_CTRL while user mode runs is in the upper half of the features; 0: there is no such register. */
#define HANDOFF_X86_SPEC_CTRL_SHIFT 32

struct handoff_machine {
	uint32_t cpu_count; /* 1 to HANDOFF_CPU_MAX */
	uint32_t controller_count;
	uint64_t features;     /* x86: enum handoff_x86_feature */
	uint64_t vector_mask;  /* x86: states that XSAVE keeps, as XCR0; bits 0 and 1 always */
	uint32_t vector_bytes; /* what they take: 512 without XSAVE */
	uint32_t log;          /* enum handoff_log_kind: where the log goes; set up, 115,200 baud */
	uint64_t log_base;     /* its port number or physical address */
	uint64_t clock_hz;     /* rate of the processors' common counter (x86: time-stamp counter) */
	uint64_t clock_start;  /* what it was when the loader began: time 0 */
	/* In 32.32 fixed point: nanoseconds a count, counts a nanosecond, and (x86) those of the local APIC's
	 * timer, its divider at 16. */
	uint64_t clock_period, clock_ratio, timer_ratio;
	uint32_t clock_multiplier, clock_shift; /* the period is the multiplier >> the shift, at most 32 */
	struct handoff_register power_off[2], reset; /* ACPI: the value of SLP_TYP is in bits 10 to 12 */
	struct handoff_cpu cpus[HANDOFF_CPU_MAX];
	struct handoff_controller controllers[HANDOFF_CONTROLLER_MAX];
	struct handoff_line lines[HANDOFF_LINE_MAX];
};

/* What was verified before anything ran (boot/loader/verify.h). */
enum handoff_trust_flag {
	HANDOFF_TRUST_DEVELOPMENT = 1, /* unsigned modules and words of the command line count */
	HANDOFF_TRUST_WIPE = 2,        /* idle CPUs wipe all memory that was never handed out */
	HANDOFF_TRUST_WIPE_FIRST = 4,  /* the same, before the first unit starts */
};

struct handoff_trust {
	uint32_t flags; /* enum handoff_trust_flag */
	uint32_t reserved;
	uint64_t rollback, epoch; /* the image's rollback index, the key list's epoch */
	uint8_t signer[32];       /* id of the key that signed the manifest */
	char build[104];          /* NUL terminated: what the image says it is */
};

enum handoff_seed_flag {
	HANDOFF_SEED_STEADY = 1, /* the clock does not vary: no jitter of this machine is worth anything */
};

enum handoff_firmware { HANDOFF_FIRMWARE_UEFI = 1, HANDOFF_FIRMWARE_BIOS = 2 };

struct handoff {
	uint64_t magic;
	uint32_t version;
	uint32_t size;     /* sizeof(struct handoff) */
	uint32_t firmware; /* enum handoff_firmware */
	uint32_t memory_count;
	uint32_t module_count;
	uint32_t reserved;
	uint64_t base;                        /* physical address of this struct */
	uint64_t unit, space, thread, system; /* kernel: the first unit's own handles, and OBJECT_SYSTEM's */
	uint64_t rsdp;                        /* physical address of the ACPI RSDP; 0 where none was found */
	uint64_t kernel_base; /* physical base and size of the kernel's loaded segments, contiguous */
	uint64_t kernel_size;
	uint64_t kernel_virtual; /* the virtual address kernel_base is mapped at; kernel: 0 */
	uint64_t root;           /* physical address of the kernel's own top table */
	struct handoff_framebuffer framebuffer;
	struct handoff_trust trust;
	uint8_t seed
	    [32]; /* of all randomness (boot/loader/entropy.h); the steward derives a seed for each unit */
	uint32_t seed_bits;  /* how many bits it is worth */
	uint32_t seed_flags; /* enum handoff_seed_flag */
	struct handoff_machine machine;
	struct handoff_memory memory[HANDOFF_MEMORY_MAX];
	struct handoff_module modules[HANDOFF_MODULE_MAX];
	char command_line[HANDOFF_COMMAND_MAX]; /* NUL terminated options, e.g. "log=com2" */
};
