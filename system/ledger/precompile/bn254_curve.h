/* What BN254's curve, pairing and tests share. */
#ifndef LEDGER_BN254_CURVE_H
#define LEDGER_BN254_CURVE_H

#include "precompile/bn254_field.h"

#define BN_X UINT64_C(4965661367192848881) /* the curve's parameter: p and n are polynomials in it */

struct bn_constants {
	struct bn_fp2 twist_b;  /* 3 / (9 + u) */
	struct bn_fp2 gamma[6]; /* (9 + u)^(k (p - 1) / 6) */
	struct bn_fp half;
};

/* Computed at first use. */
const struct bn_constants *bn_constants(void);

bool bn_g2_on_curve(const struct bn_g2 *q);
bool bn_g2_in_subgroup(const struct bn_g2 *q);
/* The same by the definition: slower, for tests. */
bool bn_g2_in_subgroup_by_order(const struct bn_g2 *q);

#endif
