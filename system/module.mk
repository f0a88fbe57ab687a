# System programs. The sub-kernel manager is a native unit.
$(call native-program,system/subkernel,$(addprefix system/subkernel/,manager.c revoke.c lifetime.c shutdown.c start.c profile.c offers.c resident.c residents.c list.c entered.c blocks.c screen.c network.c realtime.c) lib/manifest/manifest.c lib/sysimg/sysimg.c $(NATIVE_BLAKE3),-DCRYPTO_NO_VECTOR -fdirect-access-external-data)
# What a native tree holds, shown from inside.
$(call native-program,system/holdings,system/subkernel/holdings.c)
# The subkernel command is an ordinary Linux program, linked statically.
GUEST_CFLAGS := $(CSTD) $(WARN) -O2 -Iabi
# What serves abi/file.interface in a Linux process: messages as native services take them, and no kernel.
SHARE_CFLAGS := -DHOLON_FAKE_KERNEL -Ilib/holon -Ibuild/abi -Ilib
# Without their main programs: what `subkernel` and `capsule` share.
RUN_SOURCES := $(addprefix system/subkernel/,command.c command_run.c command_session.c command_volume.c share.c share_nodes.c tree.c) lib/trust/endpoint.c
RUN_HEADERS := $(addprefix system/subkernel/,command.h log.h tree.h share.h libholon.h) lib/trust/endpoint.h $(addprefix abi/holon/,blueprint.h switch.h link.h guest_calls.h portal.h) build/abi/file.interface.h build/abi/holon/calls.h
SUBKERNEL_COMMAND := $(addprefix system/subkernel/,subkernel.c command_copy.c) $(RUN_SOURCES)
build/guest/subkernel: $(SUBKERNEL_COMMAND) $(RUN_HEADERS)
	@mkdir -p $(@D)
	@echo "  CC      $@"
	@$(CC) $(GUEST_CFLAGS) $(SHARE_CFLAGS) -D_GNU_SOURCE -static -s -o $@ $(SUBKERNEL_COMMAND)
ALL += build/guest/subkernel
# What holon-run --volume starts in the command's place.
build/guest/volumes: system/subkernel/volumes.c system/subkernel/tree.c system/subkernel/tree.h
	@mkdir -p $(@D)
	@echo "  CC      $@"
	@$(CC) $(GUEST_CFLAGS) -D_GNU_SOURCE -static -s -o $@ $(filter %.c,$^)
SYSTEM += build/guest/volumes
build/guest/vault: system/vault/vault.c system/vault/care.c system/vault/command.h system/subkernel/libholon.h abi/holon/blueprint.h abi/holon/guest_calls.h abi/holon/vault.h
	@mkdir -p $(@D)
	@echo "  CC      $@"
	@$(CC) $(GUEST_CFLAGS) -D_GNU_SOURCE -static -s -o $@ $(filter %.c,$^)
ALL += build/guest/vault
build/guest/poweroff: system/power/power.c
	@mkdir -p $(@D)
	@echo "  CC      $@"
	@$(CC) $(GUEST_CFLAGS) -D_GNU_SOURCE -static -s -o $@ $<
ALL += build/guest/poweroff
build/guest/attest: system/attest/attest.c system/subkernel/libholon.h abi/holon/blueprint.h abi/holon/guest_calls.h
	@mkdir -p $(@D)
	@echo "  CC      $@"
	@$(CC) $(GUEST_CFLAGS) -D_GNU_SOURCE -static -s -o $@ $<
ALL += build/guest/attest

# The capsule command: lib/trust's checks and what runs sub-kernels, in one static program.
CAPSULE_SOURCES := $(wildcard system/capsule/*.c) $(RUN_SOURCES) lib/trust/plan.c lib/trust/show.c $(TRUST_SOURCES) $(CRYPTO_LOADER_SOURCES) lib/crypto/cpu.c
CAPSULE_CFLAGS := $(GUEST_CFLAGS) $(SHARE_CFLAGS) -D_GNU_SOURCE -DCRYPTO_NO_VECTOR -ffunction-sections -fdata-sections
$(call crypto-objects,guest/capsule.d,$(CAPSULE_SOURCES),$(CAPSULE_CFLAGS))
$(call object-names,guest/capsule.d,$(CAPSULE_SOURCES)): | $(INTERFACES)
build/guest/capsule: $(call object-names,guest/capsule.d,$(CAPSULE_SOURCES))
	@mkdir -p $(@D)
	@echo "  LD      $@"
	@$(CC) -fuse-ld=lld -static -s -Wl,--gc-sections -o $@ $^
ALL += build/guest/capsule

# base/vault is built here, behind the lists of lib/: vdisk and holonfs unchanged, the cryptographic library, and Debian's static
# libraries below it, on newlib. base/vault/host_library.c is what those libraries ask for beyond newlib.
VAULT_SOURCES := $(sort $(filter-out %_test.c %_fuzz.c,$(wildcard base/vault/*.c))) lib/tpm/tpm_seal.c lib/tpm/tpm_command.c lib/block/block_ring.c lib/block/block_client.c lib/block/block_device.c $(FILE_SERVICE_SOURCES) $(VDISK_SOURCES) $(HOLONFS_SOURCES) \
	$(CRYPTO_SOURCES) $(CRYPTO_WRAPPER_SOURCES)
VAULT_LIBRARIES := /usr/lib/x86_64-linux-gnu/libsodium.a /usr/lib/x86_64-linux-gnu/libbearssl.a build/x86_64/base/argon2.o $(HOLONFS_ARCHIVES)
$(call native-newlib-program,base/vault,$(VAULT_SOURCES),-DCRYPTO_NO_VECTOR -DEUCLEAN=2117 -DEMEDIUMTYPE=2124 -idirafter /usr/include,$(VAULT_LIBRARIES))
build/x86_64/base/vault: build/x86_64/base/argon2.o
# Its side of abi/file.interface, by clients that say anything.
$(call host-fuzz,vault-protocol,base/vault/protocol_fuzz.c base/vault/filesystem.c $(FILE_SERVICE_SOURCES) $(filter-out %store_vdisk.c,$(HOLONFS_SOURCES)),\
	-DHOLON_FAKE_KERNEL -Ilib/holon -Ilib/newlib -Ibase/vault,build/host/lib/libholon-crypto-sanitized.a $(HOLONFS_LDLIBS) $(FUZZ_FAULTS))
$(call fuzz-seeds,vault-protocol)
build/host/fuzz/vault-protocol: build/host/lib/libholon-crypto-sanitized.a
$(call host-object-names,fuzz,-DHOLON_FAKE_KERNEL -Ilib/holon -Ilib/newlib -Ibase/vault,base/vault/protocol_fuzz.c base/vault/filesystem.c $(FILE_SERVICE_SOURCES)): | $(INTERFACES)
# And of abi/vault.interface.
$(call host-fuzz,vault-control,$(addprefix base/vault/,control_fuzz.c control.c keys.c care.c filesystem.c) $(FILE_SERVICE_SOURCES) $(VDISK_SOURCES) $(HOLONFS_SOURCES),\
	-DHOLON_FAKE_KERNEL -Ilib/holon -Ilib/newlib -Ibase/vault,build/host/lib/libholon-crypto-sanitized.a -lsodium -lbearssl -largon2 $(HOLONFS_LDLIBS) $(FUZZ_FAULTS))
$(call fuzz-seeds,vault-control)
build/host/fuzz/vault-control: build/host/lib/libholon-crypto-sanitized.a
$(call host-object-names,fuzz,-DHOLON_FAKE_KERNEL -Ilib/holon -Ilib/newlib -Ibase/vault,$(addprefix base/vault/,control_fuzz.c control.c keys.c care.c)): | $(INTERFACES)
# Room on a device that gets full.
$(call host-test,vault-room,base/vault/filesystem_test.c base/vault/filesystem.c $(FILE_SERVICE_SOURCES) lib/vdisk/seeded.c lib/vdisk/file_backend.c $(VDISK_SOURCES) $(HOLONFS_SOURCES),\
	-DHOLON_FAKE_KERNEL -DVDISK_SEEDED_BUGS -Ilib/holon -Ilib/newlib -Ibase/vault,build/host/lib/libholon-crypto-sanitized.a -lsodium -lbearssl -largon2 $(HOLONFS_LDLIBS))
build/host/test/vault-room: build/host/lib/libholon-crypto-sanitized.a
$(call host-object-names,test,-DHOLON_FAKE_KERNEL -DVDISK_SEEDED_BUGS -Ilib/holon -Ilib/newlib -Ibase/vault,base/vault/filesystem_test.c base/vault/filesystem.c $(FILE_SERVICE_SOURCES)): | $(INTERFACES)
$(call host-test,file-service,lib/file_service/contents_test.c $(FILE_SERVICE_SOURCES),-DHOLON_FAKE_KERNEL -Ilib/holon -Ilib/newlib)
$(call host-object-names,test,-DHOLON_FAKE_KERNEL -Ilib/holon -Ilib/newlib,lib/file_service/contents_test.c $(FILE_SERVICE_SOURCES)): | $(INTERFACES)
# libsodium has an Argon2 of its own, whose functions have the same names.
build/x86_64/base/argon2.o: /usr/lib/x86_64-linux-gnu/libargon2.a
	@mkdir -p $(@D)
	@$(LD) -r --whole-archive $< -o $@
	@llvm-objcopy --keep-global-symbol=argon2id_ctx $@

# base/attest is built here for the same reason. It signs, with libsodium's Ed25519.
ATTEST_SOURCES := base/attest/attest.c lib/tpm/tpm_quote.c lib/tpm/tpm_command.c lib/trust/quote.c lib/trust/record.c lib/trust/boot.c lib/trust/trust.c lib/crypto/unit_support.c
$(call native-newlib-program,base/attest,$(ATTEST_SOURCES) $(CRYPTO_SOURCES) lib/crypto/ed25519.c lib/crypto/x25519.c,-DCRYPTO_NO_VECTOR -idirafter /usr/include,/usr/lib/x86_64-linux-gnu/libsodium.a)

# Archives of trees, which come from sub-kernels that may mean harm.
$(call host-test,subkernel-tree,system/subkernel/tree_test.c system/subkernel/tree.c,-D_GNU_SOURCE)
$(call host-fuzz,subkernel-tree,system/subkernel/tree_fuzz.c system/subkernel/tree.c,-D_GNU_SOURCE)
# What serves volumes, on a directory of the host.
SHARE_SOURCES := system/subkernel/share.c system/subkernel/share_nodes.c
$(call host-test,subkernel-share,system/subkernel/share_test.c $(SHARE_SOURCES),-D_GNU_SOURCE $(SHARE_CFLAGS))
$(call host-fuzz,subkernel-share,system/subkernel/share_fuzz.c $(SHARE_SOURCES),-D_GNU_SOURCE $(SHARE_CFLAGS))
$(call host-object-names,test,-D_GNU_SOURCE $(SHARE_CFLAGS),system/subkernel/share_test.c $(SHARE_SOURCES)): | $(INTERFACES)
$(call host-object-names,fuzz,-D_GNU_SOURCE $(SHARE_CFLAGS),system/subkernel/share_fuzz.c $(SHARE_SOURCES)): | $(INTERFACES)
