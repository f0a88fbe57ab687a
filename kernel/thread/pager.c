/* Pagers: threads that wait for a page, or for leave to write to one, and the calls of who serves them. */
#include <bytes.h>
#include <calls.h>
#include <event.h>
#include <memory.h>
#include "sched.h"

#define ANSWER_SLICE 48u

uint64_t thread_wait_pager(struct thread *thread, struct memory *memory, uint64_t page, bool write)
{
	static const uint64_t failures[] = {
	    [PAGER_FAILED] = FAULT_PAGER_FAILED, [PAGER_FULL] = FAULT_PAGER_FULL};
	uint64_t wanted = page | (write ? WANTED_WRITE : 0);
	enum pager_answer answer = thread->pager_answer;
	struct object *event;

	thread->pager_answer = PAGER_ALLOW;
	if (answer && thread->wanted_page == wanted)
		return failures[answer];
	lock_take(&memory->lock);
	/* It came in between: the instruction runs again. */
	if (memory->object.dead || memory_there(memory, radix_find(memory, page), write)) {
		lock_release(&memory->lock);
		return 0;
	}
	thread->queue_lock = &memory->lock;
	thread->wanted_page = wanted;
	thread->pager_pass = memory->waking.pass;
	list_append(&memory->wanting, &thread->queue_node);
	wait_begin(thread, THREAD_PAGER, DEADLINE_NEVER);
	event = cap_target(&memory->bound);
	lock_release(&memory->lock);
	if (event)
		event_signal((struct event *)event, 1);
	if (thread->kicked && thread->in_guest)
		thread_kicked(thread);
	return 0;
}

int64_t sys_memory_wanted(struct call *call, struct memory *memory)
{
	int64_t offset = E_NOT_FOUND;

	if (memory->kind != MEMORY_PAGER)
		return E_TYPE;
	lock_take(&memory->lock);
	if (memory->told.next != &memory->wanting) {
		struct list *node = memory->told.next;
		uint64_t page = container_of(node, struct thread, queue_node)->wanted_page;

		offset = (int64_t)((page & ~WANTED_WRITE) * PAGE_SIZE_BYTES | page >> 63);
		list_remove(node);
		/* In each part of the queue those that a waking has passed are last. */
		if (container_of(node, struct thread, queue_node)->pager_pass == memory->waking.pass)
			list_append(&memory->told, node);
		else
			list_prepend(&memory->wanting, node);
	}
	lock_release(&memory->lock);
	return offset;
}

int64_t sys_memory_pager(struct call *call, struct memory *memory, struct event *pager, uint64_t flags)
{
	uint64_t pass = 0;
	int64_t status;

	if (memory->kind != MEMORY_PAGER)
		return E_TYPE;
	lock_take(&memory->lock);
	if (memory->waking.active) {
		lock_release(&memory->lock);
		memory_wake(memory, 0, 0, PAGER_ALLOW, &pass);
		return CALL_RESTART;
	}
	cap_detach(&memory->bound);
	status = memory->object.dead ? E_HANDLE : cap_attach(&memory->bound, &call->caps[1], 0, 0);
	memory->asks_writes = flags & PAGER_WRITES;
	if (memory->asks_writes)
		memory->tracked |= ENTRY_MARK(DIRTY_WRITEBACK);
	list_remove(&memory->told);
	list_prepend(&memory->wanting, &memory->told);
	lock_release(&memory->lock);
	if (status == E_OK && memory->told.next != &memory->wanting)
		event_signal(pager, 1);
	return status;
}

int64_t sys_memory_answer(struct call *call, struct memory *memory, uint64_t offset, uint64_t bytes,
                          uint64_t answer)
{
	/* Progress: pages marked; then the number of the waking behind their count. */
	uint64_t first, count, *progress = &call->self->progress, at, end, pass;
	bool done;

	if (memory->kind != MEMORY_PAGER)
		return E_TYPE;
	if (!page_range(offset, bytes, &first, &count) || first + count > memory->pages)
		return E_ARGUMENT;
	at = answer == PAGER_ALLOW && *progress < count ? *progress : count;
	end = count - at > ANSWER_SLICE ? at + ANSWER_SLICE : count;
	lock_take(&memory->lock);
	for (uint64_t page = first + at; page < first + end; page++) {
		uint64_t *entry = memory->object.dead ? 0 : radix_find(memory, page);

		if (entry && *entry)
			*entry |= ENTRY_MARK(DIRTY_WRITEBACK);
	}
	lock_release(&memory->lock);
	if (at < count) {
		*progress = end;
		return CALL_RESTART;
	}
	pass = *progress > count ? *progress - count : 0;
	done = memory_wake(memory, first, first + count, (enum pager_answer)answer, &pass);
	*progress = count + pass;
	return done ? E_OK : CALL_RESTART;
}
