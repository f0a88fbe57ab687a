/* What the proof (docs/proof.md) knows of things that are not C: included before each file that is proved, by Frama-C alone.
 *
 * The string functions have the C standard's contracts; lib/holon/text.c is proved to keep them. Atomic operations are plain
 * ones here: the proof is of one thread of control, other tools look at several (docs/memory-order.md). Everything marked
 * "Admitted" is believed, not proved; tests/proof/prove counts and prints it.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/*@ predicate ends_at{L}(char *text, integer n) =
      0 <= n < 0x7fffffffffffffff && \valid_read(text + (0 .. n)) && text[n] == 0;
    predicate is_text{L}(char *text) = \exists integer n; ends_at(text, n);
    lemma text_ends{L}: \forall char *text, integer n;
      0 <= n < 0x7fffffffffffffff && \valid_read(text + (0 .. n)) && text[n] == 0 ==> is_text(text);
    lemma ends_on{L}: \forall char *text, integer n; 0 < n && ends_at(text, n) ==> ends_at(text + 1, n - 1);
    lemma text_goes_on{L}: \forall char *text; is_text(text) && text[0] != 0 ==> is_text(text + 1);
    lemma text_goes_on_at{L}: \forall char *text, integer i; is_text(text + i) && text[i] != 0 ==> is_text(text + (i + 1));
*/

/*@ requires \valid((char *)to + (0 .. size - 1)) && \valid_read((char *)from + (0 .. size - 1));
    requires \separated((char *)to + (0 .. size - 1), (char *)from + (0 .. size - 1));
    assigns ((char *)to)[0 .. size - 1] \from ((char *)from)[0 .. size - 1];
    assigns ((uint8_t *)to)[0 .. size - 1] \from ((uint8_t *)from)[0 .. size - 1];
    assigns \result \from to;
    ensures \result == to;
*/
void *memcpy(void *restrict to, const void *restrict from, size_t size);
/*@ requires \valid((char *)to + (0 .. size - 1));
    assigns ((char *)to)[0 .. size - 1] \from value;
    assigns ((uint8_t *)to)[0 .. size - 1] \from value;
    assigns \result \from to;
    ensures \result == to;
*/
void *memset(void *to, int value, size_t size);
/*@ requires \valid_read((char *)a + (0 .. size - 1)) && \valid_read((char *)b + (0 .. size - 1));
    assigns \nothing;
    ensures -255 <= \result <= 255;
*/
int memcmp(const void *a, const void *b, size_t size);
/*@ requires is_text(text);
    assigns \nothing;
    ensures \valid_read(text + (0 .. \result)) && text[\result] == 0;
    ensures \forall integer i; 0 <= i < \result ==> text[i] != 0;
*/
size_t strlen(const char *text);
/*@ requires size == 0 || is_text(text) || \valid_read(text + (0 .. size - 1));
    assigns \nothing;
    ensures \result <= size;
    ensures \result == 0 || \valid_read(text + (0 .. \result - 1));
    ensures \result < size ==> \valid_read(text + (0 .. \result)) && text[\result] == 0;
    ensures \forall integer i; 0 <= i < \result ==> text[i] != 0;
*/
size_t strnlen(const char *text, size_t size);
/*@ requires is_text(a) && is_text(b);
    assigns \nothing;
    ensures -255 <= \result <= 255;
*/
int strcmp(const char *a, const char *b);
/*@ requires is_text(a) && is_text(b);
    assigns \nothing;
    ensures -255 <= \result <= 255;
*/
int strncmp(const char *a, const char *b, size_t size);
/*@ requires \valid_read((uint8_t *)text + (0 .. size - 1));
    assigns \nothing;
*/
void *memchr(const void *text, int value, size_t size);
/*@ requires is_text(text);
    assigns \nothing;
*/
char *strchr(const char *text, int value);
/*@ requires is_text(text);
    assigns \nothing;
*/
char *strrchr(const char *text, int value);

/*@ requires \valid(digest + (0 .. 31)) && \valid_read((uint8_t *)data + (0 .. length - 1));
    assigns digest[0 .. 31];
*/
void blake3_hash(uint8_t digest[32], const void *data, size_t length);

/* Whatever shows the firmware's tables to their readers: bytes that may be read, or none. */
/*@ assigns \nothing;
    ensures \result == \null || \valid_read((uint8_t *)\result + (0 .. bytes - 1));
*/
const void *view_any(unsigned slot, uint64_t physical, uint64_t bytes);
#define view(slot, physical, bytes) view_any(slot, physical, bytes)

/* Atomic operations of one thread of control. */
#define __atomic_load_n(place, order)           (*(place))
#define __atomic_store_n(place, value, order)   ((void)(*(place) = (value)))
#define __atomic_add_fetch(place, value, order) (*(place) += (value))
#define __atomic_sub_fetch(place, value, order) (*(place) -= (value))
#define __atomic_fetch_add(place, value, order) ((*(place) += (value)) - (value))
#define __builtin_expect(value, likely)         (value)
