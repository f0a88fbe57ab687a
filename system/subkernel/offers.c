/* See offers.h. */
#include "offers.h"

static void drop(struct offer *offer)
{
	if (offer->object)
		cap_delete(offer->object);
	*offer = (struct offer){0};
}

/* Where an offer of kind WHAT with TOKEN is, or (0) goes; 0: nowhere. */
static struct offer *place_of(struct offers *offers, uint32_t what, uint64_t token)
{
	if (what == OFFER_VOLUME || what == OFFER_ARCHIVE)
		return what == OFFER_VOLUME ? &offers->volume : &offers->archive;
	if (what != OFFER_SHARE)
		return 0;
	if (!token)
		return &offers->shares[offers->next_share++ % BLUEPRINT_VOLUMES_MAX];
	for (unsigned i = 0; i < BLUEPRINT_VOLUMES_MAX; i++)
		if (offers->shares[i].token == token)
			return &offers->shares[i];
	return 0;
}

int64_t offers_keep(struct offers *offers, uint32_t what, handle_t object, uint64_t bytes, uint64_t *token)
{
	static uint64_t last_token;
	struct offer *offer = place_of(offers, what, 0);
	if (!offer)
		return E_ARGUMENT;
	drop(offer);
	*offer = (struct offer){.object = object, .bytes = bytes, .token = ++last_token};
	*token = offer->token;
	return E_OK;
}

bool offers_find(struct offers *offers, enum blueprint_offer what, uint64_t token, struct offer *found)
{
	const struct offer *offer = token ? place_of(offers, what, token) : 0;
	*found = offer ? *offer : (struct offer){0};
	return found->token == token;
}

void offers_drop(struct offers *offers, enum blueprint_offer what, uint64_t token)
{
	struct offer *offer = token ? place_of(offers, what, token) : 0;
	if (offer && offer->token == token)
		drop(offer);
}

void offers_drop_all(struct offers *offers)
{
	drop(&offers->volume);
	drop(&offers->archive);
	for (unsigned i = 0; i < BLUEPRINT_VOLUMES_MAX; i++)
		drop(&offers->shares[i]);
}
