/* Shared by the handshake and the records of the secure channel. */
#ifndef SECURE_INTERNAL_H
#define SECURE_INTERNAL_H

#include "secure/secure.h"

/* Keys of one direction from the handshake's secret for it. */
void secure_direction_start(struct secure_direction *direction, const uint8_t secret[32]);

#endif
