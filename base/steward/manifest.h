/* The manifest: which units the steward starts, from what, with what. A text in the system image
 * (etc/manifest).
 *
 *   unit NAME            begins a unit
 *   program PATH         its ELF file in the system image
 *   memory SIZE|rest     its quota: bytes, with K, M or G; "rest" = what is left, less a reserve of the
 * steward's caps COUNT|rest stack SIZE           default 64K priority N           of its best-effort budgets,
 * and its ceiling serve CHANNEL        it receives on this channel (made by the steward, outlives restarts)
 *   use CHANNEL          it may call this channel
 *   give WHAT            log | image | add | command | stream | framebuffer | wx | devices | port NAME BASE COUNT | irq
 * NAME NUMBER argument WORD        "options" stands for the boot command line's words, "seed" for a seed of
 * randomness and its worth, "trust" for the kind of image that was verified; restart always|never
 * what happens when it fails or stops
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
 * '#' begins a comment. Anything else is an error with its line number.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MANIFEST_UNITS_MAX     16
#define MANIFEST_GIVES_MAX     16
#define MANIFEST_RESIDENTS_MAX 4
#define MANIFEST_REST          UINT64_MAX

enum manifest_give_kind {
	GIVE_SERVE,
	GIVE_USE,
	GIVE_LOG,
	GIVE_IMAGE,
	GIVE_ADD,
	GIVE_COMMAND,
	GIVE_STREAM,
	GIVE_FRAMEBUFFER, /* with it, the argument "framebuffer=WIDTH,HEIGHT,STRIDE,FORMAT"; nothing where
	                     there is none */
	GIVE_PORT,
	GIVE_IRQ,
	GIVE_DEVICES /* all of them: interrupts, ports, device memory, pins; with it, the argument
	                "rsdp=ADDRESS". For devmgr */
};

struct manifest_give {
	enum manifest_give_kind kind;
	char name[24];
	uint32_t base, count; /* ports; base: the irq's number */
};

struct manifest_unit {
	char name[32];
	char program[64];
	uint64_t memory, caps, stack;
	uint32_t priority;
	bool restart, wx;
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
	bool nat, add, restart;
};

struct manifest {
	unsigned unit_count, resident_count;
	struct manifest_unit units[MANIFEST_UNITS_MAX];
	struct manifest_resident residents[MANIFEST_RESIDENTS_MAX];
	bool in_resident; /* while it is read: what a line belongs to */
};

/* Parses TEXT. Returns 0, or what is wrong, with *LINE (from 1). */
const char *manifest_parse(struct manifest *manifest, const char *text, size_t size, unsigned *line);
