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

/* Moves up to FRAMES, which there is room for, between the ring and the program. False: its memory is not there. */
static bool move(struct pcm_file *file, uint64_t buffer, uint64_t frames)
{
	struct pcm *pcm = &file->pcm;
	while (frames) {
		uint64_t at = pcm->program % pcm->buffer,
		         part = frames < pcm->buffer - at ? frames : pcm->buffer - at;
		uint8_t *ring = pcm->ring + at * pcm->frame_bytes;
		uint64_t bytes = part * pcm->frame_bytes;
		if (pcm->capture ? copy_to_user(buffer, ring, bytes) : copy_from_user(ring, buffer, bytes))
			return false;
		pcm->program = pcm_move(pcm, pcm->program, part);
		buffer += bytes;
		frames -= part;
	}
	return true;
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

int64_t pcm_transfer(struct file *opened, uint64_t buffer, uint64_t frames, bool nonblock)
{
	struct pcm_file *file = opened->private;
	uint64_t done = 0;
	int64_t error = 0;
	if (frames > INT64_MAX / 8)
		return -EINVAL;
	if (file->pcm.capture && file->state == PCM_PREPARED && frames >= file->start_threshold)
		error = pcm_start(file);
	while (done < frames && !error) {
		error = movable(file);
		if (!error)
			error = wait_room(file, frames - done, nonblock);
		if (error)
			break;
		uint64_t avail = pcm_avail(file), part = frames - done < avail ? frames - done : avail;
		uint64_t before = file->pcm.program;
		if (!move(file, buffer + done * file->pcm.frame_bytes, part)) {
			file->pcm.program = before;
			error = -EFAULT;
			break;
		}
		done += part;
		if (file->pcm.capture)
			continue;
		if (file->state == PCM_PREPARED && pcm_held(&file->pcm) >= file->start_threshold)
			error = pcm_start(file);
		else if (file->state == PCM_RUNNING && file->waits)
			sound_kick();
	}
	return done ? (int64_t)done : error;
}

/* As whole frames as the memory of the program's has, at its own place. */
static int64_t plain(struct file *opened, struct io *io)
{
	struct pcm_file *file = opened->private;
	bool nonblock = opened->flags & O_NONBLOCK || io->flags & IO_NO_WAIT;
	int64_t total = 0;
	if (!file->memory)
		return -EBADFD;
	if (io->remaining % file->pcm.frame_bytes)
		return -EINVAL;
	while (io->remaining) {
		int64_t error = movable(file);
		if (!error && file->pcm.capture && file->state == PCM_PREPARED)
			error = pcm_start(file);
		if (!error)
			error = wait_room(file, io->remaining / file->pcm.frame_bytes, nonblock);
		if (error)
			return total ? total : error;
		struct pcm *pcm = &file->pcm;
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
		if (!pcm->capture && file->state == PCM_PREPARED && pcm_held(pcm) >= file->start_threshold)
			(void)pcm_start(file);
		else if (file->state == PCM_RUNNING && file->waits)
			sound_kick();
	}
	return total;
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
