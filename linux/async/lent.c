/* Buffers that a guest lends a ring of io_uring(7) for whatever comes, by group: given one after the other
 * (PROVIDE_BUFFERS), or in a ring of its own, whose entries are read once and believed no more than any of the guest's.
 */
#include "uring.h"
#include "../mm/area.h"

#define LENT_MAX      65536u /* of a group */
#define LENDERS_MAX   1024u
#define LENT_RING_MAX 32768u

/* Entry of a guest's ring of buffers; the first one's tail is the ring's. */
struct lent_entry {
	uint64_t address;
	uint32_t bytes;
	uint16_t id, tail;
};

static struct uring_lenders *lenders_find(const struct uring *ring, uint16_t group)
{
	struct uring_lenders *lenders;
	list_for_each(lenders, &ring->lenders, link) if (lenders->group == group) return lenders;
	return 0;
}

static struct uring_lenders *lenders_create(struct uring *ring, uint16_t group)
{
	struct uring_lenders *lenders =
	    ring->lender_count < LENDERS_MAX ? heap_allocate(sizeof(*lenders)) : 0;
	if (!lenders)
		return 0;
	lenders->group = group;
	list_init(&lenders->lent);
	list_append(&ring->lenders, &lenders->link);
	ring->lender_count++;
	return lenders;
}

static uint32_t lenders_empty(struct uring_lenders *lenders, uint32_t most)
{
	uint32_t done = 0;
	while (done < most && !list_empty(&lenders->lent)) {
		struct uring_lent *lent = list_first(&lenders->lent, struct uring_lent, link);
		list_remove(&lent->link);
		heap_free(lent);
		lenders->count--;
		done++;
	}
	return done;
}

static void lenders_free(struct uring *ring, struct uring_lenders *lenders)
{
	(void)lenders_empty(lenders, UINT32_MAX);
	list_remove(&lenders->link);
	ring->lender_count--;
	heap_free(lenders);
}

int64_t uring_lend(struct uring *ring, const struct uring_sqe *sqe)
{
	uint32_t count = (uint32_t)sqe->fd, first = (uint32_t)sqe->offset;
	struct uring_lenders *lenders = lenders_find(ring, sqe->buffer);
	if (lenders && lenders->entries)
		return -EINVAL;
	if (!lenders)
		lenders = lenders_create(ring, sqe->buffer);
	if (!lenders)
		return -ENOMEM;
	for (uint32_t i = 0; i < count; i++) {
		struct uring_lent *lent = lenders->count < LENT_MAX ? heap_allocate(sizeof(*lent)) : 0;
		if (!lent)
			return i ? 0 : -ENOMEM;
		lent->address = sqe->address + (uint64_t)i * sqe->length;
		lent->bytes = sqe->length;
		lent->id = (uint16_t)(first + i);
		list_append(&lenders->lent, &lent->link);
		lenders->count++;
	}
	return 0;
}

int64_t uring_unlend(struct uring *ring, const struct uring_sqe *sqe)
{
	struct uring_lenders *lenders = lenders_find(ring, sqe->buffer);
	if (!lenders)
		return -ENOENT;
	return lenders->entries ? -EINVAL : lenders_empty(lenders, (uint32_t)sqe->fd);
}

static int borrow_from_ring(struct request *request, struct uring_lenders *lenders, uint64_t *address,
                            uint64_t *bytes)
{
	struct lent_entry entry;
	if (copy_from_user(&entry, lenders->address, sizeof(entry)))
		return -ENOBUFS;
	if (entry.tail == lenders->head)
		return -ENOBUFS;
	uint32_t at = lenders->head & (lenders->entries - 1);
	if (copy_from_user(&entry, lenders->address + at * sizeof(entry), sizeof(entry)))
		return -ENOBUFS;
	lenders->head++;
	request->lenders = lenders;
	request->buffer_id = entry.id;
	*address = entry.address;
	*bytes = *bytes && *bytes < entry.bytes ? *bytes : entry.bytes;
	return 0;
}

int uring_borrow(struct request *request, uint64_t *address, uint64_t *bytes)
{
	struct uring_lenders *lenders = lenders_find(request->ring, request->sqe.buffer);
	int error = !lenders ? -ENOBUFS : 0;
	if (!error && lenders->entries) {
		error = borrow_from_ring(request, lenders, address, bytes);
	} else if (!error && list_empty(&lenders->lent)) {
		error = -ENOBUFS;
	} else if (!error) {
		struct uring_lent *lent = list_first(&lenders->lent, struct uring_lent, link);
		list_remove(&lent->link);
		lenders->count--;
		request->lent = lent;
		request->buffer_id = lent->id;
		*address = lent->address;
		*bytes = *bytes && *bytes < lent->bytes ? *bytes : lent->bytes;
	}
	request->has_buffer = !error;
	return error;
}

void uring_give_back(struct request *request)
{
	if (!request->has_buffer)
		return;
	request->has_buffer = false;
	struct uring_lenders *lenders = lenders_find(request->ring, request->sqe.buffer);
	struct uring_lent *lent = request->lent;
	request->lent = 0;
	if (lent && lenders && !lenders->entries) {
		list_push(&lenders->lent, &lent->link);
		lenders->count++;
	} else {
		heap_free(lent);
		if (lenders && lenders->entries && lenders == request->lenders)
			lenders->head--;
	}
	request->lenders = 0;
}

/* struct io_uring_buf_reg */
struct lent_registration {
	uint64_t address;
	uint32_t entries;
	uint16_t group, pad;
	uint64_t reserved[3];
};

static int64_t lent_registration_read(struct lent_registration *wanted, uint64_t argument)
{
	if (copy_from_user(wanted, argument, sizeof(*wanted)))
		return -EFAULT;
	return wanted->pad || wanted->reserved[0] || wanted->reserved[1] || wanted->reserved[2] ? -EINVAL : 0;
}

int64_t uring_lent_ring_register(struct uring *ring, uint64_t argument)
{
	struct lent_registration wanted;
	int64_t error = lent_registration_read(&wanted, argument);
	if (error)
		return error;
	if (!wanted.address)
		return -EFAULT;
	if (!page_aligned(wanted.address) || !wanted.entries || (wanted.entries & (wanted.entries - 1)) ||
	    wanted.entries > LENT_RING_MAX)
		return -EINVAL;
	struct uring_lenders *lenders = lenders_find(ring, wanted.group);
	if (lenders && (lenders->entries || !list_empty(&lenders->lent)))
		return -EEXIST;
	if (!uring_range_writable(wanted.address, wanted.entries * sizeof(struct lent_entry)))
		return -EFAULT;
	if (!lenders)
		lenders = lenders_create(ring, wanted.group);
	if (!lenders)
		return -ENOMEM;
	lenders->address = wanted.address;
	lenders->entries = wanted.entries;
	lenders->head = 0;
	return 0;
}

int64_t uring_lent_ring_unregister(struct uring *ring, uint64_t argument)
{
	struct lent_registration wanted;
	int64_t error = lent_registration_read(&wanted, argument);
	if (error)
		return error;
	struct uring_lenders *lenders = lenders_find(ring, wanted.group);
	if (!lenders)
		return -ENOENT;
	if (!lenders->entries)
		return -EINVAL;
	lenders_free(ring, lenders);
	return 0;
}

void uring_lenders_free(struct uring *ring)
{
	while (!list_empty(&ring->lenders))
		lenders_free(ring, list_first(&ring->lenders, struct uring_lenders, link));
}
