/* Residents: the sub-kernels that the manifest names (lib/manifest/manifest.h). A system program that is a Linux program, such
 * as the ledger, so runs from the machine's start on, in an operating environment of its own below the first sub-kernel.
 *
 * Here is what the manager keeps of each: its command, its output's stream, when it is to be started again. The stream
 * outlives restarts, so that `subkernel logs NAME` shows what the one before said last. Nobody reads what a resident writes: the
 * manager takes it once a second, so that more than 32 KiB a second make it wait. It has no input.
 *
 * One that ends is started again, at the next second and at most RESIDENT_STARTS_MAX times, unless its owner killed it, its
 * program is not there, or it has shown what it was for: that a system on trial works.
 */
#pragma once

#include <holon.h>
#include <sysimg/sysimg.h>
#include "manifest/manifest.h"

#define RESIDENT_STARTS_MAX 100u

struct resident {
	const struct manifest_resident *entry;
	uint64_t number; /* of its sub-kernel; 0: it does not run */
	unsigned starts;
	bool over; /* it is not started again */
	struct stream stream;
	handle_t memory, event,
	    peer; /* of the stream: what side 1 waits on, and a wake-up that nobody waits for */
	handle_t command;
	uint64_t command_bytes;
};

/* Reads the manifest, which the file service has vouched for, from IMAGE: the residents that this boot's words ask for. What
 * is wrong, or 0. */
const char *residents_read(const struct sysimg *image, const struct start_info *info);
/* The INDEXth, or 0 past the end. */
struct resident *resident_at(unsigned index);
/* Makes what a start needs, at the first; false: there is no memory. */
bool resident_prepare(struct resident *resident);
/* Takes what it has written. */
void resident_drain(struct resident *resident);
