/* DNS messages as far as the switch reads them: to pass questions on, and to find the addresses of the names that
 * policies list. Sources: RFC 1035, 4.1; RFC 3596. Portable; every length is checked, names have at most 255 bytes and
 * compression pointers are followed backwards only, a limited number of times. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "packet.h"

#define DNS_HEADER    12u
#define DNS_NAME_MAX  254u /* as text */
#define DNS_RECORDS   64u  /* looked at in an answer */
#define DNS_BYTES_MAX 1472u

enum dns_type { DNS_A = 1, DNS_AAAA = 28 };

struct dns_question {
	char name[DNS_NAME_MAX + 2]; /* lower case, no dot at its end, NUL */
	uint16_t type, class;
	uint32_t end; /* of the question, in the message */
};

/* Reads the one question of a message. False: it has not just one, or is malformed. */
bool dns_question(const uint8_t *message, uint32_t bytes, struct dns_question *question);
/* The addresses of an answer that are of the kind asked for (DNS_A or DNS_AAAA), at most MAX; *TTL: the least, in
 * seconds. Returns how many; -1: malformed or an error. */
int dns_addresses(const uint8_t *message, uint32_t bytes, struct address *addresses, unsigned max,
                  uint32_t *ttl);
/* A question for the addresses of NAME that are of TYPE; returns its bytes, 0: NAME is none. TO holds
 * DNS_BYTES_MAX. */
uint32_t dns_ask(uint8_t *to, uint16_t id, const char *name, uint16_t type);
/* Makes MESSAGE, a question of TYPE that ends at END, into its answer with COUNT addresses of that type; returns
 * its bytes. ERROR: a response code instead. */
uint32_t dns_answer(uint8_t *message, uint32_t end, uint16_t type, const struct address *addresses,
                    unsigned count, unsigned error);
