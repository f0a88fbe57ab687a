# Messages, waits and deaths on the machine.
$(call native-program,kernel/test/messages.elf,kernel/test/messages/messages.c)
build/x86_64/kernel/test/messages.bundle: build/x86_64/kernel/kernel.elf build/x86_64/kernel/test/messages.elf.flat tools/mkbundle
	@tools/mkbundle $@ kernel=$< steward=build/x86_64/kernel/test/messages.elf.flat system=build/x86_64/kernel/test/messages.elf
$(call script-test,kernel/test/messages/messages_test.py,build/x86_64/kernel/test/messages.bundle)
