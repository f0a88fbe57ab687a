/* What standards leave open, chosen as Linux or as FreeBSD does; docs/net.md prints this table. */
#include "tcp.h"

const struct tcp_profile tcp_profiles[2] = {
    [NET_PROFILE_LINUX] =
        {
            .profile = NET_PROFILE_LINUX,
            .reset_unread = true,
            .send_grows = true,
            .ack_when_read = true,
            .window_scale = 8,
            .initial_window = 10,
            .quick_acks = 16,
            .syn_retries = 6,
            .syn_ack_retries = 5,
            .retries = 15,
            .receive_size = 131072,
            .send_size = 87040,
            .receive_max = 6291456,
            .send_max = 4194304,
            .rto_initial = SECOND,
            .rto_min = 200 * MILLISECOND,
            .rto_max = 120 * SECOND,
            .delayed_ack = 40 * MILLISECOND,
            .time_wait = 60 * SECOND,
            .fin_wait = 60 * SECOND,
        },
    [NET_PROFILE_FREEBSD] =
        {
            .profile = NET_PROFILE_FREEBSD,
            .options_freebsd = true,
            .round_receive = true,
            .ack_every_second = true,
            .icmp_refuses = true,
            .fin_again = true,
            .listen_ignores = true,
            .last_ack_reset = true,
            .window_scale = 6,
            .initial_window = 10,
            .quick_acks = 0,
            .syn_retries = 12,
            .syn_ack_retries = 3,
            .retries = 12,
            .receive_size = 65536,
            .send_size = 32768,
            .receive_max = 2097152,
            .send_max = 2097152,
            .rto_initial = SECOND,
            .rto_min = 230 * MILLISECOND,
            .rto_max = 64 * SECOND,
            .delayed_ack = 40 * MILLISECOND,
            .time_wait = 60 * SECOND,
            .fin_wait = 60 * SECOND,
        },
};

const struct tcp_profile *tcp_profile_find(enum net_profile profile)
{
	return &tcp_profiles[profile == NET_PROFILE_FREEBSD ? NET_PROFILE_FREEBSD : NET_PROFILE_LINUX];
}
