# The system image: native programs, the manifest, and the Linux root trees. HOLON_ROOT names the group of
# image/packages.txt whose tree is the Linux root.
HOLON_ROOT ?= minimal
SYSTEM_IMAGE := build/x86_64/system.img
NATIVE_PARTS := entropy=build/x86_64/base/entropy vfs=build/x86_64/base/vfs console=build/x86_64/base/console subkernel=build/x86_64/system/subkernel \
	tree=build/x86_64/base/tree holdings=build/x86_64/system/holdings \
	linux=build/x86_64/linux/linux vault=build/x86_64/base/vault files=build/x86_64/base/files devmgr=build/x86_64/base/devmgr switch=build/x86_64/base/switch tpm=build/x86_64/drivers/tpm attest=build/x86_64/base/attest mixer=build/x86_64/base/mixer $(foreach driver,$(DRIVERS),$(driver)=build/x86_64/drivers/$(driver))
# What `subkernel run --profile NAME` starts (docs/subkernels.md).
BLUEPRINTS := $(sort $(notdir $(wildcard image/blueprints/*)))
# Holon's own programs for Linux roots, and further names of theirs.
GUEST_PARTS := usr/bin/subkernel=build/guest/subkernel usr/bin/vault=build/guest/vault usr/bin/capsule=build/guest/capsule usr/bin/attest=build/guest/attest usr/bin/holon-install=build/guest/holon-install usr/bin/flux=build/guest/flux usr/local/sbin/poweroff=build/guest/poweroff
GUEST_LINKS := usr/bin/cunatic=flux usr/local/sbin/reboot=poweroff

# IMAGE, MORE: makes the image, with more of mksysimg's words.
define system-image
tools/mksysimg/mksysimg --digest build/host/bin/blake3-blocks -o $(1) --file image/manifest:etc/manifest \
		$(foreach part,$(BLUEPRINTS),--file image/blueprints/$(part):etc/blueprints/$(part)) \
		$(foreach part,$(NATIVE_PARTS),--file $(lastword $(subst =, ,$(part))):native/$(firstword $(subst =, ,$(part)))) \
		--tree build/root/$(HOLON_ROOT):linux \
		$(foreach part,$(GUEST_PARTS),--file $(lastword $(subst =, ,$(part))):linux/$(firstword $(subst =, ,$(part)))) \
		$(foreach part,$(GUEST_LINKS),--symlink $(lastword $(subst =, ,$(part))):linux/$(firstword $(subst =, ,$(part)))) $(2)
endef

$(SYSTEM_IMAGE): build/root/$(HOLON_ROOT).stamp image/manifest $(addprefix image/blueprints/,$(BLUEPRINTS)) $(foreach part,$(NATIVE_PARTS),$(lastword $(subst =, ,$(part)))) \
		$(foreach part,$(GUEST_PARTS),$(lastword $(subst =, ,$(part)))) tools/mksysimg/mksysimg build/host/bin/blake3-blocks
	@mkdir -p $(@D)
	@echo "  IMAGE   $@"
	@$(call system-image,$@)
SYSTEM += $(SYSTEM_IMAGE)

# For images with other roots (tools/runner/packages.py): what is in every one of them, as PLACE=FILE.
build/x86_64/image-parts: image/module.mk $(BUNDLE)
	@mkdir -p $(@D)
	@echo $(foreach part,$(NATIVE_PARTS),native/$(part)) $(foreach part,$(BLUEPRINTS),etc/blueprints/$(part)=image/blueprints/$(part)) $(foreach part,$(GUEST_PARTS),guest/$(part)) $(foreach part,$(GUEST_LINKS),link/$(part)) $(foreach part,$(filter-out system=%,$(BUNDLE_PARTS)),boot/$(part)) > $@
SYSTEM += build/x86_64/image-parts

# Licences and versions of what is in the image, for the release's medium, and the sources to match.
build/licences/packages: build/root/$(HOLON_ROOT).stamp build/gen/base/console/font.psf.gz tools/sources
	@tools/sources list $(HOLON_ROOT) build/licences
.PHONY: sources
sources: build/licences/packages ## Download the Debian source packages of what is in the image (build/sources)
	@tools/sources fetch build/licences build/sources

# The same image with the ledger in it: node, gateway and wallet for every sub-kernel's root, and a node that the manifest starts.
LEDGER_IMAGE_PROGRAMS := $(addprefix build/host/bin/,holon-ledger holon-wallet)
build/x86_64/ledger.tree/.made: $(LEDGER_IMAGE_PROGRAMS) tools/host-tree
	@tools/host-tree $(@D) $(LEDGER_IMAGE_PROGRAMS)
	@touch $@
build/x86_64/ledger.bundle: $(SYSTEM_IMAGE) build/x86_64/ledger.tree/.made $(BUNDLE) tools/mkbundle image/module.mk
	@echo "  BUNDLE  $@"
	@$(call system-image,$(@:bundle=img),--tree build/x86_64/ledger.tree:linux)
	@tools/mkbundle $@ $(filter-out system=%,$(BUNDLE_PARTS)) system=$(@:bundle=img)
.PHONY: run-ledger
run-ledger: $(SYSTEM) build/x86_64/ledger.bundle ## Boot Holon with the ledger in its image, and a node of it (docs/ledger-operators.md)
	@tools/run --bundle build/x86_64/ledger.bundle --mem 1500 --cmdline ledger
