/* See ipc.h. */
#include "ipc.h"
#include "../fs/name.h"

#define PLACES 32768

struct ipc_namespace ipc_namespace_first = {
    .common = {.kind = NAMESPACE_IPC, .references = 1, .inode = 4026531839, .owner = &user_namespace_first},
    .message_queues = LIST_INIT(ipc_namespace_first.message_queues)};

struct ipc_namespace *ipc_current(void)
{
	const struct namespaces *own = current_task()->namespaces;
	return own ? container_of(own->of[NAMESPACE_IPC], struct ipc_namespace, common)
	           : &ipc_namespace_first;
}

bool ipc_capable(unsigned capability)
{
	return capable_in(ipc_current()->common.owner, capability);
}

struct namespace *ipc_namespace_copy(struct namespace *from, struct user_namespace *owner, int *error)
{
	struct ipc_namespace *made = heap_allocate(sizeof(*made));
	(void)from;
	*error = made ? namespace_init(&made->common, NAMESPACE_IPC, owner) : -ENOMEM;
	if (*error) {
		heap_free(made);
		return 0;
	}
	list_init(&made->message_queues);
	return &made->common;
}

void ipc_namespace_free(struct namespace *namespace)
{
	static void (*const remove[IPC_TABLES])(struct ipc_object *) = {segment_remove, set_remove,
	                                                                queue_remove};
	struct ipc_namespace *gone = container_of(namespace, struct ipc_namespace, common);
	for (unsigned kind = 0; kind < IPC_TABLES; kind++) {
		struct ipc_table *table = &gone->tables[kind];
		for (uint32_t i = 0; i < table->highest; i++)
			if (table->slots[i])
				remove[kind](table->slots[i]);
		heap_free(table->slots);
	}
	message_queues_end(gone);
	namespace_deinit(namespace);
	heap_free(gone);
}

struct ipc_object *ipc_at(const struct ipc_table *table, int32_t place)
{
	return table->slots && place >= 0 && (uint32_t)place < IPC_OBJECTS_MAX ? table->slots[place] : 0;
}

struct ipc_object *ipc_find(const struct ipc_table *table, int32_t number, int *error)
{
	struct ipc_object *object = number < 0 ? 0 : ipc_at(table, number % PLACES);
	*error = -EINVAL;
	if (object && object->number != number) {
		*error = -EIDRM;
		object = 0;
	}
	return object;
}

struct ipc_object *ipc_by_key(const struct ipc_table *table, int32_t key)
{
	for (uint32_t i = 0; i < table->highest; i++)
		if (table->slots[i] && table->slots[i]->key == key)
			return table->slots[i];
	return 0;
}

int64_t ipc_enter(struct ipc_table *table, struct ipc_object *object, int32_t key, uint32_t flags)
{
	const struct credentials *credentials = &current_task()->credentials;
	if (!table->slots && !(table->slots = heap_allocate(IPC_OBJECTS_MAX * sizeof(void *))))
		return -ENOMEM;
	uint32_t place = 0;
	while (place < IPC_OBJECTS_MAX && table->slots[place])
		place++;
	if (place == IPC_OBJECTS_MAX)
		return -ENOSPC;
	if (place < table->highest) /* used before: another number than then */
		table->sequence = (uint16_t)((table->sequence + 1) & 0x7fff);
	else
		table->highest = place + 1;
	object->table = table;
	object->key = key;
	object->sequence = table->sequence;
	object->number = (int32_t)(table->sequence * PLACES + place);
	object->uid = object->creator_uid = credentials->euid;
	object->gid = object->creator_gid = credentials->egid;
	object->mode = flags & 0777;
	table->slots[place] = object;
	table->used++;
	return object->number;
}

void ipc_remove(struct ipc_object *object)
{
	struct ipc_table *table = object->table;
	table->slots[object->number % PLACES] = 0;
	table->used--;
}

static bool in_group_of(const struct credentials *credentials, uint32_t gid)
{
	return credentials->egid == gid || in_groups(credentials, gid);
}

bool ipc_permitted(const struct ipc_object *object, uint32_t want)
{
	const struct credentials *credentials = &current_task()->credentials;
	uint32_t granted = object->mode;
	want = (want | want >> 3 | want >> 6) & 7;
	if (credentials->euid == object->uid || credentials->euid == object->creator_uid)
		granted >>= 6;
	else if (in_group_of(credentials, object->gid) || in_group_of(credentials, object->creator_gid))
		granted >>= 3;
	return !(want & ~granted & 7) || ipc_capable(CAP_IPC_OWNER);
}

bool ipc_owned(const struct ipc_object *object)
{
	uint32_t euid = current_task()->credentials.euid;
	return euid == object->uid || euid == object->creator_uid || ipc_capable(CAP_SYS_ADMIN);
}

void ipc_describe(const struct ipc_object *object, struct ipc_permissions *to)
{
	*to = (struct ipc_permissions){.key = object->key,
	                               .uid = uid_seen(object->uid),
	                               .gid = gid_seen(object->gid),
	                               .creator_uid = uid_seen(object->creator_uid),
	                               .creator_gid = gid_seen(object->creator_gid),
	                               .mode = object->mode,
	                               .sequence = object->sequence};
}

int ipc_set(struct ipc_object *object, const struct ipc_permissions *from)
{
	if (!ipc_owned(object))
		return -EPERM;
	uint32_t uid = uid_named(from->uid), gid = gid_named(from->gid);
	if (uid == ID_NONE || gid == ID_NONE)
		return -EINVAL;
	object->uid = uid;
	object->gid = gid;
	object->mode = (object->mode & ~0777u) | (from->mode & 0777);
	return 0;
}

int64_t ipc_get_old(const struct ipc_object *object, uint32_t flags)
{
	if ((flags & (IPC_CREAT | IPC_EXCL)) == (IPC_CREAT | IPC_EXCL))
		return -EEXIST;
	return ipc_permitted(object, flags & 0777) ? object->number : -EACCES;
}
