/* Sources: loading, the arena, interned names, positions, and diagnostics with carets. */
#include "source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const char *const token_names[TOKEN_TYPES] = {
#define X(name, text) text,
    TOKENS(X)
#undef X
};

const char *const clause_names[CLAUSES] = {"trigger", "condition", "priority", "execute", "until",   "within",
                                           "budget",  "fail",      "goal",     "cost",    "retries", "vary",
                                           "keep",    "judge",     "limit",    "rollback"};

static void *must_allocate(void *old, size_t size)
{
	void *p = realloc(old, size ? size : 1);
	if (!p) {
		fputs("flux: the machine has no memory left\n", stderr);
		abort();
	}
	return p;
}

void *arena_allocate(struct arena *arena, size_t size)
{
	size = (size + 15) & ~(size_t)15;
	struct arena_block *block = arena->first;
	if (!block || block->used + size > block->size) {
		size_t bytes = size > 65536 ? size : 65536;
		block = must_allocate(NULL, sizeof(*block) + bytes);
		block->next = arena->first;
		block->used = 0;
		block->size = bytes;
		arena->first = block;
	}
	void *p = block->bytes + block->used;
	block->used += size;
	memset(p, 0, size);
	return p;
}

void arena_free(struct arena *arena)
{
	while (arena->first) {
		struct arena_block *next = arena->first->next;
		free(arena->first);
		arena->first = next;
	}
}

struct source *source_new(const char *name, const char *text, size_t length)
{
	if (length > SOURCE_MAX) {
		fprintf(stderr, "error: %s has over %u MiB; split the program into modules\n", name,
		        SOURCE_MAX >> 20);
		return NULL;
	}
	struct source *source = must_allocate(NULL, sizeof(*source));
	memset(source, 0, sizeof(*source));
	source->text = must_allocate(NULL, length + 1);
	memcpy(source->text, text, length);
	source->text[length] = 0;
	source->length = (uint32_t)length;
	source->name = source_intern(source, name, strlen(name));
	uint32_t lines = 1;
	for (size_t i = 0; i < length; i++)
		lines += text[i] == '\n';
	source->lines = must_allocate(NULL, lines * sizeof(uint32_t));
	source->lines[source->line_count++] = 0;
	for (size_t i = 0; i < length; i++)
		if (text[i] == '\n')
			source->lines[source->line_count++] = (uint32_t)i + 1;
	return source;
}

struct source *(*source_provider)(const char *path);

struct source *source_load(const char *path)
{
	if (source_provider)
		return source_provider(path);
	FILE *file = strcmp(path, "-") != 0 ? fopen(path, "rb") : stdin;
	char *text = NULL;
	size_t length = 0, capacity = 0;
	if (!file) {
		fprintf(stderr, "error: cannot read %s: %s\n", path, strerror(errno));
		return NULL;
	}
	do {
		if (capacity - length < 65536)
			text = must_allocate(text, capacity = capacity ? capacity * 2 : 1u << 17);
		length += fread(text + length, 1, 65536, file);
	} while (!feof(file) && !ferror(file) && length <= SOURCE_MAX);
	bool failed = ferror(file) != 0;
	int error = errno;
	if (file != stdin)
		fclose(file);
	struct source *source = NULL;
	if (failed)
		fprintf(stderr, "error: cannot read %s: %s\n", path, strerror(error));
	else
		source = source_new(path, text, length);
	free(text);
	return source;
}

void source_free(struct source *source)
{
	while (source) {
		struct source *next = source->next;
		arena_free(&source->arena);
		free(source->names);
		free(source->tokens);
		free(source->diagnostics);
		free(source->lines);
		free(source->text);
		free(source);
		source = next;
	}
}

static uint32_t hash_name(const char *text, size_t length)
{
	uint32_t h = 2166136261u;
	for (size_t i = 0; i < length; i++)
		h = (h ^ (unsigned char)text[i]) * 16777619u;
	return h;
}

const char *source_intern(struct source *source, const char *text, size_t length)
{
	if ((source->name_count + 1) * 2 > source->name_capacity) {
		uint32_t size = source->name_capacity ? source->name_capacity * 2 : 256;
		const char **table = must_allocate(NULL, size * sizeof(*table));
		memset(table, 0, size * sizeof(*table));
		for (uint32_t i = 0; i < source->name_capacity; i++) {
			const char *name = source->names[i];
			if (!name)
				continue;
			uint32_t at = hash_name(name, strlen(name)) & (size - 1);
			while (table[at])
				at = (at + 1) & (size - 1);
			table[at] = name;
		}
		free(source->names);
		source->names = table;
		source->name_capacity = size;
	}
	uint32_t mask = source->name_capacity - 1, at = hash_name(text, length) & mask;
	for (; source->names[at]; at = (at + 1) & mask)
		if (!strncmp(source->names[at], text, length) && !source->names[at][length])
			return source->names[at];
	char *copy = arena_allocate(&source->arena, length + 1);
	memcpy(copy, text, length);
	source->names[at] = copy;
	source->name_count++;
	return copy;
}

static void add_diagnostic(struct source *source, bool warning, uint32_t begin, uint32_t end,
                           const char *hint, const char *format, va_list args)
{
	if (source->diagnostic_count >= 2 * ERRORS_MAX || (!warning && source->error_count >= ERRORS_MAX))
		return;
	/* One mistake, one message: a second error at the same place says nothing new. */
	for (unsigned i = 0; i < source->diagnostic_count; i++)
		if (source->diagnostics[i].begin == begin && source->diagnostics[i].warning == warning)
			return;
	if (!source->diagnostics)
		source->diagnostics = must_allocate(NULL, 2 * ERRORS_MAX * sizeof(*source->diagnostics));
	struct diagnostic *d = &source->diagnostics[source->diagnostic_count++];
	memset(d, 0, sizeof(*d));
	d->warning = warning;
	d->begin = begin;
	d->end = end;
	vsnprintf(d->message, sizeof(d->message), format, args);
	snprintf(d->hint, sizeof(d->hint), "%s", hint ? hint : "");
	source->error_count += !warning;
}

void source_error(struct source *source, uint32_t begin, uint32_t end, const char *hint, const char *format,
                  ...)
{
	va_list args;
	va_start(args, format);
	add_diagnostic(source, false, begin, end, hint, format, args);
	va_end(args);
}

void source_warn(struct source *source, uint32_t begin, uint32_t end, const char *hint, const char *format,
                 ...)
{
	va_list args;
	va_start(args, format);
	add_diagnostic(source, true, begin, end, hint, format, args);
	va_end(args);
}

static unsigned count_characters(const char *text, uint32_t length)
{
	unsigned count = 0;
	for (uint32_t i = 0; i < length; i++)
		count += ((unsigned char)text[i] & 0xC0) != 0x80;
	return count;
}

static uint32_t line_of(const struct source *source, uint32_t at)
{
	uint32_t low = 0, high = source->line_count;
	while (high - low > 1) {
		uint32_t middle = (low + high) / 2;
		if (source->lines[middle] <= at)
			low = middle;
		else
			high = middle;
	}
	return low;
}

void source_position(const struct source *source, uint32_t at, unsigned *line, unsigned *column)
{
	if (at > source->length)
		at = source->length;
	uint32_t index = line_of(source, at);
	*line = index + 1;
	*column = count_characters(source->text + source->lines[index], at - source->lines[index]) + 1;
}

static int by_position(const void *a, const void *b)
{
	const struct diagnostic *x = a, *y = b;
	return x->begin < y->begin ? -1 : x->begin > y->begin;
}

static void print_one(const struct source *source, const struct diagnostic *d, FILE *out, bool color)
{
	unsigned line, column;
	source_position(source, d->begin, &line, &column);
	const char *shade = d->warning ? "\033[1;33m" : "\033[1;31m", *blue = "\033[34m", *reset = "\033[0m";
	if (!color)
		shade = blue = reset = "";
	int width = snprintf(NULL, 0, "%u", line);
	if (width < 1)
		width = 1;
	uint32_t from = source->lines[line - 1];
	uint32_t to = line < source->line_count ? source->lines[line] - 1 : source->length;
	if (to > from && source->text[to - 1] == '\r')
		to--;
	uint32_t end = d->end > to ? to : d->end;
	unsigned carets = end > d->begin ? count_characters(source->text + d->begin, end - d->begin) : 1;
	fprintf(out, "%s%s%s: %s\n", shade, d->warning ? "warning" : "error", reset, d->message);
	fprintf(out, "%*s%s-->%s %s:%u:%u\n", width + 1, "", blue, reset, source->name, line, column);
	fprintf(out, "%*s |\n %u | %.*s\n%*s | ", width + 1, "", line, (int)(to - from), source->text + from,
	        width + 1, "");
	/* Tabs stay tabs, so that the caret stands where the editor shows the character. */
	for (uint32_t i = from; i < d->begin && i < to; i++)
		if (((unsigned char)source->text[i] & 0xC0) != 0x80)
			fputc(source->text[i] == '\t' ? '\t' : ' ', out);
	fputs(shade, out);
	for (unsigned i = 0; i < carets; i++)
		fputc('^', out);
	fprintf(out, "%s%s%s%s\n", d->hint[0] ? " " : "", shade, d->hint, reset);
	if (d->note[0])
		fprintf(out, "%*s = note: %s\n", width + 1, "", d->note);
}

void source_print(const struct source *source, FILE *out, bool warnings, bool color)
{
	for (; source; source = source->next) {
		if (source->diagnostic_count)
			qsort(source->diagnostics, source->diagnostic_count, sizeof(*source->diagnostics),
			      by_position);
		for (unsigned i = 0; i < source->diagnostic_count; i++)
			if (warnings || !source->diagnostics[i].warning)
				print_one(source, &source->diagnostics[i], out, color);
	}
}

void text_put(struct text *text, const char *bytes, size_t length)
{
	if (text->over || (text->most && length > text->most - text->length)) {
		text->over = true;
		return;
	}
	if (text->length + length + 1 > text->capacity) {
		size_t capacity = text->capacity ? text->capacity * 2 : 1024;
		while (capacity < text->length + length + 1)
			capacity *= 2;
		text->bytes = must_allocate(text->bytes, capacity);
		text->capacity = capacity;
	}
	if (length)
		memcpy(text->bytes + text->length, bytes, length);
	text->length += length;
	text->bytes[text->length] = 0;
}

void text_print(struct text *text, const char *format, ...)
{
	char buffer[1024];
	va_list args;
	va_start(args, format);
	int length = vsnprintf(buffer, sizeof(buffer), format, args);
	va_end(args);
	if (length > 0)
		text_put(text, buffer, (size_t)length < sizeof(buffer) ? (size_t)length : sizeof(buffer) - 1);
}
