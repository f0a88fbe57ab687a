/* The driver of AC '97 controllers of Intel's ICH family. Sources: Intel I/O Controller Hub: AC '97 Programmer's Reference Manual ("ICH"),
 * Audio Codec '97 Component Specification 2.3 ("AC97"). Clients are served by lib/sound/sound_port.c.
 *
 * A list of 32 buffers goes round the client's ring, an interrupt after each; the last valid one is always that before the one which
 * plays, so that it never ends.
 */
#include "driver/driver.h"
#include "sound_port.h"

#include <text.h>

/* The mixer, BAR 0: AC97 5.7. */
enum {
	RESET = 0x00,
	MASTER_VOLUME = 0x02,
	HEADPHONE_VOLUME = 0x04,
	PCM_VOLUME = 0x18,
	RECORD_SELECT = 0x1a,
	RECORD_GAIN = 0x1c,
	POWER = 0x26,
	EXTENDED_ID = 0x28,
	EXTENDED_CONTROL = 0x2a,
	FRONT_RATE = 0x2c,
	INPUT_RATE = 0x32,
	MIXER_BYTES = 0x80
};
#define VOLUME_PCM_0DB 0x0808u /* AC97 5.7.3: 0 is 12 dB more */
/* QEMU's card takes all volumes for parts of what there is: 0 plays all, and captures nothing. */
#define SUBSYSTEM      0x2cu /* in its configuration space */
#define SUBSYSTEM_QEMU 0x11001af4u
#define GAIN_QEMU_ALL  0x0f0fu
#define VOLUME_MASTER  0x0000u
#define RECORD_LINE    0x0404u
#define POWER_ANALOGUE 0x000eu /* DAC, mixer and reference are ready: ADC is bit 0 */
#define EXTENDED_VRA   1u

/* Bus master, BAR 1: ICH 2.2. Of a direction: */
enum { BDBAR = 0x0, CIV = 0x4, LVI = 0x5, SR = 0x6, PICB = 0x8, CR = 0xb };
enum { IN_AT = 0x00, OUT_AT = 0x10, GLOB_CNT = 0x2c, GLOB_STA = 0x30, MASTER_BYTES = 0x40 };
#define CNT_COLD_NOT    2u /* 0: the codec's cold reset */
#define STA_CODEC_READY (1u << 8)
#define CR_RUN          1u
#define CR_RESET        2u
#define CR_INTERRUPTS   (4u | 8u | 16u) /* last valid, error, completion */
#define SR_ALL          (4u | 8u | 16u)
#define ENTRIES         32u
#define ENTRY_INTERRUPT (1u << 31)
#define TRIES           200u

_Static_assert(ENTRIES == SOUND_PERIODS, "an entry a period");

struct entry { /* ICH 2.2.1 */
	uint32_t address, samples;
};

static struct ac97 {
	struct driver driver;
	struct sound_port port;
	const struct driver_bar *mixer, *master;
	struct entry *lists;
	uint64_t address; /* of the lists */
} ac97;

static uint32_t base_of(enum sound_direction direction)
{
	return direction == SOUND_PLAY ? OUT_AT : IN_AT;
}

static uint32_t in(const struct driver_bar *bar, uint32_t at, uint32_t bytes)
{
	int64_t value = ioport_in(bar->ports, bar->port + at, bytes);

	if (value < 0)
		driver_fail(&ac97.driver, "its registers cannot be read");
	return (uint32_t)value;
}

static void out(const struct driver_bar *bar, uint32_t at, uint32_t bytes, uint32_t value)
{
	if (ioport_out(bar->ports, bar->port + at, bytes, value) < 0)
		driver_fail(&ac97.driver, "its registers cannot be written");
}

static void stop(enum sound_direction direction)
{
	uint32_t base = base_of(direction);

	out(ac97.master, base + CR, 1, 0);
	driver_pause(&ac97.driver, 1000);
	out(ac97.master, base + CR, 1, CR_RESET);
	for (unsigned tries = 0; in(ac97.master, base + CR, 1) & CR_RESET; tries++) {
		if (tries == TRIES)
			driver_fail(&ac97.driver, "a direction does not reset");
		driver_pause(&ac97.driver, 1000);
	}
	out(ac97.master, base + SR, 2, SR_ALL);
}

static void start(enum sound_direction direction)
{
	const struct sound_port_direction *from = &ac97.port.directions[direction];
	uint32_t base = base_of(direction);
	volatile struct entry *list = ac97.lists + (unsigned)direction * ENTRIES;

	for (uint32_t i = 0; i < ENTRIES; i++) {
		uint32_t byte = i * SOUND_PERIOD_BYTES;
		uint64_t address = from->addresses[byte / DRIVER_PAGE] + byte % DRIVER_PAGE;
		if (address >> 32)
			driver_fail(&ac97.driver, "the client's memory is where the card cannot reach");
		list[i].address = (uint32_t)address;
		list[i].samples = SOUND_PERIOD_BYTES / 2 | ENTRY_INTERRUPT;
	}
	stop(direction);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	out(ac97.master, base + BDBAR, 4,
	    (uint32_t)ac97.address + (uint32_t)direction * ENTRIES * sizeof(struct entry));
	out(ac97.master, base + LVI, 1, ENTRIES - 1);
	out(ac97.master, base + CR, 1, CR_RUN | CR_INTERRUPTS);
}

/* The buffer that is moved, and the samples of it that are left: read until both are of one moment. */
static uint32_t place(enum sound_direction direction)
{
	uint32_t base = base_of(direction), current = 0, left = 0;

	for (unsigned tries = 0; tries < 4; tries++) {
		current = in(ac97.master, base + CIV, 1) % ENTRIES;
		left = in(ac97.master, base + PICB, 2);
		if (current == in(ac97.master, base + CIV, 1) % ENTRIES)
			break;
	}
	if (left > SOUND_PERIOD_BYTES / 2)
		left = SOUND_PERIOD_BYTES / 2;
	return (current * SOUND_PERIOD_BYTES + (SOUND_PERIOD_BYTES - 2 * left)) % SOUND_RING_BYTES;
}

static void card_init(void)
{
	const bool is_qemu = driver_config(&ac97.driver, SUBSYSTEM) == SUBSYSTEM_QEMU;

	out(ac97.master, GLOB_CNT, 4, 0); /* a cold reset: ICH 3.3 */
	driver_pause(&ac97.driver, 1000);
	out(ac97.master, GLOB_CNT, 4, CNT_COLD_NOT);
	for (unsigned tries = 0; !(in(ac97.master, GLOB_STA, 4) & STA_CODEC_READY); tries++) {
		if (tries == TRIES)
			driver_fail(&ac97.driver, "there is no codec");
		driver_pause(&ac97.driver, 5000);
	}
	stop(SOUND_PLAY);
	stop(SOUND_CAPTURE);
	if (!driver_started(&ac97.driver))
		driver_fail(&ac97.driver, "devmgr does not let it start");
	out(ac97.mixer, RESET, 2, 0);
	for (unsigned tries = 0;
	     (in(ac97.mixer, POWER, 2) & POWER_ANALOGUE) != POWER_ANALOGUE && tries < TRIES; tries++)
		driver_pause(&ac97.driver, 5000);
	out(ac97.mixer, MASTER_VOLUME, 2, VOLUME_MASTER);
	out(ac97.mixer, HEADPHONE_VOLUME, 2, VOLUME_MASTER);
	out(ac97.mixer, PCM_VOLUME, 2, is_qemu ? 0 : VOLUME_PCM_0DB);
	out(ac97.mixer, RECORD_SELECT, 2, RECORD_LINE);
	out(ac97.mixer, RECORD_GAIN, 2, is_qemu ? GAIN_QEMU_ALL : 0);
	if (in(ac97.mixer, EXTENDED_ID, 2) & EXTENDED_VRA) { /* else 48 kHz is all it has */
		out(ac97.mixer, EXTENDED_CONTROL, 2, EXTENDED_VRA);
		out(ac97.mixer, FRONT_RATE, 2, SOUND_RATE);
		out(ac97.mixer, INPUT_RATE, 2, SOUND_RATE);
	}
}

static void message(void *context, struct message *message)
{
	(void)context;
	sound_port_message(&ac97.port, message);
}

static void work(void *context, uint64_t bits)
{
	(void)context;
	(void)bits;
	if (in(ac97.master, GLOB_STA, 4) == UINT32_MAX)
		driver_fail(&ac97.driver, "the card is gone");
	for (unsigned i = 0; i < SOUND_DIRECTIONS; i++) {
		uint32_t base = base_of(i);
		if (!ac97.port.directions[i].running)
			continue;
		out(ac97.master, base + SR, 2, in(ac97.master, base + SR, 2) & SR_ALL);
		out(ac97.master, base + LVI, 1, (in(ac97.master, base + CIV, 1) + ENTRIES - 1) % ENTRIES);
	}
	sound_port_look(&ac97.port);
}

int program_main(const struct start_info *info, struct thread_page *page)
{
	if (!driver_init(&ac97.driver, info, page))
		return 1;
	ac97.mixer = &ac97.driver.bars[0];
	ac97.master = &ac97.driver.bars[1];
	if (!ac97.mixer->ports || ac97.mixer->bytes < MIXER_BYTES || !ac97.master->ports ||
	    ac97.master->bytes < MASTER_BYTES)
		driver_fail(&ac97.driver, "its registers are not there");
	ac97.lists = driver_pages(&ac97.driver, 1, &ac97.address);
	if (!ac97.lists || ac97.address >> 32)
		driver_fail(&ac97.driver, "no memory that the card can reach");
	ac97.port.driver = &ac97.driver;
	ac97.port.start = start;
	ac97.port.stop = stop;
	ac97.port.place = place;
	ac97.port.description.directions = 1u << SOUND_PLAY | 1u << SOUND_CAPTURE;
	text_copy(ac97.port.description.name, sizeof(ac97.port.description.name), "Intel ICH AC'97");
	card_init();
	sound_port_announce(&ac97.port);
	driver_run(&ac97.driver, 0, message, work);
}
