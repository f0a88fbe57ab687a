$(call script-test,tests/rights/check,)
