/* See sound.h. */
#include "sound.h"

#include "mixer.interface.h"
#include "name.h"
#include "ramfs.h"
#include "subkernel.interface.h"

#define MINOR_CONTROL 0u
#define MINOR_PLAY    16u
#define MINOR_CAPTURE 24u
#define CALL_NS       (5 * NS_PER_SECOND)
#define LOOK_NS       (NS_PER_SECOND / 2)
#define BIT           1ull

struct sound sound;

void sound_kick(void)
{
	event_signal(sound.event, BIT);
}

/* A bit for each subdevice that a file has. One that is closed has none, whether the worker has taken it down or not. */
static uint32_t subdevices_used(bool capture)
{
	uint32_t used = 0;
	struct pcm_file *file;
	list_for_each(file, &sound.files, link)
	{
		if (!file->closed && file->pcm.capture == capture)
			used |= 1u << file->subdevice;
	}
	return used;
}

uint32_t sound_subdevices_left(bool capture)
{
	return SOUND_SUBDEVICES - (uint32_t)__builtin_popcount(subdevices_used(capture));
}

void *sound_memory(uint64_t bytes, struct memory_object **memory)
{
	*memory = memory_object_create(bytes);
	uint8_t *at = *memory ? memory_object_map(*memory, 0, bytes, true) : 0;
	bool good = at;
	for (uint64_t page = 0; good && page < bytes; page += PAGE_SIZE_BYTES)
		good = probe_write((uint64_t)(at + page)) == 0;
	if (good)
		return at;
	if (at)
		memory_object_unmap(at, bytes);
	if (*memory)
		memory_object_release(*memory);
	*memory = 0;
	return 0;
}

/* One file's turn. False: it is gone. */
static bool turn(struct pcm_file *file)
{
	if (file->closed) {
		list_remove(&file->link);
		sound_stream_close(&file->stream);
		pcm_parameters_free(file);
		heap_free(file);
		return false;
	}
	if (file->state != PCM_OPEN && file->state != PCM_SETUP &&
	    !sound_stream_care(file, clock_monotonic()))
		pcm_state_set(file, PCM_DISCONNECTED);
	pcm_step(file);
	return true;
}

static void sound_worker(void *argument)
{
	(void)argument;
	while (!list_empty(&sound.files)) {
		struct list *last = &sound.files; /* that had its turn: files are taken away here alone */
		while (last->next != &sound.files) {
			struct pcm_file *file = list_entry(last->next, struct pcm_file, link);
			if (turn(file))
				last = &file->link;
		}
		if (!list_empty(&sound.files))
			(void)worker_wait_for(sound.event, clock_ns() + LOOK_NS);
	}
	sound.working = false;
	worker_end();
}

static void pcm_release(struct file *opened)
{
	struct pcm_file *file = opened->private;
	wait_queue_close(&file->wait);
	file->closed = true;
	sound_kick();
}

static uint32_t pcm_poll(struct file *opened, struct poll_table *table)
{
	struct pcm_file *file = opened->private;
	uint32_t ready = file->pcm.capture ? POLLIN | POLLRDNORM : POLLOUT | POLLWRNORM;
	poll_wait(table, &file->wait);
	switch (file->state) {
	case PCM_RUNNING:
	case PCM_PREPARED:
	case PCM_PAUSED:
		return pcm_avail(file) >= file->avail_min ? ready : 0;
	case PCM_DRAINING:
		return file->pcm.capture && pcm_avail(file) ? ready : 0;
	default:
		return ready | POLLERR;
	}
}

static int64_t pcm_mmap(struct file *opened, struct mmap_request *request)
{
	struct pcm_file *file = opened->private;
	if (request->offset) /* of status and control: programs ask by SYNC_PTR */
		return -ENXIO;
	if (!file->memory)
		return -EBADFD;
	if (request->bytes > file->memory->bytes)
		return -EINVAL;
	request->object = memory_object_reference(file->memory);
	request->object_offset = 0;
	return 0;
}

static const struct file_ops pcm_ops = {.read = pcm_read,
                                        .write = pcm_write,
                                        .poll = pcm_poll,
                                        .ioctl = pcm_ioctl,
                                        .mmap = pcm_mmap,
                                        .release = pcm_release};

static int pcm_open(struct file *opened, bool capture)
{
	if (!(sound.directions >> (capture ? SOUND_CAPTURE : SOUND_PLAY) & 1))
		return -ENODEV;
	uint32_t subdevice = (uint32_t)__builtin_ctz(~subdevices_used(capture));
	if (subdevice >= SOUND_SUBDEVICES)
		return -EBUSY;
	struct pcm_file *file = heap_allocate(sizeof(*file));
	if (!file)
		return -ENOMEM;
	if (!sound.working && !worker_create("sound", sound_worker, 0)) {
		heap_free(file);
		return -ENOMEM;
	}
	sound.working = true;
	file->subdevice = subdevice;
	file->pcm.capture = capture;
	wait_queue_init(&file->wait);
	list_append(&sound.files, &file->link);
	opened->ops = &pcm_ops;
	opened->private = file;
	sound_kick();
	return 0;
}

int sound_device_open(struct vnode *vnode, struct file *file)
{
	if (vnode->device_number >> 8 != SOUND_MAJOR || !sound.mixer)
		return -ENXIO;
	switch (vnode->device_number & 0xff) {
	case MINOR_CONTROL:
		file->ops = &sound_control_ops;
		return 0;
	case MINOR_PLAY:
		return pcm_open(file, false);
	case MINOR_CAPTURE:
		return pcm_open(file, true);
	default:
		return -ENXIO;
	}
}

void sound_devices_make(struct vnode *directory)
{
	static const struct {
		const char *name;
		uint32_t minor, direction;
	} nodes[] = {{"controlC0", MINOR_CONTROL, SOUND_DIRECTIONS},
	             {"pcmC0D0p", MINOR_PLAY, SOUND_PLAY},
	             {"pcmC0D0c", MINOR_CAPTURE, SOUND_CAPTURE}};
	handle_t control = start_find(linux_start_info(), "control", 0), found = 0;
	if (!control || subkernel_sound(control, current_page(), &found, clock_ns() + CALL_NS) < 0)
		return;
	int64_t made = mixer_describe(found, current_page(), &sound.directions, clock_ns() + CALL_NS);
	made = made < 0 ? made : event_create();
	if (made < 0) {
		cap_delete(found);
		return;
	}
	sound.event = (handle_t)made;
	sound.mixer = found;
	sound.volume[0] = sound.volume[1] = MIXER_VOLUME_ONE;
	list_init(&sound.files);
	struct vnode *folder = ramfs_make(directory, "snd", S_IFDIR | 0755, 0);
	for (unsigned i = 0; i < sizeof(nodes) / sizeof(*nodes) && folder; i++) {
		if (nodes[i].direction < SOUND_DIRECTIONS && !(sound.directions >> nodes[i].direction & 1))
			continue;
		struct vnode *node = ramfs_make(folder, nodes[i].name, S_IFCHR | 0660,
		                                (uint64_t)SOUND_MAJOR << 8 | nodes[i].minor);
		if (node)
			vnode_release(node);
	}
	if (folder)
		vnode_release(folder);
}
