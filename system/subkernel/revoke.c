/* Single grants that are taken from a sub-kernel that runs: when their time is over, or when somebody above it says so. Each is taken
 * where it was granted, so that nothing the sub-kernel does, or has handed on, keeps it:
 *
 *   network, ledger   at the switch: the link ends with its flows, and those nested in it. Where something is left that it may reach, it is
 *                     made again under the policy that is left
 *   files             at the parent's personality, whose portals they are: it revokes their channels, and with them all sessions
 *   nesting           here: no call that makes children is answered any more, and the children that there are, services too, are ended
 *
 * What cannot be done (a switch that does not answer) is tried again until it is. The clock is lifetime.c's. */
#include "manager.h"

#define RETRY_NS 1000000000ull

static const char *const names[BLUEPRINT_GRANTS] = {"network", "files", "ledger", "nesting"};

int64_t grants_begin(struct subkernel *child, const struct blueprint *blueprint)
{
	int64_t result = E_OK;
	for (unsigned grant = 0; result >= 0 && grant < BLUEPRINT_GRANTS; grant++)
		result = lifetime_deadline(blueprint->grant_expires[grant], &child->grants_expire_ns[grant]);
	return result;
}

/* Whether LINK leads anywhere but to the ledger. */
static bool reaches_outside(const struct network_link *link)
{
	return link->number && (link->policy.mode != SWITCH_ONLY || link->policy.allowed_count);
}

static bool has_files(const struct subkernel *subkernel)
{
	for (unsigned i = 0; i < BLUEPRINT_VOLUMES_MAX; i++)
		if (subkernel->share_tokens[i])
			return true;
	return false;
}

static bool has(const struct subkernel *subkernel, enum blueprint_grant grant)
{
	switch (grant) {
	case GRANT_NETWORK:
		return reaches_outside(&subkernel->link);
	case GRANT_FILES:
		return has_files(subkernel) && !subkernel->shares_withdrawn;
	case GRANT_LEDGER:
		return subkernel->flags & BLUEPRINT_LEDGER;
	case GRANT_NESTING:
		return subkernel->flags & BLUEPRINT_NESTING;
	case BLUEPRINT_GRANTS:
		break;
	}
	return false;
}

/* The link of one whose GRANT goes, once the switch has ended it. */
static void link_narrow(struct subkernel *subkernel, enum blueprint_grant grant)
{
	const uint32_t ledger = BLUEPRINT_LEDGER | BLUEPRINT_LEDGER_NODE;
	if (grant == GRANT_LEDGER)
		subkernel->flags &= ~(uint32_t)BLUEPRINT_LEDGER;
	else if (subkernel->link.number)
		subkernel->link.policy = (struct switch_policy){.mode = SWITCH_ONLY};
	if (!subkernel->link.number)
		return;
	if (reaches_outside(&subkernel->link) || subkernel->flags & ledger)
		(void)network_refresh(&subkernel->link, subkernel->name); /* or it has none */
	else
		network_forget(&subkernel->link);
}

static int64_t take_link(struct subkernel *from, enum blueprint_grant grant)
{
	int64_t result = network_cut(&from->link);
	if (result < 0)
		return result;
	/* Parents first: a link is made below one that is there. */
	for (uint32_t depth = from->depth; depth < DEPTH_MAX; depth++)
		for (unsigned i = 0; i < SUBKERNELS_MAX; i++) {
			struct subkernel *subkernel = &manager.table[i];
			if (subkernel->number && subkernel->depth == depth &&
			    subkernel_descends(subkernel, from))
				link_narrow(subkernel, grant);
		}
	connect_all();
	return E_OK;
}

static int64_t take_files(struct subkernel *from)
{
	from->shares_withdrawn = true;
	event_signal(from->parent->control, 1);
	return E_OK;
}

uint64_t grants_withdrawn(const struct subkernel *parent)
{
	for (unsigned i = 0; i < SUBKERNELS_MAX; i++) {
		struct subkernel *child = &manager.table[i];
		if (!child->number || child->parent != parent || !child->shares_withdrawn)
			continue;
		for (unsigned share = 0; share < BLUEPRINT_VOLUMES_MAX; share++) {
			uint64_t token = child->share_tokens[share];
			child->share_tokens[share] = 0;
			if (token)
				return token;
		}
		child->shares_withdrawn = false;
	}
	return 0;
}

static int64_t take_nesting(struct subkernel *from)
{
	from->flags &= ~(uint32_t)BLUEPRINT_NESTING;
	offers_drop_all(&from->offers);
	for (unsigned i = 0; i < SUBKERNELS_MAX; i++) {
		struct subkernel *child = &manager.table[i];
		if (child->number && child->parent == from && !child->ended)
			subkernel_end(child, 9);
	}
	return E_OK;
}

/* Takes GRANT, which SUBKERNEL has; where that fails it is due again soon. */
static int64_t take(struct subkernel *subkernel, enum blueprint_grant grant)
{
	int64_t result = grant == GRANT_FILES     ? take_files(subkernel)
	                 : grant == GRANT_NESTING ? take_nesting(subkernel)
	                                          : take_link(subkernel, grant);
	subkernel->grants_expire_ns[grant] = 0;
	if (result < 0) {
		subkernel->grants_expire_ns[grant] = clock_ns() + RETRY_NS;
		if (subkernel->grants_expire_ns[grant] < manager.expires_at)
			manager.expires_at = subkernel->grants_expire_ns[grant];
	}
	LOG("subkernel: %s is taken from %s%s%s\n", names[grant], subkernel->name,
	    result < 0 ? ", which fails and is tried again: " : "", result < 0 ? error_text(result) : "");
	return result;
}

uint64_t grants_look(struct subkernel *subkernel, uint64_t now)
{
	uint64_t next = DEADLINE_NEVER;
	for (unsigned grant = 0; grant < BLUEPRINT_GRANTS; grant++) {
		const uint64_t *due = &subkernel->grants_expire_ns[grant];
		if (*due && *due <= now) {
			if (has(subkernel, grant))
				(void)take(subkernel, grant);
			else
				subkernel->grants_expire_ns[grant] = 0;
		}
		if (*due && *due < next)
			next = *due;
	}
	return next;
}

int64_t serve_revoke(void *context, uint64_t badge, uint64_t number, uint32_t grants)
{
	struct subkernel *child = subkernel_descendant(badge, number);
	int64_t result = E_STATE;
	(void)context;
	if (!child)
		return E_NOT_FOUND;
	if (!grants || grants >> BLUEPRINT_GRANTS)
		return E_ARGUMENT;
	if (child->ended)
		return E_STATE;
	for (unsigned grant = 0; grant < BLUEPRINT_GRANTS; grant++) {
		if (!(grants >> grant & 1) || !has(child, grant))
			continue;
		int64_t taken = take(child, grant);
		if (result == E_STATE || taken < 0)
			result = taken;
	}
	return result;
}
