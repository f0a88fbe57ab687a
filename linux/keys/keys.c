/* Keys by themselves: made, counted, found by number, revoked and forgotten. */
#include "keys.h"
#include "../fs/name.h"
#include "../proc/proc.h"

#define BUCKETS 256u

const struct key_type key_type_keyring = {.name = "keyring", .keyring = true, .readable = true};
static const struct key_type key_type_user = {.name = "user", .readable = true};
static const struct key_type key_type_logon = {.name = "logon"};

static struct list buckets[BUCKETS];
static struct list users = LIST_INIT(users);
static uint32_t keys, bytes;
/* When the next key has been dead for long. */
static uint64_t collect_at = UINT64_MAX;

const struct key_type *key_type_find(const char *name)
{
	static const struct key_type *const types[] = {&key_type_keyring, &key_type_user, &key_type_logon};
	for (unsigned i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (!strcmp(types[i]->name, name))
			return types[i];
	return 0;
}

/* ---- Quotas ---- */

const struct list *key_users(void)
{
	return &users;
}

void key_limits(uint32_t uid, uint32_t *most_keys, uint32_t *most_bytes)
{
	*most_keys = (uint32_t)(uid ? sysctl_keys_max : sysctl_keys_root_max).value;
	*most_bytes = (uint32_t)(uid ? sysctl_keys_bytes : sysctl_keys_root_bytes).value;
}

static struct key_user *user_get(uint32_t uid)
{
	struct key_user *user;
	list_for_each(user, &users, link)
	{
		if (user->uid == uid) {
			user->keys++;
			return user;
		}
	}
	user = heap_allocate(sizeof(*user));
	if (user) {
		user->uid = uid;
		user->keys = 1;
		list_append(&users, &user->link);
	}
	return user;
}

static void user_put(struct key_user *user)
{
	if (--user->keys)
		return;
	list_remove(&user->link);
	heap_free(user);
}

/* May USER have COUNT keys more, of MORE bytes? */
static bool fits(const struct key_user *user, uint32_t count, uint64_t more)
{
	uint32_t most_keys, most_bytes;
	key_limits(user->uid, &most_keys, &most_bytes);
	return user->counted_keys + count <= most_keys && user->counted_bytes + more <= most_bytes;
}

/* KEY counts TO bytes from now on. */
static int charge(struct key *key, uint64_t to, bool overrides)
{
	if (to > key->counted) {
		uint64_t more = to - key->counted;
		if (bytes + more > KEY_BYTES_MAX)
			return -EDQUOT;
		if ((key->flags & KEY_IN_QUOTA) && !overrides && !fits(key->user, 0, more))
			return -EDQUOT;
	}
	if (key->flags & KEY_IN_QUOTA)
		key->user->counted_bytes += (uint32_t)to - key->counted;
	bytes += (uint32_t)to - key->counted;
	key->counted = (uint32_t)to;
	return 0;
}

int key_charge(struct key *key, int64_t more)
{
	return charge(key, (uint64_t)(key->counted + more), false);
}

/* ---- Life ---- */

static struct list *bucket_of(int32_t serial)
{
	if (!buckets[0].next)
		for (unsigned i = 0; i < BUCKETS; i++)
			list_init(&buckets[i]);
	return &buckets[(uint32_t)serial % BUCKETS];
}

struct key *key_find(int32_t serial)
{
	struct key *key;
	list_for_each(key, bucket_of(serial), link) if (key->serial == serial) return key;
	return 0;
}

static int32_t new_serial(void)
{
	uint32_t serial;
	do {
		random_bytes(&serial, sizeof(serial));
		serial &= INT32_MAX;
	} while (serial < 3 || key_find((int32_t)serial));
	return (int32_t)serial;
}

struct key *key_create(const struct key_type *type, const char *description, uint32_t uid, uint32_t gid,
                       uint32_t permissions, enum key_charge how, int *error)
{
	size_t length = strlen(description) + 1;
	const char *colon = strchr(description, ':');
	*error = -EINVAL;
	if (length < 2 || (!strcmp(type->name, "logon") && (!colon || colon == description)))
		return 0;
	*error = -EDQUOT;
	if (keys >= KEYS_MAX)
		return 0;
	*error = -ENOMEM;
	struct key_user *user = user_get(uid);
	if (!user)
		return 0;
	struct key *key = heap_allocate(sizeof(*key));
	char *text = key ? heap_allocate(length) : 0;
	if (!text)
		goto undo;
	*key =
	    (struct key){.references = 1, .type = type, .uid = uid, .gid = gid, .permissions = permissions};
	key->user = user;
	key->flags = how == KEY_UNCHARGED ? 0 : KEY_IN_QUOTA;
	*error = -EDQUOT;
	if ((how == KEY_CHARGED && !fits(user, 1, 0)) || charge(key, length, how == KEY_OVERRIDES))
		goto undo;
	memcpy(text, description, length);
	key->description = text;
	key->namespace = user_namespace_current()->common.inode;
	key->serial = new_serial();
	keys++;
	if (key->flags & KEY_IN_QUOTA)
		user->counted_keys++;
	list_append(bucket_of(key->serial), &key->link);
	return key;
undo:
	heap_free(text);
	heap_free(key);
	user_put(user);
	return 0;
}

void key_release(struct key *key)
{
	struct key *dead = 0;
	if (!key || --key->references)
		return;
	key->next = 0;
	/* What a keyring alone refers to goes with it: by a list, since they may nest deeply. */
	for (dead = key; dead;) {
		key = dead;
		dead = key->next;
		for (uint32_t i = 0; i < key->link_count; i++) {
			struct key *linked = key->links[i];
			if (!--linked->references) {
				linked->next = dead;
				dead = linked;
			}
		}
		links_gone(key->link_count);
		(void)charge(key, 0, true);
		keys--;
		if (key->flags & KEY_IN_QUOTA)
			key->user->counted_keys--;
		user_put(key->user);
		list_remove(&key->link);
		if (key->bytes)
			memset(key->payload, 0, key->bytes);
		heap_free(key->payload);
		heap_free(key->links);
		heap_free(key->description);
		heap_free(key);
	}
}

int key_set_payload(struct key *key, const void *payload, uint32_t count)
{
	uint8_t *copy = heap_allocate(count);
	if (!copy)
		return -ENOMEM;
	if (key_charge(key, (int64_t)count - key->bytes)) {
		heap_free(copy);
		return -EDQUOT;
	}
	memcpy(copy, payload, count);
	if (key->bytes)
		memset(key->payload, 0, key->bytes);
	heap_free(key->payload);
	key->payload = copy;
	key->bytes = count;
	return 0;
}

int key_set_owner(struct key *key, uint32_t uid, uint32_t gid)
{
	if (uid != key->uid) {
		struct key_user *user = user_get(uid), *old = key->user;
		if (!user)
			return -ENOMEM;
		if (key->flags & KEY_IN_QUOTA) {
			if (!fits(user, 1, key->counted)) {
				user_put(user);
				return -EDQUOT;
			}
			old->counted_keys--;
			old->counted_bytes -= key->counted;
			user->counted_keys++;
			user->counted_bytes += key->counted;
		}
		user_put(old);
		key->user = user;
		key->uid = uid;
	}
	key->gid = gid;
	return 0;
}

static uint64_t collect_delay(void)
{
	return (uint64_t)sysctl_keys_delay.value * NS_PER_SECOND;
}

static void collect_from(uint64_t time)
{
	if (time < collect_at)
		collect_at = time;
}

void key_revoke(struct key *key)
{
	if (key->flags & KEY_REVOKED)
		return;
	key->flags |= KEY_REVOKED;
	key->revoked_at = clock_monotonic();
	collect_from(key->revoked_at + collect_delay());
	if (key->type->keyring)
		keyring_clear(key);
	(void)key_charge(key, -(int64_t)key->bytes);
	if (key->bytes)
		memset(key->payload, 0, key->bytes);
	key->bytes = 0;
}

void key_invalidate(struct key *key)
{
	key->flags |= KEY_INVALIDATED;
	collect_from(0);
}

void key_set_timeout(struct key *key, uint32_t seconds)
{
	key->expires = seconds ? clock_monotonic() + seconds * NS_PER_SECOND : 0;
	if (key->expires)
		collect_from(key->expires + collect_delay());
}

int key_validate(const struct key *key)
{
	if (key->flags & KEY_INVALIDATED)
		return -ENOKEY;
	if (key->flags & KEY_REVOKED)
		return -EKEYREVOKED;
	return key->expires && clock_monotonic() >= key->expires ? -EKEYEXPIRED : 0;
}

bool key_permitted(struct key_ref ref, unsigned need)
{
	const struct key *key = ref.key;
	const struct credentials *c = &current_task()->credentials;
	uint32_t allowed = key->permissions >> KEY_OTHERS;
	if (key->uid == c->fsuid)
		allowed = key->permissions >> KEY_USER;
	else if (key->gid != ID_NONE && (key->permissions & KEY_ALL << KEY_GROUP) && in_group(key->gid))
		allowed = key->permissions >> KEY_GROUP;
	if (ref.possessed)
		allowed |= key->permissions >> KEY_POSSESSOR;
	return (allowed & need & KEY_ALL) == (need & KEY_ALL);
}

struct key *key_next(const struct key *previous)
{
	uint32_t bucket = previous ? (uint32_t)previous->serial % BUCKETS : 0;
	struct list *at = previous ? previous->link.next : bucket_of(0)->next;
	while (at == &buckets[bucket]) {
		if (++bucket == BUCKETS)
			return 0;
		at = buckets[bucket].next;
	}
	return list_entry(at, struct key, link);
}

/* ---- Forgetting ---- */

/* When KEY is forgotten: UINT64_MAX is never. */
static uint64_t forgotten_at(const struct key *key)
{
	if (key->flags & KEY_INVALIDATED)
		return 0;
	uint64_t since = key->flags & KEY_REVOKED ? key->revoked_at
	                 : key->expires           ? key->expires
	                                          : UINT64_MAX;
	return since == UINT64_MAX ? since : since + collect_delay();
}

static bool key_forgotten(const struct key *key)
{
	return forgotten_at(key) <= clock_monotonic();
}

void keys_collect(void)
{
	uint64_t now = clock_monotonic();
	if (now < collect_at)
		return;
	keyrings_sweep(key_forgotten);
	collect_at = UINT64_MAX;
	for (const struct key *key = key_next(0); key; key = key_next(key)) {
		uint64_t at = forgotten_at(key);
		if (at > now) /* what is still there and dead is a task's own, and goes with that */
			collect_from(at);
	}
}
