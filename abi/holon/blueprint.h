/* What a sub-kernel is made from, and how it is described. Travels through the manager's interface
 * (abi/subkernel.interface). */
#pragma once

#include <stdint.h>
#include "switch.h"

#define BLUEPRINT_VERSION 7

enum blueprint_flags {
	BLUEPRINT_NESTING = 1, /* may have children of its own: gets a portal of the manager */
	BLUEPRINT_WX = 2,      /* its programs may map memory writable and executable */
	BLUEPRINT_BLOCKS = 4,  /* may use the machine's block devices */
	BLUEPRINT_LEDGER = 8,  /* may reach the ledger; refused where the parent may not */
	BLUEPRINT_SCREEN = 16, /* may have the machine's screen */
	/* It is the ledger: who may reach that reaches its port BLUEPRINT_LEDGER_PORT. Only below the first sub-kernel (E_RIGHTS), and
	 * one at a time (E_STATE). */
	BLUEPRINT_LEDGER_NODE = 32,
	BLUEPRINT_POWER = 64,  /* may switch the machine off, and have it begin anew */
	BLUEPRINT_INPUT = 128, /* may read the machine's keyboards and pointers */
	BLUEPRINT_TPM = 256,   /* may send commands to the machine's TPM */
	BLUEPRINT_SOUND = 512, /* may play and capture sound */
	BLUEPRINT_ATTEST =
	    1024, /* may ask for quotes of what the machine runs; refused where the parent may not */
};

/* What can be taken from a sub-kernel that runs, each by itself, at a time or by revoke() of abi/subkernel.interface. */
enum blueprint_grant {
	GRANT_NETWORK, /* its link; with GRANT_LEDGER one is left that reaches the ledger alone */
	GRANT_FILES,   /* its volumes: calls to them fail from then on */
	GRANT_LEDGER,
	GRANT_NESTING, /* it makes no more children, and those that it has are ended */
	BLUEPRINT_GRANTS
};

#define BLUEPRINT_VOLUMES_MAX 8
#define BLUEPRINT_LEDGER_PORT 8545

struct blueprint_volume {
	uint64_t token;     /* of offer() */
	uint32_t read_only; /* 1, or 0 */
	uint32_t reserved;
	char path[96]; /* where, absolute; directories on the way are made */
};

/* 0 in a quota: half of the memory, three quarters of the capabilities the parent has left. */
struct blueprint {
	uint32_t version; /* BLUEPRINT_VERSION */
	uint32_t flags;   /* enum blueprint_flags; never more than the parent has */
	uint64_t memory_bytes;
	uint64_t caps;
	uint32_t cpu_mask; /* CPUs it may use; 0: the parent's. None of the parent's: refused */
	uint32_t priority; /* best effort, 1..127; 0: the parent's */
	char name[32];     /* printable ASCII; what is not is shown as '?' */
	char profile
	    [16]; /* "linux", or NAME of etc/blueprints/NAME in the system image: a tree of native units; of a service
	                      "vault" or "files". Another is refused */
	/* Its link: SWITCH_NONE is none at all. What leaves passes its ancestors' policies too; below a
	 * sub-kernel without a link none can be had. */
	struct switch_policy net;
	uint64_t root_volume; /* of offer(): its root lies on that mount, over the image; 0: on memory */
	uint64_t
	    archive; /* of offer(): an archive (tar) that is unpacked in its root first, or a native tree's program; 0: none */
	char image[32]; /* its root is images/NAME of the system image; "": the first sub-kernel's */
	uint32_t
	    cpu_share; /* percent of the parent's time slice, 1..100, beside others of its priority; 0: all of it */
	uint32_t
	    cpu_reserve; /* percent of each CPU for admitted budgets of it and below it: carved from the parent's */
	/* In place of the admitted budget of the profile's main unit, which must have one; 0: as it says. */
	uint64_t budget_ns, budget_period_ns;
	uint32_t volume_count, reserved;
	struct blueprint_volume volumes[BLUEPRINT_VOLUMES_MAX]; /* of linux: what it mounts at its start */
	/* Seconds since 1970 by the machine's clock, which no sub-kernel sets: then the manager ends it, with all below it.
	 * 0: never. A time that is over is refused. */
	uint64_t expires;
	uint64_t grant_expires[BLUEPRINT_GRANTS]; /* the same of single grants: then the manager takes them */
	/* For list() alone: of a capsule, the SHA3-256 and the epoch of its signer's certificate. Who revokes that finds it so, wherever
	 * below it runs. */
	uint8_t certificate[32];
	uint64_t certificate_epoch;
};

#define BLUEPRINT_BUDGET_PERIOD_MAX 100000000ull /* BUDGET_PERIOD_MAX_NS, for those without syscall.h */

/* What offer() keeps for the next child. */
enum blueprint_offer { OFFER_VOLUME = 1, OFFER_ARCHIVE, OFFER_SHARE };

enum subkernel_state { SUBKERNEL_RUNNING = 0, SUBKERNEL_FROZEN, SUBKERNEL_ENDED };

/* Signalled to the event of a sub-kernel's creator, beside the bits of its stream (enum stream_bits), when
 * the sub-kernel has ended: the creator may ask for its status now. */
#define SUBKERNEL_EVENT_ENDED (1ull << 63)

/* What a personality is asked to do by its "control" event and task(). */
enum subkernel_task {
	SUBKERNEL_TASK_ENTER = 1,
	SUBKERNEL_TASK_KILL,
	SUBKERNEL_TASK_END, /* the sub-kernel itself: its programs are asked to end, its files are written, it ends */
	SUBKERNEL_TASK_WITHDRAW, /* what it offered by that token (offer()) is revoked: whoever has it loses it */
};

/* power() of abi/subkernel.interface. */
enum subkernel_power { SUBKERNEL_POWER_OFF = 0, SUBKERNEL_REBOOT };

struct subkernel_info {
	uint64_t number, parent;
	uint32_t depth;                     /* 0: the first */
	uint32_t state;                     /* enum subkernel_state */
	uint64_t memory_quota, memory_used; /* bytes; used includes children's quotas */
	uint64_t memory_children;
	uint64_t caps_quota, caps_used;
	uint64_t cpu_time; /* ns */
	uint32_t flags, cpu_mask;
	char name[32];
	char profile[16];
	uint32_t net_mode; /* enum switch_mode */
	uint32_t reserved;
	uint64_t net_sent_bytes, net_arrived_bytes; /* over its link */
	uint8_t certificate[32];                    /* as its blueprint says; zeros: none */
	uint64_t certificate_epoch;
};
