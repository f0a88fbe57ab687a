/* Budgets: the sporadic server's arithmetic, admission, life.
 *
 * The refill ring: amounts in order of time, their sum is always the quota. The head is what is being
 * consumed. What was consumed of the head comes back at head.time + period. When the ring is full, the oldest
 * waiting piece is delayed to join the next one: the ring errs towards later, never towards more.
 */
#include <calls.h>
#include "thread.h"
#include "unit.h"

/*@ requires \valid(refills) && refills->head < REFILLS_MAX && index <= REFILLS_MAX;
    assigns \nothing;
    ensures \result == &refills->ring[place(refills->head, index)];
*/
static struct refill *refill_at(struct refills *refills, uint32_t index)
{
	return &refills->ring[(refills->head + index) % REFILLS_MAX];
}

void refills_init(struct refills *refills, uint64_t quota, uint64_t period, uint32_t max, uint64_t now)
{
	refills->head = 0;
	refills->count = 1;
	refills->max = max;
	refills->period = period;
	refills->ring[0] = (struct refill){.time = now, .amount = quota};
}

/* Appends what comes back at TIME. Times are appended in order. */
static void refill_append(struct refills *refills, uint64_t time, uint64_t amount)
{
	struct refill *tail = refill_at(refills, refills->count - 1);

	if (refills->count == refills->max || (refills->count > 1 && tail->time + tail->amount >= time)) {
		if (tail->time < time && refills->count == refills->max)
			tail->time = time;
		tail->amount += amount;
		return;
	}
	*refill_at(refills, refills->count++) = (struct refill){.time = time, .amount = amount};
}

/*@ requires refills_good(refills) && 1 < refills->count;
    assigns refills->head, refills->count;
    ensures refills_good(refills) && refills->count == \old(refills->count) - 1;
    ensures \result == \old(refills->ring[refills->head]);
    ensures 0 < \result.amount <= \old(whole(refills, refills->count));
    ensures whole(refills, refills->count) == \old(whole(refills, refills->count)) - \result.amount;
*/
static struct refill refill_pop(struct refills *refills)
{
	struct refill head = *refill_at(refills, 0);

	refills->head = (refills->head + 1) % REFILLS_MAX;
	refills->count--;
	return head;
}

void refills_charge(struct refills *refills, uint64_t used)
{
	uint64_t quota = refill_at(refills, 0)->amount; /* there is always one */

	for (uint32_t i = 1; i < refills->count; i++)
		quota += refill_at(refills, i)->amount;
	/* Overruns (an interrupt came late) eat into refills whose time has not come: they are all delayed, by a
	 * period for each time that the whole quota is used. */
	for (uint32_t i = 0; i < refills->count && used >= quota; i++)
		refill_at(refills, i)->time += used / quota * refills->period;
	used %= quota;
	while (used) {
		struct refill *head = refill_at(refills, 0);

		if (head->amount > used) {
			uint64_t back = head->time + refills->period;

			head->amount -= used;
			head->time += used;
			if (refills->count == 1) { /* nothing to merge into: a new piece */
				*refill_at(refills, refills->count++) =
				    (struct refill){.time = back, .amount = used};
			} else {
				refill_append(refills, back, used);
			}
			break;
		}
		used -= head->amount;
		if (refills->count == 1) {
			head->time += refills->period;
		} else {
			struct refill gone = refill_pop(refills);

			refill_append(refills, gone.time + refills->period, gone.amount);
		}
	}
	/* A head too small to be worth a timer waits for the next piece; one that ends behind the next one's
	 * time takes it in. Either way the later time counts. */
	while (refills->count > 1 && (refill_at(refills, 0)->amount < BUDGET_QUOTA_MIN_NS ||
	                              refill_at(refills, 1)->time <= refill_at(refills, 0)->time)) {
		struct refill gone = refill_pop(refills);
		struct refill *head = refill_at(refills, 0);

		head->amount += gone.amount;
		if (head->time < gone.time)
			head->time = gone.time;
	}
}

void refills_activate(struct refills *refills, uint64_t now)
{
	struct refill *head = refill_at(refills, 0);

	if (head->time > now)
		return;
	head->time = now;
	while (refills->count > 1 && refill_at(refills, 1)->time <= now + refill_at(refills, 0)->amount) {
		struct refill gone = refill_pop(refills);

		head = refill_at(refills, 0);
		head->amount += gone.amount;
		head->time = now;
	}
}

uint64_t refills_available(const struct refills *refills, uint64_t now)
{
	const struct refill *head = &refills->ring[refills->head];

	return head->time <= now ? head->amount : 0;
}

uint64_t refills_next(const struct refills *refills)
{
	return refills->ring[refills->head].time;
}

uint32_t budget_share(const struct budget_spec *spec)
{
	if (spec->priority <= PRIORITY_BEST_EFFORT_MAX)
		return 0;
	return (uint32_t)((spec->quota_ns * 1000000 + spec->period_ns - 1) / spec->period_ns);
}

/*@ requires \valid_read(unit) && \valid_read(spec);
    assigns \nothing;
    ensures \result == E_OK ==> 0 < spec->priority < PRIORITY_COUNT && spec->priority <= unit->priority_max;
    ensures \result == E_OK && spec->priority <= PRIORITY_BEST_EFFORT_MAX ==>
      spec->priority <= unit->best_effort_max;
    ensures \result == E_OK ==> 0 < spec->quota_ns <= BUDGET_PERIOD_MAX_NS;
    ensures \result == E_OK && spec->priority > PRIORITY_BEST_EFFORT_MAX ==>
      spec->quota_ns <= spec->period_ns <= BUDGET_PERIOD_MAX_NS && 2 <= spec->refills_max <= REFILLS_MAX;
*/
int64_t budget_check(const struct unit *unit, const struct budget_spec *spec)
{
	if (spec->cpu >= cpu_count || !spec->priority || spec->priority >= PRIORITY_COUNT || spec->reserved ||
	    spec->quota_ns < BUDGET_QUOTA_MIN_NS || spec->quota_ns > BUDGET_PERIOD_MAX_NS)
		return E_ARGUMENT;
	if (spec->priority <= PRIORITY_BEST_EFFORT_MAX) {
		if (spec->period_ns || spec->deadline_ns)
			return E_ARGUMENT;
		if (spec->priority > unit->best_effort_max)
			return E_QUOTA_CPU;
	} else {
		if (spec->period_ns < spec->quota_ns || spec->period_ns > BUDGET_PERIOD_MAX_NS ||
		    spec->refills_max < 2 || spec->refills_max > REFILLS_MAX)
			return E_ARGUMENT;
		if ((spec->priority == PRIORITY_EDF) != (spec->deadline_ns != 0))
			return E_ARGUMENT;
		/* A deadline before the period would need more than a utilisation test. */
		if (spec->deadline_ns &&
		    (spec->deadline_ns < spec->period_ns || spec->deadline_ns > BUDGET_PERIOD_MAX_NS))
			return E_ARGUMENT;
	}
	return spec->priority > unit->priority_max ? E_QUOTA_CPU : E_OK;
}

static void budget_replenish(struct timer *timer, uint64_t mark)
{
	budget_unthrottle(container_of(timer, struct budget, replenish));
}

void budget_configure(struct budget *budget, const struct budget_spec *spec, uint64_t now)
{
	budget->priority = spec->priority;
	budget->best_effort = spec->priority <= PRIORITY_BEST_EFFORT_MAX;
	budget->edf = spec->priority == PRIORITY_EDF;
	budget->quota = spec->quota_ns;
	budget->deadline_relative = spec->deadline_ns;
	budget->slice_left = (int64_t)spec->quota_ns;
	refills_init(&budget->refills, spec->quota_ns, spec->period_ns, spec->refills_max, now);
}

void budget_setup(struct budget *budget, struct cpu *cpu, const struct budget_spec *spec, uint64_t now)
{
	budget->cpu = cpu;
	list_init(&budget->ready);
	list_init(&budget->run_node);
	list_init(&budget->holders);
	budget->replenish.expire = budget_replenish;
	budget_configure(budget, spec, now);
}

/* Changes what a budget on CPU takes of UNIT's share of it; false: more than the unit has. The parent carved
 * its children's ceilings out of its own, so that no CPU can be overloaded by any sum of them. */
static bool share_change(struct unit *unit, uint32_t cpu, uint32_t old, uint32_t new)
{
	return unit_charge_share(unit, cpu, cpu + 1, (int64_t) new - old);
}

bool budget_teardown(struct object *object)
{
	struct budget *budget = (struct budget *)object;

	if (!budget_evict(budget))
		return false;
	if (budget->share)
		share_change(object->owner, budget->cpu->index, budget->share, 0);
	budget->share = 0;
	return true;
}

struct budget *budget_create(struct unit *owner, const struct budget_spec *spec, int64_t *error)
{
	uint32_t share = budget_share(spec);
	struct budget *budget;

	*error = E_QUOTA_CPU;
	if (!share_change(owner, spec->cpu, 0, share))
		return 0;
	budget = (struct budget *)object_create(owner, OBJECT_BUDGET, sizeof *budget, error);
	if (!budget) {
		share_change(owner, spec->cpu, share, 0);
		return 0;
	}
	budget->share = share;
	budget_setup(budget, cpus[spec->cpu], spec, arch_clock_ns());
	return budget;
}

int64_t sys_budget_create(struct call *call, struct unit *unit)
{
	struct budget_spec spec;
	struct budget *budget;
	int64_t error;

	call_input(call, &spec, sizeof spec);
	error = budget_check(unit, &spec);
	budget = error ? 0 : budget_create(unit, &spec, &error);
	return budget ? call_result_object(call, &budget->object, RIGHT_ALL) : error;
}

int64_t sys_budget_configure(struct call *call, struct budget *budget)
{
	struct budget_spec spec;
	int64_t error;
	uint32_t share;

	call_input(call, &spec, sizeof spec);
	error = budget_check(budget->object.owner, &spec);
	if (error)
		return error;
	if (spec.cpu != budget->cpu->index)
		return E_ARGUMENT;
	/* Its queue and timer are its CPU's: only there they may be rebuilt. */
	if (budget->cpu != cpu_self())
		return E_STATE;
	share = budget_share(&spec);
	if (!share_change(budget->object.owner, spec.cpu, budget->share, share))
		return E_QUOTA_CPU;
	/* Point of no return. */
	budget->share = share;
	budget_reconfigure(budget, &spec);
	return E_OK;
}

int64_t sys_budget_info(struct call *call, struct budget *budget)
{
	call->second = budget->cpu->index;
	return (int64_t)budget->consumed;
}
