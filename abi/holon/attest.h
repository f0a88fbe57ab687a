/* What abi/attest.interface carries, and what its service is given by the steward (image/manifest, "give measured"). */
#pragma once

#include "handoff.h"

#define ATTEST_PART 3072u /* bytes of a quote in one answer */

/* What the loader handed to the system, but for its secrets and addresses: the memory object "measured", read-only. The modules themselves
 * are "module0" and so on, in this order, with their size as the value; one without bytes is not given. */
struct measured {
	uint32_t firmware; /* enum handoff_firmware */
	uint32_t module_count;
	struct handoff_trust trust;
	char command_line[HANDOFF_COMMAND_MAX]; /* NUL terminated, in use */
	char modules[HANDOFF_MODULE_MAX][32];   /* names, NUL terminated */
};
