/* Fuzzes the qcow2 reader: any bytes as an image, then its first clusters. */
#include <stdlib.h>
#include <string.h>
#include "qcow2.h"

struct input {
	const uint8_t *bytes;
	size_t size;
};

static int read_input(void *context, uint64_t offset, void *buffer, size_t size)
{
	const struct input *input = context;
	if (offset > input->size || size > input->size - offset)
		return -1;
	memcpy(buffer, input->bytes + offset, size);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = {data, size};
	struct qcow2 image;
	if (!qcow2_open(&image, &input, read_input)) {
		uint64_t clusters = (image.size >> image.cluster_bits) + 1;
		bool zero;
		for (uint64_t i = 0; i < clusters && i < 64; i++)
			if (qcow2_cluster(&image, i, &zero))
				break;
	}
	qcow2_close(&image);
	return 0;
}
