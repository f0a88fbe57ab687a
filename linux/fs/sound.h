/* Sound as programs have it: /dev/snd/controlC0, pcmC0D0p and pcmC0D0c, one card of ALSA (include/uapi/sound/asound.h of the Linux API) in sub-kernels that may
 * use the machine's (abi/subkernel.interface, sound).
 *
 *   sound_device.c   the files, and the worker that moves samples
 *   sound_stream.c   a stream of the mixer's
 *   sound_pcm.c      what programs ask of a PCM file
 *   sound_move.c     reading and writing one
 *   sound_control.c  the control file: the card, its devices, how loud it is
 *
 * A PCM file has a ring of its own, which may be mapped; the worker makes the mixer's samples from it, or it from them, one period of the
 * mixer after the other (lib/sound/pcm.h): that is the "hardware" whose pointer programs see. All state is guarded by the
 * common lock, held alone.
 */
#pragma once

#include "../internal.h"
#include "pcm.h"
#include <holon/mixer.h>
#include <holon/sound.h>

#define SOUND_SUBDEVICES 4u /* files that are open at once, of each direction */

enum pcm_state {
	PCM_OPEN,
	PCM_SETUP,
	PCM_PREPARED,
	PCM_RUNNING,
	PCM_XRUN,
	PCM_DRAINING,
	PCM_PAUSED,
	PCM_SUSPENDED,
	PCM_DISCONNECTED
};

/* A stream of the mixer's, for one file. */
struct sound_stream {
	bool open, stale; /* STALE: not loud as it is to be */
	uint32_t failures;
	uint64_t number, signal_bits, check_at;
	handle_t signal;
	struct memory_object *memory;
	struct mixer_ring *ring;
	int16_t *samples;
	uint32_t own; /* the position in it */
};

struct pcm_file {
	struct list link;
	bool closed; /* the file is: the worker takes the rest down */
	uint32_t subdevice;
	enum pcm_state state;
	struct pcm pcm;
	struct memory_object *memory; /* its ring; 0: it has no parameters */
	uint64_t avail_min, start_threshold, stop_threshold;
	uint32_t access, tstamp_type;
	uint32_t tail;      /* frames that the resampler still gives, draining */
	bool waits;         /* the last look left room, so that more is to be moved at once */
	uint64_t triggered; /* ns: the last change of the state */
	struct wait_queue wait;
	struct sound_stream stream;
};

struct sound {
	handle_t mixer, event; /* 0: there is none */
	uint32_t directions;
	struct list files;
	bool working;
	uint32_t volume[2]; /* of MIXER_VOLUME_ONE */
	bool muted;
};
extern struct sound sound __attribute__((visibility("hidden")));

/* sound_device.c */
void sound_kick(void);
/* Memory of BYTES, a multiple of a page, with all its pages: the personality has no other way to cope without. 0: there is none. */
void *sound_memory(uint64_t bytes, struct memory_object **memory);
/* How many more files of that direction can be opened. */
uint32_t sound_subdevices_left(bool capture);

/* sound_stream.c: what asks the mixer gives the common lock up meanwhile, and is the worker's alone. */
/* Opens, checks and sets what is due. False: there is no mixer any more. */
bool sound_stream_care(struct pcm_file *file, uint64_t now);
void sound_stream_close(struct sound_stream *stream);
/* Frames that can be put, or taken. */
uint32_t sound_stream_room(const struct sound_stream *stream);
uint32_t sound_stream_waiting(const struct sound_stream *stream);
void sound_stream_advance(struct sound_stream *stream, uint32_t frames);

/* sound_pcm.c */
void pcm_state_set(struct pcm_file *file, enum pcm_state state);
/* Frames that the program may put or take. */
uint64_t pcm_avail(const struct pcm_file *file);
int64_t pcm_ioctl(struct file *file, uint32_t command, uint64_t argument);
int64_t pcm_start(struct pcm_file *file);
void pcm_parameters_free(struct pcm_file *file);
void pcm_info_fill(uint8_t info[288], bool capture, uint32_t subdevice);
/* What the worker does at each of its turns: moves samples, and wakes whom that concerns. */
void pcm_step(struct pcm_file *file);

/* sound_move.c */
int64_t pcm_transfer(struct file *file, uint64_t buffer, uint64_t frames, bool nonblock);
int64_t pcm_read(struct file *file, struct io *io, int64_t *position);
int64_t pcm_write(struct file *file, struct io *io, int64_t *position);

/* sound_control.c */
extern const struct file_ops sound_control_ops __attribute__((visibility("hidden")));
