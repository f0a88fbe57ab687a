/* See filter.h. */
#include "filter.h"

struct socket_filter {
	uint32_t references, length;
	bool wants_random;
	struct bpf_instruction program[];
};

int64_t socket_filter_make(uint64_t address, int32_t bytes, struct socket_filter **made)
{
	struct {
		uint16_t length, pad[3];
		uint64_t instructions;
	} given;
	if (bytes != sizeof(given))
		return -EINVAL;
	if (copy_from_user(&given, address, sizeof(given)))
		return -EFAULT;
	if (!given.instructions || !given.length || given.length > BPF_LENGTH_MAX)
		return -EINVAL;
	size_t size = given.length * sizeof(struct bpf_instruction);
	struct socket_filter *filter = heap_allocate(sizeof(*filter) + size);
	if (!filter)
		return -ENOMEM;
	filter->references = 1;
	filter->length = given.length;
	int64_t error = copy_from_user(filter->program, given.instructions, size) ? -EFAULT : 0;
	if (!error && !bpf_packet_valid(filter->program, filter->length))
		error = -EINVAL;
	if (error) {
		heap_free(filter);
		return error;
	}
	for (uint32_t i = 0; i < filter->length; i++)
		filter->wants_random |= filter->program[i].k == BPF_EXTRA_RANDOM;
	*made = filter;
	return 0;
}

struct socket_filter *socket_filter_reference(struct socket_filter *filter)
{
	if (filter)
		__atomic_add_fetch(&filter->references, 1, __ATOMIC_RELAXED);
	return filter;
}

void socket_filter_release(struct socket_filter *filter)
{
	if (filter && !__atomic_sub_fetch(&filter->references, 1, __ATOMIC_ACQ_REL))
		heap_free(filter);
}

uint32_t socket_filter_run(const struct socket_filter *filter, struct bpf_packet *packet)
{
	if (!filter)
		return packet->count ? packet->count : 1;
	if (filter->wants_random)
		random_bytes(&packet->random, sizeof(packet->random));
	packet->processor = current_area()->cpu;
	return bpf_packet_run(filter->program, packet);
}

uint32_t socket_filter_message(const struct socket_filter *filter, const void *bytes, uint32_t count)
{
	struct bpf_packet packet = {.bytes = bytes, .count = count};
	return filter ? socket_filter_run(filter, &packet) : UINT32_MAX;
}

int64_t socket_filter_tell(const struct socket_filter *filter, uint64_t address, uint32_t *room)
{
	uint32_t had = *room;
	*room = filter ? filter->length : 0;
	if (!filter || !had)
		return 0;
	if (had < filter->length)
		return -EINVAL;
	return copy_to_user(address, filter->program, filter->length * sizeof(struct bpf_instruction));
}
