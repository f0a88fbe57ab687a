/* The calls of abi/file.interface as the backing makes them. The interface's create() would have the name of
 * the personality's own file_create: here it is file_service_create. */
#pragma once

#include <holon/file.h>
#include "../internal.h"
#include "../native/native.h"
#define file_create file_service_create
#include "file.interface.h"
#undef file_create
#include "service_reply.h"

/* CALL in the session of BACKING, with an error of Linux. */
#define SERVICE(backing, call, ...)                                                                          \
	linux_error_of_service(file_##call((backing)->session, current_page(), ##__VA_ARGS__, DEADLINE_NEVER))

/* The same where it changes something: with the common lock given up, as far as that may be. Takes no bytes out of the answer. */
#define CHANGE(backing, call, ...)                                                                           \
	({                                                                                                   \
		handle_t session_ = (backing)->session;                                                      \
		enum common_mode before_ = change_give(backing);                                             \
		int64_t result_ = file_##call(session_, current_page(), ##__VA_ARGS__, DEADLINE_NEVER);      \
		common_take(before_);                                                                        \
		linux_error_of_service(result_);                                                             \
	})

#define UPPER_INODE (1ull << 32) /* added to the service's numbers where the image's are there too */

struct backing;
struct listing;
struct ram_node;

/* The common lock is given up where the current thread makes a change and may; COMMON_NOT: it is kept. */
enum common_mode change_give(const struct backing *backing);

/* The buffer's lock, with the common lock given up, as far as that may be, while somebody else has it. */
void backing_buffer_take(struct backing *backing);

int backing_lookup(struct backing *backing, uint64_t directory, const char *name,
                   struct file_attributes *found);
struct linux_timespec backing_time(int64_t ns);
/* backing_shared.c: whether NAME of DIRECTORY is entered already, as NODE; one that is another goes. */
bool backing_seen(struct ram_node *directory, const char *name, uint32_t length, uint64_t node);
/* NODE is UPPER in the service: the use that came with it is NODE's. */
int backing_take_upper(struct ram_node *node, uint64_t upper);
/* A use of the service's node UPPER more is the tree's; false: the tree does not have the node. */
bool backing_use(struct backing *backing, uint64_t upper);
/* COUNT of FOUND, each with a use, are what the service's directory UPPER has from NAME on: their nodes are entered. */
void backing_nodes(struct backing *backing, uint64_t upper, const char *name, struct file_attributes *found,
                   uint32_t count);
/* The image's node that NAME shows in DIRECTORY where nothing of the service hides it; -1: none. */
int64_t backing_image_child(const struct ram_node *directory, const char *name);
/* The inode number of what the service has as UPPER under NAME. */
uint64_t backing_inode_of(const struct ram_node *directory, const char *name, uint64_t upper);
/* LISTING is what the directory UPPER has in the service; false: nobody needs it any more. */
bool backing_listing_keep(struct backing *backing, uint64_t upper, struct listing *listing);
/* Room for BYTES from START on that are about to be written to UPPER, which are no page of a node here (backing_data.c). */
int backing_credit_spend(struct backing *backing, uint64_t upper, uint64_t start, uint64_t bytes);
int backing_remove(struct backing *backing, uint64_t directory, const char *name, bool is_directory);
/* Removes all in the service's directory UPPER, which shows nothing: whiteouts alone are in it. */
int backing_empty(struct backing *backing, uint64_t upper);
