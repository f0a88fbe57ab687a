/* See sound.h. */
#include "sound.h"

/* Whether frames can be moved in this state; an error. */
static int64_t movable(const struct pcm_file *file)
{
	switch (file->state) {
	case PCM_PREPARED:
	case PCM_RUNNING:
	case PCM_PAUSED:
		return 0;
	case PCM_DRAINING:
		return file->pcm.capture ? 0 : -EBADFD;
	case PCM_XRUN:
		return -EPIPE;
	case PCM_DISCONNECTED:
		return -ENODEV;
	default:
		return -EBADFD;
	}
}

/* Waits until there is something to move, at most WANTED frames. 0, or an error. */
static int64_t wait_room(struct pcm_file *file, uint64_t wanted, bool nonblock)
{
	uint64_t least = wanted < file->avail_min ? wanted : file->avail_min;
	if (least > file->pcm.buffer)
		least = file->pcm.buffer;
	if (pcm_avail(file))
		return 0;
	if (nonblock)
		return -EAGAIN;
	int error = wait_event(&file->wait, movable(file) || pcm_avail(file) >= least, DEADLINE_NEVER);
	return error ? error : movable(file);
}

/* Starts a file that plays and holds enough; one that runs is told where its worker waits. */
static void has_moved(struct pcm_file *file)
{
	if (!file->pcm.capture && file->state == PCM_PREPARED &&
	    pcm_held(&file->pcm) >= file->start_threshold)
		(void)pcm_start(file);
	else if (file->state == PCM_RUNNING && file->waits)
		sound_kick();
}

/* Moves whole frames between the ring and IO's memory until that ends: bytes, or an error where there are none. A frame may be another
 * after a wait, since other threads may set parameters. */
static int64_t move(struct pcm_file *file, struct io *io, bool nonblock)
{
	struct pcm *pcm = &file->pcm;
	int64_t total = 0;
	while (io->remaining >= pcm->frame_bytes) {
		int64_t error = movable(file);
		if (!error)
			error = wait_room(file, io->remaining / pcm->frame_bytes, nonblock);
		if (error)
			return total ? total : error;
		uint64_t at = pcm->program % pcm->buffer, part = pcm_avail(file);
		if (part > pcm->buffer - at)
			part = pcm->buffer - at;
		if (part > io->remaining / pcm->frame_bytes)
			part = io->remaining / pcm->frame_bytes;
		uint8_t *ring = pcm->ring + at * pcm->frame_bytes;
		uint64_t bytes = part * pcm->frame_bytes;
		int64_t moved = pcm->capture ? io_put(io, ring, bytes) : io_take(io, ring, bytes);
		if (moved < 0 || (uint64_t)moved < bytes)
			return total ? total : -EFAULT;
		pcm->program = pcm_move(pcm, pcm->program, part);
		total += moved;
		has_moved(file);
	}
	return total;
}

int64_t pcm_transfer(struct file *opened, uint64_t buffer, uint64_t frames, bool nonblock)
{
	struct pcm_file *file = opened->private;
	struct linux_iovec one;
	struct io io;
	int64_t error = 0;
	if (frames > INT64_MAX / 8)
		return -EINVAL;
	if (!file->memory)
		return frames ? -EBADFD : 0;
	if (file->pcm.capture && file->state == PCM_PREPARED && frames >= file->start_threshold)
		error = pcm_start(file);
	if (error)
		return error;
	uint32_t frame_bytes = file->pcm.frame_bytes;
	io_init_user(&io, &one, buffer, frames * frame_bytes);
	int64_t done = move(file, &io, nonblock);
	return done < 0 ? done : done / frame_bytes;
}

/* As whole frames as the memory of the program's has, at its own place. */
static int64_t plain(struct file *opened, struct io *io)
{
	struct pcm_file *file = opened->private;
	int64_t error = 0;
	if (!file->memory)
		return -EBADFD;
	if (io->remaining % file->pcm.frame_bytes)
		return -EINVAL;
	if (io->remaining && file->pcm.capture && file->state == PCM_PREPARED)
		error = pcm_start(file);
	return error ? error : move(file, io, opened->flags & O_NONBLOCK || io->flags & IO_NO_WAIT);
}

int64_t pcm_read(struct file *file, struct io *io, int64_t *position)
{
	(void)position;
	return ((struct pcm_file *)file->private)->pcm.capture ? plain(file, io) : -EINVAL;
}

int64_t pcm_write(struct file *file, struct io *io, int64_t *position)
{
	(void)position;
	return ((struct pcm_file *)file->private)->pcm.capture ? -EINVAL : plain(file, io);
}
