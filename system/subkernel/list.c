/* Descriptions of sub-kernels: what the kernel accounts for their units, and what went over their links. */
#include <text.h>
#include "manager.h"

static void describe(const struct subkernel *subkernel, struct subkernel_info *out)
{
	struct unit_info info;
	memset(out, 0, sizeof(*out));
	out->number = subkernel->number;
	out->parent = subkernel->parent ? subkernel->parent->number : 0;
	out->depth = subkernel->depth;
	out->state = subkernel->ended ? SUBKERNEL_ENDED : SUBKERNEL_RUNNING;
	out->flags = subkernel->flags;
	out->cpu_mask = subkernel->cpu_mask;
	memcpy(out->name, subkernel->name, sizeof(out->name));
	memcpy(out->profile, subkernel->profile, sizeof(out->profile));
	memcpy(out->certificate, subkernel->certificate, sizeof(out->certificate));
	out->certificate_epoch = subkernel->certificate_epoch;
	struct link_counters counters;
	out->net_mode = subkernel->link.policy.mode;
	if (network_counters(&subkernel->link, &counters)) {
		out->net_sent_bytes = counters.sent_bytes;
		out->net_arrived_bytes = counters.arrived_bytes;
	}
	if (!subkernel->unit || unit_info(manager.page, subkernel->unit, &info) < 0)
		return;
	if (info.frozen && !subkernel->ended) /* itself, or one it stands below */
		out->state = SUBKERNEL_FROZEN;
	out->memory_quota = info.memory_quota;
	out->memory_used = info.memory_used;
	out->memory_children = info.memory_children;
	out->caps_quota = info.caps_quota;
	out->caps_used = info.caps_used;
	out->cpu_time = info.cpu_time;
}

/* The INDEXth of ROOT's subtree in tree order (parents before children, siblings by number); counts *INDEX
 * down. */
static struct subkernel *nth(struct subkernel *root, uint32_t *index)
{
	if (!(*index)--)
		return root;
	for (uint64_t last = 0;;) {
		struct subkernel *next = 0;
		for (unsigned i = 0; i < SUBKERNELS_MAX; i++) {
			struct subkernel *other = &manager.table[i];
			if (other->number > last && other->parent == root &&
			    (!next || other->number < next->number))
				next = other;
		}
		if (!next)
			return 0;
		last = next->number;
		struct subkernel *found = nth(next, index);
		if (found)
			return found;
	}
}

int64_t serve_list(void *context, uint64_t badge, uint32_t index, const void **data, uint32_t *bytes)
{
	static struct subkernel_info info;
	struct subkernel *caller = subkernel_find(badge);
	(void)context;
	struct subkernel *found = caller && index < SUBKERNELS_MAX ? nth(caller, &index) : 0;
	if (!found)
		return E_NOT_FOUND;
	describe(found, &info);
	*data = &info;
	*bytes = sizeof(info);
	return E_OK;
}
