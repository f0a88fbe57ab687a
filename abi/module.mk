# Interfaces: abi/NAME.interface becomes build/abi/NAME.interface.h (included by native code as "NAME.interface.h").
build/abi/%.interface.h: abi/%.interface tools/interface
	@mkdir -p $(@D)
	@tools/interface $< $@
ALL += $(INTERFACES)
