/* Built-in functions on strings. Positions count characters, not bytes. */
#include "runtime.h"

#include <ctype.h>
#include <stdlib.h>

#define BYTES(n)  string_bytes(vm, as_string(args[n]))
#define LENGTH(n) ((size_t)as_string(args[n])->length)

NATIVE(text_split)
{
	ARG_STRING(0);
	const char *at = BYTES(0), *end = at + LENGTH(0);
	struct list *list = list_new(vm, 0);
	if (count < 2 || (is_string(args[1]) && !LENGTH(1))) { /* at white space, or into characters */
		bool characters = count > 1;
		while (at < end) {
			const char *from = at;
			if (characters) {
				at += utf8_offset(at, (size_t)(end - at), 1);
			} else {
				while (from < end && isspace((unsigned char)*from))
					from++;
				for (at = from; at < end && !isspace((unsigned char)*at);)
					at++;
				if (at == from)
					break;
			}
			list_push(vm, list, from_object(string_new(vm, from, (size_t)(at - from))));
		}
		return from_object(list);
	}
	ARG_STRING(1);
	const char *separator = BYTES(1);
	for (;;) {
		const char *hit = memmem(at, (size_t)(end - at), separator, LENGTH(1));
		list_push(vm, list, from_object(string_new(vm, at, (size_t)((hit ? hit : end) - at))));
		if (!hit)
			return from_object(list);
		at = hit + LENGTH(1);
	}
}

static value join_parts(struct vm *vm, const struct list *list, const char *separator,
                        size_t separator_length)
{
	struct text text = text_begin(vm);
	for (uint32_t i = 0; i < list->length && !text.over; i++) {
		struct string *s = value_to_string(vm, list->items[i]);
		if (i)
			text_put(&text, separator, separator_length);
		text_put(&text, string_bytes(vm, s), s->length);
	}
	return text_end(vm, &text);
}

NATIVE(text_join)
{
	ARG_TYPE(0, T_LIST, "a list");
	if (count < 2)
		return join_parts(vm, as_list(args[0]), "", 0);
	ARG_STRING(1);
	return join_parts(vm, as_list(args[0]), BYTES(1), LENGTH(1));
}

NATIVE(text_lines)
{
	(void)count;
	ARG_STRING(0);
	const char *at = BYTES(0), *end = at + LENGTH(0);
	struct list *list = list_new(vm, 0);
	while (at < end) {
		const char *hit = memchr(at, '\n', (size_t)(end - at)), *stop = hit ? hit : end;
		size_t length = (size_t)(stop - at);
		if (length && at[length - 1] == '\r')
			length--;
		list_push(vm, list, from_object(string_new(vm, at, length)));
		at = stop + 1;
	}
	return from_object(list);
}

static value trim(struct vm *vm, value *args, bool left, bool right)
{
	ARG_STRING(0);
	const char *from = BYTES(0), *to = from + LENGTH(0);
	while (left && from < to && isspace((unsigned char)*from))
		from++;
	while (right && to > from && isspace((unsigned char)to[-1]))
		to--;
	return from_object(string_new(vm, from, (size_t)(to - from)));
}

NATIVE(text_trim)
{
	(void)count;
	return trim(vm, args, true, true);
}

NATIVE(text_trim_left)
{
	(void)count;
	return trim(vm, args, true, false);
}

NATIVE(text_trim_right)
{
	(void)count;
	return trim(vm, args, false, true);
}

/* Letters of ASCII, Latin-1, Greek and Cyrillic: those whose case differs by a fixed distance. */
static uint32_t change_case(uint32_t c, bool upper)
{
	if (c < 128)
		return upper ? (uint32_t)toupper((int)c) : (uint32_t)tolower((int)c);
	if (upper) {
		if ((c >= 0xE0 && c <= 0xFE && c != 0xF7) || (c >= 0x3B1 && c <= 0x3C9 && c != 0x3C2) ||
		    (c >= 0x430 && c <= 0x44F))
			return c - 32;
		if (c >= 0x450 && c <= 0x45F)
			return c - 80;
		if (c >= 0x100 && c <= 0x137 && c & 1)
			return c - 1;
	} else {
		if ((c >= 0xC0 && c <= 0xDE && c != 0xD7) || (c >= 0x391 && c <= 0x3A9) ||
		    (c >= 0x410 && c <= 0x42F))
			return c + 32;
		if (c >= 0x400 && c <= 0x40F)
			return c + 80;
		if (c >= 0x100 && c <= 0x137 && !(c & 1))
			return c + 1;
	}
	return c;
}

static value recase(struct vm *vm, value *args, bool upper)
{
	ARG_STRING(0);
	size_t length = LENGTH(0);
	const unsigned char *bytes = (const unsigned char *)BYTES(0);
	struct text text = text_begin(vm);
	for (size_t i = 0; i < length;) {
		char out[2];
		if (bytes[i] >= 0xC0 && bytes[i] < 0xE0 && i + 1 < length) {
			uint32_t c = change_case((uint32_t)(bytes[i] & 31) << 6 | (bytes[i + 1] & 63), upper);
			out[0] = (char)(0xC0 | c >> 6);
			out[1] = (char)(0x80 | (c & 63));
			text_put(&text, out, 2);
			i += 2;
		} else {
			out[0] = bytes[i] < 128 ? (char)change_case(bytes[i], upper) : (char)bytes[i];
			text_put(&text, out, 1);
			i++;
		}
	}
	return text_end(vm, &text);
}

NATIVE(text_upper)
{
	(void)count;
	return recase(vm, args, true);
}

NATIVE(text_lower)
{
	(void)count;
	return recase(vm, args, false);
}

NATIVE(text_starts_with)
{
	(void)count;
	ARG_STRING(0);
	ARG_STRING(1);
	return from_bool(LENGTH(0) >= LENGTH(1) && !memcmp(BYTES(0), BYTES(1), LENGTH(1)));
}

NATIVE(text_ends_with)
{
	(void)count;
	ARG_STRING(0);
	ARG_STRING(1);
	return from_bool(LENGTH(0) >= LENGTH(1) &&
	                 !memcmp(BYTES(0) + LENGTH(0) - LENGTH(1), BYTES(1), LENGTH(1)));
}

NATIVE(text_replace)
{
	(void)count;
	ARG_STRING(0);
	ARG_STRING(1);
	ARG_STRING(2);
	struct text text = text_begin(vm);
	const char *at = BYTES(0), *end = at + LENGTH(0), *from = BYTES(1), *to = BYTES(2), *hit;
	if (!LENGTH(1))
		return args[0];
	while (!text.over && (hit = memmem(at, (size_t)(end - at), from, LENGTH(1)))) {
		text_put(&text, at, (size_t)(hit - at));
		text_put(&text, to, LENGTH(2));
		at = hit + LENGTH(1);
	}
	text_put(&text, at, (size_t)(end - at));
	return text_end(vm, &text);
}

NATIVE(text_repeat)
{
	(void)count;
	ARG_STRING(0);
	ARG_INT(1, n);
	if (n < 0 || (LENGTH(0) && (uint64_t)n > STRING_MAX / LENGTH(0)))
		return vm_raise(vm, "memory", "a string of over %u bytes", STRING_MAX);
	if (!LENGTH(0))
		return args[0];
	struct string *s = string_reserve(vm, LENGTH(0) * (size_t)n);
	char *to = s->object.kind == STRING_INLINE ? STRING_INLINE_BYTES(s) : s->heap_bytes;
	const char *bytes = BYTES(0);
	for (int64_t i = 0; i < n; i++)
		memcpy(to + (size_t)i * LENGTH(0), bytes, LENGTH(0));
	return from_object(s);
}

static value pad(struct vm *vm, value *args, unsigned count, bool left)
{
	struct string *s = value_to_string(vm, args[0]);
	ARG_INT(1, width);
	const char *bytes = string_bytes(vm, s), *fill = " ";
	size_t fill_length = 1;
	if (count > 2) {
		ARG_STRING(2);
		fill = BYTES(2);
		fill_length = LENGTH(2);
	}
	int64_t there = utf8_count(bytes, s->length), missing = width > there ? width - there : 0;
	if (!missing || !fill_length)
		return from_object(s);
	if (missing > 1000000)
		return vm_raise(vm, "memory", "a padding of over a million characters");
	struct text text = text_begin(vm);
	if (!left)
		text_put(&text, bytes, s->length);
	for (int64_t i = 0; i < missing && !text.over; i++)
		text_put(&text, fill, fill_length);
	if (left)
		text_put(&text, bytes, s->length);
	return text_end(vm, &text);
}

NATIVE(text_pad_left)
{
	return pad(vm, args, count, true);
}

NATIVE(text_pad_right)
{
	return pad(vm, args, count, false);
}

NATIVE(text_chars)
{
	(void)count;
	value both[2] = {args[0], from_object(vm->empty_string)};
	return text_split(vm, both, 2);
}

NATIVE(text_char_code)
{
	ARG_STRING(0);
	const unsigned char *b = (const unsigned char *)BYTES(0);
	size_t length = LENGTH(0), at = 0;
	if (count > 1) {
		ARG_INT(1, n);
		at = n < 0 ? length : utf8_offset((const char *)b, length, (size_t)n);
	}
	if (at >= length)
		return vm_raise(vm, "index", "no such character");
	b += at;
	length -= at;
	if (*b < 0x80 || length < 2)
		return from_small_int(*b);
	if (*b < 0xE0)
		return from_small_int((int64_t)(*b & 31) << 6 | (b[1] & 63));
	if (*b < 0xF0 && length > 2)
		return from_small_int((int64_t)(*b & 15) << 12 | (int64_t)(b[1] & 63) << 6 | (b[2] & 63));
	if (length > 3)
		return from_small_int((int64_t)(*b & 7) << 18 | (int64_t)(b[1] & 63) << 12 |
		                      (int64_t)(b[2] & 63) << 6 | (b[3] & 63));
	return from_small_int(*b);
}

NATIVE(text_from_code)
{
	(void)count;
	ARG_INT(0, c);
	char b[4];
	if (c < 0 || c > 0x10FFFF || (c >= 0xD800 && c < 0xE000))
		return vm_raise(vm, "index", "there is no character %lld", (long long)c);
	if (c < 0x80) {
		b[0] = (char)c;
		return from_object(string_new(vm, b, 1));
	}
	if (c < 0x800) {
		b[0] = (char)(0xC0 | c >> 6);
		b[1] = (char)(0x80 | (c & 63));
		return from_object(string_new(vm, b, 2));
	}
	if (c < 0x10000) {
		b[0] = (char)(0xE0 | c >> 12);
		b[1] = (char)(0x80 | (c >> 6 & 63));
		b[2] = (char)(0x80 | (c & 63));
		return from_object(string_new(vm, b, 3));
	}
	b[0] = (char)(0xF0 | c >> 18);
	b[1] = (char)(0x80 | (c >> 12 & 63));
	b[2] = (char)(0x80 | (c >> 6 & 63));
	b[3] = (char)(0x80 | (c & 63));
	return from_object(string_new(vm, b, 4));
}

NATIVE(text_bytes)
{
	(void)count, (void)vm;
	ARG_STRING(0);
	return from_small_int((int64_t)LENGTH(0));
}

/* {} takes the next argument, {N} the argument N; {:.3} so many digits after the point; {:>8} and {:<8} pad.
 */
NATIVE(text_format)
{
	ARG_STRING(0);
	struct text text = text_begin(vm);
	const char *at = BYTES(0), *end = at + LENGTH(0);
	unsigned next = 1;
	while (at < end) {
		if (*at == '{' && at + 1 < end && at[1] == '{') {
			text_put(&text, "{", 1);
			at += 2;
			continue;
		}
		if (*at == '}' && at + 1 < end && at[1] == '}') {
			text_put(&text, "}", 1);
			at += 2;
			continue;
		}
		if (*at != '{') {
			text_put(&text, at++, 1);
			continue;
		}
		unsigned which = next, width = 0;
		int digits = -1;
		char align = 0;
		const char *spec = at + 1;
		if (spec < end && *spec >= '0' && *spec <= '9') {
			which = 0;
			while (spec < end && *spec >= '0' && *spec <= '9' && which < 1000)
				which = which * 10 + (unsigned)(*spec++ - '0');
			which++;
		} else {
			next++;
		}
		if (spec < end && *spec == ':') {
			spec++;
			if (spec < end && (*spec == '<' || *spec == '>'))
				align = *spec++;
			while (spec < end && *spec >= '0' && *spec <= '9' && width < 1000)
				width = width * 10 + (unsigned)(*spec++ - '0');
			if (spec < end && *spec == '.')
				for (digits = 0, spec++;
				     spec < end && *spec >= '0' && *spec <= '9' && digits < 100;)
					digits = digits * 10 + (*spec++ - '0');
		}
		if (spec >= end || *spec != '}' || which >= count || digits > 100) {
			free(text.bytes);
			return vm_raise(vm, "format",
			                which >= count ? "the format has more places than arguments"
			                               : "a place of the format is not {}, {N} or {:...}");
		}
		struct string *s;
		double d;
		if (digits >= 0 && to_double(args[which], &d))
			s = string_format(vm, "%.*f", digits, d);
		else
			s = value_to_string(vm, args[which]);
		const char *bytes = string_bytes(vm, s);
		uint32_t length = utf8_count(bytes, s->length);
		if (align != '<')
			for (uint32_t i = length; i < width; i++)
				text_put(&text, " ", 1);
		text_put(&text, bytes, s->length);
		if (align == '<')
			for (uint32_t i = length; i < width; i++)
				text_put(&text, " ", 1);
		at = spec + 1;
	}
	return text_end(vm, &text);
}

const struct native_entry text_natives[] = {
    {"split", text_split, 1, 2, 0, "split(s, separator)",
     "The parts between separators; without one, the words."},
    {"join", text_join, 1, 2, 0, "join(list, separator)", "The elements as text, one after another."},
    {"lines", text_lines, 1, 1, 0, "lines(s)", "The lines of a text."},
    {"trim", text_trim, 1, 1, 0, "trim(s)", "Without white space at both ends."},
    {"trim_left", text_trim_left, 1, 1, 0, "trim_left(s)", "Without white space at the beginning."},
    {"trim_right", text_trim_right, 1, 1, 0, "trim_right(s)", "Without white space at the end."},
    {"to_upper", text_upper, 1, 1, 0, "to_upper(s)", "In capital letters."},
    {"to_lower", text_lower, 1, 1, 0, "to_lower(s)", "In small letters."},
    {"starts_with", text_starts_with, 2, 2, 0, "starts_with(s, part)", "Whether s begins with part."},
    {"ends_with", text_ends_with, 2, 2, 0, "ends_with(s, part)", "Whether s ends with part."},
    {"replace", text_replace, 3, 3, 0, "replace(s, old, new)", "Every old replaced by new."},
    {"repeat", text_repeat, 2, 2, 0, "repeat(s, n)", "n times s."},
    {"pad_left", text_pad_left, 2, 3, 0, "pad_left(v, width, fill)", "Filled up on the left."},
    {"pad_right", text_pad_right, 2, 3, 0, "pad_right(v, width, fill)", "Filled up on the right."},
    {"chars", text_chars, 1, 1, 0, "chars(s)", "The characters as a list."},
    {"char_code", text_char_code, 1, 2, 0, "char_code(s, at)", "The number of a character in Unicode."},
    {"from_code", text_from_code, 1, 1, 0, "from_code(n)", "The character of a number."},
    {"byte_length", text_bytes, 1, 1, 0, "byte_length(s)", "How many bytes of UTF-8."},
    {"format", text_format, 1, -1, 0, "format(template, ...)",
     "{} {0} {:.2} {:>8} are replaced by arguments."},
    {0},
};
