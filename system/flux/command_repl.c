/*
 * flux repl: a session of declarations, statements and expressions. The session is one growing program:
 * declarations are kept, `let` at the prompt becomes a state variable, and each line builds the program again, in the same
 * machine: values, functions and mosaics of earlier lines stay what they are. So everything typed can be saved and run as
 * a file.
 */
#include "commands.h"

#include <stdlib.h>
#include <unistd.h>

#define LINE_MAX_BYTES 65536

struct session {
	struct text declarations;
	char (*names)[64]; /* state variables of the session */
	unsigned name_count;
	struct vm *vm; /* holds the values */
};

/* A word at the beginning of the text. */
static bool begins_with(const char *text, const char *word)
{
	size_t length = strlen(word);
	return !strncmp(text, word, length) && (text[length] == ' ' || text[length] == '\t');
}

static bool is_declaration(const char *line)
{
	static const char *const words[] = {"intention", "function", "flow",   "struct", "causal_mosaic",
	                                    "const",     "state",    "import", "test",   "paradox"};
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (begins_with(line, words[i]))
			return true;
	return false;
}

/* How many brackets are open: more lines are needed. */
static int open_brackets(const char *text)
{
	int depth = 0;
	for (bool quoted = false; *text; text++) {
		if (*text == '"')
			quoted = !quoted;
		else if (quoted && *text == '\\' && text[1])
			text++;
		else if (!quoted && strchr("({[", *text))
			depth++;
		else if (!quoted && strchr(")}]", *text))
			depth--;
	}
	return depth;
}

/* An "=" outside of brackets and strings that is no part of another operator. */
static bool is_assignment(const char *text)
{
	int depth = 0;
	bool quoted = false;
	for (const char *at = text; *at; at++) {
		if (*at == '"')
			quoted = !quoted;
		else if (quoted && *at == '\\' && at[1])
			at++;
		else if (!quoted && strchr("({[", *at))
			depth++;
		else if (!quoted && strchr(")}]", *at))
			depth--;
		else if (!quoted && !depth && *at == '=' && at > text && !strchr("=!<>", at[-1]) &&
		         at[1] != '=' && at[1] != '>')
			return true;
	}
	return false;
}

/* The session's program with a body to run now. False: it has errors, and everything is as before. */
static bool build(struct session *s, const char *body)
{
	struct text text = {0};
	struct run_options options = {0};
	if (s->declarations.length)
		text_put(&text, s->declarations.bytes, s->declarations.length);
	text_print(&text, "\nfunction __line() {\n");
	text_put(&text, body, strlen(body));
	text_print(&text, "\n}\n");
	struct source *source = source_new("input", text.bytes, text.length);
	free(text.bytes);
	if (!source)
		return false;
	if (s->vm)
		return run_continue(s->vm, source);
	s->vm = run_prepare(source, &options, stdout);
	return s->vm != NULL;
}

/* False: it did not compile. */
static bool evaluate(struct session *s, const char *body)
{
	if (!build(s, body))
		return false;
	struct vm *vm = s->vm;
	bool ok = program_start(vm);
	for (uint32_t i = 0; ok && i < vm->program->function_count; i++)
		if (!strcmp(vm->program->functions[i]->name, "__line")) {
			value v = vm_call_proto(vm, vm->program->functions[i], NULL, 0);
			if (v == V_RAISE)
				ok = false;
			else if (v != V_NIL)
				printf("%s\n", string_bytes(vm, value_inspect(vm, v)));
			break;
		}
	fflush(stdout);
	if (!ok) {
		report_error(vm, stderr);
		vm->stopping = false;
		vm->task->frame_count = vm->task->handler_count = 0;
	}
	return true;
}

static void remember_let(struct session *s, const char *line)
{
	char name[64] = "";
	const char *at = line + 4;
	size_t length = 0;
	while (*at == ' ')
		at++;
	while (at[length] &&
	       strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_", at[length]) &&
	       length < 63)
		length++;
	memcpy(name, at, length);
	name[length] = 0;
	for (unsigned i = 0; i < s->name_count; i++)
		if (!strcmp(s->names[i], name)) {
			evaluate(s, at); /* an assignment now */
			return;
		}
	struct text trial = {0};
	text_print(&trial, "state %s = nil;\n", name);
	size_t before = s->declarations.length;
	text_put(&s->declarations, trial.bytes, trial.length);
	free(trial.bytes);
	if (!evaluate(s, at)) {
		s->declarations.length = before;
		return;
	}
	s->names = realloc(s->names, (s->name_count + 1) * sizeof(*s->names));
	if (!s->names)
		abort();
	memcpy(s->names[s->name_count++], name, sizeof(name));
}

static void take(struct session *s, const char *line)
{
	size_t length = strlen(line);
	if (is_declaration(line)) {
		size_t before = s->declarations.length;
		text_put(&s->declarations, line, length);
		text_put(&s->declarations, "\n", 1);
		if (!evaluate(s, ""))
			s->declarations.length = before;
		return;
	}
	if (begins_with(line, "let") || begins_with(line, "var")) {
		struct text with_end = {0};
		text_put(&with_end, line, length);
		if (line[length - 1] != ';')
			text_put(&with_end, ";", 1);
		remember_let(s, with_end.bytes);
		free(with_end.bytes);
		return;
	}
	struct text body = {0};
	bool statement = line[length - 1] == ';' || line[length - 1] == '}';
	if (statement)
		text_put(&body, line, length);
	else if (is_assignment(line))
		text_print(&body, "%s;", line);
	else
		text_print(&body, "return (%s);", line);
	evaluate(s, body.bytes);
	free(body.bytes);
}

int command_repl(int argc, char **argv)
{
	struct session s = {0};
	struct text line = {0};
	static char buffer[LINE_MAX_BYTES];
	bool terminal = isatty(0);
	(void)argc, (void)argv;
	if (terminal)
		printf("Flux. An expression shows its value; :quit ends, :source shows the session.\n");
	for (;;) {
		if (terminal) {
			fputs(line.length ? "... " : "> ", stdout);
			fflush(stdout);
		}
		if (!fgets(buffer, sizeof(buffer), stdin))
			break;
		size_t length = strcspn(buffer, "\n");
		buffer[length] = 0;
		if (!line.length && !strcmp(buffer, ":quit"))
			break;
		if (!line.length && !strcmp(buffer, ":source")) {
			printf("%s", s.declarations.length ? s.declarations.bytes : "");
			continue;
		}
		if (!line.length && buffer[0] == ':') {
			fprintf(stderr, "error: there is no command %s; there are :source and :quit\n",
			        buffer);
			continue;
		}
		if (line.length)
			text_put(&line, "\n", 1);
		text_put(&line, buffer, length);
		if (!line.length || open_brackets(line.bytes) > 0)
			continue;
		take(&s, line.bytes);
		line.length = 0;
		fflush(stdout);
	}
	if (s.vm)
		run_finish(s.vm);
	free(s.declarations.bytes);
	free(s.names);
	free(line.bytes);
	return 0;
}
