# Root trees of Debian packages (image/packages.txt).
build/root/%.stamp: image/packages.txt tools/debs
	@tools/debs $*
$(call script-test,tools/fuzz,,slow)
SOAK_TESTS += tools/fuzz
$(call script-test,tools/format-check,)
