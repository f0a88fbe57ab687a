SYSIMG_DIGEST := build/host/bin/blake3-blocks
$(call host-program,blake3-blocks,tools/mksysimg/blake3-blocks.c,,build/host/lib/libholon-crypto.a)
build/host/bin/blake3-blocks: build/host/lib/libholon-crypto.a
$(call host-test,sysimg_test,lib/sysimg/sysimg.c lib/sysimg/sysimg_test.c,,build/host/lib/libholon-crypto-sanitized.a)
build/host/test/sysimg_test: build/host/lib/libholon-crypto-sanitized.a build/host/test/sysimg_test.img
build/host/test/sysimg_test.img: tools/mksysimg/mksysimg $(SYSIMG_DIGEST) lib/sysimg/sysimg.c
	@mkdir -p $(@D)
	@tools/mksysimg/mksysimg --digest $(SYSIMG_DIGEST) -o $@ --tree lib:lib --tree abi:abi --directory tmp:1777 --symlink tmp:var/tmp
