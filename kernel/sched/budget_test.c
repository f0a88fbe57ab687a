/* The sporadic server's arithmetic against brute force over all that was consumed, and admission. */
#include <calls.h>
#include <test.h>
#include "budget.h"

#define HISTORY 4000u

static struct {
	uint64_t start, end;
} history[HISTORY];
static unsigned history_count;

/* ns consumed within [from, to). */
static uint64_t consumed(uint64_t from, uint64_t to)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < history_count; i++) {
		uint64_t start = history[i].start > from ? history[i].start : from;
		uint64_t end = history[i].end < to ? history[i].end : to;

		sum += end > start ? end - start : 0;
	}
	return sum;
}

static uint64_t sum_of(const struct refills *refills)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < refills->count; i++)
		sum += refills->ring[(refills->head + i) % REFILLS_MAX].amount;
	return sum;
}

static bool in_order(const struct refills *refills)
{
	for (uint32_t i = 1; i < refills->count; i++)
		if (refills->ring[(refills->head + i - 1) % REFILLS_MAX].time >
		    refills->ring[(refills->head + i) % REFILLS_MAX].time)
			return false;
	return refills->count >= 1 && refills->count <= refills->max;
}

struct verdict {
	bool sum, order, window, demand, whole;
};

/* A run of random work; PREEMPTED: others take the CPU in the middle of it. */
static void run(uint64_t quota, uint64_t period, uint32_t max, bool preempted, struct verdict *verdict)
{
	struct refills refills;
	uint64_t now = 1000, begin = now;

	history_count = 0;
	refills_init(&refills, quota, period, max, now);
	while (history_count < HISTORY) {
		uint64_t want = 1 + (uint64_t)rand() % (quota * 2), had;

		if (rand() % 3 == 0) /* idle for a while */
			now += (uint64_t)rand() % (period * 2);
		refills_activate(&refills, now);
		while (want && history_count < HISTORY) {
			uint64_t available = refills_available(&refills, now), use;

			if (!available) {
				now = refills_next(&refills);
				refills_activate(&refills, now);
				continue;
			}
			if (preempted && rand() % 4 == 0)
				now += (uint64_t)rand() % period;
			use = want < available ? want : available;
			if (rand() % 2)
				use = 1 + (uint64_t)rand() % use;
			history[history_count].start = now;
			history[history_count++].end = now + use;
			now += use;
			want -= use;
			refills_charge(&refills, use);
			verdict->sum &= sum_of(&refills) == quota;
			verdict->order &= in_order(&refills);
			if (!preempted && history_count % 7 == 0)
				verdict->window &= consumed(now > period ? now - period : 0, now) <= quota;
			/* Never more than a periodic task released at the beginning would have asked for. */
			had = (now - begin) / period + 1;
			if (history_count % 13 == 0)
				verdict->demand &= consumed(0, now) <= had * quota;
		}
	}
	now += 2 * period + quota;
	refills_activate(&refills, now);
	verdict->whole &= refills_available(&refills, now) == quota;
}

static int64_t create(struct actor *actor, struct budget_spec spec, handle_t unit)
{
	memcpy(actor->page->bytes, &spec, sizeof(spec));
	return CALL1(actor, SYS_BUDGET_CREATE, unit);
}

static void admission(void)
{
	struct actor root, child;
	struct unit_spec unit_spec = {.memory_bytes = 4 << 20,
	                              .caps = 200,
	                              .priority_max = 150,
	                              .cpu_share = 300000,
	                              .best_effort_max = 30};
	struct budget_spec spec = {
	    .cpu = 1, .priority = 140, .quota_ns = 1000000, .period_ns = 10000000, .refills_max = 4};
	handle_t root_handle, unit, first;
	unsigned made = 0;

	host_boot(64, 2);
	actor_init(&root, &root_unit);
	root_handle = NEED_HANDLE(cap_insert(&root_unit, &root_unit.object, RIGHT_ALL, 0, 0));
	memcpy(root.page->bytes, &unit_spec, sizeof(unit_spec));
	unit = NEED_HANDLE(CALL1(&root, SYS_UNIT_CREATE, root_handle));
	actor_init(&child, (struct unit *)object_at(&root_unit, unit));

	first = NEED_HANDLE(create(&root, spec, unit)); /* 10 % each, of 30 % */
	made += create(&root, spec, unit) > 0;
	made += create(&root, spec, unit) > 0;
	TEST("budgets are admitted up to the unit's share", made == 2);
	TEST_EQUAL("one more is refused", create(&root, spec, unit), E_QUOTA_CPU);
	spec.cpu = 0;
	TEST("each CPU has its own share", create(&root, spec, unit) > 0);
	spec.cpu = 1;
	NEED(CALL1(&root, SYS_CAP_DELETE, first) == E_OK);
	for (unsigned i = 0; i < 4; i++)
		host_cpu(i % 2);
	NEED(CALL1(&root, SYS_CAP_INFO, root_handle) >= 0);
	unit_reap((struct unit *)object_at(&root_unit, unit));
	TEST("a deleted budget gives its share back", create(&root, spec, unit) > 0);
	spec.priority = 151;
	TEST_EQUAL("above the unit's priority is refused", create(&root, spec, unit), E_QUOTA_CPU);
	spec.priority = 0;
	TEST_EQUAL("priority 0 is refused", create(&root, spec, unit), E_ARGUMENT);
	spec.priority = 140;
	spec.cpu = 2;
	TEST_EQUAL("a CPU that is not there is refused", create(&root, spec, unit), E_ARGUMENT);
	spec.cpu = 0;
	spec.period_ns = spec.quota_ns - 1;
	TEST_EQUAL("more than the whole CPU is refused", create(&root, spec, unit), E_ARGUMENT);
	spec.period_ns = UINT64_MAX;
	TEST_EQUAL("periods are bounded", create(&root, spec, unit), E_ARGUMENT);
	spec.period_ns = BUDGET_PERIOD_MAX_NS + 1;
	TEST_EQUAL("by what those at best effort can wait", create(&root, spec, unit), E_ARGUMENT);
	spec.priority = 31;
	spec.period_ns = 0;
	TEST_EQUAL("best effort has a ceiling of its own", create(&root, spec, unit), E_QUOTA_CPU);
	spec.priority = 140;
	spec.period_ns = 10000000;
	spec.refills_max = 9;
	TEST_EQUAL("refills are bounded", create(&root, spec, unit), E_ARGUMENT);
	spec.refills_max = 2;
	spec.deadline_ns = 10000000;
	TEST_EQUAL("deadlines are for the EDF level", create(&root, spec, unit), E_ARGUMENT);
	spec = (struct budget_spec){.priority = 30, .quota_ns = 5000000};
	TEST("best effort needs no admission", create(&root, spec, unit) > 0);
	spec.period_ns = 10000000;
	TEST_EQUAL("best effort has no period", create(&root, spec, unit), E_ARGUMENT);
	actor_deinit(&child);
	actor_deinit(&root);
}

/* An overrun of many quotas delays as much as it would piece by piece, and takes no longer. */
static void test_overrun(void)
{
	struct refills whole, pieces;
	const uint64_t quota = 20000, period = 400000;

	refills_init(&whole, quota, period, 4, 0);
	refills_init(&pieces, quota, period, 4, 0);
	for (unsigned i = 0; i < 3; i++) {
		refills_charge(&whole, 7000);
		refills_charge(&pieces, 7000);
	}
	refills_charge(&whole, 9 * quota + 3000);
	for (unsigned i = 0; i < 9; i++)
		refills_charge(&pieces, quota);
	refills_charge(&pieces, 3000);
	TEST_EQUAL("an overrun of many quotas delays as long as its pieces", refills_next(&whole),
	           refills_next(&pieces));
	refills_charge(&whole, quota << 38); /* would take days one by one */
	TEST("however many", refills_next(&whole) > period << 38);
}

int main(void)
{
	test_overrun();
	struct verdict verdict = {true, true, true, true, true};

	srand(11);
	for (unsigned round = 0; round < 24; round++) {
		uint64_t quota = 20000 + (uint64_t)rand() % 1000000;
		uint64_t period = quota + (uint64_t)rand() % (quota * 10);

		run(quota, period, 2 + (uint32_t)round % 7, round & 1, &verdict);
	}
	TEST("what is consumed comes back, no more and no less", verdict.sum);
	TEST("refills stay in order and in number", verdict.order);
	TEST("no window of one period holds more than the quota", verdict.window);
	TEST("never more than a periodic task of the same numbers", verdict.demand);
	TEST("after a rest the whole quota is there", verdict.whole);
	admission();
	return test_failures != 0;
}
