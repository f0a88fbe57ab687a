/* Calls, replies, donation, and everything that may end a wait: kernel/sched/wait.c, kernel/ipc/channel.c.
 *
 * A caller makes calls to a server that runs on the lent budget, or goes on with its own where that one starves (sched/serve.c);
 * at any time somebody cancels the caller (as a cancel, a
 * stop and a kill do), and a timer set for the server's receive may run out. Each wait is a word (number, state); whoever
 * swaps it for READY owns the thread until it wakes it.
 *
 * Checked: a thread never has two owners; each wait ends once; a reply never ends a later wait than its own; a thread that
 * runs has a budget, and a lent budget is used by one of both alone unless the call was cut; nobody waits for ever.
 *
 * -DBUG_NO_NUMBER      the reply claims by state alone
 * -DBUG_NOT_ATOMIC     the claim is a read and then a write
 * -DBUG_STALE_WAIT     a server that gives the lent budget back goes on with the old number of its caller's wait
 * -DBUG_FORGET_LATE    the canceller wakes the caller before it clears the server's pointer (and the claim is by state)
 */
#define CALLS 2

mtype = { READY, RECEIVING, REPLY };

typedef thread {
	byte number;
	mtype state;
	byte owners;    /* parties that believe the thread is theirs alone */
	bit woken;      /* sched_wake was called */
	byte result;    /* 1 reply, 2 cancelled, 3 timeout */
	bit budget;     /* has one to run on */
};

thread caller, server;
bit serving;            /* server->caller != 0 */
byte serving_number;    /* server->caller_wait */
bit donated;            /* the server is on the caller's budget */
bit message;            /* delivered to the server */
byte calls, ends, cancels;
byte reply_for;         /* number of the call whose answer the caller got */
bit caller_done;
bit other_serving;      /* another server has the caller's call, on its own budget */
byte other_number;

#ifdef BUG_NOT_ATOMIC
#define CLAIM(t, n, s, won) \
	if :: t.number == n && t.state == s -> t.state = READY; won = 1 :: else -> won = 0 fi
#define BY_NUMBER(t, n, s, won) CLAIM(t, n, s, won)
#else
#define CLAIM(t, n, s, won) \
	atomic { if :: t.number == n && t.state == s -> t.state = READY; t.owners++; won = 1 :: else -> won = 0 fi }
#define BY_NUMBER(t, n, s, won) CLAIM(t, n, s, won)
#endif
#ifdef BUG_NOT_ATOMIC
#define OWN(t) t.owners++
#else
#define OWN(t) skip
#endif
#define WAKE(t) atomic { assert(t.owners == 1); assert(!t.woken); t.owners--; t.woken = 1 }

proctype Caller()
{
	bit won;
	byte n;

	do
	:: calls < CALLS -> /* a call to another server, which was waiting */
		calls++;
		caller.result = 0;
		other_number = caller.number + 1;
		atomic { caller.number++; caller.state = REPLY };
		other_serving = 1;
		atomic { caller.woken -> caller.woken = 0 };
		assert(caller.result == 1 || caller.result == 2);
		assert(caller.result != 1 || reply_for == caller.number)
	:: calls < CALLS ->
		n = server.number;
		if
		:: server.state == RECEIVING ->
			CLAIM(server, n, RECEIVING, won);
			if
			:: won ->
				OWN(server);
				/* Point of no return. */
				calls++;
				serving_number = caller.number + 1;
				serving = 1;
				message = 1;
				server.budget = 1;
				donated = 1;
				caller.budget = 0;
				caller.result = 0;
				atomic { caller.number++; caller.state = REPLY }
				server.result = 1;
				WAKE(server);
				/* blocked */
				atomic { caller.woken -> caller.woken = 0 }
				assert(caller.budget);
				assert(caller.result == 1 || caller.result == 2);
				assert(caller.result != 1 || reply_for == caller.number);
			:: else
			fi
		:: else -> break /* in the kernel it would queue; here it gives up */
		fi
	:: else -> break
	od;
	caller_done = 1
}

proctype Server()
{
	bit won;
	byte n, served;

	do
	:: /* receive */
		server.budget = 0;
		message = 0;
		server.result = 0;
		atomic { server.number++; server.state = RECEIVING };
end:		atomic { server.woken -> server.woken = 0 }
		if
		:: server.result == 3 -> server.budget = 1 /* time-out: its own budget */
		:: else ->
			assert(message && server.budget);
			/* It would have to wait for a CPU on the lent budget: its reserve takes over, and what was lent goes
			 * back to the caller, which still waits (serve_on). */
			if
			:: serving && donated ->
				n = serving_number;
				BY_NUMBER(caller, n, REPLY, won);
				if
				:: won ->
					OWN(caller);
#ifndef BUG_STALE_WAIT
					serving_number = n + 1;
#endif
					caller.budget = 1;
					atomic { caller.owners--; caller.number++; caller.state = REPLY }
				:: else
				fi;
				server.budget = 1;
				donated = 0
			:: true
			fi;
			/* reply: a copy of what is in the server's hands */
			won = 0;
			if
			:: serving ->
				served = serving_number;
				serving = 0;
				n = served;
#if defined(BUG_NO_NUMBER) || defined(BUG_FORGET_LATE)
				n = caller.number;
#endif
				BY_NUMBER(caller, n, REPLY, won);
			:: else
			fi
			if
			:: won ->
				OWN(caller);
				ends++;
				if :: donated -> caller.budget = 1; server.budget = 0; donated = 0 :: else fi;
				caller.result = 1;
				reply_for = served;
				WAKE(caller)
			:: else -> donated = 0 /* the answer goes nowhere; the budget is dropped */
			fi
		fi
	od
}

proctype Other()
{
	bit won;
	byte served;

	do
	:: atomic { other_serving -> other_serving = 0; served = other_number };
		CLAIM(caller, served, REPLY, won);
		if
		:: won -> OWN(caller); ends++; caller.result = 1; reply_for = served; WAKE(caller)
		:: else
		fi
	:: timeout -> break
	od
}

/* A cancel, a stop or a kill from another CPU. */
proctype Canceller()
{
	bit won;
	byte n;

	do
	:: cancels < 2 ->
		cancels++;
		n = caller.number;
		if
		:: caller.state == REPLY ->
			CLAIM(caller, n, REPLY, won);
			if
			:: won ->
				OWN(caller);
				ends++;
#ifdef BUG_FORGET_LATE
				caller.result = 2;
				caller.budget = 1;
				WAKE(caller);
				serving = 0
#else
				/* call_forget (kernel/sched/wait.c): before the caller goes on; it is still this call's */
				atomic { if :: serving && serving_number == n -> serving = 0 :: other_serving && other_number == n -> other_serving = 0 :: else fi };
				caller.result = 2;
				caller.budget = 1; /* its own again; the server keeps the lent one until it receives */
				WAKE(caller)
#endif
			:: else
			fi
		:: else
		fi
	:: break
	od
}

/* The server's receive may have a deadline: a stale timer must miss. */
proctype Timer()
{
	bit won;
	byte n;

	n = server.number;
	if
	:: server.state == RECEIVING ->
		CLAIM(server, n, RECEIVING, won);
		if
		:: won -> OWN(server); server.result = 3; WAKE(server)
		:: else
		fi
	:: else
	fi
}

init {
	atomic {
		caller.state = READY; server.state = READY; caller.budget = 1; server.budget = 1;
		run Caller(); run Server(); run Other(); run Canceller(); run Timer()
	};
	/* When all is quiet each call that was received has ended once. */
	(caller_done && _nr_pr <= 4 && server.state == RECEIVING && !server.woken && !other_serving && caller.state == READY);
	assert(ends == calls);
	assert(caller.owners == 0 && server.owners == 0)
}
