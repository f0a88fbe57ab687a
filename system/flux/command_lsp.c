/*
 * flux lsp: a language server (Language Server Protocol 3.17, JSON-RPC 2.0 over standard input and output).
 *
 * It keeps the open documents in full, publishes the compiler's errors and warnings, and answers hover,
 * completion, definition, document symbols and formatting. JSON is read and written by the runtime's own
 * code. Limits: 64 documents, 16 MiB a message; anything else ends the server with status 1.
 */
#include "commands.h"

#include <ctype.h>
#include <stdlib.h>

#define DOCUMENTS_MAX 64

struct document {
	char *uri, *text;
	size_t length;
};

struct server {
	struct vm *vm; /* for JSON */
	struct document documents[DOCUMENTS_MAX];
	unsigned count;
	bool shutdown;
};

/* ---- JSON values ---- */
static value member(struct server *s, value v, const char *name)
{
	if (!is_type(v, T_MAP))
		return V_NIL;
	value m = map_get_text(s->vm, as_map(v), name);
	return m == V_EMPTY ? V_NIL : m;
}

static const char *text_member(struct server *s, value v, const char *name)
{
	value m = member(s, v, name);
	return is_string(m) ? string_bytes(s->vm, as_string(m)) : "";
}

static int64_t int_member(struct server *s, value v, const char *name)
{
	int64_t i = 0;
	to_whole(member(s, v, name), &i);
	return i;
}

static value new_map(struct server *s)
{
	return from_object(map_new(s->vm, 4));
}

static void set(struct server *s, value map, const char *name, value v)
{
	map_set_text(s->vm, as_map(map), name, v);
}

static value text_value(struct server *s, const char *text)
{
	return from_object(string_new(s->vm, text, strlen(text)));
}

static void send_message(struct server *s, value message)
{
	set(s, message, "jsonrpc", text_value(s, "2.0"));
	value json = natives[native_find("json_write", 10)].code(s->vm, &message, 1);
	if (json == V_RAISE)
		return;
	printf("Content-Length: %u\r\n\r\n%s", as_string(json)->length, string_bytes(s->vm, as_string(json)));
	fflush(stdout);
}

static void answer(struct server *s, value id, value result)
{
	value message = new_map(s);
	set(s, message, "id", id);
	set(s, message, "result", result);
	send_message(s, message);
}

/* ---- documents and places ---- */
static struct document *find_document(struct server *s, const char *uri)
{
	for (unsigned i = 0; i < s->count; i++)
		if (!strcmp(s->documents[i].uri, uri))
			return &s->documents[i];
	return NULL;
}

/* The protocol counts UTF-16 units. */
static value place(struct server *s, const struct source *source, uint32_t at)
{
	unsigned line, column, units = 0;
	if (at > source->length)
		at = source->length;
	source_position(source, at, &line, &column);
	for (uint32_t i = source->lines[line - 1]; i < at; i++) {
		unsigned char c = (unsigned char)source->text[i];
		units += (c & 0xC0) != 0x80 ? c >= 0xF0 ? 2 : 1 : 0;
	}
	value p = new_map(s);
	set(s, p, "line", from_small_int(line - 1));
	set(s, p, "character", from_small_int(units));
	return p;
}

static value range(struct server *s, const struct source *source, uint32_t begin, uint32_t end)
{
	value r = new_map(s);
	set(s, r, "start", place(s, source, begin));
	set(s, r, "end", place(s, source, end > begin ? end : begin));
	return r;
}

static uint32_t offset(struct server *s, const struct source *source, value position)
{
	int64_t line = int_member(s, position, "line"), units = int_member(s, position, "character");
	if (line < 0 || line >= source->line_count)
		return source->length;
	uint32_t at = source->lines[line];
	while (units > 0 && at < source->length && source->text[at] != '\n') {
		unsigned char c = (unsigned char)source->text[at++];
		units -= c >= 0xF0 ? 2 : 1;
		while (at < source->length && ((unsigned char)source->text[at] & 0xC0) == 0x80)
			at++;
	}
	return at;
}

/* A file URI's path, for imports. */
static void path_of(const char *uri, char *path, size_t size)
{
	size_t n = 0;
	if (!strncmp(uri, "file://", 7))
		uri += 7;
	while (*uri && n + 1 < size) {
		char hex[3] = {uri[0] == '%' ? uri[1] : 0, uri[0] == '%' && uri[1] ? uri[2] : 0, 0};
		if (*uri == '%' && isxdigit((unsigned char)hex[0]) && isxdigit((unsigned char)hex[1])) {
			path[n++] = (char)strtol(hex, NULL, 16);
			uri += 3;
		} else {
			path[n++] = *uri++;
		}
	}
	path[n] = 0;
}

static struct program *build(const struct document *d)
{
	char path[2048];
	path_of(d->uri, path, sizeof(path));
	struct source *source = source_new(path, d->text, d->length);
	return source ? program_build(NULL, source, false) : NULL;
}

static void publish(struct server *s, const struct document *d)
{
	struct program *program = build(d);
	struct list *list = list_new(s->vm, 0);
	const struct source *source = program ? program->source : NULL;
	for (unsigned i = 0; source && i < source->diagnostic_count; i++) {
		const struct diagnostic *x = &source->diagnostics[i];
		char text[420];
		value v = new_map(s);
		snprintf(text, sizeof(text), x->hint[0] ? "%s: %s" : "%s", x->message, x->hint);
		set(s, v, "range", range(s, source, x->begin, x->end));
		set(s, v, "severity", from_small_int(x->warning ? 2 : 1));
		set(s, v, "source", text_value(s, "flux"));
		set(s, v, "message", text_value(s, text));
		list_push(s->vm, list, v);
	}
	value params = new_map(s), message = new_map(s);
	set(s, params, "uri", text_value(s, d->uri));
	set(s, params, "diagnostics", from_object(list));
	set(s, message, "method", text_value(s, "textDocument/publishDiagnostics"));
	set(s, message, "params", params);
	send_message(s, message);
	program_free(program);
}

static void store(struct server *s, const char *uri, value text)
{
	struct document *d = find_document(s, uri);
	if (!is_string(text))
		return;
	if (!d) {
		if (s->count == DOCUMENTS_MAX)
			return;
		d = &s->documents[s->count++];
		d->uri = strdup(uri);
		d->text = NULL;
	}
	free(d->text);
	d->length = as_string(text)->length;
	d->text = malloc(d->length + 1);
	if (!d->uri || !d->text)
		abort();
	memcpy(d->text, string_bytes(s->vm, as_string(text)), d->length);
	d->text[d->length] = 0;
	publish(s, d);
}

static void drop(struct server *s, const char *uri)
{
	struct document *d = find_document(s, uri);
	if (!d)
		return;
	free(d->uri);
	free(d->text);
	*d = s->documents[--s->count];
}

/* ---- answers ---- */
static void word_at(const struct source *source, uint32_t at, char word[128])
{
	uint32_t from = at, to = at;
	while (from && (isalnum((unsigned char)source->text[from - 1]) || source->text[from - 1] == '_'))
		from--;
	while (to < source->length && (isalnum((unsigned char)source->text[to]) || source->text[to] == '_'))
		to++;
	size_t length = to - from < 127 ? to - from : 127;
	memcpy(word, source->text + from, length);
	word[length] = 0;
}

static const struct node *declaration(const struct source *source, const char *name)
{
	for (const struct node *n = source->program ? source->program->list : NULL; n; n = n->next)
		if (n->text && n->kind != N_TEST && !strcmp(n->text, name))
			return n;
	return NULL;
}

/* The variable that a use at this place is bound to. */
static const struct variable *variable_at(const struct node *n, uint32_t at)
{
	for (; n; n = n->next) {
		if (n->kind == N_NAME && n->variable && n->begin <= at && at <= n->end)
			return n->variable;
		const struct variable *v = variable_at(n->a, at);
		if (!v)
			v = variable_at(n->b, at);
		if (!v)
			v = variable_at(n->c, at);
		if (!v)
			v = variable_at(n->list, at);
		if (v)
			return v;
	}
	return NULL;
}

static value hover(struct server *s, const struct source *source, uint32_t at)
{
	char word[128], text[1024] = "";
	word_at(source, at, word);
	const struct node *n = declaration(source, word);
	int native = native_find(word, strlen(word));
	if (n) {
		struct text out = {0};
		print_node(&out, n, 0);
		const char *brace = strchr(out.bytes, '{');
		snprintf(text, sizeof(text), "```flux\n%.*s\n```",
		         brace ? (int)(brace - out.bytes) : (int)out.length, out.bytes);
		free(out.bytes);
	} else if (native >= 0) {
		snprintf(text, sizeof(text), "```flux\n%s\n```\n%s", natives[native].signature,
		         natives[native].help);
	} else {
		return V_NIL;
	}
	value contents = new_map(s), result = new_map(s);
	set(s, contents, "kind", text_value(s, "markdown"));
	set(s, contents, "value", text_value(s, text));
	set(s, result, "contents", contents);
	return result;
}

static value definition(struct server *s, const struct document *d, const struct source *source, uint32_t at)
{
	char word[128];
	word_at(source, at, word);
	const struct variable *v = source->program ? variable_at(source->program->list, at) : NULL;
	const struct node *n = v ? NULL : declaration(source, word);
	if (!v && !n)
		return V_NIL;
	value location = new_map(s);
	set(s, location, "uri", text_value(s, d->uri));
	set(s, location, "range",
	    v ? range(s, source, v->begin, v->end) : range(s, source, n->begin, n->begin + 1));
	return location;
}

static value completion(struct server *s, const struct source *source)
{
	static const char *const words[] = {
	    "intention", "function", "flow",    "struct",   "causal_mosaic", "let",      "if",       "else",
	    "for",       "while",    "return",  "launch",   "send",          "listen",   "collapse", "dist",
	    "match",     "try",      "catch",   "fail",     "break",         "continue", "const",    "state",
	    "import",    "paradox",  "trigger", "priority", "condition",     "execute",  "until",    "within",
	    "budget",    "goal",     "retries", "true",     "false",         "nil"};
	struct list *list = list_new(s->vm, 0);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		value item = new_map(s);
		set(s, item, "label", text_value(s, words[i]));
		set(s, item, "kind", from_small_int(14));
		list_push(s->vm, list, item);
	}
	for (unsigned i = 0; i < native_count; i++) {
		if (natives[i].flags & NATIVE_HIDDEN)
			continue;
		value item = new_map(s);
		set(s, item, "label", text_value(s, natives[i].name));
		set(s, item, "kind", from_small_int(3));
		set(s, item, "detail", text_value(s, natives[i].signature));
		set(s, item, "documentation", text_value(s, natives[i].help));
		list_push(s->vm, list, item);
	}
	for (const struct node *n = source->program ? source->program->list : NULL; n; n = n->next) {
		if (!n->text || n->kind == N_TEST)
			continue;
		value item = new_map(s);
		set(s, item, "label", text_value(s, n->text));
		set(s, item, "kind",
		    from_small_int(n->kind == N_STRUCT     ? 22
		                   : n->kind == N_FUNCTION ? 3
		                                           : 6));
		list_push(s->vm, list, item);
	}
	return from_object(list);
}

static value symbols(struct server *s, const struct source *source)
{
	struct list *list = list_new(s->vm, 0);
	for (const struct node *n = source->program ? source->program->list : NULL; n; n = n->next) {
		if (!n->text)
			continue;
		value item = new_map(s);
		set(s, item, "name", text_value(s, *n->text ? n->text : "?"));
		set(s, item, "kind",
		    from_small_int(n->kind == N_STRUCT                          ? 23
		                   : n->kind == N_FUNCTION || n->kind == N_FLOW ? 12
		                   : n->kind == N_CONST                         ? 14
		                   : n->kind == N_INTENTION                     ? 24
		                                                                : 13));
		set(s, item, "range", range(s, source, n->begin, n->end));
		set(s, item, "selectionRange", range(s, source, n->begin, n->end));
		list_push(s->vm, list, item);
	}
	return from_object(list);
}

static value formatting(struct server *s, const struct document *d)
{
	struct source *source = source_new("document", d->text, d->length);
	value result = V_NIL;
	char *text = source ? format_source(source) : NULL;
	if (text) {
		value edit = new_map(s);
		struct list *list = list_new(s->vm, 1);
		set(s, edit, "range", range(s, source, 0, source->length));
		set(s, edit, "newText", text_value(s, text));
		list_push(s->vm, list, edit);
		result = from_object(list);
	}
	free(text);
	source_free(source);
	return result;
}

static value capabilities(struct server *s)
{
	value c = new_map(s), result = new_map(s), info = new_map(s);
	set(s, c, "textDocumentSync", from_small_int(1));
	set(s, c, "hoverProvider", V_TRUE);
	set(s, c, "completionProvider", new_map(s));
	set(s, c, "definitionProvider", V_TRUE);
	set(s, c, "documentSymbolProvider", V_TRUE);
	set(s, c, "documentFormattingProvider", V_TRUE);
	set(s, info, "name", text_value(s, "flux"));
	set(s, result, "capabilities", c);
	set(s, result, "serverInfo", info);
	return result;
}

static void ask(struct server *s, const char *method, value id, value params)
{
	const struct document *d = find_document(s, text_member(s, member(s, params, "textDocument"), "uri"));
	if (!strcmp(method, "initialize")) {
		answer(s, id, capabilities(s));
		return;
	}
	if (!strcmp(method, "shutdown")) {
		s->shutdown = true;
		answer(s, id, V_NIL);
		return;
	}
	if (d && !strcmp(method, "textDocument/formatting")) {
		answer(s, id, formatting(s, d));
		return;
	}
	static const char *const known[] = {"textDocument/hover", "textDocument/definition",
	                                    "textDocument/completion", "textDocument/documentSymbol"};
	int which = -1;
	for (int i = 0; i < 4; i++)
		if (!strcmp(method, known[i]))
			which = i;
	if (which < 0) {
		value message = new_map(s), error = new_map(s);
		set(s, error, "code", from_small_int(-32601));
		set(s, error, "message", text_value(s, "this server has no such method"));
		set(s, message, "id", id);
		set(s, message, "error", error);
		send_message(s, message);
		return;
	}
	struct program *program = d ? build(d) : NULL;
	value result = V_NIL;
	if (program) {
		const struct source *source = program->source;
		uint32_t at = offset(s, source, member(s, params, "position"));
		result = which == 0   ? hover(s, source, at)
		         : which == 1 ? definition(s, d, source, at)
		         : which == 2 ? completion(s, source)
		                      : symbols(s, source);
	}
	answer(s, id, result);
	program_free(program);
}

static void handle(struct server *s, value message)
{
	const char *method = text_member(s, message, "method");
	value id = member(s, message, "id"), params = member(s, message, "params");
	value document = member(s, params, "textDocument");
	const char *uri = text_member(s, document, "uri");
	if (id != V_NIL) {
		ask(s, method, id, params);
	} else if (!strcmp(method, "textDocument/didOpen")) {
		store(s, uri, member(s, document, "text"));
	} else if (!strcmp(method, "textDocument/didChange")) {
		value changes = member(s, params, "contentChanges");
		if (is_type(changes, T_LIST) && as_list(changes)->length)
			store(s, uri,
			      member(s, as_list(changes)->items[as_list(changes)->length - 1], "text"));
	} else if (!strcmp(method, "textDocument/didClose")) {
		drop(s, uri);
	}
}

/* Reads one message; NULL at the end of the input or when it is none. */
static char *read_message(size_t *length)
{
	char line[256];
	long size = -1;
	while (fgets(line, sizeof(line), stdin)) {
		if (!strcmp(line, "\r\n") || !strcmp(line, "\n"))
			break;
		if (!strncasecmp(line, "Content-Length:", 15))
			size = strtol(line + 15, NULL, 10);
	}
	if (size < 0 || size > (long)SOURCE_MAX)
		return NULL;
	char *text = malloc((size_t)size + 1);
	if (!text)
		abort();
	*length = fread(text, 1, (size_t)size, stdin);
	text[*length] = 0;
	if (*length == (size_t)size)
		return text;
	free(text);
	return NULL;
}

int command_lsp(int argc, char **argv)
{
	struct server s = {0};
	size_t length;
	char *text;
	bool ended = false;
	(void)argc, (void)argv;
	while (!ended && (text = read_message(&length))) {
		s.vm = vm_create((size_t)1 << 30, 0); /* one a message: nothing piles up */
		value json = from_object(string_new(s.vm, text, length));
		value message = natives[native_find("json_parse", 10)].code(s.vm, &json, 1);
		ended = !strcmp(text_member(&s, message, "method"), "exit");
		if (!ended && is_type(message, T_MAP))
			handle(&s, message);
		vm_destroy(s.vm);
		free(text);
	}
	while (s.count)
		drop(&s, s.documents[0].uri);
	return ended && s.shutdown ? 0 : 1;
}
