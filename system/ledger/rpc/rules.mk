# JSON-RPC.
LEDGER_SOURCES += $(addprefix system/ledger/rpc/,server.c dispatch.c values.c txpool.c methods_state.c methods_block.c methods_call.c \
  methods_log.c methods_send.c methods_node.c methods_prove.c dev.c application.c client.c gateway.c gateway_feed.c gateway_keep.c gateway_nodes.c gateway_proof.c gateway_state.c subscriptions.c)
LEDGER_LDLIBS  += -lwebsockets
LEDGER_TESTS   += ledger_txpool_test:system/ledger/rpc/txpool_test.c
LEDGER_FUZZERS += ledger_rpc:system/ledger/rpc/rpc_fuzz.c ledger_gateway:system/ledger/rpc/gateway_fuzz.c
build/host/fuzz/ledger_rpc: build/host/fuzz/ledger_rpc.seeds/call
build/host/fuzz/ledger_rpc.seeds/call: $(wildcard system/ledger/rpc/fuzz_seeds/*)
	@mkdir -p $(@D) && cp $^ $(@D)/
build/host/fuzz/ledger_gateway: build/host/fuzz/ledger_gateway.seeds/answers
build/host/fuzz/ledger_gateway.seeds/answers: $(wildcard system/ledger/rpc/gateway_fuzz_seeds/*)
	@mkdir -p $(@D) && cp $^ $(@D)/
