/*
 * flux debug and flux profile. The debugger stops at statements: break LINE, step, next, continue, print
 * NAME, where, why, quit. `why` tells which intention runs and what led to it. The profiler samples the
 * innermost function every 4096 steps.
 */
#include "commands.h"

#include <stdlib.h>

struct debugger {
	unsigned breaks[64], break_count;
	bool stepping;
	uint32_t stop_depth; /* `next`: stop at this depth or above */
	bool quit;
};

struct profiler {
	uint64_t samples;
};

static struct frame *top(struct vm *vm)
{
	return &vm->task->frames[vm->task->frame_count - 1];
}

static void show_line(struct vm *vm, const struct ins *pc)
{
	struct frame *f = top(vm);
	unsigned line = vm_line(f->proto, pc);
	const struct source *s = f->proto->source;
	uint32_t from = s->lines[line - 1], to = line < s->line_count ? s->lines[line] - 1 : s->length;
	printf("%s:%u in %s\n  %.*s\n", s->name, line, f->proto->name, (int)(to - from), s->text + from);
}

/* Variables of the function by name: the tree says which register each `let` has. */
static void find_variable(const struct node *n, const char *name, int *reg)
{
	for (; n; n = n->next) {
		if ((n->kind == N_LET || n->kind == N_PARAM || n->kind == N_FOR) && n->text && n->variable &&
		    !strcmp(n->text, name))
			*reg = n->variable->reg;
		if (n->kind == N_LAMBDA)
			continue;
		find_variable(n->a, name, reg);
		find_variable(n->b, name, reg);
		find_variable(n->c, name, reg);
		find_variable(n->list, name, reg);
	}
}

static void print_variable(struct vm *vm, const char *name)
{
	struct frame *f = top(vm);
	int reg = -1;
	find_variable(f->proto->node->list, name, &reg);
	find_variable(f->proto->node->a, name, &reg);
	if (reg >= 0 && reg < f->proto->registers) {
		value v = vm->task->stack[f->base + (uint32_t)reg];
		if (is_type(v, T_CELL))
			v = ((struct cell *)as_object(v))->item;
		printf("%s = %s\n", name, string_bytes(vm, value_inspect(vm, v)));
		return;
	}
	for (uint32_t i = 0; i < vm->program->global_count; i++)
		if (!strcmp(vm->program->globals[i].name, name)) {
			printf("%s = %s\n", name, string_bytes(vm, value_inspect(vm, vm->state->items[i])));
			return;
		}
	printf("no variable '%s' here\n", name);
}

static bool debugger_line(struct vm *vm, const struct ins *pc)
{
	struct debugger *d = vm->debugger;
	unsigned line = vm_line(top(vm)->proto, pc);
	bool stop = d->stepping && vm->task->frame_count <= d->stop_depth;
	for (unsigned i = 0; i < d->break_count && !stop; i++)
		stop = d->breaks[i] == line;
	if (!stop)
		return true;
	char input[256], word[64];
	fflush(vm->out);
	show_line(vm, pc);
	for (;;) {
		printf("(flux) ");
		fflush(stdout);
		if (!fgets(input, sizeof(input), stdin))
			strcpy(input, "quit");
		word[0] = 0;
		unsigned number;
		if (input[0] == '\n' || !strncmp(input, "step", 4) || !strcmp(input, "s\n")) {
			d->stepping = true;
			d->stop_depth = UINT32_MAX;
			return true;
		}
		if (!strncmp(input, "next", 4) || !strcmp(input, "n\n")) {
			d->stepping = true;
			d->stop_depth = vm->task->frame_count;
			return true;
		}
		if (!strncmp(input, "continue", 8) || !strcmp(input, "c\n")) {
			d->stepping = false;
			return true;
		}
		if (sscanf(input, "break %u", &number) == 1 && d->break_count < 64) {
			d->breaks[d->break_count++] = number;
			printf("stops at line %u\n", number);
		} else if (sscanf(input, "print %63s", word) == 1) {
			print_variable(vm, word);
		} else if (!strncmp(input, "where", 5)) {
			printf("%s\n", string_bytes(vm, vm_trace_text(vm)));
		} else if (!strncmp(input, "why", 3)) {
			value names = natives[native_find("active_intentions", 17)].code(vm, NULL, 0);
			printf("time %lld ns, timeline %s, active: %s\n%s\n", (long long)vm->clock_ns,
			       timeline_name(vm), string_bytes(vm, value_inspect(vm, names)),
			       string_bytes(vm, vm_trace_text(vm)));
		} else if (!strncmp(input, "quit", 4)) {
			vm->stopping = true;
			vm_raise(vm, "stop", "the debugger ended the run");
			return false;
		} else {
			printf("step, next, continue, break LINE, print NAME, where, why, quit\n");
		}
	}
}

int command_debug(int argc, char **argv)
{
	struct run_options options;
	const char *file;
	if (!parse_run_options(argc, argv, &options, &file))
		return 2;
	options.debug = true;
	struct source *source = source_load(file);
	struct vm *vm = source ? run_prepare(source, &options, stdout) : NULL;
	if (!vm)
		return source ? 1 : 2;
	struct debugger debugger = {.stepping = true, .stop_depth = UINT32_MAX};
	vm->debugger = &debugger;
	vm->on_line = debugger_line;
	int status =
	    options.input_path && !scheduler_load_input(vm, options.input_path) ? 2 : run_program(vm);
	run_finish(vm);
	return status;
}

static void profiler_sample(struct vm *vm)
{
	vm->profiler->samples++;
	if (vm->task->frame_count)
		top(vm)->proto->samples++;
}

static int by_samples(const void *a, const void *b)
{
	const struct proto *x = *(struct proto *const *)a, *y = *(struct proto *const *)b;
	return x->samples > y->samples ? -1 : x->samples < y->samples;
}

static void gather(struct proto *p, struct proto ***list, unsigned *count)
{
	if (!p)
		return;
	if (p->samples) {
		*list = realloc(*list, (*count + 1) * sizeof(struct proto *));
		if (!*list)
			abort();
		(*list)[(*count)++] = p;
	}
	for (uint32_t i = 0; i < p->inner_count; i++)
		gather(p->inner[i], list, count);
}

int command_profile(int argc, char **argv)
{
	struct run_options options;
	const char *file;
	if (!parse_run_options(argc, argv, &options, &file))
		return 2;
	struct source *source = source_load(file);
	struct vm *vm = source ? run_prepare(source, &options, stdout) : NULL;
	if (!vm)
		return source ? 1 : 2;
	struct profiler profiler = {0};
	vm->profiler = &profiler;
	vm->on_sample = profiler_sample;
	int status = run_program(vm);
	struct proto **list = NULL;
	unsigned count = 0;
	for (uint32_t i = 0; i < vm->program->function_count; i++)
		gather(vm->program->functions[i], &list, &count);
	for (uint32_t i = 0; i < vm->program->intention_count; i++)
		for (unsigned k = 0; k < CLAUSES; k++)
			gather(vm->program->intentions[i].clauses[k], &list, &count);
	if (count)
		qsort(list, count, sizeof(struct proto *), by_samples);
	fprintf(stderr, "%llu samples, one every %d calls and loop turns\n",
	        (unsigned long long)profiler.samples, POLL_QUANTUM);
	for (unsigned i = 0; i < count && i < 30; i++) {
		unsigned line, column;
		source_position(list[i]->source, list[i]->node->begin, &line, &column);
		fprintf(stderr, "%6.2f %%  %s (%s:%u)\n",
		        100.0 * (double)list[i]->samples / (double)profiler.samples, list[i]->name,
		        list[i]->source->name, line);
	}
	fprintf(stderr, "memory: %llu minor and %llu major collections, longest pause %.3f ms, all %.3f ms\n",
	        (unsigned long long)vm->heap.minor_collections,
	        (unsigned long long)vm->heap.major_collections, (double)vm->heap.longest_pause_ns / 1e6,
	        (double)vm->heap.total_pause_ns / 1e6);
	free(list);
	run_finish(vm);
	return status;
}
