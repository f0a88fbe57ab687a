/*
 * Mosaics that last: a file of records, one a line, to which each change is appended, and which is written anew when it has
 * grown to twice of what it says. Fields are separated by tabs; a value is JSON, a duration {"@duration":NANOSECONDS}.
 *
 *   FLUXMOSAIC 1
 *   F clock id from to made uses used0..used3 weight causes source subject relation object
 *   C clock id to uses used0..used3        a fact's end or use
 *   X clock id                             forgotten
 *
 * Times are the program's clock, in nanoseconds: a session goes on at the time at which the last one ended. A last line cut
 * short by a crash is left out; anything else that is no such record is an error, and the file is left as it is.
 */
#include "capability.h"
#include "facts.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#define HEADER      "FLUXMOSAIC 1\n"
#define PART_BYTES  (4u << 20) /* read or written at once */
#define FLUSH_BYTES 65536      /* written when so much waits */
#define LINE_BYTES  (1u << 20)
#define VALUE_BYTES (LINE_BYTES / 4 - 1024) /* of JSON: the four of a fact fit a line */
#define VALUE_DEPTH 50

struct keeper {
	value files;
	char *path;
	struct text waiting;
	bool anew; /* what waits is not all: everything is to be written */
	uint64_t records;
	const struct facts *facts;
};

/* ---- values ---- */
/* Takes what a string's JSON is long from `left`. */
static bool fits(struct vm *vm, struct string *s, int64_t *left)
{
	const char *bytes = string_bytes(vm, s);
	*left -= 4 + (int64_t)s->length;
	for (uint32_t i = 0; i < s->length && *left >= 0; i++)
		*left -= (unsigned char)bytes[i] < ' ' ? 5 : bytes[i] == '"' || bytes[i] == '\\';
	return *left >= 0;
}

static bool accepts(struct vm *vm, value v, unsigned depth, int64_t *left)
{
	*left -= 28; /* a number and what separates it */
	if (*left < 0 || depth > VALUE_DEPTH)
		return false;
	if (!is_object(v))
		return !is_double(v) || isfinite(as_double(v));
	switch (as_object(v)->type) {
	case T_STRING:
		return fits(vm, as_string(v), left);
	case T_BIG_INT:
		return true;
	case T_DURATION:
		*left -= 40;
		return depth == 0;
	case T_LIST:
		for (uint32_t i = 0; i < as_list(v)->length; i++)
			if (!accepts(vm, as_list(v)->items[i], depth + 1, left))
				return false;
		return true;
	case T_MAP:
		for (uint32_t i = 0; i < as_map(v)->used; i++) {
			value key = as_map(v)->entries[i].key;
			if (key == V_EMPTY)
				continue;
			if (!is_string(key) || string_bytes(vm, as_string(key))[0] == '@' ||
			    !fits(vm, as_string(key), left) ||
			    !accepts(vm, as_map(v)->entries[i].item, depth + 1, left))
				return false;
		}
		return true;
	default:
		return false;
	}
}

bool keeper_accepts(struct vm *vm, value v)
{
	int64_t left = VALUE_BYTES;
	return accepts(vm, v, 0, &left);
}

static void put_value(struct vm *vm, struct text *text, value v)
{
	if (is_type(v, T_DURATION))
		text_print(text, "\t{\"@duration\":%lld}",
		           (long long)((struct duration *)as_object(v))->nanoseconds);
	else {
		text_put(text, "\t", 1);
		json_put(vm, text, v);
	}
}

static value get_value(struct vm *vm, const char *bytes, size_t length)
{
	/* Most are short strings without escapes. */
	if (length >= 2 && bytes[0] == '"' && bytes[length - 1] == '"' && !memchr(bytes, '\\', length))
		return from_object(string_new(vm, bytes + 1, length - 2));
	value v = json_get(vm, bytes, length);
	if (is_type(v, T_MAP) && as_map(v)->count == 1) {
		int64_t ns;
		value inner = map_get_text(vm, as_map(v), "@duration");
		if (inner != V_EMPTY && to_int64(inner, &ns))
			return from_object(duration_new(vm, ns, NULL));
	}
	return v;
}

/* ---- writing ---- */
static void put_fact(struct vm *vm, struct text *text, const struct fact *fact)
{
	text_print(text, "F\t%lld\t%u\t%lld\t%lld\t%lld\t%u", (long long)vm->clock_ns, fact->id,
	           (long long)fact->from_ns, (long long)fact->to_ns, (long long)fact->made_ns, fact->uses);
	for (unsigned i = 0; i < RECENT; i++)
		text_print(text, "\t%lld", (long long)fact->used_ns[i]);
	text_print(text, "\t%.17g\t", fact->weight);
	for (uint32_t i = 0; i < fact->cause_count; i++)
		text_print(text, "%s%u", i ? "," : "", fact->causes[i]);
	put_value(vm, text, fact->source);
	put_value(vm, text, fact->subject);
	put_value(vm, text, fact->relation);
	put_value(vm, text, fact->object);
	text_put(text, "\n", 1);
}

static bool change_file(struct vm *vm, struct keeper *k, unsigned kind, const char *path, const char *bytes,
                        size_t length)
{
	vm->effect_failed[0] = 0;
	return files_effect(vm, (struct handle *)as_object(k->files), kind, path, bytes, length) &&
	       !vm->effect_failed[0];
}

bool keeper_write_all(struct vm *vm, struct keeper *k, const struct facts *f)
{
	char fresh[600];
	snprintf(fresh, sizeof(fresh), "%s.new", k->path);
	struct text text = {0};
	text_put(&text, HEADER, strlen(HEADER));
	unsigned kind = EFFECT_WRITE;
	bool ok = true;
	k->records = 0;
	for (uint32_t id = 0; ok && id <= f->next_id; id++) {
		uint32_t place = facts_numbered(f, id);
		if (place != NONE) {
			put_fact(vm, &text, facts_at(f, place));
			k->records++;
		}
		if (text.length >= PART_BYTES || id == f->next_id) {
			ok = change_file(vm, k, kind, fresh, text.bytes, text.length);
			kind = EFFECT_APPEND;
			text.length = 0;
		}
	}
	free(text.bytes);
	ok = ok && change_file(vm, k, EFFECT_MOVE, fresh, k->path, strlen(k->path));
	if (ok) {
		k->anew = false;
		k->waiting.length = 0;
	}
	return ok;
}

bool keeper_flush(struct vm *vm, struct keeper *k)
{
	if (k->anew)
		return keeper_write_all(vm, k, k->facts);
	if (!k->waiting.length)
		return true;
	bool ok = change_file(vm, k, EFFECT_APPEND, k->path, k->waiting.bytes, k->waiting.length);
	if (ok)
		k->waiting.length = 0;
	return ok;
}

static void added(struct vm *vm, struct keeper *k)
{
	k->records++;
	if (k->waiting.length >= FLUSH_BYTES && !k->anew)
		keeper_flush(vm, k);
}

void keeper_added(struct vm *vm, struct keeper *k, const struct fact *fact)
{
	if (!k->anew)
		put_fact(vm, &k->waiting, fact);
	added(vm, k);
}

void keeper_forgot(struct vm *vm, struct keeper *k, uint32_t id)
{
	if (id == NONE) {
		k->anew = true;
		k->waiting.length = 0;
		return;
	}
	if (!k->anew)
		text_print(&k->waiting, "X\t%lld\t%u\n", (long long)vm->clock_ns, id);
	added(vm, k);
}

void keeper_changed(struct vm *vm, struct keeper *k, const struct fact *fact)
{
	if (!k->anew) {
		text_print(&k->waiting, "C\t%lld\t%u\t%lld\t%u", (long long)vm->clock_ns, fact->id,
		           (long long)fact->to_ns, fact->uses);
		for (unsigned i = 0; i < RECENT; i++)
			text_print(&k->waiting, "\t%lld", (long long)fact->used_ns[i]);
		text_put(&k->waiting, "\n", 1);
	}
	added(vm, k);
}

void keeper_free(struct keeper *k)
{
	if (!k)
		return;
	free(k->path);
	free(k->waiting.bytes);
	free(k);
}

void keeper_mark(struct vm *vm, struct keeper *k)
{
	gc_mark(vm, k->files);
}

/* ---- reading ---- */
struct fields {
	const char *at, *end;
};

static bool next_field(struct fields *f, const char **bytes, size_t *length)
{
	if (f->at > f->end)
		return false;
	const char *tab = f->at < f->end ? memchr(f->at, '\t', (size_t)(f->end - f->at)) : NULL;
	*bytes = f->at;
	*length = (size_t)((tab ? tab : f->end) - f->at);
	f->at = (tab ? tab : f->end) + 1;
	return true;
}

static bool next_number(struct fields *f, int64_t *out)
{
	const char *bytes;
	size_t length;
	char text[32], *end;
	if (!next_field(f, &bytes, &length) || !length || length >= sizeof(text))
		return false;
	memcpy(text, bytes, length);
	text[length] = 0;
	errno = 0;
	*out = strtoll(text, &end, 10);
	return !*end && !errno;
}

static bool next_unsigned(struct fields *f, uint32_t *out)
{
	int64_t n;
	if (!next_number(f, &n) || n < 0 || n >= UINT32_MAX)
		return false;
	*out = (uint32_t)n;
	return true;
}

static bool next_uses(struct fields *f, struct fact *fact)
{
	if (!next_unsigned(f, &fact->uses) || !fact->uses)
		return false;
	for (unsigned i = 0; i < RECENT; i++)
		if (!next_number(f, &fact->used_ns[i]))
			return false;
	return true;
}

static bool next_value(struct vm *vm, struct fields *f, value *v)
{
	const char *bytes;
	size_t length;
	return next_field(f, &bytes, &length) && (*v = get_value(vm, bytes, length)) != V_EMPTY &&
	       keeper_accepts(vm, *v);
}

static bool read_fact(struct vm *vm, struct facts *f, struct fields *fields)
{
	struct fact new = {0};
	const char *bytes;
	size_t length;
	char text[128], *end;
	if (!next_unsigned(fields, &new.id) || new.id < f->next_id || !next_number(fields, &new.from_ns) ||
	    !next_number(fields, &new.to_ns) || !next_number(fields, &new.made_ns) ||
	    !next_uses(fields, &new))
		return false;
	if (!next_field(fields, &bytes, &length) || !length || length >= sizeof(text))
		return false;
	memcpy(text, bytes, length);
	text[length] = 0;
	new.weight = strtod(text, &end);
	if (*end || !(new.weight >= 0) || !next_field(fields, &bytes, &length) || length >= sizeof(text))
		return false;
	memcpy(text, bytes, length);
	text[length] = 0;
	for (end = text; *end && new.cause_count < CAUSES_MAX;) {
		char *after;
		unsigned long cause = strtoul(end, &after, 10);
		if (after == end || cause >= new.id)
			return false;
		new.causes[new.cause_count++] = (uint32_t)cause;
		end = *after == ',' ? after + 1 : after;
	}
	if (!next_value(vm, fields, &new.source) || !next_value(vm, fields, &new.subject) ||
	    !next_value(vm, fields, &new.relation) || !next_value(vm, fields, &new.object) ||
	    fields->at <= fields->end || !map_key_ok(new.subject) || !map_key_ok(new.relation))
		return false;
	f->next_id = new.id;
	facts_add(vm, f, &new);
	return true;
}

static bool read_line(struct vm *vm, struct facts *f, const char *line, size_t length, int64_t *clock)
{
	struct fields fields = {line, line + length};
	const char *kind;
	size_t kind_length;
	uint32_t id;
	if (!next_field(&fields, &kind, &kind_length) || kind_length != 1 || !next_number(&fields, clock))
		return false;
	if (*kind == 'F')
		return read_fact(vm, f, &fields);
	if ((*kind != 'X' && *kind != 'C') || !next_unsigned(&fields, &id))
		return false;
	uint32_t place = facts_numbered(f, id);
	if (*kind == 'X') {
		if (place != NONE)
			facts_forget(vm, f, place);
		return fields.at > fields.end;
	}
	struct fact change = {0};
	if (!next_number(&fields, &change.to_ns) || !next_uses(&fields, &change) || fields.at <= fields.end)
		return false;
	if (place == NONE)
		return true;
	struct fact *fact = facts_change(vm, f, place);
	fact->uses = change.uses;
	memcpy(fact->used_ns, change.used_ns, sizeof(change.used_ns));
	facts_end(vm, f, place, change.to_ns); /* the uses are summed up with it */
	return true;
}

/* Reads the file in parts; true, and whether a cut line was left out. */
static bool read_file(struct vm *vm, struct facts *f, struct keeper *k, bool *cut, struct text *why)
{
	struct text text = {0};
	int64_t offset = 0, clock = 0, latest = vm->clock_ns;
	unsigned long line_number = 0;
	bool ok = true, more = true, exists = true;
	while (ok && more) {
		value part = files_read_at(vm, (struct handle *)as_object(k->files), k->path, offset,
		                           PART_BYTES, &exists);
		if (!is_string(part)) {
			if (!exists && !offset)
				break;
			text_print(why, "%s",
			           string_bytes(vm, ((struct flux_error *)as_object(part))->message));
			ok = false;
			break;
		}
		uint32_t length = as_string(part)->length;
		text_put(&text, string_bytes(vm, as_string(part)), length);
		offset += length;
		more = length == PART_BYTES;
		const char *at = text.bytes, *end = at + text.length, *newline;
		while (ok && at < end && (newline = memchr(at, '\n', (size_t)(end - at)))) {
			size_t size = (size_t)(newline - at);
			line_number++;
			if (line_number == 1)
				ok = size == strlen(HEADER) - 1 && !memcmp(at, HEADER, size);
			else
				ok = size <= LINE_BYTES && read_line(vm, f, at, size, &clock);
			k->records++;
			if (clock > latest)
				latest = clock;
			at = newline + 1;
		}
		size_t rest = (size_t)(end - at);
		memmove(text.bytes, at, rest);
		text.length = rest;
		if (ok && rest > LINE_BYTES)
			ok = false;
		if (!ok)
			text_print(why, "%s is no mosaic of Flux, or damaged: line %lu", k->path,
			           line_number);
	}
	*cut = text.length > 0;
	free(text.bytes);
	if (ok)
		vm->clock_ns = latest;
	return ok;
}

value keeper_open(struct vm *vm, struct facts *f, value files, const char *path, struct keeper **keeper)
{
	struct keeper *k = calloc(1, sizeof(*k));
	struct text why = {0};
	bool cut = false;
	if (!k)
		abort();
	if (strlen(path) > 400) {
		free(k);
		return vm_raise(vm, "type", "the path of a mosaic has at most 400 bytes");
	}
	k->files = files;
	k->path = strdup(path);
	k->facts = f;
	bool writable = ((struct handle *)as_object(files))->rights & RIGHT_WRITE;
	if (!writable)
		text_print(&why, "this capability is for reading only");
	bool ok = writable && read_file(vm, f, k, &cut, &why);
	/* The file is ours from now on: that it can be written is known at once. */
	if (ok && (cut || k->records < 2 || k->records > 2 * (uint64_t)f->alive + 1000) &&
	    !keeper_write_all(vm, k, f)) {
		text_print(&why, "%s",
		           vm->effect_failed[0] ? vm->effect_failed : "this capability is for reading only");
		ok = false;
	}
	if (!ok) {
		value v = answer_error(vm, why.bytes ? why.bytes : "", why.length);
		free(why.bytes);
		keeper_free(k);
		while (f->alive) /* what was read of it is nothing */
			facts_forget_any(vm, f);
		return v;
	}
	free(why.bytes);
	*keeper = k;
	events_clock_moved(vm);
	return from_small_int(f->alive);
}
