# Queues of block devices, both sides.
$(call host-test,block-ring,lib/block/block_ring_test.c lib/block/block_ring.c)
BLOCK_HOST_CFLAGS := -DHOLON_FAKE_KERNEL -Ilib/holon -Ilib/block -Ibuild/abi
$(call host-test,block-server,lib/block/block_server_test.c lib/block/block_server.c lib/block/block_ring.c,$(BLOCK_HOST_CFLAGS))
$(call host-test,block-client,lib/block/block_client_test.c lib/block/block_client.c lib/block/block_ring.c,$(BLOCK_HOST_CFLAGS))
$(call host-object-names,test,$(BLOCK_HOST_CFLAGS),lib/block/block_server_test.c lib/block/block_server.c \
	lib/block/block_client_test.c lib/block/block_client.c): | $(INTERFACES)
