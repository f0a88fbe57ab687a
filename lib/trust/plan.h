/* What a verified capsule runs with: the plan that its manifest and the person who grants agree on.
 *
 * A capability is a word of the table below; "all" stands for what the capsule asks for. What is granted is what the person names,
 * out of what the manifest asks for; the manifest's words are below the signer's ceiling already (trust_capsule). A word that this
 * system does not know is never granted. Quotas are the manifest's, within the bounds below.
 *
 * Nothing here allocates; everything points into the capsule's file or lies in the plan.
 */
#pragma once

#include <holon/switch.h>
#include "trust.h"

enum capability {
	CAPABILITY_NETWORK = 1, /* the outside; with endpoints in the manifest, these alone */
	CAPABILITY_FILES = 2,   /* one directory, which the person names at each run */
	CAPABILITY_LEDGER = 4,  /* the system's ledger */
	CAPABILITY_NESTING = 8, /* sub-kernels of its own */
	CAPABILITY_WX = 16,     /* memory that is writable and executable, for programs that make code */
};

enum plan_payload {
	PAYLOAD_UNKNOWN = 0,
	PAYLOAD_PROGRAM, /* an ELF file, or a script: one file */
	PAYLOAD_TREE,    /* a tar archive, which is laid over the system's root */
};

enum {
	PLAN_WORDS_MAX = 64,
	PLAN_COMMAND_MAX = 1024, /* as the manifest's */
	PLAN_GRANT_MAX = 256,
	PLAN_MEMORY_MIN = 4 << 20,
	PLAN_HANDLES_MIN = 128,
	PLAN_HANDLES_MAX = 1 << 20,
	PLAN_CPU_MAX = 64000, /* thousandths of one processor */
};

struct plan {
	uint32_t required, optional, granted; /* enum capability, as bits */
	enum plan_payload payload;
	uint64_t memory_bytes, handles;
	uint32_t processors; /* 1.. : how many it may use */
	uint32_t share;      /* percent of its turn on each, 1 to 100 */
	struct switch_policy net;
	unsigned word_count; /* of the command; word[0] is the program */
	char command[PLAN_COMMAND_MAX + 1];
	const char *words[PLAN_WORDS_MAX + 1];
};

enum plan_error {
	PLAN_OK = 0,
	PLAN_CAPABILITY, /* it does not run without a capability that this system does not know */
	PLAN_DENIED,     /* it does not run without one that was not granted */
	PLAN_WORD,       /* a word of the grant is none of a capability, or not asked for */
	PLAN_QUOTA,      /* a quota is out of bounds */
	PLAN_ENDPOINT,   /* an endpoint is no [tcp:|udp:]HOST:PORT, or there are too many */
	PLAN_COMMAND,    /* it has no command, or one of too many words */
	PLAN_PAYLOAD,    /* its payload is of no known kind */
};
const char *plan_error_text(enum plan_error error);

/* The bit of the capability NAME, 0 where there is none; and the name and a sentence of one BIT. */
uint32_t capability_of(const struct field *name);
const char *capability_name(uint32_t bit);
const char *capability_sentence(uint32_t bit);

/* Makes the plan of CAPSULE, without what is granted. *WRONG is what is at fault, where it is a word. */
enum plan_error plan_make(struct plan *plan, const struct capsule *capsule, struct field *wrong);
/* Grants what GRANT names: words divided by commas, "all", or "none" or "" for nothing. PLAN_DENIED: what is required is missing. */
enum plan_error plan_grant(struct plan *plan, const char *grant, struct field *wrong);

/* A grant as it is kept: the list, and on a line of its own the time when it ends. COUNT bytes at BYTES; false: they are no such
 * thing. *UNTIL: UINT64_MAX where it has no end. */
bool plan_grant_read(char list[PLAN_GRANT_MAX], uint64_t *until, const uint8_t *bytes, size_t count);
/* Writes it into TEXT; the bytes. */
size_t plan_grant_write(char text[PLAN_GRANT_MAX], uint32_t granted, uint64_t until);

/* Whether version A is older (-1), the same (0) or newer (1) than B: runs of digits count as numbers of any length, and whatever
 * divides them as text; a longer version is newer. */
int plan_version_compare(const struct field *a, const struct field *b);
