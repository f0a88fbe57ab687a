/* Holon's own calls for guests (abi/holon/guest_calls.h). */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <holon/types.h>

struct guest_state;

/* Answers call NUMBER of the reserved range with the arguments in STATE. Personality lock held. */
int64_t holon_call(uint64_t number, const struct guest_state *state);
/* Programs that an ancestor starts in here (enter.c): the worker begins; and PROCESS, which has process->entered, has
 * ended with wait STATUS. */
struct process;
void enter_start(void);
/* shutdown.c: the sub-kernel is to end. Its programs are asked to, then killed; what is not written yet is written. */
void shutdown_begin(void);
void entered_ended(struct process *process, int32_t status);
/* HOLON_PORTAL_*: portal.c. */
int64_t portal_call(uint64_t number, const struct guest_state *state);
/* What the manager knows by TOKEN, offered of a portal, is taken from whoever has it. The common lock is held. */
void portal_withdraw(uint64_t token);
/* HOLON_VAULT and HOLON_BLOCK_LIST. */
int64_t holon_vault_call(uint64_t number, uint64_t first, uint64_t second);
/* A service that the manager started for this sub-kernel, out of its memory. */
struct started_service {
	handle_t control, ended; /* ENDED is signalled when it has ended; 0: none was started */
	uint64_t number;
};
/* Starts the one of PROFILE. 0 or an error. */
int service_start(const char *profile, uint64_t memory, uint64_t caps, struct started_service *service);
/* SERVICE ends by itself, and is ended if it does not; the manager forgets it. */
void service_finish(struct started_service *service);
/* It is ended now. */
void service_kill(struct started_service *service);
/* files.c: a service with the file system TYPE of mount(2) ("ext4", "vfat" and their other names) that is on DEVICE, which goes over in any case. *MOUNT is a
 * mount of abi/file.interface. OPTIONS are those of mount(2). 0 or an error. */
int files_mount_device(handle_t device, const char *type, const char *options, bool read_only,
                       struct started_service *service, handle_t *mount);
/* Whether TYPE is such a type: its name in /proc/mounts, and its number for statfs; else 0. */
const char *files_type(const char *type, int64_t *magic);
/* A mount of PATH in the open vault NAME, with FLAGS of enum vault_flag: 0 and a capability, or an error. */
int64_t vault_mount_of(const char *name, const char *path, uint32_t flags, handle_t *mount);
/* A negative error of a service (abi/holon/types.h, file.h) as Linux'. */
int linux_error_of_service(int64_t error);
