/* Sub-kernels whose time, or that of single grants (revoke.c), is limited. The manager holds their unit capabilities; when
 * the time is over it ends the unit, and with it everything that it held and mapped, whoever has still handles or pages of
 * it. The clock is the machine's: a real-time clock read once at the start, and the kernel's time since; no sub-kernel sets
 * it.
 */
#include "manager.h"

#define NS_PER_SECOND 1000000000ull

uint64_t lifetime_now(void)
{
	return manager.realtime_at_boot ? manager.realtime_at_boot + clock_ns() / NS_PER_SECOND : 0;
}

int64_t lifetime_deadline(uint64_t expires, uint64_t *ns)
{
	*ns = 0;
	if (!expires)
		return E_OK;
	if (expires <= lifetime_now() || !manager.realtime_at_boot)
		return E_ARGUMENT;
	uint64_t seconds = expires - manager.realtime_at_boot;
	*ns = seconds > (DEADLINE_NEVER - 1) / NS_PER_SECOND ? DEADLINE_NEVER - 1 : seconds * NS_PER_SECOND;
	if (*ns < manager.expires_at)
		manager.expires_at = *ns;
	return E_OK;
}

int64_t lifetime_begin(struct subkernel *subkernel, uint64_t expires)
{
	return lifetime_deadline(expires, &subkernel->expires_ns);
}

void lifetime_look(void)
{
	uint64_t now = clock_ns();
	if (now < manager.expires_at)
		return;
	manager.expires_at = DEADLINE_NEVER;
	for (unsigned i = 0; i < SUBKERNELS_MAX; i++) {
		struct subkernel *subkernel = &manager.table[i];
		uint64_t next = DEADLINE_NEVER;
		if (!subkernel->number || subkernel->ended)
			continue;
		if (subkernel->expires_ns && subkernel->expires_ns <= now) {
			LOG("subkernel: %s is ended: its time is over\n", subkernel->name);
			subkernel_end(subkernel, 9);
			continue;
		}
		next = grants_look(subkernel, now);
		if (subkernel->expires_ns && subkernel->expires_ns < next)
			next = subkernel->expires_ns;
		if (next < manager.expires_at)
			manager.expires_at = next;
	}
}
