/* PID namespaces: pid_namespaces(7). The personality knows everything by its number in the first; numbers are translated
 * where a guest names or sees one.
 */
#include "../internal.h"
#include "../proc/proc.h"
#include "../task/number.h"
#include "../trace/trace.h"

#define BUCKETS 64u

struct pid_namespace pid_namespace_first = {
    .common = {.kind = NAMESPACE_PID, .references = 1, .inode = 4026531836, .owner = &user_namespace_first}};

struct pid_namespace *pid_namespace_current(void)
{
	const struct process *process = current_task()->process;
	return process ? process->pids : &pid_namespace_first;
}

static struct number_alias *alias_find(const struct pid_namespace *pids, int32_t number)
{
	struct number_alias *alias = number > 0 ? pids->buckets[(uint32_t)number % BUCKETS] : 0;
	while (alias && alias->number != number)
		alias = alias->next;
	return alias;
}

int32_t pid_in(const struct pid_namespace *pids, int32_t id)
{
	if (!pids->level)
		return id;
	const struct number *number = number_find(id);
	if (!number || number->pids->level < pids->level)
		return 0;
	const struct pid_namespace *at = number->pids;
	while (at->level > pids->level)
		at = at->parent;
	return at == pids ? number->aliases[pids->level - 1].number : 0;
}

int32_t pid_seen(int32_t id)
{
	return pid_in(pid_namespace_current(), id);
}

int32_t pid_seen_by(const struct process *process, int32_t id)
{
	return pid_in(process->pids, id);
}

int32_t pid_named_in(const struct pid_namespace *pids, int32_t number)
{
	if (!pids->level || number <= 0)
		return number;
	const struct number_alias *alias = alias_find(pids, number);
	return alias ? alias->of->id : INT32_MAX;
}

int32_t pid_named(int32_t number)
{
	return pid_named_in(pid_namespace_current(), number);
}

void proc_numbers(struct proc_text *text, const char *title, const struct pid_namespace *pids, int32_t id)
{
	const struct number *number = number_find(id);
	proc_print(text, "%s:", title);
	for (uint32_t level = pids->level; number && level <= number->pids->level; level++)
		proc_print(text, "\t%d", level ? number->aliases[level - 1].number : number->id);
	proc_print(text, "%s\n", number && number->pids->level >= pids->level ? "" : "\t0");
}

/* ---- Giving numbers ---- */

static void alias_remove(struct pid_namespace *pids, struct number_alias *alias)
{
	struct number_alias **at = &pids->buckets[(uint32_t)alias->number % BUCKETS];
	while (*at != alias)
		at = &(*at)->next;
	*at = alias->next;
}

static int32_t number_free(struct pid_namespace *pids)
{
	for (int32_t tries = 0; tries < PID_MAX; tries++) {
		if (++pids->last >= PID_MAX)
			pids->last = PID_RESERVED;
		if (!alias_find(pids, pids->last))
			return pids->last;
	}
	return 0;
}

/* WISHED 0: any number. */
static bool alias_enter(struct pid_namespace *pids, struct number_alias *alias, int32_t wished)
{
	int32_t chosen = wished ? wished : number_free(pids);
	if (!chosen)
		return false;
	struct number_alias **bucket = &pids->buckets[(uint32_t)chosen % BUCKETS];
	alias->number = chosen;
	alias->next = *bucket;
	*bucket = alias;
	return true;
}

int number_wish_check(const struct number_wish *wish, const struct pid_namespace *pids)
{
	if (!wish)
		return 0;
	if (wish->count > pids->level + 1)
		return -EINVAL;
	const struct pid_namespace *at = pids;
	for (uint32_t i = 0; i < wish->count; i++, at = at->parent) {
		int32_t wished = wish->numbers[i];
		if (wished < 1 || wished >= PID_MAX || (wished != 1 && at->level && !at->init))
			return -EINVAL;
		if (!capable_in(at->common.owner, CAP_CHECKPOINT_RESTORE) &&
		    !capable_in(at->common.owner, CAP_SYS_ADMIN))
			return -EPERM;
		if (at->level ? alias_find(at, wished) != 0 : number_find(wished) != 0)
			return -EEXIST;
	}
	return 0;
}

bool number_enter(struct number *number, struct pid_namespace *pids, const struct number_wish *wish)
{
	if (pids->level) {
		number->aliases = heap_allocate(pids->level * sizeof(*number->aliases));
		if (!number->aliases)
			return false;
	}
	for (struct pid_namespace *at = pids; at->level; at = at->parent) {
		struct number_alias *alias = &number->aliases[at->level - 1];
		alias->of = number;
		if (alias_enter(at, alias, number_wished(wish, pids, at)))
			continue;
		for (struct pid_namespace *done = pids; done != at; done = done->parent)
			alias_remove(done, &number->aliases[done->level - 1]);
		heap_free(number->aliases);
		number->aliases = 0;
		return false;
	}
	number->pids = pids;
	(void)namespace_reference(&pids->common);
	return true;
}

void number_leave(struct number *number)
{
	for (struct pid_namespace *at = number->pids; at->level; at = at->parent)
		alias_remove(at, &number->aliases[at->level - 1]);
	heap_free(number->aliases);
	namespace_release(&number->pids->common);
}

/* ---- Life ---- */

struct namespace *pid_namespace_copy(struct namespace *from, struct user_namespace *owner, int *error)
{
	struct pid_namespace *parent = container_of(from, struct pid_namespace, common);
	/* One that already is for the children, and not the task's own, has children of its own alone. */
	if (parent != pid_namespace_current()) {
		*error = -EINVAL;
		return 0;
	}
	if (parent->level >= NESTING_MAX) {
		*error = -ENOSPC;
		return 0;
	}
	if (!user_namespace_within(owner, parent->common.owner)) {
		*error = -EINVAL;
		return 0;
	}
	struct pid_namespace *made = heap_allocate(sizeof(*made));
	if (made)
		made->buckets = heap_allocate(BUCKETS * sizeof(struct number_alias *));
	*error = made && made->buckets ? namespace_init(&made->common, NAMESPACE_PID, owner) : -ENOMEM;
	if (*error) {
		if (made)
			heap_free(made->buckets);
		heap_free(made);
		return 0;
	}
	made->level = parent->level + 1;
	made->parent = parent;
	(void)namespace_reference(from);
	return &made->common;
}

void pid_namespace_free(struct namespace *namespace)
{
	struct pid_namespace *pids = container_of(namespace, struct pid_namespace, common);
	namespace_deinit(namespace);
	namespace_release(&pids->parent->common);
	heap_free(pids->buckets);
	heap_free(pids);
}

void pid_namespace_arrive(struct process *process)
{
	struct pid_namespace *own = process->pids;
	own->processes++;
	for (struct pid_namespace *at = own->parent; at; at = at->parent)
		at->processes++;
	if (process->number == 1 && own->level) {
		own->init = process;
		process->unkillable = true;
	}
}

void pid_namespace_depart(struct process *process)
{
	struct pid_namespace *own = process->pids, *at = own;
	do {
		at->processes--;
		if (at->ended && at->init && at->init->leader && at->init != process)
			task_wake(at->init->leader);
	} while ((at = at->parent) != 0);
	if (own->init == process && own->level) {
		own->init = 0;
		own->ended = true;
	}
}

bool process_shielded(const struct process *process)
{
	const struct process *sender = current_task()->process;
	return process == init_process ||
	       (process->unkillable && sender && pid_in(process->pids, sender->pid) != 0);
}

void pid_namespace_end(struct process *init)
{
	struct pid_namespace *pids = init->pids;
	struct process *process, *next;
	pids->ended = true;
	for (process = process_next(0); process; process = process_next(process))
		if (process != init && pid_in(pids, process->pid))
			(void)signal_send_process(process, SIGKILL, 0);
	/* What ends from here on leaves no zombie for it; those that did are let go. What has another parent, outside, or a
	 * tracer there, is waited for. */
	list_for_each_safe(process, next, &init->children, sibling) if (process->zombie && !process->trace)
	    process_unlink(process);
	while (pids->processes > 1)
		wait_sleep_always();
}
