/*
 * Regular expressions, by PCRE2 (Unicode on). Patterns are compiled once and kept; matching has limits on
 * steps, depth and memory, so that no pattern takes for ever: then the call raises.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "runtime.h"

#include <pcre2.h>
#include <stdlib.h>

#define KEPT        32
#define MATCH_LIMIT 2000000

static struct {
	char *pattern;
	size_t length;
	pcre2_code *code;
} kept[KEPT];
static unsigned next_kept;

static pcre2_code *compile(struct vm *vm, struct string *pattern)
{
	const char *bytes = string_bytes(vm, pattern);
	for (unsigned i = 0; i < KEPT; i++)
		if (kept[i].code && kept[i].length == pattern->length &&
		    !memcmp(kept[i].pattern, bytes, pattern->length))
			return kept[i].code;
	int error;
	PCRE2_SIZE at;
	if (pattern->length > 10000) {
		vm_raise(vm, "regex", "a pattern of over 10000 bytes");
		return NULL;
	}
	pcre2_code *code = pcre2_compile((PCRE2_SPTR)bytes, pattern->length,
	                                 PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &error, &at, NULL);
	if (!code) {
		PCRE2_UCHAR message[200];
		pcre2_get_error_message(error, message, sizeof(message));
		vm_raise(vm, "regex", "the pattern is wrong at byte %zu: %s", (size_t)at,
		         (const char *)message);
		return NULL;
	}
	unsigned slot = next_kept++ % KEPT;
	if (kept[slot].code) {
		pcre2_code_free(kept[slot].code);
		free(kept[slot].pattern);
	}
	kept[slot].pattern = malloc(pattern->length + 1);
	if (!kept[slot].pattern)
		abort();
	memcpy(kept[slot].pattern, bytes, pattern->length);
	kept[slot].length = pattern->length;
	kept[slot].code = code;
	return code;
}

/* 1: a match from byte `from` on; 0: none; -1: raised. Whoever looks for all begins at 0: there the text is checked, once. */
static int find(struct vm *vm, pcre2_code *code, struct string *text, size_t from, pcre2_match_data *data)
{
	static pcre2_match_context *context;
	if (!context) {
		context = pcre2_match_context_create(NULL);
		if (!context)
			abort();
		pcre2_set_match_limit(context, MATCH_LIMIT);
		pcre2_set_depth_limit(context, 10000);
		pcre2_set_heap_limit(context, 20000);
	}
	int n = pcre2_match(code, (PCRE2_SPTR)string_bytes(vm, text), text->length, from,
	                    from ? PCRE2_NO_UTF_CHECK : 0, data, context);
	if (n == PCRE2_ERROR_NOMATCH)
		return 0;
	if (n < 0) {
		PCRE2_UCHAR message[200];
		pcre2_get_error_message(n, message, sizeof(message));
		vm_raise(vm, "regex", "matching stopped: %s", (const char *)message);
		return -1;
	}
	return 1;
}

/* The whole match and its groups; a group that took no part is nil. */
static value groups(struct vm *vm, pcre2_match_data *data, struct string *text)
{
	PCRE2_SIZE *ends = pcre2_get_ovector_pointer(data);
	uint32_t count = pcre2_get_ovector_count(data);
	struct list *list = list_new(vm, count);
	const char *bytes = string_bytes(vm, text);
	for (uint32_t i = 0; i < count; i++) {
		value v = V_NIL;
		if (ends[2 * i] != PCRE2_UNSET && ends[2 * i] <= ends[2 * i + 1])
			v = from_object(string_new(vm, bytes + ends[2 * i], ends[2 * i + 1] - ends[2 * i]));
		list_push(vm, list, v);
	}
	return from_object(list);
}

#define BEGIN()                                                                                              \
	ARG_STRING(0);                                                                                       \
	ARG_STRING(1);                                                                                       \
	struct string *text = as_string(args[0]);                                                            \
	pcre2_code *code = compile(vm, as_string(args[1]));                                                  \
	if (!code)                                                                                           \
		return V_RAISE;                                                                              \
	pcre2_match_data *data = pcre2_match_data_create_from_pattern(code, NULL);                           \
	if (!data)                                                                                           \
	vm_out_of_memory(vm)

NATIVE(regex_test)
{
	(void)count;
	BEGIN();
	int n = find(vm, code, text, 0, data);
	pcre2_match_data_free(data);
	return n < 0 ? V_RAISE : from_bool(n > 0);
}

NATIVE(regex_find)
{
	(void)count;
	BEGIN();
	int n = find(vm, code, text, 0, data);
	value v = n < 0 ? V_RAISE : n ? groups(vm, data, text) : V_NIL;
	pcre2_match_data_free(data);
	return v;
}

/* The byte after a match from which to look on. */
static size_t go_on(struct vm *vm, struct string *text, const PCRE2_SIZE *ends)
{
	size_t at = ends[1];
	if (ends[0] == ends[1]) { /* an empty match: one character further */
		const char *bytes = string_bytes(vm, text);
		at++;
		while (at < text->length && ((unsigned char)bytes[at] & 0xC0) == 0x80)
			at++;
	}
	return at;
}

NATIVE(regex_all)
{
	(void)count;
	BEGIN();
	struct list *list = list_new(vm, 0);
	int n = 0;
	for (size_t at = 0; at <= text->length && (n = find(vm, code, text, at, data)) > 0;) {
		list_push(vm, list, groups(vm, data, text));
		at = go_on(vm, text, pcre2_get_ovector_pointer(data));
	}
	pcre2_match_data_free(data);
	return n < 0 ? V_RAISE : from_object(list);
}

/* In the replacement $0 is the match, $1 ... $9 its groups, $$ a dollar. */
NATIVE(regex_replace)
{
	(void)count;
	ARG_STRING(2);
	BEGIN();
	struct text out = text_begin(vm);
	const char *bytes = string_bytes(vm, text), *with = string_bytes(vm, as_string(args[2]));
	uint32_t with_length = as_string(args[2])->length;
	size_t done = 0, at = 0;
	int n = 0;
	while (at <= text->length && (n = find(vm, code, text, at, data)) > 0 && !out.over) {
		PCRE2_SIZE *ends = pcre2_get_ovector_pointer(data);
		uint32_t have = pcre2_get_ovector_count(data);
		if (ends[0] < done || ends[1] < ends[0])
			break;
		text_put(&out, bytes + done, ends[0] - done);
		for (uint32_t i = 0; i < with_length; i++) {
			if (with[i] == '$' && i + 1 < with_length && with[i + 1] == '$') {
				text_put(&out, "$", 1);
				i++;
			} else if (with[i] == '$' && i + 1 < with_length && with[i + 1] >= '0' &&
			           with[i + 1] <= '9') {
				uint32_t g = (uint32_t)(with[++i] - '0');
				if (g < have && ends[2 * g] != PCRE2_UNSET)
					text_put(&out, bytes + ends[2 * g], ends[2 * g + 1] - ends[2 * g]);
			} else {
				text_put(&out, with + i, 1);
			}
		}
		done = ends[1];
		at = go_on(vm, text, ends);
	}
	if (n >= 0)
		text_put(&out, bytes + done, text->length - done);
	pcre2_match_data_free(data);
	if (n >= 0)
		return text_end(vm, &out);
	free(out.bytes);
	return V_RAISE;
}

NATIVE(regex_split)
{
	(void)count;
	BEGIN();
	struct list *list = list_new(vm, 0);
	const char *bytes = string_bytes(vm, text);
	size_t done = 0, at = 0;
	int n = 0;
	while (at <= text->length && (n = find(vm, code, text, at, data)) > 0) {
		PCRE2_SIZE *ends = pcre2_get_ovector_pointer(data);
		if (ends[1] > ends[0] && ends[0] >= done) {
			list_push(vm, list, from_object(string_new(vm, bytes + done, ends[0] - done)));
			done = ends[1];
		}
		at = go_on(vm, text, ends);
	}
	pcre2_match_data_free(data);
	if (n < 0)
		return V_RAISE;
	list_push(vm, list, from_object(string_new(vm, bytes + done, text->length - done)));
	return from_object(list);
}

const struct native_entry regex_natives[] = {
    {"regex_test", regex_test, 2, 2, 0, "regex_test(s, pattern)", "Whether the pattern matches somewhere."},
    {"regex_find", regex_find, 2, 2, 0, "regex_find(s, pattern)", "The first match and its groups, or nil."},
    {"regex_all", regex_all, 2, 2, 0, "regex_all(s, pattern)", "All matches, each with its groups."},
    {"regex_replace", regex_replace, 3, 3, 0, "regex_replace(s, pattern, with)",
     "$0 is the match, $1 a group."},
    {"regex_split", regex_split, 2, 2, 0, "regex_split(s, pattern)", "The parts between matches."},
    {0},
};
