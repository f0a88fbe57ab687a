/* Capsules for people: on standard output, and in sentences. A record's text is printable ASCII, so nothing in it can be a control
 * sequence. */
#pragma once

#include "trust.h"

enum { TRUST_REFUSAL_MAX = 384 };

/* Writes what CAPSULE says of itself and of its signer. */
void trust_capsule_show(const struct capsule *capsule);
/* Why a capsule is refused, as a sentence without its end. */
void trust_refusal(char *text, size_t size, enum trust_error error, enum record_error detail,
                   const struct field *wrong);
