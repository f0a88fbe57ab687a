/*
 * What the crash tests of holonfs have in common: a file system on vdisk on a device in memory that logs writes and flushes, and the states that a
 * power cut may leave of what was written since a flush. Oracles are the tests' own.
 */
#ifndef HOLONFS_CRASH_DEVICE_H
#define HOLONFS_CRASH_DEVICE_H

#include <stdio.h>
#include "internal.h"
#include "store_vdisk.h"
#include "vdisk/file_backend.h"

#define DEVICE  (4u << 20)
#define OPS_MAX 20000u

enum op_kind { OP_WRITE, OP_FLUSH, OP_BEGIN, OP_END };

struct op {
	enum op_kind kind;
	unsigned sync;
	uint64_t offset;
	size_t bytes;
	uint8_t *data;
};

struct device {
	uint8_t *bytes;
	bool logs;
};

static struct op ops[OPS_MAX];
static size_t op_count;
/* Worked on; as it was at the last flush; what a cut left. */
static uint8_t image[DEVICE], at_epoch[DEVICE], state[DEVICE];
static size_t used; /* of the three: beyond are zeroes */
static struct device device;
static struct vdisk *disk;
static struct holonfs *fs;
static int64_t now;
static uint64_t random_state;

static inline uint32_t draw(uint32_t below)
{
	random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)((random_state >> 33) % below);
}

static inline int64_t tick(void)
{
	return ++now;
}

static inline struct op *log_op(enum op_kind kind, unsigned sync)
{
	if (op_count == OPS_MAX)
		abort();
	ops[op_count] = (struct op){.kind = kind, .sync = sync};
	return &ops[op_count++];
}

static inline int device_read(void *context, uint64_t offset, void *buffer, size_t bytes)
{
	const struct device *from = context;
	memset(buffer, 0, bytes);
	if (offset < DEVICE)
		memcpy(buffer, from->bytes + offset, bytes < DEVICE - offset ? bytes : DEVICE - offset);
	return 0;
}

static inline int device_write(void *context, uint64_t offset, const void *buffer, size_t bytes)
{
	struct device *to = context;
	if (offset > DEVICE || bytes > DEVICE - offset)
		return -1;
	used = used > offset + bytes ? used : (size_t)offset + bytes;
	memcpy(to->bytes + offset, buffer, bytes);
	if (!to->logs)
		return 0;
	struct op *op = log_op(OP_WRITE, 0);
	op->offset = offset;
	op->bytes = bytes;
	op->data = malloc(bytes);
	memcpy(op->data, buffer, bytes);
	return 0;
}

static inline int device_flush(void *context)
{
	const struct device *of = context;
	if (of->logs)
		log_op(OP_FLUSH, 0);
	return 0;
}

/* COMPRESS: of a new file system's root. */
static inline bool start(uint8_t *bytes, bool create, bool compress)
{
	static const struct vdisk_credentials none;
	static struct vdisk_backend leg;
	struct vdisk_create wanted = {.blocks = 400, .factors = {VDISK_FACTOR_OPEN}};
	struct vdisk_config config = {
	    .legs = &leg, .leg_count = 1, .random = host_random, .cache_bytes = VDISK_CACHE_MIN};
	device = (struct device){.bytes = bytes};
	leg = (struct vdisk_backend){.context = &device,
	                             .read = device_read,
	                             .write = device_write,
	                             .flush = device_flush,
	                             .limit = DEVICE};
	fs = NULL;
	disk = NULL;
	if ((create ? vdisk_create(&disk, &config, &wanted, &none) : vdisk_open(&disk, &config, &none)) < 0)
		return false;
	struct store store = store_vdisk(disk);
	if (create && holonfs_format(&store, "crash", compress ? HOLONFS_FLAG_COMPRESS : 0, 0, 0, host_random,
	                             tick) < 0)
		return false;
	return holonfs_mount(&fs, &store, tick, 0) == 0;
}

static inline void stop(void)
{
	holonfs_abandon(fs);
	vdisk_abandon(disk);
}

static inline void log_clear(void)
{
	for (size_t i = 0; i < op_count; i++)
		free(ops[i].data);
	op_count = 0;
}

/* The writes from FIRST to END were flushed. */
static inline void take_epoch(size_t first, size_t end)
{
	for (; first < end; first++)
		if (ops[first].kind == OP_WRITE)
			memcpy(at_epoch + ops[first].offset, ops[first].data, ops[first].bytes);
}

#define SHAPES 4u
/* The writes from FIRST to END, in one of SHAPES: all, all but one, some of them, all with one torn. */
static inline void build(size_t first, size_t end, unsigned shape)
{
	size_t special = end > first ? first + draw((uint32_t)(end - first)) : first;
	memcpy(state, at_epoch, used);
	for (size_t i = first; i < end; i++) {
		const struct op *op = &ops[i];
		if (op->kind != OP_WRITE || (shape == 1 && i == special) || (shape == 2 && draw(2)))
			continue;
		for (size_t at = 0; at < op->bytes; at += 512)
			if (shape != 3 || i != special || draw(2))
				memcpy(state + op->offset + at, op->data + at, 512);
	}
}

/* Whether what a cut has left is right: all of sync ACKNOWLEDGED is there, or one up to STARTED. WHOLE: all that was written is. */
typedef bool cut_judge(unsigned acknowledged, unsigned started, bool whole);

static uint64_t states; /* that were judged */

/* Cuts what was logged at each step, in every shape, while fewer than MOST states were judged. False: JUDGE does not take one, which is told. */
static inline bool cut_everywhere(uint64_t most, cut_judge *judge)
{
	unsigned acknowledged = 0;
	unsigned started = 0;
	size_t first = 0;
	for (size_t end = 0; end <= op_count && states < most; end++) {
		const struct op *op = end ? &ops[end - 1] : NULL;
		if (op && op->kind == OP_FLUSH) {
			take_epoch(first, end);
			first = end;
		}
		started = op && op->kind == OP_BEGIN ? op->sync : started;
		acknowledged = op && op->kind == OP_END ? op->sync : acknowledged;
		for (unsigned shape = 0; shape < SHAPES && (!shape || first < end); shape++) {
			build(first, end, shape);
			states++;
			if (!judge(acknowledged, started, !shape)) {
				printf("# after %zu of %zu steps of the device, shape %u, syncs %u to %u\n",
				       end, op_count, shape, acknowledged, started);
				return false;
			}
		}
	}
	return true;
}

static inline bool is_sound(void)
{
	struct holonfs_report report = {.unpack = true};
	return holonfs_check(fs, false, &report) == 0 && !report.damaged && !report.different;
}

#endif
