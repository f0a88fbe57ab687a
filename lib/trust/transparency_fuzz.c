/* Proofs of the transparency log and files `network` that may be anything: they are refused or verified, and nothing else happens.
 * The first two bytes say how the rest is divided between network and proof; an entry is what the proof begins with. */
#include <stdlib.h>
#include <trust/transparency.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct transparency_witnesses witnesses;
	struct transparency_figures figures;
	uint8_t root[TRANSPARENCY_HASH_BYTES];
	size_t text;

	if (size < 2)
		return 0;
	text = (size_t)data[0] << 8 | data[1];
	data += 2;
	size -= 2;
	text = text < size ? text : size;
	(void)transparency_witnesses(&witnesses, (const char *)data, text);
	witnesses.members = 15;
	data += text;
	size -= text;
	if (transparency_verify(data, size, data, size, &witnesses, &figures) == TRUST_OK)
		abort();
	(void)transparency_entry(data, size);
	if (size >= 48)
		(void)transparency_root(root, data, data[32], data[33], (const uint8_t(*)[32])(data + 34),
		                        (unsigned)((size - 34) / 32));
	return 0;
}
