# Queues of block devices, both sides.
$(call host-test,block-ring,lib/block/block_ring_test.c lib/block/block_ring.c)
