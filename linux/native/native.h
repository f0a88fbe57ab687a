/* Holon's own calls for guests (abi/holon/guest_calls.h). */
#pragma once

#include <stdint.h>
#include <holon/types.h>

struct guest_state;

/* Answers call NUMBER of the reserved range with the arguments in STATE. Personality lock held. */
int64_t holon_call(uint64_t number, const struct guest_state *state);
/* Programs that an ancestor starts in here (enter.c): the worker begins; and PROCESS, which has process->entered, has
 * ended with wait STATUS. */
struct process;
void enter_start(void);
void entered_ended(struct process *process, int32_t status);
/* HOLON_VAULT and HOLON_BLOCK_LIST. */
int64_t holon_vault_call(uint64_t number, uint64_t first, uint64_t second);
/* A mount of PATH in the open vault NAME, with FLAGS of enum vault_flag: 0 and a capability, or an error. */
int64_t vault_mount_of(const char *name, const char *path, uint32_t flags, handle_t *mount);
/* A negative error of a service (abi/holon/types.h, file.h) as Linux'. */
int linux_error_of_service(int64_t error);
