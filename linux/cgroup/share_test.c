/* What groups and threads have of a processor by their weights, also of one that wants it between the two looks. */
#include "cgroup.h"

#include <stdio.h>

#define WHOLE (1u << 24)

struct cgroup cgroup_root = {.subtree = CONTROLLER_CPU};
static unsigned failures;

static void check(bool good, const char *name)
{
	printf("%s %s\n", good ? "ok" : "not ok", name);
	failures += !good;
}

static struct cgroup group_in(struct cgroup *parent, uint64_t shares)
{
	return (struct cgroup){.parent = parent, .cpu.shares = shares};
}

static bool near(uint32_t part, uint32_t wanted)
{
	return part + 2 >= wanted && part <= wanted + 2;
}

int main(void)
{
	struct cgroup one = group_in(&cgroup_root, 1024), three = group_in(&cgroup_root, 3072);
	struct cgroup inner = group_in(&three, 10); /* without the controller: its threads are three's */
	const struct task alone = {.cgroup = &one}, first = {.cgroup = &three}, second = {.cgroup = &inner};
	cgroup_compete(&alone, 15, 1);
	cgroup_compete(&first, 1024, 1);
	cgroup_compete(&second, 1024, 1);
	check(near(cgroup_part(&alone, 15), WHOLE / 4) && near(cgroup_part(&first, 1024), WHOLE / 8 * 3) &&
	          near(cgroup_part(&second, 1024), WHOLE / 8 * 3),
	      "parts");
	/* A thread that woke since, in a group that was in no look, or in one where a lighter thread was. */
	struct cgroup new = group_in(&cgroup_root, 1024);
	const struct task late = {.cgroup = &new}, heavy = {.cgroup = &one};
	uint32_t part = cgroup_part(&late, 1024);
	check(part && part <= WHOLE, "in no sum");
	part = cgroup_part(&heavy, 88761);
	check(part && part <= WHOLE, "more than the sum");
	return failures != 0;
}
