/* Hexadecimal text as JSON-RPC writes it: "0x" and digits. */
#ifndef LEDGER_HEX_H
#define LEDGER_HEX_H

#include "num/types.h"

/*
 * Bytes of text with "0x" in front and an even number of digits. Returns the number of bytes, or -1 when the
 * text is anything else or longer than `room` bytes.
 */
long hex_decode(uint8_t *out, size_t room, const char *text);
/* A number of at most 256 bits, "0x" in front; any number of digits from 1 to 64 (leading zeros allowed). */
bool hex_to_u256(struct u256 *out, const char *text);
/* The same for at most 64 bits. */
bool hex_to_u64(uint64_t *out, const char *text);
/* Writes "0x", two digits a byte and a terminator: 2 length + 3 characters. Returns out. */
char *hex_encode(char *out, const uint8_t *bytes, size_t length);
/* The shortest form, "0x0" for zero: at most 67 characters with the terminator. Returns out. */
char *hex_from_u256(char *out, const struct u256 *value);
char *hex_from_u64(char *out, uint64_t value);

#endif
