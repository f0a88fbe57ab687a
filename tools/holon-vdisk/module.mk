# holon-vdisk: the host tool of lib/vdisk. Its tests also run a build with sanitizers.
HOLON_VDISK_SOURCES := $(addprefix tools/holon-vdisk/,main.c keys.c common.c nbd.c nbd_connection.c fuse.c image.c qcow2.c progress.c)
$(call vdisk-program,holon-vdisk,$(HOLON_VDISK_SOURCES),-lfuse3 -lz -lpthread)
$(call host-fuzz,qcow2,tools/holon-vdisk/qcow2_fuzz.c tools/holon-vdisk/qcow2.c,,-lz $(FUZZ_FAULTS))
$(call fuzz-seeds,qcow2)
# A connection of the NBD server, whose socket is the fuzz program's.
NBD_WRAPS := -Wl,--wrap=recv,--wrap=send
$(call host-fuzz,nbd,tools/holon-vdisk/nbd_fuzz.c tools/holon-vdisk/nbd_connection.c,,-lpthread $(FUZZ_FAULTS) $(NBD_WRAPS))
$(call fuzz-seeds,nbd)
.PHONY: tools
tools: build/setup.stamp build/host/bin/holon-vdisk ## Build the host tools into build/host/bin
$(call script-test,tools/holon-vdisk/cli_test.py,build/host/bin/holon-vdisk build/host/bin/holon-crypto)
