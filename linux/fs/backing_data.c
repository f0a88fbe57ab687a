/* See backing.h: contents.
 *
 * Two bits a page say what is where: absent, the service has it and this sub-kernel has not; dirty, it differs
 * from the service's. A page is dirty only where the service has promised room for it, which it gives a MiB at
 * a time (struct backing, credit), so that a full vault is an error of write(2) and not of a later write back.
 * A mapping's first write to a page that is not dirty is a fault, which makes it dirty or, for want of room, is a
 * bus error; write back takes the right to write away again before it looks at the pages.
 */
#include "backing_calls.h"
#include "ramfs_data.h"

#define PAGE           4096ull
#define PAGES(bytes)   (((bytes) + PAGE - 1) / PAGE)
#define AHEAD_FIRST    8u                     /* pages */
#define AHEAD_MAX      64u                    /* pages */
#define CREDIT_AHEAD   (FILE_RESERVE_MAX / 2) /* for mappings, as far as there is room */
#define WRITE_BACK_NS  (5 * NS_PER_SECOND)
#define TRANSFER_PAGES (FILE_TRANSFER_MAX / PAGE)
#define BESIDE_PAGES   AHEAD_MAX
#define BESIDE_BYTES   (BESIDE_PAGES * PAGE)
#define BUFFER_TRIES   8u /* to find the buffer free before it is waited for with the common lock held */

enum { ABSENT = 0, DIRTY = 1 };

/* Faults of mappings change `credit` and dirty bits beside who shares the common lock; who holds it alone needs it not. */
static struct lock room_lock = LOCK_INIT(LOCK_ROOM);

static bool has(const struct ram_node *node, unsigned kind, uint64_t page)
{
	return page / 64 < node->data.page_words &&
	       __atomic_load_n(&node->data.pages[page / 64 * 2 + kind], __ATOMIC_ACQUIRE) >> page % 64 & 1;
}

static void set(struct ram_node *node, unsigned kind, uint64_t page, bool value)
{
	uint64_t *word;
	if (page / 64 >= node->data.page_words)
		return;
	word = &node->data.pages[page / 64 * 2 + kind];
	if (kind == DIRTY && value != (*word >> page % 64 & 1)) {
		__atomic_fetch_add(&node->data.dirty, value ? 1 : -1ull, __ATOMIC_RELAXED);
		__atomic_fetch_add(&node->data.unkept, value ? 1 : 0, __ATOMIC_RELAXED);
	}
	__atomic_store_n(word, value ? *word | 1ull << page % 64 : *word & ~(1ull << page % 64),
	                 __ATOMIC_RELEASE);
}

/* The first page from FIRST on, before LAST, that has KIND; or LAST. */
static uint64_t next(const struct ram_node *node, unsigned kind, uint64_t first, uint64_t last)
{
	while (first < last && first / 64 < node->data.page_words) {
		uint64_t bits = node->data.pages[first / 64 * 2 + kind] >> first % 64;
		if (bits) {
			first += (uint64_t)__builtin_ctzll(bits);
			return first < last ? first : last;
		}
		first = (first | 63) + 1;
	}
	return last;
}

/* There are bits for SIZE bytes. */
static int pages_for(struct ram_node *node, uint64_t size)
{
	uint64_t words = (PAGES(size) + 63) / 64;
	if (words <= node->data.page_words)
		return 0;
	if (words < 2ull * node->data.page_words)
		words = 2ull * node->data.page_words;
	if (words > UINT32_MAX / 16)
		return -EFBIG;
	uint64_t *grown = heap_resize(node->data.pages, words * 16);
	if (!grown)
		return -ENOSPC;
	node->data.pages = grown;
	node->data.page_words = (uint32_t)words;
	return 0;
}

static void all_absent(struct ram_node *node)
{
	uint64_t pages = PAGES(node->vnode.size);
	node->data.changes++;
	for (uint64_t word = 0; word < node->data.page_words; word++) {
		uint64_t left = pages > word * 64 ? pages - word * 64 : 0;
		node->data.pages[word * 2 + ABSENT] = left >= 64 ? ~0ull : (1ull << left) - 1;
		node->data.pages[word * 2 + DIRTY] = 0;
	}
	node->data.dirty = 0;
}

/* The service has said that NODE takes BYTES. */
static void kept(struct ram_node *node, uint64_t bytes)
{
	node->data.kept = bytes;
	node->data.unkept = node->data.dirty;
}

bool ramfs_kept(struct vnode *vnode, uint64_t *bytes)
{
	const struct ram_node *node = ram_node(vnode);
	if (!ram_backing(node) || !node->upper)
		return false;
	uint64_t most = PAGES(vnode->size) * PAGE;
	uint64_t has = __atomic_load_n(&node->data.kept, __ATOMIC_RELAXED);
	uint64_t more = __atomic_load_n(&node->data.unkept, __ATOMIC_RELAXED);
	if (has < most)
		has = more < (most - has) / PAGE ? has + more * PAGE : most;
	*bytes = has;
	return true;
}

int backing_data_init(struct ram_node *node)
{
	int error = pages_for(node, node->vnode.size);
	if (!error)
		all_absent(node);
	return error;
}

static void loaded(struct ram_node *node, uint64_t pages)
{
	struct backing *backing = ram_backing(node);
	if (list_empty(&node->loaded))
		list_append(&backing->loaded, &node->loaded);
	node->data.loaded += pages * PAGE;
	backing->loaded_bytes += pages * PAGE;
}

static void unloaded(struct ram_node *node)
{
	ram_backing(node)->loaded_bytes -= node->data.loaded;
	node->data.loaded = 0;
	list_remove(&node->loaded);
}

int backing_data_again(struct ram_node *node, uint64_t size)
{
	if (!list_empty(&node->dirty) || (node->vnode.object && node->vnode.object->references > 1))
		return 0;
	ram_data_drop(node);
	unloaded(node);
	node->vnode.size = size;
	int error = pages_for(node, size);
	if (!error)
		all_absent(node);
	return error;
}

/* Pages [FIRST, LAST) will not be written: what was promised for them is there for others. */
static void pages_clean(struct ram_node *node, uint64_t first, uint64_t last)
{
	for (uint64_t page = next(node, DIRTY, first, last); page < last;
	     page = next(node, DIRTY, page + 1, last)) {
		set(node, DIRTY, page, false);
		ram_backing(node)->credit += PAGE;
	}
}

void backing_data_gone(struct ram_node *node)
{
	pages_clean(node, 0, node->data.page_words * 64ull);
	unloaded(node);
	list_remove(&node->dirty);
	heap_free(node->data.pages);
	node->data.pages = 0;
	node->data.page_words = 0;
	node->data.writable = false;
}

void backing_protect(struct ram_node *node)
{
	if (node->data.writable)
		mm_file_clean(&node->vnode);
	node->data.writable = false;
}

/* ---- From the service ---- */

bool backing_readable(const struct ram_node *node, uint64_t start, uint64_t end)
{
	return start >= end || next(node, ABSENT, start / PAGE, PAGES(end)) == PAGES(end);
}

bool backing_writable(const struct ram_node *node, uint64_t start, uint64_t end)
{
	if (!node->upper)
		return !node->parent;
	for (uint64_t page = start / PAGE; page < PAGES(end); page++)
		if (!has(node, DIRTY, page))
			return false;
	return true;
}

/* Pages [FIRST, FIRST + COUNT), which are not here, at most TRANSFER_PAGES. */
static int fetch(struct ram_node *node, uint64_t first, uint64_t count)
{
	struct backing *backing = ram_backing(node);
	uint64_t done = 0;
	uint64_t bytes = node->vnode.size - first * PAGE;
	if (bytes > count * PAGE)
		bytes = count * PAGE;
	int error = ram_data_write(node, node->vnode.size);
	if (error)
		return error;
	lock_acquire(&backing->buffer_lock);
	error = SERVICE(backing, read, node->upper, first * PAGE, bytes, 0ull, &done);
	if (!error && (done > bytes || user_copy(ram_data_bytes(node) + first * PAGE, backing->buffer, done)))
		error = -EIO;
	lock_release(&backing->buffer_lock);
	if (error)
		return error;
	for (uint64_t page = first; page < first + count; page++)
		set(node, ABSENT, page, false);
	loaded(node, count);
	return 0;
}

/* How many pages are fetched beyond what is asked for from PAGE on: more and more while a file is read in order, none where reads jump. */
static uint64_t read_ahead(struct ram_node *node, uint64_t page)
{
	uint32_t ahead = node->data.ahead * 2 < AHEAD_FIRST ? AHEAD_FIRST : node->data.ahead * 2;
	if (page != node->data.fetched)
		ahead = 0;
	node->data.ahead = ahead < AHEAD_MAX ? ahead : AHEAD_MAX;
	return node->data.ahead;
}

/* Others' pages go where there are too many. */
static void relieve_beside(struct ram_node *node)
{
	struct backing *backing = ram_backing(node);
	if (backing->loaded_bytes <= backing->loaded_max)
		return;
	bool listed = !list_empty(&node->loaded);
	list_remove(&node->loaded);
	(void)backing_relieve(backing, backing->loaded_max / 8);
	if (listed)
		list_append(&backing->loaded, &node->loaded);
}

/* Pages [FIRST, FIRST + COUNT) into BYTES, with no lock but the buffer's. */
static int fetch_beside(struct backing *backing, handle_t session, uint64_t upper, uint64_t first,
                        uint64_t count, uint8_t *bytes, uint64_t *done)
{
	lock_acquire(&backing->buffer_lock);
	int64_t result =
	    file_read(session, current_page(), upper, first * PAGE, count * PAGE, 0, done, DEADLINE_NEVER);
	int error = result < 0 ? linux_error_of_service(result) : 0;
	if (!error && (*done > count * PAGE || user_copy(bytes, backing->buffer, *done)))
		error = -EIO;
	lock_release(&backing->buffer_lock);
	return error;
}

/* What was fetched goes where it is still missing. */
static int place(struct ram_node *node, uint64_t first, uint64_t count, const uint8_t *bytes, uint64_t done)
{
	uint64_t placed = 0;
	int error = ram_data_write(node, node->vnode.size);
	for (uint64_t page = first; page < first + count && !error; page++) {
		uint64_t at = (page - first) * PAGE;
		uint64_t part = done > at ? done - at : 0;
		uint64_t inside = node->vnode.size - page * PAGE;
		if (!has(node, ABSENT, page))
			continue;
		part = part < PAGE ? part : PAGE;
		if (user_copy(ram_data_bytes(node) + page * PAGE, bytes + at, part < inside ? part : inside))
			error = -EIO;
		else
			set(node, ABSENT, page, false);
		placed += error ? 0 : 1;
	}
	if (placed)
		loaded(node, placed);
	return error;
}

int backing_fetch(struct ram_node *node, uint64_t start, uint64_t end)
{
	struct backing *backing = ram_backing(node);
	uint64_t size_pages = PAGES(node->vnode.size);
	uint64_t last = PAGES(end) < size_pages ? PAGES(end) : size_pages;
	uint64_t page = next(node, ABSENT, start / PAGE, last);
	uint64_t done = 0;
	if (page >= last)
		return 0;
	relieve_beside(node);
	uint64_t until = last + read_ahead(node, page);
	until = until < page + BESIDE_PAGES ? until : page + BESIDE_PAGES;
	until = until < size_pages ? until : size_pages;
	uint64_t run = page + 1;
	while (run < until && has(node, ABSENT, run))
		run++;
	uint8_t *bytes = backing->spare ? backing->spare : heap_allocate(BESIDE_BYTES);
	if (!bytes)
		return -ENOMEM;
	backing->spare = 0;
	uint64_t changes = node->data.changes;
	uint64_t upper = node->upper;
	handle_t session = backing->session;
	node->data.fetched = run;
	enum common_mode before = common_give();
	int error = fetch_beside(backing, session, upper, page, run - page, bytes, &done);
	common_take(before);
	if (!error && node->data.changes == changes)
		error = place(node, page, run - page, bytes, done);
	if (backing->spare)
		heap_free(bytes);
	else
		backing->spare = bytes;
	return error;
}

int backing_fill(struct ram_node *node, uint64_t start, uint64_t end)
{
	uint64_t size_pages = PAGES(node->vnode.size);
	uint64_t last = PAGES(end) < size_pages ? PAGES(end) : size_pages;
	uint64_t page = next(node, ABSENT, start / PAGE, last);
	if (page < last)
		relieve_beside(node);
	uint64_t wanted = page < last ? last + read_ahead(node, page) : last;
	while (page < last) {
		uint64_t until = wanted;
		if (until > page + TRANSFER_PAGES)
			until = page + TRANSFER_PAGES;
		if (until > size_pages)
			until = size_pages;
		uint64_t run = page + 1;
		while (run < until && has(node, ABSENT, run))
			run++;
		int error = fetch(node, page, run - page);
		if (error)
			return error;
		node->data.fetched = run;
		page = next(node, ABSENT, run, last);
	}
	return 0;
}

/* ---- Changes ---- */

static int fill_edges(struct ram_node *node, uint64_t start, uint64_t end)
{
	uint64_t size = node->vnode.size;
	int error = start % PAGE && start / PAGE * PAGE < size ? backing_fill(node, start, start + 1) : 0;
	if (!error && end % PAGE && end < size)
		error = backing_fill(node, end - 1, end);
	return error;
}

/* There is room for NEED bytes of the service's UPPER from START on. */
static int credit_of(struct backing *backing, uint64_t upper, uint64_t start, uint64_t need)
{
	while (backing->credit < need) {
		uint64_t granted = 0;
		int error = SERVICE(backing, reserve, upper, start, (uint64_t)FILE_RESERVE_MAX, &granted);
		if (error == -ENOSPC && backing->forget_count) {
			backing_forget_all(backing);
			continue;
		}
		if (error || !granted)
			return error ? error : -ENOSPC;
		backing->credit += granted;
	}
	return 0;
}

static int credit_get(struct ram_node *node, uint64_t start, uint64_t need)
{
	return credit_of(ram_backing(node), node->upper, start, need);
}

int backing_credit_spend(struct backing *backing, uint64_t upper, uint64_t start, uint64_t bytes)
{
	uint64_t need = PAGES(bytes) * PAGE;
	int error = credit_of(backing, upper, start, need);
	backing->credit -= error ? 0 : need;
	return error;
}

/* The bytes of the pages of [START, END) that are not dirty yet. */
static uint64_t credit_need(const struct ram_node *node, uint64_t start, uint64_t end)
{
	uint64_t need = 0;
	for (uint64_t page = start / PAGE; page < PAGES(end); page++)
		need += has(node, DIRTY, page) ? 0 : PAGE;
	return need;
}

/* Room for them. */
static int credit_take(struct ram_node *node, uint64_t start, uint64_t end)
{
	return credit_get(node, start, credit_need(node, start, end));
}

int backing_page_write(struct ram_node *node, uint64_t offset)
{
	struct backing *backing = ram_backing(node);
	uint64_t page = offset / PAGE;
	int error = 0;
	if (node->upper && common_mode() == COMMON_ALONE && !has(node, DIRTY, page)) {
		error = pages_for(node, node->vnode.size);
		if (!error && credit_get(node, offset, CREDIT_AHEAD))
			error = credit_get(node, offset, PAGE);
	}
	if (error)
		return error;
	lock_acquire(&room_lock);
	if (!node->upper || has(node, DIRTY, page)) {
		error = 0; /* without a name in the service it is copied whole when it gets one */
	} else if (backing->credit < PAGE || page / 64 >= node->data.page_words) {
		error = -EALONE;
	} else {
		if (list_empty(&node->dirty)) /* before the bit, which who shares the common lock goes by */
			list_append(&backing->dirty, &node->dirty);
		backing->credit -= PAGE;
		set(node, DIRTY, page, true);
	}
	if (!error)
		node->data.writable = true;
	lock_release(&room_lock);
	return error;
}

/* The page of AT is not here, and some of it will be kept. */
static bool edge_missing(const struct ram_node *node, uint64_t at)
{
	return at % PAGE && at < node->vnode.size && has(node, ABSENT, at / PAGE);
}

bool backing_write_waits(const struct ram_node *node, uint64_t start, uint64_t end)
{
	if (!node->upper)
		return node->parent;
	return edge_missing(node, start) || edge_missing(node, end) ||
	       ram_backing(node)->credit < credit_need(node, start, end);
}

/* In a change: the pages of START and END, some of which will be kept, come here beside others. */
static int edges_fetch(struct ram_node *node, uint64_t start, uint64_t end)
{
	int error = edge_missing(node, start) ? backing_fetch(node, start, start + 1) : 0;
	if (!error && edge_missing(node, end))
		error = backing_fetch(node, end - 1, end);
	return error;
}

int backing_write_prepare(struct ram_node *node, uint64_t start, uint64_t end)
{
	struct backing *backing = ram_backing(node);
	int error = backing_copy_up(node, true);
	if (error || !node->upper)
		return error;
	error = edges_fetch(node, start, end);
	for (uint64_t need; !error && backing->credit < (need = credit_need(node, start, end));) {
		while (!error && backing->credit < need) {
			uint64_t granted = 0;
			error = CHANGE(backing, reserve, node->upper, start, (uint64_t)FILE_RESERVE_MAX,
			               &granted);
			if (error == -ENOSPC && backing->forget_count) {
				backing_forget_all(backing);
				error = 0;
				continue;
			}
			if (!error && !granted)
				error = -ENOSPC;
			backing->credit += error ? 0 : granted;
		}
	}
	return error;
}

int backing_write_begin(struct ram_node *node, uint64_t start, uint64_t end)
{
	int error = end > RAM_SIZE_MAX ? -EFBIG : backing_copy_up(node, true);
	if (error || !node->upper)
		return error;
	error = pages_for(node, end > node->vnode.size ? end : node->vnode.size);
	if (!error && !node->data.lower)
		error = fill_edges(node, start, end);
	return error ? error : credit_take(node, start, end);
}

uint64_t backing_wrote(struct ram_node *node, uint64_t start, uint64_t end)
{
	struct backing *backing = ram_backing(node);
	if (!node->upper || start >= end)
		return end;
	if (end % PAGE && end < node->vnode.size && has(node, ABSENT, end / PAGE)) {
		end &= ~(PAGE - 1);
		if (end <= start)
			return start;
	}
	uint64_t fresh = 0;
	for (uint64_t page = start / PAGE; page < PAGES(end); page++) {
		set(node, ABSENT, page, false);
		if (has(node, DIRTY, page))
			continue;
		set(node, DIRTY, page, true);
		fresh++;
	}
	if (fresh) /* only who holds the common lock alone: faults beside others change the credit, too */
		backing->credit -= fresh * PAGE < backing->credit ? fresh * PAGE : backing->credit;
	if (fresh && node->data.loaded < node->vnode.size)
		loaded(node, fresh);
	if (list_empty(&node->dirty))
		list_append(&backing->dirty, &node->dirty);
	return end;
}

/* From page FIRST on there is nothing to fetch or to write. */
static void pages_forget(struct ram_node *node, uint64_t first, uint64_t last)
{
	node->data.changes++;
	for (uint64_t page = first; page < last && page / 64 < node->data.page_words; page++)
		set(node, ABSENT, page, false);
	backing_protect(node);
	pages_clean(node, first, last);
}

void backing_not_grown(struct ram_node *node)
{
	uint64_t words = PAGES(node->vnode.size) / 64 + 1;
	if (node->upper)
		(void)(CHANGE(ram_backing(node), resize, node->upper, node->vnode.size) < 0);
	if (PAGES(node->vnode.size) / 64 + 1 != words || words >= node->data.page_words / 4)
		return;
	uint64_t *fewer = heap_resize(node->data.pages, words * 16);
	if (!fewer)
		return;
	node->data.pages = fewer;
	node->data.page_words = (uint32_t)words;
}

int backing_resize(struct ram_node *node, uint64_t size)
{
	int error =
	    size > RAM_SIZE_MAX && size > node->vnode.size ? -EFBIG : backing_copy_up(node, size != 0);
	if (!error && node->upper)
		error = pages_for(node, size > node->vnode.size ? size : node->vnode.size);
	if (!error && node->upper)
		error = CHANGE(ram_backing(node), resize, node->upper, size);
	if (!error && size < node->vnode.size) {
		uint64_t pages = PAGES(size);
		pages_forget(node, pages, PAGES(node->vnode.size));
		node->data.kept = node->data.kept < pages * PAGE ? node->data.kept : pages * PAGE;
		node->data.unkept = node->data.unkept < pages ? node->data.unkept : pages;
	}
	return error;
}

/* In a change: what NODE takes in the service, asked beside others as far as that may be. */
static void kept_ask(struct ram_node *node)
{
	const void *data = 0;
	uint32_t bytes = 0;
	struct file_attributes now;
	handle_t session = ram_backing(node)->session;
	uint64_t upper = node->upper;
	enum common_mode before = change_give(ram_backing(node));
	bool known = file_attributes(session, current_page(), upper, &data, &bytes, DEADLINE_NEVER) >= 0 &&
	             reply_attributes(&now, data, bytes);
	common_take(before);
	if (known)
		kept(node, now.bytes_used);
}

/* The service knows how long NODE is, also where that was to come with pages that are not written back yet. */
static int size_told(struct ram_node *node)
{
	if (list_empty(&node->dirty))
		return 0;
	return CHANGE(ram_backing(node), resize, node->upper, node->vnode.size);
}

int backing_allocate(struct ram_node *node, bool keep_size, uint64_t start, uint64_t bytes)
{
	uint64_t end = start + bytes;
	int error = end > RAM_SIZE_MAX ? -EFBIG : backing_copy_up(node, true);
	if (error || !node->upper)
		return error;
	if (!keep_size)
		error = pages_for(node, end > node->vnode.size ? end : node->vnode.size);
	if (!error)
		error = CHANGE(ram_backing(node), allocate, node->upper,
		               keep_size ? (uint32_t)FILE_ALLOCATE_KEEP_SIZE : 0u, start, bytes);
	if (!error)
		kept_ask(node);
	return error;
}

/* What was cleared here alone, of [START, END), is what the service has. What is mapped is there whatever happens. */
static void pages_not_cleared(struct ram_node *node, uint64_t start, uint64_t end)
{
	node->data.changes++;
	for (uint64_t page = start / PAGE; page < PAGES(end) && page < PAGES(node->vnode.size); page++)
		if (!has(node, DIRTY, page))
			set(node, ABSENT, page, true);
	if (node->vnode.object && node->vnode.object->references > 1)
		(void)backing_fill(node, start, end);
}

int backing_clear(struct ram_node *node, bool zero, uint64_t start, uint64_t end)
{
	struct backing *backing = ram_backing(node);
	int error = backing_copy_up(node, true);
	if (!error && node->upper && end >= node->vnode.size)
		error = size_told(node);
	if (!error && node->upper && list_empty(&node->dirty)) /* none of its pages goes meanwhile */
		list_append(&backing->dirty, &node->dirty);
	if (!error && node->upper)
		error = edges_fetch(node, start, end);
	if (!error && node->upper)
		error = fill_edges(node, start, end); /* as a rule they are here */
	if (!error)
		error = ram_data_write(node, end);
	if (error)
		return error;
	if (!node->upper)
		return ram_data_clear(node, start, end);
	backing_protect(node);
	error = ram_data_clear(node, start, end);
	if (error) {
		pages_not_cleared(node, start, end);
		return error;
	}
	/* From here on it is so for all; the service follows. Behind the file's end its last page is zeroes, too. */
	pages_forget(node, PAGES(start), end < node->vnode.size ? end / PAGE : PAGES(end));
	error = CHANGE(backing, allocate, node->upper,
	               (uint32_t)FILE_ALLOCATE_KEEP_SIZE | (zero ? FILE_ALLOCATE_ZERO : FILE_ALLOCATE_PUNCH),
	               start, end - start);
	if (error)
		pages_not_cleared(node, start, end);
	kept_ask(node);
	return error;
}

/* The bits of KIND of 64 pages from FIRST on, which may be less than 0. */
static uint64_t bits_from(const struct ram_node *node, unsigned kind, int64_t first)
{
	if (first < 0)
		return first > -64 ? bits_from(node, kind, 0) << -first : 0;
	uint64_t word = (uint64_t)first / 64;
	unsigned shift = (unsigned)(first % 64);
	uint64_t low = word < node->data.page_words ? node->data.pages[word * 2 + kind] : 0;
	uint64_t high = word + 1 < node->data.page_words ? node->data.pages[word * 2 + 2 + kind] : 0;
	return shift ? low >> shift | high << (64 - shift) : low;
}

/* Of the 64 pages from FIRST on those before BORDER. */
static uint64_t bits_before(uint64_t first, uint64_t border)
{
	return border <= first ? 0 : border - first >= 64 ? ~0ull : (1ull << (border - first)) - 1;
}

/* The pages' bits go with the pages, into INTO. What is inserted is here, and as in the service: a hole. */
static void pages_shift(struct ram_node *node, uint64_t *into, uint64_t start, uint64_t count, bool insert)
{
	uint64_t moved = insert ? start + count : start; /* from here on */
	int64_t by = insert ? -(int64_t)count : (int64_t)count;
	for (uint64_t word = 0; word < node->data.page_words; word++) {
		uint64_t stays = bits_before(word * 64, start);
		uint64_t goes = ~bits_before(word * 64, moved);
		for (unsigned kind = 0; kind < 2; kind++)
			into[word * 2 + kind] = (node->data.pages[word * 2 + kind] & stays) |
			                        (bits_from(node, kind, (int64_t)(word * 64) + by) & goes);
	}
	heap_free(node->data.pages);
	node->data.pages = into;
	node->data.changes++;
}

int backing_shift(struct ram_node *node, uint64_t start, uint64_t bytes, bool insert)
{
	struct backing *backing = ram_backing(node);
	int error = backing_copy_up(node, true);
	if (!error)
		error = backing_write_back(node);
	uint64_t size = node->vnode.size; /* others may have changed it meanwhile */
	if (!error && (insert ? start >= size : start + bytes >= size))
		error = -EINVAL;
	if (!error && insert && bytes > RAM_SIZE_MAX - size)
		error = -EFBIG;
	if (!error && node->upper)
		error = pages_for(node, size + (insert ? bytes : 0));
	if (!error)
		error = ram_data_shift_begin(node, start, bytes, insert);
	if (error || !node->upper)
		return error ? error : ram_data_shift(node, start, bytes, insert);
	uint64_t *into = heap_allocate(node->data.page_words * 16ull);
	backing_still(backing);
	error = into ? size_told(node) : -ENOMEM;
	if (!error)
		error = CHANGE(backing, allocate, node->upper,
		               insert ? (uint32_t)FILE_ALLOCATE_INSERT : (uint32_t)FILE_ALLOCATE_COLLAPSE,
		               start, bytes);
	if (error) {
		heap_free(into);
		ram_data_shift_end(node);
	} else { /* the service has done it: here it cannot fail */
		backing_protect(node);
		if (!insert)
			pages_clean(node, start / PAGE, (start + bytes) / PAGE);
		pages_shift(node, into, start / PAGE, bytes / PAGE, insert);
		error = ram_data_shift(node, start, bytes, insert);
	}
	backing_still_end(backing);
	if (!error)
		kept_ask(node);
	return error;
}

int64_t backing_seek(struct ram_node *node, uint64_t offset, bool data)
{
	uint64_t found = 0;
	int error = backing_write_back(node);
	if (!error)
		error = CHANGE(ram_backing(node), seek, node->upper, data ? FILE_SEEK_DATA : FILE_SEEK_HOLE,
		               offset, &found);
	if (error == -ENOENT || (!error && found > node->vnode.size))
		return (int64_t)node->vnode.size;
	return error ? error : (int64_t)found;
}

int backing_map(struct ram_node *node, bool write)
{
	int error = write ? backing_copy_up(node, true) : 0;
	if (!error && !node->data.lower)
		error = backing_fill(node, 0, node->vnode.size);
	if (error || !write || !node->upper)
		return error;
	(void)credit_get(node, 0, CREDIT_AHEAD);
	return pages_for(node, node->vnode.size);
}

/* ---- To the service ---- */

void backing_buffer_take(struct backing *backing)
{
	/* Others wait for the buffer with the common lock held: who waits for that must not have the buffer. */
	for (unsigned tries = 0; !lock_try(&backing->buffer_lock); tries++) {
		enum common_mode before = tries < BUFFER_TRIES ? change_give(backing) : COMMON_NOT;
		lock_acquire(&backing->buffer_lock);
		if (before == COMMON_NOT)
			return;
		lock_release(&backing->buffer_lock);
		common_take(before);
	}
}

/* What was not written of pages [FIRST, LAST) differs from the service's again, as far as it is still there, with the room that
 * was promised for it. */
static void pages_again(struct ram_node *node, uint64_t first, uint64_t last)
{
	for (uint64_t page = first; page < last; page++) {
		bool there = page < PAGES(node->vnode.size) && !has(node, ABSENT, page);
		if (there && !has(node, DIRTY, page))
			set(node, DIRTY, page, true);
		else
			ram_backing(node)->credit += PAGE;
	}
}

/* Pages count as written before they are, so that whoever writes to one meanwhile makes it differ again. Nothing else of NODE
 * is written or cut in the service meanwhile, because this is a change; its pages stay here, because it stays on the list of those
 * that have something to write back. */
static int write_run(struct ram_node *node, uint64_t first, uint64_t count)
{
	struct backing *backing = ram_backing(node);
	uint64_t upper = node->upper;
	uint64_t done = 0;
	backing_buffer_take(backing);
	uint64_t size = node->vnode.size;
	uint64_t bytes = size > first * PAGE ? size - first * PAGE : 0;
	if (bytes > count * PAGE)
		bytes = count * PAGE;
	backing_protect(node);
	if (!bytes || user_copy(backing->buffer, ram_data_bytes(node) + first * PAGE, bytes)) {
		lock_release(&backing->buffer_lock);
		return bytes ? -EIO : 0;
	}
	for (uint64_t page = first; page < first + count; page++)
		set(node, DIRTY, page, false);
	handle_t session = backing->session;
	enum common_mode before = change_give(backing);
	int64_t result =
	    file_write(session, current_page(), upper, first * PAGE, bytes, 0, &done, DEADLINE_NEVER);
	lock_release(&backing->buffer_lock);
	common_take(before);
	int error = result < 0 ? linux_error_of_service(result) : done < bytes ? -ENOSPC : 0;
	if (error)
		pages_again(node, first + done / PAGE, first + count);
	return error;
}

int backing_write_back(struct ram_node *node)
{
	if (list_empty(&node->dirty) || !node->upper)
		return 0;
	if (!node->vnode.links)
		return 0; /* without a name, what is here is enough */
	uint64_t page = next(node, DIRTY, 0, PAGES(node->vnode.size));
	bool any = page < PAGES(node->vnode.size);
	int error = 0;
	for (uint64_t last; page < (last = PAGES(node->vnode.size)) && !error;) {
		uint64_t run = page + 1;
		while (run < last && run < page + TRANSFER_PAGES && has(node, DIRTY, run))
			run++;
		error = write_run(node, page, run - page);
		page = next(node, DIRTY, run, PAGES(node->vnode.size));
	}
	if (any && !error) {
		const struct linux_timespec *time = &node->vnode.modified;
		const struct file_attributes wanted = {.modified_ns =
		                                           time->tv_sec * 1000000000 + time->tv_nsec};
		const void *data = 0;
		uint32_t bytes = 0;
		struct file_attributes now;
		handle_t session = ram_backing(node)->session;
		enum common_mode before = change_give(ram_backing(node));
		int64_t result = file_set_attributes(session, current_page(), node->upper, FILE_SET_MODIFIED,
		                                     &wanted, sizeof(wanted), &data, &bytes, DEADLINE_NEVER);
		bool told = result >= 0 && reply_attributes(&now, data, bytes);
		common_take(before);
		error = linux_error_of_service(result);
		if (told)
			kept(node, now.bytes_used);
	}
	/* What was written to meanwhile has its turn later. */
	if (!error && next(node, DIRTY, 0, PAGES(node->vnode.size)) >= PAGES(node->vnode.size))
		list_remove(&node->dirty);
	return error;
}

int backing_sync(struct ram_node *node, bool data_only)
{
	int error = 0;
	if (S_ISREG(node->vnode.mode)) {
		backing_change(ram_backing(node));
		error = backing_write_back(node);
		backing_change_end(ram_backing(node));
	}
	if (!error && node->data.error) {
		error = node->data.error;
		node->data.error = 0;
	}
	if (error || !node->upper)
		return error;
	/* The device's time is not the others'. The open file keeps the mount, and so the session. */
	handle_t session = ram_backing(node)->session;
	uint64_t upper = node->upper;
	enum common_mode before = common_give();
	int64_t result =
	    file_sync(session, current_page(), upper, data_only ? FILE_SYNC_DATA : 0u, DEADLINE_NEVER);
	common_take(before);
	return linux_error_of_service(result);
}

/* In a change. What others write to meanwhile has its turn later. */
static void write_back_list(struct backing *backing)
{
	struct list had;
	list_init(&had);
	while (!list_empty(&backing->dirty)) {
		struct list *link = backing->dirty.next;
		list_remove(link);
		list_append(&had, link);
	}
	while (!list_empty(&had)) {
		struct ram_node *node = list_first(&had, struct ram_node, dirty);
		list_remove(&node->dirty);
		list_append(&backing->dirty, &node->dirty);
		vnode_reference(&node->vnode);
		int error = backing_write_back(node);
		if (error)
			node->data.error = error;
		vnode_release(&node->vnode);
	}
}

/* The next one that is mounted, with a reference. */
static struct backing *next_mounted(struct backing *after)
{
	do
		after = backing_next(after);
	while (after && (!after->filesystem->references || after->filesystem->ending));
	if (after)
		filesystem_pass(after->filesystem);
	return after;
}

/* WHAT with each that is mounted. */
static void each_backing(void (*what)(struct backing *backing, int *first), int *first)
{
	struct backing *backing = next_mounted(0);
	while (backing) {
		struct filesystem *filesystem = backing->filesystem;
		what(backing, first);
		backing = next_mounted(backing);
		filesystem_passed(filesystem);
	}
}

static void write_all(struct backing *backing, int *first)
{
	(void)first;
	backing_change(backing);
	write_back_list(backing);
	backing_change_end(backing);
}

void backing_write_all(void)
{
	each_backing(write_all, 0);
}

static void sync_all(struct backing *backing, int *first)
{
	write_all(backing, 0);
	if (backing->read_only)
		return;
	handle_t session = backing->session;
	enum common_mode before = common_give();
	int64_t result = file_sync(session, current_page(), 0, 0, DEADLINE_NEVER);
	common_take(before);
	*first = *first ? *first : linux_error_of_service(result);
}

/* One of the first COUNT that began to end is still there. */
static bool one_ends(uint64_t count)
{
	struct backing *each = backing_next(0);
	while (each && (!each->filesystem->ending || each->filesystem->ending > count))
		each = backing_next(each);
	return each;
}

int backing_sync_all(void)
{
	int first = 0;
	each_backing(sync_all, &first);
	/* What is being unmounted is written by who does that. */
	for (uint64_t count = filesystem_endings; one_ends(count);)
		filesystem_passed_wait();
	return first;
}

void backing_settle(struct backing *backing)
{
	handle_t session = backing->session;
	struct thread_page *page = current_page();
	backing_change(backing);
	write_back_list(backing);
	backing_change_end(backing);
	struct started_service service = backing->service;
	backing->session = 0;
	backing->service.number = 0;
	enum common_mode before = common_give();
	if (!backing->read_only) /* a device that has failed was said so by the writes */
		(void)(file_sync(session, page, 0, 0, DEADLINE_NEVER) < 0);
	(void)(file_end(session, page, DEADLINE_NEVER) < 0);
	cap_delete(session);
	if (service.number)
		service_finish(&service);
	common_take(before);
}

/* Nobody else has a reference any more: the common lock is kept. */
void backing_sync_last(struct backing *backing)
{
	if (!backing->session)
		return; /* it was settled */
	backing_change(backing);
	backing_still(backing);
	write_back_list(backing);
	backing_still_end(backing);
	if (!backing->read_only)
		(void)SERVICE(backing, sync, 0ull, 0u);
	backing->forget_count = 0; /* they end with the session */
	backing_change_end(backing);
}

/* ---- Memory ---- */

static bool is_spare(const struct ram_node *node)
{
	return node->upper && !node->data.lower && list_empty(&node->dirty) && node->vnode.links &&
	       (!node->vnode.object || node->vnode.object->references == 1);
}

bool backing_relieve(struct backing *backing, uint64_t bytes)
{
	struct ram_node *node;
	struct ram_node *following;
	uint64_t before = backing->loaded_bytes;
	if (backing_change_try(backing)) {
		backing_still(backing);
		write_back_list(backing);
		backing_change_end(backing);
		backing_still_end(backing);
	}
	list_for_each_safe(node, following, &backing->loaded, loaded)
	{
		if (before - backing->loaded_bytes >= bytes)
			break;
		if (!is_spare(node))
			continue;
		ram_data_drop(node);
		all_absent(node);
		unloaded(node);
	}
	return backing->loaded_bytes < before;
}

static struct task *writer;

static void forget_all(struct backing *backing, int *first)
{
	(void)first;
	backing_forget_beside(backing);
}

static void write_back_worker(void *argument)
{
	(void)argument;
	for (uint64_t next = clock_monotonic() + WRITE_BACK_NS;;) {
		worker_wait(next);
		if (clock_monotonic() < next) {
			each_backing(forget_all, 0);
			continue;
		}
		backing_write_all();
		next = clock_monotonic() + WRITE_BACK_NS;
	}
}

bool backing_worker_start(void)
{
	if (!writer)
		writer = worker_create("writeback", write_back_worker, 0);
	return writer;
}

void backing_worker_wake(void)
{
	if (writer)
		event_signal(worker_event(writer), 1);
}
