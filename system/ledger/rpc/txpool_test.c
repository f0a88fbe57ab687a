/*
 * The pool as a gateway uses it: what was taken goes out again until it is final, in order; it may be replaced only when that
 * cannot do harm; and accounts without number fill a share of it and no more. The clock is this file's.
 */
#include "crypto/test_support.h"
#include "rpc/txpool.h"

#include <string.h>
#include <time.h>

static time_t clock_now = 1000000;

time_t time(time_t *out)
{
	if (out)
		*out = clock_now;
	return clock_now;
}

/* The node: what it was handed, a byte of the sender and the nonce each. */
static struct {
	bool deaf;
	size_t count;
	struct {
		uint8_t sender;
		uint64_t nonce;
	} got[64];
} node;

static size_t take(void *context, const struct txpool_item *items, size_t count)
{
	(void)context;
	if (node.deaf)
		return 0;
	for (size_t i = 0; i < count; i++) {
		if (node.count < 64) {
			node.got[node.count].sender = items[i].bytes[0];
			memcpy(&node.got[node.count].nonce, items[i].bytes + 1, 8);
		}
		node.count++;
	}
	return count;
}

static void expect(const char *what, bool good)
{
	check(good, "ledger pool: %s", what);
}

static bool got(size_t at, uint8_t sender, uint64_t nonce)
{
	return at < node.count && node.got[at].sender == sender && node.got[at].nonce == nonce;
}

static struct address account(uint32_t number)
{
	struct address address = {{0}};
	memcpy(address.bytes, &number, sizeof number);
	return address;
}

/* `variant` makes several of one nonce. */
static enum txpool_result add(struct txpool *pool, uint32_t sender, uint64_t nonce, uint8_t variant,
                              uint64_t state_nonce)
{
	const char *why;
	uint8_t bytes[10] = {(uint8_t)sender};
	struct address address = account(sender);
	struct transaction t = {.nonce = nonce};
	memcpy(bytes + 1, &nonce, 8);
	bytes[9] = variant;
	memcpy(t.hash.bytes, &sender, 4);
	memcpy(t.hash.bytes + 4, &nonce, 8);
	t.hash.bytes[12] = variant;
	return txpool_add(pool, &t, bytes, sizeof bytes, &address, state_nonce, &why);
}

/* What a gateway's thread does when it learns a nonce. */
static bool learn(struct txpool *pool, uint32_t sender, uint64_t nonce)
{
	const struct address address = account(sender);
	const bool late = txpool_settle(pool, &address, nonce);
	txpool_resume(pool, &address, nonce);
	return late;
}

static void test_again(void)
{
	struct txpool *pool = txpool_create(take, NULL, 3600);
	node.count = 0;
	for (uint64_t nonce = 0; nonce < 6; nonce++)
		(void)add(pool, 1, nonce, 0, 0);
	expect("what is next in line goes out at once", node.count == 6 && txpool_count(pool) == 6);
	expect("it is not sent again before its time", !learn(pool, 1, 2) && node.count == 6);
	expect("what is final leaves", txpool_count(pool) == 4);
	clock_now += TXPOOL_PATIENCE;
	expect("what is overdue goes out again, in order", learn(pool, 1, 2) && node.count == 10 &&
	                                                       got(6, 1, 2) && got(7, 1, 3) && got(8, 1, 4) &&
	                                                       got(9, 1, 5));
	clock_now += TXPOOL_PATIENCE;
	expect("the second time later", !learn(pool, 1, 2) && node.count == 10);
	clock_now += TXPOOL_PATIENCE;
	node.deaf = true;
	expect("while no node takes it, it stays",
	       learn(pool, 1, 2) && node.count == 10 && txpool_count(pool) == 4);
	node.deaf = false;
	(void)learn(pool, 1, 2);
	expect("and goes out when one does", node.count == 14 && got(10, 1, 2) && got(13, 1, 5));
	(void)add(pool, 1, 6, 0, 2);
	expect("what comes later follows", node.count == 15 && got(14, 1, 6));
	(void)learn(pool, 1, 7);
	expect("in the end nothing is kept", txpool_count(pool) == 0);
	(void)add(pool, 1, 7, 0, 7);
	clock_now += 3601;
	(void)learn(pool, 1, 7);
	(void)learn(pool, 1, 7);
	expect("what never gets into a block is forgotten after the stated time", txpool_count(pool) == 0);
	txpool_destroy(pool);
}

static void test_lies(void)
{
	struct txpool *pool = txpool_create(take, NULL, 3600);
	node.count = 0;
	for (uint64_t nonce = 5; nonce < 8; nonce++)
		(void)add(pool, 2, nonce, 0, 5);
	for (unsigned i = 0; i < 4; i++) {
		clock_now++;
		(void)learn(pool, 2, 1); /* lower than what was sent: nothing to send there */
	}
	expect("a nonce that is too low removes nothing", txpool_count(pool) == 3 && node.count == 3);
	clock_now += 60;
	(void)learn(pool, 2, 5);
	expect("and the true one brings all out again", node.count == 6 && got(3, 2, 5) && got(5, 2, 7));
	(void)learn(pool, 2, UINT64_MAX);
	expect("the highest nonce there is does no harm", txpool_count(pool) == 0);
	txpool_destroy(pool);
}

static void test_replaced(void)
{
	struct txpool *pool = txpool_create(take, NULL, 3600);
	node.count = 0;
	(void)add(pool, 3, 0, 0, 0);
	expect("what is on its way is not replaced", add(pool, 3, 0, 1, 0) == TXPOOL_REFUSED);
	(void)add(pool, 3, 2, 0, 0);
	expect("what waits behind a gap is",
	       add(pool, 3, 2, 1, 0) == TXPOOL_TAKEN && txpool_count(pool) == 2);
	expect("the one that it replaced may come back", add(pool, 3, 2, 0, 0) == TXPOOL_TAKEN);
	(void)add(pool, 3, 1, 0, 0);
	expect("one of a nonce goes out", node.count == 3 && got(2, 3, 2) && txpool_count(pool) == 3);
	for (unsigned i = 1; i < TXPOOL_IN_VAIN; i++) {
		expect("not yet in vain", add(pool, 3, 0, 1, 0) == TXPOOL_REFUSED);
		clock_now += 100;
		(void)learn(pool, 3, 0);
	}
	node.count = 0;
	expect("what was sent in vain is replaced, and the new one goes out at once",
	       add(pool, 3, 0, 1, 0) == TXPOOL_TAKEN && got(0, 3, 0));
	(void)learn(pool, 3, 3);
	txpool_destroy(pool);
}

static void test_full(void)
{
	struct txpool *pool = txpool_create(take, NULL, 3600);
	uint32_t number = 100;
	enum txpool_result result = TXPOOL_TAKEN;
	size_t taken = 0;
	for (; taken <= TXPOOL_MAX && (result = add(pool, number, 1 + taken % 64, 0, 0)) == TXPOOL_TAKEN;
	     taken++)
		number += taken % 64 == 63;
	expect("gaps fill a quarter", result == TXPOOL_FULL && taken == TXPOOL_GAPS);
	for (number = 100000; (result = add(pool, number, 0, 0, 0)) == TXPOOL_TAKEN; number++)
		taken++;
	expect("accounts without history fill three quarters", result == TXPOOL_FULL && taken == TXPOOL_NEW);
	uint64_t nonce = 1;
	while (nonce <= TXPOOL_MAX && (result = add(pool, 50, nonce, 0, 1)) == TXPOOL_TAKEN)
		nonce++;
	expect("one account has its own limit", result == TXPOOL_FULL && nonce - 1 == TXPOOL_ACCOUNT);
	expect("the pool is full then",
	       add(pool, 51, 9, 0, 9) == TXPOOL_FULL && txpool_count(pool) == TXPOOL_MAX);
	(void)learn(pool, 50, 11);
	expect("what is final makes room", add(pool, 51, 9, 0, 9) == TXPOOL_TAKEN);
	/* What never gets into a block does not keep others out for long. */
	for (unsigned i = 0; i < TXPOOL_IN_VAIN; i++) {
		clock_now += 100;
		for (uint32_t other = 100000; other < number; other++)
			(void)learn(pool, other, 0);
	}
	for (uint64_t more = 10; more < 20; more++)
		(void)add(pool, 51, more, 0, 9);
	expect("what was sent in vain makes room for others' new ones",
	       add(pool, 200000, 0, 0, 0) == TXPOOL_TAKEN);
	struct address senders[64];
	size_t cursor = 0;
	size_t listed = 0;
	unsigned turns = 0;
	do
		listed += txpool_senders(pool, senders, 64, &cursor);
	while (cursor && ++turns < 1000000);
	expect("each sender is listed once", listed > 2 && listed <= txpool_count(pool) && !cursor);
	for (unsigned i = 0; i < 5; i++) {
		clock_now += 3601;
		(void)learn(pool, 51, 9);
	}
	expect("in the end all is forgotten", txpool_count(pool) == 0);
	txpool_destroy(pool);
}

int main(void)
{
	test_again();
	test_lies();
	test_replaced();
	test_full();
	return test_finish();
}
