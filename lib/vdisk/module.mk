# vdisk: the library, optimised for host programs and with sanitizers and seeded bugs for tests.
VDISK_SOURCES := $(addprefix lib/vdisk/,cipher.c gcm.c legs.c factor.c header.c node.c tree.c space.c log.c checkpoint.c volume.c vdisk.c rekey.c stream.c check.c scrub.c)
VDISK_HOST_SOURCES := $(VDISK_SOURCES) lib/vdisk/file_backend.c

# NAME, SOURCES[, LDLIBS[, CFLAGS]]: a test with sanitizers over the library.
vdisk-test = $(call host-test,$(1),$(2) $(VDISK_HOST_SOURCES),-DVDISK_SEEDED_BUGS $(4),build/host/lib/libholon-crypto-sanitized.a -lsodium -lbearssl -largon2 $(3))$(eval build/host/test/$(1): build/host/lib/libholon-crypto-sanitized.a)
# NAME, SOURCES[, LDLIBS[, CFLAGS]]: an optimised host program over the library.
vdisk-program = $(call host-program,$(1),$(2) $(VDISK_HOST_SOURCES),-O3 $(4),build/host/lib/libholon-crypto.a -lsodium -lbearssl -largon2 $(3))$(eval build/host/bin/$(1): build/host/lib/libholon-crypto.a)

$(call vdisk-test,vdisk-test,lib/vdisk/vdisk_test.c lib/vdisk/seeded.c)
$(call vdisk-test,vdisk-keys-test,lib/vdisk/keys_test.c lib/vdisk/seeded.c)
$(call host-test,vdisk-gcm-test,lib/vdisk/gcm_test.c lib/vdisk/gcm.c,,-lsodium)
$(call host-test,vdisk-file-backend-test,lib/vdisk/file_backend_test.c lib/vdisk/file_backend.c)
# The crash explorer, with the seeded bugs that it must catch; as an optimised program for soak and for oracles from outside.
$(call vdisk-program,vdisk-explore,lib/vdisk/explore.c lib/vdisk/seeded.c,,-DVDISK_SEEDED_BUGS)
TESTS += build/host/bin/vdisk-explore
SOAK_TESTS += build/host/bin/vdisk-explore
$(call host-fuzz,vdisk,lib/vdisk/vdisk_fuzz.c lib/vdisk/seeded.c $(VDISK_SOURCES),-DVDISK_SEEDED_BUGS,build/host/lib/libholon-crypto-sanitized.a -lsodium -lbearssl -largon2 $(FUZZ_FAULTS))
$(call fuzz-seeds,vdisk)
build/host/fuzz/vdisk: build/host/lib/libholon-crypto-sanitized.a
