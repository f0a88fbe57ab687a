/* What is done to a vault as a whole: snapshots, scrubs, growth, mirrors (abi/vault.interface). */
#include "vault.h"

#define STEP_BLOCKS 512u /* of a scrub, and of new keys, between the requests of others */

int64_t vault_settle(struct vault *vault)
{
	return file_error(holonfs_sync(vault->fs));
}

/* The beginning of calls on snapshots. */
static int64_t snapshot_begin(const char *name, const char *snapshot, struct vault **vault)
{
	*vault = vault_find(name);
	if (!*vault)
		return FILE_E_NOT_FOUND;
	if (snapshot && !name_is_good(snapshot, VAULT_SNAPSHOT_MAX))
		return E_ARGUMENT;
	return snapshot && (*vault)->read_only ? FILE_E_READ_ONLY : E_OK;
}

int64_t care_snapshot(void *context, uint64_t badge, const char *name, const char *snapshot)
{
	struct vault *vault;
	(void)context, (void)badge;
	int64_t result = snapshot_begin(name, snapshot, &vault);
	if (result < 0)
		return result;
	int synced = holonfs_sync(vault->fs);
	return synced < 0 ? file_error(synced) : vault_error(vdisk_snapshot(vault->disk, snapshot));
}

int64_t care_snapshots(void *context, uint64_t badge, uint64_t after, const char *name, const void **info,
                       uint32_t *bytes)
{
	static struct vault_snapshot reply;
	struct vdisk_volume volume = {.number = after};
	struct vault *vault;
	(void)context, (void)badge;
	int64_t result = snapshot_begin(name, 0, &vault);
	do {
		int status = result < 0 ? VDISK_OK : vdisk_volume_next(vault->disk, volume.number, &volume);
		if (status == VDISK_NOT_FOUND)
			return E_NOT_FOUND;
		if (result >= 0)
			result = vault_error(status);
		if (result < 0)
			return result;
	} while (!volume.read_only || volume.deleting);
	memset(&reply, 0, sizeof(reply));
	reply.number = volume.number;
	reply.created_ns = volume.created_ns;
	reply.bytes = volume.mapped * VDISK_BLOCK;
	memcpy(reply.name, volume.name, sizeof(reply.name) - 1);
	*info = &reply;
	*bytes = sizeof(reply);
	return E_OK;
}

int64_t care_back(void *context, uint64_t badge, const char *name, const char *snapshot)
{
	struct vault *vault;
	(void)context, (void)badge;
	int64_t result = snapshot_begin(name, snapshot, &vault);
	if (result < 0)
		return result;
	sessions_clean(&vault->served, false);
	if (vault->served.sessions)
		return VAULT_E_BUSY;
	/* The directories that mounts stand for may be others afterwards. */
	for (unsigned i = 0; i < MOUNTS_MAX; i++)
		if (service.mounts[i].vault == vault)
			service.mounts[i] = (struct mount){0};
	int status = holonfs_unmount(vault->fs);
	result = status < 0 ? file_error(status) : vault_error(vdisk_rollback_begin(vault->disk, snapshot));
	struct store store = store_vdisk(vault->disk);
	status = holonfs_mount(&vault->fs, &store, service_now_ns, FILE_CACHE);
	vault->served.changed = false;
	if (status < 0) {
		vault->fs = 0;
		(void)vault_end(vault);
		return file_error(status);
	}
	deletion_begin(vault); /* of what was before */
	return result;
}

int64_t care_forget(void *context, uint64_t badge, const char *name, const char *snapshot)
{
	struct vault *vault;
	struct vdisk_volume volume;
	(void)context, (void)badge;
	int64_t result = snapshot_begin(name, snapshot, &vault);
	if (result >= 0)
		result = vault_error(vdisk_volume_find(vault->disk, snapshot, &volume));
	if (result >= 0 && !volume.read_only)
		result = E_ARGUMENT;
	if (result >= 0)
		result = vault_settle(vault);
	if (result >= 0)
		result = vault_error(vdisk_volume_delete_begin(vault->disk, snapshot));
	if (result < 0)
		return result;
	vault->deletes = true;
	if (!vault->waiting)
		vault->waiting = turn_keep();
	return E_OK;
}

static void finding(void *context, const char *text)
{
	const struct vault *vault = context;
	log_print(service.log, service.page, "vault: %s: %s\n", vault->name, text);
}

/* Some blocks more of the scrub that is under way. */
static int64_t scrub_step(struct vault *vault, const void **report, uint32_t *bytes)
{
	struct vdisk_report found = {.context = vault, .finding = finding};
	struct vdisk_info disk;
	int status = vdisk_scrub_step(vault->disk, STEP_BLOCKS, &found);
	if (status < 0)
		return vault_error(status);
	vdisk_get_info(vault->disk, &disk);
	vault->scrub.blocks += found.nodes + found.data_blocks;
	vault->scrub.damaged += found.damaged;
	vault->scrub.healed += found.healed;
	vault->scrub.total = disk.used_blocks;
	vault->scrub.more = status == 1;
	*report = &vault->scrub;
	*bytes = sizeof(vault->scrub);
	return E_OK;
}

static int64_t scrub_begin(struct vault *vault)
{
	int64_t result = vault->read_only ? E_OK : vault_settle(vault);
	if (result < 0)
		return result;
	vault->scrub = (struct vault_report){0};
	return vault_error(vdisk_scrub_begin(vault->disk));
}

int64_t care_scrub(void *context, uint64_t badge, uint32_t flags, const char *name, const void **report,
                   uint32_t *bytes)
{
	struct vault *vault = vault_find(name);
	(void)context, (void)badge;
	if (!vault)
		return FILE_E_NOT_FOUND;
	if (flags & ~(uint32_t)VAULT_CONTINUE)
		return E_ARGUMENT;
	int64_t result = flags & VAULT_CONTINUE ? E_OK : scrub_begin(vault);
	return result < 0 ? result : scrub_step(vault, report, bytes);
}

int64_t care_rekey_step(void *context, uint64_t badge, const char *name, const void **report, uint32_t *bytes)
{
	static struct vault_report reply;
	struct vault *vault = vault_find(name);
	(void)context, (void)badge;
	if (!vault)
		return FILE_E_NOT_FOUND;
	if (vault->read_only)
		return FILE_E_READ_ONLY;
	int64_t result = vault_settle(vault);
	int status = result < 0 ? VDISK_OK : vdisk_rekey_step(vault->disk, STEP_BLOCKS);
	if (result < 0)
		return result;
	if (status < 0)
		return vault_error(status);
	reply = (struct vault_report){.more = status == 1};
	vdisk_rekey_progress(vault->disk, &reply.blocks, &reply.total);
	*report = &reply;
	*bytes = sizeof(reply);
	return E_OK;
}

int64_t care_grow(void *context, uint64_t badge, uint64_t size, const char *name)
{
	struct vault *vault = vault_find(name);
	(void)context, (void)badge;
	if (!vault)
		return FILE_E_NOT_FOUND;
	if (vault->read_only)
		return FILE_E_READ_ONLY;
	uint64_t blocks = size / VDISK_BLOCK;
	if (blocks < vdisk_blocks(vault->disk) || blocks > VDISK_BLOCKS_MAX)
		return E_ARGUMENT;
	int status = holonfs_sync(vault->fs);
	int64_t result = status < 0 ? file_error(status) : vault_error(vdisk_resize(vault->disk, blocks));
	return result < 0 ? result : file_error(holonfs_grow(vault->fs, blocks));
}

int device_erase(const struct vdisk_backend *backend)
{
	uint8_t *zeroes = calloc(1, PROBE_BYTES);
	int status = zeroes ? VDISK_OK : VDISK_NO_MEMORY;
	if (zeroes && (backend->write(backend->context, 0, zeroes, PROBE_BYTES) < 0 ||
	               backend->flush(backend->context) < 0))
		status = VDISK_IO;
	free(zeroes);
	return status;
}

/* VDISK_FORMAT where the device has no header of this vault's, VDISK_DIVERGED where it has not all that the vault has: it is behind, or
 * was written apart, and which of these a person should judge. */
static int is_alike(struct vault *vault, const struct vdisk_backend *backend)
{
	struct vdisk_slot_info slots[8];
	struct vdisk_info disk;
	unsigned count;
	uint8_t id[VDISK_ID_SIZE];
	int status = vdisk_probe(backend, slots, sizeof(slots) / sizeof(slots[0]), &count, id);
	vdisk_get_info(vault->disk, &disk);
	if (status == VDISK_OK && memcmp(id, disk.id, sizeof(id)) != 0)
		status = VDISK_FORMAT;
	if (status == VDISK_OK && !vdisk_leg_is_alike(vault->disk, backend))
		status = VDISK_DIVERGED;
	return status;
}

int64_t care_mirror(void *context, uint64_t badge, handle_t device_channel, uint32_t flags, const char *name,
                    const void **report, uint32_t *bytes)
{
	struct vault *vault = vault_find(name);
	(void)context, (void)badge;
	if (!vault)
		return FILE_E_NOT_FOUND;
	if (flags & ~(uint32_t)(VAULT_ERASE | VAULT_FOUND) || (flags & VAULT_ERASE && flags & VAULT_FOUND))
		return E_ARGUMENT;
	if (vault->read_only)
		return FILE_E_READ_ONLY;
	if (vault->leg_count == VDISK_LEGS_MAX)
		return FILE_E_LINKS;
	struct block_device *leg = &vault->legs[vault->leg_count];
	int64_t result = cap_copy(device_channel, RIGHT_CALL | RIGHT_COPY | RIGHT_MOVE, 0);
	if (result >= 0)
		result = block_device_open(leg, (handle_t)result, service.page);
	if (result < 0)
		return result;
	const struct vdisk_backend backend = backend_of(leg);
	int status = leg->read_only ? VDISK_READ_ONLY : VDISK_OK;
	if (vault_settle(vault) < 0)
		status = VDISK_IO;
	if (status == VDISK_OK && flags & VAULT_FOUND)
		status = is_alike(vault, &backend);
	if (status == VDISK_OK)
		status = vdisk_leg_add(vault->disk, &backend);
	if ((status == VDISK_FORMAT || status == VDISK_DIVERGED) && flags & VAULT_ERASE) {
		status = device_erase(&backend);
		if (status == VDISK_OK)
			status = vdisk_leg_add(vault->disk, &backend);
	}
	if (status < 0) {
		block_device_close(leg);
		return status == VDISK_FORMAT && !(flags & VAULT_FOUND) ? VAULT_E_NOT_EMPTY
		                                                        : vault_error(status);
	}
	vault->leg_count++;
	struct vdisk_info disk;
	vdisk_get_info(vault->disk, &disk);
	vault->scrub = (struct vault_report){0};
	*report = &vault->scrub;
	*bytes = sizeof(vault->scrub);
	if (disk.legs_behind) {
		result = scrub_begin(vault);
		if (result >= 0)
			result = scrub_step(vault, report, bytes);
	}
	if (result >= 0)
		cap_delete(device_channel);
	return result;
}
