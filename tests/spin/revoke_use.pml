/* Revocation against use: kernel/object/ and the deferred freeing of objects (kernel/unit/reap.c, cpu_await).
 *
 * A user on one CPU looks a capability up (a copy, without a lock) and then either uses the object within its kernel path
 * or derives a child from it, as a message does. A revoker on another CPU ends every descendant and then, with the last
 * capability gone, destroys the object: it is freed after every CPU has left its kernel path. The slot may be reused.
 *
 * Checked: when revoke has returned no capability derived before is alive, and none can appear; no freed memory is touched.
 *
 * -DBUG_NO_RECHECK     deriving trusts the lookup and does not look again under the lock
 * -DBUG_NO_QUIESCE     the memory is freed at once
 * -DBUG_NO_GENERATION  the second look compares the object alone, not the slot's generation
 */
bit live;               /* the looked-up capability (a descendant of the revoker's) */
byte generation;        /* of its slot */
bit child_live;         /* derived from it by the user */
bit revoked;            /* revoke returned */
bit object_dead, freed;
bit cap_lock;
byte in_kernel;         /* 1: the user is on a kernel path that began before */
byte quiesced;          /* counts the user's departures */
bit reused;             /* the slot holds another capability to the same object, not derived from the revoker's */

inline take() { atomic { !cap_lock -> cap_lock = 1 } }
inline release() { cap_lock = 0 }

proctype User()
{
	byte seen;
	bit found, valid;
	byte round;

	do
	:: round < 2 ->
		round++;
		in_kernel = 1;
		/* lookup */
		seen = generation;
		found = (live && !object_dead);
		if
		:: found && seen == generation ->
			if
			:: /* use: e.g. take the channel's lock */
				assert(!freed)
			:: /* derive */
				assert(!freed);
				take();
#if defined(BUG_NO_RECHECK)
				valid = 1;
#elif defined(BUG_NO_GENERATION)
				valid = (live || reused) && !object_dead;
#else
				valid = (live && generation == seen) && !object_dead;
#endif
				if :: valid -> child_live = 1 :: else fi;
				release()
			fi
		:: else
		fi;
		d_step { in_kernel = 0; quiesced++ }
	:: else -> break
	od
}

proctype Revoker()
{
	byte before;

	/* revoke: one descendant at a time under the lock; a child moves up and is ended in its turn. */
	do
	:: take();
		if
		:: live -> live = 0; generation++; release()
		:: !live && child_live -> child_live = 0; release()
		:: else -> release(); break
		fi
	od;
	revoked = 1;
	/* the freed slot is used again, by a capability that is no descendant */
	reused = 1;
	assert(!child_live);
	/* the last capability goes: the object dies */
	take();
	object_dead = 1;
	release();
	before = quiesced;
#ifndef BUG_NO_QUIESCE
	(in_kernel == 0 || quiesced != before);
#endif
	freed = 1
}

/* What was revoked stays revoked. */
proctype Observer()
{
	do
	:: atomic { revoked -> assert(!child_live) }
	:: freed -> break
	od
}

init {
	atomic { live = 1; generation = 1; run User(); run Revoker(); run Observer() }
}
