/* Restartable sequences, rseq(2), and who is in its guest on each processor.
 *
 * The substrate takes a thread off its processor in the midst of its guest and puts it back without telling anybody. What a
 * sequence must not miss, though, is only this: another guest of the sub-kernel ran on that processor meanwhile, or the thread
 * goes on on another processor. So each processor has a *place* that names the thread which is in its guest there. Who enters its
 * guest takes the place first, and kicks the thread that it finds there where that is still in its guest: before it runs an
 * instruction more, it comes back here and finds that it has lost its place. At any time at most one thread of a processor is in
 * its guest without having been kicked. guest.S looks whether the place is still the thread's own; all else is here.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "task.h"

#define RSEQ_BYTES 32u /* of the memory that is registered */

struct mm;

/* The current task, which is about to enter its guest with no lock held, has no place, or lost it: takes it, and restarts the
 * sequence that the guest is in, if any. NUMBER: the call that it comes from, or -1. True: there is work to do first. */
bool rseq_enter(int64_t number);
/* The thread of AREA looks again before it next enters its guest. Its own thread may say so, or the one that kicks it afterwards. */
void rseq_look(struct thread_area *area);
/* A handler of the current task is about to run: restarts the sequence that it interrupts. The common lock is held alone.
 * 0, or an error: the program gets SIGSEGV. */
int rseq_signal(void);
/* All sequences that threads of MM are in on processor CPU (-1: on any) are restarted before this returns. The common lock is held
 * alone, and may be given up meanwhile. */
void rseq_barrier(const struct mm *mm, int cpu);
