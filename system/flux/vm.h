/*
 * The virtual machine: tasks with stacks of registers, the interpreter loop's state, and what built-in
 * functions use.
 *
 * A call's registers begin at its base; its arguments are the first of them, and its result replaces the
 * first. The countdown is decremented at calls and backward jumps; when it runs out, vm_poll() looks at fuel,
 * the collector, the scheduler and signals. Everything that a run takes from outside goes through trace.h, so
 * that a replay can give it again.
 */
#ifndef FLUX_VM_H
#define FLUX_VM_H

#include "gc.h"
#include "opcode.h"

#include <setjmp.h>
#include <stdio.h>

#define FRAMES_MAX   20000 /* nested calls of one task */
#define STACK_MAX    (1u << 20)
#define NESTED_MAX   150 /* Flux code called by built-in functions called by Flux code ... */
#define POLL_QUANTUM 4096

struct program;
struct trace;
struct timeline;
struct scheduler;
struct profiler;

struct frame {
	const struct ins *pc;
	struct proto *proto;
	struct function *function; /* NULL for a plain function */
	uint32_t base;
	uint32_t seen; /* the collector's cycle in which its registers were marked; 0: not yet */
};

struct handler {
	uint32_t frame;
	uint32_t reg;
	struct proto *proto;
	const struct ins *target;
};

enum task_state { TASK_READY, TASK_RUNNING, TASK_WAITING, TASK_DONE, TASK_FAILED };

struct task {
	struct object object;
	value *stack;
	uint32_t stack_size, stack_capacity; /* all from stack_size on is nil */
	struct frame *frames;
	uint32_t frame_count, frame_capacity;
	uint32_t marked_frames; /* those before this one were marked, unless they ended since */
	struct handler *handlers;
	uint32_t handler_count, handler_capacity;
	uint8_t state;
	uint32_t number;
	int64_t wake_ns;        /* logical time at which a waiting task goes on */
	struct string *channel; /* what it listens to */
	value result;
};

struct rng {
	uint32_t words[624];
	uint32_t at; /* 0: not seeded yet */
	uint64_t seed;
};

struct vm {
	struct heap heap;
	int64_t countdown;
	int64_t countdown_start;
	struct task *task;
	uint32_t stamp; /* the current timeline segment */
	value error;    /* what is being raised */
	struct program *program;
	value *state_items; /* of the program's state object */
	struct state *state;
	uint64_t hash_seed;
	/* interned strings */
	struct string **interned;
	uint32_t interned_count, interned_capacity;
	/* limits */
	bool fuel_limited, stopping; /* stopping: what is raised cannot be caught */
	int64_t fuel;                /* left, without what is in the countdown */
	uint64_t fuel_used;
	volatile bool interrupted;
	unsigned nested;
	unsigned unbroken; /* above 0: no intention interrupts */
	unsigned merging;  /* above 0: a rule of a merge runs, and the timelines stay as they are */
	jmp_buf *memory_jump;
	uint32_t next_shape;
	/* determinism */
	struct rng rng;
	int64_t clock_ns;
	uint64_t paradox_count;
	bool live; /* waiting takes real time */
	/* Methods of a host capability, in a program that embeds the machine. */
	value (*host)(struct vm *vm, const char *name, value *args, unsigned count);
	void *host_data;
	struct trace *trace;
	struct timeline *timeline; /* the current one */
	struct timelines *timelines;
	struct scheduler *scheduler;
	struct events *events; /* of a live run */
	struct profiler *profiler;
	struct debugger *debugger;
	bool (*on_line)(struct vm *vm, const struct ins *pc); /* of the debugger; false: raised */
	void (*on_sample)(struct vm *vm);                     /* of the profiler */
	/* output */
	FILE *out;
	uint64_t output_bytes;
	char effect_failed[300]; /* why the last change outside did not happen; empty: it did */
	/* values a native needs to survive Flux code that it calls */
	value *roots;
	uint32_t root_count, root_capacity;
	value args;            /* what the program was handed: capabilities and words, a map */
	value kept;            /* mosaics that last: a list, or nil */
	value findings;        /* of a child: a list, or nil */
	unsigned generation;   /* 0: no child */
	value pinned;          /* handles that effects of branches need */
	value memory_error;    /* made ahead */
	struct walker *walker; /* runs by the tree walker instead of instructions */
	bool walk_returning;   /* what is raised is a break, continue or return out of an expression */
	uint8_t walk_flow;
	struct string *empty_string;
	struct string *single[128]; /* strings of one ASCII character */
};

/* ---- life ---- */
struct vm *vm_create(size_t memory_limit, uint64_t seed);
void vm_destroy(struct vm *vm);
void vm_set_fuel(struct vm *vm,
                 int64_t fuel); /* instructions of the kind that count: calls and backward jumps */

/* ---- running ---- */
/* Runs a callable with arguments; V_RAISE if it raised (vm->error holds what). Arguments are copied. */
value vm_call(struct vm *vm, value callee, const value *args, unsigned count);
value vm_call_proto(struct vm *vm, struct proto *proto, const value *args, unsigned count);
/* The same with at most so many steps; running out of them is an error like any other. */
value vm_call_limited(struct vm *vm, value callee, const value *args, unsigned count, int64_t steps);
value vm_interpret(struct vm *vm, uint32_t stop_frame);
bool vm_grow_stack(struct vm *vm, uint32_t needed);
bool vm_push_handler(struct vm *vm, struct handler handler);
bool vm_push_frame(struct vm *vm, struct proto *proto, struct function *function, uint32_t base);
/* Called when the countdown ran out. False: something was raised. */
bool vm_poll(struct vm *vm);
void vm_reset_countdown(struct vm *vm);
/* Leave the native that runs, for an error that programs can catch. What it had from malloc() stays behind. */
_Noreturn void vm_out_of_memory(struct vm *vm);
_Noreturn void vm_too_large(struct vm *vm, const char *what);

/* ---- errors ---- */
/* Raises an error; returns V_RAISE, for natives to return in turn. */
value vm_raise(struct vm *vm, const char *kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
value vm_raise_value(struct vm *vm, value error);
struct string *vm_trace_text(struct vm *vm);
unsigned vm_line(const struct proto *proto, const struct ins *pc);

/* ---- slow paths of instructions, shared with the tree walker ---- */
value op_arith(struct vm *vm, enum opcode op, value a, value b);
value op_negate(struct vm *vm, value a);
value op_concat(struct vm *vm, value a, value b);
/* -1 a<b, 0 equal, 1 a>b, 2 unordered (a NaN); raises and returns -2 if they cannot be compared. */
int op_compare(struct vm *vm, value a, value b, const char *symbol);
value op_get_index(struct vm *vm, value object, value at);
bool op_set_index(struct vm *vm, value object, value at, value v);
value op_get_field(struct vm *vm, value object, struct string *name);
bool op_set_field(struct vm *vm, value object, struct string *name, value v);
value op_slice(struct vm *vm, value object, value from, value to);
value op_iterate(struct vm *vm, value source, bool range_pair);
/* False at the end. A map gives key and item, everything else index and item. */
bool op_next(struct vm *vm, struct iterator *iterator, value *key, value *item);
value op_method(struct vm *vm, value receiver, struct string *name, value *args, unsigned count);
bool op_send(struct vm *vm, value kind, value content, value duration);
bool op_type_error(struct vm *vm, value v, unsigned kind, struct shape *shape,
                   value name); /* raises; false */
bool op_check_type(struct vm *vm, value v, unsigned kind, struct shape *shape);
/* ---- those that the interpreter alone has ---- */
struct cache;
/* Puts a callable's frame on top; its arguments are at `base`. False: raised. Built-ins and structs are called at once: *done. */
bool op_enter(struct vm *vm, value callee, uint32_t base, unsigned count, bool *done);
/* A list's or string's method is a built-in of that name: the cache has it from now on. */
void op_remember_method(struct vm *vm, struct cache *cache, value receiver, struct string *name,
                        unsigned count);
value op_make_closure(struct vm *vm, struct proto *p, const struct function *outer, const value *registers);
value op_make_map(struct vm *vm, const value *pairs, unsigned count);
bool op_range(struct vm *vm, value *from, value *to); /* makes both small integers; false: raised */

/* ---- natives ---- */
struct native_entry {
	const char *name;
	native_code *code;
	int8_t least, most; /* arguments; most -1: any number */
	uint8_t flags;
	const char *signature, *help;
};
#define NATIVE_HIDDEN 1 /* only the compiler makes calls of it */
#define NATIVE_EFFECT 2 /* reaches outside */
extern struct native_entry natives[];
extern unsigned native_count;
int native_find(const char *name, size_t length); /* -1 if none */
void natives_init(void);

/* ---- roots ---- */
void vm_root_push(struct vm *vm, value v);
static inline void vm_root_pop(struct vm *vm, unsigned count)
{
	vm->root_count -= count;
}
/* All of them, but for messages that wait and the stack, which are marked in steps; false: some of these are left. */
bool vm_mark_roots(struct vm *vm);

/* ---- output: goes to the current timeline, and at last to vm->out ---- */
void vm_output(struct vm *vm, const char *bytes, size_t length);

/* ---- random numbers: MT19937, as seeded and read by Python's random.Random(seed) ---- */
double rng_double(struct rng *rng);
uint64_t rng_bits(struct rng *rng, unsigned bits);
void rng_seed(struct rng *rng, uint64_t seed);

/* Writing to an object that a timeline may share: before the change. */
void timeline_save(struct vm *vm, struct object *object);
static inline void vm_touch(struct vm *vm, struct object *object)
{
	if (object->stamp != vm->stamp)
		timeline_save(vm, object);
}

/* Allocates a cell, or through the slow path. Contents beyond the header are not set. */
static inline void *heap_allocate(struct vm *vm, enum object_type type, size_t size)
{
	if (size <= 256) {
		struct size_class *c = &vm->heap.classes[(size + 15) / 16];
		struct object *o = c->free;
		if (o) {
			c->free = *(struct object **)(o + 1);
			vm->heap.young += (size + 15) & ~(size_t)15;
			*o = (struct object){.type = (uint8_t)type, .stamp = vm->stamp};
			return o;
		}
	}
	return heap_allocate_slow(vm, type, size);
}

struct state {
	struct object object;
	uint32_t count;
	value *items;
};

#endif
