/* The opener's queue of commits, its shares and verdicts. */
#include "ledger/encrypted/opener.h"

#include <stdlib.h>

enum {
	RESPONSE_NONE,
	RESPONSE_SHARE,
	RESPONSE_KEY,
};

struct sealed {
	const uint8_t *data; /* in the commit's batches */
	uint32_t size;
	bool well_formed, settled, own_good, responded;
	struct envelope_view view;
	uint8_t own[ENVELOPE_KEY];
	uint8_t shares[DAG_MAX_VALIDATORS][ENVELOPE_KEY]; /* fitting ones, by order of arrival */
	uint8_t holders[DAG_MAX_VALIDATORS];
	uint64_t have; /* who sent a fitting share */
	bool has_key, key_tried;
	uint8_t key[ENVELOPE_KEY];
	uint64_t responders; /* in the sequence */
	struct opened result;
};

struct waiting {
	struct waiting *next;
	struct dag_effect effect;
	struct sealed *sealed;
	unsigned count, open;
	uint64_t since_us, wanted_us;
};

struct early {
	struct blob *blob;
	uint16_t peer;
};

struct opener {
	struct opener_config config;
	unsigned size, threshold, quorum;
	struct waiting *first, **last;
	unsigned waiting;
	uint64_t newest;                            /* index of the last commit taken */
	struct blob *remembered[OPENER_REMEMBERED]; /* our share messages, by index */
	struct early *early;
	unsigned early_count, early_of[DAG_MAX_VALIDATORS];
	struct opener_output *outputs;
	unsigned output_first, output_count, output_room;
};

void opener_epoch(struct opener *opener, uint64_t epoch, uint64_t members)
{
	opener->config.keys.epoch = epoch;
	opener->config.keys.members = members;
	opener->size = set_size(members);
	opener->threshold = committee_validity(opener->size);
	opener->quorum = committee_quorum(opener->size);
}

struct opener *opener_create(const struct opener_config *config)
{
	struct opener *opener = ledger_allocate(1, sizeof(*opener));
	opener->config = *config;
	opener_epoch(opener, config->keys.epoch, config->keys.members);
	opener->last = &opener->first;
	opener->early = ledger_allocate(OPENER_MAX_EARLY * DAG_MAX_VALIDATORS, sizeof(*opener->early));
	return opener;
}

void opened_release(struct opened *opened, unsigned count)
{
	for (unsigned i = 0; opened && i < count; i++)
		free(opened[i].plain);
	free(opened);
}

static void waiting_destroy(struct waiting *waiting, bool whole)
{
	if (whole) {
		dag_effect_release(&waiting->effect);
		for (unsigned i = 0; i < waiting->count; i++)
			free(waiting->sealed[i].result.plain);
	}
	if (waiting->sealed)
		crypto_wipe(waiting->sealed, waiting->count * sizeof(*waiting->sealed));
	free(waiting->sealed);
	free(waiting);
}

void opener_clear(struct opener *opener)
{
	while (opener->first) {
		struct waiting *waiting = opener->first;
		opener->first = waiting->next;
		waiting_destroy(waiting, true);
	}
	opener->last = &opener->first;
	opener->waiting = 0;
}

void opener_destroy(struct opener *opener)
{
	struct opener_output output;
	if (!opener)
		return;
	opener_clear(opener);
	while (opener_next(opener, &output)) {
		blob_release(output.blob);
		if (output.kind == OPENER_READY)
			dag_effect_release(&output.effect);
		opened_release(output.opened, output.opened_count);
	}
	for (unsigned i = 0; i < OPENER_REMEMBERED; i++)
		blob_release(opener->remembered[i]);
	for (unsigned i = 0; i < opener->early_count; i++)
		blob_release(opener->early[i].blob);
	crypto_wipe(&opener->config, sizeof(opener->config));
	free(opener->early);
	free(opener->outputs);
	free(opener);
}

static void output(struct opener *opener, const struct opener_output *what)
{
	if (opener->output_count == opener->output_room) {
		unsigned room = opener->output_room ? 2 * opener->output_room : 16;
		struct opener_output *outputs = ledger_allocate(room, sizeof(*outputs));
		for (unsigned i = 0; i < opener->output_count; i++)
			outputs[i] = opener->outputs[(opener->output_first + i) % opener->output_room];
		free(opener->outputs);
		opener->outputs = outputs;
		opener->output_first = 0;
		opener->output_room = room;
	}
	opener->outputs[(opener->output_first + opener->output_count++) % opener->output_room] = *what;
}

bool opener_next(struct opener *opener, struct opener_output *out)
{
	if (!opener->output_count)
		return false;
	*out = opener->outputs[opener->output_first];
	opener->output_first = (opener->output_first + 1) % opener->output_room;
	opener->output_count--;
	return true;
}

unsigned opener_waiting(const struct opener *opener)
{
	return opener->waiting;
}

static void settle(struct waiting *waiting, struct sealed *sealed, uint8_t *plain)
{
	if (sealed->settled)
		return;
	bool bundle = plain && sealed->view.form == ENVELOPE_BUNDLE;
	if (bundle && !envelope_bundle_count(plain, sealed->view.size)) {
		free(plain);
		plain = NULL;
	}
	sealed->settled = true;
	sealed->result = (struct opened){plain, plain ? sealed->view.size : 0, bundle};
	waiting->open--;
}

/* A key that may be right: it is only if it makes the envelope again. */
static void try_key(struct opener *opener, struct waiting *waiting, struct sealed *sealed,
                    const uint8_t key[ENVELOPE_KEY])
{
	uint8_t *plain = ledger_allocate(1, sealed->view.size);
	if (envelope_open(&sealed->view, sealed->data, sealed->size, &opener->config.keys, key, plain)) {
		sealed->has_key = true;
		memcpy(sealed->key, key, ENVELOPE_KEY);
		settle(waiting, sealed, plain);
	} else {
		free(plain);
	}
}

static void share_add(struct opener *opener, struct waiting *waiting, struct sealed *sealed,
                      unsigned validator, const uint8_t share[ENVELOPE_KEY])
{
	if (sealed->settled || !sealed->well_formed || (sealed->have >> validator & 1) || sealed->key_tried ||
	    !envelope_share_fits(&sealed->view, validator, share))
		return;
	unsigned count = set_size(sealed->have);
	memcpy(sealed->shares[count], share, ENVELOPE_KEY);
	sealed->holders[count] = (uint8_t)validator;
	sealed->have |= set_of(validator);
	if (++count < opener->threshold)
		return;
	/* If the envelope is valid, any f+1 fitting shares give its key; if these do not, none will. */
	uint8_t key[ENVELOPE_KEY];
	sealed->key_tried = true;
	envelope_combine((const uint8_t(*)[ENVELOPE_KEY])sealed->shares, sealed->holders, count, key);
	try_key(opener, waiting, sealed, key);
	crypto_wipe(key, sizeof(key));
}

static struct waiting *waiting_find(struct opener *opener, uint64_t index)
{
	struct waiting *waiting = opener->first;
	while (waiting && waiting->effect.index != index)
		waiting = waiting->next;
	return waiting;
}

static void advance(struct opener *opener)
{
	while (opener->first && !opener->first->open) {
		struct waiting *waiting = opener->first;
		struct opener_output ready = {
		    .kind = OPENER_READY, .effect = waiting->effect, .opened_count = waiting->count};
		if (waiting->count)
			ready.opened = ledger_allocate(waiting->count, sizeof(*ready.opened));
		for (unsigned i = 0; i < waiting->count; i++)
			ready.opened[i] = waiting->sealed[i].result;
		output(opener, &ready);
		opener->first = waiting->next;
		if (!opener->first)
			opener->last = &opener->first;
		opener->waiting--;
		waiting_destroy(waiting, false);
	}
}

static void shares_take(struct opener *opener, struct waiting *waiting, unsigned peer,
                        const struct blob *blob)
{
	uint32_t count = load_le32(blob->data + 9);
	for (uint32_t i = 0; i < count; i++) {
		const uint8_t *entry = blob->data + 13 + (size_t)i * 36;
		uint32_t ordinal = load_le32(entry);
		if (ordinal < waiting->count)
			share_add(opener, waiting, &waiting->sealed[ordinal], peer, entry + 4);
	}
}

/* A response in the sequence: everyone sees the same ones in the same order. */
static void response_take(struct opener *opener, const uint8_t *payload, unsigned author)
{
	struct waiting *waiting = waiting_find(opener, load_le64(payload + 1));
	uint32_t ordinal = load_le32(payload + 9);
	if (!waiting || ordinal >= waiting->count || !(opener->config.keys.members >> author & 1))
		return;
	struct sealed *sealed = &waiting->sealed[ordinal];
	if (sealed->settled || (sealed->responders >> author & 1))
		return;
	sealed->responders |= set_of(author);
	if (payload[13] == RESPONSE_KEY)
		try_key(opener, waiting, sealed, payload + 14);
	else if (payload[13] == RESPONSE_SHARE)
		share_add(opener, waiting, sealed, author, payload + 14);
	if (!sealed->settled && set_size(sealed->responders) >= opener->quorum)
		settle(waiting, sealed, NULL);
}

static void scan(struct opener *opener, struct waiting *waiting, bool count_only)
{
	unsigned count = 0;
	for (unsigned i = 0; i < waiting->effect.batch_count; i++) {
		struct batch_view batch;
		const struct blob *blob = waiting->effect.batches[i].blob;
		wire_batch_again(blob->data, blob->size, &batch);
		const uint8_t *at = batch.payloads, *payload;
		uint32_t size;
		while ((payload = wire_payload(&batch, &at, &size))) {
			if (count_only && payload[0] == RESPONSE_KIND && size == RESPONSE_SIZE)
				response_take(opener, payload, waiting->effect.batches[i].author);
			if (payload[0] != ENVELOPE_KIND)
				continue;
			if (!count_only) {
				struct sealed *sealed = &waiting->sealed[count];
				sealed->data = payload;
				sealed->size = size;
				sealed->well_formed =
				    envelope_decode(payload, size, opener->config.keys.epoch,
				                    opener->config.keys.members, &sealed->view);
			}
			count++;
		}
	}
	waiting->count = count;
}

/* Our shares of the commit's envelopes, in a message that is kept for who asks later. */
static struct blob *shares_make(struct opener *opener, struct waiting *waiting)
{
	unsigned count = 0;
	struct blob *blob = blob_create(13 + (size_t)waiting->count * 36);
	for (unsigned i = 0; i < waiting->count; i++) {
		struct sealed *sealed = &waiting->sealed[i];
		if (!sealed->well_formed)
			continue;
		sealed->own_good = envelope_share(&sealed->view, sealed->data, opener->config.self,
		                                  opener->config.dk, sealed->own);
		if (!sealed->own_good)
			continue;
		store_le32(blob->data + 13 + (size_t)count * 36, i);
		memcpy(blob->data + 13 + (size_t)count * 36 + 4, sealed->own, ENVELOPE_KEY);
		count++;
	}
	blob->data[0] = OPENER_SHARES;
	store_le64(blob->data + 1, waiting->effect.index);
	store_le32(blob->data + 9, count);
	blob->size = (uint32_t)(13 + (size_t)count * 36);
	struct blob **place = &opener->remembered[waiting->effect.index % OPENER_REMEMBERED];
	blob_release(*place);
	*place = blob;
	return blob;
}

void opener_executed(struct opener *opener, const struct dag_effect *effect)
{
	struct waiting waiting = {.effect = *effect};
	opener->newest = effect->index;
	if (!(opener->config.keys.members >> opener->config.self & 1))
		return;
	scan(opener, &waiting, true);
	if (!waiting.count)
		return;
	waiting.sealed = ledger_allocate(waiting.count, sizeof(*waiting.sealed));
	scan(opener, &waiting, false);
	(void)shares_make(opener, &waiting);
	crypto_wipe(waiting.sealed, waiting.count * sizeof(*waiting.sealed));
	free(waiting.sealed);
}

void opener_commit(struct opener *opener, const struct dag_effect *effect, bool special, uint64_t now_us)
{
	struct waiting *waiting = ledger_allocate(1, sizeof(*waiting));
	waiting->effect = *effect;
	waiting->since_us = waiting->wanted_us = now_us;
	opener->newest = effect->index;
	if (special)
		scan(opener, waiting, true);
	if (waiting->count) {
		waiting->sealed = ledger_allocate(waiting->count, sizeof(*waiting->sealed));
		scan(opener, waiting, false);
		waiting->open = waiting->count;
		for (unsigned i = 0; i < waiting->count; i++)
			if (!waiting->sealed[i].well_formed)
				settle(waiting, &waiting->sealed[i], NULL);
		if (opener->config.keys.members >> opener->config.self & 1)
			output(opener,
			       &(struct opener_output){.kind = OPENER_SEND,
			                               .peer = DAG_EVERYONE,
			                               .blob = blob_hold(shares_make(opener, waiting))});
		for (unsigned i = 0; i < waiting->count; i++)
			if (waiting->sealed[i].own_good)
				share_add(opener, waiting, &waiting->sealed[i], opener->config.self,
				          waiting->sealed[i].own);
	}
	*opener->last = waiting;
	opener->last = &waiting->next;
	opener->waiting++;
	/* Shares that came before the commit did. */
	for (unsigned i = 0; i < opener->early_count; i++) {
		struct early *early = &opener->early[i];
		uint64_t index = load_le64(early->blob->data + 1);
		if (index > effect->index)
			continue;
		if (index == effect->index)
			shares_take(opener, waiting, early->peer, early->blob);
		opener->early_of[early->peer]--;
		blob_release(early->blob);
		opener->early[i--] = opener->early[--opener->early_count];
	}
	advance(opener);
}

void opener_receive(struct opener *opener, unsigned peer, const struct blob *blob)
{
	if (peer >= DAG_MAX_VALIDATORS || blob->size < 9)
		return;
	uint64_t index = load_le64(blob->data + 1);
	if (blob->data[0] == OPENER_WANT) {
		struct blob *own = opener->remembered[index % OPENER_REMEMBERED];
		if (own && load_le64(own->data + 1) == index)
			output(opener, &(struct opener_output){.kind = OPENER_SEND,
			                                       .peer = (uint16_t)peer,
			                                       .blob = blob_hold(own)});
		return;
	}
	if (blob->size < 13 || (blob->size - 13) / 36 != load_le32(blob->data + 9) ||
	    (blob->size - 13) % 36 != 0)
		return;
	struct waiting *waiting = waiting_find(opener, index);
	if (waiting) {
		shares_take(opener, waiting, peer, blob);
		advance(opener);
	} else if (index > opener->newest && opener->early_of[peer] < OPENER_MAX_EARLY) {
		opener->early[opener->early_count++] =
		    (struct early){blob_hold((struct blob *)blob), (uint16_t)peer};
		opener->early_of[peer]++;
	}
}

bool opener_stuck(const struct opener *opener, uint64_t now_us)
{
	return opener->first && opener->first->open &&
	       now_us - opener->first->since_us >= OPENER_STUCK * opener->config.patience_us;
}

void opener_tick(struct opener *opener, uint64_t now_us)
{
	struct waiting *waiting = opener->first;
	if (!waiting || now_us - waiting->since_us < opener->config.patience_us ||
	    now_us - waiting->wanted_us < opener->config.patience_us)
		return;
	/* Shares may have been lost on the way: ask. And say in the sequence what is known. */
	waiting->wanted_us = now_us;
	struct blob *want = blob_create(9);
	want->data[0] = OPENER_WANT;
	store_le64(want->data + 1, waiting->effect.index);
	output(opener, &(struct opener_output){.kind = OPENER_SEND, .peer = DAG_EVERYONE, .blob = want});
	for (unsigned i = 0; i < waiting->count; i++) {
		struct sealed *sealed = &waiting->sealed[i];
		if (sealed->settled || sealed->responded ||
		    !(opener->config.keys.members >> opener->config.self & 1))
			continue;
		sealed->responded = true;
		struct blob *response = blob_create(RESPONSE_SIZE);
		memset(response->data, 0, RESPONSE_SIZE);
		response->data[0] = RESPONSE_KIND;
		store_le64(response->data + 1, waiting->effect.index);
		store_le32(response->data + 9, i);
		response->data[13] = sealed->own_good ? RESPONSE_SHARE : RESPONSE_NONE;
		if (sealed->own_good)
			memcpy(response->data + 14, sealed->own, ENVELOPE_KEY);
		output(opener, &(struct opener_output){.kind = OPENER_SUBMIT, .blob = response});
	}
}
