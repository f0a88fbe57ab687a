/* Saved replies. */
#pragma once

#include "channel.h"
#include "thread.h"

/* SYS_CHANNEL_REPLY with a saved reply's handle: sets SELF's result. */
void reply_use(struct thread *self, handle_t handle, uint64_t info);
