/* What the parts of the sub-kernel manager share.
 *
 *   manager.c   the table, ends, what descendants are asked for, the loop
 *   start.c     a sub-kernel or a service from a blueprint: its unit, quotas and capabilities
 *   profile.c   what a profile stands for: a program, and what a native tree's blueprint asks for
 *   offers.c    what a sub-kernel gives to its next child
 *   list.c      descriptions
 *   residents.c the manifest's own sub-kernels, and who reaches the ledger
 *   shutdown.c  the end of all sub-kernels, by the power button or by a program
 *   revoke.c    single grants that are taken from sub-kernels that run
 *   lifetime.c  sub-kernels whose time is limited, and the machine's clock
 *   entered.c, network.c, blocks.c, screen.c, realtime.c   programs in descendants, links, devices, the wall clock
 */
#pragma once

#include <holon.h>
#include <holon/blueprint.h>
#include <sysimg/sysimg.h>
#include "network.h"
#include "offers.h"

#define SUBKERNELS_MAX  256
#define DEPTH_MAX       64
#define EVENT_SLOTS     56u
#define SUBKERNEL_SLICE 4000000ull /* ns, of the first's round robin */

struct subkernel {
	uint64_t number; /* 0: free slot */
	struct subkernel *parent;
	handle_t unit;
	handle_t peer;    /* the creator's event, told when this one ends; 0 for the first */
	handle_t channel; /* of a service */
	handle_t control; /* told when there is a task for it (task()) */
	handle_t stream;  /* its terminal's memory, as its creator gave it */
	struct offers offers;
	uint32_t depth, flags, cpu_mask, priority;
	uint32_t
	    ceiling; /* the highest priority of what it makes; of admitted budgets, where it has a share */
	uint32_t cpu_share; /* parts per million of each CPU that those may use */
	uint64_t slice_ns;
	uint64_t expires_ns;                          /* of the kernel's clock; 0: never */
	uint64_t grants_expire_ns[BLUEPRINT_GRANTS];  /* the same of single grants */
	uint64_t share_tokens[BLUEPRINT_VOLUMES_MAX]; /* of its parent's offers; 0: none, or taken */
	bool shares_withdrawn;                        /* its parent is to be told so by tasks */
	bool frozen, ended, native, sealed;
	bool to_end; /* it is to be told so by its next task */
	uint64_t status;
	uint64_t moved; /* by how much its personality was */
	char name[32];
	struct network_link link;
	char profile[16];
	char image[32];
	uint8_t certificate[32]; /* as its blueprint says */
	uint64_t certificate_epoch;
};

struct manager {
	const struct start_info *info;
	struct thread_page *page;
	handle_t log, channel, event, image_memory, vfs, entropy;
	handle_t
	    signatures[2]; /* the boot's signed manifest and its key list; 0: the system started without */
	uint64_t signatures_bytes[2];
	handle_t
	    generation_memory; /* seen by all: a page whose first word changes when one may not be who it was */
	uint64_t *generation;
	uint64_t image_bytes;
	struct sysimg image;
	struct subkernel table[SUBKERNELS_MAX];
	uint64_t next_number;
	uint32_t ceiling, cpu_share; /* its own unit's */
	uint64_t expires_at;         /* when the next of all ends; NEVER */
	uint64_t tick_at;            /* when links and residents are looked after next */
	uint64_t realtime_at_boot;   /* seconds since 1970 */
};
extern struct manager manager;

#define LOG(...) log_print(manager.log, manager.page, __VA_ARGS__)

struct subkernel *subkernel_find(uint64_t number);
/* The descendant NUMBER of the caller's, not the caller itself. */
struct subkernel *subkernel_descendant(uint64_t badge, uint64_t number);
/* Ends SUBKERNEL with its subtree: the kernel takes all the units at once; then the descendants' entries go.
 * Its own entry stays until its creator has asked for the status. */
void subkernel_end(struct subkernel *subkernel, uint64_t status);
void subkernel_forget(struct subkernel *subkernel);

/* Whether CHILD is ANCESTOR, or below it. */
bool subkernel_descends(const struct subkernel *child, const struct subkernel *ancestor);

/* The TPM's service; 0 where the machine has none. */
handle_t tpm_find(void);

/* ---- start.c ---- */

bool start_first(void);
int64_t serve_create(void *context, uint64_t badge, const void *data, uint32_t bytes, handle_t memory,
                     handle_t event, handle_t peer, handle_t command, uint64_t command_bytes,
                     uint64_t *number);
int64_t serve_service(void *context, uint64_t badge, const void *data, uint32_t bytes, handle_t peer,
                      uint64_t *number, handle_t *given);

/* ---- lifetime.c ---- */

/* The time by the machine's clock in seconds since 1970; 0: it has none. */
uint64_t lifetime_now(void);
/* SUBKERNEL ends at EXPIRES, in those seconds; 0: never. E_ARGUMENT: that is over, or there is no clock. */
int64_t lifetime_begin(struct subkernel *subkernel, uint64_t expires);
/* Ends those whose time is over; costs next to nothing while none is due. */
void lifetime_look(void);

/* EXPIRES, in seconds since 1970, by the kernel's clock into *NS, and lets the manager look then. 0: never. */
int64_t lifetime_deadline(uint64_t expires, uint64_t *ns);

/* ---- revoke.c ---- */

/* Keeps what BLUEPRINT says of the times of CHILD's grants. */
int64_t grants_begin(struct subkernel *child, const struct blueprint *blueprint);
/* Takes from SUBKERNEL what is due by NOW; when the next is (DEADLINE_NEVER: none). */
uint64_t grants_look(struct subkernel *subkernel, uint64_t now);
/* The next token of an offer of PARENT's that is to be withdrawn; 0: none. */
uint64_t grants_withdrawn(const struct subkernel *parent);
int64_t serve_revoke(void *context, uint64_t badge, uint64_t number, uint32_t grants);

/* ---- shutdown.c ---- */

/* Hears of the power button from now on, also from a devmgr that started anew. */
void shutdown_watch(void);
/* The bits of manager.event that the button is told by. */
#define SHUTDOWN_BUTTON (1ull << 57)
/* All sub-kernels are asked to end, the deepest first; then the machine is switched off, or begins anew (WHAT: enum
 * subkernel_power). What is asked for once it has begun changes nothing. */
void shutdown_begin(uint32_t what);
bool shutdown_begun(void);
/* When shutdown_look is due, ns; NEVER: not begun. */
uint64_t shutdown_due(void);
void shutdown_look(void);
/* The first sub-kernel has ended with STATUS: the end of the machine. */
void shutdown_finish(uint64_t status);
int64_t serve_power(void *context, uint64_t badge, uint32_t what);

/* ---- list.c ---- */

int64_t serve_list(void *context, uint64_t badge, uint32_t index, const void **data, uint32_t *bytes);

/* ---- residents.c ---- */

/* Starts those that do not run and shall, and takes what they write. */
void residents_look(void);
/* Connects CLIENT with the ledger, where it may reach it, and it is there; and all that may. */
void connect_ledger(const struct subkernel *client);
/* Whether a node of the ledger runs. */
bool ledger_present(void);
void connect_all(void);
