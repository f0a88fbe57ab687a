/* The machine: its memory, the loop over frames, and what happens when a frame ends. */
#include "evm/frame.h"

#include "num/arena.h"
#include "rlp/rlp.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#define STACK_BYTES  (((size_t)EVM_MAX_DEPTH + 2) * (EVM_STACK_LIMIT + 1) * sizeof(struct u256))
#define KEEP_TOUCHED ((size_t)4 << 20) /* memory above this is given back after a message */

const char *evm_status_text(enum evm_status status)
{
	static const char *const texts[] = {
	    [EVM_SUCCESS] = "success",
	    [EVM_REVERTED] = "execution reverted",
	    [EVM_OUT_OF_GAS] = "out of gas",
	    [EVM_STACK_ERROR] = "stack underflow or overflow",
	    [EVM_BAD_INSTRUCTION] = "invalid opcode",
	    [EVM_BAD_JUMP] = "invalid jump destination",
	    [EVM_WRITE_PROTECTION] = "write protection",
	    [EVM_BAD_RETURN_DATA] = "return data out of bounds",
	    [EVM_CODE_TOO_LARGE] = "max code size exceeded",
	    [EVM_BAD_CODE] = "invalid code: must not begin with 0xef",
	    [EVM_COLLISION] = "contract address collision",
	    [EVM_PRECOMPILE_FAILED] = "precompiled contract failed",
	    [EVM_CALLING] = "call under way",
	};
	return texts[status];
}

static void *reserve(size_t size)
{
	void *memory =
	    mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED) {
		fprintf(stderr,
		        "holon-ledger: cannot reserve %zu MiB of address space for the virtual machine\n",
		        size >> 20);
		abort();
	}
	return memory;
}

struct evm *evm_create(enum fork fork)
{
	struct evm *evm = checked_zalloc(1, sizeof *evm);
	evm->fork = fork;
	evm->frames = checked_zalloc(EVM_MAX_DEPTH + 1, sizeof *evm->frames);
	evm->digests = checked_zalloc((size_t)1 << DIGEST_CACHE_BITS, sizeof *evm->digests);
	evm->memory = reserve(EVM_MEMORY_SIZE);
	evm->memory_touched = evm->memory;
	evm->stack = reserve(STACK_BYTES);
	return evm;
}

void evm_destroy(struct evm *evm)
{
	munmap(evm->memory, EVM_MEMORY_SIZE);
	munmap(evm->stack, STACK_BYTES);
	free(evm->frames);
	free(evm->digests);
	free(evm->return_data);
	free(evm);
}

uint8_t *evm_return_buffer(struct evm *evm, size_t size)
{
	if (size > evm->return_room) {
		free(evm->return_data);
		evm->return_room = size < 4096 ? 4096 : size + size / 2;
		evm->return_data = checked_alloc(evm->return_room);
	}
	evm->return_size = size;
	return evm->return_data;
}

void evm_create_address(struct address *out, const struct address *creator, uint64_t nonce)
{
	struct rlp_writer writer = {0};
	uint8_t digest[32];
	const size_t list = rlp_begin_list(&writer);
	rlp_put_bytes(&writer, creator->bytes, 20);
	rlp_put_u64(&writer, nonce);
	rlp_end_list(&writer, list);
	keccak256(digest, writer.bytes, writer.length);
	rlp_free(&writer);
	memcpy(out->bytes, digest + 12, 20);
}

/* ---- frames ---- */
struct frame *frame_push(struct evm *evm, const struct frame *parent)
{
	struct frame *frame = parent ? (struct frame *)(uintptr_t)parent + 1 : evm->frames;
	frame->evm = evm;
	frame->depth = (uint16_t)(frame - evm->frames);
	frame->memory = parent ? parent->memory + parent->memory_size : evm->memory;
	frame->memory_size = 0;
	frame->stack = parent ? NULL : evm->stack;
	frame->is_create = false;
	frame->once = NULL;
	frame->refund_mark = evm->refund;
	return frame;
}

void frame_start(struct evm *evm, struct frame *frame)
{
	if (!frame->once)
		code_prepare(evm->state->codes, frame->code);
	frame->ip = frame->code->instructions;
	frame->sp = frame->stack;
	evm->return_size = 0;
	evm->top = frame;
}

/* New code: its size, first byte and cost (EIP-170, EIP-3541). */
static void deposit_code(struct evm *evm, struct frame *f)
{
	const int64_t cost = GAS_CODE_BYTE * (int64_t)f->output_size;
	enum evm_status status = EVM_SUCCESS;
	if (f->output_size > EVM_MAX_CODE)
		status = EVM_CODE_TOO_LARGE;
	else if (f->output_size && f->output[0] == 0xef)
		status = EVM_BAD_CODE;
	else if (cost > f->gas)
		status = EVM_OUT_OF_GAS;
	if (status != EVM_SUCCESS) {
		f->status = status;
		f->gas = 0;
	} else {
		f->gas -= cost;
		struct hash32 hash;
		keccak256(hash.bytes, f->output, f->output_size);
		state_set_code(evm->state, f->self,
		               code_cache_add(evm->state->codes, &hash, f->output, f->output_size));
	}
	f->output = NULL;
	f->output_size = 0;
}

/* Settles a frame that ended: undoes it when it failed, and moves its output to the return data. */
static void finish(struct evm *evm, struct frame *f)
{
	if (f->is_create && f->status == EVM_SUCCESS)
		deposit_code(evm, f);
	if (f->once) {
		code_free(f->once);
		f->once = NULL;
	}
	if (f->status != EVM_SUCCESS) {
		state_undo(evm->state, f->mark, f->log_mark);
		evm->refund = f->refund_mark;
	}
	uint8_t *buffer = evm_return_buffer(evm, f->output_size);
	if (f->output_size)
		memcpy(buffer, f->output, f->output_size);
}

/* Gives the caller its callee's result. */
static void resume(struct evm *evm, const struct frame *callee, struct frame *caller)
{
	const bool success = callee->status == EVM_SUCCESS;
	caller->gas += callee->gas;
	struct u256 *result = ++caller->sp;
	if (callee->is_create) {
		if (success)
			word_from_address(result, &callee->self->address);
		else
			*result = U256_ZERO;
	} else {
		*result = u256_from(success);
		const uint64_t size =
		    evm->return_size < caller->return_size ? evm->return_size : caller->return_size;
		if (size)
			memcpy(caller->memory + caller->return_offset, evm->return_data, size);
	}
	evm->top = caller;
}

static void run(struct evm *evm)
{
	for (;;) {
		struct frame *f = evm->top;
		f->ip->run(f->ip, f->sp, f->gas, f);
		if (f->status == EVM_CALLING)
			continue;
		finish(evm, f);
		if (f->depth == 0)
			return;
		resume(evm, f, f - 1);
	}
}

static void give_memory_back(struct evm *evm)
{
	const size_t touched = (size_t)(evm->memory_touched - evm->memory);
	if (touched > KEEP_TOUCHED) {
		madvise(evm->memory, (touched + 4095) & ~(size_t)4095, MADV_DONTNEED);
		evm->memory_touched = evm->memory;
	}
}

/* Starts the first frame. Returns false when the message is answered without one; *result then says how. */
static bool begin(struct evm *evm, const struct evm_message *message, struct evm_result *result)
{
	struct state *state = evm->state;
	struct account *caller = state_account(state, &message->caller);
	struct account *self = state_account(state, &message->to);
	const size_t mark = state_mark(state);
	const size_t log_mark = state->log_count;
	*result = (struct evm_result){.status = EVM_SUCCESS, .gas_left = message->gas};
	if (message->create) {
		if (self->now.nonce || self->now.has_storage ||
		    !hash32_equal(&self->now.code_hash, &keccak_of_nothing)) {
			*result = (struct evm_result){.status = EVM_COLLISION};
			return false;
		}
		state_set_created(state, self);
		state_set_nonce(state, self, 1);
	}
	transfer_value(state, caller, self, &message->value);
	const struct code *code = &code_empty;
	if (!message->create) {
		code = state_code(state, self);
		const unsigned precompile = code->size == 0 ? precompile_number(evm->fork, &message->to) : 0;
		if (precompile) {
			if (!precompile_run(evm, precompile, message->input, message->input_size,
			                    &result->gas_left)) {
				evm->return_size = 0;
				state_undo(state, mark, log_mark);
				*result = (struct evm_result){.status = EVM_PRECOMPILE_FAILED};
			}
			result->output = evm->return_data;
			result->output_size = evm->return_size;
			return false;
		}
		/* The transaction has warmed the delegate: EIP-7702. */
		if (code->is_delegation && evm->fork >= FORK_PRAGUE)
			code = state_code(state, state_account(state, &code->delegate));
		if (code->size == 0)
			return false;
	}
	struct frame *frame = frame_push(evm, NULL);
	if (message->create)
		frame->once = code_create_once(message->input, message->input_size, evm->fork);
	frame->code = frame->once ? frame->once : code;
	frame->is_create = message->create;
	frame->self = self;
	frame->input = message->create ? NULL : message->input;
	frame->input_size = message->create ? 0 : message->input_size;
	frame->caller = message->caller;
	frame->value = message->value;
	frame->is_static = message->is_static;
	frame->gas = message->gas;
	frame->mark = mark;
	frame->log_mark = log_mark;
	frame_start(evm, frame);
	return true;
}

struct evm_result evm_run(struct evm *evm, const struct evm_message *message)
{
	struct evm_result result;
	evm->return_size = 0;
	if (begin(evm, message, &result)) {
		run(evm);
		const struct frame *frame = evm->frames;
		result = (struct evm_result){
		    .status = frame->status,
		    .gas_left = frame->gas,
		    .output = evm->return_data,
		    .output_size = evm->return_size,
		};
		give_memory_back(evm);
	}
	return result;
}
