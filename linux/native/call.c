/* Calls of services by their stubs (*.interface.h), as internal.h has it. */
#include "../internal.h"
#undef channel_call

int64_t call_service(handle_t channel, struct message *message, uint64_t deadline)
{
	const struct message asked = *message;
	int64_t result = channel_call(channel, message, deadline);
	while (result == E_CANCELLED) {
		*message = asked; /* bytes and capabilities are in the thread's page, as they were */
		result = channel_call(channel, message, deadline);
	}
	return result;
}
