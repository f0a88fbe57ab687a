/* System calls whose arguments or results pass through the calling thread's page. */
#include "holon.h"
#include "syscall_numbers.inc"
#include "text.h"

_Static_assert(NUMBER_CHANNEL_CALL == SYS_CHANNEL_CALL, "message.S agrees with the ABI");
_Static_assert(NUMBER_CHANNEL_REPLY_RECEIVE == SYS_CHANNEL_REPLY_RECEIVE, "message.S agrees with the ABI");
_Static_assert(NUMBER_CHANNEL_RECEIVE == SYS_CHANNEL_RECEIVE, "message.S agrees with the ABI");
_Static_assert(NUMBER_CHANNEL_REPLY == SYS_CHANNEL_REPLY, "message.S agrees with the ABI");
_Static_assert(offsetof(struct message, info) == 64 && offsetof(struct message, badge) == 72,
               "message.S agrees");

int64_t unit_create(struct thread_page *page, handle_t parent, const struct unit_spec *spec)
{
	memcpy(page->bytes, spec, sizeof(*spec));
	return SYSCALL1(SYS_UNIT_CREATE, parent);
}

int64_t unit_info(struct thread_page *page, handle_t unit, struct unit_info *info)
{
	int64_t result = SYSCALL1(SYS_UNIT_INFO, unit);
	if (result >= 0)
		memcpy(info, page->bytes, sizeof(*info));
	return result;
}

int64_t memory_info(struct thread_page *page, handle_t memory, struct memory_info *info)
{
	int64_t result = SYSCALL1(SYS_MEMORY_INFO, memory);
	if (result >= 0)
		memcpy(info, page->bytes, sizeof(*info));
	return result;
}

int64_t memory_label(struct thread_page *page, handle_t memory, const struct label *label)
{
	memcpy(page->bytes, label, sizeof(*label));
	return SYSCALL1(SYS_MEMORY_LABEL, memory);
}

int64_t memory_find(struct thread_page *page, handle_t scope, uint64_t index, const struct label *label)
{
	memcpy(page->bytes, label, sizeof(*label));
	return SYSCALL2(SYS_MEMORY_FIND, scope, index);
}

int64_t thread_create(struct thread_page *page, handle_t unit, handle_t space, handle_t page_memory,
                      uint64_t page_offset, const struct thread_spec *spec)
{
	memcpy(page->bytes, spec, sizeof(*spec));
	return SYSCALL4(SYS_THREAD_CREATE, unit, space, page_memory, page_offset);
}

int64_t budget_create(struct thread_page *page, handle_t unit, const struct budget_spec *spec)
{
	memcpy(page->bytes, spec, sizeof(*spec));
	return SYSCALL1(SYS_BUDGET_CREATE, unit);
}

int64_t system_info(struct thread_page *page, struct system_info *info)
{
	int64_t result = SYSCALL0(SYS_SYSTEM_INFO);
	if (result >= 0)
		memcpy(info, page->bytes, sizeof(*info));
	return result;
}
