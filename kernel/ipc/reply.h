/* Answers to callers, by the thread that serves them or by a saved reply. */
#pragma once

#include "channel.h"
#include "thread.h"

/* Delivers SELF's answer, to its caller, or to REPLY's where that is not 0. *ANSWERED: who has it, claimed, with
 * its budget, to be woken; 0: nobody waits for it any more. On an error nothing has happened. */
int64_t answer(struct thread *self, struct reply *reply, uint64_t info, struct thread **answered);
/* SYS_CHANNEL_REPLY with a saved reply's handle: sets SELF's result. */
void reply_use(struct thread *self, handle_t handle, uint64_t info);
