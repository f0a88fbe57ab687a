/* What evtest(1) shows, for evdev_test.py: the devices of /dev/input, and what comes from them until the escape key was let go. */
#include <errno.h>
#include <fcntl.h>
#include <linux/input.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define DEVICES 3
#define WAIT_MS 200000

static int describe(int number)
{
	char path[32], name[64] = "";
	unsigned long keys[KEY_CNT / 64] = {0}, types = 0, rel = 0, abs = 0;
	struct input_absinfo place = {0};
	int version = 0, monotonic = CLOCK_MONOTONIC;
	snprintf(path, sizeof(path), "/dev/input/event%d", number);
	int file = open(path, O_RDONLY | O_NONBLOCK);
	if (file < 0 || ioctl(file, EVIOCGVERSION, &version) ||
	    ioctl(file, EVIOCGNAME(sizeof(name)), name) < 0 ||
	    ioctl(file, EVIOCGBIT(0, sizeof(types)), &types) < 0 ||
	    ioctl(file, EVIOCGBIT(EV_KEY, sizeof(keys)), keys) < 0 ||
	    ioctl(file, EVIOCGBIT(EV_REL, sizeof(rel)), &rel) < 0 ||
	    ioctl(file, EVIOCGBIT(EV_ABS, sizeof(abs)), &abs) < 0 || ioctl(file, EVIOCSCLOCKID, &monotonic))
		printf("%s: %s\n", path, strerror(errno));
	int places = ioctl(file, EVIOCGABS(ABS_Y), &place) == 0 ? place.maximum : -1;
	printf("%d: %s, %x: types %lx, rel %lx, abs %lx to %d, A %d, left %d\n", number, name, version, types,
	       rel, abs, places, (int)(keys[KEY_A / 64] >> KEY_A % 64 & 1),
	       (int)(keys[BTN_LEFT / 64] >> BTN_LEFT % 64 & 1));
	char small[4];
	if (read(file, small, sizeof(small)) >= 0 || errno != EINVAL)
		printf("a small buffer was taken\n");
	return file;
}

int main(void)
{
	struct pollfd files[DEVICES];
	unsigned long held[KEY_CNT / 64];
	for (int i = 0; i < DEVICES; i++)
		files[i] = (struct pollfd){.fd = describe(i), .events = POLLIN};
	printf("ready\n");
	fflush(stdout);
	while (poll(files, DEVICES, WAIT_MS) > 0) {
		for (int i = 0; i < DEVICES; i++) {
			struct input_event events[16];
			ssize_t bytes = files[i].revents ? read(files[i].fd, events, sizeof(events)) : 0;
			for (size_t k = 0; bytes > 0 && k < (size_t)bytes / sizeof(*events); k++) {
				printf("%d: %d %d %d\n", i, events[k].type, events[k].code, events[k].value);
				if (events[k].type != EV_KEY || events[k].code != KEY_ESC || events[k].value)
					continue;
				int got = ioctl(files[i].fd, EVIOCGKEY(sizeof(held)), held);
				printf("end: held %d\n", got > 0 && (held[0] >> KEY_ESC & 1));
				return 0;
			}
		}
		fflush(stdout);
	}
	return 1;
}
