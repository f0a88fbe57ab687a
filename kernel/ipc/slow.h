/* Between the hot paths and the complete ones: same contract, and when to use which. */
#pragma once

#include "thread.h"

void channel_call_slow(struct thread *self);
void channel_reply_receive_slow(struct thread *self);
