/* See resident.h. */
#include "resident.h"
#include <holon/command.h>
#include "text.h"

static struct {
	struct manifest manifest;
	struct resident list[MANIFEST_RESIDENTS_MAX];
	unsigned count;
} residents;

/* Whether WORD is one of the boot command line's. */
static bool asked(const struct start_info *info, const char *word)
{
	for (const char *at = info->arguments; *at; at += strlen(at) + 1)
		if (strcmp(at, word) == 0)
			return true;
	return false;
}

const char *residents_read(const struct sysimg *image, const struct start_info *info)
{
	unsigned line;
	int64_t node = sysimg_path(image, "etc/manifest");
	if (node < 0)
		return "the system image has no etc/manifest";
	const struct sysimg_node *file = &image->nodes[node];
	const char *wrong =
	    manifest_parse(&residents.manifest, (const char *)image->bytes + file->offset, file->size, &line);
	if (wrong)
		return wrong;
	for (unsigned i = 0; i < residents.manifest.resident_count; i++) {
		const struct manifest_resident *entry = &residents.manifest.residents[i];
		if (!entry->when[0] || asked(info, entry->when))
			residents.list[residents.count++].entry = entry;
	}
	return 0;
}

struct resident *resident_at(unsigned index)
{
	return index < residents.count ? &residents.list[index] : 0;
}

static bool command_make(struct resident *resident)
{
	static const char environment[] = "PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin\0HOME=/root";
	const struct manifest_resident *entry = resident->entry;
	struct command_header *header = window_allocate(
	    sizeof(*header) + sizeof(entry->command) + sizeof(environment), &resident->command);
	if (!header)
		return false;
	*header = (struct command_header){.magic = COMMAND_MAGIC,
	                                  .version = COMMAND_VERSION,
	                                  .flags = COMMAND_NO_INPUT,
	                                  .argc = entry->command_words,
	                                  .envc = 2,
	                                  .size = entry->command_bytes + sizeof(environment)};
	memcpy(header + 1, entry->command, entry->command_bytes);
	memcpy((char *)(header + 1) + entry->command_bytes, environment, sizeof(environment));
	resident->command_bytes = sizeof(*header) + header->size;
	return true;
}

bool resident_prepare(struct resident *resident)
{
	if (!resident->command && !command_make(resident))
		return false;
	if (!resident->memory) {
		void *memory = window_allocate(STREAM_BYTES, &resident->memory);
		int64_t event = memory ? event_create() : E_QUOTA_MEMORY;
		int64_t peer = event < 0 ? event : event_create();
		if (peer < 0)
			return false;
		resident->event = (handle_t)event;
		resident->peer = (handle_t)peer;
		stream_init(&resident->stream, memory, 0, resident->event, true);
		resident->stream.header->flags = STREAM_FLAG_RAW;
	}
	resident_drain(resident);
	resident->stream.header->ring[1].closed = 0;
	return true;
}

void resident_drain(struct resident *resident)
{
	static uint8_t lost[4096];
	if (resident->memory)
		for (uint32_t taken = 0;
		     taken < STREAM_RING_BYTES && stream_read(&resident->stream, lost, sizeof(lost));)
			taken += sizeof(lost);
}
