/* The rounds of a mailbox: kernel/sched/wait.c, mailbox_push() and sched_mailbox().
 *
 * Two CPUs push threads; the receiver takes the whole mailbox at once, but serves few a round. A push interrupts it only
 * where it found the mailbox empty, and interrupts that come while one is pending merge with it.
 *
 * Checked: all that is pushed is served in the end.
 *
 * -DBUG_LOOK_AT_TAKEN  at the end of a round the CPU looks only at what it has taken already
 */
#define SLICE 2
#define PUSHES 4

byte box, taken, served;
bit pending;

proctype Pusher()
{
	byte i;
	bit first;

	for (i : 1 .. PUSHES) {
		atomic { first = box == 0; box++ };
		if
		:: first -> pending = 1
		:: else
		fi
	}
}

proctype Cpu()
{
	byte count;

	do
	:: atomic { pending -> pending = 0 };
		count = 0;
		do
		:: count < SLICE ->
			if
			:: taken == 0 -> atomic { taken = box; box = 0 }
			:: else
			fi;
			if
			:: taken == 0 -> break
			:: else -> taken--; served++; count++
			fi
		:: else -> break
		od;
		if
		:: taken > 0 -> pending = 1
#ifndef BUG_LOOK_AT_TAKEN
		:: taken == 0 && box > 0 -> pending = 1
#endif
		:: else
		fi
	:: timeout -> break
	od
}

init {
	atomic { run Cpu(); run Pusher(); run Pusher() };
	(_nr_pr == 1);
	assert(served == 2 * PUSHES);
	assert(box == 0 && taken == 0)
}
