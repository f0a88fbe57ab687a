/* Supervision: units of a manifest are started with just what it names for them, watched, and started again. The
 * machine's steward (steward.c) and that of a native tree (tree.c) are its users: what their units' programs and
 * capabilities stand for, each says by its functions.
 *
 * Channels between units are made here once and outlive any unit's restart. */
#pragma once

#include <holon.h>
#include "manifest/manifest.h"

#define SUPERVISED_CHANNELS_MAX 16

struct supervised {
	handle_t unit; /* 0: not running */
	uint32_t restarts;
	uint64_t moved; /* by how much its program was */
};

struct supervisor {
	/* Set by the user. */
	const char *name; /* for what is logged */
	struct thread_page *page;
	handle_t log, unit, event; /* EVENT gets bit 1 << INDEX when unit INDEX ends */
	uint64_t cpu_count;
	uint32_t cpu_mask;
	uint64_t slice_ns;                     /* of best-effort units' round robin */
	uint64_t reserve_memory, reserve_caps; /* what "rest" leaves */
	struct manifest manifest;
	/* UNIT's ELF file into SPAWN; false with *WHY and *ERROR. */
	bool (*program)(const struct manifest_unit *unit, struct spawn *spawn, const char **why,
	                int64_t *error);
	/* What GIVE, which is no channel made here, stands for, into SPAWN. An object made for the unit alone goes into *MADE,
	 * and is dropped after the grant. BADGE is the unit's. */
	bool (*give)(struct spawn *spawn, const struct manifest_give *give, uint64_t badge, handle_t *made);
	/* UNIT's arguments; how many bytes. */
	uint64_t (*arguments)(const struct manifest_unit *unit, char *buffer, size_t size);

	/* Kept here. */
	handle_t pause; /* never signalled: for waiting */
	struct supervised units[MANIFEST_UNITS_MAX];
	struct {
		char name[24];
		handle_t channel;
	} channels[SUPERVISED_CHANNELS_MAX];
};

/* The one of this program. */
extern struct supervisor supervisor;

/* Once, when the manifest is read: 0, or why no unit can be started. */
const char *supervise_prepare(void);
/* The channel NAME, made at its first mention; 0: there are too many. */
handle_t supervise_channel(const char *name);
/* Whether a unit of the manifest serves the channel NAME. */
bool supervise_serves(const char *name);
/* Starts unit INDEX. */
bool supervise_start(unsigned index);
/* Clears away unit INDEX, which has ended or is to end, and starts it again where the manifest says so; else whoever
 * waits for its services is told. */
void supervise_again(unsigned index);
/* Looks at unit INDEX: true, with *INFO, where it has ended. */
bool supervise_ended(unsigned index, struct unit_info *info);
