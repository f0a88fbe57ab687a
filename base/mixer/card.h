/* The sound card, as the mixer's rings on its driver: found by devmgr's list, opened again when the driver or devmgr was restarted. */
#pragma once

#include <holon.h>
#include <holon/sound.h>

struct card_ring {
	bool running;
	bool opened; /* the driver knows the ring */
	struct sound_head *head;
	uint8_t *samples;
	handle_t head_memory, samples_memory;
};

struct card {
	handle_t devices, event; /* of devmgr; signalled with bit DIRECTION as the card moves */
	struct thread_page *page;
	handle_t channel; /* 0: there is none, or not now */
	uint32_t directions;
	struct card_ring rings[SOUND_DIRECTIONS];
};

/* There is a card: CHANNEL and DIRECTIONS are set. */
bool card_find(struct card *card);
/* Its driver begins at the first byte of the ring. False: it cannot, now. */
bool card_start(struct card *card, enum sound_direction direction);
void card_stop(struct card *card, enum sound_direction direction);
/* Whether the driver still knows what runs; if not, nothing runs any more. */
bool card_check(struct card *card);
