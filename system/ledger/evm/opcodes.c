/* The tables of instructions and of their fused forms. Fixed costs: yellow paper, appendix G, and the EIPs
 * since. */
#include "evm/opcodes.h"

DECLARE_OP(stop);
DECLARE_OP(add);
DECLARE_OP(mul);
DECLARE_OP(sub);
DECLARE_OP(div);
DECLARE_OP(sdiv);
DECLARE_OP(mod);
DECLARE_OP(smod);
DECLARE_OP(addmod);
DECLARE_OP(mulmod);
DECLARE_OP(exp);
DECLARE_OP(signextend);
DECLARE_OP(lt);
DECLARE_OP(gt);
DECLARE_OP(slt);
DECLARE_OP(sgt);
DECLARE_OP(eq);
DECLARE_OP(iszero);
DECLARE_OP(and);
DECLARE_OP(or);
DECLARE_OP(xor);
DECLARE_OP(not );
DECLARE_OP(byte);
DECLARE_OP(shl);
DECLARE_OP(shr);
DECLARE_OP(sar);
DECLARE_OP(clz);
DECLARE_OP(keccak256);
DECLARE_OP(address);
DECLARE_OP(balance);
DECLARE_OP(origin);
DECLARE_OP(caller);
DECLARE_OP(callvalue);
DECLARE_OP(calldataload);
DECLARE_OP(calldatasize);
DECLARE_OP(calldatacopy);
DECLARE_OP(codesize);
DECLARE_OP(codecopy);
DECLARE_OP(gasprice);
DECLARE_OP(extcodesize);
DECLARE_OP(extcodecopy);
DECLARE_OP(returndatasize);
DECLARE_OP(returndatacopy);
DECLARE_OP(extcodehash);
DECLARE_OP(blockhash);
DECLARE_OP(coinbase);
DECLARE_OP(timestamp);
DECLARE_OP(number);
DECLARE_OP(prevrandao);
DECLARE_OP(gaslimit);
DECLARE_OP(chainid);
DECLARE_OP(selfbalance);
DECLARE_OP(basefee);
DECLARE_OP(blobhash);
DECLARE_OP(blobbasefee);
DECLARE_OP(pop);
DECLARE_OP(mload);
DECLARE_OP(mstore);
DECLARE_OP(mstore8);
DECLARE_OP(sload);
DECLARE_OP(sstore);
DECLARE_OP(jump);
DECLARE_OP(jumpi);
DECLARE_OP(pc);
DECLARE_OP(msize);
DECLARE_OP(gas);
DECLARE_OP(tload);
DECLARE_OP(tstore);
DECLARE_OP(mcopy);
DECLARE_OP(dup1);
DECLARE_OP(dup2);
DECLARE_OP(dup3);
DECLARE_OP(dup4);
DECLARE_OP(dup5);
DECLARE_OP(dup6);
DECLARE_OP(dup7);
DECLARE_OP(dup8);
DECLARE_OP(dup9);
DECLARE_OP(dup10);
DECLARE_OP(dup11);
DECLARE_OP(dup12);
DECLARE_OP(dup13);
DECLARE_OP(dup14);
DECLARE_OP(dup15);
DECLARE_OP(dup16);
DECLARE_OP(swap1);
DECLARE_OP(swap2);
DECLARE_OP(swap3);
DECLARE_OP(swap4);
DECLARE_OP(swap5);
DECLARE_OP(swap6);
DECLARE_OP(swap7);
DECLARE_OP(swap8);
DECLARE_OP(swap9);
DECLARE_OP(swap10);
DECLARE_OP(swap11);
DECLARE_OP(swap12);
DECLARE_OP(swap13);
DECLARE_OP(swap14);
DECLARE_OP(swap15);
DECLARE_OP(swap16);
DECLARE_OP(log0);
DECLARE_OP(log1);
DECLARE_OP(log2);
DECLARE_OP(log3);
DECLARE_OP(log4);
DECLARE_OP(create);
DECLARE_OP(call);
DECLARE_OP(callcode);
DECLARE_OP(return );
DECLARE_OP(delegatecall);
DECLARE_OP(create2);
DECLARE_OP(staticcall);
DECLARE_OP(revert);
DECLARE_OP(invalid);
DECLARE_OP(selfdestruct);
DECLARE_OP(swap1_pop);
DECLARE_OP(swap2_pop);
DECLARE_OP(swap3_pop);
DECLARE_OP(swap4_pop);
DECLARE_OP(swap5_pop);
DECLARE_OP(swap6_pop);
DECLARE_OP(swap7_pop);
DECLARE_OP(swap8_pop);
DECLARE_OP(swap9_pop);
DECLARE_OP(swap10_pop);
DECLARE_OP(swap11_pop);
DECLARE_OP(swap12_pop);
DECLARE_OP(swap13_pop);
DECLARE_OP(swap14_pop);
DECLARE_OP(swap15_pop);
DECLARE_OP(swap16_pop);
DECLARE_OP(add_constant);
DECLARE_OP(mul_constant);
DECLARE_OP(sub_constant);
DECLARE_OP(lt_constant);
DECLARE_OP(gt_constant);
DECLARE_OP(eq_constant);
DECLARE_OP(and_constant);
DECLARE_OP(or_constant);
DECLARE_OP(xor_constant);
DECLARE_OP(shl_constant);
DECLARE_OP(shr_constant);
DECLARE_OP(sar_constant);
DECLARE_OP(signextend_constant);
DECLARE_OP(mload_constant);
DECLARE_OP(mstore_constant);
DECLARE_OP(calldataload_constant);
DECLARE_OP(swap1_add);
DECLARE_OP(swap1_mul);
DECLARE_OP(swap1_sub);
DECLARE_OP(swap1_div);
DECLARE_OP(swap1_sdiv);
DECLARE_OP(swap1_mod);
DECLARE_OP(swap1_lt);
DECLARE_OP(swap1_gt);
DECLARE_OP(swap1_slt);
DECLARE_OP(swap1_sgt);
DECLARE_OP(lt_jumpi);
DECLARE_OP(gt_jumpi);
DECLARE_OP(slt_jumpi);
DECLARE_OP(sgt_jumpi);
DECLARE_OP(eq_jumpi);
DECLARE_OP(iszero_jumpi);
DECLARE_OP(not_lt_jumpi);
DECLARE_OP(not_gt_jumpi);
DECLARE_OP(not_slt_jumpi);
DECLARE_OP(not_sgt_jumpi);
DECLARE_OP(not_eq_jumpi);

/* handler, gas, takes, gives, since, ends the block, ends the flow */
const struct opcode_info opcodes[256] = {
    [0x00] = {op_stop, 0, 0, 0, FORK_CANCUN, true, true},
    [0x01] = {op_add, 3, 2, 1, FORK_CANCUN, false, false},
    [0x02] = {op_mul, 5, 2, 1, FORK_CANCUN, false, false},
    [0x03] = {op_sub, 3, 2, 1, FORK_CANCUN, false, false},
    [0x04] = {op_div, 5, 2, 1, FORK_CANCUN, false, false},
    [0x05] = {op_sdiv, 5, 2, 1, FORK_CANCUN, false, false},
    [0x06] = {op_mod, 5, 2, 1, FORK_CANCUN, false, false},
    [0x07] = {op_smod, 5, 2, 1, FORK_CANCUN, false, false},
    [0x08] = {op_addmod, 8, 3, 1, FORK_CANCUN, false, false},
    [0x09] = {op_mulmod, 8, 3, 1, FORK_CANCUN, false, false},
    [0x0a] = {op_exp, 10, 2, 1, FORK_CANCUN, false, false},
    [0x0b] = {op_signextend, 5, 2, 1, FORK_CANCUN, false, false},
    [0x10] = {op_lt, 3, 2, 1, FORK_CANCUN, false, false},
    [0x11] = {op_gt, 3, 2, 1, FORK_CANCUN, false, false},
    [0x12] = {op_slt, 3, 2, 1, FORK_CANCUN, false, false},
    [0x13] = {op_sgt, 3, 2, 1, FORK_CANCUN, false, false},
    [0x14] = {op_eq, 3, 2, 1, FORK_CANCUN, false, false},
    [0x15] = {op_iszero, 3, 1, 1, FORK_CANCUN, false, false},
    [0x16] = {op_and, 3, 2, 1, FORK_CANCUN, false, false},
    [0x17] = {op_or, 3, 2, 1, FORK_CANCUN, false, false},
    [0x18] = {op_xor, 3, 2, 1, FORK_CANCUN, false, false},
    [0x19] = {op_not, 3, 1, 1, FORK_CANCUN, false, false},
    [0x1a] = {op_byte, 3, 2, 1, FORK_CANCUN, false, false},
    [0x1b] = {op_shl, 3, 2, 1, FORK_CANCUN, false, false},
    [0x1c] = {op_shr, 3, 2, 1, FORK_CANCUN, false, false},
    [0x1d] = {op_sar, 3, 2, 1, FORK_CANCUN, false, false},
    [0x1e] = {op_clz, 5, 1, 1, FORK_OSAKA, false, false},
    [0x20] = {op_keccak256, 30, 2, 1, FORK_CANCUN, false, false},
    [0x30] = {op_address, 2, 0, 1, FORK_CANCUN, false, false},
    [0x31] = {op_balance, 0, 1, 1, FORK_CANCUN, false, false},
    [0x32] = {op_origin, 2, 0, 1, FORK_CANCUN, false, false},
    [0x33] = {op_caller, 2, 0, 1, FORK_CANCUN, false, false},
    [0x34] = {op_callvalue, 2, 0, 1, FORK_CANCUN, false, false},
    [0x35] = {op_calldataload, 3, 1, 1, FORK_CANCUN, false, false},
    [0x36] = {op_calldatasize, 2, 0, 1, FORK_CANCUN, false, false},
    [0x37] = {op_calldatacopy, 3, 3, 0, FORK_CANCUN, false, false},
    [0x38] = {op_codesize, 2, 0, 1, FORK_CANCUN, false, false},
    [0x39] = {op_codecopy, 3, 3, 0, FORK_CANCUN, false, false},
    [0x3a] = {op_gasprice, 2, 0, 1, FORK_CANCUN, false, false},
    [0x3b] = {op_extcodesize, 0, 1, 1, FORK_CANCUN, false, false},
    [0x3c] = {op_extcodecopy, 0, 4, 0, FORK_CANCUN, false, false},
    [0x3d] = {op_returndatasize, 2, 0, 1, FORK_CANCUN, false, false},
    [0x3e] = {op_returndatacopy, 3, 3, 0, FORK_CANCUN, false, false},
    [0x3f] = {op_extcodehash, 0, 1, 1, FORK_CANCUN, false, false},
    [0x40] = {op_blockhash, 20, 1, 1, FORK_CANCUN, false, false},
    [0x41] = {op_coinbase, 2, 0, 1, FORK_CANCUN, false, false},
    [0x42] = {op_timestamp, 2, 0, 1, FORK_CANCUN, false, false},
    [0x43] = {op_number, 2, 0, 1, FORK_CANCUN, false, false},
    [0x44] = {op_prevrandao, 2, 0, 1, FORK_CANCUN, false, false},
    [0x45] = {op_gaslimit, 2, 0, 1, FORK_CANCUN, false, false},
    [0x46] = {op_chainid, 2, 0, 1, FORK_CANCUN, false, false},
    [0x47] = {op_selfbalance, 5, 0, 1, FORK_CANCUN, false, false},
    [0x48] = {op_basefee, 2, 0, 1, FORK_CANCUN, false, false},
    [0x49] = {op_blobhash, 3, 1, 1, FORK_CANCUN, false, false},
    [0x4a] = {op_blobbasefee, 2, 0, 1, FORK_CANCUN, false, false},
    [0x50] = {op_pop, 2, 1, 0, FORK_CANCUN, false, false},
    [0x51] = {op_mload, 3, 1, 1, FORK_CANCUN, false, false},
    [0x52] = {op_mstore, 3, 2, 0, FORK_CANCUN, false, false},
    [0x53] = {op_mstore8, 3, 2, 0, FORK_CANCUN, false, false},
    [0x54] = {op_sload, 0, 1, 1, FORK_CANCUN, false, false},
    [0x55] = {op_sstore, 0, 2, 0, FORK_CANCUN, false, false},
    [0x56] = {op_jump, 8, 1, 0, FORK_CANCUN, true, true},
    [0x57] = {op_jumpi, 10, 2, 0, FORK_CANCUN, true, false},
    [0x58] = {op_pc, 2, 0, 1, FORK_CANCUN, false, false},
    [0x59] = {op_msize, 2, 0, 1, FORK_CANCUN, false, false},
    [0x5a] = {op_gas, 2, 0, 1, FORK_CANCUN, false, false},
    [0x5b] = {op_nothing, 1, 0, 0, FORK_CANCUN, false, false},
    [0x5c] = {op_tload, 100, 1, 1, FORK_CANCUN, false, false},
    [0x5d] = {op_tstore, 100, 2, 0, FORK_CANCUN, false, false},
    [0x5e] = {op_mcopy, 3, 3, 0, FORK_CANCUN, false, false},
    [0x5f] = {op_push, 2, 0, 1, FORK_CANCUN, false, false},
    [0x60] = {op_push, 3, 0, 1, FORK_CANCUN, false, false},
    [0x61] = {op_push, 3, 0, 1, FORK_CANCUN, false, false},
    [0x62] = {op_push, 3, 0, 1, FORK_CANCUN, false, false},
    [0x63] = {op_push, 3, 0, 1, FORK_CANCUN, false, false},
    [0x64] = {op_push, 3, 0, 1, FORK_CANCUN, false, false},
    [0x65] = {op_push, 3, 0, 1, FORK_CANCUN, false, false},
    [0x66] = {op_push, 3, 0, 1, FORK_CANCUN, false, false},
    [0x67] = {op_push, 3, 0, 1, FORK_CANCUN, false, false},
    [0x68] = {op_push, 3, 0, 1, FORK_CANCUN, false, false},
    [0x69] = {op_push, 3, 0, 1, FORK_CANCUN, false, false},
    [0x6a] = {op_push, 3, 0, 1, FORK_CANCUN, false, false},
    [0x6b] = {op_push, 3, 0, 1, FORK_CANCUN, false, false},
    [0x6c] = {op_push, 3, 0, 1, FORK_CANCUN, false, false},
    [0x6d] = {op_push, 3, 0, 1, FORK_CANCUN, false, false},
    [0x6e] = {op_push, 3, 0, 1, FORK_CANCUN, false, false},
    [0x6f] = {op_push, 3, 0, 1, FORK_CANCUN, false, false},
    [0x70] = {op_push, 3, 0, 1, FORK_CANCUN, false, false},
    [0x71] = {op_push, 3, 0, 1, FORK_CANCUN, false, false},
    [0x72] = {op_push, 3, 0, 1, FORK_CANCUN, false, false},
    [0x73] = {op_push, 3, 0, 1, FORK_CANCUN, false, false},
    [0x74] = {op_push, 3, 0, 1, FORK_CANCUN, false, false},
    [0x75] = {op_push, 3, 0, 1, FORK_CANCUN, false, false},
    [0x76] = {op_push, 3, 0, 1, FORK_CANCUN, false, false},
    [0x77] = {op_push, 3, 0, 1, FORK_CANCUN, false, false},
    [0x78] = {op_push, 3, 0, 1, FORK_CANCUN, false, false},
    [0x79] = {op_push, 3, 0, 1, FORK_CANCUN, false, false},
    [0x7a] = {op_push, 3, 0, 1, FORK_CANCUN, false, false},
    [0x7b] = {op_push, 3, 0, 1, FORK_CANCUN, false, false},
    [0x7c] = {op_push, 3, 0, 1, FORK_CANCUN, false, false},
    [0x7d] = {op_push, 3, 0, 1, FORK_CANCUN, false, false},
    [0x7e] = {op_push, 3, 0, 1, FORK_CANCUN, false, false},
    [0x7f] = {op_push, 3, 0, 1, FORK_CANCUN, false, false},
    [0x80] = {op_dup1, 3, 1, 2, FORK_CANCUN, false, false},
    [0x81] = {op_dup2, 3, 2, 3, FORK_CANCUN, false, false},
    [0x82] = {op_dup3, 3, 3, 4, FORK_CANCUN, false, false},
    [0x83] = {op_dup4, 3, 4, 5, FORK_CANCUN, false, false},
    [0x84] = {op_dup5, 3, 5, 6, FORK_CANCUN, false, false},
    [0x85] = {op_dup6, 3, 6, 7, FORK_CANCUN, false, false},
    [0x86] = {op_dup7, 3, 7, 8, FORK_CANCUN, false, false},
    [0x87] = {op_dup8, 3, 8, 9, FORK_CANCUN, false, false},
    [0x88] = {op_dup9, 3, 9, 10, FORK_CANCUN, false, false},
    [0x89] = {op_dup10, 3, 10, 11, FORK_CANCUN, false, false},
    [0x8a] = {op_dup11, 3, 11, 12, FORK_CANCUN, false, false},
    [0x8b] = {op_dup12, 3, 12, 13, FORK_CANCUN, false, false},
    [0x8c] = {op_dup13, 3, 13, 14, FORK_CANCUN, false, false},
    [0x8d] = {op_dup14, 3, 14, 15, FORK_CANCUN, false, false},
    [0x8e] = {op_dup15, 3, 15, 16, FORK_CANCUN, false, false},
    [0x8f] = {op_dup16, 3, 16, 17, FORK_CANCUN, false, false},
    [0x90] = {op_swap1, 3, 2, 2, FORK_CANCUN, false, false},
    [0x91] = {op_swap2, 3, 3, 3, FORK_CANCUN, false, false},
    [0x92] = {op_swap3, 3, 4, 4, FORK_CANCUN, false, false},
    [0x93] = {op_swap4, 3, 5, 5, FORK_CANCUN, false, false},
    [0x94] = {op_swap5, 3, 6, 6, FORK_CANCUN, false, false},
    [0x95] = {op_swap6, 3, 7, 7, FORK_CANCUN, false, false},
    [0x96] = {op_swap7, 3, 8, 8, FORK_CANCUN, false, false},
    [0x97] = {op_swap8, 3, 9, 9, FORK_CANCUN, false, false},
    [0x98] = {op_swap9, 3, 10, 10, FORK_CANCUN, false, false},
    [0x99] = {op_swap10, 3, 11, 11, FORK_CANCUN, false, false},
    [0x9a] = {op_swap11, 3, 12, 12, FORK_CANCUN, false, false},
    [0x9b] = {op_swap12, 3, 13, 13, FORK_CANCUN, false, false},
    [0x9c] = {op_swap13, 3, 14, 14, FORK_CANCUN, false, false},
    [0x9d] = {op_swap14, 3, 15, 15, FORK_CANCUN, false, false},
    [0x9e] = {op_swap15, 3, 16, 16, FORK_CANCUN, false, false},
    [0x9f] = {op_swap16, 3, 17, 17, FORK_CANCUN, false, false},
    [0xa0] = {op_log0, 375, 2, 0, FORK_CANCUN, false, false},
    [0xa1] = {op_log1, 750, 3, 0, FORK_CANCUN, false, false},
    [0xa2] = {op_log2, 1125, 4, 0, FORK_CANCUN, false, false},
    [0xa3] = {op_log3, 1500, 5, 0, FORK_CANCUN, false, false},
    [0xa4] = {op_log4, 1875, 6, 0, FORK_CANCUN, false, false},
    [0xf0] = {op_create, 32000, 3, 1, FORK_CANCUN, true, false},
    [0xf1] = {op_call, 0, 7, 1, FORK_CANCUN, true, false},
    [0xf2] = {op_callcode, 0, 7, 1, FORK_CANCUN, true, false},
    [0xf3] = {op_return, 0, 2, 0, FORK_CANCUN, true, true},
    [0xf4] = {op_delegatecall, 0, 6, 1, FORK_CANCUN, true, false},
    [0xf5] = {op_create2, 32000, 4, 1, FORK_CANCUN, true, false},
    [0xfa] = {op_staticcall, 0, 6, 1, FORK_CANCUN, true, false},
    [0xfd] = {op_revert, 0, 2, 0, FORK_CANCUN, true, true},
    [0xfe] = {op_invalid, 0, 0, 0, FORK_CANCUN, true, true},
    [0xff] = {op_selfdestruct, 5000, 1, 0, FORK_CANCUN, true, true},
};

const struct fused fused[256] = {
    [0x01] = {.with_constant = op_add_constant, .after_swap1 = op_swap1_add},
    [0x02] = {.with_constant = op_mul_constant, .after_swap1 = op_swap1_mul},
    [0x03] = {.with_constant = op_sub_constant, .after_swap1 = op_swap1_sub},
    [0x04] = {.after_swap1 = op_swap1_div},
    [0x05] = {.after_swap1 = op_swap1_sdiv},
    [0x06] = {.after_swap1 = op_swap1_mod},
    [0x0b] = {.with_constant = op_signextend_constant},
    [0x10] = {.with_constant = op_lt_constant,
              .after_swap1 = op_swap1_lt,
              .jumpi = op_lt_jumpi,
              .not_jumpi = op_not_lt_jumpi},
    [0x11] = {.with_constant = op_gt_constant,
              .after_swap1 = op_swap1_gt,
              .jumpi = op_gt_jumpi,
              .not_jumpi = op_not_gt_jumpi},
    [0x12] = {.after_swap1 = op_swap1_slt, .jumpi = op_slt_jumpi, .not_jumpi = op_not_slt_jumpi},
    [0x13] = {.after_swap1 = op_swap1_sgt, .jumpi = op_sgt_jumpi, .not_jumpi = op_not_sgt_jumpi},
    [0x14] = {.with_constant = op_eq_constant,
              .jumpi = op_eq_jumpi,
              .not_jumpi = op_not_eq_jumpi,
              .after_swap1 = op_eq},
    [0x15] = {.jumpi = op_iszero_jumpi, .not_jumpi = op_jumpi_to},
    [0x16] = {.with_constant = op_and_constant, .after_swap1 = op_and},
    [0x17] = {.with_constant = op_or_constant, .after_swap1 = op_or},
    [0x18] = {.with_constant = op_xor_constant, .after_swap1 = op_xor},
    [0x1b] = {.with_constant = op_shl_constant},
    [0x1c] = {.with_constant = op_shr_constant},
    [0x1d] = {.with_constant = op_sar_constant},
    [0x35] = {.with_constant = op_calldataload_constant},
    [0x51] = {.with_constant = op_mload_constant},
    [0x52] = {.with_constant = op_mstore_constant},
};
