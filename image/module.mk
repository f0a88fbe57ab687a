# The system image: native programs, the manifest, and the Linux root trees. HOLON_ROOT names the group of
# image/packages.txt whose tree is the Linux root.
HOLON_ROOT ?= minimal
SYSTEM_IMAGE := build/x86_64/system.img
NATIVE_PARTS := entropy=build/x86_64/base/entropy vfs=build/x86_64/base/vfs console=build/x86_64/base/console subkernel=build/x86_64/system/subkernel \
	linux=build/x86_64/linux/linux vault=build/x86_64/base/vault files=build/x86_64/base/files devmgr=build/x86_64/base/devmgr switch=build/x86_64/base/switch $(foreach driver,$(DRIVERS),$(driver)=build/x86_64/drivers/$(driver))

$(SYSTEM_IMAGE): build/root/$(HOLON_ROOT).stamp image/manifest $(foreach part,$(NATIVE_PARTS),$(lastword $(subst =, ,$(part)))) \
		build/guest/subkernel build/guest/vault build/guest/flux tools/mksysimg/mksysimg build/host/bin/blake3-blocks
	@mkdir -p $(@D)
	@echo "  IMAGE   $@"
	@tools/mksysimg/mksysimg --digest build/host/bin/blake3-blocks -o $@ --file image/manifest:etc/manifest \
		$(foreach part,$(NATIVE_PARTS),--file $(lastword $(subst =, ,$(part))):native/$(firstword $(subst =, ,$(part)))) \
		--tree build/root/$(HOLON_ROOT):linux --file build/guest/subkernel:linux/usr/bin/subkernel --file build/guest/vault:linux/usr/bin/vault \
		--file build/guest/flux:linux/usr/bin/flux --symlink flux:linux/usr/bin/cunatic
SYSTEM += $(SYSTEM_IMAGE)

# Licences and versions of what is in the image, for the release's medium, and the sources to match.
build/licences/packages: build/root/$(HOLON_ROOT).stamp build/gen/base/console/font.psf.gz tools/sources
	@tools/sources list $(HOLON_ROOT) build/licences
.PHONY: sources
sources: build/licences/packages ## Download the Debian source packages of what is in the image (build/sources)
	@tools/sources fetch build/licences build/sources
