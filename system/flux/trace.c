/*
 * Traces: everything that a run took from outside, so that it can be run again exactly, anywhere.
 *
 * A trace is a text line "FLUXTRACE 1" and records "KIND LENGTH\n" + LENGTH bytes + "\n":
 *   S  a source file: its name, a zero byte, its text (the main file first)
 *   A  "seed fuel limit live memory grants": the options of the run
 *   I  the text of the input file
 *   W  a word of the program's arguments, or the name of a capability it was given
 *   O  a value from outside: what it is, a zero byte, its bytes
 *   T  "where steps clock events": something happened outside, noticed while the run waited (W) or worked (P)
 *   X  one of those events: its source, a zero byte, its text
 *   V  an event (a choice of collapse, a step of an intention, a timeline)
 *   E  "length hash status steps clock": the end: all output, hashed, and how the run ended
 *
 * A replay compares every O's kind, every V and E; the first difference is reported.
 * Limits: 1 GiB a trace, 16 MiB a record. A record cut short ends the reading with an error.
 */
#include "runtime.h"
#include "options.h"

#include <errno.h>
#include <stdlib.h>

#define RECORD_MAX (16u << 20)

struct trace {
	FILE *file; /* while recording */
	bool replaying;
	char *bytes; /* of the trace that is replayed */
	size_t length, at;
	uint64_t hash, output_length;
	uint64_t events;
	bool differs;
	char difference[300];
	const struct run_options *options;
};

static void put_record(struct trace *t, char kind, const char *a, size_t a_length, const char *b,
                       size_t b_length)
{
	fprintf(t->file, "%c %zu\n", kind, a_length + b_length + (b ? 1 : 0));
	fwrite(a, 1, a_length, t->file);
	if (b) {
		fputc(0, t->file);
		fwrite(b, 1, b_length, t->file);
	}
	fputc('\n', t->file);
}

static struct trace *trace_new(void)
{
	struct trace *t = calloc(1, sizeof(*t));
	if (!t)
		abort();
	t->hash = 0xCBF29CE484222325u;
	return t;
}

static bool as_it_comes(const struct run_options *options)
{
	return options->live && options->input_path && !strcmp(options->input_path, "-");
}

bool trace_begin(struct vm *vm, const struct run_options *options)
{
	struct trace *t = trace_new();
	t->file = fopen(options->trace_path, "wb");
	if (!t->file) {
		fprintf(stderr, "error: cannot write the trace %s: %s\n", options->trace_path,
		        strerror(errno));
		free(t);
		return false;
	}
	fputs("FLUXTRACE 1\n", t->file);
	for (const struct source *s = vm->program->source; s; s = s->next)
		put_record(t, 'S', s->name, strlen(s->name), s->text, s->length);
	char line[200];
	int n = snprintf(line, sizeof(line), "%llu %lld %lld %d %llu %u", (unsigned long long)options->seed,
	                 (long long)options->fuel, (long long)options->limit_ns, options->live,
	                 (unsigned long long)options->memory,
	                 (unsigned)((options->read_directory ? 1 : 0) | (options->write_directory ? 2 : 0) |
	                            (options->allow_clock ? 4 : 0) | (options->allow_process ? 8 : 0) |
	                            (options->allow_net ? 16 : 0) | (options->allow_subkernels ? 32 : 0) |
	                            (as_it_comes(options) ? 64 : 0)));
	put_record(t, 'A', line, (size_t)n, NULL, 0);
	if (options->input_path && strcmp(options->input_path, "-") != 0) {
		struct source *input = source_load(options->input_path);
		if (input) {
			put_record(t, 'I', input->text, input->length, NULL, 0);
			source_free(input);
		}
	}
	for (unsigned i = 0; i < options->word_count; i++)
		put_record(t, 'W', options->words[i], strlen(options->words[i]), NULL, 0);
	vm->trace = t;
	return true;
}

/* The next record of the replayed trace. */
static bool next_record(struct trace *t, char *kind, const char **bytes, size_t *length)
{
	const char *end = t->bytes + t->length, *at = t->bytes + t->at;
	if (end - at < 4 || at[1] != ' ')
		return false;
	const char *line = memchr(at, '\n', (size_t)(end - at) < 32 ? (size_t)(end - at) : 32);
	if (!line)
		return false;
	*kind = *at;
	size_t n = 0;
	for (const char *d = at + 2; d < line; d++) {
		if (*d < '0' || *d > '9' || n > RECORD_MAX)
			return false;
		n = n * 10 + (size_t)(*d - '0');
	}
	if (n > RECORD_MAX || (size_t)(end - line - 1) < n + 1 || line[1 + n] != '\n')
		return false;
	*bytes = line + 1;
	*length = n;
	t->at = (size_t)(line + 1 + n + 1 - t->bytes);
	return true;
}

static void differ(struct vm *vm, struct trace *t, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void differ(struct vm *vm, struct trace *t, const char *format, ...)
{
	if (t->differs)
		return;
	va_list args;
	va_start(args, format);
	vsnprintf(t->difference, sizeof(t->difference), format, args);
	va_end(args);
	t->differs = true;
	vm->interrupted = true;
}

bool trace_replaying(const struct vm *vm)
{
	return vm->trace && vm->trace->replaying;
}

bool trace_outside(struct vm *vm, const char *what, struct string **text)
{
	struct trace *t = vm->trace;
	char kind;
	const char *bytes;
	size_t length;
	if (!t || !t->replaying)
		return false;
	*text = vm->empty_string;
	if (t->differs || !next_record(t, &kind, &bytes, &length) || kind != 'O') {
		differ(vm, t, "the run asks for %s, the trace has something else", what);
		return true;
	}
	size_t name = strnlen(bytes, length);
	if (name == length || strcmp(bytes, what) != 0) {
		differ(vm, t, "the run asks for %s, the trace has %.*s", what, (int)(name < 60 ? name : 60),
		       bytes);
		return true;
	}
	*text = string_new(vm, bytes + name + 1, length - name - 1);
	return true;
}

void trace_note(struct vm *vm, const char *what, const char *bytes, size_t length)
{
	if (vm->trace && vm->trace->file)
		put_record(vm->trace, 'O', what, strlen(what), bytes, length);
}

void trace_note_wake(struct vm *vm, char where, int64_t clock_ns, unsigned events)
{
	char line[100];
	if (!vm->trace || !vm->trace->file)
		return;
	int n = snprintf(line, sizeof(line), "%c %llu %lld %u", where, (unsigned long long)vm_steps(vm),
	                 (long long)clock_ns, events);
	put_record(vm->trace, 'T', line, (size_t)n, NULL, 0);
}

void trace_note_happened(struct vm *vm, const char *source, const char *text, size_t length)
{
	if (vm->trace && vm->trace->file)
		put_record(vm->trace, 'X', source, strlen(source), text, length);
}

bool trace_wake(struct vm *vm, char where, int64_t *clock_ns, unsigned *events)
{
	struct trace *t = vm->trace;
	size_t before = t->at, length;
	char kind, line[100], place;
	const char *bytes;
	unsigned long long steps;
	long long clock;
	if (t->differs)
		return false;
	if (next_record(t, &kind, &bytes, &length) && kind == 'T' && length < sizeof(line)) {
		memcpy(line, bytes, length);
		line[length] = 0;
		if (sscanf(line, "%c %llu %lld %u", &place, &steps, &clock, events) == 4 && place == where &&
		    steps == vm_steps(vm)) {
			*clock_ns = clock;
			return true;
		}
	}
	t->at = before;
	return false;
}

bool trace_happened(struct vm *vm, const char **source, const char **text, size_t *length)
{
	struct trace *t = vm->trace;
	char kind;
	const char *bytes;
	size_t size;
	if (!t->differs && next_record(t, &kind, &bytes, &size) && kind == 'X' && memchr(bytes, 0, size)) {
		*source = bytes;
		*text = bytes + strlen(bytes) + 1;
		*length = size - (size_t)(*text - bytes);
		return true;
	}
	differ(vm, t, "an event is missing in the trace");
	return false;
}

void trace_event(struct vm *vm, const char *format, ...)
{
	struct trace *t = vm->trace;
	char text[400];
	if (!t)
		return;
	va_list args;
	va_start(args, format);
	int n = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	size_t length = n < 0 ? 0 : (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1;
	t->events++;
	if (t->file) {
		put_record(t, 'V', text, length, NULL, 0);
	} else if (!t->differs) {
		char kind;
		const char *bytes;
		size_t size;
		if (!next_record(t, &kind, &bytes, &size) || kind != 'V' || size != length ||
		    memcmp(bytes, text, length) != 0)
			differ(vm, t, "event %llu is now '%.150s'", (unsigned long long)t->events, text);
	}
}

void trace_output(struct vm *vm, const char *bytes, size_t length)
{
	struct trace *t = vm->trace;
	if (!t)
		return;
	for (size_t i = 0; i < length; i++)
		t->hash = (t->hash ^ (unsigned char)bytes[i]) * 0x100000001B3u;
	t->output_length += length;
}

/* The end of the run: recorded, or compared with the record. */
bool trace_end(struct vm *vm, int status)
{
	struct trace *t = vm->trace;
	char line[200];
	if (!t)
		return true;
	uint64_t fuel = vm->fuel_used + (uint64_t)(vm->countdown_start - vm->countdown);
	int n =
	    snprintf(line, sizeof(line), "%llu %016llx %d %llu %lld", (unsigned long long)t->output_length,
	             (unsigned long long)t->hash, status, (unsigned long long)fuel, (long long)vm->clock_ns);
	if (t->file) {
		put_record(t, 'E', line, (size_t)n, NULL, 0);
		bool ok = fflush(t->file) == 0;
		if (!ok)
			fprintf(stderr, "error: the trace could not be written: %s\n", strerror(errno));
		return ok;
	}
	char kind;
	const char *bytes;
	size_t length;
	if (!t->differs && (!next_record(t, &kind, &bytes, &length) || kind != 'E' || length != (size_t)n ||
	                    memcmp(bytes, line, length) != 0))
		differ(vm, t, "the run ends with '%s'", line);
	return !t->differs;
}

void trace_close(struct vm *vm)
{
	struct trace *t = vm->trace;
	if (!t)
		return;
	if (t->file && fclose(t->file) != 0)
		fprintf(stderr, "error: the trace could not be written: %s\n", strerror(errno));
	free(t->bytes);
	free(t);
	vm->trace = NULL;
}

/* ---- replay ---- */
struct replayed_file {
	const char *name, *text;
	size_t length;
};

static struct replayed_file *files;
static uint32_t file_count;

static struct source *provide(const char *path)
{
	for (uint32_t i = 0; i < file_count; i++)
		if (!strcmp(files[i].name, path))
			return source_new(path, files[i].text, files[i].length);
	return NULL;
}

static bool read_header(struct trace *t, struct run_options *options, const char **input,
                        size_t *input_length)
{
	char kind;
	const char *bytes;
	size_t length, magic = strlen("FLUXTRACE 1\n");
	bool have_options = false;
	*input = NULL;
	if (t->length < magic || memcmp(t->bytes, "FLUXTRACE 1\n", magic) != 0)
		return false;
	t->at = magic;
	for (;;) {
		size_t before = t->at;
		if (!next_record(t, &kind, &bytes, &length))
			return false;
		if (kind == 'S') {
			size_t name = strnlen(bytes, length);
			if (name == length || file_count > 256)
				return false;
			files = realloc(files, (file_count + 1) * sizeof(*files));
			if (!files)
				abort();
			files[file_count++] =
			    (struct replayed_file){bytes, bytes + name + 1, length - name - 1};
		} else if (kind == 'A') {
			char line[200];
			unsigned long long seed, memory;
			long long fuel, limit;
			int live;
			unsigned grants;
			if (length >= sizeof(line))
				return false;
			memcpy(line, bytes, length);
			line[length] = 0;
			if (sscanf(line, "%llu %lld %lld %d %llu %u", &seed, &fuel, &limit, &live, &memory,
			           &grants) != 6)
				return false;
			options->seed = seed;
			options->fuel = fuel;
			options->limit_ns = limit;
			options->live = live != 0;
			options->read_directory = grants & 1 ? "" : NULL;
			options->write_directory = grants & 2 ? "" : NULL;
			options->allow_clock = grants & 4;
			options->allow_process = grants & 8;
			options->allow_net = grants & 16;
			options->allow_subkernels = grants & 32;
			options->input_path = grants & 64 ? "-" : NULL;
			options->memory = memory < (16ull << 30) && memory >= (1u << 20) ? memory : 1u << 30;
			have_options = true;
		} else if (kind == 'I') {
			*input = bytes;
			*input_length = length;
		} else if (kind == 'W') {
			if (options->word_count >= MAX_WORDS)
				return false;
			char *word = malloc(length + 1);
			if (!word)
				abort();
			memcpy(word, bytes, length);
			word[length] = 0;
			options->words[options->word_count++] = word;
		} else {
			t->at = before;
			return have_options && file_count;
		}
	}
}

static void close_files(struct run_options *options)
{
	for (unsigned i = 0; i < options->word_count; i++)
		free((char *)options->words[i]);
	free(files);
	files = NULL;
	file_count = 0;
	source_provider = NULL;
}

/* Runs what the header describes; 0 if it is what the rest says. Frees the trace. */
static int replay(struct trace *t, const struct run_options *options, const char *input, size_t input_length,
                  FILE *out)
{
	t->replaying = true;
	source_provider = provide;
	struct source *file = provide(files[0].name);
	struct vm *vm = file ? run_prepare(file, options, out) : NULL;
	if (!vm) {
		free(t->bytes);
		free(t);
		return 2;
	}
	vm->trace = t;
	if (input) {
		/* The input's text stands in the trace. */
		char name[] = "<input>";
		files = realloc(files, (file_count + 1) * sizeof(*files));
		if (!files)
			abort();
		files[file_count++] = (struct replayed_file){name, input, input_length};
		scheduler_load_input(vm, name);
	}
	if (as_it_comes(options))
		events_read_input(vm);
	int run_status = run_program(vm);
	bool same = trace_end(vm, run_status);
	fflush(out);
	if (same)
		fprintf(stderr, "replay: identical (%llu bytes of output, %llu events)\n",
		        (unsigned long long)t->output_length, (unsigned long long)t->events);
	else
		fprintf(stderr, "replay: different: %s\n", t->difference);
	run_finish(vm);
	return same ? 0 : 1;
}

int trace_replay_bytes(const char *name, char *bytes, size_t length, int64_t fuel_most, uint64_t memory_most,
                       FILE *out)
{
	struct run_options options = {.replay = true};
	const char *input;
	size_t input_length = 0;
	struct trace *t = trace_new();
	int status = 2;
	t->bytes = bytes;
	t->length = length;
	file_count = 0;
	if (!read_header(t, &options, &input, &input_length)) {
		fprintf(stderr, "error: %s is no trace of Flux, or it is cut short\n", name);
		free(t->bytes);
		free(t);
	} else {
		if (fuel_most && (options.fuel <= 0 || options.fuel > fuel_most))
			options.fuel = fuel_most;
		if (memory_most && options.memory > memory_most)
			options.memory = memory_most;
		status = replay(t, &options, input, input_length, out);
	}
	close_files(&options);
	return status;
}

int trace_replay(const char *path, FILE *out)
{
	FILE *f = fopen(path, "rb");
	if (!f) {
		fprintf(stderr, "error: cannot read the trace %s: %s\n", path, strerror(errno));
		return 2;
	}
	size_t capacity = 0, length = 0;
	char *bytes = NULL;
	for (;;) {
		if (capacity - length < 65536) {
			capacity = capacity ? capacity * 2 : 1u << 18;
			bytes = realloc(bytes, capacity);
			if (!bytes)
				abort();
		}
		size_t n = fread(bytes + length, 1, 65536, f);
		if (!n || length > 1u << 30)
			break;
		length += n;
	}
	fclose(f);
	return trace_replay_bytes(path, bytes, length, 0, 0, out);
}
