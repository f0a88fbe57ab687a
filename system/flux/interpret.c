/*
 * The interpreter loop. Small integers and floats are handled here; everything else goes to the op_
 * functions. An instruction that may allocate ends with GC_CHECK, when its result is in a register: there,
 * and only there, garbage is collected. pc is saved to the frame before anything that may raise, call or
 * collect.
 */
#include "interpret_macros.h"
#include "runtime.h"

static __attribute__((noinline)) value run_loop(struct vm *vm, uint32_t stop_frame, bool raised)
{
	static const void *const labels[OPCODE_COUNT] = {
#define X(name, operands) &&L_##name,
	    OPCODES(X)
#undef X
	};
	struct task *task = vm->task;
	struct frame *f;
	const struct ins *pc;
	value *R;
	const value *K;
	uint64_t word;
	if (raised)
		goto raise;

	LOAD();
	NEXT;

	CASE(MOVE) : R[A_] = R[B_];
	NEXT;
	CASE(LOADK) : R[A_] = K[B_];
	NEXT;
	CASE(LOADI) : R[A_] = from_small_int(JUMP_);
	NEXT;
	CASE(LOADV) : R[A_] = B_ ? from_bool(B_ == 2) : V_NIL;
	NEXT;
	CASE(GETG) : R[A_] = vm->state->items[B_];
	NEXT;
	CASE(SETG) : vm_touch(vm, &vm->state->object);
	vm->state->items[B_] = R[A_];
	gc_write(vm, &vm->state->object, R[A_]);
	NEXT;
	CASE(GETX) : R[A_] = f->function->captured[B_];
	NEXT;
	CASE(GETXC) :
	{
		value cell = f->function->captured[B_];
		if (unlikely(!is_type(cell, T_CELL)))
			goto bad;
		R[A_] = ((struct cell *)as_object(cell))->item;
		NEXT;
	}
	CASE(SETXC) :
	{
		value cell = f->function->captured[B_];
		if (unlikely(!is_type(cell, T_CELL)))
			goto bad;
		cell_set(vm, (struct cell *)as_object(cell), R[A_]);
		NEXT;
	}
	CASE(CELL) : SAVE();
	R[A_] = from_object(cell_new(vm, R[B_]));
	GC_CHECK();
	NEXT;
	CASE(GETC) :
	{
		if (unlikely(!is_type(R[B_], T_CELL)))
			goto bad;
		R[A_] = ((struct cell *)as_object(R[B_]))->item;
		NEXT;
	}
	CASE(SETC) :
	{
		if (unlikely(!is_type(R[B_], T_CELL)))
			goto bad;
		cell_set(vm, (struct cell *)as_object(R[B_]), R[A_]);
		NEXT;
	}
	CASE(ADD) : ARITH(ADD, __builtin_add_overflow, +, R[C_]);
	CASE(SUB) : ARITH(SUB, __builtin_sub_overflow, -, R[C_]);
	CASE(MUL) : MULTIPLY(R[C_]);
	CASE(DIV) : DIVIDE(R[C_]);
	CASE(MOD) : MODULO(R[C_]);
	CASE(ADDK) : ARITH(ADD, __builtin_add_overflow, +, K[C_]);
	CASE(SUBK) : ARITH(SUB, __builtin_sub_overflow, -, K[C_]);
	CASE(MULK) : MULTIPLY(K[C_]);
	CASE(DIVK) : DIVIDE(K[C_]);
	CASE(MODK) : MODULO(K[C_]);
	CASE(ADDI) :
	{
		value a = R[B_];
		int16_t b = (int16_t)C_;
		if (likely(is_int(a))) {
			int64_t r;
			if (likely(!__builtin_add_overflow((int64_t)(a << 16), (int64_t)b * 65536, &r))) {
				R[A_] = BITS_INT | (uint64_t)r >> 16;
				NEXT;
			}
		} else if (is_double(a)) {
			R[A_] = from_double(as_double(a) + b);
			NEXT;
		}
		SLOW(b < 0 ? op_arith(vm, OP_SUB, a, from_small_int(-b))
		           : op_arith(vm, OP_ADD, a, from_small_int(b)));
	}
	CASE(IDIV) : SLOW(op_arith(vm, OP_IDIV, R[B_], R[C_]));
	CASE(POW) : SLOW(op_arith(vm, OP_POW, R[B_], R[C_]));
	CASE(BAND) :
	{
		value a = R[B_], b = R[C_];
		if (likely(both_int(a, b))) {
			R[A_] = a & b;
			NEXT;
		}
		SLOW(op_arith(vm, OP_BAND, a, b));
	}
	CASE(BOR) : SLOW(op_arith(vm, OP_BOR, R[B_], R[C_]));
	CASE(BXOR) :
	{
		value a = R[B_], b = R[C_];
		if (likely(both_int(a, b))) {
			R[A_] = (a ^ b) | BITS_INT;
			NEXT;
		}
		SLOW(op_arith(vm, OP_BXOR, a, b));
	}
	CASE(SHL) : SLOW(op_arith(vm, OP_SHL, R[B_], R[C_]));
	CASE(SHR) :
	{
		value a = R[B_], b = R[C_];
		if (likely(both_int(a, b) && (b & PAYLOAD_MASK) < 48)) {
			R[A_] = from_small_int(as_small_int(a) >> (b & 63));
			NEXT;
		}
		SLOW(op_arith(vm, OP_SHR, a, b));
	}
	CASE(NEG) : SLOW(op_negate(vm, R[B_]));
	CASE(NOT) : R[A_] = from_bool(!value_truthy(R[B_]));
	NEXT;
	CASE(BNOT) :
	{
		int64_t n;
		SAVE();
		if (!to_int64(R[B_], &n)) {
			vm_raise(vm, "type", "~ needs an integer, not %s", value_type_name(R[B_]));
			goto raise;
		}
		SLOW(from_int64(vm, ~n));
	}
	CASE(CONCAT) : SLOW(op_concat(vm, R[B_], R[C_]));
	CASE(EQ) :
	{
		EQUAL(R[B_], R[C_]);
		R[A_] = from_bool(truth);
		NEXT;
	}
	CASE(NE) :
	{
		EQUAL(R[B_], R[C_]);
		R[A_] = from_bool(!truth);
		NEXT;
	}
#define COMPARE_A B_
#define COMPARE_B C_
	COMPARE_SET(LT, <, "<", order == -1)
	COMPARE_SET(LE, <=, "<=", order == -1 || order == 0)
	COMPARE_SET(GT, >, ">", order == 1)
	COMPARE_SET(GE, >=, ">=", order == 1 || order == 0)
#undef COMPARE_A
#undef COMPARE_B
	CASE(BOOL) : R[A_] = from_bool(value_truthy(R[B_]));
	NEXT;
	CASE(JMP) : pc += JUMP_;
	NEXT;
	CASE(LOOP) : pc += JUMP_;
	POLL();
	NEXT;
	CASE(JT) :
	{
		value a = R[A_];
		JUMP_IF(a == V_TRUE || (a != V_FALSE && value_truthy(a)));
	}
	CASE(JF) :
	{
		value a = R[A_];
		JUMP_IF(a == V_FALSE || (a != V_TRUE && !value_truthy(a)));
	}
#define COMPARE_A A_
#define COMPARE_B B_
	COMPARE_JUMP(JLT, <, "<", order == -1, truth)
	COMPARE_JUMP(JLE, <=, "<=", order == -1 || order == 0, truth)
	COMPARE_JUMP(JNLT, <, "<", order == -1, !truth)
	COMPARE_JUMP(JNLE, <=, "<=", order == -1 || order == 0, !truth)
	COMPARE_JUMP(JGT, >, ">", order == 1, truth)
	COMPARE_JUMP(JGE, >=, ">=", order == 1 || order == 0, truth)
	COMPARE_JUMP(JNGT, >, ">", order == 1, !truth)
	COMPARE_JUMP(JNGE, >=, ">=", order == 1 || order == 0, !truth)
	EQUAL_JUMP(JEQ, R[A_], R[B_], truth)
	EQUAL_JUMP(JNE, R[A_], R[B_], !truth)
	COMPARE_NUMBER_JUMP(JLTI, <, "<", order == -1, truth)
	COMPARE_NUMBER_JUMP(JLEI, <=, "<=", order == -1 || order == 0, truth)
	COMPARE_NUMBER_JUMP(JGTI, >, ">", order == 1, truth)
	COMPARE_NUMBER_JUMP(JGEI, >=, ">=", order == 1 || order == 0, truth)
	COMPARE_NUMBER_JUMP(JNLTI, <, "<", order == -1, !truth)
	COMPARE_NUMBER_JUMP(JNLEI, <=, "<=", order == -1 || order == 0, !truth)
	COMPARE_NUMBER_JUMP(JNGTI, >, ">", order == 1, !truth)
	COMPARE_NUMBER_JUMP(JNGEI, >=, ">=", order == 1 || order == 0, !truth)
	EQUAL_JUMP(JEQK, R[A_], K[B_], truth)
	EQUAL_JUMP(JNEK, R[A_], K[B_], !truth)
	CASE(JOK) : JUMP_IF(R[A_] != V_NIL && !is_type(R[A_], T_ERROR));
	CASE(JNERR) : JUMP_IF(!is_type(R[A_], T_ERROR));
	CASE(GETFIELD) :
	{
		value o = R[B_];
		if (likely(is_type(o, T_STRUCT))) {
			struct instance *instance = (struct instance *)as_object(o);
			struct cache *cache = &f->proto->caches[D_];
			if (likely(cache->shape == instance->shape->id)) {
				R[A_] = instance->fields[cache->slot];
				NEXT;
			}
			int slot = shape_field(instance->shape, as_string(K[C_]));
			if (slot >= 0) {
				cache->shape = instance->shape->id;
				cache->slot = (uint32_t)slot;
				R[A_] = instance->fields[slot];
				NEXT;
			}
		}
		SLOW(op_get_field(vm, o, as_string(K[C_])));
	}
	CASE(SETFIELD) :
	{
		value o = R[A_], v = R[B_];
		if (likely(is_type(o, T_STRUCT))) {
			struct instance *instance = (struct instance *)as_object(o);
			struct cache *cache = &f->proto->caches[D_];
			/* Only fields without a type note are cached here. */
			if (likely(cache->shape == instance->shape->id)) {
				vm_touch(vm, &instance->object);
				instance->fields[cache->slot] = v;
				gc_write(vm, &instance->object, v);
				NEXT;
			}
			int slot = shape_field(instance->shape, as_string(K[C_]));
			if (slot >= 0 && !instance->shape->types[slot]) {
				cache->shape = instance->shape->id;
				cache->slot = (uint32_t)slot;
			}
		}
		SAVE();
		if (!op_set_field(vm, o, as_string(K[C_]), v))
			goto raise;
		GC_CHECK();
		NEXT;
	}
	CASE(GETIDX) :
	{
		value o = R[B_], at = R[C_];
		if (likely(is_object(o))) {
			if (as_object(o)->type == T_LIST) {
				struct list *list = as_list(o);
				uint64_t n = at - BITS_INT;
				if (likely(n < list->length)) {
					R[A_] = list->items[n];
					NEXT;
				}
			} else if (as_object(o)->type == T_MAP) {
				value v = map_key_ok(at) ? map_get(vm, as_map(o), at) : V_EMPTY;
				if (likely(v != V_EMPTY)) {
					R[A_] = v;
					NEXT;
				}
			}
		}
		SLOW(op_get_index(vm, o, at));
	}
	CASE(SETIDX) :
	{
		value o = R[A_], at = R[B_], v = R[C_];
		if (likely(is_type(o, T_LIST))) {
			struct list *list = as_list(o);
			uint64_t n = at - BITS_INT;
			if (likely(n < list->length && !(list->object.flags & OBJECT_FROZEN))) {
				vm_touch(vm, &list->object);
				list->items[n] = v;
				gc_slot(vm, &list->object, v, list->length);
				NEXT;
			}
		}
		SAVE();
		if (!op_set_index(vm, o, at, v))
			goto raise;
		GC_CHECK();
		NEXT;
	}
	CASE(SLICE) : SLOW(op_slice(vm, R[B_], R[C_], R[D_]));
	CASE(CALLF) :
	{
		struct proto *p = vm->program->functions[C_];
		uint32_t base = f->base + A_;
		POLL();
		SAVE();
		if (likely(base + p->registers <= task->stack_size &&
		           task->frame_count < task->frame_capacity)) {
			f = &task->frames[task->frame_count++];
			f->proto = p;
			f->function = NULL;
			f->base = base;
			f->seen = 0;
			R += A_;
		} else {
			if (!vm_push_frame(vm, p, NULL, base))
				goto raise;
			RELOAD();
		}
		pc = p->code;
		K = p->constants;
		NEXT;
	}
	CASE(CALLN) :
	{
		SAVE();
		value v = natives[C_].code(vm, R + A_, B_);
		if (unlikely(v == V_RAISE))
			goto raise;
		RELOAD();
		R[A_] = v;
		GC_CHECK();
		NEXT;
	}
	CASE(CALL) :
	{
		bool done;
		POLL();
		SAVE();
		value callee = R[A_];
		for (unsigned n = 0; n < B_; n++)
			R[A_ + n] = R[A_ + n + 1];
		if (unlikely(!op_enter(vm, callee, f->base + A_, B_, &done)))
			goto raise;
		if (done) {
			RELOAD();
			GC_CHECK();
			NEXT;
		}
		goto entered;
	}
	CASE(CALLM) :
	{
		value o = R[A_], callee = V_EMPTY;
		struct cache *cache = &f->proto->caches[D_];
		POLL();
		SAVE();
		if (is_type(o, T_STRUCT)) {
			int slot = shape_field(((struct instance *)as_object(o))->shape, as_string(K[C_]));
			if (slot >= 0)
				callee = ((struct instance *)as_object(o))->fields[slot];
		} else if (is_type(o, T_MAP)) {
			callee = map_get(vm, as_map(o), K[C_]);
		} else if (cache->shape == UINT32_MAX &&
		           cache->slot >> 16 == (is_object(o) ? as_object(o)->type : 0)) {
			value v = natives[cache->slot & 0xFFFF].code(vm, R + A_, B_ + 1u);
			if (unlikely(v == V_RAISE))
				goto raise;
			RELOAD();
			R[A_] = v;
			GC_CHECK();
			NEXT;
		}
		if (is_type(callee, T_FUNCTION) || is_type(callee, T_NATIVE)) {
			bool done;
			for (unsigned n = 0; n < B_; n++)
				R[A_ + n] = R[A_ + n + 1];
			if (!op_enter(vm, callee, f->base + A_, B_, &done))
				goto raise;
			if (!done)
				goto entered;
			RELOAD();
			GC_CHECK();
			NEXT;
		}
		op_remember_method(vm, cache, o, as_string(K[C_]), B_);
		SLOW(op_method(vm, o, as_string(K[C_]), R + A_, B_));
	}
	CASE(RET) : RETURN(R[A_]);
	CASE(RETNIL) : RETURN(V_NIL);
	CASE(LIST) :
	{
		SAVE();
		struct list *list = list_new(vm, C_);
		if (C_)
			memcpy(list->items, R + B_, C_ * sizeof(value));
		list->length = C_;
		R[A_] = from_object(list);
		GC_CHECK();
		NEXT;
	}
	CASE(MAP) : SLOW(op_make_map(vm, R + B_, C_));
	CASE(DIST) :
	{
		SAVE();
		struct dist *dist = dist_make(vm, R + B_, C_);
		if (!dist)
			goto raise;
		R[A_] = from_object(dist);
		GC_CHECK();
		NEXT;
	}
	CASE(STRUCT) :
	{
		struct shape *shape = (struct shape *)as_object(R[D_]);
		SAVE();
		if (unlikely(!is_type(R[D_], T_SHAPE) || shape->count != C_))
			goto bad;
		struct instance *instance =
		    heap_allocate(vm, T_STRUCT, sizeof(*instance) + C_ * sizeof(value));
		instance->shape = shape;
		for (unsigned n = 0; n < C_; n++)
			instance->fields[n] = R[B_ + n];
		R[A_] = from_object(instance);
		GC_CHECK();
		NEXT;
	}
	CASE(CLOSURE) : SLOW(op_make_closure(vm, f->proto->inner[B_], f->function, R));
	CASE(ITER) : SLOW(op_iterate(vm, R[B_], C_));
	CASE(NEXT) :
	{
		value o = R[A_], key;
		if (unlikely(!is_type(o, T_ITERATOR)))
			goto bad;
		struct iterator *iterator = (struct iterator *)as_object(o);
		if (likely(is_type(iterator->source, T_LIST))) {
			struct list *list = as_list(iterator->source);
			if (iterator->at < list->length) {
				R[A_ + 1] = list->items[iterator->at++];
				NEXT;
			}
			pc += JUMP_;
			NEXT;
		}
		SAVE();
		if (!op_next(vm, iterator, is_type(iterator->source, T_MAP) ? &R[A_ + 1] : &key,
		             is_type(iterator->source, T_MAP) ? &key : &R[A_ + 1]))
			pc += JUMP_;
		GC_CHECK();
		NEXT;
	}
	CASE(NEXT2) :
	{
		value o = R[A_];
		if (unlikely(!is_type(o, T_ITERATOR)))
			goto bad;
		SAVE();
		if (!op_next(vm, (struct iterator *)as_object(o), &R[A_ + 1], &R[A_ + 2]))
			pc += JUMP_;
		GC_CHECK();
		NEXT;
	}
	CASE(FORPREP) :
	{
		value from = R[A_], to = R[A_ + 1];
		if (unlikely(!both_int(from, to))) {
			SAVE();
			if (!op_range(vm, &from, &to))
				goto raise;
		}
		int64_t end = as_small_int(to) + (B_ != 0);
		if (as_small_int(from) >= end) {
			pc += JUMP_;
			NEXT;
		}
		R[A_] = from;
		R[A_ + 1] = from_small_int(end > SMALL_INT_MAX ? SMALL_INT_MAX : end);
		R[A_ + 2] = from;
		NEXT;
	}
	CASE(FORLOOP) :
	{
		int64_t n = as_small_int(R[A_]) + 1;
		if (n < as_small_int(R[A_ + 1])) {
			R[A_] = R[A_ + 2] = from_small_int(n);
			pc += JUMP_;
			POLL();
		}
		NEXT;
	}
	CASE(TRY) :
	{
		SAVE();
		if (!vm_push_handler(vm, (struct handler){task->frame_count - 1, A_, f->proto, pc + JUMP_}))
			goto raise;
		NEXT;
	}
	CASE(ENDTRY) :
	{
		if (task->handler_count &&
		    task->handlers[task->handler_count - 1].frame == task->frame_count - 1)
			task->handler_count--;
		NEXT;
	}
	CASE(RAISE) : SAVE();
	vm_raise_value(vm, R[A_]);
	goto raise;
	CASE(CHECK) :
	{
		value v = R[A_];
		if (likely((B_ == TYPE_NUMBER && (is_int(v) || is_double(v)))))
			NEXT;
		struct shape *shape = (B_ & ~TYPE_OPTIONAL) == TYPE_STRUCT && is_type(R[D_], T_SHAPE)
		                          ? (struct shape *)as_object(R[D_])
		                          : NULL;
		if (unlikely(!op_check_type(vm, v, B_, shape))) {
			SAVE();
			op_type_error(vm, v, B_, shape, K[C_]);
			goto raise;
		}
		NEXT;
	}
	CASE(SEND) :
	{
		SAVE();
		if (!op_send(vm, R[A_], R[B_], C_ ? R[B_ + 1] : V_NIL))
			goto raise;
		GC_CHECK();
		NEXT;
	}
	CASE(LINE) :
	{
		SAVE();
		if (vm->on_line && !vm->on_line(vm, pc))
			goto raise;
		RELOAD();
		NEXT;
	}

entered:
	f = &task->frames[task->frame_count - 1];
	R = task->stack + f->base;
	K = f->proto->constants;
	pc = f->proto->code;
	NEXT;

bad:
	SAVE();
	vm_raise(vm, "internal", "an instruction found a value of the wrong kind");
	goto raise;

raise:
	while (task->handler_count && task->handlers[task->handler_count - 1].frame >= stop_frame) {
		struct handler handler = task->handlers[--task->handler_count];
		if (vm->stopping || handler.frame >= task->frame_count ||
		    task->frames[handler.frame].proto != handler.proto)
			continue;
		task->frame_count = handler.frame + 1;
		task->frames[handler.frame].pc = handler.target;
		LOAD();
		R[handler.reg] = vm->error;
		vm->error = V_NIL;
		NEXT;
	}
	task->frame_count = stop_frame;
	return V_RAISE;
}

value vm_interpret(struct vm *vm, uint32_t stop_frame)
{
	jmp_buf *outer = vm->memory_jump, jump;
	unsigned nested = vm->nested, unbroken = vm->unbroken, merging = vm->merging;
	value v;
	/* A native that gives up (vm_out_of_memory) lands here; the loop reads everything again from the frames. */
	vm->memory_jump = &jump;
	if (!setjmp(jump)) {
		v = run_loop(vm, stop_frame, false);
	} else {
		vm->nested = nested;
		vm->unbroken = unbroken;
		vm->merging = merging;
		vm->memory_jump = &jump;
		v = run_loop(vm, stop_frame, true);
	}
	vm->memory_jump = outer;
	return v;
}
