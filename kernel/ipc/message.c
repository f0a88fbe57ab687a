/* See message.h. The sender's page is shared with its user code: each word of it is read once. */
#include "bytes.h"
#include "message.h"

int64_t transfer_prepare(struct transfer *transfer, struct thread *from, struct thread *to, uint64_t info)
{
	uint32_t count = INFO_CAPS(info);
	int64_t error;

	transfer->count = 0;
	for (uint32_t index = 0; index < count; index++) {
		handle_t handle = ((volatile handle_t *)from->page->caps)[index];
		uint64_t mode = ((volatile uint64_t *)from->page->cap_modes)[index];
		uint16_t rights = RIGHT_MOVE;

		if ((mode & 0xffff) == CAP_TRANSFER_COPY)
			rights |= RIGHT_COPY;
		else if (mode != CAP_TRANSFER_MOVE)
			return E_ARGUMENT;
		if (mode >> 32)
			return E_ARGUMENT;
		error = cap_lookup(from->unit, handle, OBJECT_NONE, rights, &transfer->caps[index]);
		if (error)
			return error;
		transfer->modes[index] = mode;
	}
	error = count ? cap_reserve(to->unit, count) : E_OK;
	if (!error)
		transfer->count = count;
	return error;
}

void transfer_cancel(struct transfer *transfer, struct thread *to)
{
	if (transfer->count)
		cap_unreserve(to->unit, transfer->count);
}

static void transfer_commit(struct transfer *transfer, struct thread *from, struct thread *to, uint64_t info)
{
	for (uint32_t index = 0; index < transfer->count; index++) {
		const struct cap_view *cap = &transfer->caps[index];
		uint16_t mask = (uint16_t)(transfer->modes[index] >> 16);

		if ((transfer->modes[index] & 0xffff) == CAP_TRANSFER_MOVE)
			to->page->caps[index] = cap_move_reserved(to->unit, cap);
		else
			to->page->caps[index] = cap_insert_reserved(
			    to->unit, cap->object, mask ? cap->rights & mask : cap->rights, 0, cap);
	}
	for (uint32_t index = transfer->count; index < MESSAGE_CAPS_MAX; index++)
		to->page->caps[index] = 0;
	if (INFO_BYTES(info))
		memcpy(to->page->bytes, from->page->bytes, INFO_BYTES(info));
}

void message_send(struct transfer *transfer, struct thread *from, struct thread *to, uint64_t badge,
                  uint64_t info)
{
	arch_message_copy(to, from);
	if (info)
		transfer_commit(transfer, from, to, info);
	arch_message_deliver(to, E_OK, badge, info);
}
