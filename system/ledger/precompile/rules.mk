# The precompiled contracts, and blst: its C and assembly sources come with the npm package c-kzg.
LEDGER_SOURCES += $(addprefix system/ledger/precompile/,precompile.c ripemd160.c blake2f.c modexp.c bls12_381.c \
  bn254_field.c bn254_curve.c bn254_pairing.c bn254_contract.c)
LEDGER_LDLIBS  += -lgmp -lbearssl

BLST_DIR     := build/npm/c-kzg/node_modules/c-kzg/deps/blst
BLST_HEADER  := $(BLST_DIR)/bindings/blst.h
BLST_LIB     := build/host/lib/libblst.a
LEDGER_ARCHIVES += $(BLST_LIB)
LEDGER_CFLAGS_system/ledger/precompile/bls12_381.c := -isystem $(BLST_DIR)/bindings

$(BLST_HEADER): tools/npm-packages
	@tools/npm-packages c-kzg c-kzg@4.1.0 >/dev/null && touch $@
$(BLST_LIB): $(BLST_HEADER)
	@mkdir -p build/host/lib/blst
	@echo "  CC      blst"
	@$(CC) -O2 -w -fPIC -D__BLST_PORTABLE__ -c $(BLST_DIR)/src/server.c -o build/host/lib/blst/server.o
	@$(CC) -O2 -w -fPIC -D__BLST_PORTABLE__ -c $(BLST_DIR)/build/assembly.S -o build/host/lib/blst/assembly.o
	@rm -f $@ && $(AR) rcs $@ build/host/lib/blst/server.o build/host/lib/blst/assembly.o
# The header must be there before what includes it is compiled, in each of the archives' builds.
$(foreach archive,libholon-ledger libholon-ledger-sanitized libholon-ledger-fuzz,$(eval build/host/lib/$(archive).d/system/ledger/precompile/bls12_381.c.o: $(BLST_HEADER)))
