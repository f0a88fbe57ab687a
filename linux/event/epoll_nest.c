/* Epolls that watch epolls: what is allowed, found without walking more than a bounded part of them.
 *
 * As on Linux at most EPOLL_LEVELS of them watch one another in a row, none watches itself by way of others,
 * and the number of ways by which an event reaches an epoll that nobody watches is limited, or one write to a
 * pipe could wake millions. Each epoll knows how many levels are below it and whether it leads to files, by
 * counts that change with every link; what is above is looked for, which for an epoll that nobody watches is
 * nothing.
 */
#include "../internal.h"
#include "epoll.h"

#define STEPS_MAX 50000u /* of one call's search: beyond, the answer is no */

/* Ways from a file to epolls that nobody watches, by the number of epolls in between: as on Linux. */
static const uint32_t ways_max[EPOLL_LEVELS] = {UINT32_MAX, 500, 100, 50, 10};

#define NONE EPOLL_LEVELS

static uint64_t walks;

static struct epoll *epoll_of(const struct file *file)
{
	return file->ops == &epoll_ops ? file->private : 0;
}

/* Levels that COUNTS tell of: one more than the highest that somebody has. */
static uint32_t levels(const uint32_t counts[EPOLL_LEVELS])
{
	uint32_t level = EPOLL_LEVELS;
	while (level && !counts[level - 1])
		level--;
	return level;
}

/* A child of EPOLL with OLD levels below it (NONE: there was none) has NEW ones: tells those that watch EPOLL
 * what that changes. Recursion ends with the levels. */
static void lower_change(struct epoll *epoll, uint32_t old, uint32_t new)
{
	const struct epoll_item *item;
	uint32_t before = levels(epoll->lower);
	if (new != NONE)
		epoll->lower[new]++;
	if (old != NONE)
		epoll->lower[old]--;
	uint32_t after = levels(epoll->lower);
	if (before == after)
		return;
	list_for_each(item, &epoll->file->epoll_items, file_link)
	{
		if (item->counted)
			lower_change(item->epoll, before, after);
	}
}

static void leads_change(struct epoll *epoll, bool more)
{
	const struct epoll_item *item;
	epoll->leads += more ? 1 : -1u;
	if (epoll->leads != (more ? 1 : 0))
		return;
	list_for_each(item, &epoll->file->epoll_items, file_link)
	{
		if (item->counted)
			leads_change(item->epoll, more);
	}
}

/* Does a walk down from EPOLL come to SOUGHT? Only what has more levels below can lead there. */
static bool reaches(struct epoll *epoll, const struct epoll *sought, uint32_t *steps)
{
	const struct epoll_item *item;
	if (epoll == sought)
		return true;
	if (epoll->walk == walks || levels(epoll->lower) <= levels(sought->lower))
		return false;
	epoll->walk = walks;
	list_for_each(item, &epoll->nested, nested_link)
	{
		if (++*steps > STEPS_MAX || reaches(item->file->private, sought, steps))
			return true;
	}
	return false;
}

/* Are there more than MOST levels of epolls above EPOLL? */
static bool higher_than(struct epoll *epoll, uint32_t most, uint32_t *steps)
{
	const struct epoll_item *item;
	/* A node is walked again only if that leaves less room than before. */
	if (epoll->walk == walks && epoll->room <= most)
		return false;
	epoll->walk = walks;
	epoll->room = (uint8_t)most;
	list_for_each(item, &epoll->file->epoll_items, file_link)
	{
		if (!item->counted)
			continue;
		if (!most || ++*steps > STEPS_MAX || higher_than(item->epoll, most - 1, steps))
			return true;
	}
	return false;
}

/* Counts the ways up from FILE; false: there are too many. */
static bool ways_up(const struct file *file, uint32_t level, uint32_t ways[EPOLL_LEVELS], uint32_t *steps)
{
	const struct epoll_item *item;
	if (level >= EPOLL_LEVELS)
		return false;
	list_for_each(item, &file->epoll_items, file_link)
	{
		if (++*steps > STEPS_MAX)
			return false;
		if (list_empty(&item->epoll->file->epoll_items)) {
			if (++ways[level] > ways_max[level])
				return false;
		} else if (!ways_up(item->epoll->file, level + 1, ways, steps)) {
			return false;
		}
	}
	return true;
}

/* The same for every file that EPOLL watches or leads to. */
static bool ways_from_below(struct epoll *epoll, uint32_t *steps)
{
	const struct epoll_item *item;
	if (epoll->walk == walks || !epoll->leads)
		return true;
	epoll->walk = walks;
	list_for_each(item, &epoll->items, link)
	{
		struct epoll *below = epoll_of(item->file);
		uint32_t ways[EPOLL_LEVELS] = {0};
		if (++*steps > STEPS_MAX)
			return false;
		if (!(below ? ways_from_below(below, steps) : ways_up(item->file, 0, ways, steps)))
			return false;
	}
	return true;
}

int epoll_nest(struct epoll_item *item)
{
	struct epoll *epoll = item->epoll, *below = epoll_of(item->file);
	uint32_t steps = 0, ways[EPOLL_LEVELS] = {0};
	if (!below) {
		if (!list_empty(&epoll->file->epoll_items) && !ways_up(item->file, 0, ways, &steps))
			return -EINVAL;
		item->counted = true;
		leads_change(epoll, true);
		return 0;
	}
	uint32_t room = EPOLL_LEVELS - 1 - levels(below->lower);
	walks++;
	if (!room || higher_than(epoll, room - 1, &steps))
		return -ELOOP;
	walks++;
	if (!list_empty(&epoll->file->epoll_items) && reaches(below, epoll, &steps))
		return -ELOOP;
	walks++;
	if (!ways_from_below(below, &steps))
		return -EINVAL;
	list_append(&epoll->nested, &item->nested_link);
	item->counted = true;
	lower_change(epoll, NONE, levels(below->lower));
	if (below->leads)
		leads_change(epoll, true);
	return 0;
}

void epoll_unnest(struct epoll_item *item)
{
	struct epoll *epoll = item->epoll, *below = epoll_of(item->file);
	if (!item->counted)
		return;
	item->counted = false;
	if (!below) {
		leads_change(epoll, false);
		return;
	}
	list_remove(&item->nested_link);
	lower_change(epoll, levels(below->lower), NONE);
	if (below->leads)
		leads_change(epoll, false);
}
