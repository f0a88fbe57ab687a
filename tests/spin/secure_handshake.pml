/*
 * The handshake of the secure channel (lib/secure) against an attacker who owns the network, has an identity of its own, and
 * takes part in sessions of its own; cryptography is perfect. A transcript is (whose ephemeral key, whose ciphertext); its keys are known to
 * those two alone. A proof is (signer, role, transcript signed), and can be read and made only by who knows the keys of the
 * transcript it is sealed under. Alice calls Bob or the attacker; Bob answers whoever asks.
 *
 * Holds: whom Alice ends with is whom she called, and if that is Bob, the keys are theirs alone; if Bob ends with Alice, the keys
 * are theirs alone, and she called him.
 *
 * Seeded bugs, each of which must break it:
 * -DBUG_TRANSCRIPT  signatures do not cover the transcript
 * -DBUG_PEER        the initiator does not compare the responder's key with the one it called
 * -DBUG_SIGNATURE   the responder does not check the initiator's signature
 * -DBUG_SEAL        proofs are not sealed: anyone can read them and put others in their place
 */
#define ALICE 1
#define BOB   2
#define EVE   3

#define INITIATOR 1
#define RESPONDER 2

#ifdef BUG_TRANSCRIPT
#define SAME(key_a, ciphertext_a, key_b, ciphertext_b) true
#else
#define SAME(key_a, ciphertext_a, key_b, ciphertext_b) (key_a == key_b && ciphertext_a == ciphertext_b)
#endif
#ifdef BUG_SEAL
#define KNOWS(key, ciphertext) true
#else
#define KNOWS(key, ciphertext) (key == EVE || ciphertext == EVE)
#endif

chan to_bob = [0] of { byte };                                            /* offers: whose ephemeral key */
chan from_bob = [1] of { byte, byte, byte };                              /* answer: key, ciphertext, signer (its signature is right) */
chan to_alice = [0] of { byte, byte, byte, byte };                        /* ciphertext, signer, signed key, signed ciphertext */
chan from_alice = [1] of { byte, byte };                                  /* finish: key, ciphertext; signed by Alice */
chan finish = [0] of { byte, byte, byte };                                /* signer, signed key, signed ciphertext */

byte called, alice_peer, alice_ciphertext, bob_peer, bob_key;
bool bob_session, alice_waits = true, bob_waits;

active proctype Alice()
{
	byte ciphertext, signer, key, signed_ciphertext;
	if
	:: called = BOB
	:: called = EVE
	fi;
end_unanswered:
	atomic { to_alice ? ciphertext, signer, key, signed_ciphertext; alice_waits = false };
	if
#ifndef BUG_PEER
	:: signer != called -> goto refuse
#endif
	:: !SAME(key, signed_ciphertext, ALICE, ciphertext) -> goto refuse
	:: else
	fi;
	atomic {
		alice_peer = called;
		alice_ciphertext = ciphertext;
		/* With Bob, the keys are hers and his; with anyone, it is whom she called. */
		assert(signer == called);
		assert(called != BOB || ciphertext == BOB)
	};
	from_alice ! ALICE, ciphertext;
refuse:
	skip
}

active proctype Bob()
{
	byte key, signer, signed_key, signed_ciphertext;
end_uncalled:
	atomic { to_bob ? key; bob_session = true; bob_key = key };
	from_bob ! key, BOB, BOB;
	bob_waits = true;
end_unfinished:
	atomic { finish ? signer, signed_key, signed_ciphertext; bob_waits = false };
#ifndef BUG_SIGNATURE
	if
	:: !SAME(signed_key, signed_ciphertext, key, BOB) -> goto refuse
	:: else
	fi;
#endif
	atomic {
		bob_peer = signer;
		assert(signer != ALICE || (key == ALICE && called == BOB))
	};
refuse:
	skip
}

/* The attacker passes on, replaces, and uses every signature it could read. */
active proctype Eve()
{
	byte key, ciphertext, signer;
	bool bob_answered, bob_read, alice_read, alice_finished;
	byte bob_signed_key, alice_signed_ciphertext;
	do
	/* Bob gets Alice's ephemeral key, or the attacker's. */
	:: !bob_session -> if
	   :: to_bob ! ALICE
	   :: to_bob ! EVE
	   fi
	:: from_bob ? key, ciphertext, signer ->
	   bob_answered = true;
	   bob_signed_key = key;
	   if
	   :: KNOWS(key, ciphertext) -> bob_read = true
	   :: else
	   fi
	/* Bob's own answer to Alice's key, unread. */
	:: bob_answered && bob_signed_key == ALICE && alice_waits -> to_alice ! BOB, BOB, ALICE, BOB
	/* An answer of the attacker's: its own signature of anything, or one it read. */
	:: alice_waits -> to_alice ! EVE, EVE, ALICE, EVE
	:: bob_read && alice_waits -> to_alice ! EVE, BOB, bob_signed_key, BOB
	:: from_alice ? key, ciphertext ->
	   alice_finished = true;
	   alice_signed_ciphertext = ciphertext;
	   if
	   :: KNOWS(key, ciphertext) -> alice_read = true
	   :: else
	   fi
	/* Alice's own finish reaches Bob where their transcripts are one. */
	:: alice_finished && alice_signed_ciphertext == BOB && bob_waits && bob_key == ALICE -> finish ! ALICE, ALICE, BOB
	/* A finish under keys that the attacker knows: its own identity, or what it read, or, unsigned, a claim. */
	:: bob_answered && bob_waits && KNOWS(bob_key, BOB) -> finish ! EVE, bob_key, BOB
	:: bob_answered && bob_waits && KNOWS(bob_key, BOB) -> finish ! ALICE, 0, 0
	:: alice_read && bob_waits && KNOWS(bob_key, BOB) -> finish ! ALICE, ALICE, alice_signed_ciphertext
#ifdef BUG_SEAL
	/* Unsealed, the attacker puts its own identity in place of Alice's, who still believes she talks to Bob alone. */
	:: alice_finished && bob_waits && bob_key == ALICE -> atomic { finish ! EVE, ALICE, BOB; assert(alice_peer != BOB) }
#endif
	:: break
	od
}
