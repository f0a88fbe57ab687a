/* Whose keyrings are whose: those of threads, processes, sessions and users, and what a task's calls name by them. */
#include "keys.h"

#define PERSISTENT_SECONDS (3 * 24 * 3600u)

#define KEYRING_PERMISSIONS (KEY_ALL << KEY_POSSESSOR | KEY_NEED_VIEW << KEY_USER)
#define READABLE            (KEYRING_PERMISSIONS | KEY_NEED_READ << KEY_USER)
#define USERS_PERMISSIONS   ((KEY_ALL & ~(uint32_t)KEY_NEED_SETATTR) << KEY_POSSESSOR | KEY_ALL << KEY_USER)
#define PERSISTENT_PERMISSIONS                                                                               \
	((KEY_ALL & ~(uint32_t)KEY_NEED_SETATTR) << KEY_POSSESSOR | (KEY_NEED_VIEW | KEY_NEED_READ)          \
	                                                                << KEY_USER)

/* A user's own in one user namespace; kept until that ends. */
struct user_keyrings {
	struct list link;
	uint64_t namespace;
	uint32_t uid;
	struct key *user, *session, *persistent; /* references, or 0 */
};
static struct list all_users = LIST_INIT(all_users);

/* ---- Users' ---- */

static struct user_keyrings *users_find(uint32_t uid)
{
	struct user_keyrings *user;
	uint64_t namespace = user_namespace_current()->common.inode;
	list_for_each(user, &all_users,
	              link) if (user->uid == uid && user->namespace == namespace) return user;
	return 0;
}

static struct key *users_keyring(const char *prefix, uint32_t uid, uint32_t permissions,
                                 enum key_charge charge, int *error)
{
	char name[32];
	(void)text_format(name, sizeof(name), "%s.%u", prefix, uid_seen(uid));
	struct key *ring = key_create(&key_type_keyring, name, uid, ID_NONE, permissions, charge, error);
	if (ring)
		ring->flags |= KEY_OF_USER;
	return ring;
}

static struct user_keyrings *users_get(uint32_t uid)
{
	struct user_keyrings *user = users_find(uid);
	if (user)
		return user;
	user = heap_allocate(sizeof(*user));
	if (user) {
		user->uid = uid;
		user->namespace = user_namespace_current()->common.inode;
		list_append(&all_users, &user->link);
	}
	return user;
}

/* The current task's user's, both there; 0 with *ERROR. */
static struct user_keyrings *users_own(int *error)
{
	uint32_t uid = current_task()->credentials.uid;
	struct user_keyrings *user = users_get(uid);
	*error = -ENOMEM;
	if (!user)
		return 0;
	if (!user->user)
		user->user = users_keyring("_uid", uid, USERS_PERMISSIONS, KEY_CHARGED, error);
	if (!user->user)
		return 0;
	if (!user->session) {
		user->session = users_keyring("_uid_ses", uid, USERS_PERMISSIONS, KEY_CHARGED, error);
		if (!user->session)
			return 0;
		*error = keyring_link(user->session, user->user);
		if (*error) {
			key_release(user->session);
			user->session = 0;
			return 0;
		}
	}
	*error = 0;
	return user;
}

int keyring_persistent(uint32_t uid, struct key **ring)
{
	struct user_keyrings *user = users_get(uid);
	int error = -ENOMEM;
	if (!user)
		return error;
	if (user->persistent && key_validate(user->persistent)) {
		key_release(user->persistent);
		user->persistent = 0;
	}
	if (!user->persistent)
		user->persistent =
		    users_keyring("_persistent", uid, PERSISTENT_PERMISSIONS, KEY_UNCHARGED, &error);
	if (!user->persistent)
		return error;
	key_set_timeout(user->persistent, PERSISTENT_SECONDS);
	*ring = user->persistent;
	return 0;
}

void keys_namespace_end(uint64_t inode)
{
	struct user_keyrings *user, *next;
	list_for_each_safe(user, next, &all_users, link)
	{
		if (user->namespace != inode)
			continue;
		list_remove(&user->link);
		key_release(user->user);
		key_release(user->session);
		key_release(user->persistent);
		heap_free(user);
	}
}

/* ---- Tasks' ---- */

/* The current task's, made where there is none; 0: no memory. */
static struct task_keyrings *own(void)
{
	struct task *task = current_task();
	if (!task->keyrings)
		task->keyrings = heap_allocate(sizeof(*task->keyrings));
	return task->keyrings;
}

static struct key *task_keyring(const struct credentials *c, const char *name, uint32_t permissions,
                                enum key_charge charge, int *error)
{
	return key_create(&key_type_keyring, name, c->uid, c->gid, permissions, charge, error);
}

static void replace(struct key **place, struct key *key)
{
	struct key *old = *place;
	*place = key;
	key_release(old);
}

bool task_keyrings_inherit(struct task *child, const struct task *parent, uint64_t flags)
{
	const struct task_keyrings *from = parent->keyrings;
	int error;
	if (!from)
		return true;
	struct task_keyrings *to = heap_allocate(sizeof(*to));
	if (!to)
		return false;
	child->keyrings = to;
	to->request_default = from->request_default;
	to->session = from->session ? key_reference(from->session) : 0;
	if (!(flags & CLONE_THREAD))
		return true;
	to->process = from->process ? key_reference(from->process) : 0;
	/* Whose parent has one gets one: it is not shared. */
	if (from->thread)
		to->thread =
		    task_keyring(&parent->credentials, "_tid", KEYRING_PERMISSIONS, KEY_OVERRIDES, &error);
	return !from->thread || to->thread;
}

void task_keyrings_exec(struct task *task)
{
	if (!task->keyrings)
		return;
	replace(&task->keyrings->thread, 0);
	replace(&task->keyrings->process, 0);
}

void task_keyrings_exit(struct task *task)
{
	if (!task->keyrings)
		return;
	task_keyrings_exec(task);
	replace(&task->keyrings->session, 0);
	heap_free(task->keyrings);
	task->keyrings = 0;
}

int64_t keyring_join(const char *name)
{
	const struct credentials *c = &current_task()->credentials;
	struct task_keyrings *rings = own();
	int error = -ENOMEM;
	if (!rings)
		return error;
	struct key *ring = name ? keyring_named(name) : 0;
	if (ring && ring == rings->session)
		return 0;
	if (ring)
		(void)key_reference(ring);
	else if (name)
		ring = task_keyring(c, name, READABLE | KEY_NEED_LINK << KEY_USER, KEY_CHARGED, &error);
	else
		ring =
		    task_keyring(c, "_ses", READABLE, rings->session ? KEY_CHARGED : KEY_OVERRIDES, &error);
	if (!ring)
		return error;
	replace(&rings->session, ring);
	return ring->serial;
}

static int thread_install(struct task_keyrings *rings)
{
	int error = 0;
	if (!rings->thread)
		rings->thread = task_keyring(&current_task()->credentials, "_tid", KEYRING_PERMISSIONS,
		                             KEY_OVERRIDES, &error);
	return rings->thread ? 0 : error;
}

static int process_install(struct task_keyrings *rings)
{
	int error = 0;
	if (!rings->process)
		rings->process = task_keyring(&current_task()->credentials, "_pid", KEYRING_PERMISSIONS,
		                              KEY_OVERRIDES, &error);
	return rings->process ? 0 : error;
}

/* There is a session keyring, which is not the user's where one of its own is to be made: CREATE. */
static int session_install(struct task_keyrings *rings, bool create)
{
	int error = 0;
	if (rings->session && !(create && (rings->session->flags & KEY_OF_USER)))
		return 0;
	const struct user_keyrings *user = users_own(&error);
	if (!user)
		return error;
	if (create) {
		int64_t joined = keyring_join(0);
		return joined < 0 ? (int)joined : 0;
	}
	rings->session = key_reference(user->session);
	return 0;
}

int64_t keyring_request_default(int32_t place)
{
	enum { NO_CHANGE = -1, THREAD = 1, PROCESS = 2, USER_SESSION = 5 };
	struct task_keyrings *rings = own();
	if (!rings)
		return -ENOMEM;
	int32_t old = rings->request_default;
	if (place == NO_CHANGE)
		return old;
	if (place < 0 || place > USER_SESSION)
		return -EINVAL;
	int error = place == THREAD ? thread_install(rings) : place == PROCESS ? process_install(rings) : 0;
	if (error)
		return error;
	rings->request_default = place;
	return old;
}

int64_t keyring_to_parent(void)
{
	struct task *self = current_task();
	struct process *parent = self->process->parent;
	const struct credentials *mine = &self->credentials;
	struct key_ref ref;
	int error = key_lookup(KEY_SPEC_SESSION_KEYRING, false, KEY_NEED_LINK, &ref);
	if (error)
		return error;
	struct task *to = parent ? parent->leader : 0;
	if (!to || parent->number <= 1 || parent->thread_count != 1 || !to->mm)
		return -EPERM;
	const struct credentials *theirs = &to->credentials;
	struct key *old = to->keyrings ? to->keyrings->session : 0;
	if (old == ref.key)
		return 0;
	if (theirs->uid != mine->euid || theirs->euid != mine->euid || theirs->suid != mine->euid ||
	    theirs->gid != mine->egid || theirs->egid != mine->egid || theirs->sgid != mine->egid ||
	    (old && old->uid != mine->euid) || ref.key->uid != mine->euid)
		return -EPERM;
	if (!to->keyrings)
		to->keyrings = heap_allocate(sizeof(*to->keyrings));
	if (!to->keyrings)
		return -ENOMEM;
	replace(&to->keyrings->session, key_reference(ref.key));
	return 0;
}

/* ---- Look-ups ---- */

/* Where the current task's searches begin; 0: there is none. */
static void own_rings(struct key *in[3])
{
	const struct task *task = current_task();
	const struct task_keyrings *rings = task->keyrings;
	in[0] = rings ? rings->thread : 0;
	in[1] = rings ? rings->process : 0;
	in[2] = rings ? rings->session : 0;
	if (!in[2]) {
		const struct user_keyrings *user = users_find(task->credentials.uid);
		in[2] = user ? user->session : 0;
	}
}

uint64_t keys_mark_own(void)
{
	static uint64_t mark;
	struct key *in[3];
	own_rings(in);
	mark++;
	for (unsigned i = 0; i < 3; i++)
		if (in[i])
			keyring_mark((struct key_ref){in[i], true}, mark);
	return mark;
}

int key_search_own(const struct key_search *search, struct key_ref *found)
{
	struct key *in[3];
	int nothing = 0, why = -EAGAIN;
	own_rings(in);
	for (unsigned i = 0; i < 3; i++) {
		if (!in[i])
			continue;
		int error = keyring_search((struct key_ref){in[i], true}, search, found);
		if (!error)
			return 0;
		if (error == -ENOKEY || (error == -EAGAIN && !nothing))
			nothing = error;
		else if (error != -EAGAIN)
			why = error;
	}
	return nothing ? nothing : why;
}

/* One of the current task's own, by KEY_SPEC_*. */
static int lookup_special(int32_t id, bool create, struct key **key)
{
	struct task_keyrings *rings = own();
	const struct user_keyrings *user;
	int error = 0;
	if (!rings)
		return -ENOMEM;
	switch (id) {
	case KEY_SPEC_THREAD_KEYRING:
		error = create ? thread_install(rings) : 0;
		*key = rings->thread;
		break;
	case KEY_SPEC_PROCESS_KEYRING:
		error = create ? process_install(rings) : 0;
		*key = rings->process;
		break;
	case KEY_SPEC_SESSION_KEYRING:
		error = session_install(rings, create);
		*key = rings->session;
		break;
	case KEY_SPEC_USER_KEYRING:
	case KEY_SPEC_USER_SESSION_KEYRING:
		user = users_own(&error);
		if (user)
			*key = id == KEY_SPEC_USER_KEYRING ? user->user : user->session;
		break;
	case KEY_SPEC_REQKEY_AUTH_KEY: /* nobody is asked to make a key */
	case KEY_SPEC_REQUESTOR_KEYRING:
		break;
	default: /* KEY_SPEC_GROUP_KEYRING, too */
		return -EINVAL;
	}
	return error ? error : *key ? 0 : -ENOKEY;
}

int key_lookup(int32_t id, bool create, unsigned need, struct key_ref *ref)
{
	struct key *key = 0;
	if (id <= 0) {
		int error = lookup_special(id, create, &key);
		if (error)
			return error;
		*ref = (struct key_ref){key, true};
	} else {
		key = key_find(id);
		if (!key)
			return -ENOKEY;
		const struct key_search search = {.key = key, .any_state = true};
		*ref = (struct key_ref){key, false};
		(void)key_search_own(&search, ref);
	}
	if (need == KEY_NEED_EXISTENCE)
		return 0;
	int error = key_validate(key);
	if (error)
		return error;
	return key_permitted(*ref, need) ? 0 : -EACCES;
}
