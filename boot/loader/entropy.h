/* The seed of all randomness, which the loader hands over: what the machine has of sources, hashed together.
 *
 * Credited in bits: the firmware's generator (UEFI), the TPM's, RDSEED and RDRAND by what they give; jitter by a quarter of a bit a
 * sample, from blocks that pass the repetition count test (NIST SP 800-90B, section 4.4.1). All are hashed whether they are credited
 * or not, so none can take from another. Where they do not reach 256 bits, as below instruction counting,
 * the log says so, and the entropy service (base/entropy) gathers on; where no block of jitter passed, it credits none either.
 */
#pragma once

#include <holon/handoff.h>

/* SEED of SIZE bytes, without a signature, which only a development image takes, is hashed in too and credited whole, so that a machine
 * without any source can be tested; the log says so. SIZE 0: there is none. PLACES: of the same worth, for where the kernel lies, and
 * nobody's who is given the seed. */
void entropy_gather(struct handoff *handoff, const void *seed, uint32_t size, uint32_t places[2]);
