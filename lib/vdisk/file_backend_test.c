/* The backend on a file beside a model in memory: adjacent writes go to the file together, each read shows what was written last,
 * and a write that failed is neither lost nor forgotten. */
#define _GNU_SOURCE
#include "file_backend.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define BLOCKS 512u
#define STEPS  20000u

static int failures;
static uint8_t model[BLOCKS * VDISK_BLOCK], bytes[BLOCKS * VDISK_BLOCK];

static void check(const char *name, bool right)
{
	printf(right ? "ok file backend: %s\n" : "not ok file backend: %s - see the check of this name\n",
	       name);
	failures += !right;
}

static uint32_t draw(uint32_t below)
{
	static uint64_t state = 88172645463325252u;
	state ^= state << 13, state ^= state >> 7, state ^= state << 17;
	return (uint32_t)((state >> 32) % below);
}

static int temporary(void)
{
	char name[] = "/tmp/holon-file-backend-XXXXXX";
	int fd = mkstemp(name);
	unlink(name);
	return fd;
}

static void open_backend(struct file_backend *file, struct vdisk_backend *backend)
{
	int fd = temporary();
	if (fd < 0 || file_backend_init(file, fd, backend) < 0) {
		printf("not ok file backend: a file in /tmp - make it writable\n");
		exit(1);
	}
	memset(model, 0, sizeof(model));
}

/* What the file itself has is what the model has. */
static bool file_is_model(const struct file_backend *file)
{
	memset(bytes, 0, sizeof(bytes));
	return pread(file->fd, bytes, sizeof(bytes), 0) >= 0 && !memcmp(bytes, model, sizeof(model));
}

static bool is_model(const struct vdisk_backend *backend, uint32_t block, uint32_t count)
{
	return backend->read(backend->context, (uint64_t)block * VDISK_BLOCK, bytes,
	                     count * (size_t)VDISK_BLOCK) == 0 &&
	       !memcmp(bytes, model + (size_t)block * VDISK_BLOCK, (size_t)count * VDISK_BLOCK);
}

static bool write_blocks(const struct vdisk_backend *backend, uint32_t block, uint32_t count)
{
	uint8_t *at = model + (size_t)block * VDISK_BLOCK;
	for (size_t i = 0; i < (size_t)count * VDISK_BLOCK; i += 64)
		at[i] = (uint8_t)draw(256);
	return backend->write(backend->context, (uint64_t)block * VDISK_BLOCK, at,
	                      (size_t)count * VDISK_BLOCK) == 0;
}

/* Runs, single blocks and whole stretches; half of what is written goes on where the last ended. */
static bool random_steps(struct file_backend *file, const struct vdisk_backend *backend)
{
	bool right = true;
	uint32_t next = 0;
	for (uint32_t i = 0; right && i < STEPS; i++) {
		uint32_t block = draw(2) && next < BLOCKS ? next : draw(BLOCKS);
		uint32_t count = 1 + draw(draw(8) ? 4 : 80);
		count = count < BLOCKS - block ? count : BLOCKS - block;
		uint32_t kind = draw(100);
		if (kind < 70) {
			right = write_blocks(backend, block, count);
			next = block + count;
		} else if (kind < 90) {
			right = is_model(backend, block, count);
		} else if (kind < 95) {
			memset(model + (size_t)block * VDISK_BLOCK, 0, (size_t)count * VDISK_BLOCK);
			right = backend->discard(backend->context, (uint64_t)block * VDISK_BLOCK,
			                         (uint64_t)count * VDISK_BLOCK) == 0;
		} else {
			right = backend->flush(backend->context) == 0 && file_is_model(file);
		}
	}
	return right && is_model(backend, 0, BLOCKS);
}

/* A limit of this process' stands for a full disk. */
static void limit(rlim_t size)
{
	struct rlimit all;
	getrlimit(RLIMIT_FSIZE, &all);
	all.rlim_cur = size;
	setrlimit(RLIMIT_FSIZE, &all);
}

int main(void)
{
	struct file_backend file;
	struct vdisk_backend backend;
	open_backend(&file, &backend);
	check("random writes, reads, discards and flushes are as in a model", random_steps(&file, &backend));
	int other = dup(file.fd);
	bool closed = write_blocks(&backend, 3, 1) && file_backend_close(&file) == 0;
	file.fd = other;
	check("what was not flushed is in the file when it is closed", closed && file_is_model(&file));
	close(other);

	open_backend(&file, &backend);
	bool right = true;
	for (uint32_t i = 0; i < 32; i++)
		right = right && write_blocks(&backend, 8 + i, 1);
	check("adjacent writes wait for one another",
	      right && lseek(file.fd, 0, SEEK_END) == 0 && write_blocks(&backend, 100, 1) &&
	          lseek(file.fd, 0, SEEK_END) == (off_t)40 * VDISK_BLOCK && is_model(&backend, 90, 20));

	signal(SIGXFSZ, SIG_IGN);
	limit((rlim_t)200 * VDISK_BLOCK);
	right = write_blocks(&backend, 198, 4); /* two of them fit */
	bool failed = backend.flush(backend.context) < 0 && backend.flush(backend.context) < 0 &&
	              backend.read(backend.context, (uint64_t)201 * VDISK_BLOCK, bytes, VDISK_BLOCK) < 0 &&
	              backend.discard(backend.context, 0, VDISK_BLOCK) < 0 && !write_blocks(&backend, 10, 1);
	check("a write that fails fails each flush, and what would pass it by", right && failed);
	limit(RLIM_INFINITY);
	check("when it can be made it is made",
	      write_blocks(&backend, 10, 1) && backend.flush(backend.context) == 0 && file_is_model(&file));
	limit((rlim_t)200 * VDISK_BLOCK);
	check("closing tells that a write failed",
	      write_blocks(&backend, 300, 1) && file_backend_close(&file) == -EFBIG);
	return failures ? 1 : 0;
}
