/* The manifest: which units a steward starts, from what, with what. A text in the system image: etc/manifest is the
 * machine's, etc/blueprints/NAME that of a native tree (docs/subkernels.md).
 *
 *   reserve PERCENT      before the first unit: of each CPU what no admitted budget and no share takes, so that those at best
 *                        effort always have it (docs/realtime.md, "The services' reserve")
 *   unit NAME            begins a unit
 *   program PATH         its ELF file in the system image; "*": the one that the tree was asked to run
 *   memory SIZE|rest     its quota: bytes, with K, M or G; "rest" is what is left, less a reserve of the steward's
 *   caps COUNT|rest      its quota of capabilities
 *   stack SIZE           64K without this line
 *   priority N           of its budgets, 1 to 127, or with an admitted budget 128 to 199; and its ceiling
 *   budget TIME TIME     its budget on each CPU is admitted: so much in each period (us or ms, up to 100ms), no more and no less
 *   ceiling N            the highest priority of what it makes itself: priority's N without this line
 *   cpu-share PERCENT    of each CPU that admitted budgets of its own making and below it may use
 *   serve CHANNEL        it receives on this channel (made by the steward, outlives restarts)
 *   use CHANNEL          it may call this channel
 *   give WHAT            log | log-source (it says itself whose a line is) | image | add | command | stream | framebuffer | wx | devices |
 *                        signatures | measured | port NAME BASE COUNT | irq NAME NUMBER | registers NAME ADDRESS BYTES (device memory);
 *                        in a blueprint alone: link | blocks
 *   argument WORD        "options" stands for the boot command line's words, "seed" for a seed of randomness and its
 *                        worth, "trust" for the kind of image that was verified
 *   restart always|never what happens when it fails or stops
 *   sealed               nobody above reads what it writes to its terminal, but who started it
 *
 *   subkernel NAME       begins a resident: a sub-kernel below the first, which the sub-kernel manager starts and the steward
 *                        only reads over (system/subkernel/resident.h)
 *   when WORD            only if that is a word of the boot command line
 *   command WORD...      its first program and its arguments, found in PATH
 *   memory SIZE  caps COUNT  restart always|never      as above
 *   image NAME           its root is images/NAME of the system image; without this line the first sub-kernel's
 *   net none|nat         its link to the outside (none)
 *   serve PORT           its TCP port that sub-kernels reach which hold its capability
 *   give add             the files that came with the boot are in its root, too
 *   give blocks          it may use the machine's block devices, and have sub-kernels
 *
 * '#' begins a comment. Anything else is an error with its line number.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MANIFEST_UNITS_MAX       16
#define MANIFEST_GIVES_MAX       20
#define MANIFEST_RESIDENTS_MAX   4
#define MANIFEST_BEST_EFFORT_MAX 127u
#define MANIFEST_PRIORITY_MAX    199u /* of admitted budgets of a fixed priority */
#define MANIFEST_REST            UINT64_MAX
#define MANIFEST_CALLERS         "*" /* program: the caller's */

enum manifest_give_kind {
	GIVE_SERVE,
	GIVE_USE,
	GIVE_LOG, /* name: the unit's, which its lines begin with; none for "log-source" */
	GIVE_IMAGE,
	GIVE_ADD,
	GIVE_COMMAND,
	GIVE_STREAM,
	GIVE_FRAMEBUFFER, /* with it, the argument "framebuffer=WIDTH,HEIGHT,STRIDE,FORMAT"; nothing where
	                     there is none */
	GIVE_PORT,
	GIVE_IRQ,
	GIVE_REGISTERS,  /* device memory at BASE, COUNT bytes, whole pages; the value is BASE */
	GIVE_DEVICES,    /* all of them: interrupts, ports, device memory, pins; with it, the argument
	                "rsdp=ADDRESS". For devmgr */
	GIVE_SIGNATURES, /* the boot's signed manifest and key list: "manifest" and "keys" */
	GIVE_MEASURED,   /* what the loader handed over, to be read (abi/holon/attest.h) */
	GIVE_LINK,       /* the tree's link to the switch */
	GIVE_BLOCKS,     /* the machine's block devices, by the manager */
};

struct manifest_give {
	enum manifest_give_kind kind;
	char name[24];
	uint32_t base, count; /* ports, device memory; base: the irq's number */
};

struct manifest_unit {
	char name[32];
	char program[64];
	uint64_t memory, caps, stack;
	uint32_t priority, ceiling;
	uint32_t cpu_share;                   /* parts per million, beside its own budget's */
	uint64_t budget_ns, budget_period_ns; /* 0: best effort */
	bool restart, wx, sealed;
	unsigned give_count;
	struct manifest_give gives[MANIFEST_GIVES_MAX];
	char arguments[128]; /* NUL-separated words */
	uint32_t arguments_bytes;
	bool seed;    /* "seed=", never the same twice, and "seed-bits=" follow */
	bool trust;   /* of a development image, "trust=development" follows */
	bool options; /* the boot command line's words follow */
};

struct manifest_resident {
	char name[24];
	char when[24]; /* "": always */
	char image[32];
	char command[256]; /* NUL-separated words */
	uint32_t command_bytes, command_words;
	uint64_t memory, caps; /* caps 0: the manager chooses */
	uint16_t port;         /* 0: it serves nobody */
	bool nat, add, blocks, restart;
};

struct manifest {
	unsigned unit_count, resident_count;
	uint32_t reserve; /* parts per million of each CPU */
	struct manifest_unit units[MANIFEST_UNITS_MAX];
	struct manifest_resident residents[MANIFEST_RESIDENTS_MAX];
	bool in_resident; /* while it is read: what a line belongs to */
};

/*@ predicate unit_good(struct manifest_unit *unit) =
      unit->give_count <= MANIFEST_GIVES_MAX && unit->arguments_bytes <= sizeof(unit->arguments) &&
      unit->cpu_share <= 1000000 && unit->budget_ns <= unit->budget_period_ns <= 100000000;
    predicate unit_whole(struct manifest_unit *unit) =
      unit_good(unit) && unit->priority <= unit->ceiling &&
      (unit->priority > MANIFEST_BEST_EFFORT_MAX <==> unit->budget_ns != 0);
    predicate manifest_good(struct manifest *manifest) =
      manifest->unit_count <= MANIFEST_UNITS_MAX && manifest->resident_count <= MANIFEST_RESIDENTS_MAX &&
      manifest->reserve <= 1000000 &&
      (manifest->in_resident ==> manifest->resident_count > 0) &&
      (\forall integer i; 0 <= i < manifest->unit_count ==> unit_good(&manifest->units[i])) &&
      (\forall integer i; 0 <= i < manifest->resident_count ==>
        manifest->residents[i].command_bytes <= sizeof(manifest->residents[i].command));
*/

/* What UNIT's budget takes of each CPU, parts per million, as the kernel counts it; 0 where it is best effort. */
/*@ requires \valid_read(unit) && unit->budget_ns <= unit->budget_period_ns <= 100000000;
    assigns \nothing;
    ensures \result <= 1000000;
    ensures \result * unit->budget_period_ns >= unit->budget_ns * 1000000;
*/
uint32_t manifest_budget_share(const struct manifest_unit *unit);
/* Whether UNIT is given KIND. */
/*@ requires \valid_read(unit) && unit_good(unit);
    assigns \nothing;
*/
bool manifest_gives(const struct manifest_unit *unit, enum manifest_give_kind kind);
/* Parses TEXT. Returns 0, or what is wrong, with *LINE (from 1). */
/*@ requires \valid(manifest) && \valid(line) && \valid_read(text + (0 .. size - 1));
    requires \base_addr(manifest) != \base_addr(text) && \base_addr(manifest) != \base_addr(line) && \base_addr(line) != \base_addr(text);
    assigns *manifest, *line;
    ensures \result == \null ==> manifest_good(manifest) && 0 < manifest->unit_count &&
      \forall integer i; 0 <= i < manifest->unit_count ==> unit_whole(&manifest->units[i]);
*/
const char *manifest_parse(struct manifest *manifest, const char *text, size_t size, unsigned *line);
