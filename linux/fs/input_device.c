/* Keyboards and pointers as files: /dev/input/event0 (keys), event1 (a mouse) and event2 (a tablet, or a touch screen), as evdev has
 * them (include/uapi/linux/input.h of the Linux API), in sub-kernels that may read the machine's (abi/subkernel.interface, input).
 *
 * The machine's devices are one source with one reader; a worker reads it while some file is open, and puts what comes into the queues
 * of all open files. A button or a wheel is of the pointer that moved last. Between two reports of one device the source makes no
 * difference: a report ends where an axis comes again, and where nothing more is there.
 */
#include "../internal.h"
#include "input/keys.h"
#include "input.interface.h"
#include "name.h"
#include "ramfs.h"
#include "subkernel.interface.h"
#include <holon/input.h>

#define MINOR_FIRST 64u
#define QUEUE       256u /* events of an open file; a power of two */
#define CALL_NS     NS_PER_SECOND
#define LOOK_NS     (2 * NS_PER_SECOND) /* the console may have started anew, and knows of no reader */
#define BIT         1ull

/* include/uapi/linux/input-event-codes.h, by number */
enum { EV_SYN, EV_KEY, EV_REL, EV_ABS };
enum { SYN_REPORT = 0, SYN_DROPPED = 3 };
enum { REL_X = 0, REL_Y = 1, REL_WHEEL = 8 };
enum { BTN_LEFT = 0x110, BUTTONS = 5, KEY_COUNT = 0x300, ABS_COUNT = 2 };
enum { PROPERTY_DIRECT = 1 };
enum { BUS_VIRTUAL = 6, EVDEV_VERSION = 0x010001 };

/* Numbers of ioctls, all of type 'E'. */
enum {
	GET_VERSION = 0x01,
	GET_ID = 0x02,
	GET_NAME = 0x06,
	GET_PROPERTIES = 0x09,
	GET_KEYS = 0x18,
	GET_LEDS = 0x19,
	GET_SOUNDS = 0x1a,
	GET_SWITCHES = 0x1b,
	GET_BITS = 0x20, /* and the type */
	GET_ABSOLUTE = 0x40,
	SET_CLOCK = 0xa0,
};

struct evdev_event {
	int64_t seconds, microseconds;
	uint16_t type, code;
	int32_t value;
};
struct evdev_absolute {
	int32_t value, minimum, maximum, fuzz, flat, resolution;
};

enum { KEYBOARD, MOUSE, TABLET, DEVICES };
static const char *const names[DEVICES] = {"Holon keyboard", "Holon mouse", "Holon tablet"};

static struct device {
	struct list readers;
	uint64_t pressed[KEY_COUNT / 64];
	int32_t places[ABS_COUNT];
	uint32_t axes; /* of the report that is being made */
	bool report;   /* something is in it */
} devices[DEVICES];

struct reader {
	struct list link;
	struct device *device;
	struct evdev_event queue[QUEUE];
	uint32_t put, taken;
	bool monotonic;
	struct wait_queue wait;
};

static handle_t source, event; /* 0: there is none to read */
static unsigned readers, pointer = MOUSE;
static bool working;

/* ---- What comes ---- */

static void append(struct reader *reader, uint16_t type, uint16_t code, int32_t value)
{
	uint64_t now = reader->monotonic ? clock_monotonic() : clock_realtime();
	reader->queue[reader->put++ % QUEUE] =
	    (struct evdev_event){.seconds = (int64_t)(now / NS_PER_SECOND),
	                         .microseconds = (int64_t)(now % NS_PER_SECOND / 1000),
	                         .type = type,
	                         .code = code,
	                         .value = value};
}

static void put(struct device *device, uint16_t type, uint16_t code, int32_t value)
{
	struct reader *reader;
	list_for_each(reader, &device->readers, link)
	{
		if (reader->put - reader->taken == QUEUE) { /* nobody reads: a report is all that is left */
			reader->taken = reader->put;
			append(reader, EV_SYN, SYN_DROPPED, 0);
		}
		append(reader, type, code, value);
		wake_all(&reader->wait, POLLIN);
	}
}

static void report_end(struct device *device)
{
	if (device->report)
		put(device, EV_SYN, SYN_REPORT, 0);
	device->report = false;
	device->axes = 0;
}

static void key(struct device *device, uint16_t code, bool pressed)
{
	uint64_t *word = &device->pressed[code / 64], bit = 1ull << code % 64;
	if (!(*word & bit) == !pressed)
		return;
	*word ^= bit;
	device->report = true;
	put(device, EV_KEY, code, pressed);
	report_end(device);
}

static void axis(struct device *device, uint16_t type, uint16_t code, int32_t value)
{
	uint32_t bit = 1u << code;
	if (device->axes & bit)
		report_end(device);
	device->axes |= bit;
	device->report = true;
	put(device, type, code, value);
}

/* Nothing is pressed any more, on whatever device. */
static void let_go(void)
{
	for (struct device *device = devices; device < devices + DEVICES; device++)
		for (unsigned code = 0; code < KEY_COUNT; code++)
			key(device, (uint16_t)code, false);
}

static void take(const struct input_event *at)
{
	static const uint16_t ways[INPUT_AXES] = {REL_X, REL_Y, REL_WHEEL};
	switch (at->type) {
	case INPUT_LOST:
		let_go();
		break;
	case INPUT_KEY:
		if (keys_linux(at->code))
			key(&devices[KEYBOARD], keys_linux(at->code), at->value);
		break;
	case INPUT_BUTTON:
		if (at->code >= 1 && at->code <= BUTTONS)
			key(&devices[pointer], (uint16_t)(BTN_LEFT + at->code - 1), at->value);
		break;
	case INPUT_MOVE:
		if (at->code < INPUT_WHEEL)
			pointer = MOUSE;
		if (at->code < INPUT_AXES)
			axis(&devices[pointer], EV_REL, ways[at->code], at->value);
		break;
	case INPUT_PLACE:
		if (at->code >= ABS_COUNT)
			break;
		pointer = TABLET;
		devices[TABLET].places[at->code] = at->value;
		axis(&devices[TABLET], EV_ABS, at->code, at->value);
		break;
	default:
		break;
	}
}

/* The next events; how many, or an error. The common lock is given up for the call. */
static int64_t read_some(struct input_event *events)
{
	const void *data;
	uint32_t bytes;
	personality_unlock();
	int64_t result = input_read(source, current_page(), &data, &bytes, clock_ns() + CALL_NS);
	if (result >= 0 && bytes <= INPUT_AT_ONCE * sizeof(*events))
		memcpy(events, data, bytes);
	personality_lock();
	return result < 0                                ? result
	       : bytes > INPUT_AT_ONCE * sizeof(*events) ? E_ARGUMENT
	                                                 : bytes / sizeof(*events);
}

static void watch(void)
{
	personality_unlock();
	int64_t copy = cap_copy(event, RIGHT_SIGNAL | RIGHT_COPY | RIGHT_MOVE, BIT);
	if (copy >= 0 && input_watch(source, current_page(), (handle_t)copy, BIT, clock_ns() + CALL_NS) < 0)
		cap_delete((handle_t)copy);
	personality_lock();
}

static void input_worker(void *argument)
{
	static struct input_event events[INPUT_AT_ONCE];
	bool fresh = true; /* what came while nobody read is nobody's */
	(void)argument;
	while (readers) {
		int64_t count;
		watch();
		while ((count = read_some(events)) > 0)
			for (int64_t i = 0; i < count && !fresh; i++)
				take(&events[i]);
		fresh = fresh && count < 0;
		for (unsigned i = 0; i < DEVICES; i++)
			report_end(&devices[i]);
		if (readers)
			(void)worker_wait_for(event, clock_ns() + LOOK_NS);
	}
	let_go();
	working = false;
	worker_end();
}

/* ---- Files ---- */

static int64_t input_device_read(struct file *file, struct io *io, int64_t *position)
{
	struct reader *reader = file->private;
	int64_t total = 0;
	(void)position;
	if (io->remaining < sizeof(struct evdev_event))
		return io->remaining ? -EINVAL : 0;
	if (reader->put == reader->taken && (file->flags & O_NONBLOCK || io->flags & IO_NO_WAIT))
		return -EAGAIN;
	int error = wait_event(&reader->wait, reader->put != reader->taken, DEADLINE_NEVER);
	while (!error && reader->put != reader->taken && io->remaining >= sizeof(struct evdev_event)) {
		struct evdev_event one = reader->queue[reader->taken++ % QUEUE];
		int64_t done = io_put(io, &one, sizeof(one));
		if (done < 0)
			error = (int)done;
		else
			total += done;
	}
	return total ? total : error;
}

static uint32_t input_device_poll(struct file *file, struct poll_table *table)
{
	struct reader *reader = file->private;
	poll_wait(table, &reader->wait);
	return reader->put != reader->taken ? POLLIN | POLLRDNORM : 0;
}

/* The types of events, or the codes of one, that DEVICE has. */
static void bits_of(unsigned device, unsigned type, uint64_t bits[KEY_COUNT / 64])
{
	static const uint8_t types[DEVICES] = {1 << EV_SYN | 1 << EV_KEY,
	                                       1 << EV_SYN | 1 << EV_KEY | 1 << EV_REL,
	                                       1 << EV_SYN | 1 << EV_KEY | 1 << EV_REL | 1 << EV_ABS};
	if (type == EV_SYN)
		bits[0] = types[device];
	if (type == EV_KEY && device != KEYBOARD)
		bits[BTN_LEFT / 64] = ((1ull << BUTTONS) - 1) << BTN_LEFT % 64;
	for (uint16_t usage = 0; usage <= UINT8_MAX && type == EV_KEY && device == KEYBOARD; usage++)
		if (keys_linux(usage))
			bits[keys_linux(usage) / 64] |= 1ull << keys_linux(usage) % 64;
	if (type == EV_REL)
		bits[0] = device == MOUSE    ? 1 << REL_X | 1 << REL_Y | 1 << REL_WHEEL
		          : device == TABLET ? 1 << REL_WHEEL
		                             : 0;
	if (type == EV_ABS && device == TABLET)
		bits[0] = 3;
}

/* BYTES of FROM, or as many as the user has room for; how many. */
static int64_t give(uint64_t argument, uint32_t room, const void *from, uint32_t bytes)
{
	uint32_t part = room < bytes ? room : bytes;
	return copy_to_user(argument, from, part) ? -EFAULT : (int64_t)part;
}

static int64_t give_absolute(const struct device *device, unsigned number, uint64_t argument, uint32_t room)
{
	if (device != &devices[TABLET] || number >= ABS_COUNT)
		return -EINVAL;
	struct evdev_absolute absolute = {.value = device->places[number], .maximum = INPUT_PLACE_MAX};
	int64_t done = give(argument, room, &absolute, sizeof(absolute));
	return done < 0 ? done : 0;
}

static int64_t input_device_ioctl(struct file *file, uint32_t command, uint64_t argument)
{
	struct reader *reader = file->private;
	unsigned device = (unsigned)(reader->device - devices);
	uint32_t number = command & 0xff, room = command >> 16 & 0x3fff, clock;
	uint64_t bits[KEY_COUNT / 64] = {0};
	uint16_t id[4] = {BUS_VIRTUAL, 0, (uint16_t)(device + 1), 1};
	if ((command >> 8 & 0xff) != 'E')
		return -ENOTTY;
	switch (number) {
	case GET_VERSION:
		return put_user_u32(argument, EVDEV_VERSION);
	case GET_ID:
		return copy_to_user(argument, id, sizeof(id)) ? -EFAULT : 0;
	case GET_NAME:
		return give(argument, room, names[device], (uint32_t)strlen(names[device]) + 1);
	case GET_PROPERTIES:
		bits[0] = device == TABLET ? PROPERTY_DIRECT << 1 : 0;
		return give(argument, room, bits, sizeof(bits[0]));
	case GET_KEYS:
		return give(argument, room, reader->device->pressed, sizeof(reader->device->pressed));
	case GET_LEDS:
	case GET_SOUNDS:
	case GET_SWITCHES:
		return give(argument, room, bits, sizeof(bits[0]));
	case SET_CLOCK:
		if (copy_from_user(&clock, argument, sizeof(clock)))
			return -EFAULT;
		if (clock > 1) /* of the realtime and the monotonic */
			return -EINVAL;
		reader->monotonic = clock;
		return 0;
	default:
		break;
	}
	if (number >= GET_ABSOLUTE && number < GET_ABSOLUTE + 0x40)
		return give_absolute(reader->device, number - GET_ABSOLUTE, argument, room);
	if (number < GET_BITS || number >= GET_ABSOLUTE)
		return -EINVAL;
	bits_of(device, number - GET_BITS, bits);
	return give(argument, room, bits, sizeof(bits));
}

static void input_device_release(struct file *file)
{
	struct reader *reader = file->private;
	list_remove(&reader->link);
	wait_queue_close(&reader->wait);
	heap_free(reader);
	if (!--readers)
		event_signal(event, BIT); /* the worker ends */
}

static const struct file_ops input_ops = {
    .read = input_device_read,
    .poll = input_device_poll,
    .ioctl = input_device_ioctl,
    .release = input_device_release,
};

int input_device_open(struct vnode *vnode, struct file *file)
{
	uint64_t number = (vnode->device_number & 0xff) - MINOR_FIRST;
	if (vnode->device_number >> 8 != INPUT_MAJOR || number >= DEVICES || !source)
		return -ENXIO;
	struct reader *reader = heap_allocate(sizeof(*reader));
	if (!reader)
		return -ENOMEM;
	readers++;
	if (!working && !worker_create("input", input_worker, 0)) {
		readers--;
		heap_free(reader);
		return -ENOMEM;
	}
	working = true;
	memset(reader, 0, sizeof(*reader));
	reader->device = &devices[number];
	wait_queue_init(&reader->wait);
	list_append(&reader->device->readers, &reader->link);
	file->ops = &input_ops;
	file->private = reader;
	return 0;
}

void input_devices_make(struct vnode *directory)
{
	handle_t control = start_find(linux_start_info(), "control", 0), found = 0;
	if (!control || subkernel_input(control, current_page(), &found, clock_ns() + CALL_NS) < 0)
		return;
	int64_t made = event_create();
	if (made < 0) {
		cap_delete(found);
		return;
	}
	event = (handle_t)made;
	source = found;
	for (unsigned i = 0; i < DEVICES; i++)
		list_init(&devices[i].readers);
	struct vnode *folder = ramfs_make(directory, "input", S_IFDIR | 0755, 0);
	for (unsigned i = 0; i < DEVICES && folder; i++) {
		char name[16];
		text_format(name, sizeof(name), "event%u", i);
		struct vnode *node =
		    ramfs_make(folder, name, S_IFCHR | 0660, (uint64_t)INPUT_MAJOR << 8 | (MINOR_FIRST + i));
		if (node)
			vnode_release(node);
	}
	if (folder)
		vnode_release(folder);
}
