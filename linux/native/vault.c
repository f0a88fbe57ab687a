/* Vaults for guests: the reserved call HOLON_VAULT, and mounts of what is in a vault.
 *
 * The service is started by the manager when it is first needed, below this sub-kernel and out of its memory;
 * this personality alone holds its control. Calls are made without the common lock: a passphrase, a deletion or a
 * scrub takes long, and other programs go on.
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
static unsigned calls_under_way; /* whose control must not become another's */

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
	if (vaults.control && !calls_under_way && event_wait(vaults.ended, DEADLINE_POLL, &bits) >= 0) {
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

/* A call under way. */
struct errand {
	struct holon_vault request;
	handle_t channel;
	handle_t device; /* moves to the service, or comes back by nobody: then it is deleted here */
	int64_t now_ns;
	uint8_t credentials[VAULT_CREDENTIALS_MAX];
};

static bool takes_device(uint64_t operation)
{
	return operation == HOLON_VAULT_CREATE || operation == HOLON_VAULT_OPEN ||
	       operation == HOLON_VAULT_MIRROR;
}

static bool takes_credentials(uint64_t operation)
{
	return operation == HOLON_VAULT_CREATE || operation == HOLON_VAULT_OPEN ||
	       operation == HOLON_VAULT_SLOT_ADD || operation == HOLON_VAULT_REKEY;
}

static int credentials_take(struct errand *call)
{
	const struct holon_vault *request = &call->request;
	if (request->credentials_bytes > sizeof(call->credentials))
		return -EINVAL;
	return copy_from_user(call->credentials, request->credentials, request->credentials_bytes) ? -EFAULT
	                                                                                           : 0;
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
	if (bytes)
		memcpy(request->result, data, bytes);
	return 0;
}

/* Without the common lock. */
static int64_t ask(uint64_t operation, struct errand *call)
{
	struct thread_page *page = current_page();
	struct holon_vault *request = &call->request;
	handle_t channel = call->channel;
	uint32_t given = (uint32_t)request->credentials_bytes;
	const void *data = 0;
	uint32_t bytes = 0;
	int64_t result = -EINVAL;
	switch (operation) {
	case HOLON_VAULT_CREATE:
		result =
		    vault_create(channel, page, call->device, request->flags, request->size,
		                 request->cost_kib, call->now_ns, call->credentials, given, DEADLINE_NEVER);
		break;
	case HOLON_VAULT_OPEN:
		result = vault_open(channel, page, call->device, request->flags, call->now_ns, request->name,
		                    request->snapshot, call->credentials, given, DEADLINE_NEVER);
		break;
	case HOLON_VAULT_CLOSE:
		result = vault_close(channel, page, request->flags, request->name, DEADLINE_NEVER);
		break;
	case HOLON_VAULT_LIST:
		result = vault_list(channel, page, (uint32_t)request->index, &data, &bytes, DEADLINE_NEVER);
		break;
	case HOLON_VAULT_SNAPSHOT:
		result = vault_snapshot(channel, page, request->name, request->snapshot, DEADLINE_NEVER);
		break;
	case HOLON_VAULT_SNAPSHOTS:
		result = vault_snapshots(channel, page, request->index, request->name, &data, &bytes,
		                         DEADLINE_NEVER);
		break;
	case HOLON_VAULT_BACK:
		result = vault_back(channel, page, request->name, request->snapshot, DEADLINE_NEVER);
		break;
	case HOLON_VAULT_FORGET:
		result = vault_forget(channel, page, request->name, request->snapshot, DEADLINE_NEVER);
		break;
	case HOLON_VAULT_SCRUB:
		result =
		    vault_scrub(channel, page, request->flags, request->name, &data, &bytes, DEADLINE_NEVER);
		break;
	case HOLON_VAULT_SLOTS:
		result = vault_slots(channel, page, (uint32_t)request->index, request->name, &data, &bytes,
		                     DEADLINE_NEVER);
		break;
	case HOLON_VAULT_SLOT_ADD:
		result =
		    vault_slot_add(channel, page, request->flags, request->cost_kib, request->name,
		                   request->path, call->credentials, given, &data, &bytes, DEADLINE_NEVER);
		break;
	case HOLON_VAULT_REKEY:
		result = vault_rekey(channel, page, request->flags, request->cost_kib, request->name,
		                     request->path, call->credentials, given, &data, &bytes, DEADLINE_NEVER);
		break;
	case HOLON_VAULT_REKEY_STEP:
		result = vault_rekey_step(channel, page, request->name, &data, &bytes, DEADLINE_NEVER);
		break;
	case HOLON_VAULT_QUOTA:
		result = vault_quota(channel, page, request->flags, request->size, request->index,
		                     request->name, request->path, &data, &bytes, DEADLINE_NEVER);
		break;
	case HOLON_VAULT_SLOT_REMOVE:
		result =
		    vault_slot_remove(channel, page, (uint32_t)request->index, request->name, DEADLINE_NEVER);
		break;
	case HOLON_VAULT_GROW:
		result = vault_grow(channel, page, request->size, request->name, DEADLINE_NEVER);
		break;
	case HOLON_VAULT_MIRROR:
		result = vault_mirror(channel, page, call->device, request->flags, request->name, &data,
		                      &bytes, DEADLINE_NEVER);
		break;
	default:
		return -EINVAL;
	}
	return give_result(request, result, data, bytes);
}

static int64_t ask_unlocked(uint64_t operation, struct errand *call)
{
	int error = takes_credentials(operation) ? credentials_take(call) : 0;
	if (error)
		return error;
	if (takes_device(operation)) {
		call->device = device_of(call->request.device, &error);
		if (!call->device)
			return error;
	}
	call->now_ns = (int64_t)(clock_monotonic() + clock_realtime_offset());
	call->channel = service(operation == HOLON_VAULT_CREATE || operation == HOLON_VAULT_OPEN, &error);
	int64_t result = error;
	if (call->channel) {
		calls_under_way++;
		personality_unlock();
		result = ask(operation, call);
		personality_lock();
		calls_under_way--;
	}
	if (call->device && result < 0)
		cap_delete(call->device);
	if (takes_credentials(operation)) /* and words that came */
		memset(current_page()->bytes, 0, sizeof(call->credentials));
	return result;
}

static bool has_end(const char *text, size_t size)
{
	return strnlen(text, size) < size;
}

static int64_t call_with(struct errand *call, uint64_t operation, uint64_t address)
{
	struct holon_vault *request = &call->request;
	if (copy_from_user(request, address, sizeof(*request)))
		return -EFAULT;
	if (!has_end(request->name, sizeof(request->name)) ||
	    !has_end(request->device, sizeof(request->device)) ||
	    !has_end(request->snapshot, sizeof(request->snapshot)) ||
	    !has_end(request->path, sizeof(request->path)))
		return -EINVAL;
	/* What is written reaches the service before it acts on the whole vault. */
	if (operation == HOLON_VAULT_CLOSE || operation == HOLON_VAULT_SNAPSHOT)
		backing_write_all();
	int64_t result = operation == HOLON_VAULT_OFFER ? offer(request) : ask_unlocked(operation, call);
	return result >= 0 && copy_to_user(address, request, sizeof(*request)) ? -EFAULT : result;
}

int64_t holon_vault_call(uint64_t number, uint64_t first, uint64_t second)
{
	if (number == HOLON_BLOCK_LIST)
		return block_list(first, second);
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	struct errand *call = heap_allocate(sizeof(*call));
	if (!call)
		return -ENOMEM;
	memset(call, 0, sizeof(*call));
	int64_t result = call_with(call, first, second);
	memset(call, 0, sizeof(*call));
	__asm__ volatile("" : : "r"(call) : "memory");
	heap_free(call);
	return result;
}
