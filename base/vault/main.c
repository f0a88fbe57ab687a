/* The vault service's beginning, and when vaults are synced by themselves. See vault.h. */
#include "vault.h"

#define COMMIT_NS 5000000000ull    /* what changed is durable after so long, whoever asks */
#define ANCHOR_NS 3600000000000ull /* the TPM is told no more often: what it keeps wears out */

struct service service;

int64_t service_now_ns(void)
{
	return (int64_t)clock_ns() + service.clock_offset;
}

void service_touch(struct served *served)
{
	served->changed = true;
	if (!service.timer_armed && event_timer(service.timer, clock_ns() + COMMIT_NS, EVENT_TIMER) >= 0)
		service.timer_armed = true;
}

void vault_sync_all(bool anchors)
{
	service.timer_armed = false;
	for (unsigned i = 0; i < VAULTS_MAX; i++) {
		struct vault *vault = &service.vaults[i];
		if (!vault->name[0] || !vault->served.changed)
			continue;
		vault->served.changed = false;
		int status = holonfs_sync(vault->fs);
		if (status < 0)
			log_print(service.log, service.page,
			          "vault: %s: what was written last could not be made durable: %s\n",
			          vault->name, strerror(-status));
		if (anchors && status >= 0 && clock_ns() - vault->anchored_ns > ANCHOR_NS) {
			vault->anchored_ns = clock_ns();
			anchor_renew(vault->disk);
		}
	}
}

static bool has_failed(const struct served *served)
{
	return vault_has_failed((const void *)((const char *)served - offsetof(struct vault, served)));
}

int main(int argument_count, char **arguments)
{
	(void)argument_count, (void)arguments;
	service.info = native_start;
	service.page = native_page();
	service.log = start_find(service.info, "log", 0);
	service.channel = start_find(service.info, "serve", 0);
	file_service.channel = service.channel;
	file_service.touch = service_touch;
	file_service.has_failed = has_failed;
	int64_t timer = event_create(), pause = event_create();
	if (timer < 0 || pause < 0 || event_bind((handle_t)timer, service.info->thread) < 0) {
		log_print(service.log, service.page, "vault: cannot make its event\n");
		return 1;
	}
	service.timer = (handle_t)timer;
	service.pause = (handle_t)pause;
	uint8_t probe;
	if (entropy_get(&probe, 1) < 0) {
		log_print(service.log, service.page,
		          "vault: the entropy service has gathered too little: no key can be made\n");
		return 1;
	}
	log_print(service.log, service.page, "vault: %s\n", error_text(turns_run()));
	return 1;
}
