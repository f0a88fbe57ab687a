/* The control of the vault service: abi/vault.interface. */
#include <file_name.h>
#include "vault.h"

#define DISK_CACHE (4u << 20)
#define SIZE_MIN   (1u << 20)

struct vdisk_backend backend_of(struct block_device *device)
{
	return (struct vdisk_backend){.context = device,
	                              .read = block_device_read,
	                              .write = block_device_write,
	                              .flush = block_device_flush,
	                              .discard = block_device_discard,
	                              .limit = device->bytes & ~(uint64_t)(VDISK_BLOCK - 1)};
}

int64_t vault_error(int status)
{
	switch (status) {
	case VDISK_OK:
		return E_OK;
	case VDISK_DAMAGED:
		return VAULT_E_DAMAGED;
	case VDISK_NO_SPACE:
		return FILE_E_NO_SPACE;
	case VDISK_RANGE:
		return E_ARGUMENT;
	case VDISK_KEY:
		return VAULT_E_KEY;
	case VDISK_FORMAT:
		return VAULT_E_FORMAT;
	case VDISK_VERSION:
		return VAULT_E_VERSION;
	case VDISK_READ_ONLY:
		return FILE_E_READ_ONLY;
	case VDISK_NOT_FOUND:
		return FILE_E_NOT_FOUND;
	case VDISK_EXISTS:
		return VAULT_E_EXISTS;
	case VDISK_STALE:
		return FILE_E_STALE;
	case VDISK_NO_MEMORY:
		return VAULT_E_NO_MEMORY;
	case VDISK_BUSY:
		return VAULT_E_BUSY;
	case VDISK_LIMIT:
		return FILE_E_LINKS;
	case VDISK_DIVERGED:
		return VAULT_E_DIVERGED;
	default:
		return FILE_E_IO;
	}
}

uint64_t vault_device_bytes(const struct vault *vault)
{
	uint64_t bytes = vault->legs[0].bytes;
	for (unsigned i = 1; i < vault->leg_count; i++)
		bytes = vault->legs[i].bytes < bytes ? vault->legs[i].bytes : bytes;
	return bytes;
}

bool vault_has_failed(const struct vault *vault)
{
	bool failed = true;
	for (unsigned i = 0; i < vault->leg_count; i++)
		failed = failed && vault->legs[i].failed;
	return failed;
}

struct vault *vault_find(const char *name)
{
	for (unsigned i = 0; i < VAULTS_MAX; i++)
		if (service.vaults[i].name[0] && strcmp(service.vaults[i].name, name) == 0)
			return &service.vaults[i];
	return 0;
}

/* A name of 1 to MOST printable characters without '/' and ':'. */
bool name_is_good(const char *name, size_t most)
{
	size_t length = strnlen(name, most + 1);
	if (!length || length > most)
		return false;
	for (size_t i = 0; i < length; i++)
		if (name[i] <= ' ' || name[i] > '~' || name[i] == '/' || name[i] == ':')
			return false;
	return true;
}

/* Whether the device's first blocks are all zero. */
static int64_t device_is_empty(struct block_device *device)
{
	const struct vdisk_backend backend = backend_of(device);
	uint8_t *first = malloc(PROBE_BYTES);
	if (!first)
		return VAULT_E_NO_MEMORY;
	int64_t result = backend.read(backend.context, 0, first, PROBE_BYTES) < 0 ? FILE_E_IO : E_OK;
	for (size_t i = 0; i < PROBE_BYTES && result == E_OK; i++)
		if (first[i])
			result = VAULT_E_NOT_EMPTY;
	free(first);
	return result;
}

static struct vdisk_config config_of(const struct vdisk_backend *leg, bool read_only, const char *volume)
{
	return (struct vdisk_config){.legs = leg,
	                             .leg_count = 1,
	                             .random = entropy_get,
	                             .now_ns = service_now_ns,
	                             .cache_bytes = DISK_CACHE,
	                             .read_only = read_only,
	                             .volume = volume};
}

static int64_t make(struct block_device *device, uint64_t size, uint32_t flags, uint32_t cost_kib,
                    const struct keys *keys, const enum vdisk_factor factors[2])
{
	const struct vdisk_backend leg = backend_of(device);
	const struct vdisk_config config = config_of(&leg, false, 0);
	const struct vdisk_create create = {.blocks = size / VDISK_BLOCK,
	                                    .factors = {factors[0], factors[1]},
	                                    .cost = {.memory_kib = cost_kib, .passes = cost_kib ? 4 : 0},
	                                    .label = "vault"};
	struct vdisk *disk;
	int status = vdisk_create(&disk, &config, &create, &keys->credentials);
	if (status < 0)
		return keys_error(keys, status);
	struct store store = store_vdisk(disk);
	int formatted = holonfs_format(&store, "vault", flags & VAULT_COMPRESS ? HOLONFS_FLAG_COMPRESS : 0, 0,
	                               0, entropy_get, service_now_ns);
	int64_t result = file_error(formatted);
	if (result >= 0 && flags & VAULT_ANCHOR)
		result = anchor_begin(disk);
	status = vdisk_close(disk);
	if (result < 0)
		(void)device_erase(&leg); /* it is not what was asked for */
	return result < 0 ? result : vault_error(status);
}

static int64_t control_create(void *context, uint64_t badge, handle_t device_channel, uint32_t flags,
                              uint64_t size, uint32_t cost_kib, int64_t now_ns, const void *credentials,
                              uint32_t bytes)
{
	static struct keys keys;
	static struct block_device device;
	(void)context, (void)badge;
	service.owner_offset = service.clock_offset = now_ns - (int64_t)clock_ns();
	if (!size)
		size = VAULT_SIZE_DEFAULT;
	if (flags & ~(uint32_t)(VAULT_ERASE | VAULT_COMPRESS | VAULT_ANCHOR) || size < SIZE_MIN ||
	    size / VDISK_BLOCK > VDISK_BLOCKS_MAX)
		return E_ARGUMENT;
	if (flags & VAULT_ANCHOR && !machine_present())
		return VAULT_E_NO_TPM;
	enum vdisk_factor factors[2];
	int64_t result = keys_take(&keys, credentials, bytes);
	if (result >= 0)
		result = keys_factors(&keys, false, factors);
	handle_t own = result < 0 ? 0 : device_channel;
	if (own) {
		int64_t copy = cap_copy(own, RIGHT_CALL | RIGHT_COPY | RIGHT_MOVE, 0);
		result = copy < 0 ? copy : block_device_open(&device, (handle_t)copy, service.page);
	}
	if (result >= 0) {
		if (!(flags & VAULT_ERASE))
			result = device_is_empty(&device);
		if (result >= 0)
			result = device.read_only ? FILE_E_READ_ONLY
			                          : make(&device, size, flags, cost_kib, &keys, factors);
		block_device_close(&device);
	}
	keys_wipe(&keys);
	if (result >= 0)
		cap_delete(device_channel);
	return result;
}

/* Lets VAULT, of which nobody has a session, go. The status is that of the last sync. */
int64_t vault_end(struct vault *vault)
{
	deletion_end(vault, E_OK); /* it goes on when the vault is open again */
	int synced = vault->fs ? holonfs_unmount(vault->fs) : 0;
	if (vault->disk && vdisk_is_anchored(vault->disk) && vdisk_commit(vault->disk) == VDISK_OK)
		anchor_renew(vault->disk);
	int closed = vault->disk ? vdisk_close(vault->disk) : VDISK_OK;
	for (unsigned i = 0; i < vault->leg_count; i++)
		block_device_close(&vault->legs[i]);
	for (unsigned i = 0; i < MOUNTS_MAX; i++)
		if (service.mounts[i].vault == vault)
			service.mounts[i] = (struct mount){0};
	*vault = (struct vault){0};
	return synced < 0 ? file_error(synced) : vault_error(closed);
}

/* What the FLAGS of open() say of VAULT's anchor. */
static int64_t anchor_choose(struct vault *vault, uint32_t flags)
{
	vault->anchored_ns = clock_ns();
	if (vault->read_only)
		return flags & VAULT_ANCHOR ? FILE_E_READ_ONLY : E_OK;
	if (flags & VAULT_ANCHOR)
		return anchor_begin(vault->disk);
	if (flags & VAULT_UNANCHORED)
		return anchor_end(vault->disk);
	anchor_renew(vault->disk);
	return E_OK;
}

/* Opens volume SNAPSHOT (0: the living one) of the device that VAULT has. */
static int64_t vault_start(struct vault *vault, uint32_t flags, const char *snapshot, const struct keys *keys)
{
	const struct vdisk_backend leg = backend_of(&vault->legs[0]);
	struct vdisk_config config = config_of(&leg, vault->read_only, snapshot);
	if (!(flags & (VAULT_ANCHOR | VAULT_UNANCHORED)))
		config.keeper = &machine_keeper;
	int status = vdisk_open(&vault->disk, &config, &keys->credentials);
	if (status < 0) {
		vault->disk = 0;
		return keys_error(keys, status);
	}
	vault->read_only = vdisk_is_read_only(vault->disk);
	struct store store = store_vdisk(vault->disk);
	int mounted = holonfs_mount(&vault->fs, &store, service_now_ns, FILE_CACHE);
	if (mounted < 0) {
		vault->fs = 0;
		return file_error(mounted);
	}
	vault_serve_begin(vault);
	deletion_begin(vault);
	return anchor_choose(vault, flags);
}

static int64_t control_open(void *context, uint64_t badge, handle_t device_channel, uint32_t flags,
                            int64_t now_ns, const char *name, const char *snapshot, const void *credentials,
                            uint32_t bytes)
{
	static struct keys keys;
	char own_name[VAULT_NAME_MAX + 1];
	char own_snapshot[VAULT_SNAPSHOT_MAX + 1];
	struct vault *vault = 0;
	(void)context, (void)badge;
	service.owner_offset = service.clock_offset = now_ns - (int64_t)clock_ns();
	if (flags & ~(uint32_t)(VAULT_READ_ONLY | VAULT_ANCHOR | VAULT_UNANCHORED) ||
	    (flags & VAULT_ANCHOR && flags & VAULT_UNANCHORED) || !name_is_good(name, VAULT_NAME_MAX) ||
	    (*snapshot && !name_is_good(snapshot, VAULT_SNAPSHOT_MAX)))
		return E_ARGUMENT;
	if (vault_find(name))
		return VAULT_E_EXISTS;
	for (unsigned i = 0; i < VAULTS_MAX && !vault; i++)
		if (!service.vaults[i].name[0])
			vault = &service.vaults[i];
	if (!vault)
		return VAULT_E_BUSY;
	int64_t result = keys_take(&keys, credentials, bytes);
	memcpy(own_name, name, strlen(name) + 1); /* the page is used by the device's calls */
	memcpy(own_snapshot, snapshot, strlen(snapshot) + 1);
	int64_t copy =
	    result < 0 ? result : cap_copy(device_channel, RIGHT_CALL | RIGHT_COPY | RIGHT_MOVE, 0);
	result = copy < 0 ? copy : block_device_open(&vault->legs[0], (handle_t)copy, service.page);
	if (result >= 0) {
		vault->leg_count = 1;
		vault->read_only = flags & VAULT_READ_ONLY || *own_snapshot || vault->legs[0].read_only;
		result = vault_start(vault, flags, *own_snapshot ? own_snapshot : 0, &keys);
		if (result < 0)
			(void)vault_end(vault);
	}
	keys_wipe(&keys);
	if (result < 0)
		return result;
	memcpy(vault->name, own_name, sizeof(vault->name));
	cap_delete(device_channel);
	return E_OK;
}

static int64_t control_close(void *context, uint64_t badge, uint32_t flags, const char *name)
{
	struct vault *vault = vault_find(name);
	(void)context, (void)badge;
	if (!vault)
		return FILE_E_NOT_FOUND;
	if (flags & ~(uint32_t)VAULT_FORCE)
		return E_ARGUMENT;
	sessions_clean(&vault->served, flags & VAULT_FORCE);
	return vault->served.sessions ? VAULT_E_BUSY : vault_end(vault);
}

static int64_t control_list(void *context, uint64_t badge, uint32_t index, const void **info, uint32_t *bytes)
{
	static struct vault_info reply;
	(void)context, (void)badge;
	for (unsigned i = 0; i < VAULTS_MAX; i++) {
		struct vault *vault = &service.vaults[i];
		struct holonfs_statistics statistics;
		struct vdisk_info disk;
		if (!vault->name[0] || index--)
			continue;
		sessions_clean(&vault->served, false);
		holonfs_get_statistics(vault->fs, &statistics);
		vdisk_get_info(vault->disk, &disk);
		memset(&reply, 0, sizeof(reply));
		memcpy(reply.name, vault->name, sizeof(reply.name));
		memcpy(reply.identity, disk.id, sizeof(reply.identity));
		reply.size = statistics.blocks * HOLONFS_BLOCK;
		reply.used = (statistics.blocks - statistics.blocks_free) * HOLONFS_BLOCK;
		reply.device_bytes = vault_device_bytes(vault);
		reply.device_used = disk.used_blocks * VDISK_BLOCK;
		reply.healed = disk.healed;
		reply.flags = (vault->read_only ? VAULT_READ_ONLY : 0) |
		              (vdisk_is_rekeying(vault->disk) ? VAULT_REKEYING : 0) |
		              (disk.legs_behind ? VAULT_BEHIND : 0) |
		              (vdisk_is_anchored(vault->disk) ? VAULT_ANCHOR : 0);
		reply.sessions = vault->served.sessions;
		reply.failed = vault_has_failed(vault);
		reply.legs = (uint16_t)disk.legs;
		reply.legs_failed = (uint16_t)disk.legs_failed;
		*info = &reply;
		*bytes = sizeof(reply);
		return E_OK;
	}
	return E_NOT_FOUND;
}

/* The directory PATH of VAULT; with MAKE it is made where it is missing. */
static int64_t path_find(struct vault *vault, const char *path, bool make_missing, uint64_t *inode)
{
	char name[FILE_NAME_MAX + 1];
	*inode = HOLONFS_ROOT;
	for (;;) {
		struct holonfs_attributes found;
		path += strspn(path, "/");
		size_t length = strcspn(path, "/");
		if (!length)
			return E_OK;
		if (length > FILE_NAME_MAX)
			return FILE_E_NAME_TOO_LONG;
		memcpy(name, path, length);
		name[length] = 0;
		path += length;
		int64_t result = file_name_check(name);
		if (result < 0)
			return result;
		int status = holonfs_lookup(vault->fs, *inode, name, &found);
		if (status == -ENOENT && make_missing && !vault->read_only) {
			status = holonfs_create(vault->fs, *inode, name, 0040755, 0, 0, 0, 0, &found);
			service_touch(&vault->served);
		}
		if (status < 0)
			return file_error(status);
		if ((found.mode & 0170000) != 0040000)
			return FILE_E_NOT_DIRECTORY;
		*inode = found.inode;
	}
}

static int64_t control_grant(void *context, uint64_t badge, uint32_t flags, const char *name,
                             const char *path, handle_t *given)
{
	struct vault *vault = vault_find(name);
	struct mount *place = 0;
	uint64_t inode;
	(void)context, (void)badge;
	if (!vault)
		return FILE_E_NOT_FOUND;
	if (flags & ~(uint32_t)(VAULT_READ_ONLY | VAULT_MAKE))
		return E_ARGUMENT;
	bool read_only = flags & VAULT_READ_ONLY || vault->read_only;
	int64_t result = path_find(vault, path, flags & VAULT_MAKE, &inode);
	if (result < 0)
		return result;
	for (unsigned i = 0; i < MOUNTS_MAX; i++) {
		struct mount *mount = &service.mounts[i];
		if (mount->vault == vault && mount->inode == inode && mount->read_only == read_only)
			return channel_give(mount->badge, given);
		if (!mount->vault && !place)
			place = mount;
	}
	if (!place)
		return VAULT_E_BUSY;
	*place = (struct mount){
	    .vault = vault,
	    .inode = inode,
	    .badge = BADGE(BADGE_MOUNT, file_service.next_number++, (uint64_t)(place - service.mounts)),
	    .read_only = read_only};
	result = channel_give(place->badge, given);
	if (result < 0)
		*place = (struct mount){0};
	return result;
}

static int64_t control_quota(void *context, uint64_t badge, uint32_t flags, uint64_t limit_bytes,
                             uint64_t limit_nodes, const char *name, const char *path, const void **reply,
                             uint32_t *bytes)
{
	static struct vault_quota quota;
	struct vault *vault = vault_find(name);
	uint64_t inode;
	uint64_t limits[2];
	uint64_t used[2];
	(void)context, (void)badge;
	if (!vault)
		return FILE_E_NOT_FOUND;
	if (flags & ~(uint32_t)VAULT_SET)
		return E_ARGUMENT;
	int64_t result = path_find(vault, path, false, &inode);
	if (result >= 0 && flags & VAULT_SET) {
		if (vault->read_only)
			return FILE_E_READ_ONLY;
		uint64_t blocks = limit_bytes / HOLONFS_BLOCK + (limit_bytes % HOLONFS_BLOCK != 0);
		int status = holonfs_set_quota(vault->fs, inode, blocks, limit_nodes);
		result = status == -EBUSY ? VAULT_E_BUSY : file_error(status);
		service_touch(&vault->served);
	}
	if (result < 0)
		return result;
	int status = holonfs_get_quota(vault->fs, inode, limits, used);
	if (status < 0)
		return file_error(status);
	quota = (struct vault_quota){.bytes = limits[0] * HOLONFS_BLOCK,
	                             .nodes = limits[1],
	                             .bytes_used = used[0] * HOLONFS_BLOCK,
	                             .nodes_used = used[1]};
	*reply = &quota;
	*bytes = sizeof(quota);
	return E_OK;
}

const struct vault_operations control_operations = {
    .create = control_create,
    .open = control_open,
    .close = control_close,
    .list = control_list,
    .grant = control_grant,
    .snapshot = care_snapshot,
    .snapshots = care_snapshots,
    .back = care_back,
    .forget = care_forget,
    .scrub = care_scrub,
    .slots = keys_slots,
    .slot_add = keys_slot_add,
    .slot_remove = keys_slot_remove,
    .grow = care_grow,
    .mirror = care_mirror,
    .rekey = keys_rekey,
    .rekey_step = care_rekey_step,
    .quota = control_quota,
};
