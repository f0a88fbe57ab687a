/* Verification of a bundle before anything of it runs: the loader's, and the host tools', from the same source.
 *
 * The order is fixed, and the first fault is told: the bundle's form (bundle.h); the key list under the compiled-in root; its
 * epoch; the manifest (lib/trust/boot.h); then each entry of the bundle in order against the manifest; at last that no part of
 * the manifest is missing. No byte of a part is looked at before the manifest's signature is good.
 *
 * What the bundle carries besides signed bytes: its header, whose every bit is checked against the manifest or for being zero,
 * and what fills pages up, which the loader clears behind each module and nothing reads.
 */
#pragma once

#include <holon/bundle.h>
#include <trust/boot.h>

struct verify_policy {
	uint8_t root[TRUST_ROOT_BYTES];
	uint64_t least_epoch, least_rollback; /* key lists and images older than these are refused */
};
/* Compiled into the loader; made from the public keys at build time. */
extern const struct verify_policy loader_policy;

struct verified {
	bool development;
	uint64_t rollback, epoch;
	uint8_t signer[TRUST_ID_BYTES];
	char build[BOOT_BUILD_MAX + 1];
	char part[BUNDLE_NAME_MAX]; /* on a fault: the part at fault, or empty */
};

/* The bundle of AVAILABLE bytes, which must not change afterwards. NULL, or what is wrong. Takes up to 32 KiB of stack. */
const char *bundle_verify(const struct bundle_header *bundle, uint64_t available,
                          const struct verify_policy *policy, struct verified *verified);
