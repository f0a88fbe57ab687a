/* See sound.h. Two elements: how loud this sub-kernel is, and whether it is heard at all. */
#include "sound.h"

#define PROTOCOL 0x20008u /* 2.0.8 */
#define TYPE     'U'
#define CARD     0u

/* Numbers of ioctls, all of type 'U'. */
enum {
	PVERSION = 0x00,
	CARD_INFO = 0x01,
	ELEM_LIST = 0x10,
	ELEM_INFO = 0x11,
	ELEM_READ = 0x12,
	ELEM_WRITE = 0x13,
	SUBSCRIBE = 0x16,
	HWDEP_NEXT = 0x20,
	PCM_NEXT = 0x30,
	PCM_INFO = 0x31,
	PCM_PREFER = 0x32,
	RAWMIDI_NEXT = 0x40,
	POWER_STATE = 0xd1,
};
enum { IFACE_MIXER = 2, TYPE_BOOLEAN = 1, TYPE_INTEGER = 2, ACCESS_READ_WRITE = 3 };
enum { ELEMENT_VOLUME = 1, ELEMENT_SWITCH = 2, ELEMENTS = 2 }; /* numbers from 1 on */
#define VOLUME_STEPS 100

struct card_info {
	int32_t card, pad;
	char id[16], driver[16], name[32], longname[80], reserved[16], mixername[80], components[128];
};
struct pcm_info {
	uint32_t device, subdevice;
	int32_t stream, card;
	char id[64], name[80], subname[32];
	int32_t class, subclass;
	uint32_t subdevices, left;
	uint8_t sync[16], reserved[64];
};
struct element_id {
	uint32_t number;
	int32_t iface;
	uint32_t device, subdevice;
	char name[44];
	uint32_t index;
};
struct element_list {
	uint32_t offset, space, used, count;
	uint64_t ids;
	uint8_t reserved[56];
};
struct element_info {
	struct element_id id;
	int32_t type;
	uint32_t access, count;
	int32_t owner;
	int64_t minimum, maximum, step;
	uint8_t rest[128 - 24], reserved[64];
};
struct element_value {
	struct element_id id;
	uint64_t indirect;
	int64_t values[128];
	uint8_t reserved[128];
};
_Static_assert(sizeof(struct card_info) == 376 && sizeof(struct pcm_info) == 288 &&
                   sizeof(struct element_list) == 80 && sizeof(struct element_info) == 272 &&
                   sizeof(struct element_value) == 1224,
               "asound.h");

static const char *const names[ELEMENTS] = {"PCM Playback Volume", "PCM Playback Switch"};

void pcm_info_fill(uint8_t bytes[288], bool capture, uint32_t subdevice)
{
	struct pcm_info info = {.subdevice = subdevice,
	                        .stream = capture,
	                        .card = CARD,
	                        .subdevices = SOUND_SUBDEVICES,
	                        .left = sound_subdevices_left(capture)};
	text_copy(info.id, sizeof(info.id), "Holon PCM");
	text_copy(info.name, sizeof(info.name), "Holon PCM");
	text_format(info.subname, sizeof(info.subname), "subdevice #%u", subdevice);
	memcpy(bytes, &info, sizeof(info));
}

static int64_t card_info(uint64_t argument)
{
	struct card_info info = {.card = CARD};
	text_copy(info.id, sizeof(info.id), "Holon");
	text_copy(info.driver, sizeof(info.driver), "Holon");
	text_copy(info.name, sizeof(info.name), "Holon mixer");
	text_copy(info.longname, sizeof(info.longname), "Holon mixer, a stream of the machine's sound");
	text_copy(info.mixername, sizeof(info.mixername), "Holon mixer");
	return copy_to_user(argument, &info, sizeof(info)) ? -EFAULT : 0;
}

/* The next device of those that are numbered from 0 to LAST - 1. */
static int64_t next_device(uint64_t argument, uint32_t last)
{
	uint32_t device;
	if (get_user_u32(&device, argument))
		return -EFAULT;
	device++;
	return put_user_u32(argument, device < last ? device : UINT32_MAX);
}

static int64_t pcm_info(uint64_t argument)
{
	struct pcm_info info;
	if (copy_from_user(&info, argument, sizeof(info)))
		return -EFAULT;
	if (info.device || info.stream < 0 || info.stream > 1 ||
	    !(sound.directions >> (info.stream ? SOUND_CAPTURE : SOUND_PLAY) & 1) ||
	    info.subdevice >= SOUND_SUBDEVICES)
		return -ENOENT;
	uint8_t filled[sizeof(info)];
	pcm_info_fill(filled, info.stream, info.subdevice);
	return copy_to_user(argument, filled, sizeof(filled)) ? -EFAULT : 0;
}

/* ---- Elements ---- */

static struct element_id id_of(uint32_t number)
{
	struct element_id id = {.number = number, .iface = IFACE_MIXER};
	text_copy(id.name, sizeof(id.name), names[number - 1]);
	return id;
}

/* Which one ID names, by its number or by its name; 0: none. */
static uint32_t element_find(const struct element_id *id)
{
	if (id->number)
		return id->number <= ELEMENTS ? id->number : 0;
	for (uint32_t number = 1; number <= ELEMENTS; number++)
		if (id->iface == IFACE_MIXER && !id->device && !id->subdevice && !id->index &&
		    strnlen(id->name, sizeof(id->name)) < sizeof(id->name) &&
		    !strcmp(id->name, names[number - 1]))
			return number;
	return 0;
}

static int64_t element_list(uint64_t argument)
{
	struct element_list list;
	if (copy_from_user(&list, argument, sizeof(list)))
		return -EFAULT;
	list.count = ELEMENTS;
	list.used = 0;
	for (uint32_t i = list.offset; i < ELEMENTS && list.used < list.space; i++) {
		struct element_id id = id_of(i + 1);
		if (copy_to_user(list.ids + list.used * sizeof(id), &id, sizeof(id)))
			return -EFAULT;
		list.used++;
	}
	return copy_to_user(argument, &list, sizeof(list)) ? -EFAULT : 0;
}

static int64_t element_info(uint64_t argument)
{
	struct element_info info;
	if (copy_from_user(&info, argument, sizeof(info)))
		return -EFAULT;
	uint32_t number = element_find(&info.id);
	if (!number)
		return -ENOENT;
	info = (struct element_info){.id = id_of(number),
	                             .type = number == ELEMENT_VOLUME ? TYPE_INTEGER : TYPE_BOOLEAN,
	                             .access = ACCESS_READ_WRITE,
	                             .count = number == ELEMENT_VOLUME ? 2 : 1,
	                             .owner = -1,
	                             .maximum = number == ELEMENT_VOLUME ? VOLUME_STEPS : 1};
	return copy_to_user(argument, &info, sizeof(info)) ? -EFAULT : 0;
}

static void element_get(uint32_t number, int64_t values[2])
{
	values[0] = !sound.muted;
	values[1] = 0;
	for (unsigned i = 0; i < 2 && number == ELEMENT_VOLUME; i++)
		values[i] = (sound.volume[i] * VOLUME_STEPS + MIXER_VOLUME_ONE / 2) / MIXER_VOLUME_ONE;
}

/* Streams are told by the worker. 1: it is another than before; 0: the same; or an error. */
static int64_t element_set(uint32_t number, const int64_t values[2])
{
	int64_t before[2];
	struct pcm_file *file;
	element_get(number, before);
	if (number == ELEMENT_SWITCH && (values[0] < 0 || values[0] > 1))
		return -EINVAL;
	if (number == ELEMENT_VOLUME &&
	    (values[0] < 0 || values[0] > VOLUME_STEPS || values[1] < 0 || values[1] > VOLUME_STEPS))
		return -EINVAL;
	if (values[0] == before[0] && (number == ELEMENT_SWITCH || values[1] == before[1]))
		return 0;
	if (number == ELEMENT_SWITCH)
		sound.muted = !values[0];
	for (unsigned i = 0; i < 2 && number == ELEMENT_VOLUME; i++)
		sound.volume[i] = (uint32_t)values[i] * MIXER_VOLUME_ONE / VOLUME_STEPS;
	list_for_each(file, &sound.files, link) file->stream.stale = true;
	sound_kick();
	return 1;
}

static int64_t element_access(uint64_t argument, bool write)
{
	static struct element_value value; /* the common lock is held alone, and not given up */
	if (copy_from_user(&value, argument, sizeof(value)))
		return -EFAULT;
	uint32_t number = element_find(&value.id);
	if (!number)
		return -ENOENT;
	int64_t result = write ? element_set(number, value.values) : 0;
	if (result < 0)
		return result;
	value.id = id_of(number);
	element_get(number, value.values);
	return copy_to_user(argument, &value, sizeof(value)) ? -EFAULT : result;
}

static uint32_t argument_bytes(uint32_t number)
{
	switch (number) {
	case CARD_INFO:
		return sizeof(struct card_info);
	case ELEM_LIST:
		return sizeof(struct element_list);
	case ELEM_INFO:
		return sizeof(struct element_info);
	case ELEM_READ:
	case ELEM_WRITE:
		return sizeof(struct element_value);
	case PCM_INFO:
		return sizeof(struct pcm_info);
	default:
		return 4;
	}
}

static int64_t control_ioctl(struct file *file, uint32_t command, uint64_t argument)
{
	uint32_t number = command & 0xff;
	(void)file;
	if ((command >> 8 & 0xff) != TYPE || (command >> 16 & 0x3fff) != argument_bytes(number))
		return -ENOTTY;
	switch (number) {
	case PVERSION:
		return put_user_u32(argument, PROTOCOL);
	case CARD_INFO:
		return card_info(argument);
	case ELEM_LIST:
		return element_list(argument);
	case ELEM_INFO:
		return element_info(argument);
	case ELEM_READ:
	case ELEM_WRITE:
		return element_access(argument, number == ELEM_WRITE);
	case SUBSCRIBE: /* nobody else changes anything */
		return put_user_u32(argument, 0);
	case HWDEP_NEXT:
	case RAWMIDI_NEXT:
		return put_user_u32(argument, UINT32_MAX);
	case PCM_NEXT:
		return next_device(argument, 1);
	case PCM_INFO:
		return pcm_info(argument);
	case PCM_PREFER:
		return 0;
	case POWER_STATE:
		return put_user_u32(argument, 0);
	default:
		return -ENOTTY;
	}
}

static uint32_t control_poll(struct file *file, struct poll_table *table)
{
	(void)file;
	(void)table;
	return 0;
}

const struct file_ops sound_control_ops = {.ioctl = control_ioctl, .poll = control_poll};
