/*
 * JSON (RFC 8259): strict, in one pass, nested at most 200 deep. Whole numbers without fraction or exponent
 * become integers. An error is a value that says where.
 */
#include "runtime.h"

#include <math.h>
#include <stdlib.h>

#define DEPTH_MAX 200

struct reader {
	struct vm *vm;
	const char *text, *at, *end;
	const char *problem;
	unsigned depth;
};

static value read_value(struct reader *r);

static void skip_space(struct reader *r)
{
	while (r->at < r->end && (*r->at == ' ' || *r->at == '\n' || *r->at == '\r' || *r->at == '\t'))
		r->at++;
}

static value problem(struct reader *r, const char *what)
{
	if (!r->problem)
		r->problem = what;
	return V_EMPTY;
}

static int hex4(struct reader *r)
{
	int code = 0;
	if (r->end - r->at < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		char c = *r->at++;
		int digit = c >= '0' && c <= '9'                 ? c - '0'
		            : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
		                                                 : -1;
		if (digit < 0)
			return -1;
		code = code * 16 + digit;
	}
	return code;
}

static size_t put_utf8(char *to, uint32_t c)
{
	if (c < 0x80) {
		to[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		to[0] = (char)(0xC0 | c >> 6);
		to[1] = (char)(0x80 | (c & 63));
		return 2;
	}
	if (c < 0x10000) {
		to[0] = (char)(0xE0 | c >> 12);
		to[1] = (char)(0x80 | (c >> 6 & 63));
		to[2] = (char)(0x80 | (c & 63));
		return 3;
	}
	to[0] = (char)(0xF0 | c >> 18);
	to[1] = (char)(0x80 | (c >> 12 & 63));
	to[2] = (char)(0x80 | (c >> 6 & 63));
	to[3] = (char)(0x80 | (c & 63));
	return 4;
}

static value read_string(struct reader *r)
{
	const char *from = ++r->at;
	while (r->at < r->end && *r->at != '"' && *r->at != '\\' && (unsigned char)*r->at >= ' ')
		r->at++;
	if (r->at < r->end && *r->at == '"') { /* no escapes: the common case */
		struct string *s = string_new(r->vm, from, (size_t)(r->at - from));
		r->at++;
		return from_object(s);
	}
	struct text text = {0};
	text_put(&text, from, (size_t)(r->at - from));
	while (r->at < r->end && *r->at != '"') {
		char out[4];
		if ((unsigned char)*r->at < ' ') {
			free(text.bytes);
			return problem(r, "a control character in a string");
		}
		if (*r->at != '\\') {
			text_put(&text, r->at++, 1);
			continue;
		}
		if (++r->at == r->end)
			break;
		char c = *r->at++;
		if (c == 'u') {
			int code = hex4(r);
			if (code >= 0xD800 && code < 0xDC00 && r->end - r->at >= 6 && r->at[0] == '\\' &&
			    r->at[1] == 'u') {
				r->at += 2;
				int low = hex4(r);
				code = low >= 0xDC00 && low < 0xE000
				           ? 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00)
				           : -1;
			}
			if (code < 0 || (code >= 0xD800 && code < 0xE000)) {
				free(text.bytes);
				return problem(r, "a wrong \\u escape");
			}
			text_put(&text, out, put_utf8(out, (uint32_t)code));
			continue;
		}
		const char *from_set = "\"\\/bfnrt", *to_set = "\"\\/\b\f\n\r\t", *hit = strchr(from_set, c);
		if (!c || !hit) {
			free(text.bytes);
			return problem(r, "an unknown escape");
		}
		text_put(&text, to_set + (hit - from_set), 1);
	}
	if (r->at == r->end) {
		free(text.bytes);
		return problem(r, "a string without end");
	}
	r->at++;
	struct string *s = string_new(r->vm, text.bytes ? text.bytes : "", text.length);
	free(text.bytes);
	return from_object(s);
}

static value read_number(struct reader *r)
{
	const char *from = r->at;
	bool fraction = false, negative = false;
	int64_t n = 0;
	bool fits = true;
	if (*r->at == '-') {
		negative = true;
		r->at++;
	}
	if (r->at == r->end || *r->at < '0' || *r->at > '9')
		return problem(r, "a wrong number");
	if (*r->at == '0' && r->at + 1 < r->end && r->at[1] >= '0' && r->at[1] <= '9')
		return problem(r, "a number with a leading zero");
	while (r->at < r->end && *r->at >= '0' && *r->at <= '9') {
		fits = fits && !__builtin_mul_overflow(n, 10, &n) &&
		       !(negative ? __builtin_sub_overflow(n, *r->at - '0', &n)
		                  : __builtin_add_overflow(n, *r->at - '0', &n));
		r->at++;
	}
	if (r->at < r->end && *r->at == '.') {
		fraction = true;
		r->at++;
		if (r->at == r->end || *r->at < '0' || *r->at > '9')
			return problem(r, "a wrong number");
		while (r->at < r->end && *r->at >= '0' && *r->at <= '9')
			r->at++;
	}
	if (r->at < r->end && (*r->at == 'e' || *r->at == 'E')) {
		fraction = true;
		r->at++;
		if (r->at < r->end && (*r->at == '+' || *r->at == '-'))
			r->at++;
		if (r->at == r->end || *r->at < '0' || *r->at > '9')
			return problem(r, "a wrong number");
		while (r->at < r->end && *r->at >= '0' && *r->at <= '9')
			r->at++;
	}
	if (!fraction && fits)
		return from_int64(r->vm, n);
	char digits[64];
	size_t length = (size_t)(r->at - from);
	if (length < sizeof(digits)) {
		memcpy(digits, from, length);
		digits[length] = 0;
		return from_double(strtod(digits, NULL));
	}
	char *copy = strndup(from, length);
	double d = copy ? strtod(copy, NULL) : 0;
	free(copy);
	return from_double(d);
}

static value read_array(struct reader *r)
{
	struct list *list = list_new(r->vm, 0);
	r->at++;
	skip_space(r);
	if (r->at < r->end && *r->at == ']') {
		r->at++;
		return from_object(list);
	}
	for (;;) {
		value v = read_value(r);
		if (v == V_EMPTY)
			return v;
		list_push(r->vm, list, v);
		skip_space(r);
		if (r->at < r->end && *r->at == ',') {
			r->at++;
			continue;
		}
		if (r->at < r->end && *r->at == ']') {
			r->at++;
			return from_object(list);
		}
		return problem(r, "',' or ']' is missing");
	}
}

static value read_object(struct reader *r)
{
	struct map *map = map_new(r->vm, 0);
	r->at++;
	skip_space(r);
	if (r->at < r->end && *r->at == '}') {
		r->at++;
		return from_object(map);
	}
	for (;;) {
		skip_space(r);
		if (r->at == r->end || *r->at != '"')
			return problem(r, "a key in quotes is missing");
		value key = read_string(r);
		if (key == V_EMPTY)
			return key;
		skip_space(r);
		if (r->at == r->end || *r->at != ':')
			return problem(r, "':' is missing");
		r->at++;
		value v = read_value(r);
		if (v == V_EMPTY)
			return v;
		map_set(r->vm, map, key, v);
		skip_space(r);
		if (r->at < r->end && *r->at == ',') {
			r->at++;
			continue;
		}
		if (r->at < r->end && *r->at == '}') {
			r->at++;
			return from_object(map);
		}
		return problem(r, "',' or '}' is missing");
	}
}

static value read_value(struct reader *r)
{
	value v;
	skip_space(r);
	if (r->at == r->end)
		return problem(r, "the text ends too early");
	if (r->depth++ > DEPTH_MAX)
		return problem(r, "nested too deeply");
	size_t left = (size_t)(r->end - r->at);
	switch (*r->at) {
	case '{':
		v = read_object(r);
		break;
	case '[':
		v = read_array(r);
		break;
	case '"':
		v = read_string(r);
		break;
	case 't':
	case 'f':
	case 'n': {
		const char *word = *r->at == 't' ? "true" : *r->at == 'f' ? "false" : "null";
		size_t length = strlen(word);
		if (left < length || memcmp(r->at, word, length) != 0) {
			v = problem(r, "an unknown word");
			break;
		}
		v = *word == 't' ? V_TRUE : *word == 'f' ? V_FALSE : V_NIL;
		r->at += length;
		break;
	}
	default:
		v = read_number(r);
	}
	r->depth--;
	return v;
}

value json_get(struct vm *vm, const char *text, size_t length)
{
	struct reader r = {.vm = vm, .text = text, .at = text, .end = text + length};
	value v = read_value(&r);
	skip_space(&r);
	return r.at < r.end ? V_EMPTY : v;
}

NATIVE(json_parse)
{
	(void)count;
	ARG_STRING(0);
	const char *text = string_bytes(vm, as_string(args[0]));
	struct reader r = {.vm = vm, .text = text, .at = text, .end = text + as_string(args[0])->length};
	value v = read_value(&r);
	skip_space(&r);
	if (v != V_EMPTY && r.at < r.end)
		v = problem(&r, "more text after the value");
	if (v == V_EMPTY)
		return from_object(
		    error_new(vm, "json",
		              string_format(vm, "JSON: %s at byte %zu", r.problem, (size_t)(r.at - r.text))));
	return v;
}

/* ---- writing ---- */
static void write_string(struct text *out, const char *bytes, size_t length)
{
	text_put(out, "\"", 1);
	size_t from = 0;
	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)bytes[i];
		if (c >= ' ' && c != '"' && c != '\\')
			continue;
		text_put(out, bytes + from, i - from);
		from = i + 1;
		if (c == '"' || c == '\\')
			text_print(out, "\\%c", c);
		else if (c == '\n')
			text_put(out, "\\n", 2);
		else if (c == '\t')
			text_put(out, "\\t", 2);
		else if (c == '\r')
			text_put(out, "\\r", 2);
		else
			text_print(out, "\\u%04x", c);
	}
	text_put(out, bytes + from, length - from);
	text_put(out, "\"", 1);
}

static void newline(struct text *out, int indent, unsigned depth)
{
	if (indent <= 0)
		return;
	text_put(out, "\n", 1);
	for (unsigned i = 0; i < depth * (unsigned)indent; i++)
		text_put(out, " ", 1);
}

static bool write_value(struct vm *vm, struct text *out, value v, int indent, unsigned depth)
{
	char buffer[400];
	int64_t i;
	if (depth > DEPTH_MAX) {
		vm_raise(vm, "json", "nested too deeply for JSON");
		return false;
	}
	if (out->over)
		return true; /* whoever began the text sees that it is too long */
	if (to_int64(v, &i)) {
		char *end = buffer + sizeof(buffer), *at = end;
		uint64_t u = i < 0 ? 0 - (uint64_t)i : (uint64_t)i;
		do
			*--at = (char)('0' + u % 10);
		while (u /= 10);
		if (i < 0)
			*--at = '-';
		text_put(out, at, (size_t)(end - at));
		return true;
	}
	if (is_double(v)) {
		if (!isfinite(as_double(v))) {
			text_put(out, "null", 4);
			return true;
		}
		text_put(out, buffer, number_format_exact(as_double(v), buffer, sizeof(buffer)));
		return true;
	}
	if (v == V_NIL || is_bool(v)) {
		text_print(out, "%s", v == V_NIL ? "null" : v == V_TRUE ? "true" : "false");
		return true;
	}
	if (is_string(v)) {
		write_string(out, string_bytes(vm, as_string(v)), as_string(v)->length);
		return true;
	}
	if (is_type(v, T_LIST)) {
		struct list *list = as_list(v);
		text_put(out, "[", 1);
		for (uint32_t k = 0; k < list->length; k++) {
			if (k)
				text_put(out, ",", 1);
			newline(out, indent, depth + 1);
			if (!write_value(vm, out, list->items[k], indent, depth + 1))
				return false;
		}
		if (list->length)
			newline(out, indent, depth);
		text_put(out, "]", 1);
		return true;
	}
	if (is_type(v, T_MAP) || is_type(v, T_STRUCT)) {
		struct instance *instance = is_type(v, T_STRUCT) ? (struct instance *)as_object(v) : NULL;
		uint32_t n = instance ? instance->shape->count : as_map(v)->used;
		bool first = true;
		text_put(out, "{", 1);
		for (uint32_t k = 0; k < n; k++) {
			value key =
			    instance ? from_object(instance->shape->fields[k]) : as_map(v)->entries[k].key;
			if (key == V_EMPTY)
				continue;
			if (!first)
				text_put(out, ",", 1);
			first = false;
			newline(out, indent, depth + 1);
			struct string *s = value_to_string(vm, key);
			write_string(out, string_bytes(vm, s), s->length);
			text_put(out, ": ", indent > 0 ? 2 : 1);
			if (!write_value(vm, out, instance ? instance->fields[k] : as_map(v)->entries[k].item,
			                 indent, depth + 1))
				return false;
		}
		if (!first)
			newline(out, indent, depth);
		text_put(out, "}", 1);
		return true;
	}
	if (is_type(v, T_DURATION)) {
		struct string *s = value_to_string(vm, v);
		write_string(out, string_bytes(vm, s), s->length);
		return true;
	}
	vm_raise(vm, "json", "%s has no form in JSON", value_type_name(v));
	return false;
}

bool json_put(struct vm *vm, struct text *out, value v)
{
	return write_value(vm, out, v, 0, 0);
}

NATIVE(json_write)
{
	struct text text = text_begin(vm);
	int64_t indent = 0;
	if (count > 1 && (!to_whole(args[1], &indent) || indent < 0 || indent > 16))
		return vm_raise(vm, "type", "the indentation is a number from 0 to 16");
	if (write_value(vm, &text, args[0], (int)indent, 0))
		return text_end(vm, &text);
	free(text.bytes);
	return V_RAISE;
}

const struct native_entry json_natives[] = {
    {"json_parse", json_parse, 1, 1, 0, "json_parse(text)", "The value; an error value if it is no JSON."},
    {"json_write", json_write, 1, 2, 0, "json_write(v, indent)", "The value as JSON."},
    {0},
};
