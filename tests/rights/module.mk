$(call script-test,tests/rights/check,)

# Systems with an attacker in the place of some units (attack.c): the services; the drivers and the personality; what starts later.
RIGHTS_OUT := build/x86_64/tests/rights
RIGHTS_services := entropy vfs console devmgr switch tpm attest mixer subkernel
RIGHTS_drivers  := $(DRIVERS) linux
RIGHTS_late     := vault files
$(call native-program,tests/rights/attack,tests/rights/attack.c tests/rights/probe.S)
rights-file = $(if $(filter $(RIGHTS_$(1)),$(firstword $(subst =, ,$(2)))),$(RIGHTS_OUT)/attack,$(lastword $(subst =, ,$(2)))):native/$(firstword $(subst =, ,$(2)))
define rights-bundle
$(RIGHTS_OUT)/$(1).bundle: $(RIGHTS_OUT)/attack $(BUNDLE) tools/mksysimg/mksysimg tests/rights/module.mk
	@echo "  BUNDLE  $$@"
	@tools/mksysimg/mksysimg --digest build/host/bin/blake3-blocks -o $$(@:bundle=img) --file image/manifest:etc/manifest \
		$(foreach part,$(NATIVE_PARTS),--file $(call rights-file,$(1),$(part))) --tree build/root/minimal:linux \
		$(foreach part,$(GUEST_PARTS),--file $(lastword $(subst =, ,$(part))):linux/$(firstword $(subst =, ,$(part))))
	@tools/mkbundle $$@ $(filter-out system=%,$(BUNDLE_PARTS)) system=$$(@:bundle=img)
endef
RIGHTS_BUNDLES := $(foreach kind,services drivers late,$(eval $(call rights-bundle,$(kind)))$(RIGHTS_OUT)/$(kind).bundle)
$(call script-test,tests/rights/attack_test.py,$(RIGHTS_BUNDLES) build/x86_64/boot/loader.iso,slow)
