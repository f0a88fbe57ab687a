/* See sound.h. */
#include "sound.h"

#include "alsa_params.h"

#define PROTOCOL    0x2000fu /* 2.0.15 */
#define TYPE        'A'
#define TARGET      4096u /* frames that are kept with the mixer, at most: 85 ms */
#define SIZE(ioctl) ((ioctl) >> 16 & 0x3fff)

/* Numbers of ioctls, all of type 'A'. */
enum {
	PVERSION = 0x00,
	INFO = 0x01,
	TSTAMP = 0x02,
	TTSTAMP = 0x03,
	USER_PVERSION = 0x04,
	HW_REFINE = 0x10,
	HW_PARAMS = 0x11,
	HW_FREE = 0x12,
	SW_PARAMS = 0x13,
	STATUS = 0x20,
	DELAY = 0x21,
	HWSYNC = 0x22,
	SYNC_PTR = 0x23,
	STATUS_EXT = 0x24,
	CHANNEL_INFO = 0x32,
	PREPARE = 0x40,
	RESET = 0x41,
	START = 0x42,
	DROP = 0x43,
	DRAIN = 0x44,
	PAUSE = 0x45,
	REWIND = 0x46,
	RESUME = 0x47,
	XRUN = 0x48,
	FORWARD = 0x49,
	WRITEI = 0x50,
	READI = 0x51,
};
enum { SYNC_HW = 1, SYNC_TAKE_PROGRAM = 2, SYNC_TAKE_AVAIL_MIN = 4 };
enum { TSTAMP_TYPES = 3 };

struct sw_params {
	int32_t tstamp_mode;
	uint32_t period_step, sleep_min;
	uint64_t avail_min, xfer_align, start_threshold, stop_threshold, silence_threshold, silence_size,
	    boundary;
	uint32_t proto, tstamp_type;
	uint8_t reserved[56];
};
struct status {
	int32_t state, pad;
	struct linux_timespec trigger, now;
	uint64_t program, card;
	int64_t delay;
	uint64_t avail, avail_max, overrange;
	int32_t suspended_state;
	uint32_t audio_data;
	struct linux_timespec audio, driver;
	uint32_t accuracy;
	uint8_t reserved[20];
};
struct sync_ptr {
	uint32_t flags, pad;
	struct {
		int32_t state, pad;
		uint64_t card;
		struct linux_timespec now;
		int32_t suspended_state, pad2;
		struct linux_timespec audio;
		uint64_t reserved;
	} status;
	uint64_t program, avail_min;
	uint8_t reserved[48];
};
struct transfer {
	int64_t result;
	uint64_t buffer, frames;
};
struct channel_info {
	uint32_t channel, pad;
	int64_t offset;
	uint32_t first, step;
};
_Static_assert(sizeof(struct sw_params) == 136 && sizeof(struct status) == 152 &&
                   sizeof(struct sync_ptr) == 136 && sizeof(struct transfer) == 24 &&
                   sizeof(struct channel_info) == 24,
               "asound.h");

void pcm_state_set(struct pcm_file *file, enum pcm_state state)
{
	if (file->state == state)
		return;
	file->state = state;
	file->triggered = clock_monotonic();
	if (file->stream.ring && state != PCM_RUNNING && state != PCM_DRAINING)
		file->stream.ring->ends = 1;
	wake_all(&file->wait, 0);
}

uint64_t pcm_avail(const struct pcm_file *file)
{
	uint64_t held = pcm_held(&file->pcm);
	if (!file->memory)
		return 0;
	if (file->pcm.capture)
		return held < file->pcm.buffer ? held : file->pcm.buffer;
	return held < file->pcm.buffer ? file->pcm.buffer - held : 0;
}

/* Frames until what the program puts now is heard, or that it has not taken yet. */
static int64_t delay_of(const struct pcm_file *file)
{
	uint64_t held = pcm_held(&file->pcm);
	if (file->pcm.capture || !file->stream.open || file->state == PCM_PREPARED)
		return (int64_t)held;
	uint32_t under_way = file->stream.own - file->stream.ring->heard;
	return (int64_t)(held + (uint64_t)under_way * file->pcm.rate / PCM_RATE);
}

/* ---- The worker's part ---- */

static void step_play(struct pcm_file *file)
{
	struct sound_stream *stream = &file->stream;
	struct pcm *pcm = &file->pcm;
	uint64_t target = (uint64_t)pcm->buffer * PCM_RATE / pcm->rate / 2, before = pcm->card;
	bool draining = file->state == PCM_DRAINING;
	if (target > TARGET)
		target = TARGET;
	if (target < 2 * MIXER_PERIOD)
		target = 2 * MIXER_PERIOD;
	file->waits = true;
	for (;;) {
		uint32_t held = MIXER_FRAMES - sound_stream_room(stream), at = stream->own % MIXER_FRAMES;
		uint64_t part = held < target ? target - held : 0;
		if (part > MIXER_FRAMES - at)
			part = MIXER_FRAMES - at;
		bool end = draining && !pcm_held(pcm);
		if (end && part > file->tail)
			part = file->tail;
		if (!part) {
			file->waits = held < target;
			break;
		}
		uint32_t done = pcm_play(pcm, stream->samples + 2 * at, (uint32_t)part, end);
		if (end)
			file->tail -= done;
		sound_stream_advance(stream, done);
		if (done < part && !(draining && !end))
			break;
	}
	bool empty = !pcm_held(pcm);
	uint32_t with_mixer = MIXER_FRAMES - sound_stream_room(stream);
	stream->ring->ends = draining && empty && !file->tail;
	if (draining && empty && !file->tail && stream->ring->heard == stream->own)
		pcm_state_set(file, PCM_SETUP);
	else if (!draining && empty && with_mixer < MIXER_PERIOD && file->stop_threshold <= pcm->buffer)
		pcm_state_set(file, PCM_XRUN);
	if (pcm->card != before && pcm_avail(file) >= file->avail_min)
		wake_all(&file->wait, POLLOUT | POLLWRNORM);
}

static void step_capture(struct pcm_file *file)
{
	struct sound_stream *stream = &file->stream;
	uint32_t lost = 0, count;
	while ((count = sound_stream_waiting(stream))) {
		uint32_t at = stream->own % MIXER_FRAMES;
		if (count > MIXER_FRAMES - at)
			count = MIXER_FRAMES - at;
		lost += pcm_capture(&file->pcm, stream->samples + 2 * at, count);
		sound_stream_advance(stream, count);
	}
	if (lost && file->stop_threshold <= file->pcm.buffer)
		pcm_state_set(file, PCM_XRUN);
	if (pcm_avail(file) >= file->avail_min)
		wake_all(&file->wait, POLLIN | POLLRDNORM);
}

void pcm_step(struct pcm_file *file)
{
	struct sound_stream *stream = &file->stream;
	if (!stream->open || !file->memory)
		return;
	if (file->pcm.capture && file->state == PCM_RUNNING)
		step_capture(file);
	else if (file->pcm.capture) /* what nobody wants */
		sound_stream_advance(stream, sound_stream_waiting(stream));
	else if (file->state == PCM_RUNNING || file->state == PCM_DRAINING)
		step_play(file);
}

/* ---- Parameters ---- */

void pcm_parameters_free(struct pcm_file *file)
{
	if (file->pcm.ring)
		memory_object_unmap(file->pcm.ring, file->memory->bytes);
	if (file->memory)
		memory_object_release(file->memory);
	file->pcm.ring = 0;
	file->memory = 0;
}

static int64_t hw_refine(struct pcm_file *file, uint64_t argument, bool choose)
{
	struct alsa_params params;
	if (copy_from_user(&params, argument, sizeof(params)))
		return -EFAULT;
	if (!choose)
		return !alsa_refine(&params)                             ? -EINVAL
		       : copy_to_user(argument, &params, sizeof(params)) ? -EFAULT
		                                                         : 0;
	if (file->state != PCM_OPEN && file->state != PCM_SETUP && file->state != PCM_PREPARED)
		return -EBADFD;
	if (!alsa_choose(&params))
		return -EINVAL;
	uint32_t bytes = alsa_value(&params, ALSA_BUFFER_SIZE) * (alsa_value(&params, ALSA_FRAME_BITS) / 8);
	struct memory_object *memory;
	uint8_t *ring = sound_memory((bytes + PAGE_SIZE_BYTES - 1) & ~(PAGE_SIZE_BYTES - 1), &memory);
	if (!ring)
		return -ENOMEM;
	pcm_parameters_free(file);
	file->memory = memory;
	struct pcm *pcm = &file->pcm;
	pcm->ring = ring;
	pcm->format = alsa_first(&params, ALSA_FORMAT);
	pcm->rate = alsa_value(&params, ALSA_RATE);
	pcm->channels = alsa_value(&params, ALSA_CHANNELS);
	pcm->buffer = alsa_value(&params, ALSA_BUFFER_SIZE);
	pcm->boundary = pcm->buffer;
	while (pcm->boundary * 2 <= INT64_MAX - pcm->buffer)
		pcm->boundary *= 2;
	pcm_begin(pcm);
	if (pcm->format == PCM_U8) /* whose silence is not 0 */
		memset(ring, 0x80, bytes);
	file->access = alsa_first(&params, ALSA_ACCESS);
	file->avail_min = alsa_value(&params, ALSA_PERIOD_SIZE);
	file->start_threshold = 1;
	file->stop_threshold = pcm->buffer;
	pcm_state_set(file, PCM_SETUP);
	return copy_to_user(argument, &params, sizeof(params)) ? -EFAULT : 0;
}

static int64_t sw_params(struct pcm_file *file, uint64_t argument)
{
	struct sw_params params;
	if (!file->memory)
		return -EBADFD;
	if (copy_from_user(&params, argument, sizeof(params)))
		return -EFAULT;
	if (!params.avail_min || params.tstamp_mode < 0 || params.tstamp_mode > 1 ||
	    params.tstamp_type >= TSTAMP_TYPES)
		return -EINVAL;
	file->avail_min = params.avail_min;
	file->start_threshold = params.start_threshold;
	file->stop_threshold = params.stop_threshold;
	params.boundary = file->pcm.boundary;
	return copy_to_user(argument, &params, sizeof(params)) ? -EFAULT : 0;
}

/* ---- Where it is ---- */

/* Of the file's clock, at NS of the monotonic one. */
static struct linux_timespec time_of(const struct pcm_file *file, uint64_t ns)
{
	if (ns && !file->tstamp_type)
		ns += clock_realtime() - clock_monotonic();
	return (struct linux_timespec){.tv_sec = (int64_t)(ns / NS_PER_SECOND),
	                               .tv_nsec = (int64_t)(ns % NS_PER_SECOND)};
}

static int64_t give_status(struct pcm_file *file, uint64_t argument)
{
	struct status status = {.state = (int32_t)file->state, .trigger = time_of(file, file->triggered)};
	if (file->memory) {
		status.now = status.driver = time_of(file, clock_monotonic());
		status.program = file->pcm.program;
		status.card = file->pcm.card;
		status.avail = status.avail_max = pcm_avail(file);
		status.delay = delay_of(file);
	}
	return copy_to_user(argument, &status, sizeof(status)) ? -EFAULT : 0;
}

/* Whether there is a place to tell of; an error. */
static int64_t placed(const struct pcm_file *file)
{
	switch (file->state) {
	case PCM_PREPARED:
	case PCM_RUNNING:
	case PCM_DRAINING:
	case PCM_PAUSED:
		return 0;
	case PCM_XRUN:
		return -EPIPE;
	case PCM_DISCONNECTED:
		return -ENODEV;
	default:
		return -EBADFD;
	}
}

static int64_t sync_pointers(struct pcm_file *file, uint64_t argument)
{
	struct sync_ptr sync;
	if (copy_from_user(&sync, argument, sizeof(sync)))
		return -EFAULT;
	if (sync.flags & SYNC_HW && placed(file) < 0)
		return placed(file);
	if (!(sync.flags & SYNC_TAKE_PROGRAM)) {
		if (sync.program && sync.program >= file->pcm.boundary)
			return -EINVAL;
		file->pcm.program = sync.program;
		if (file->waits)
			sound_kick();
	}
	if (!(sync.flags & SYNC_TAKE_AVAIL_MIN) && sync.avail_min)
		file->avail_min = sync.avail_min;
	sync.program = file->pcm.program;
	sync.avail_min = file->avail_min;
	sync.status.state = (int32_t)file->state;
	sync.status.card = file->pcm.card;
	sync.status.now = time_of(file, clock_monotonic());
	sync.status.suspended_state = 0;
	sync.status.audio = (struct linux_timespec){0};
	return copy_to_user(argument, &sync, sizeof(sync)) ? -EFAULT : 0;
}

/* Moves the program's place by FRAMES, back or on, as far as there is room. */
static int64_t move_program(struct pcm_file *file, uint64_t argument, bool back)
{
	uint64_t frames;
	if (get_user_u64(&frames, argument))
		return -EFAULT;
	int64_t error = placed(file);
	if (error)
		return error;
	uint64_t avail = pcm_avail(file), most = back ? file->pcm.buffer - avail : avail;
	if (frames > most)
		frames = most;
	file->pcm.program =
	    pcm_move(&file->pcm, file->pcm.program, back ? file->pcm.boundary - frames : frames);
	return put_user_u64(argument, frames) ? -EFAULT : 0;
}

/* ---- Its life ---- */

static int64_t prepare(struct pcm_file *file)
{
	if (!file->memory)
		return -EBADFD;
	if (file->state == PCM_DISCONNECTED)
		return -ENODEV;
	if (file->state == PCM_RUNNING || file->state == PCM_DRAINING)
		return -EBUSY;
	pcm_begin(&file->pcm);
	file->tail = 0;
	pcm_state_set(file, PCM_PREPARED);
	sound_kick(); /* its stream is opened meanwhile */
	return 0;
}

int64_t pcm_start(struct pcm_file *file)
{
	if (file->state != PCM_PREPARED)
		return file->state == PCM_DISCONNECTED ? -ENODEV : -EBADFD;
	if (!file->pcm.capture && !pcm_held(&file->pcm))
		return -EPIPE;
	pcm_state_set(file, PCM_RUNNING);
	sound_kick();
	return 0;
}

static int64_t drop(struct pcm_file *file)
{
	if (!file->memory)
		return -EBADFD;
	if (file->state == PCM_DISCONNECTED)
		return -ENODEV;
	pcm_state_set(file, PCM_SETUP);
	return 0;
}

static int64_t drain(struct file *opened, struct pcm_file *file)
{
	if (!file->memory)
		return -EBADFD;
	if (file->pcm.capture || file->state == PCM_PAUSED || file->state == PCM_XRUN)
		return drop(file);
	if (file->state == PCM_PREPARED && !pcm_held(&file->pcm))
		return drop(file);
	if (file->state == PCM_PREPARED || file->state == PCM_RUNNING) {
		const struct resampler *resampler = &file->pcm.resampler;
		file->tail = (uint32_t)((uint64_t)resampler->reach * resampler->out / resampler->in);
		pcm_state_set(file, PCM_DRAINING);
		sound_kick();
	}
	if (file->state != PCM_DRAINING)
		return file->state == PCM_SETUP ? 0 : placed(file);
	if (opened->flags & O_NONBLOCK)
		return -EAGAIN;
	int error = wait_event(&file->wait, file->state != PCM_DRAINING, DEADLINE_NEVER);
	return error ? error : file->state == PCM_DISCONNECTED ? -ENODEV : 0;
}

static int64_t pause(struct pcm_file *file, bool on)
{
	if (on ? file->state != PCM_RUNNING : file->state != PCM_PAUSED)
		return -EBADFD;
	pcm_state_set(file, on ? PCM_PAUSED : PCM_RUNNING);
	sound_kick();
	return 0;
}

static int64_t transfer(struct file *opened, uint64_t argument, bool capture)
{
	struct pcm_file *file = opened->private;
	struct transfer transfer;
	if (file->pcm.capture != capture)
		return -EINVAL;
	if (copy_from_user(&transfer, argument, sizeof(transfer)))
		return -EFAULT;
	int64_t result =
	    file->memory && file->access != ALSA_RW_INTERLEAVED
	        ? -EINVAL
	        : pcm_transfer(opened, transfer.buffer, transfer.frames, opened->flags & O_NONBLOCK);
	if (put_user_u64(argument, (uint64_t)result))
		return -EFAULT;
	return result < 0 ? result : 0;
}

static int64_t channel_info(const struct pcm_file *file, uint64_t argument)
{
	struct channel_info info;
	if (copy_from_user(&info, argument, sizeof(info)))
		return -EFAULT;
	if (!file->memory)
		return -EBADFD;
	if (info.channel >= file->pcm.channels)
		return -EINVAL;
	info.offset = 0;
	info.first = info.channel * 8 * pcm_sample_bytes(file->pcm.format);
	info.step = 8 * file->pcm.frame_bytes;
	return copy_to_user(argument, &info, sizeof(info)) ? -EFAULT : 0;
}

static int64_t set_clock(struct pcm_file *file, uint64_t argument)
{
	uint32_t type;
	if (get_user_u32(&type, argument))
		return -EFAULT;
	if (type >= TSTAMP_TYPES)
		return -EINVAL;
	file->tstamp_type = type;
	return 0;
}

static int64_t give_info(const struct pcm_file *file, uint64_t argument)
{
	uint8_t info[288];
	pcm_info_fill(info, file->pcm.capture, file->subdevice);
	return copy_to_user(argument, info, sizeof(info)) ? -EFAULT : 0;
}

/* How many bytes the argument of a number has, which its ioctl says, too. */
static uint32_t argument_bytes(uint32_t number)
{
	switch (number) {
	case INFO:
		return 288;
	case HW_REFINE:
	case HW_PARAMS:
		return sizeof(struct alsa_params);
	case SW_PARAMS:
		return sizeof(struct sw_params);
	case STATUS:
	case STATUS_EXT:
		return sizeof(struct status);
	case SYNC_PTR:
		return sizeof(struct sync_ptr);
	case CHANNEL_INFO:
		return sizeof(struct channel_info);
	case WRITEI:
	case READI:
		return sizeof(struct transfer);
	case DELAY:
	case REWIND:
	case FORWARD:
		return 8;
	case PVERSION:
	case TSTAMP:
	case TTSTAMP:
	case USER_PVERSION:
	case PAUSE:
		return 4;
	default:
		return 0;
	}
}

static int64_t pcm_ask(struct pcm_file *file, uint32_t number, uint64_t argument)
{
	int64_t error;
	switch (number) {
	case PVERSION:
		return put_user_u32(argument, PROTOCOL);
	case INFO:
		return give_info(file, argument);
	case TSTAMP:
	case USER_PVERSION:
		return 0;
	case TTSTAMP:
		return set_clock(file, argument);
	case HW_REFINE:
	case HW_PARAMS:
		return hw_refine(file, argument, number == HW_PARAMS);
	case SW_PARAMS:
		return sw_params(file, argument);
	case STATUS:
	case STATUS_EXT:
		return give_status(file, argument);
	case SYNC_PTR:
		return sync_pointers(file, argument);
	case CHANNEL_INFO:
		return channel_info(file, argument);
	case HWSYNC:
		return placed(file);
	case DELAY:
		error = placed(file);
		return error ? error : put_user_u64(argument, (uint64_t)delay_of(file));
	case REWIND:
	case FORWARD:
		return move_program(file, argument, number == REWIND);
	default:
		return -ENOTTY;
	}
}

static int64_t hw_free(struct pcm_file *file)
{
	if (file->state != PCM_SETUP && file->state != PCM_PREPARED)
		return -EBADFD;
	pcm_parameters_free(file);
	pcm_state_set(file, PCM_OPEN);
	return 0;
}

int64_t pcm_ioctl(struct file *opened, uint32_t command, uint64_t argument)
{
	struct pcm_file *file = opened->private;
	uint32_t number = command & 0xff;
	if ((command >> 8 & 0xff) != TYPE || SIZE(command) != argument_bytes(number))
		return -ENOTTY;
	switch (number) {
	case HW_FREE:
		return hw_free(file);
	case PREPARE:
		return prepare(file);
	case RESET: /* the program's place is the card's */
		if (placed(file))
			return placed(file);
		file->pcm.program = file->pcm.card;
		return 0;
	case START:
		return pcm_start(file);
	case DROP:
		return drop(file);
	case DRAIN:
		return drain(opened, file);
	case PAUSE:
		return pause(file, argument);
	case RESUME:
		return -ENOSYS;
	case XRUN:
		if (file->state != PCM_RUNNING)
			return placed(file);
		pcm_state_set(file, PCM_XRUN);
		return 0;
	case WRITEI:
	case READI:
		return transfer(opened, argument, number == READI);
	default:
		return pcm_ask(file, number, argument);
	}
}
