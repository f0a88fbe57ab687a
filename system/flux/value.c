/* Values: as text, by equality and by truth; numbers and durations as text. */
#include "object.h"
#include "program.h"
#include "vm.h"

#include <math.h>
#include <stdlib.h>

#define COMPARED_MOST (1 << 29) /* parts that one comparison looks at */

/* ---- numbers and durations as text ---- */
size_t number_format(double d, char *buffer, size_t size)
{
	int length;
	if (d != d)
		length = snprintf(buffer, size, "nan");
	else if (isinf(d))
		length = snprintf(buffer, size, d < 0 ? "-inf" : "inf");
	else if (d == floor(d))
		length = snprintf(buffer, size, "%.0f", d == 0 ? 0.0 : d);
	else
		length = snprintf(buffer, size, "%g", d);
	return (size_t)length < size ? (size_t)length : size - 1;
}

size_t number_format_exact(double d, char *buffer, size_t size)
{
	if (d != d || isinf(d))
		return number_format(d, buffer, size);
	int length = 0;
	for (int digits = 15; digits <= 17; digits++) {
		length = snprintf(buffer, size, "%.*g", digits, d);
		if (strtod(buffer, NULL) == d)
			break;
	}
	if (!strpbrk(buffer, ".en"))
		length += snprintf(buffer + length, size - (size_t)length, ".0");
	return (size_t)length;
}

/* As Python's repr(): an exponent stands from 1e16 on, where %g begins at its number of digits. */
static size_t number_format_classic(double d, char *buffer, size_t size)
{
	size_t length = number_format_exact(d, buffer, size);
	if (fabs(d) >= 1e15 && fabs(d) < 1e16)
		length = (size_t)snprintf(buffer, size, "%.1f", d);
	else if (fabs(d) >= 1e16 && fabs(d) < 1e17 && !strchr(buffer, 'e'))
		length = (size_t)snprintf(buffer, size, "%.16e", d);
	return length;
}

void duration_format(int64_t ns, char *buffer, size_t size)
{
	if (ns % 1000000000 == 0)
		snprintf(buffer, size, "%llds", (long long)(ns / 1000000000));
	else if (ns % 1000000 == 0)
		snprintf(buffer, size, "%lldms", (long long)(ns / 1000000));
	else if (ns % 1000 == 0)
		snprintf(buffer, size, "%lldus", (long long)(ns / 1000));
	else
		snprintf(buffer, size, "%lldns", (long long)ns);
}

bool duration_parse(const char *text, size_t length, int64_t *ns)
{
	static const struct {
		const char *unit;
		double factor;
	} units[] = {{"ns", 1},     {"us", 1e3}, {"ms", 1e6},   {"s", 1e9},
	             {"cycles", 1}, {"m", 60e9}, {"h", 3600e9}, {"d", 86400e9}};
	char copy[64];
	size_t digits = 0;
	while (length && (*text == ' ' || *text == '\t' || *text == '\n')) {
		text++;
		length--;
	}
	while (length && (text[length - 1] == ' ' || text[length - 1] == '\t' || text[length - 1] == '\n'))
		length--;
	if (length >= sizeof(copy))
		return false;
	memcpy(copy, text, length);
	copy[length] = 0;
	while (copy[digits] >= '0' && copy[digits] <= '9')
		digits++;
	bool whole = copy[digits] != '.';
	if (!whole)
		for (digits++; copy[digits] >= '0' && copy[digits] <= '9';)
			digits++;
	if (!digits)
		return false;
	const char *unit = copy + digits;
	while (*unit == ' ')
		unit++;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (!strcmp(unit, units[i].unit)) {
			if (whole) {
				int64_t number = 0;
				for (size_t k = 0; k < digits; k++)
					if (__builtin_mul_overflow(number, 10, &number) ||
					    __builtin_add_overflow(number, copy[k] - '0', &number))
						return false;
				return !__builtin_mul_overflow(number, (int64_t)units[i].factor, ns);
			}
			double d = strtod(copy, NULL) * units[i].factor;
			if (!(d < 9.2e18))
				return false;
			*ns = (int64_t)d;
			return true;
		}
	return false;
}

/* ---- any value as text ---- */
struct writer {
	struct vm *vm;
	char *bytes;
	size_t length, capacity;
	unsigned depth;
	bool
	    classic; /* as Flux 1.2 sends a value: all numbers are floats, and what a list holds stands as in Python */
};

static void put(struct writer *w, const char *bytes, size_t length)
{
	if (!length)
		return;
	if (!w->bytes || w->length + length > w->capacity) {
		size_t capacity = w->capacity ? w->capacity * 2 : 256;
		while (capacity < w->length + length)
			capacity *= 2;
		bool fits = capacity / 2 <= STRING_MAX && capacity / 2 <= w->vm->heap.limit;
		char *more = fits ? realloc(w->bytes, capacity) : NULL;
		if (!more) {
			free(w->bytes);
			vm_out_of_memory(w->vm);
		}
		w->bytes = more;
		w->capacity = capacity;
	}
	memcpy(w->bytes + w->length, bytes, length);
	w->length += length;
}

static void put_text(struct writer *w, const char *text)
{
	put(w, text, strlen(text));
}

static void put_quoted(struct writer *w, struct string *s)
{
	const char *bytes = string_bytes(w->vm, s);
	put(w, "\"", 1);
	for (size_t i = 0; i < s->length; i++) {
		char c = bytes[i], escape[8];
		if (c == '"' || c == '\\') {
			escape[0] = '\\';
			escape[1] = c;
			put(w, escape, 2);
		} else if (c == '\n') {
			put(w, "\\n", 2);
		} else if (c == '\t') {
			put(w, "\\t", 2);
		} else if (c == '\r') {
			put(w, "\\r", 2);
		} else {
			put(w, &c, 1);
		}
	}
	put(w, "\"", 1);
}

/* As Python's repr(): in single quotes, unless only those stand in it. */
static void put_quoted_classic(struct writer *w, struct string *s)
{
	const char *bytes = string_bytes(w->vm, s);
	bool twice = memchr(bytes, '\'', s->length) && !memchr(bytes, '"', s->length);
	char quote = twice ? '"' : '\'', escape[8];
	put(w, &quote, 1);
	for (size_t i = 0; i < s->length; i++) {
		unsigned char c = (unsigned char)bytes[i];
		if (bytes[i] == quote || c == '\\')
			put(w, escape, (size_t)snprintf(escape, sizeof(escape), "\\%c", c));
		else if (c == '\n' || c == '\t' || c == '\r')
			put_text(w, c == '\n' ? "\\n" : c == '\t' ? "\\t" : "\\r");
		else if (c < 32 || c == 127)
			put(w, escape, (size_t)snprintf(escape, sizeof(escape), "\\x%02x", c));
		else
			put(w, bytes + i, 1);
	}
	put(w, &quote, 1);
}

/* quote: strings in quotes; exact: floats with all their digits. */
static void put_value(struct writer *w, value v, bool quote, bool exact)
{
	char buffer[400];
	int64_t i;
	double d;
	if (w->classic && to_double(v, &d) && !is_bool(v)) {
		put(w, buffer, number_format_classic(d, buffer, sizeof(buffer)));
		return;
	}
	if (w->classic && is_bool(v)) {
		put_text(w, v == V_TRUE ? "True" : "False");
		return;
	}
	if (is_double(v)) {
		put(w, buffer,
		    exact ? number_format_exact(as_double(v), buffer, sizeof(buffer))
		          : number_format(as_double(v), buffer, sizeof(buffer)));
		return;
	}
	if (to_int64(v, &i)) {
		put(w, buffer, (size_t)snprintf(buffer, sizeof(buffer), "%lld", (long long)i));
		return;
	}
	if (!is_object(v)) {
		put_text(w, v == V_NIL ? "nil" : v == V_TRUE ? "true" : v == V_FALSE ? "false" : "<hole>");
		return;
	}
	struct object *o = as_object(v);
	if (w->depth > 40) {
		put_text(w, "...");
		return;
	}
	w->depth++;
	switch (o->type) {
	case T_STRING:
		if (quote && w->classic)
			put_quoted_classic(w, (struct string *)o);
		else if (quote)
			put_quoted(w, (struct string *)o);
		else
			put(w, string_bytes(w->vm, (struct string *)o), ((struct string *)o)->length);
		break;
	case T_DURATION: {
		struct duration *d = (struct duration *)o;
		if (d->original) {
			put(w, string_bytes(w->vm, d->original), d->original->length);
		} else {
			duration_format(d->nanoseconds, buffer, sizeof(buffer));
			put_text(w, buffer);
		}
		break;
	}
	case T_LIST: {
		struct list *list = (struct list *)o;
		put(w, "[", 1);
		for (uint32_t k = 0; k < list->length; k++) {
			if (k)
				put(w, ", ", 2);
			put_value(w, list->items[k], true, exact);
		}
		put(w, "]", 1);
		break;
	}
	case T_MAP: {
		struct map *map = (struct map *)o;
		bool first = true;
		put(w, "{", 1);
		for (uint32_t k = 0; k < map->used; k++) {
			if (map->entries[k].key == V_EMPTY)
				continue;
			if (!first)
				put(w, ", ", 2);
			first = false;
			put_value(w, map->entries[k].key, true, exact);
			put(w, ": ", 2);
			put_value(w, map->entries[k].item, true, exact);
		}
		put(w, "}", 1);
		break;
	}
	case T_STRUCT: {
		struct instance *instance = (struct instance *)o;
		put(w, string_bytes(w->vm, instance->shape->name), instance->shape->name->length);
		put(w, " {", 2);
		for (uint32_t k = 0; k < instance->shape->count; k++) {
			put_text(w, k ? ", " : " ");
			put(w, string_bytes(w->vm, instance->shape->fields[k]),
			    instance->shape->fields[k]->length);
			put(w, ": ", 2);
			put_value(w, instance->fields[k], true, exact);
		}
		put_text(w, instance->shape->count ? " }" : "}");
		break;
	}
	case T_DIST: {
		struct dist *dist = (struct dist *)o;
		put_text(w, w->classic ? "Dist[" : "dist{");
		for (uint32_t k = 0; k < dist->count; k++) {
			double weight = dist->entries[k].weight;
			if (k)
				put(w, ", ", 2);
			put_value(w, dist->entries[k].item, quote || w->classic, exact);
			put(w, ":", 1);
			put(w, buffer,
			    w->classic ? number_format_classic(weight, buffer, sizeof(buffer))
			               : (size_t)snprintf(buffer, sizeof(buffer), "%g", weight));
		}
		put_text(w, w->classic ? "]" : "}");
		break;
	}
	case T_ERROR: {
		struct flux_error *error = (struct flux_error *)o;
		put_text(w, "error: ");
		put(w, string_bytes(w->vm, error->message), error->message->length);
		break;
	}
	case T_FUNCTION:
		put(w, buffer,
		    (size_t)snprintf(buffer, sizeof(buffer), "<function %s>",
		                     ((struct function *)o)->proto->name));
		break;
	case T_NATIVE:
		put(w, buffer,
		    (size_t)snprintf(buffer, sizeof(buffer), "<function %s>",
		                     natives[((struct native *)o)->index].name));
		break;
	case T_SHAPE:
		put_text(w, "<struct ");
		put(w, string_bytes(w->vm, ((struct shape *)o)->name), ((struct shape *)o)->name->length);
		put(w, ">", 1);
		break;
	default:
		put(w, buffer, (size_t)snprintf(buffer, sizeof(buffer), "<%s>", value_type_name(v)));
	}
	w->depth--;
}

static struct string *to_text(struct vm *vm, value v, bool quote, bool exact, bool classic)
{
	struct writer w = {.vm = vm, .classic = classic};
	put_value(&w, v, quote, exact);
	struct string *s = string_new(vm, w.bytes ? w.bytes : "", w.length);
	free(w.bytes);
	return s;
}

struct string *value_to_string(struct vm *vm, value v)
{
	if (is_string(v))
		return as_string(v);
	if (is_int(v)) {
		char buffer[24];
		char *at = buffer + sizeof(buffer);
		int64_t i = as_small_int(v);
		uint64_t u = i < 0 ? (uint64_t)-i : (uint64_t)i;
		do
			*--at = (char)('0' + u % 10);
		while (u /= 10);
		if (i < 0)
			*--at = '-';
		return string_new(vm, at, (size_t)(buffer + sizeof(buffer) - at));
	}
	return to_text(vm, v, false, false, false);
}

struct string *value_inspect(struct vm *vm, value v)
{
	return to_text(vm, v, true, true, false);
}

struct string *value_to_sent(struct vm *vm, value v)
{
	return is_string(v) ? as_string(v) : to_text(vm, v, false, false, true);
}

/* ---- equality and truth ---- */
struct comparison {
	struct vm *vm;
	int64_t left; /* what is held in many places is looked at many times: the work is bounded */
};

static void look_at(struct comparison *c, uint32_t parts)
{
	c->left -= 1 + (int64_t)parts;
	if (c->left < 0)
		vm_too_large(c->vm, "these values are too large to compare");
}

static bool equal_deep(struct comparison *c, value a, value b, unsigned depth)
{
	double x, y;
	if (a == b)
		return !is_double(a) || as_double(a) == as_double(a);
	int64_t i, j;
	if (to_int64(a, &i) && to_int64(b, &j))
		return i == j;
	if (to_double(a, &x) && to_double(b, &y))
		return x == y;
	if (!is_object(a) || !is_object(b) || as_object(a)->type != as_object(b)->type || depth > 100)
		return false;
	struct vm *vm = c->vm;
	switch (as_object(a)->type) {
	case T_STRING:
		return string_equal(vm, as_string(a), as_string(b));
	case T_DURATION:
		return ((struct duration *)as_object(a))->nanoseconds ==
		       ((struct duration *)as_object(b))->nanoseconds;
	case T_LIST: {
		struct list *l = as_list(a), *m = as_list(b);
		if (l->length != m->length)
			return false;
		look_at(c, l->length);
		for (uint32_t k = 0; k < l->length; k++)
			if (!equal_deep(c, l->items[k], m->items[k], depth + 1))
				return false;
		return true;
	}
	case T_MAP: {
		struct map *m = as_map(a), *n = as_map(b);
		if (m->count != n->count)
			return false;
		look_at(c, m->used);
		for (uint32_t k = 0; k < m->used; k++) {
			if (m->entries[k].key == V_EMPTY)
				continue;
			value other = map_get(vm, n, m->entries[k].key);
			if (other == V_EMPTY || !equal_deep(c, m->entries[k].item, other, depth + 1))
				return false;
		}
		return true;
	}
	case T_STRUCT: {
		struct instance *s = (struct instance *)as_object(a), *t = (struct instance *)as_object(b);
		if (s->shape != t->shape)
			return false;
		look_at(c, s->shape->count);
		for (uint32_t k = 0; k < s->shape->count; k++)
			if (!equal_deep(c, s->fields[k], t->fields[k], depth + 1))
				return false;
		return true;
	}
	default:
		return false;
	}
}

bool value_equal(struct vm *vm, value a, value b)
{
	struct comparison c = {vm, COMPARED_MOST};
	return equal_deep(&c, a, b, 0);
}

bool value_truthy(value v)
{
	if (v == V_TRUE)
		return true;
	if (is_double(v))
		return as_double(v) != 0;
	if (is_int(v))
		return v != BITS_INT;
	if (!is_object(v))
		return false;
	switch (as_object(v)->type) {
	case T_STRING:
		return as_string(v)->length > 0;
	case T_LIST:
		return as_list(v)->length > 0;
	case T_MAP:
		return as_map(v)->count > 0;
	case T_DURATION:
		return ((struct duration *)as_object(v))->nanoseconds != 0;
	case T_ERROR:
		return false;
	default:
		return true;
	}
}

const char *value_type_name(value v)
{
	static const char *const names[T_TYPES] = {
	    "free",        "string",        "list",          "map",        "struct",     "function",
	    "function",    "cell",          "int",           "duration",   "dist",       "error",
	    "struct type", "causal_mosaic", "causal_mosaic", "task",       "capability", "iterator",
	    "state",       "module",        "bandit",        "causal_void"};
	if (is_double(v))
		return "float";
	if (is_int(v))
		return "int";
	if (!is_object(v))
		return v == V_NIL ? "nil" : "bool";
	return names[as_object(v)->type];
}
