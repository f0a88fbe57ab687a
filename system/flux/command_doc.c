/* flux doc: the documentation of a program's declarations in Markdown, from the comments right above them. */
#include "commands.h"

#include <stdlib.h>

/* The comments that end on the line before `at`, without their marks. */
static void print_comment(const struct source *source, uint32_t at)
{
	const struct node *run[64];
	unsigned count = 0, line, column, below;
	source_position(source, at, &below, &column);
	/* Comments are in order: keep the last ones before the declaration. */
	for (const struct node *c = source->comments; c && c->begin < at; c = c->next) {
		unsigned from;
		source_position(source, c->begin, &from, &column);
		if (count) {
			source_position(source, run[count - 1]->begin, &line, &column);
			if (from != line + 1)
				count = 0;
		}
		if (count == 64)
			count = 0;
		run[count++] = c;
	}
	if (!count)
		return;
	source_position(source, run[count - 1]->begin, &line, &column);
	if (line + 1 != below)
		return;
	for (unsigned i = 0; i < count; i++) {
		const char *text = source->text + run[i]->begin;
		size_t length = run[i]->end - run[i]->begin;
		while (length && (*text == '/' || *text == '#' || *text == ' ')) {
			text++;
			length--;
		}
		printf("%.*s\n", (int)length, text);
	}
	printf("\n");
}

static void print_signature(const struct node *n)
{
	struct text text = {0};
	print_node(&text, n, 0);
	const char *brace = strchr(text.bytes, '{');
	size_t length = brace ? (size_t)(brace - text.bytes) : text.length;
	while (length && (text.bytes[length - 1] == ' ' || text.bytes[length - 1] == '\n'))
		length--;
	printf("    %.*s\n\n", (int)length, text.bytes);
	free(text.bytes);
}

static void document(const struct source *source)
{
	static const struct {
		uint8_t kind;
		const char *title;
	} sections[] = {{N_FUNCTION, "Functions"},   {N_FLOW, "Flows"},       {N_STRUCT, "Structs"},
	                {N_INTENTION, "Intentions"}, {N_MOSAIC, "Mosaics"},   {N_CONST, "Constants"},
	                {N_STATE, "State"},          {N_PARADOX, "Paradoxes"}};
	printf("# %s\n\n", source->name);
	for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++) {
		bool any = false;
		for (const struct node *n = source->program->list; n; n = n->next) {
			if (n->kind != sections[i].kind)
				continue;
			if (!any)
				printf("## %s\n\n", sections[i].title);
			any = true;
			printf("### %s\n\n", n->text);
			print_signature(n);
			print_comment(source, n->begin);
		}
	}
}

static void builtins(void)
{
	natives_init();
	printf("| function | what it gives |\n|---|---|\n");
	for (unsigned i = 0; i < native_count; i++)
		if (!(natives[i].flags & NATIVE_HIDDEN))
			printf("| `%s` | %s |\n", natives[i].signature, natives[i].help);
}

int command_doc(int argc, char **argv)
{
	int status = 0;
	if (!argc) {
		fputs("usage: flux doc FILE... | --builtins\n", stderr);
		return 2;
	}
	for (int i = 0; i < argc; i++) {
		if (!strcmp(argv[i], "--builtins")) {
			builtins();
			continue;
		}
		struct source *source = source_load(argv[i]);
		if (!source)
			return 2;
		if (source_parse(source)) {
			document(source);
		} else {
			source_print(source, stderr, false, false);
			status = 1;
		}
		source_free(source);
	}
	return status;
}
