# JSON-RPC.
LEDGER_SOURCES += $(addprefix system/ledger/rpc/,server.c dispatch.c values.c txpool.c methods_state.c methods_block.c methods_call.c \
  methods_log.c methods_send.c methods_node.c dev.c application.c)
LEDGER_LDLIBS  += -lwebsockets
