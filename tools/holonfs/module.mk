# holonfs: the host tool of lib/holonfs, with its FUSE mount.
$(call vdisk-program,holonfs,tools/holonfs/main.c tools/holonfs/fuse.c tools/holon-vdisk/progress.c $(HOLONFS_SOURCES),-lfuse3 -lpthread $(HOLONFS_LDLIBS))
tools: build/host/bin/holonfs
$(call vdisk-test,holonfs-test,lib/holonfs/holonfs_test.c lib/vdisk/seeded.c $(HOLONFS_SOURCES),$(HOLONFS_LDLIBS))
SOAK_TESTS += build/host/test/holonfs-test
$(call vdisk-test,holonfs-crash-test,lib/holonfs/crash_test.c lib/vdisk/seeded.c $(HOLONFS_SOURCES),$(HOLONFS_LDLIBS))
SOAK_TESTS += build/host/test/holonfs-crash-test
$(call vdisk-program,holonfs-bounded,lib/holonfs/bounded_test.c lib/vdisk/seeded.c $(HOLONFS_SOURCES),$(HOLONFS_LDLIBS),-DVDISK_SEEDED_BUGS)
TESTS += build/host/bin/holonfs-bounded
SOAK_TESTS += build/host/bin/holonfs-bounded
$(call host-fuzz,holonfs,lib/holonfs/holonfs_fuzz.c $(filter-out %store_vdisk.c,$(HOLONFS_SOURCES)),,build/host/lib/libholon-crypto-sanitized.a $(HOLONFS_LDLIBS) $(FUZZ_FAULTS))
$(call fuzz-seeds,holonfs)
build/host/fuzz/holonfs: build/host/lib/libholon-crypto-sanitized.a
$(call script-test,tools/holonfs/fuse_test.py,build/host/bin/holonfs build/host/bin/holon-vdisk build/tests/vault/exercise)
SOAK_TESTS += tools/holonfs/fuse_test.py

# The benchmark of sealing; the others are bench/storage/bench.py.
$(call vdisk-program,vdisk-seal-bench,bench/storage/seal.c)
