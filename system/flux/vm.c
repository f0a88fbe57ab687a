/* The VM's life, calls from C, frames and stacks, raising, polling, roots, and random numbers. */
#include "vm.h"
#include "program.h"
#include "runtime.h"

#include <stdarg.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

struct vm *vm_create(size_t memory_limit, uint64_t seed)
{
	struct vm *vm = calloc(1, sizeof(*vm));
	if (!vm)
		abort();
	heap_init(&vm->heap, memory_limit);
	if (getrandom(&vm->hash_seed, sizeof(vm->hash_seed), GRND_NONBLOCK) != sizeof(vm->hash_seed))
		vm->hash_seed = 0x243F6A8885A308D3u;
	vm->countdown = vm->countdown_start = POLL_QUANTUM;
	vm->out = stdout;
	vm->error = vm->args = vm->memory_error = vm->pinned = vm->findings = vm->kept = V_NIL;
	vm->rng.seed = seed;
	vm->next_shape = 1;
	natives_init();
	vm->empty_string = string_intern(vm, "", 0);
	vm->task = heap_allocate(vm, T_TASK, sizeof(*vm->task));
	memset((char *)vm->task + sizeof(struct object), 0, sizeof(*vm->task) - sizeof(struct object));
	vm->task->result = V_NIL;
	vm->state = heap_allocate(vm, T_STATE, sizeof(*vm->state));
	vm->state->count = 0;
	vm->state->items = NULL;
	vm->memory_error = from_object(error_new(vm, "memory", string_of(vm, "the memory limit is reached")));
	timelines_init(vm);
	return vm;
}

void vm_destroy(struct vm *vm)
{
	if (!vm)
		return;
	scheduler_free(vm);
	events_free(vm);
	timelines_free(vm);
	trace_close(vm);
	heap_deinit(vm);
	free(vm->interned);
	free(vm->roots);
	free(vm);
}

/* ---- stacks ---- */
bool vm_grow_stack(struct vm *vm, uint32_t needed)
{
	struct task *task = vm->task;
	uint32_t size = task->stack_size ? task->stack_size : 256;
	while (size < needed)
		size *= 2;
	if (needed > STACK_MAX) {
		vm_raise(vm, "depth", "calls are nested too deeply");
		return false;
	}
	if (size > task->stack_capacity) {
		value *stack = realloc(task->stack, size * sizeof(value));
		if (!stack)
			vm_out_of_memory(vm);
		for (uint32_t i = task->stack_capacity; i < size; i++)
			stack[i] = V_NIL;
		task->stack = stack;
		task->stack_capacity = size;
	}
	task->stack_size = size;
	return true;
}

bool vm_push_frame(struct vm *vm, struct proto *proto, struct function *function, uint32_t base)
{
	struct task *task = vm->task;
	if (base + proto->registers > task->stack_size && !vm_grow_stack(vm, base + proto->registers))
		return false;
	if (task->frame_count == task->frame_capacity) {
		if (task->frame_count >= FRAMES_MAX) {
			vm_raise(vm, "depth", "calls are nested over %d deep", FRAMES_MAX);
			return false;
		}
		uint32_t capacity = task->frame_capacity ? task->frame_capacity * 2 : 16;
		if (capacity > FRAMES_MAX)
			capacity = FRAMES_MAX;
		struct frame *frames = realloc(task->frames, capacity * sizeof(*frames));
		if (!frames)
			vm_out_of_memory(vm);
		task->frames = frames;
		task->frame_capacity = capacity;
	}
	task->frames[task->frame_count++] =
	    (struct frame){.pc = proto->code, .proto = proto, .function = function, .base = base};
	return true;
}

bool vm_push_handler(struct vm *vm, struct handler handler)
{
	struct task *task = vm->task;
	if (task->handler_count == task->handler_capacity) {
		uint32_t capacity = task->handler_capacity ? task->handler_capacity * 2 : 8;
		if (capacity > 4 * FRAMES_MAX) {
			vm_raise(vm, "depth", "try is nested too deeply");
			return false;
		}
		struct handler *handlers = realloc(task->handlers, capacity * sizeof(*handlers));
		if (!handlers)
			vm_out_of_memory(vm);
		task->handlers = handlers;
		task->handler_capacity = capacity;
	}
	task->handlers[task->handler_count++] = handler;
	return true;
}

static uint32_t stack_top(const struct task *task)
{
	if (!task->frame_count)
		return 0;
	const struct frame *f = &task->frames[task->frame_count - 1];
	return f->base + f->proto->registers;
}

value vm_call_proto(struct vm *vm, struct proto *proto, const value *args, unsigned count)
{
	if (vm->walker)
		return walker_call_proto(vm, proto, args, count);
	uint32_t base = stack_top(vm->task), stop = vm->task->frame_count;
	if (vm->nested >= NESTED_MAX)
		return vm_raise(vm, "depth",
		                "built-in functions and Flux functions call each other too deeply");
	if (count > proto->params)
		count = proto->params;
	/* args may lie in this very stack, which may move. */
	value copy[256];
	if (count)
		memcpy(copy, args, count * sizeof(value));
	if (!vm_push_frame(vm, proto, NULL, base))
		return V_RAISE;
	if (count)
		memcpy(vm->task->stack + base, copy, count * sizeof(value));
	for (unsigned i = count; i < proto->params; i++)
		vm->task->stack[base + i] = V_NIL;
	vm->nested++;
	value v = vm_interpret(vm, stop);
	vm->nested--;
	return v;
}

value vm_call(struct vm *vm, value callee, const value *args, unsigned count)
{
	if (is_type(callee, T_NATIVE)) {
		const struct native_entry *n = &natives[((struct native *)as_object(callee))->index];
		value copy[16] = {0};
		if (count > 15 || count < (unsigned)n->least || (n->most >= 0 && count > (unsigned)n->most))
			return vm_raise(vm, "call", "%s cannot be called with %u arguments", n->name, count);
		if (count)
			memcpy(copy, args, count * sizeof(value));
		return n->code(vm, copy, count);
	}
	if (!is_type(callee, T_FUNCTION))
		return vm_raise(vm, "call", "%s cannot be called", value_type_name(callee));
	struct function *f = (struct function *)as_object(callee);
	if (vm->walker)
		return walker_call(vm, f, args, count);
	if (count < f->proto->required || count > f->proto->params)
		return vm_raise(vm, "call", "%s takes %u argument%s, got %u", f->proto->name,
		                f->proto->params, f->proto->params == 1 ? "" : "s", count);
	if (vm->nested >= NESTED_MAX)
		return vm_raise(vm, "depth",
		                "built-in functions and Flux functions call each other too deeply");
	uint32_t base = stack_top(vm->task), stop = vm->task->frame_count;
	value copy[256];
	if (count)
		memcpy(copy, args, count * sizeof(value));
	if (!vm_push_frame(vm, f->proto, f, base))
		return V_RAISE;
	if (count)
		memcpy(vm->task->stack + base, copy, count * sizeof(value));
	for (unsigned i = count; i < f->proto->params; i++)
		vm->task->stack[base + i] = V_NIL;
	vm->nested++;
	value v = vm_interpret(vm, stop);
	vm->nested--;
	return v;
}

value vm_call_limited(struct vm *vm, value callee, const value *args, unsigned count, int64_t steps)
{
	bool limited = vm->fuel_limited;
	vm->fuel -= vm->countdown_start - vm->countdown;
	vm->fuel_used += (uint64_t)(vm->countdown_start - vm->countdown);
	int64_t fuel = vm->fuel, given = limited && fuel < steps ? fuel : steps;
	vm_set_fuel(vm, given);
	vm->unbroken++;
	value v = vm_call(vm, callee, args, count);
	vm->unbroken--;
	int64_t used = given - vm->fuel + (vm->countdown_start - vm->countdown);
	vm->fuel_used += (uint64_t)(vm->countdown_start - vm->countdown);
	vm->fuel_limited = limited;
	vm->fuel = fuel - used;
	if (v == V_RAISE && vm->stopping && !vm->interrupted && (!limited || vm->fuel > 0))
		vm->stopping = false;
	vm_reset_countdown(vm);
	return v;
}

/* ---- fuel and polling ---- */
void vm_reset_countdown(struct vm *vm)
{
	vm->countdown_start = POLL_QUANTUM;
	if (vm->fuel_limited && vm->fuel < vm->countdown_start)
		vm->countdown_start = vm->fuel > 0 ? vm->fuel : 1;
	vm->countdown = vm->countdown_start;
}

void vm_set_fuel(struct vm *vm, int64_t fuel)
{
	vm->fuel_limited = true;
	vm->fuel = fuel;
	vm_reset_countdown(vm);
}

bool vm_poll(struct vm *vm)
{
	int64_t used = vm->countdown_start - vm->countdown;
	vm->fuel_used += (uint64_t)used;
	vm->fuel -= used;
	if (vm->fuel_limited && vm->fuel <= 0) {
		vm->stopping = true;
		vm->countdown = vm->countdown_start = POLL_QUANTUM;
		vm_raise(vm, "fuel", "the fuel is used up");
		return false;
	}
	vm_reset_countdown(vm);
	if (vm->interrupted) {
		vm->stopping = true;
		vm_raise(vm, "interrupt", "interrupted");
		return false;
	}
	if ((vm->heap.wanted || vm->heap.hurry) && !vm->walker)
		gc_collect(vm);
	if (vm->on_sample)
		vm->on_sample(vm);
	return !vm->scheduler || scheduler_poll(vm);
}

static _Noreturn void abandon(struct vm *vm)
{
	if (vm->memory_jump)
		longjmp(*vm->memory_jump, 1);
	fprintf(stderr, "error: %s\n",
	        string_bytes(vm, ((struct flux_error *)as_object(vm->error))->message));
	exit(1);
}

void vm_out_of_memory(struct vm *vm)
{
	vm->error = vm->memory_error;
	abandon(vm);
}

void vm_too_large(struct vm *vm, const char *what)
{
	vm_raise(vm, "limit", "%s", what);
	abandon(vm);
}

/* ---- errors ---- */
unsigned vm_line(const struct proto *proto, const struct ins *pc)
{
	unsigned line = 0, column = 0;
	ptrdiff_t at = pc - proto->code - 1;
	if (at < 0)
		at = 0;
	if (proto->places && (uint32_t)at < proto->count)
		source_position(proto->source, proto->places[at], &line, &column);
	return line;
}

struct string *vm_trace_text(struct vm *vm)
{
	struct text text = {0};
	struct task *task = vm->task;
	uint32_t shown = 0;
	for (uint32_t i = task->frame_count; i-- && shown < 16; shown++) {
		const struct frame *f = &task->frames[i];
		text_print(&text, "%s  in %s (%s:%u)", shown ? "\n" : "", f->proto->name,
		           f->proto->source->name, vm_line(f->proto, f->pc));
	}
	if (task->frame_count > shown)
		text_print(&text, "\n  and %u more", task->frame_count - shown);
	struct string *s = string_new(vm, text.bytes ? text.bytes : "", text.length);
	free(text.bytes);
	return s;
}

value vm_raise_value(struct vm *vm, value error)
{
	if (!is_type(error, T_ERROR)) {
		struct flux_error *e = error_new(vm, "error", value_to_string(vm, error));
		if (!is_string(error))
			e->data = error;
		error = from_object(e);
	}
	struct flux_error *e = (struct flux_error *)as_object(error);
	if (!e->trace) {
		e->trace = vm_trace_text(vm);
		gc_write_object(vm, &e->object, e->trace);
	}
	vm->error = error;
	return V_RAISE;
}

value vm_raise(struct vm *vm, const char *kind, const char *format, ...)
{
	char message[500];
	va_list args;
	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	return vm_raise_value(vm, from_object(error_new(vm, kind, string_new(vm, message, strlen(message)))));
}

/* ---- roots ---- */
void vm_root_push(struct vm *vm, value v)
{
	if (vm->root_count == vm->root_capacity) {
		vm->root_capacity = vm->root_capacity ? vm->root_capacity * 2 : 64;
		vm->roots = realloc(vm->roots, vm->root_capacity * sizeof(value));
		if (!vm->roots)
			abort();
	}
	vm->roots[vm->root_count++] = v;
}

static void mark_proto(struct vm *vm, const struct proto *p)
{
	if (!p)
		return;
	for (uint32_t i = 0; i < p->constant_count; i++)
		gc_mark(vm, p->constants[i]);
	for (uint32_t i = 0; i < p->inner_count; i++)
		mark_proto(vm, p->inner[i]);
}

void program_mark(struct vm *vm, const struct program *program)
{
	for (uint32_t i = 0; i < program->function_count; i++)
		mark_proto(vm, program->originals ? program->originals[i] : program->functions[i]);
	for (uint32_t i = 0; i < program->adopted_count; i++)
		mark_proto(vm, program->adopted[i]);
	for (uint32_t i = 0; i < program->global_count; i++)
		mark_proto(vm, program->globals[i].initial);
	for (uint32_t i = 0; i < program->test_count; i++)
		mark_proto(vm, program->tests[i]);
	for (uint32_t i = 0; i < program->intention_count; i++)
		for (unsigned k = 0; k < CLAUSES; k++)
			mark_proto(vm, program->intentions[i].clauses[k]);
	for (uint32_t i = 0; i < program->paradox_count; i++)
		for (unsigned k = 0; k < CLAUSES; k++)
			mark_proto(vm, program->paradoxes[i].clauses[k]);
}

bool vm_mark_roots(struct vm *vm)
{
	gc_mark_object(vm, vm->task);
	gc_mark_object(vm, vm->state);
	object_mark_parts(vm, (struct grey){&vm->state->object, 0});
	gc_mark(vm, vm->error);
	gc_mark(vm, vm->args);
	gc_mark(vm, vm->memory_error);
	gc_mark(vm, vm->pinned);
	gc_mark(vm, vm->findings);
	gc_mark(vm, vm->kept);
	for (uint32_t i = 0; i < vm->root_count; i++)
		gc_mark(vm, vm->roots[i]);
	for (const struct program *p = vm->program; p; p = p->before)
		program_mark(vm, p);
	gc_grant_rest(&vm->heap);
	return scheduler_mark(vm) && task_mark(vm, vm->task);
}

/* ---- random numbers ---- */
static void mt_init(struct rng *rng, uint32_t seed)
{
	rng->words[0] = seed;
	for (uint32_t i = 1; i < 624; i++)
		rng->words[i] = 1812433253u * (rng->words[i - 1] ^ rng->words[i - 1] >> 30) + i;
}

/* Matsumoto and Nishimura's init_by_array (2002), over the seed's 32-bit words, least first. */
static void mt_seed(struct rng *rng)
{
	uint32_t key[2] = {(uint32_t)rng->seed, (uint32_t)(rng->seed >> 32)};
	uint32_t length = key[1] ? 2 : 1, i = 1, j = 0;
	uint32_t *mt = rng->words;
	mt_init(rng, 19650218u);
	for (uint32_t k = 624; k; k--) {
		mt[i] = (mt[i] ^ (mt[i - 1] ^ mt[i - 1] >> 30) * 1664525u) + key[j] + j;
		if (++i >= 624) {
			mt[0] = mt[623];
			i = 1;
		}
		if (++j >= length)
			j = 0;
	}
	for (uint32_t k = 623; k; k--) {
		mt[i] = (mt[i] ^ (mt[i - 1] ^ mt[i - 1] >> 30) * 1566083941u) - i;
		if (++i >= 624) {
			mt[0] = mt[623];
			i = 1;
		}
	}
	mt[0] = 0x80000000u;
	rng->at = 624;
}

static uint32_t mt_next(struct rng *rng)
{
	uint32_t *mt = rng->words, y;
	if (!rng->at)
		mt_seed(rng);
	if (rng->at >= 624) {
		for (uint32_t k = 0; k < 624; k++) {
			y = (mt[k] & 0x80000000u) | (mt[(k + 1) % 624] & 0x7FFFFFFFu);
			mt[k] = mt[(k + 397) % 624] ^ y >> 1 ^ (y & 1 ? 0x9908B0DFu : 0);
		}
		rng->at = 0;
	}
	y = mt[rng->at++];
	y ^= y >> 11;
	y ^= y << 7 & 0x9D2C5680u;
	y ^= y << 15 & 0xEFC60000u;
	y ^= y >> 18;
	if (!rng->at)
		rng->at = 624;
	return y;
}

double rng_double(struct rng *rng)
{
	uint32_t a = mt_next(rng) >> 5, b = mt_next(rng) >> 6;
	return (a * 67108864.0 + b) * (1.0 / 9007199254740992.0);
}

uint64_t rng_bits(struct rng *rng, unsigned bits)
{
	if (!bits)
		return 0;
	if (bits <= 32)
		return mt_next(rng) >> (32 - bits);
	uint64_t low = mt_next(rng);
	return low | (uint64_t)(mt_next(rng) >> (64 - bits)) << 32;
}

void rng_seed(struct rng *rng, uint64_t seed)
{
	rng->seed = seed;
	rng->at = 0;
}
