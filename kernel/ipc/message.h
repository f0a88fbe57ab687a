/* What a message carries beyond its words: bytes from page to page, capabilities from table to table. */
#pragma once

#include "thread.h"

struct transfer {
	uint32_t count;
	struct cap_view caps[MESSAGE_CAPS_MAX];
	uint64_t modes[MESSAGE_CAPS_MAX];
};

/* INFO as a sender may give it. */
static inline bool info_valid(uint64_t info)
{
	return !(info >> 15) && INFO_BYTES(info) <= MESSAGE_BYTES_MAX && INFO_CAPS(info) <= MESSAGE_CAPS_MAX;
}

/* Decodes what FROM wants to send with INFO and reserves room for it in the table of TO's unit. An error
 * undoes it all. */
int64_t transfer_prepare(struct transfer *transfer, struct thread *from, struct thread *to, uint64_t info);
void transfer_cancel(struct transfer *transfer, struct thread *to);
/* The message of FROM as the result of TO's call, with what was prepared. Cannot fail; the caller owns both
 * threads. A capability revoked since arrives as 0. */
void message_send(struct transfer *transfer, struct thread *from, struct thread *to, uint64_t badge,
                  uint64_t info);
