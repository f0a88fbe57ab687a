/* What a sub-kernel offers to its next child (offer() of abi/subkernel.interface): one of each kind, the newest. An offer has a
 * token, by which the child's blueprint names it, and is gone when that child is there. */
#pragma once

#include <holon.h>
#include <holon/blueprint.h>

struct offer {
	handle_t object;
	uint64_t bytes, token;
};

struct offers {
	struct offer volume, archive;
	struct offer shares[BLUEPRINT_VOLUMES_MAX];
	uint32_t next_share;
};

/* Keeps OBJECT, which goes over on success, in place of an earlier one of its kind. */
int64_t offers_keep(struct offers *offers, uint32_t what, handle_t object, uint64_t bytes, uint64_t *token);
/* The offer WHAT of TOKEN into *FOUND, empty where TOKEN is 0; false: there is none of this token. */
bool offers_find(struct offers *offers, enum blueprint_offer what, uint64_t token, struct offer *found);
/* TOKEN's has gone to a child. */
void offers_drop(struct offers *offers, enum blueprint_offer what, uint64_t token);
void offers_drop_all(struct offers *offers);
