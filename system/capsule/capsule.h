/* What the parts of the capsule command share.
 *
 *   capsule.c   the commands: what a person says, and what is done
 *   anchors.c   whom this system trusts with capsules, and what is revoked
 *   store.c     where installed capsules are kept
 *   run.c       a capsule in a sub-kernel of its own, and which of them run
 */
#pragma once

#include <stdbool.h>
#include <holon/blueprint.h>
#include <stddef.h>
#include <trust/boot.h>
#include <trust/plan.h>

/* Statuses to exit with; `run` gives the program's otherwise. */
enum {
	CAPSULE_GOOD = 0,
	CAPSULE_REFUSED = 1,
	CAPSULE_IMPOSSIBLE = 2,
	CAPSULE_USAGE = 3,
	CAPSULE_NOT_RUN = 126
};
enum { CAPSULE_FILE_MAX = 1 << 30, CAPSULE_LIST_FILE_MAX = RECORD_BYTES_MAX + TRUST_ROOT_SIGNATURE_BYTES };

struct bytes {
	uint8_t *at; /* 0: there is none */
	size_t count;
};

/* Says why and ends with STATUS; what was mounted is let go. */
_Noreturn void stop(int status, const char *format, ...) __attribute__((format(printf, 1 + 1, 3)));

/* ---- store.c ---- */

/* A directory with NAME.capsule and NAME.grant of each installed capsule, and the lists of keys and revocations in use. */
struct store {
	char path[64];
	char vault[32]; /* "": the session's, in memory */
};

enum { STORES_MAX = 2 };
struct stores {
	struct store at[STORES_MAX]; /* the session's first */
	unsigned count;
};

/* Opens the session's store and, unless SESSION_ALONE, that of the open vault WANTED, or (0) of the first that can be written to. */
void stores_open(struct stores *stores, const char *wanted, bool session_alone);
/* Until the command ends or unlocks: others wait that take lists or remove capsules, or, ALONE, all that also start some. So
 * nothing starts by a list that is being replaced. */
void stores_lock(bool alone);
void stores_unlock(void);
/* Lets the vault go. */
void stores_close(void);
/* The bytes of the file PATH, at most LIMIT; none where there is no such file. Ends with a message on any other failure. */
struct bytes file_read(const char *path, size_t limit);
/* The same of NAME with SUFFIX in STORE. */
struct bytes store_read(const struct store *store, const char *name, const char *suffix, size_t limit);
/* Whole or not at all; durable where the store is. Ends with a message on failure. */
void store_write(const struct store *store, const char *name, const char *suffix, const void *bytes,
                 size_t count);
/* True: it was there. */
bool store_remove(const struct store *store, const char *name, const char *suffix);
/* Calls EACH with the names of all files of STORE that end with SUFFIX, in order, and CONTEXT. */
void store_each(const struct store *store, const char *suffix,
                void (*each)(const struct store *store, const char *name, void *context), void *context);

/* ---- anchors.c ---- */

struct anchor {
	const uint8_t *root; /* in the boot's manifest; 0: nothing more */
	struct key_list list;
	struct bytes list_bytes;
	struct revocations revocations;
	struct bytes revocations_bytes; /* none: nothing is revoked */
};

struct anchors {
	uint64_t now; /* seconds since 1970 by the machine's clock */
	struct bytes manifest;
	struct anchor at[BOOT_ROOTS_MAX];
};

/* Takes what the loader verified, and the newer lists that STORES have. Ends with a message where there is nothing to trust, or a kept
 * list is damaged. */
void anchors_open(struct anchors *anchors, const struct stores *stores);
/* Checks CAPSULE, the file BYTES, in the order of docs/capsules.md: 0, or why it is refused. *UNTIL: when it ends. */
const char *anchors_check(const struct anchors *anchors, struct capsule *capsule, struct bytes bytes,
                          uint64_t *until);
/* Takes a newer list of keys or of revocations and keeps it in all STORES: 0, or why it is refused. */
const char *anchors_take_keys(struct anchors *anchors, const struct stores *stores, struct bytes bytes);
const char *anchors_take_revocations(struct anchors *anchors, const struct stores *stores,
                                     struct bytes bytes);

/* Why the certificate is revoked, by the lists that were taken; 0: it is not. */
const char *anchors_revoked(const struct anchors *anchors, const uint8_t certificate[TRUST_HASH_BYTES],
                            uint64_t epoch);

/* ---- run.c ---- */

/* When single grants end, in seconds since 1970; 0: with the others. Of the capabilities that can be taken from one that runs. */
struct ends {
	uint64_t at[BLUEPRINT_GRANTS];
};
/* Which of them the capability with this BIT (enum capability) is; BLUEPRINT_GRANTS: none, it lasts as long as the capsule runs. */
unsigned grant_of(uint32_t bit);

/* Starts CAPSULE, which lies in FILE, by PLAN, with MORE arguments and DIRECTORY[:ro] for its files (0: none), until UNTIL, and single
 * grants until ENDS: the status to exit with. FILE is freed, and what stores_lock() holds is let go, as soon as the child is there. */
int capsule_run(struct bytes *file, const struct capsule *capsule, struct plan *plan, uint64_t until,
                const struct ends *ends, const char *directory, bool detach, char **more);
/* The number of a running sub-kernel of the capsule NAME below this one, 0: there is none. */
uint64_t capsule_running(const char *name);
/* Takes the capabilities of BITS from all of them that have some; how many those are. */
unsigned capsule_take(const char *name, uint32_t bits);
/* Ends all capsules, of whoever's below this sub-kernel, for whose certificate WHY gives a reason, which is said. */
void capsules_sweep(const char *(*why)(const uint8_t *certificate, uint64_t epoch, void *context),
                    void *context);
/* Ends all of them, and waits until they are gone; how many. */
unsigned capsule_end(const char *name);
