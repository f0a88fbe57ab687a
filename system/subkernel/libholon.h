/* libholon for guest programs: Holon's reserved calls as C functions. On another kernel they fail with errno
 * ENOSYS. */
#pragma once

#include <errno.h>
#include <holon/blueprint.h>
#include <holon/guest_calls.h>
#include <holon/portal.h>
#include <unistd.h>

static inline long holon_version(void)
{
	return syscall(HOLON_VERSION);
}
/* See abi/holon/guest_calls.h for each. -1 with errno on failure. */
static inline int holon_subkernel_create(const struct blueprint *blueprint, char *const argv[],
                                         char *const envp[], unsigned flags, uint64_t *number)
{
	return (int)syscall(HOLON_SUBKERNEL_CREATE, blueprint, argv, envp, flags, number);
}
static inline int holon_subkernel_list(unsigned index, struct subkernel_info *info)
{
	return (int)syscall(HOLON_SUBKERNEL_LIST, index, info);
}
static inline int holon_subkernel_kill(uint64_t number)
{
	return (int)syscall(HOLON_SUBKERNEL_KILL, number);
}
static inline int holon_subkernel_revoke(uint64_t number, unsigned grants)
{
	return (int)syscall(HOLON_SUBKERNEL_REVOKE, number, grants);
}
static inline int holon_subkernel_freeze(uint64_t number, int frozen)
{
	return (int)syscall(HOLON_SUBKERNEL_FREEZE, number, frozen);
}
static inline int holon_subkernel_wait(int terminal)
{
	return (int)syscall(HOLON_SUBKERNEL_WAIT, terminal);
}
static inline int holon_vault(enum holon_vault_operation operation, struct holon_vault *request)
{
	return (int)syscall(HOLON_VAULT, operation, request);
}
static inline int holon_block_list(unsigned index, char name[32])
{
	return (int)syscall(HOLON_BLOCK_LIST, index, name);
}
static inline int holon_subkernel_enter(uint64_t number, char *const argv[], char *const envp[],
                                        unsigned flags, uint64_t *entered)
{
	return (int)syscall(HOLON_SUBKERNEL_ENTER, number, argv, envp, flags, entered);
}
static inline ssize_t holon_subkernel_output(uint64_t number, uint32_t *position, void *buffer, size_t size)
{
	return syscall(HOLON_SUBKERNEL_OUTPUT, number, position, buffer, size);
}
static inline long holon_subkernel_offer(int file)
{
	return syscall(HOLON_SUBKERNEL_OFFER, file);
}
static inline int holon_subkernel_suspended(int terminal)
{
	return (int)syscall(HOLON_SUBKERNEL_SUSPENDED, terminal);
}
static inline int holon_portal_create(void)
{
	return (int)syscall(HOLON_PORTAL_CREATE);
}
static inline long holon_portal_offer(int portal)
{
	return syscall(HOLON_PORTAL_OFFER, portal);
}
static inline int holon_portal_next(int portal, struct portal_message *message)
{
	return (int)syscall(HOLON_PORTAL_NEXT, portal, message);
}
static inline int holon_portal_answer(int portal, const struct portal_message *message)
{
	return (int)syscall(HOLON_PORTAL_ANSWER, portal, message);
}
static inline int holon_portal_copy(int portal, uint64_t at, void *bytes, uint64_t count, int into)
{
	return (int)syscall(HOLON_PORTAL_COPY, portal, at, bytes, count, into);
}
static inline long holon_signed(enum holon_signed what, void *buffer, size_t size, uint64_t *time)
{
	return syscall(HOLON_SIGNED, what, buffer, size, time);
}
static inline long holon_quote(const void *nonce, size_t nonce_size, void *buffer, size_t size)
{
	return syscall(HOLON_QUOTE, nonce, nonce_size, buffer, size);
}
static inline int holon_subkernel_end_input(int terminal)
{
	return (int)syscall(HOLON_SUBKERNEL_END_INPUT, terminal);
}
