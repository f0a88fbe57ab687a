/* What travels in the vault contract (abi/vault.interface): credentials, descriptions, flags and errors. All
 * numbers are little-endian; reserved fields are zero.
 */
#pragma once

#include <stdint.h>

#define VAULT_NAME_MAX        31u
#define VAULT_SNAPSHOT_MAX    63u
#define VAULT_CREDENTIALS_MAX 3072u
#define VAULT_SIZE_DEFAULT    (UINT64_C(200) << 30)

enum vault_flag {
	VAULT_READ_ONLY = 1,
	VAULT_ERASE = 2,      /* create: what the device holds is lost */
	VAULT_FORCE = 4,      /* close: also while it is in use */
	VAULT_MAKE = 8,       /* grant: make the directories of the path */
	VAULT_WORDS = 16,     /* slot_add: draw recovery words */
	VAULT_COMPRESS = 32,  /* create: compress all files */
	VAULT_CONTINUE = 64,  /* scrub: what is under way */
	VAULT_SET = 128,      /* quota: set it */
	VAULT_FOUND = 256,    /* mirror: only what is a leg, and not behind */
	VAULT_REKEYING = 512, /* vault_info: new keys are under way */
	VAULT_BEHIND = 1024,  /* vault_info: a leg lacks what a scrub would copy to it */
	VAULT_ANCHOR =
	    2048, /* create, open: from now on the TPM knows how new it is, whatever it knew before; vault_info: it does */
	VAULT_UNANCHORED = 4096, /* open: the TPM is not asked, and no more from now on */
};

/* Errors beside enum holon_error's and enum file_error's, of the same form: -(200 + Linux' errno). */
enum vault_error {
	VAULT_E_NO_TPM = -206,     /* ENXIO: the service has no TPM */
	VAULT_E_NO_MEMORY = -212,  /* ENOMEM */
	VAULT_E_BUSY = -216,       /* EBUSY: somebody has a session, or the device is open already */
	VAULT_E_EXISTS = -217,     /* EEXIST: the name is taken */
	VAULT_E_NOT_EMPTY = -239,  /* ENOTEMPTY: the device holds something */
	VAULT_E_DIVERGED = -276,   /* ENOTUNIQ: a leg that was written without the others */
	VAULT_E_VERSION = -293,    /* EPROTONOSUPPORT: made by a version that this one does not know */
	VAULT_E_UNMEASURED = -261, /* ENODATA: the TPM was told of no image */
	VAULT_E_DAMAGED = -317,    /* EUCLEAN: something fails its authentication */
	VAULT_E_TPM = -321,        /* EREMOTEIO: the TPM does not do it, or has no room */
	VAULT_E_FORMAT = -324,     /* EMEDIUMTYPE: no vault on this device */
	VAULT_E_KEY = -329,        /* EKEYREJECTED: nothing of what was given opens it */
	VAULT_E_STATE = -331, /* ENOTRECOVERABLE: nor does the TPM, in the state that the machine is in */
};

/* Then passphrase, recovery words (as text) and the bytes of a key file, one after the other. */
struct vault_credentials {
	uint32_t passphrase_bytes;
	uint32_t words_bytes;
	uint32_t key_file_bytes;
	uint32_t flags; /* enum vault_credential */
};

enum vault_credential {
	VAULT_CREDENTIAL_MACHINE = 1, /* what the machine's TPM unseals */
};

struct vault_info {
	char name[VAULT_NAME_MAX + 1];
	uint8_t identity[16];
	uint64_t size, used; /* of the virtual space, in bytes */
	uint64_t device_bytes, device_used;
	uint64_t healed; /* blocks repaired since it was opened */
	uint32_t flags;  /* VAULT_READ_ONLY, VAULT_REKEYING, VAULT_BEHIND, VAULT_ANCHOR */
	uint32_t sessions;
	uint32_t failed; /* 1: the device failed; nothing can be read or written any more */
	uint16_t legs, legs_failed;
};

/* A key slot. */
struct vault_slot {
	uint32_t number;
	uint32_t factors[2]; /* enum vault_factor; the second is 0 in an ordinary slot */
	char label[32];
};

enum vault_factor {
	VAULT_FACTOR_OPEN = 1, /* none needed */
	VAULT_FACTOR_PASSPHRASE = 2,
	VAULT_FACTOR_WORDS = 3,
	VAULT_FACTOR_KEY_FILE = 4,
	VAULT_FACTOR_SECRET_FILE = 5,
	VAULT_FACTOR_MACHINE = 6, /* 32 bytes, by the host's tool */
	VAULT_FACTOR_SEALED = 7,  /* what the TPM unseals */
};

struct vault_snapshot {
	uint64_t number;
	int64_t created_ns;
	uint64_t bytes; /* that its blocks hold, shared ones too */
	char name[VAULT_SNAPSHOT_MAX + 1];
};

struct vault_report {
	uint64_t blocks; /* read and authentic */
	uint64_t damaged, healed;
	uint64_t total; /* about so many blocks there are */
	uint32_t more;  /* 1: there is more to do */
	uint32_t reserved;
};

struct vault_quota {
	uint64_t bytes, nodes; /* limits; 0: none */
	uint64_t bytes_used, nodes_used;
};

_Static_assert(sizeof(struct vault_info) == 104, "vault_info is fixed");
_Static_assert(sizeof(struct vault_slot) == 44, "vault_slot is fixed");
_Static_assert(sizeof(struct vault_report) == 40, "vault_report is fixed");
_Static_assert(sizeof(struct vault_quota) == 32, "vault_quota is fixed");
_Static_assert(sizeof(struct vault_snapshot) == 88, "vault_snapshot is fixed");
