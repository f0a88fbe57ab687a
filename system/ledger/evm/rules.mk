# Numbers, RLP, state and the virtual machine.
LEDGER_SOURCES += $(addprefix system/ledger/num/,u256.c types.c arena.c hex.c) system/ledger/rlp/rlp.c system/ledger/state/state.c \
  $(addprefix system/ledger/evm/,code.c analysis.c opcodes.c evm.c ops_arithmetic.c ops_flow.c ops_memory.c ops_state.c ops_call.c)
LEDGER_CFLAGS += -Isystem/ledger
LEDGER_LDLIBS += -lpthread
