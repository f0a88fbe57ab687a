/* The log's files and its writer thread. */
#include "ledger/node/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define HEAD          24
#define SEGMENT_BYTES (256u << 20)
#define GROUP         256 /* records of one write */

struct segment {
	unsigned number;
	uint64_t first, last; /* tickets */
};

struct entry {
	struct blob *blob;
	uint8_t head[HEAD];
	uint64_t ticket;
};

struct node_log {
	char directory[256];
	int wake_fd, fd, boundaries_fd;
	pthread_t thread;
	bool running, stop;
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t more;
	struct entry *queue;
	unsigned queue_count, queue_room;
	uint64_t durable, backlog, bytes, syncs;
	double seconds;
	int error;
	struct segment *segments;
	unsigned segment_count, segment_room;
	uint64_t segment_bytes;
};

/* CRC-32C (RFC 3720, appendix B.4), by the processor's instruction where there is one. */
static uint32_t crc_table[256];

static uint32_t crc_plain(uint32_t crc, const uint8_t *data, size_t size)
{
	if (!crc_table[1])
		for (unsigned i = 0; i < 256; i++) {
			uint32_t value = i;
			for (unsigned bit = 0; bit < 8; bit++)
				value = value >> 1 ^ (value & 1 ? 0x82f63b78u : 0);
			crc_table[i] = value;
		}
	for (size_t i = 0; i < size; i++)
		crc = crc_table[(crc ^ data[i]) & 255] ^ crc >> 8;
	return crc;
}

#ifdef __x86_64__
__attribute__((target("sse4.2"))) static uint32_t crc_fast(uint32_t crc, const uint8_t *data, size_t size)
{
	uint64_t state = crc;
	for (; size >= 8; data += 8, size -= 8)
		state = __builtin_ia32_crc32di(state, load_le64(data));
	for (; size; data++, size--)
		state = __builtin_ia32_crc32qi((uint32_t)state, *data);
	return (uint32_t)state;
}
#endif

static uint32_t crc32c(uint32_t crc, const uint8_t *data, size_t size)
{
#ifdef __x86_64__
	if (__builtin_cpu_supports("sse4.2"))
		return crc_fast(crc, data, size);
#endif
	return crc_plain(crc, data, size);
}

static void segment_name(const struct node_log *log, unsigned number, char out[320])
{
	snprintf(out, 320, "%s/log-%08u", log->directory, number);
}

static void segment_add(struct node_log *log, unsigned number)
{
	if (log->segment_count == log->segment_room) {
		unsigned room = log->segment_room ? 2 * log->segment_room : 16;
		struct segment *segments = ledger_allocate(room, sizeof(*segments));
		if (log->segment_count)
			memcpy(segments, log->segments, log->segment_count * sizeof(*segments));
		free(log->segments);
		log->segments = segments;
		log->segment_room = room;
	}
	log->segments[log->segment_count++] = (struct segment){.number = number};
}

static int by_number(const void *a, const void *b)
{
	const struct segment *one = a, *two = b;
	return one->number < two->number ? -1 : one->number > two->number;
}

struct node_log *log_open(const char *directory, int wake_fd)
{
	struct node_log *log = ledger_allocate(1, sizeof(*log));
	snprintf(log->directory, sizeof(log->directory), "%s", directory);
	log->wake_fd = wake_fd;
	log->fd = -1;
	pthread_mutex_init(&log->lock, NULL);
	pthread_cond_init(&log->more, NULL);
	if (mkdir(directory, 0700) && errno != EEXIST) {
		fprintf(stderr, "holon-ledger: cannot create %s: %s\n", directory, strerror(errno));
		free(log);
		return NULL;
	}
	char name[320];
	snprintf(name, sizeof(name), "%s/boundaries", directory);
	log->boundaries_fd = open(name, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	DIR *listing = opendir(directory);
	if (!listing || log->boundaries_fd < 0) {
		fprintf(stderr, "holon-ledger: cannot open the log in %s: %s\n", directory, strerror(errno));
		if (listing)
			closedir(listing);
		free(log);
		return NULL;
	}
	for (struct dirent *entry; (entry = readdir(listing));) {
		unsigned number;
		char rest;
		if (sscanf(entry->d_name, "log-%8u%c", &number, &rest) == 1)
			segment_add(log, number);
	}
	closedir(listing);
	if (log->segment_count)
		qsort(log->segments, log->segment_count, sizeof(*log->segments), by_number);
	return log;
}

/* Reads records until one does not check; *end is where. */
static bool replay_file(int fd, enum dag_record kind, log_visitor visitor, void *context,
                        struct segment *segment, off_t *end)
{
	uint8_t head[HEAD], *data = malloc(DAG_MAX_MESSAGE_SIZE);
	off_t at = 0;
	bool good = data != NULL;
	for (;;) {
		ssize_t got = pread(fd, head, HEAD, at);
		if (got < 0)
			good = false;
		if (got != HEAD)
			break;
		uint32_t size = load_le32(head + 4);
		if (size > DAG_MAX_MESSAGE_SIZE || pread(fd, data, size, at + HEAD) != (ssize_t)size ||
		    crc32c(crc32c(~0u, head + 4, HEAD - 4), data, size) != load_le32(head))
			break;
		uint64_t ticket = load_le64(head + 8);
		uint32_t what = load_le32(head + 16);
		if (segment) {
			segment->first = segment->first ? segment->first : ticket;
			segment->last = ticket;
		}
		if (visitor && (!kind || kind == what))
			visitor(context, what, data, size, ticket);
		at += HEAD + (off_t)size;
	}
	free(data);
	*end = at;
	return good;
}

bool log_replay(struct node_log *log, enum dag_record kind, log_visitor visitor, void *context)
{
	off_t end;
	bool good = true;
	if (!kind || kind == RECORD_BOUNDARY)
		good = replay_file(log->boundaries_fd, RECORD_BOUNDARY, visitor, context, NULL, &end);
	for (unsigned i = 0; i < log->segment_count && good; i++) {
		char name[320];
		segment_name(log, log->segments[i].number, name);
		int fd = open(name, O_RDWR | O_CLOEXEC);
		good = fd >= 0 && replay_file(fd, kind, visitor, context, &log->segments[i], &end);
		struct stat status;
		/* Only the last may end early; what a crash cut is taken off, so that appending goes on after
		 * it. */
		if (good && !fstat(fd, &status) && status.st_size > end) {
			if (i + 1 < log->segment_count)
				fprintf(
				    stderr,
				    "holon-ledger: %s is damaged at byte %ld: later records of it are lost\n",
				    name, (long)end);
			good = !ftruncate(fd, end);
		}
		if (fd >= 0)
			close(fd);
		if (!good)
			fprintf(stderr, "holon-ledger: cannot read %s: %s\n", name, strerror(errno));
	}
	return good;
}

static bool segment_begin(struct node_log *log, uint64_t ticket)
{
	char name[320];
	unsigned number = log->segment_count ? log->segments[log->segment_count - 1].number + 1 : 1;
	segment_name(log, number, name);
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int directory = fd < 0 ? -1 : open(log->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool good = directory >= 0 && !fsync(directory);
	if (directory >= 0)
		close(directory);
	if (!good) {
		int error = errno;
		if (fd >= 0) {
			close(fd);
			unlink(name);
		}
		errno = error;
		return false;
	}
	if (log->fd >= 0)
		close(log->fd);
	log->fd = fd;
	pthread_mutex_lock(&log->lock);
	segment_add(log, number);
	log->segments[log->segment_count - 1].first = ticket;
	log->segment_bytes = 0;
	pthread_mutex_unlock(&log->lock);
	return true;
}

/* Writes all of it at `offset`, or nothing that counts: the offset is where the next try begins. */
static bool write_group(int fd, struct iovec *pieces, int count, off_t offset)
{
	while (count) {
		ssize_t done = pwritev(fd, pieces, count, offset);
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return false;
		offset += done;
		while (count && (size_t)done >= pieces->iov_len) {
			done -= (ssize_t)pieces->iov_len;
			pieces++;
			count--;
		}
		if (count) {
			pieces->iov_base = (uint8_t *)pieces->iov_base + done;
			pieces->iov_len -= (size_t)done;
		}
	}
	return true;
}

static bool write_entries(struct node_log *log, struct entry *entries, unsigned count)
{
	for (unsigned from = 0; from < count;) {
		struct iovec pieces[2 * GROUP];
		unsigned group = 0;
		uint64_t bytes = 0;
		if (log->fd < 0 || log->segment_bytes >= SEGMENT_BYTES)
			if (!segment_begin(log, entries[from].ticket))
				return false;
		for (; from + group < count && group < GROUP; group++) {
			struct entry *entry = &entries[from + group];
			pieces[2 * group] = (struct iovec){entry->head, HEAD};
			pieces[2 * group + 1] = (struct iovec){entry->blob->data, entry->blob->size};
			bytes += HEAD + entry->blob->size;
			if (load_le32(entry->head + 16) == RECORD_BOUNDARY &&
			    (write(log->boundaries_fd, entry->head, HEAD) != HEAD ||
			     write(log->boundaries_fd, entry->blob->data, entry->blob->size) !=
			         (ssize_t)entry->blob->size ||
			     fdatasync(log->boundaries_fd)))
				return false;
		}
		if (!write_group(log->fd, pieces, (int)(2 * group), (off_t)log->segment_bytes))
			return false;
		pthread_mutex_lock(&log->lock);
		log->segment_bytes += bytes;
		log->segments[log->segment_count - 1].last = entries[from + group - 1].ticket;
		pthread_mutex_unlock(&log->lock);
		from += group;
	}
	return !fdatasync(log->fd);
}

static void *writer(void *context)
{
	struct node_log *log = context;
	pthread_mutex_lock(&log->lock);
	while (!log->stop || log->queue_count) {
		if (!log->queue_count) {
			pthread_cond_wait(&log->more, &log->lock);
			continue;
		}
		struct entry *entries = log->queue;
		unsigned count = log->queue_count;
		log->queue = NULL;
		log->queue_count = log->queue_room = 0;
		pthread_mutex_unlock(&log->lock);
		struct timespec begin, end;
		uint64_t bytes = 0;
		for (unsigned i = 0; i < count; i++) {
			struct entry *entry = &entries[i];
			store_le32(entry->head, crc32c(crc32c(~0u, entry->head + 4, HEAD - 4),
			                               entry->blob->data, entry->blob->size));
			bytes += HEAD + entry->blob->size;
		}
		uint64_t start = log->segment_bytes;
		clock_gettime(CLOCK_MONOTONIC, &begin);
		/* What is not durable is not told; a full disk stops us, it does not make us lie. */
		while (!write_entries(log, entries, count)) {
			pthread_mutex_lock(&log->lock);
			log->error = errno;
			bool stop = log->stop;
			log->segment_bytes = log->segment_bytes >= start ? start : 0;
			pthread_mutex_unlock(&log->lock);
			if (stop)
				break;
			sleep(1);
		}
		clock_gettime(CLOCK_MONOTONIC, &end);
		uint64_t last = entries[count - 1].ticket;
		for (unsigned i = 0; i < count; i++)
			blob_release(entries[i].blob);
		free(entries);
		pthread_mutex_lock(&log->lock);
		if (!log->stop)
			log->error = 0;
		log->durable = last;
		log->backlog -= bytes;
		log->bytes += bytes;
		log->syncs++;
		log->seconds +=
		    (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9;
		uint64_t one = 1;
		(void)!write(log->wake_fd, &one, sizeof(one));
	}
	pthread_mutex_unlock(&log->lock);
	return NULL;
}

void log_append(struct node_log *log, enum dag_record kind, struct blob *blob, uint64_t ticket)
{
	struct entry entry = {.blob = blob, .ticket = ticket};
	store_le32(entry.head + 4, blob->size);
	store_le64(entry.head + 8, ticket);
	store_le32(entry.head + 16, kind);
	pthread_mutex_lock(&log->lock);
	if (log->queue_count == log->queue_room) {
		unsigned room = log->queue_room ? 2 * log->queue_room : 64;
		struct entry *queue = ledger_allocate(room, sizeof(*queue));
		if (log->queue_count)
			memcpy(queue, log->queue, log->queue_count * sizeof(*queue));
		free(log->queue);
		log->queue = queue;
		log->queue_room = room;
	}
	log->queue[log->queue_count++] = entry;
	log->backlog += HEAD + blob->size;
	pthread_mutex_unlock(&log->lock);
}

void log_kick(struct node_log *log)
{
	pthread_mutex_lock(&log->lock);
	if (!log->running) {
		log->running = true;
		if (pthread_create(&log->thread, NULL, writer, log)) {
			fprintf(stderr, "holon-ledger: cannot start the log's thread\n");
			abort();
		}
	}
	if (log->queue_count)
		pthread_cond_signal(&log->more);
	pthread_mutex_unlock(&log->lock);
}

uint64_t log_durable(struct node_log *log)
{
	pthread_mutex_lock(&log->lock);
	uint64_t durable = log->durable;
	pthread_mutex_unlock(&log->lock);
	return durable;
}

uint64_t log_backlog(struct node_log *log)
{
	pthread_mutex_lock(&log->lock);
	uint64_t backlog = log->backlog;
	pthread_mutex_unlock(&log->lock);
	return backlog;
}

int log_error(struct node_log *log)
{
	pthread_mutex_lock(&log->lock);
	int error = log->error;
	pthread_mutex_unlock(&log->lock);
	return error;
}

void log_figures(struct node_log *log, uint64_t *bytes, uint64_t *syncs, double *seconds)
{
	pthread_mutex_lock(&log->lock);
	*bytes = log->bytes;
	*syncs = log->syncs;
	*seconds = log->seconds;
	pthread_mutex_unlock(&log->lock);
}

void log_forget(struct node_log *log, uint64_t oldest)
{
	pthread_mutex_lock(&log->lock);
	while (log->segment_count > 1 && log->segments[0].last < oldest) {
		char name[320];
		segment_name(log, log->segments[0].number, name);
		if (unlink(name))
			break;
		memmove(log->segments, log->segments + 1, (log->segment_count - 1) * sizeof(*log->segments));
		log->segment_count--;
	}
	pthread_mutex_unlock(&log->lock);
}

struct blob *log_read(struct node_log *log, uint64_t ticket)
{
	char name[320] = "";
	pthread_mutex_lock(&log->lock);
	for (unsigned i = 0; i < log->segment_count; i++)
		if (log->segments[i].first <= ticket && ticket <= log->segments[i].last)
			segment_name(log, log->segments[i].number, name);
	pthread_mutex_unlock(&log->lock);
	int fd = name[0] ? open(name, O_RDONLY | O_CLOEXEC) : -1;
	struct blob *found = NULL;
	uint8_t head[HEAD];
	for (off_t at = 0; fd >= 0 && !found && pread(fd, head, HEAD, at) == HEAD;
	     at += HEAD + (off_t)load_le32(head + 4)) {
		uint32_t size = load_le32(head + 4);
		if (size > DAG_MAX_MESSAGE_SIZE)
			break;
		if (load_le64(head + 8) != ticket)
			continue;
		found = blob_create(size);
		if (pread(fd, found->data, size, at + HEAD) != (ssize_t)size) {
			blob_release(found);
			found = NULL;
			break;
		}
	}
	if (fd >= 0)
		close(fd);
	return found;
}

void log_close(struct node_log *log)
{
	pthread_mutex_lock(&log->lock);
	log->stop = true;
	pthread_cond_signal(&log->more);
	bool running = log->running;
	pthread_mutex_unlock(&log->lock);
	if (running)
		pthread_join(log->thread, NULL);
	if (log->fd >= 0)
		close(log->fd);
	close(log->boundaries_fd);
	free(log->queue);
	free(log->segments);
	free(log);
}
