/*
 * flux repl: a session of declarations, statements and expressions. The session is one growing program:
 * declarations are kept, `let` at the prompt becomes a state variable, and after each line the program is
 * built again with the values that the state variables had. So everything typed can be saved and run as a
 * file.
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

static struct vm *build(struct session *s, const char *body, bool quiet)
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
		return NULL;
	(void)quiet;
	return run_prepare(source, &options, stdout);
}

/* Values go from the old machine to the new one as JSON: what has no such form begins anew. */
static void carry_over(struct vm *from, struct vm *to)
{
	for (uint32_t i = 0; i < to->program->global_count; i++) {
		if (to->program->globals[i].kind != GLOBAL_STATE)
			continue;
		for (uint32_t k = 0; k < from->program->global_count; k++) {
			if (from->program->globals[k].kind != GLOBAL_STATE ||
			    strcmp(from->program->globals[k].name, to->program->globals[i].name))
				continue;
			value v = from->state->items[k];
			int write = native_find("json_write", 10), parse = native_find("json_parse", 10);
			value text = natives[write].code(from, &v, 1);
			if (text == V_RAISE || is_type(v, T_STRUCT) || is_type(v, T_DURATION))
				continue;
			struct string *json = as_string(text);
			value copy = from_object(string_new(to, string_bytes(from, json), json->length));
			to->state->items[i] = natives[parse].code(to, &copy, 1);
		}
	}
}

static void evaluate(struct session *s, const char *body)
{
	struct vm *vm = build(s, body, false);
	if (!vm)
		return;
	bool ok = program_start(vm);
	if (ok && s->vm)
		carry_over(s->vm, vm);
	for (uint32_t i = 0; ok && i < vm->program->function_count; i++)
		if (!strcmp(vm->program->functions[i]->name, "__line")) {
			value v = vm_call_proto(vm, vm->program->functions[i], NULL, 0);
			if (v == V_RAISE)
				ok = false;
			else if (v != V_NIL)
				printf("%s\n", string_bytes(vm, value_inspect(vm, v)));
		}
	fflush(stdout);
	if (!ok)
		report_error(vm, stderr);
	if (s->vm)
		run_finish(s->vm);
	s->vm = vm;
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
	struct vm *old = s->vm;
	s->vm = old;
	evaluate(s, at);
	if (s->vm == old && old) { /* it did not compile */
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
		struct vm *vm = build(s, "", true);
		if (!vm) {
			s->declarations.length = before;
			return;
		}
		if (program_start(vm) && s->vm)
			carry_over(s->vm, vm);
		if (s->vm)
			run_finish(s->vm);
		s->vm = vm;
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
