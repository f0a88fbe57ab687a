/*
 * flux fmt: files in the canonical layout. Comments stay: those on lines of their own go before what follows
 * them, those behind a statement go above it. One blank line between statements is kept, more are not.
 */
#include "commands.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static struct source *current;
static const struct node *next_comment;
static uint32_t last_place;

static void put_indent(struct text *out, unsigned indent)
{
	for (unsigned i = 0; i < indent; i++)
		text_put(out, "    ", 4);
}

/* Whether a blank line stands before `at`, after `from`. */
static bool blank_before(uint32_t from, uint32_t at)
{
	const char *t = current->text;
	unsigned lines = 0;
	while (at > from &&
	       (t[at - 1] == ' ' || t[at - 1] == '\t' || t[at - 1] == '\n' || t[at - 1] == '\r')) {
		at--;
		lines += t[at] == '\n';
	}
	return lines > 1;
}

static void before(struct text *out, const struct node *n, unsigned indent)
{
	bool opened = out->length > 1 && out->bytes[out->length - 2] == '{';
	while (next_comment && next_comment->begin < n->begin) {
		const char *text = current->text + next_comment->begin;
		uint32_t length = next_comment->end - next_comment->begin;
		while (length &&
		       (text[length - 1] == ' ' || text[length - 1] == '\r' || text[length - 1] == '\t'))
			length--;
		if (out->length && !opened && indent && blank_before(last_place, next_comment->begin))
			text_put(out, "\n", 1);
		put_indent(out, indent);
		text_put(out, text, length);
		text_put(out, "\n", 1);
		last_place = next_comment->end;
		next_comment = next_comment->next;
		opened = false;
		/* A blank line after the comment stays. */
		if (!indent && blank_before(last_place, next_comment && next_comment->begin < n->begin
		                                            ? next_comment->begin
		                                            : n->begin))
			text_put(out, "\n", 1);
	}
	if (n->end && indent && !opened && out->length && blank_before(last_place, n->begin) &&
	    !(out->length > 1 && out->bytes[out->length - 2] == '\n'))
		text_put(out, "\n", 1);
	if (n->end)
		last_place = n->begin;
}

char *format_source(struct source *source)
{
	struct text out = {0};
	if (!source->program)
		source_parse(source);
	if (source->error_count)
		return NULL;
	current = source;
	next_comment = source->comments;
	last_place = 0;
	print_before = before;
	print_node(&out, source->program, 0);
	struct node end = {.begin = source->length + 1};
	before(&out, &end, 0);
	print_before = NULL;
	if (!out.bytes)
		text_put(&out, "", 0);
	return out.bytes;
}

static bool write_file(const char *path, const char *text)
{
	char temporary[2048];
	int n = snprintf(temporary, sizeof(temporary), "%s.new", path);
	if (n < 0 || (size_t)n >= sizeof(temporary))
		return false;
	FILE *f = fopen(temporary, "wb");
	bool ok = f && fputs(text, f) >= 0;
	if (f && fclose(f) != 0)
		ok = false;
	if (ok)
		ok = rename(temporary, path) == 0;
	if (!ok) {
		fprintf(stderr, "error: cannot write %s: %s\n", path, strerror(errno));
		unlink(temporary);
	}
	return ok;
}

int command_fmt(int argc, char **argv)
{
	bool check = argc && !strcmp(argv[0], "--check");
	int status = 0;
	if (argc <= check) {
		fputs("usage: flux fmt [--check] FILE...\n", stderr);
		return 2;
	}
	for (int i = check; i < argc; i++) {
		struct source *source = source_load(argv[i]);
		if (!source)
			return 2;
		char *text = format_source(source);
		if (!text) {
			source_print(source, stderr, false, false);
			status = 1;
		} else if (!strcmp(argv[i], "-")) {
			fputs(text, stdout);
		} else if (strcmp(text, source->text) != 0) {
			if (check) {
				printf("%s is not in the canonical layout\n", argv[i]);
				status = 1;
			} else if (!write_file(argv[i], text)) {
				status = 2;
			}
		}
		free(text);
		source_free(source);
	}
	return status;
}
