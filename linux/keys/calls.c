/* add_key(2), request_key(2), keyctl(2). */
#include "keys.h"
#include "../fs/name.h"

#define CALL_PAYLOAD_MAX (1024u * 1024 - 1)
#define UPDATE_MAX       4096u

/* ---- What the guest says ---- */

/* The name of a key's type. */
static int take_type(uint64_t address, char type[TYPE_MAX])
{
	int64_t length = copy_string_from_user(type, address, TYPE_MAX);
	if (length == -EFAULT)
		return -EFAULT;
	if (length <= 0)
		return -EINVAL;
	return type[0] == '.' ? -EPERM : 0;
}

/* A string of less than DESCRIBE_MAX characters, to be freed. */
static int take_text(uint64_t address, char **text)
{
	*text = heap_allocate(DESCRIBE_MAX);
	if (!*text)
		return -ENOMEM;
	int64_t length = copy_string_from_user(*text, address, DESCRIBE_MAX);
	if (length >= 0)
		return 0;
	heap_free(*text);
	*text = 0;
	return length == -EFAULT ? -EFAULT : -EINVAL;
}

/* COUNT bytes, to be freed; as many as a payload can have, and one more. */
static int take_payload(uint64_t address, uint64_t count, uint8_t **payload)
{
	*payload = 0;
	if (count > PAYLOAD_MAX + 1)
		count = PAYLOAD_MAX + 1;
	if (!count)
		return 0;
	*payload = heap_allocate(count);
	if (!*payload)
		return -ENOMEM;
	if (!copy_from_user(*payload, address, count))
		return 0;
	heap_free(*payload);
	*payload = 0;
	return -EFAULT;
}

/* BYTES of TEXT to the guest, where ROOM is enough: how many there are. TEXT is freed. */
static int64_t give(char *text, int64_t bytes, uint64_t address, uint64_t room)
{
	if (bytes > 0 && address && room >= (uint64_t)bytes && copy_to_user(address, text, (size_t)bytes))
		bytes = -EFAULT;
	heap_free(text);
	return bytes;
}

/* A payload is a secret: it does not stay in freed memory. */
static void drop_payload(uint8_t *payload, uint64_t bytes)
{
	if (payload)
		memset(payload, 0, bytes < PAYLOAD_MAX ? bytes : PAYLOAD_MAX);
	heap_free(payload);
}

/* ---- Making and asking ---- */

static bool payload_fits(const struct key_type *type, uint64_t bytes)
{
	return type->keyring ? !bytes : bytes > 0 && bytes <= PAYLOAD_MAX;
}

/* RING gets a key, or the one of that type and description a new payload: the serial number. */
static int64_t add(struct key_ref ring, const struct key_type *type, const char *description,
                   const uint8_t *payload, uint64_t bytes)
{
	const struct credentials *c = &current_task()->credentials;
	int error;
	if (!ring.key->type->keyring)
		return -ENOTDIR;
	if (!payload_fits(type, bytes) || !*description)
		return -EINVAL;
	if (!key_permitted(ring, KEY_NEED_WRITE))
		return -EACCES;
	struct key *key = type->keyring ? 0 : keyring_find(ring.key, type, description);
	if (key && !(key->flags & (KEY_REVOKED | KEY_INVALIDATED))) {
		if (!key_permitted((struct key_ref){key, ring.possessed}, KEY_NEED_WRITE))
			return -EACCES;
		error = key_set_payload(key, payload, (uint32_t)bytes);
		key->expires = error ? key->expires : 0;
		return error ? error : key->serial;
	}
	uint32_t permissions =
	    (KEY_NEED_VIEW | KEY_NEED_SEARCH | KEY_NEED_LINK | KEY_NEED_SETATTR | KEY_NEED_WRITE)
	        << KEY_POSSESSOR |
	    KEY_NEED_VIEW << KEY_USER;
	if (type->readable)
		permissions |= KEY_NEED_READ << KEY_POSSESSOR;
	key = key_create(type, description, c->fsuid, c->fsgid, permissions, KEY_CHARGED, &error);
	if (!key)
		return error;
	error = bytes ? key_set_payload(key, payload, (uint32_t)bytes) : 0;
	if (!error)
		error = keyring_link(ring.key, key);
	int64_t result = error ? error : key->serial;
	key_release(key);
	return result;
}

SYSCALL_HANDLER(add_key, uint64_t type_address, uint64_t description_address, uint64_t payload_address,
                uint64_t bytes, int32_t ring_id)
{
	char type[TYPE_MAX], *description = 0;
	uint8_t *payload = 0;
	struct key_ref ring;
	if (bytes > CALL_PAYLOAD_MAX)
		return -EINVAL;
	int64_t result = take_type(type_address, type);
	if (!result)
		result = description_address ? take_text(description_address, &description) : 0;
	if (!result && description && description[0] == '.' && !strncmp(type, "keyring", 7))
		result = -EPERM;
	if (!result)
		result = take_payload(payload_address, bytes, &payload);
	keys_collect();
	if (!result)
		result = key_lookup(ring_id, true, KEY_NEED_WRITE, &ring);
	const struct key_type *known = key_type_find(type);
	if (!result)
		result = known ? add(ring, known, description ? description : "", payload, bytes) : -ENODEV;
	heap_free(description);
	drop_payload(payload, bytes);
	return result;
}

/* What SEARCH finds from RING on, or from all of the task's own keyrings, goes into INTO, too: its serial number. */
static int64_t search(const struct key_ref *ring, const struct key_search *search, int32_t into)
{
	struct key_ref to = {0}, found;
	int error = into ? key_lookup(into, true, KEY_NEED_WRITE, &to) : 0;
	if (!error && !search->type)
		error = -ENOKEY;
	if (!error)
		error = ring ? keyring_search(*ring, search, &found) : key_search_own(search, &found);
	if (!error && into)
		error = key_permitted(found, KEY_NEED_LINK) ? keyring_link(to.key, found.key) : -EACCES;
	if (error == -EAGAIN)
		error = -ENOKEY;
	return error ? error : found.key->serial;
}

SYSCALL_HANDLER(request_key, uint64_t type_address, uint64_t description_address, uint64_t information,
                int32_t into)
{
	char type[TYPE_MAX], *description = 0, *ignored = 0;
	int64_t result = take_type(type_address, type);
	if (!result)
		result = take_text(description_address, &description);
	/* For /sbin/request-key, which would make the key: it is as if that were not installed. */
	if (!result && information)
		result = take_text(information, &ignored);
	keys_collect();
	if (!result)
		result =
		    search(0,
		           &(struct key_search){
		               .type = key_type_find(type), .description = description, .skip_expired = true},
		           into);
	if (result == -ENOKEY && ignored && key_type_find(type))
		result = -ENOENT;
	heap_free(description);
	heap_free(ignored);
	return result;
}

static int64_t search_call(int32_t ring_id, uint64_t type_address, uint64_t description_address, int32_t into)
{
	char type[TYPE_MAX], *description = 0;
	struct key_ref ring;
	int64_t result = take_type(type_address, type);
	if (!result)
		result = take_text(description_address, &description);
	if (!result)
		result = key_lookup(ring_id, false, KEY_NEED_SEARCH, &ring);
	if (!result)
		result = search(&ring,
		                &(struct key_search){.type = key_type_find(type), .description = description},
		                into);
	heap_free(description);
	return result;
}

/* ---- Reading ---- */

static int64_t describe(int32_t id, uint64_t address, uint64_t room)
{
	struct key_ref ref;
	int error = key_lookup(id, false, KEY_NEED_VIEW, &ref);
	if (error)
		return error;
	const struct key *key = ref.key;
	size_t size = strlen(key->description) + TYPE_MAX + 40;
	char *text = heap_allocate(size);
	if (!text)
		return -ENOMEM;
	int length = text_format(text, size, "%s;%d;%d;%08x;%s", key->type->name, (int)uid_seen(key->uid),
	                         (int)key_gid_seen(key), key->permissions, key->description);
	return give(text, length + 1, address, room);
}

static int64_t security(int32_t id, uint64_t address, uint64_t room)
{
	struct key_ref ref;
	int error = key_lookup(id, false, KEY_NEED_VIEW, &ref);
	/* There is no such module: an empty name. */
	return error ? error : room && address && copy_to_user(address, "", 1) ? -EFAULT : 1;
}

static int64_t read(int32_t id, uint64_t address, uint64_t room)
{
	struct key_ref ref;
	int error = key_lookup(id, false, KEY_NEED_EXISTENCE, &ref);
	if (error)
		return error;
	const struct key *key = ref.key;
	/* Who can find it may read it. */
	if (!key_permitted(ref, KEY_NEED_READ) && !ref.possessed)
		return -EACCES;
	if (!key->type->readable)
		return -EOPNOTSUPP;
	error = key_validate(key);
	if (error)
		return error;
	uint64_t bytes = key->type->keyring ? 4ull * key->link_count : key->bytes;
	if (!address || room < bytes || !bytes)
		return (int64_t)bytes;
	char *copy = heap_allocate(bytes);
	if (!copy)
		return -ENOMEM;
	if (!key->type->keyring)
		memcpy(copy, key->payload, bytes);
	for (uint32_t i = 0; i < key->link_count; i++)
		memcpy(copy + 4ull * i, &key->links[i]->serial, 4);
	return give(copy, (int64_t)bytes, address, room);
}

/* ---- Changing ---- */

static int64_t update(int32_t id, uint64_t address, uint64_t bytes)
{
	struct key_ref ref;
	uint8_t *payload;
	if (bytes > UPDATE_MAX)
		return -EINVAL;
	int error = take_payload(address, bytes, &payload);
	if (error)
		return error;
	error = key_lookup(id, false, KEY_NEED_WRITE, &ref);
	if (!error && ref.key->type->keyring)
		error = -EOPNOTSUPP;
	else if (!error)
		error = bytes ? key_set_payload(ref.key, payload, (uint32_t)bytes) : -EINVAL;
	if (!error)
		ref.key->expires = 0;
	drop_payload(payload, bytes);
	return error;
}

static int64_t revoke(int32_t id)
{
	struct key_ref ref;
	int error = key_lookup(id, false, KEY_NEED_WRITE, &ref);
	if (error == -EACCES)
		error = key_lookup(id, false, KEY_NEED_SETATTR, &ref);
	if (!error)
		key_revoke(ref.key);
	return error;
}

static int64_t invalidate(int32_t id)
{
	struct key_ref ref;
	int error = key_lookup(id, false, KEY_NEED_SEARCH, &ref);
	if (error)
		return error;
	key_invalidate(ref.key);
	keys_collect();
	return 0;
}

static int64_t change_owner(int32_t id, uint32_t uid, uint32_t gid)
{
	struct key_ref ref;
	bool owner = uid != ID_NONE, group = gid != ID_NONE;
	if (!owner && !group)
		return 0;
	if ((owner && (uid = uid_named(uid)) == ID_NONE) || (group && (gid = gid_named(gid)) == ID_NONE))
		return -EINVAL;
	int error = key_lookup(id, true, KEY_NEED_SETATTR, &ref);
	if (error)
		return error;
	if (!capable(CAP_SYS_ADMIN) &&
	    ((owner && uid != ref.key->uid) || (group && gid != ref.key->gid && !in_group(gid))))
		return -EACCES;
	return key_set_owner(ref.key, owner ? uid : ref.key->uid, group ? gid : ref.key->gid);
}

static int64_t change_permissions(int32_t id, uint32_t permissions)
{
	struct key_ref ref;
	if (permissions & ~(KEY_ALL * 0x01010101u))
		return -EINVAL;
	int error = key_lookup(id, true, KEY_NEED_SETATTR, &ref);
	if (!error && ref.key->uid != current_task()->credentials.fsuid && !capable(CAP_SYS_ADMIN))
		error = -EACCES;
	if (!error)
		ref.key->permissions = permissions;
	return error;
}

static int64_t set_timeout(int32_t id, uint32_t seconds)
{
	struct key_ref ref;
	int error = key_lookup(id, true, KEY_NEED_SETATTR, &ref);
	if (!error)
		key_set_timeout(ref.key, seconds);
	return error;
}

/* ---- Keyrings ---- */

static int64_t ring_serial(int32_t id, bool create)
{
	struct key_ref ref;
	int error = key_lookup(id, create, KEY_NEED_SEARCH, &ref);
	return error ? error : ref.key->serial;
}

static int64_t join(uint64_t address)
{
	char *name = 0;
	int64_t result = address ? take_text(address, &name) : 0;
	if (!result)
		result = name && name[0] == '.' ? -EPERM : keyring_join(name);
	heap_free(name);
	return result;
}

static int64_t clear(int32_t id)
{
	struct key_ref ref;
	int error = key_lookup(id, true, KEY_NEED_WRITE, &ref);
	if (!error && !ref.key->type->keyring)
		error = -ENOTDIR;
	if (!error)
		keyring_clear(ref.key);
	return error;
}

static int64_t link(int32_t id, int32_t ring_id)
{
	struct key_ref ring, ref;
	int error = key_lookup(ring_id, true, KEY_NEED_WRITE, &ring);
	if (!error)
		error = key_lookup(id, true, KEY_NEED_LINK, &ref);
	return error ? error : keyring_link(ring.key, ref.key);
}

static int64_t unlink(int32_t id, int32_t ring_id)
{
	struct key_ref ring, ref;
	int error = key_lookup(ring_id, false, KEY_NEED_WRITE, &ring);
	if (!error)
		error = key_lookup(id, false, KEY_NEED_EXISTENCE, &ref);
	return error ? error : keyring_unlink(ring.key, ref.key);
}

static int64_t move(int32_t id, int32_t from_id, int32_t to_id, uint32_t flags)
{
	enum { EXCLUSIVE = 1 };
	struct key_ref ref, from, to;
	if (flags & ~(uint32_t)EXCLUSIVE)
		return -EINVAL;
	int error = key_lookup(id, true, KEY_NEED_LINK, &ref);
	if (!error)
		error = key_lookup(from_id, false, KEY_NEED_WRITE, &from);
	if (!error)
		error = key_lookup(to_id, true, KEY_NEED_WRITE, &to);
	if (error || from.key == to.key)
		return error;
	struct key *key = ref.key;
	if (!from.key->type->keyring || !to.key->type->keyring)
		return -ENOTDIR;
	if (keyring_find(from.key, key->type, key->description) != key)
		return -ENOENT;
	if ((flags & EXCLUSIVE) && keyring_find(to.key, key->type, key->description))
		return -EEXIST;
	/* What TO had by that name goes, and may have been all that held FROM. */
	(void)key_reference(from.key);
	error = keyring_link(to.key, key);
	if (!error)
		error = keyring_unlink(from.key, key);
	key_release(from.key);
	return error;
}

static int64_t restrict_ring(int32_t id, uint64_t type_address, uint64_t restriction)
{
	char type[TYPE_MAX];
	struct key_ref ref;
	int error = key_lookup(id, false, KEY_NEED_SETATTR, &ref);
	if (error)
		return error;
	/* No type that is here has a restriction of its own. */
	if (type_address) {
		error = take_type(type_address, type);
		return error ? error : key_type_find(type) ? -ENOENT : -ENOKEY;
	}
	if (restriction)
		return -EINVAL;
	if (!ref.key->type->keyring)
		return -ENOTDIR;
	if (ref.key->flags & KEY_RESTRICTED)
		return -EEXIST;
	ref.key->flags |= KEY_RESTRICTED;
	return 0;
}

static int64_t persistent(uint32_t uid, int32_t into)
{
	const struct credentials *c = &current_task()->credentials;
	struct key_ref to;
	struct key *ring;
	if (uid == ID_NONE)
		uid = c->uid;
	else if ((uid = uid_named(uid)) == ID_NONE)
		return -EINVAL;
	if (uid != c->uid && uid != c->euid && !capable_own(CAP_SETUID))
		return -EPERM;
	int error = key_lookup(into, true, KEY_NEED_WRITE, &to);
	if (!error && !to.key->type->keyring)
		error = -ENOTDIR;
	if (error)
		return error;
	/* The one of before, where it is dead, goes, and may have been all that held TO. */
	(void)key_reference(to.key);
	error = keyring_persistent(uid, &ring);
	if (!error)
		error = key_permitted((struct key_ref){ring, false}, KEY_NEED_LINK) || uid == c->uid
		            ? keyring_link(to.key, ring)
		            : -EACCES;
	key_release(to.key);
	return error ? error : ring->serial;
}

static int64_t capabilities(uint64_t address, uint64_t room)
{
	enum { CAPABILITIES = 1, PERSISTENT = 2, INVALIDATE = 0x20, RESTRICT = 0x40, MOVE = 0x80 };
	const uint8_t have[2] = {CAPABILITIES | PERSISTENT | INVALIDATE | RESTRICT | MOVE,
	                         1 /* names by user namespace */};
	uint64_t part = room < sizeof(have) ? room : sizeof(have);
	if (part &&
	    (copy_to_user(address, have, part) ||
	     (room > part && (!user_range(address, room) || clear_user(address + part, room - part)))))
		return -EFAULT;
	return sizeof(have);
}

enum keyctl_command {
	KEYCTL_GET_KEYRING_ID,
	KEYCTL_JOIN_SESSION_KEYRING,
	KEYCTL_UPDATE,
	KEYCTL_REVOKE,
	KEYCTL_CHOWN,
	KEYCTL_SETPERM,
	KEYCTL_DESCRIBE,
	KEYCTL_CLEAR,
	KEYCTL_LINK,
	KEYCTL_UNLINK,
	KEYCTL_SEARCH,
	KEYCTL_READ,
	KEYCTL_INSTANTIATE,
	KEYCTL_NEGATE,
	KEYCTL_SET_REQKEY_KEYRING,
	KEYCTL_SET_TIMEOUT,
	KEYCTL_ASSUME_AUTHORITY,
	KEYCTL_GET_SECURITY,
	KEYCTL_SESSION_TO_PARENT,
	KEYCTL_REJECT,
	KEYCTL_INSTANTIATE_IOV,
	KEYCTL_INVALIDATE,
	KEYCTL_GET_PERSISTENT,
	KEYCTL_RESTRICT_KEYRING = 29,
	KEYCTL_MOVE,
	KEYCTL_CAPABILITIES
};

SYSCALL_HANDLER(keyctl, int32_t command, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	int32_t id = (int32_t)a;
	keys_collect();
	switch (command) {
	case KEYCTL_GET_KEYRING_ID:
		return ring_serial(id, (int32_t)b);
	case KEYCTL_JOIN_SESSION_KEYRING:
		return join(a);
	case KEYCTL_UPDATE:
		return update(id, b, c);
	case KEYCTL_REVOKE:
		return revoke(id);
	case KEYCTL_CHOWN:
		return change_owner(id, (uint32_t)b, (uint32_t)c);
	case KEYCTL_SETPERM:
		return change_permissions(id, (uint32_t)b);
	case KEYCTL_DESCRIBE:
		return describe(id, b, c);
	case KEYCTL_CLEAR:
		return clear(id);
	case KEYCTL_LINK:
		return link(id, (int32_t)b);
	case KEYCTL_UNLINK:
		return unlink(id, (int32_t)b);
	case KEYCTL_SEARCH:
		return search_call(id, b, c, (int32_t)d);
	case KEYCTL_READ:
		return read(id, b, c);
	case KEYCTL_INSTANTIATE:
	case KEYCTL_NEGATE:
	case KEYCTL_REJECT:
	case KEYCTL_INSTANTIATE_IOV:
		return -EPERM; /* nobody has been asked to */
	case KEYCTL_SET_REQKEY_KEYRING:
		return keyring_request_default(id);
	case KEYCTL_SET_TIMEOUT:
		return set_timeout(id, (uint32_t)b);
	case KEYCTL_ASSUME_AUTHORITY:
		return id < 0 ? -EINVAL : id ? -ENOKEY : 0;
	case KEYCTL_GET_SECURITY:
		return security(id, b, c);
	case KEYCTL_SESSION_TO_PARENT:
		return keyring_to_parent();
	case KEYCTL_INVALIDATE:
		return invalidate(id);
	case KEYCTL_GET_PERSISTENT:
		return persistent((uint32_t)a, (int32_t)b);
	case KEYCTL_RESTRICT_KEYRING:
		return restrict_ring(id, b, c);
	case KEYCTL_MOVE:
		return move(id, (int32_t)b, (int32_t)c, (uint32_t)d);
	case KEYCTL_CAPABILITIES:
		return capabilities(a, b);
	default:
		return -EOPNOTSUPP;
	}
}
