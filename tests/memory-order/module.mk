$(call script-test,tests/memory-order/explore,)
