/* Debug kernels fill freed frames and look at them when they are taken again, so that a late write and a second
 * freeing show. */
#include "log.h"
#include "memory.h"

#define POISON 0xdbdbdbdbdbdbdbdbull
#define FREED  0xdbu /* in frame->own_pins */

static uint64_t *words_of(const struct frame *frame)
{
	return frame_map((physical_t)(frame - frame_table) << 12);
}

bool frame_poison(struct frame *frame)
{
	if (frame->own_pins == FREED)
		panic("frame %lx is freed twice", frame_unmap(words_of(frame)));
	frame->own_pins = FREED;
	for (unsigned i = 0; i < 512; i++)
		words_of(frame)[i] = POISON;
	return true;
}

bool frame_poison_batch(struct frame_batch *batch)
{
	for (struct frame *frame = batch->first; frame_poison(frame) && frame != batch->last;)
		frame = frame->next;
	return true;
}

bool frame_unpoison(struct frame *frame, bool clean)
{
	for (unsigned i = 0; (clean || frame->own_pins == FREED) && i < 512; i++)
		if (words_of(frame)[i] != (clean ? 0 : POISON))
			panic("free frame %lx was written: word %u is %lx", frame_unmap(words_of(frame)), i,
			      words_of(frame)[i]);
	frame->own_pins = 0;
	return true;
}

bool frame_is_free(physical_t frame)
{
	return frame_of(frame)->own_pins == FREED;
}
