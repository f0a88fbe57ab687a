/* Holon's own calls for guest programs: a reserved range of Linux system call numbers that the personality
 * answers. On any other kernel they give ENOSYS. Errors are Linux error numbers, negative.
 */
#pragma once

#include <stdint.h>

#define HOLON_CALL_BASE 0x484f0000u /* "HO" */

enum holon_call {
	/* () → HOLON_CALLS_VERSION */
	HOLON_VERSION = HOLON_CALL_BASE,
	/* (const struct blueprint *, char *const argv[] or 0, char *const envp[] or 0, flags
	 * HOLON_SUBKERNEL_*, uint64_t *number) → a descriptor: the child's terminal. Reading it gives what
	 * the child writes and ends when the child does; writing is the child's input; TIOCSWINSZ sets its
	 * window's size; shutting down its input is HOLON_SUBKERNEL_END_INPUT. EPERM where this sub-kernel
	 * may have no children, ENOMEM when a quota does not suffice, EDQUOT when an admitted budget or a share of a
	 * CPU does not fit into what this one may hand on, EOPNOTSUPP: there is no such profile. */
	HOLON_SUBKERNEL_CREATE,
	/* (index, struct subkernel_info *): the indexth of this sub-kernel's subtree, itself first. ENOENT
	   past the end */
	HOLON_SUBKERNEL_LIST,
	/* (number): ends it and its subtree. ESRCH: no descendant has this number */
	HOLON_SUBKERNEL_KILL,
	/* (number, 1 freeze | 0 thaw) */
	HOLON_SUBKERNEL_FREEZE,
	/* (descriptor of create) → the wait status of the ended child, which is then forgotten. Waits for the
	   end */
	HOLON_SUBKERNEL_WAIT,
	/* (descriptor): the child reads an end of file after what was written */
	HOLON_SUBKERNEL_END_INPUT,
	/* (enum holon_vault_operation, struct holon_vault *): vaults (docs/vault.md). The sub-kernel's vault
	 * service is started by the first create or open, out of its own memory. ENODEV: no such block device;
	 * ENOENT: no such vault; the others are those of abi/holon/vault.h. Needs CAP_SYS_ADMIN. */
	HOLON_VAULT,
	/* (index, char name[32]): the name of the indexth block device. ENOENT past the end */
	HOLON_BLOCK_LIST,
	/* (number, char *const argv[], char *const envp[], flags HOLON_SUBKERNEL_*, uint64_t *number) → a descriptor
	 * as of HOLON_SUBKERNEL_CREATE, of a further program in the descendant NUMBER. Closing it kills the program.
	 * ESRCH: no descendant has this number; EOPNOTSUPP: it is a native tree; ENOMEM: too many programs were
	 * started so */
	HOLON_SUBKERNEL_ENTER,
	/* (number, uint32_t *position, void *buffer, size) → bytes: what the descendant NUMBER wrote to its terminal
	 * from POSITION on, as far as its stream still has it (the last 32 KiB); POSITION moves behind them. A
	 * POSITION that it has no more begins with the oldest byte. ESRCH */
	HOLON_SUBKERNEL_OUTPUT,
	/* (descriptor of a regular file) → the archive of the next child's blueprint, a positive number. The file
	 * holds a tar archive of files, directories and links, or the ELF file of a native tree's program, which goes into
	 * the child's memory. EFBIG: more than HOLON_ARCHIVE_MAX bytes */
	HOLON_SUBKERNEL_OFFER,
	/* (descriptor of create) → 1 once for each Ctrl-Z that nobody in the child could follow, which POLLPRI tells:
	 * who holds the terminal may freeze the child; else 0 */
	HOLON_SUBKERNEL_SUSPENDED,
	/* () → a descriptor of a portal, close-on-exec: a channel of this sub-kernel whose calls this program answers. When
	 * the last descriptor is closed, whoever calls gets an error. EAGAIN: there are too many; ENOMEM */
	HOLON_PORTAL_CREATE,
	/* (portal) → a token by which the next child's blueprint names it as a volume: a mount of abi/file.interface */
	HOLON_PORTAL_OFFER,
	/* (portal, struct portal_message *): waits for the next request. EINVAL while one is not answered; EPIPE: what was offered was
	 * taken away, nobody will ask any more */
	HOLON_PORTAL_NEXT,
	/* (portal, const struct portal_message *): the answer to the request that was given last. EINVAL: there is none */
	HOLON_PORTAL_ANSWER,
	/* (portal, at, address, bytes, 1 into | 0 out of): bytes of the buffer that the caller of the portal sees. EINVAL:
	 * it is not that long */
	HOLON_PORTAL_COPY,
	/* (enum holon_signed, void *buffer, size, uint64_t *time) → bytes of what the loader verified before anything ran,
	 * and the time in seconds since 1970 by the machine's clock, which no guest sets; 0 where there is none. EFBIG: it is
	 * longer than the buffer; ENOENT: the system started without */
	HOLON_SIGNED,
	/* (const void *nonce, size, void *buffer, size) → bytes: a quote of what the machine runs, for that nonce (lib/trust/quote.h; at most
	 * HOLON_QUOTE_MAX). EPERM: this sub-kernel may not ask; EAGAIN: no key can be made yet, for lack of randomness; EINVAL: the nonce
	 * has less than 8 or more than 64 bytes; EFBIG: the quote is longer than the buffer; ENODEV: nobody gives quotes */
	HOLON_QUOTE,
	/* (number, grants): takes what the bits of GRANTS (enum blueprint_grant) say from the descendant NUMBER, which goes on running. ESRCH:
	 * no descendant has this number; EAGAIN: it has none of them; EIO: not all is taken yet, the manager goes on trying */
	HOLON_SUBKERNEL_REVOKE,
};

enum holon_signed {
	HOLON_SIGNED_MANIFEST = 1, /* a record and its signature: lib/trust/boot.h */
	HOLON_SIGNED_KEYS,         /* the key list under the root's signature: lib/trust/trust.h */
};

enum holon_vault_operation {
	HOLON_VAULT_CREATE = 1, /* device, flags, size, cost_kib, credentials */
	HOLON_VAULT_OPEN,       /* device, name, snapshot ("": the living state), flags, credentials */
	HOLON_VAULT_CLOSE,      /* name, flags */
	HOLON_VAULT_LIST,       /* index → result: struct vault_info */
	HOLON_VAULT_SNAPSHOT,   /* name, snapshot */
	HOLON_VAULT_SNAPSHOTS,  /* name, index: after which number → result: struct vault_snapshot */
	HOLON_VAULT_BACK,       /* name, snapshot */
	HOLON_VAULT_FORGET,     /* name, snapshot */
	HOLON_VAULT_SCRUB,      /* name, flags → result: struct vault_report */
	HOLON_VAULT_OFFER,    /* name, path, flags → index: the root_volume of the next child's blueprint */
	HOLON_VAULT_SLOTS,    /* name, index → result: struct vault_slot */
	HOLON_VAULT_SLOT_ADD, /* name, path: its label, flags, cost_kib, credentials → result: words */
	HOLON_VAULT_SLOT_REMOVE, /* name, index: the slot's number */
	HOLON_VAULT_GROW,        /* name, size */
	HOLON_VAULT_MIRROR,      /* name, device, flags → result: struct vault_report */
	HOLON_VAULT_REKEY, /* name, path: the new slot's label, flags, cost_kib, credentials → result: words */
	HOLON_VAULT_REKEY_STEP, /* name → result: struct vault_report */
	HOLON_VAULT_QUOTA, /* name, path, flags, size: bytes, index: nodes → result: struct vault_quota */
};

struct holon_vault {
	char name[32];
	char device[64]; /* NAME or /dev/block/NAME */
	char snapshot[64];
	char path[256]; /* inside the vault */
	uint32_t flags; /* enum vault_flag */
	uint32_t cost_kib;
	uint64_t size, index;
	uint64_t credentials; /* address of a struct vault_credentials and what it counts */
	uint64_t credentials_bytes;
	uint8_t result[128];
};

#define HOLON_CALLS_VERSION 3
#define HOLON_ARCHIVE_MAX   (1ull << 30)
#define HOLON_QUOTE_MAX     12288u

enum holon_subkernel_flags {
	HOLON_SUBKERNEL_TERMINAL =
	    1, /* the child's standard streams are a terminal; else they are like pipes */
	HOLON_SUBKERNEL_CLOEXEC = 2,
};
