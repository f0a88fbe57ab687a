/* Vaults for guests: the reserved call HOLON_VAULT, and mounts of what is in a vault.
 *
 * The service is started by the manager when it is first needed, below this sub-kernel and out of its memory;
 * this personality alone holds its control. Calls are made with the common lock held: they are rare.
 */
#include <holon/blueprint.h>
#include <holon/guest_calls.h>
#include <holon/file.h>
#include <holon/vault.h>
#include "../fs/backing.h"
#include "../fs/ramfs.h"
#include "../internal.h"
#include "native.h"
#include "subkernel.interface.h"
#include "vault.interface.h"

#define SERVICE_MEMORY (96ull << 20) /* a passphrase takes 64 MiB for a moment */
#define SERVICE_CAPS   512u

static struct started_service vaults;

/* The errors that come from services are Linux' own. */
int linux_error_of_service(int64_t error)
{
	if (FILE_ERRNO(error))
		return -FILE_ERRNO(error);
	switch (error) {
	case E_QUOTA_MEMORY:
	case E_QUOTA_CAPS:
	case E_QUOTA_CPU:
		return -ENOMEM;
	case E_RIGHTS:
		return -EPERM;
	case E_ARGUMENT:
		return -EINVAL;
	case E_SUPPORT:
		return -EOPNOTSUPP;
	case E_NOT_FOUND:
		return -ENOENT;
	default:
		return error < 0 ? -EIO : 0;
	}
}

/* The control of the service, started where MAY_START; 0 with *ERROR. */
static handle_t service(bool may_start, int *error)
{
	handle_t manager = start_find(linux_start_info(), "manager", 0);
	uint64_t bits;
	if (vaults.control && event_wait(vaults.ended, DEADLINE_POLL, &bits) >= 0) {
		cap_delete(vaults.control); /* it has failed: what was open is closed */
		cap_delete(vaults.ended);
		vaults = (struct started_service){0};
	}
	*error = manager ? -ENOENT : -EPERM;
	if (!vaults.control && may_start && manager)
		*error = service_start("vault", SERVICE_MEMORY, SERVICE_CAPS, &vaults);
	return vaults.control;
}

/* The block device or partition NAME, to be given away; 0 with *ERROR. */
static handle_t device_of(const char *name, int *error)
{
	handle_t device = 0;
	if (strncmp(name, "/dev/block/", 11) == 0)
		name += 11;
	*error = block_device_give(name, &device);
	return *error ? 0 : device;
}

static int64_t block_list(uint64_t index, uint64_t address)
{
	handle_t manager = start_find(linux_start_info(), "manager", 0);
	const char *found;
	char name[32] = "";
	if (!manager || index > UINT32_MAX)
		return -ENOENT;
	int64_t result =
	    subkernel_block_name(manager, current_page(), (uint32_t)index, &found, DEADLINE_NEVER);
	if (result < 0)
		return linux_error_of_service(result);
	text_copy(name, sizeof(name), found);
	return copy_to_user(address, name, sizeof(name));
}

/* What opens a vault is kept here for a call alone: the common lock is held. */
static uint8_t credentials[VAULT_CREDENTIALS_MAX];

static int64_t credentials_take(const struct holon_vault *request)
{
	if (request->credentials_bytes > sizeof(credentials))
		return -EINVAL;
	return copy_from_user(credentials, request->credentials, request->credentials_bytes) ? -EFAULT : 0;
}

static void credentials_wipe(void)
{
	memset(credentials, 0, sizeof(credentials));
	__asm__ volatile("" : : "r"(credentials) : "memory");
	memset(current_page()->bytes, 0, sizeof(credentials));
}

/* Create and open: what moves to the service comes back by nobody, so it is deleted where the call failed. */
static int64_t start_vault(uint64_t operation, const struct holon_vault *request)
{
	int error;
	int64_t taken = credentials_take(request);
	if (taken < 0)
		return taken;
	handle_t device = device_of(request->device, &error);
	handle_t channel = device ? service(true, &error) : 0;
	int64_t result = channel ? 0 : error;
	if (device && !channel)
		cap_delete(device);
	if (result == 0) {
		uint32_t bytes = (uint32_t)request->credentials_bytes;
		int64_t now = (int64_t)(clock_monotonic() + clock_realtime_offset());
		if (operation == HOLON_VAULT_CREATE)
			result = vault_create(channel, current_page(), device, request->flags, request->size,
			                      request->cost_kib, now, credentials, bytes, DEADLINE_NEVER);
		else
			result =
			    vault_open(channel, current_page(), device, request->flags, now, request->name,
			               request->snapshot, credentials, bytes, DEADLINE_NEVER);
		if (result < 0)
			cap_delete(device);
		result = linux_error_of_service(result);
	}
	credentials_wipe();
	return result;
}

int64_t vault_mount_of(const char *name, const char *path, uint32_t flags, handle_t *mount)
{
	int error;
	handle_t channel = service(false, &error);
	if (!channel)
		return error;
	return linux_error_of_service(
	    vault_grant(channel, current_page(), flags, name, path, mount, DEADLINE_NEVER));
}

static int64_t offer(struct holon_vault *request)
{
	handle_t manager = start_find(linux_start_info(), "manager", 0);
	handle_t mount = 0;
	int64_t result = vault_mount_of(request->name, request->path, request->flags, &mount);
	if (result < 0)
		return result;
	result =
	    subkernel_offer(manager, current_page(), OFFER_VOLUME, mount, 0, &request->index, DEADLINE_NEVER);
	if (result < 0)
		cap_delete(mount);
	return linux_error_of_service(result);
}

static int64_t give_result(struct holon_vault *request, int64_t result, const void *data, uint32_t bytes)
{
	if (result < 0)
		return linux_error_of_service(result);
	if (bytes > sizeof(request->result))
		return -EIO;
	memcpy(request->result, data, bytes);
	return 0;
}

/* A slot more, or new keys with one slot. */
static int64_t slot_add(handle_t channel, bool rekeys, struct holon_vault *request)
{
	const void *data = 0;
	uint32_t bytes = 0;
	int64_t result = credentials_take(request);
	if (result < 0)
		return result;
	uint32_t given = (uint32_t)request->credentials_bytes;
	if (rekeys)
		result =
		    vault_rekey(channel, current_page(), request->flags, request->cost_kib, request->name,
		                request->path, credentials, given, &data, &bytes, DEADLINE_NEVER);
	else
		result =
		    vault_slot_add(channel, current_page(), request->flags, request->cost_kib, request->name,
		                   request->path, credentials, given, &data, &bytes, DEADLINE_NEVER);
	result = give_result(request, result, data, bytes);
	credentials_wipe(); /* of the page, too, where the words came */
	return result;
}

static int64_t mirror(handle_t channel, struct holon_vault *request)
{
	const void *data = 0;
	uint32_t bytes = 0;
	int error;
	handle_t device = device_of(request->device, &error);
	if (!device)
		return error;
	int64_t result = vault_mirror(channel, current_page(), device, request->flags, request->name, &data,
	                              &bytes, DEADLINE_NEVER);
	if (result < 0)
		cap_delete(device);
	return give_result(request, result, data, bytes);
}

static int64_t ask(uint64_t operation, struct holon_vault *request)
{
	struct thread_page *page = current_page();
	const void *data = 0;
	uint32_t bytes = 0;
	int64_t result;
	int error;
	handle_t channel = service(false, &error);
	if (!channel)
		return error;
	switch (operation) {
	case HOLON_VAULT_CLOSE:
		return linux_error_of_service(
		    vault_close(channel, page, request->flags, request->name, DEADLINE_NEVER));
	case HOLON_VAULT_LIST:
		result = vault_list(channel, page, (uint32_t)request->index, &data, &bytes, DEADLINE_NEVER);
		return give_result(request, result, data, bytes);
	case HOLON_VAULT_SNAPSHOT:
		return linux_error_of_service(
		    vault_snapshot(channel, page, request->name, request->snapshot, DEADLINE_NEVER));
	case HOLON_VAULT_SNAPSHOTS:
		result = vault_snapshots(channel, page, request->index, request->name, &data, &bytes,
		                         DEADLINE_NEVER);
		return give_result(request, result, data, bytes);
	case HOLON_VAULT_BACK:
		return linux_error_of_service(
		    vault_back(channel, page, request->name, request->snapshot, DEADLINE_NEVER));
	case HOLON_VAULT_FORGET:
		return linux_error_of_service(
		    vault_forget(channel, page, request->name, request->snapshot, DEADLINE_NEVER));
	case HOLON_VAULT_SCRUB:
		result =
		    vault_scrub(channel, page, request->flags, request->name, &data, &bytes, DEADLINE_NEVER);
		return give_result(request, result, data, bytes);
	case HOLON_VAULT_SLOTS:
		result = vault_slots(channel, page, (uint32_t)request->index, request->name, &data, &bytes,
		                     DEADLINE_NEVER);
		return give_result(request, result, data, bytes);
	case HOLON_VAULT_SLOT_ADD:
		return slot_add(channel, false, request);
	case HOLON_VAULT_REKEY:
		return slot_add(channel, true, request);
	case HOLON_VAULT_REKEY_STEP:
		result = vault_rekey_step(channel, page, request->name, &data, &bytes, DEADLINE_NEVER);
		return give_result(request, result, data, bytes);
	case HOLON_VAULT_QUOTA:
		result = vault_quota(channel, page, request->flags, request->size, request->index,
		                     request->name, request->path, &data, &bytes, DEADLINE_NEVER);
		return give_result(request, result, data, bytes);
	case HOLON_VAULT_SLOT_REMOVE:
		return linux_error_of_service(vault_slot_remove(channel, page, (uint32_t)request->index,
		                                                request->name, DEADLINE_NEVER));
	case HOLON_VAULT_GROW:
		return linux_error_of_service(
		    vault_grow(channel, page, request->size, request->name, DEADLINE_NEVER));
	case HOLON_VAULT_MIRROR:
		return mirror(channel, request);
	default:
		return -EINVAL;
	}
}

static bool has_end(const char *text, size_t size)
{
	return strnlen(text, size) < size;
}

int64_t holon_vault_call(uint64_t number, uint64_t first, uint64_t second)
{
	static struct holon_vault request; /* the common lock is held alone */
	if (number == HOLON_BLOCK_LIST)
		return block_list(first, second);
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (copy_from_user(&request, second, sizeof(request)))
		return -EFAULT;
	if (!has_end(request.name, sizeof(request.name)) ||
	    !has_end(request.device, sizeof(request.device)) ||
	    !has_end(request.snapshot, sizeof(request.snapshot)) ||
	    !has_end(request.path, sizeof(request.path)))
		return -EINVAL;
	/* What is written reaches the service before it acts on the whole vault. */
	if (first == HOLON_VAULT_CLOSE || first == HOLON_VAULT_SNAPSHOT)
		backing_write_all();
	int64_t result = first == HOLON_VAULT_CREATE || first == HOLON_VAULT_OPEN
	                     ? start_vault(first, &request)
	                 : first == HOLON_VAULT_OFFER ? offer(&request)
	                                              : ask(first, &request);
	if (result >= 0 && copy_to_user(second, &request, sizeof(request)))
		return -EFAULT;
	return result;
}
