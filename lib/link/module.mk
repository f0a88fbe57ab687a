# Rings of links, both sides, and a wire between two of them for tests.
$(call host-test,link-ring,lib/link/link_ring_test.c lib/link/link_ring.c lib/link/link_fake.c)
