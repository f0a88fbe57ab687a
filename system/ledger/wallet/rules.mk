# build/host/bin/holon-wallet. The list of words comes with the npm package @scure/bip39.
BIP39_HEADER := build/generated/ledger/bip39_words.h
$(BIP39_HEADER): tools/npm-packages
	@mkdir -p $(@D)
	@dir=$$(tools/npm-packages bip39 @scure/bip39@1.6.0) && node -e 'const { wordlist } = require(process.argv[1] + "/node_modules/@scure/bip39/wordlists/english"); if (wordlist.length !== 2048) process.exit(1); console.log("static const char *const bip39_words[2048] = {" + wordlist.map((w) => JSON.stringify(w)).join(", ") + "};")' "$$dir" >$@
LEDGER_SOURCES += $(addprefix system/ledger/wallet/,mnemonic.c keystore.c signer.c)
LEDGER_CFLAGS_system/ledger/wallet/mnemonic.c := -Ibuild/generated/ledger
$(foreach archive,libholon-ledger libholon-ledger-sanitized libholon-ledger-fuzz,$(eval build/host/lib/$(archive).d/system/ledger/wallet/mnemonic.c.o: $(BIP39_HEADER)))
LEDGER_PROGRAMS += holon-wallet:system/ledger/wallet/main.c:system/ledger/wallet/send.c
$(call script-test,system/ledger/wallet/wallet_test,build/host/bin/holon-wallet build/host/bin/holon-ledger)
