/* Keys and keyrings: keyrings(7), add_key(2), keyctl(2).
 *
 * A key lives while something refers to it: a keyring's link, a task's or a user's keyrings. Keyrings can hold keyrings, never in a
 * circle, and are searched breadth first, so that each is visited once, at its least depth. All keys, links and payloads are
 * counted to the user that owns the key and are limited in number, which bounds a search. No program is started to make a
 * key that is asked for (request_key(2) finds what is there), so that each key has its payload from the beginning.
 * The common lock is held alone, and not given up between a look-up and the use of what it found: copies from and to the
 * guest come before and after. A look-up gives no reference: who lets anything go before the use takes one.
 */
#pragma once

#include "../internal.h"

#define KEYS_MAX      16384u /* in a sub-kernel, whatever /proc/sys/kernel/keys says */
#define LINKS_MAX     65536u
#define KEY_BYTES_MAX 25000000u /* of all keys */
#define PAYLOAD_MAX   32767u
#define TYPE_MAX      32u /* of a name, with its NUL */
#define DESCRIBE_MAX  4096u
#define NESTED_MAX    6u /* keyrings(7), "Search" */
#define LINK_BYTES    4u /* that a link costs its keyring's owner */

enum key_flags {
	KEY_REVOKED = 1,
	KEY_INVALIDATED = 2,
	KEY_IN_QUOTA = 4,
	KEY_OF_USER = 8,    /* one that the personality keeps for a user */
	KEY_RESTRICTED = 16 /* a keyring that takes no more links */
};

/* In each byte of the permissions: possessor, user, group, others. */
enum key_need {
	KEY_NEED_VIEW = 1,
	KEY_NEED_READ = 2,
	KEY_NEED_WRITE = 4,
	KEY_NEED_SEARCH = 8,
	KEY_NEED_LINK = 0x10,
	KEY_NEED_SETATTR = 0x20,
	KEY_NEED_NOTHING = 0,      /* it is valid, and that does */
	KEY_NEED_EXISTENCE = 0x100 /* it may be dead */
};
#define KEY_ALL 0x3fu

enum key_place { KEY_OTHERS = 0, KEY_GROUP = 8, KEY_USER = 16, KEY_POSSESSOR = 24 };

struct key_type {
	const char *name;
	bool keyring, readable;
};
extern const struct key_type key_type_keyring;
/* By NAME, or 0. */
const struct key_type *key_type_find(const char *name);

/* Whose keys are how many. */
struct key_user {
	struct list link;
	uint32_t uid;
	uint32_t keys;                        /* in all */
	uint32_t counted_keys, counted_bytes; /* to the quota */
};

struct key {
	struct list link; /* in its bucket */
	int32_t serial;
	uint32_t references;
	const struct key_type *type;
	char *description;
	uint32_t uid, gid, permissions, flags;
	struct key_user *user;
	uint64_t namespace;  /* whose tasks find a keyring by name: inode of the user namespace */
	uint64_t expires;    /* monotonic ns, or 0: never */
	uint64_t revoked_at; /* likewise */
	uint32_t counted;    /* bytes, to its user */
	uint32_t bytes;      /* of the payload */
	uint8_t *payload;
	struct key **links; /* keyrings: `link_count` references in room for `link_room` */
	uint32_t link_count, link_room;
	/* Of a search or a release in progress. */
	uint64_t round, found; /* that came to it, as a keyring and as a key that may be found */
	uint32_t depth;
	struct key *next;
};

/* A key, and whether the current task possesses it: it is found from its own keyrings. */
struct key_ref {
	struct key *key;
	bool possessed;
};

/* Of a task; made when it has one of them. */
struct task_keyrings {
	struct key *thread, *process, *session; /* references */
	int32_t request_default;                /* keyctl(2), KEYCTL_SET_REQKEY_KEYRING */
};

/* ---- keys.c ---- */

/* How a new key counts to its owner's quota: OVERRIDES counts and is not refused. */
enum key_charge { KEY_CHARGED, KEY_OVERRIDES, KEY_UNCHARGED };
/* A new key without payload, with a reference. *ERROR on 0: -EDQUOT, -ENOMEM, -EINVAL. */
struct key *key_create(const struct key_type *type, const char *description, uint32_t uid, uint32_t gid,
                       uint32_t permissions, enum key_charge charge, int *error);
static inline struct key *key_reference(struct key *key)
{
	key->references++;
	return key;
}
void key_release(struct key *key);
/* PAYLOAD is copied. -EDQUOT, -ENOMEM: the old one stays. */
int key_set_payload(struct key *key, const void *payload, uint32_t bytes);
/* -EDQUOT: UID has no room for it. -ENOMEM. */
int key_set_owner(struct key *key, uint32_t uid, uint32_t gid);
/* It expires in SECONDS; 0: never. */
void key_set_timeout(struct key *key, uint32_t seconds);
/* It counts MORE bytes to its owner. -EDQUOT, where there are not so many. */
int key_charge(struct key *key, int64_t more);
void key_revoke(struct key *key);
void key_invalidate(struct key *key);
struct key *key_find(int32_t serial);
/* 0, -ENOKEY, -EKEYREVOKED, -EKEYEXPIRED. */
int key_validate(const struct key *key);
/* As the current task sees it: a user's own keyrings have no group. */
static inline uint32_t key_gid_seen(const struct key *key)
{
	return key->gid == ID_NONE ? ID_OVERFLOW : gid_seen(key->gid);
}
bool key_permitted(struct key_ref ref, unsigned need);
/* All keys: PREVIOUS 0 = the first. For /proc. */
struct key *key_next(const struct key *previous);
const struct list *key_users(void);
/* What UID may have. */
void key_limits(uint32_t uid, uint32_t *keys, uint32_t *bytes);
/* Forgets those that have been dead for long. At the beginning of a call. */
void keys_collect(void);

/* ---- rings.c ---- */

struct key_search {
	const struct key_type *type; /* and a description, or */
	const char *description;
	const struct key *key; /* that one */
	bool any_state, skip_expired;
};
/* From RING on; 0, or -EAGAIN: nothing, or why what there was does not do. */
int keyring_search(struct key_ref ring, const struct key_search *search, struct key_ref *found);
/* All that can be found from RING on is marked as `found` by MARK. */
void keyring_mark(struct key_ref ring, uint64_t mark);
/* KEY of that type and description among RING's own links, or 0. */
struct key *keyring_find(const struct key *ring, const struct key_type *type, const char *description);
/* -ENOTDIR, -EDEADLK, -ELOOP, -EDQUOT, -ENOMEM, -EPERM: it takes none. What has KEY's type and description is replaced. */
int keyring_link(struct key *ring, struct key *key);
int keyring_unlink(struct key *ring, struct key *key); /* -ENOTDIR, -ENOENT */
void keyring_clear(struct key *ring);
/* Of the current user namespace, by NAME, as the current task may find it; or 0. */
struct key *keyring_named(const char *name);
/* A keyring with COUNT links goes. */
void links_gone(uint32_t count);
/* Drops all links to keys that DEAD says are. */
void keyrings_sweep(bool (*dead)(const struct key *key));

/* ---- possession.c: whose keyrings are whose ---- */

/* What ID names, a serial number or KEY_SPEC_*, where it is valid and permits NEED. */
int key_lookup(int32_t id, bool create, unsigned need, struct key_ref *ref);
enum {
	KEY_SPEC_THREAD_KEYRING = -1,
	KEY_SPEC_PROCESS_KEYRING = -2,
	KEY_SPEC_SESSION_KEYRING = -3,
	KEY_SPEC_USER_KEYRING = -4,
	KEY_SPEC_USER_SESSION_KEYRING = -5,
	KEY_SPEC_GROUP_KEYRING = -6,
	KEY_SPEC_REQKEY_AUTH_KEY = -7,
	KEY_SPEC_REQUESTOR_KEYRING = -8
};
/* From all keyrings of the current task. -EAGAIN, -ENOKEY: nothing. */
int key_search_own(const struct key_search *search, struct key_ref *found);
/* A mark that all keys which the current task possesses have from now on as `found`. */
uint64_t keys_mark_own(void);
/* Keys that are made for keys asked for would go there: what KEYCTL_SET_REQKEY_KEYRING sets and answers. */
int64_t keyring_request_default(int32_t place);
/* Joins a new session keyring of no NAME, or the one of NAME, made where there is none: its serial. */
int64_t keyring_join(const char *name);
/* The current task's parent gets its session keyring. */
int64_t keyring_to_parent(void);
/* UID's persistent keyring in the current user namespace, without a reference. 0, -EDQUOT, -ENOMEM. */
int keyring_persistent(uint32_t uid, struct key **ring);
/* CHILD's, as PARENT's clone with FLAGS gives them. False: no memory. */
bool task_keyrings_inherit(struct task *child, const struct task *parent, uint64_t flags);
void task_keyrings_exec(struct task *task);
void task_keyrings_exit(struct task *task);
/* The user namespace of that INODE ends. */
void keys_namespace_end(uint64_t inode);
