/* Guest memory, from the personality.
 *
 * The guest half of the current task's space is visible in the lower half, so that user memory is copied
 * directly; every access goes through these functions, whose instructions are in the exception table: a bad
 * address gives -EFAULT (the kernel resolves demand-zero and copy-on-write by itself, mm_fault the rest).
 * Addresses are checked against the native window and the end of user space. Only a task with an mm may use
 * them; a worker may not.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <holon/types.h>
#include "linux_abi.h"

/* True when [address, address + bytes) lies in the guest half. */
static inline bool user_range(uint64_t address, uint64_t bytes)
{
	uint64_t end;
	if (__builtin_add_overflow(address, bytes, &end) || end > USER_END)
		return false;
	return end <= NATIVE_BASE || address >= NATIVE_END;
}

/* 0 or -EFAULT. */
int copy_from_user(void *to, uint64_t from, size_t bytes) __attribute__((warn_unused_result));
int copy_to_user(uint64_t to, const void *from, size_t bytes) __attribute__((warn_unused_result));
int clear_user(uint64_t to, size_t bytes) __attribute__((warn_unused_result));
/* For structures that may be longer than what is known of them here: 0 where all of [FROM, END) is zero, or nothing; -E2BIG; -EFAULT. */
int user_rest_zero(uint64_t from, uint64_t end) __attribute__((warn_unused_result));
/* Bytes that were NOT copied (0 = all): for read and write, which report partial progress. */
size_t copy_from_user_partial(void *to, uint64_t from, size_t bytes) __attribute__((warn_unused_result));
size_t copy_to_user_partial(uint64_t to, const void *from, size_t bytes) __attribute__((warn_unused_result));
/* Copies a string of at most SIZE - 1 characters and its NUL. Its length; -EFAULT; -ENAMETOOLONG when no NUL
 * is found. */
int64_t copy_string_from_user(char *to, uint64_t from, size_t size) __attribute__((warn_unused_result));
int get_user_u32(uint32_t *to, uint64_t from) __attribute__((warn_unused_result));
int get_user_u64(uint64_t *to, uint64_t from) __attribute__((warn_unused_result));
int put_user_u32(uint64_t to, uint32_t value) __attribute__((warn_unused_result));
int put_user_u64(uint64_t to, uint64_t value) __attribute__((warn_unused_result));
/* Atomic compare-and-exchange on user memory: 0 with *SEEN the old value, or -EFAULT. */
int user_compare_exchange_u32(uint64_t address, uint32_t expected, uint32_t desired, uint32_t *seen)
    __attribute__((warn_unused_result));

enum io_flags {
	IO_APPEND = 1,    /* at the file's end, whatever the position */
	IO_NO_WAIT = 2,   /* -EAGAIN instead of a sleep */
	IO_DATA_SYNC = 4, /* as of O_DSYNC */
	IO_SYNC = 8,      /* as of O_SYNC */
	IO_BESIDE = 16,   /* it may give the common lock up while a file service is asked */
};

/* An iterator over the memory of a read or write: user segments, or one kernel buffer (exec, sendfile, core
 * code). */
struct io {
	const struct linux_iovec *segments; /* copied in and checked already; the current one first */
	uint32_t segment_count;
	uint32_t flags;     /* enum io_flags */
	bool kernel;        /* segment bases are the personality's own addresses */
	uint64_t done;      /* of the current segment, bytes */
	uint64_t remaining; /* in all, bytes */
};

void io_init_user(struct io *io, struct linux_iovec *one, uint64_t base, uint64_t bytes);
void io_init_kernel(struct io *io, struct linux_iovec *one, void *base, uint64_t bytes);
void io_init_vector(struct io *io, const struct linux_iovec *segments, uint32_t count);
/* Move up to BYTES from FROM into the iterator's memory (a read) or out of it into TO (a write) and advance.
 * Returns the bytes moved: fewer than asked when the memory ends; -EFAULT when nothing could be moved. */
int64_t io_put(struct io *io, const void *from, size_t bytes) __attribute__((warn_unused_result));
int64_t io_take(struct io *io, void *to, size_t bytes) __attribute__((warn_unused_result));
int64_t io_zero(struct io *io, size_t bytes) __attribute__((warn_unused_result));
