/* The mailbox protocol: kernel/sched/wait.c, request() and sched_mailbox().
 *
 * Two requesters post to one thread while a third claims it and moves it to the other CPU (sched_wake with a budget of
 * that CPU). Requests are or-ed into the thread's word; only who finds 0 pushes the thread, on the mailbox of the CPU it
 * then belongs to; the CPU takes all requests at once and forwards what is no longer its own.
 *
 * Checked: the thread is in at most one mailbox; a wake is obeyed by the CPU the thread belongs to, once; after the wake
 * and a halt, the halt is obeyed; nothing is left over.
 *
 * -DBUG_PUSH_ALWAYS    every requester pushes
 * -DBUG_TAKE_SPLIT     the CPU reads the requests and then clears them
 * -DBUG_NO_FORWARD     the CPU serves what it finds, whoever's it is
 * -DBUG_NO_SECOND_LOOK a look trusts that the thread still belongs to this CPU
 * -DBUG_LOOK_ONCE      the halt is seen only by its own request, not when the thread is enqueued
 */
#define WAKE 1
#define LOOK 2

byte requests;          /* bits */
byte cpu_of;            /* thread->cpu */
bit in_box[2];
bit queued;             /* in the run queue of cpu_of */
bit halt, stopped;
byte wakes, posted, served_wakes;

inline push(c) {
	atomic { assert(!in_box[0] && !in_box[1]); in_box[c] = 1 }
}

inline post(bits) {
	byte old;
	byte target;
	atomic { old = requests; requests = requests | bits };
	target = cpu_of;
#ifdef BUG_PUSH_ALWAYS
	push(target)
#else
	if :: old == 0 -> push(target) :: else fi
#endif
}

inline enqueue() {
	atomic {
#ifndef BUG_LOOK_ONCE
		if
		:: halt -> stopped = 1
		:: else -> queued = 1
		fi
#else
		queued = 1
#endif
	}
}

/* Claims the thread, gives it a budget of the other CPU and wakes it. */
proctype Waker()
{
	cpu_of = 1;
	wakes++;
	post(WAKE);
	posted++
}

/* thread_halt: the flag first, then the request. */
proctype Halter()
{
	halt = 1;
	post(LOOK);
	posted++
}

/* Something else that looks, such as a kick. */
proctype Kicker()
{
	post(LOOK);
	posted++
}

proctype Cpu(byte self)
{
	byte bits;
	bit found;

	do
	:: atomic { in_box[self] -> in_box[self] = 0 };
#ifdef BUG_TAKE_SPLIT
		bits = requests;
		requests = 0;
#else
		atomic { bits = requests; requests = 0 };
#endif
		if
#ifndef BUG_NO_FORWARD
		:: cpu_of != self -> post(bits)
#endif
		:: else ->
			if
			:: bits & WAKE ->
				assert(cpu_of == self);
				assert(!served_wakes);
				served_wakes++;
				enqueue()
			:: else
			fi;
			if
			:: bits & LOOK ->
				/* halted or not is read last; the queue before the CPU */
				found = queued;
				if
#ifndef BUG_NO_SECOND_LOOK
				:: found && cpu_of != self -> post(LOOK)
#endif
#ifndef BUG_NO_SECOND_LOOK
				:: found && cpu_of == self && halt -> queued = 0; stopped = 1
#else
				:: found && halt -> assert(cpu_of == self); queued = 0; stopped = 1
#endif
				:: else /* claimed and on its way: enqueue looks itself */
				fi
			:: else
			fi
		fi
	:: timeout -> break
	od
}

init {
	atomic { run Cpu(0); run Cpu(1); run Waker(); run Halter(); run Kicker() };
	(_nr_pr == 1);
	assert(requests == 0);
	assert(served_wakes == 1);
	assert(stopped && !queued)
}
