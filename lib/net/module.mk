# The TCP/IP stack, a library: see net.h. NET_SOURCES is all of it; what embeds it adds its own adapter.
NET_SOURCES := $(addprefix lib/net/,arena.c timer.c stack.c address.c link.c route.c neighbour.c ip.c ipv4.c ipv6.c \
	fragment.c nd.c dhcp.c dhcp6.c dhcp6_link.c info.c socket.c failure.c multicast.c option.c udp.c raw.c tcp_profile.c tcp_input.c tcp_ack.c tcp_recovery.c tcp_cubic.c \
	tcp_receive.c tcp_output.c tcp_timer.c tcp_listen.c tcp_socket.c tcp_option.c tcp_fast_open.c)

# For packetdrill's --so_filename: the same sources on virtual time.
NET_PACKETDRILL := build/host/libholon-packetdrill.so
$(call objects,host/libholon-packetdrill.d,$(NET_SOURCES) lib/net/packetdrill/packetdrill.c,$(HOST_CFLAGS) -fPIC)
$(NET_PACKETDRILL): $(call object-names,host/libholon-packetdrill.d,$(NET_SOURCES) lib/net/packetdrill/packetdrill.c)
	@mkdir -p $(@D)
	@echo "  LD      $@"
	@$(CC) -shared -o $@ $(filter %.o,$^) -lpthread
.PHONY: packetdrill
packetdrill: $(NET_PACKETDRILL) ## Build the stack as a shared object for packetdrill

$(call host-test,net_test,lib/net/net_test.c lib/net/test_stack.c $(NET_SOURCES))
$(call host-fuzz,net,lib/net/net_fuzz.c lib/net/test_stack.c $(NET_SOURCES))
$(call host-test,dhcp6_test,lib/net/dhcp6_test.c lib/net/dhcp6.c)
$(call host-fuzz,dhcp6,lib/net/dhcp6_fuzz.c lib/net/dhcp6.c)
$(call script-test,lib/net/fuzz_test,build/host/fuzz/net build/host/fuzz/dhcp6 $(NET_PACKETDRILL))
SOAK_TESTS += lib/net/fuzz_test
$(call host-test,net_tap_test,lib/net/tap_test.c $(NET_SOURCES),,-lpthread)
