/* Profiles: what the word in a blueprint stands for. "linux" and the services are known here; any other is a native tree's
 * blueprint in the system image, etc/blueprints/NAME in the form of lib/manifest/manifest.h, which the tree's own steward
 * (base/steward/tree.c) reads, too. Here is asked only what the tree as a whole must be given for it. */
#pragma once

#include <holon/blueprint.h>
#include "manager.h"

struct profile {
	const struct sysimg_node *program; /* of the system image, verified */
	bool native;
	bool link, blocks, screen, sealed; /* what its units are given, of a native tree */
	uint32_t ceiling;   /* the highest of its units' priorities; 0: as the blueprint says */
	uint32_t cpu_share; /* of admitted budgets, parts per million of each CPU */
};

/* The verified file PATH of the system image; E_NOT_FOUND, or the file service's error. */
int64_t profile_file(const char *path, const struct sysimg_node **file);
/* What BLUEPRINT's profile asks for, or that of a SERVICE. E_SUPPORT: there is no such profile; E_ARGUMENT: a budget for one
 * that has none, or no budget at all. */
int64_t profile_read(const struct blueprint *blueprint, bool service, struct profile *profile);
