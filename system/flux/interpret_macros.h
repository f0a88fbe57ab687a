/*
 * What the instructions of the interpreter loop have in common: their fields, saving and loading the frame, and the shapes of
 * arithmetic, comparison and slow paths. The names are of the loop's local variables.
 */
#ifndef FLUX_INTERPRET_MACROS_H
#define FLUX_INTERPRET_MACROS_H

/* The fields of the instruction at hand, which is in one register: see struct ins. */
#define A_    ((uint8_t)(word >> 8))
#define B_    ((uint16_t)(word >> 16))
#define C_    ((uint16_t)(word >> 32))
#define D_    ((uint16_t)(word >> 48))
#define JUMP_ ((int32_t)(word >> 32))

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define LOAD()                                                                                               \
	do {                                                                                                 \
		f = &task->frames[task->frame_count - 1];                                                    \
		pc = f->pc;                                                                                  \
		R = task->stack + f->base;                                                                   \
		K = f->proto->constants;                                                                     \
	} while (0)
#define RELOAD()                                                                                             \
	do {                                                                                                 \
		f = &task->frames[task->frame_count - 1];                                                    \
		R = task->stack + f->base;                                                                   \
	} while (0)
#define NEXT                                                                                                 \
	do {                                                                                                 \
		memcpy(&word, pc++, sizeof(word));                                                           \
		goto *labels[(uint8_t)word];                                                                 \
	} while (0)
#define CASE(name) L_##name
#define SAVE()     (f->pc = pc)
#define GC_CHECK()                                                                                           \
	do {                                                                                                 \
		if (unlikely(vm->heap.wanted)) {                                                             \
			SAVE();                                                                              \
			gc_collect(vm);                                                                      \
		}                                                                                            \
	} while (0)
#define POLL()                                                                                               \
	do {                                                                                                 \
		if (unlikely(--vm->countdown <= 0)) {                                                        \
			SAVE();                                                                              \
			if (!vm_poll(vm))                                                                    \
				goto raise;                                                                  \
			RELOAD();                                                                            \
		}                                                                                            \
	} while (0)
#define SLOW(expression)                                                                                     \
	do {                                                                                                 \
		SAVE();                                                                                      \
		value slow_result = (expression);                                                            \
		if (unlikely(slow_result == V_RAISE))                                                        \
			goto raise;                                                                          \
		RELOAD();                                                                                    \
		R[A_] = slow_result;                                                                         \
		GC_CHECK();                                                                                  \
		NEXT;                                                                                        \
	} while (0)
#define ARITH(name, builtin, float_op, B)                                                                    \
	do {                                                                                                 \
		value a = R[B_], b = (B);                                                                    \
		if (likely(both_int(a, b))) {                                                                \
			int64_t r;                                                                           \
			if (likely(!builtin((int64_t)(a << 16), (int64_t)(b << 16), &r))) {                  \
				R[A_] = BITS_INT | (uint64_t)r >> 16;                                        \
				NEXT;                                                                        \
			}                                                                                    \
		} else if (likely(is_double(a) && is_double(b))) {                                           \
			double r = as_double(a) float_op as_double(b);                                       \
			memcpy(&R[A_], &r, sizeof(r));                                                       \
			NEXT;                                                                                \
		}                                                                                            \
		SLOW(op_arith(vm, OP_##name, a, b));                                                         \
	} while (0)
#define MULTIPLY(B)                                                                                          \
	do {                                                                                                 \
		value a = R[B_], b = (B);                                                                    \
		if (likely(is_double(a) && is_double(b))) {                                                  \
			double r = as_double(a) * as_double(b);                                              \
			memcpy(&R[A_], &r, sizeof(r));                                                       \
			NEXT;                                                                                \
		} else if (both_int(a, b)) {                                                                 \
			int64_t r;                                                                           \
			if (likely(!__builtin_mul_overflow((int64_t)(a << 16), as_small_int(b), &r))) {      \
				R[A_] = BITS_INT | (uint64_t)r >> 16;                                        \
				NEXT;                                                                        \
			}                                                                                    \
		}                                                                                            \
		SLOW(op_arith(vm, OP_MUL, a, b));                                                            \
	} while (0)
#define DIVIDE(B)                                                                                            \
	do {                                                                                                 \
		value a = R[B_], b = (B);                                                                    \
		if (likely(is_double(a) && is_double(b) && as_double(b) != 0)) {                             \
			double r = as_double(a) / as_double(b);                                              \
			memcpy(&R[A_], &r, sizeof(r));                                                       \
			NEXT;                                                                                \
		} else if (both_int(a, b) && b != BITS_INT) {                                                \
			double r = (double)as_small_int(a) / (double)as_small_int(b);                        \
			memcpy(&R[A_], &r, sizeof(r));                                                       \
			NEXT;                                                                                \
		}                                                                                            \
		SLOW(op_arith(vm, OP_DIV, a, b));                                                            \
	} while (0)
#define MODULO(B)                                                                                            \
	do {                                                                                                 \
		value a = R[B_], b = (B);                                                                    \
		if (likely(both_int(a, b) && b != BITS_INT)) {                                               \
			int64_t x = as_small_int(a), y = as_small_int(b), r = x % y;                         \
			if (r && (r ^ y) < 0)                                                                \
				r += y;                                                                      \
			R[A_] = from_small_int(r);                                                           \
			NEXT;                                                                                \
		}                                                                                            \
		SLOW(op_arith(vm, OP_MOD, a, b));                                                            \
	} while (0)
#define COMPARE(symbol, text, want)                                                                          \
	bool truth;                                                                                          \
	do {                                                                                                 \
		value a = R[COMPARE_A], b = R[COMPARE_B];                                                    \
		if (likely(both_int(a, b))) {                                                                \
			truth = (int64_t)(a << 16) symbol(int64_t)(b << 16);                                 \
		} else if (likely(is_double(a) && is_double(b))) {                                           \
			truth = as_double(a) symbol as_double(b);                                            \
		} else {                                                                                     \
			SAVE();                                                                              \
			int order = op_compare(vm, a, b, text);                                              \
			if (order == -2)                                                                     \
				goto raise;                                                                  \
			truth = (want);                                                                      \
		}                                                                                            \
	} while (0)
#define COMPARE_NUMBER(symbol, text, want)                                                                   \
	bool truth;                                                                                          \
	do {                                                                                                 \
		value a = R[A_];                                                                             \
		int16_t b = (int16_t)B_;                                                                     \
		if (likely(is_int(a))) {                                                                     \
			truth = as_small_int(a) symbol b;                                                    \
		} else if (is_double(a)) {                                                                   \
			truth = as_double(a) symbol(double) b;                                               \
		} else {                                                                                     \
			SAVE();                                                                              \
			int order = op_compare(vm, a, from_small_int(b), text);                              \
			if (order == -2)                                                                     \
				goto raise;                                                                  \
			truth = (want);                                                                      \
		}                                                                                            \
	} while (0)
#define EQUAL(A, B)                                                                                          \
	bool truth;                                                                                          \
	do {                                                                                                 \
		value a = (A), b = (B);                                                                      \
		if (a == b && !is_double(a))                                                                 \
			truth = true;                                                                        \
		else if (is_int(a) && is_int(b))                                                             \
			truth = false;                                                                       \
		else if (is_double(a) && is_double(b))                                                       \
			truth = as_double(a) == as_double(b);                                                \
		else                                                                                         \
			truth = value_equal(vm, a, b);                                                       \
	} while (0)
#define JUMP_IF(condition)                                                                                   \
	do {                                                                                                 \
		if (condition)                                                                               \
			pc += JUMP_;                                                                         \
		NEXT;                                                                                        \
	} while (0)
#define RETURN(what)                                                                                         \
	do {                                                                                                 \
		value v = (what);                                                                            \
		R[0] = v;                                                                                    \
		if (unlikely(--task->frame_count == stop_frame))                                             \
			return v;                                                                            \
		LOAD();                                                                                      \
		NEXT;                                                                                        \
	} while (0)

/* Whole instructions: a comparison whose result is kept, or that jumps. */
#define COMPARE_SET(name, symbol, text, want)                                                                \
	CASE(name) :                                                                                         \
	{                                                                                                    \
		COMPARE(symbol, text, want);                                                                 \
		R[A_] = from_bool(truth);                                                                    \
		NEXT;                                                                                        \
	}
#define COMPARE_JUMP(name, symbol, text, want, when)                                                         \
	CASE(name) :                                                                                         \
	{                                                                                                    \
		COMPARE(symbol, text, want);                                                                 \
		JUMP_IF(when);                                                                               \
	}
#define COMPARE_NUMBER_JUMP(name, symbol, text, want, when)                                                  \
	CASE(name) :                                                                                         \
	{                                                                                                    \
		COMPARE_NUMBER(symbol, text, want);                                                          \
		JUMP_IF(when);                                                                               \
	}
#define EQUAL_JUMP(name, A, B, when)                                                                         \
	CASE(name) :                                                                                         \
	{                                                                                                    \
		EQUAL(A, B);                                                                                 \
		JUMP_IF(when);                                                                               \
	}

#endif
