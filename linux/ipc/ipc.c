/* See ipc.h. */
#include "ipc.h"

#define PLACES 32768

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

void ipc_remove(struct ipc_table *table, struct ipc_object *object)
{
	table->slots[object->number % PLACES] = 0;
	table->used--;
}

static bool in_group_of(const struct credentials *credentials, uint32_t gid)
{
	bool member = credentials->egid == gid;
	for (uint32_t i = 0; i < credentials->group_count && !member; i++)
		member = credentials->groups[i] == gid;
	return member;
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
	return !(want & ~granted & 7) || capable(CAP_IPC_OWNER);
}

bool ipc_owned(const struct ipc_object *object)
{
	uint32_t euid = current_task()->credentials.euid;
	return euid == object->uid || euid == object->creator_uid || capable(CAP_SYS_ADMIN);
}

void ipc_describe(const struct ipc_object *object, struct ipc_permissions *to)
{
	*to = (struct ipc_permissions){.key = object->key,
	                               .uid = object->uid,
	                               .gid = object->gid,
	                               .creator_uid = object->creator_uid,
	                               .creator_gid = object->creator_gid,
	                               .mode = object->mode,
	                               .sequence = object->sequence};
}

int ipc_set(struct ipc_object *object, const struct ipc_permissions *from)
{
	if (!ipc_owned(object))
		return -EPERM;
	if (from->uid == UINT32_MAX || from->gid == UINT32_MAX)
		return -EINVAL;
	object->uid = from->uid;
	object->gid = from->gid;
	object->mode = (object->mode & ~0777u) | (from->mode & 0777);
	return 0;
}

int64_t ipc_get_old(const struct ipc_object *object, uint32_t flags)
{
	if ((flags & (IPC_CREAT | IPC_EXCL)) == (IPC_CREAT | IPC_EXCL))
		return -EEXIST;
	return ipc_permitted(object, flags & 0777) ? object->number : -EACCES;
}
