/*
 * Merkle trees for signing. Leaves are made and joined in blocks of up to 64, so that most levels fill all
 * lanes; the roots of blocks are joined on a stack, as leaves would be one by one.
 *
 * Which leaf is the target is public (it follows from the message and the signature's randomizer), and so are
 * the WOTS digits: branches on them leak nothing.
 */
#include "slhdsa_tree.h"

/* What to build. `make_leaves` writes the leaves from number `first` on. */
struct tree {
	const struct slhdsa_secret *secret;
	struct slhdsa_address node_address; /* type, and key pair for FORS, set */
	unsigned height;
	uint32_t offset; /* number of the first leaf, in the numbering of the addresses */
	uint32_t target; /* number within the tree */
	uint8_t *path;   /* of the target */
	void (*make_leaves)(struct tree *tree, uint32_t first, unsigned count,
	                    uint8_t (*leaves)[SLHDSA_MAX_N]);
	uint8_t *leaf_signature; /* what the target leaf itself reveals: a FORS secret or a WOTS signature */
	/* For XMSS: the tree's address, and the digits to sign. */
	struct slhdsa_address wots_address;
	uint8_t digits[SLHDSA_MAX_CHAINS];
};

/* Joins pairs: `count` parents at height `z`, the first being number `first`; in place. */
static void join(const struct tree *tree, unsigned z, uint32_t first, unsigned count,
                 uint8_t (*nodes)[SLHDSA_MAX_N])
{
	const struct slhdsa_hasher *hasher = &tree->secret->hasher;
	size_t n = hasher->params->n;
	struct slhdsa_lanes lanes;
	for (unsigned done = 0; done < count; done += SLHDSA_LANES) {
		unsigned part = count - done < SLHDSA_LANES ? count - done : SLHDSA_LANES;
		for (unsigned i = 0; i < part; i++) {
			lanes.address[i] = tree->node_address;
			address_set_height(&lanes.address[i], z);
			address_set_index(&lanes.address[i], (tree->offset >> z) + first + done + i);
			memcpy(lanes.value[i], nodes[2 * (done + i)], n);
			memcpy(lanes.value[i] + n, nodes[2 * (done + i) + 1], n);
		}
		slhdsa_hash_lanes(hasher, &lanes, part, 2 * n);
		for (unsigned i = 0; i < part; i++)
			memcpy(nodes[done + i], lanes.value[i], n);
	}
}

/* Keeps the node at height `z` that the target's path needs, if it is among these. */
static void keep_sibling(const struct tree *tree, unsigned z, uint32_t first, unsigned count,
                         uint8_t (*nodes)[SLHDSA_MAX_N])
{
	size_t n = tree->secret->hasher.params->n;
	uint32_t wanted = tree->target >> z ^ 1;
	if (tree->target != TREE_NO_TARGET && z < tree->height && wanted >= first && wanted - first < count)
		memcpy(tree->path + z * n, nodes[wanted - first], n);
}

static void tree_build(struct tree *tree, uint8_t root[SLHDSA_MAX_N])
{
	unsigned block = tree->height < TREE_BLOCK_HEIGHT ? tree->height : TREE_BLOCK_HEIGHT, depth = 0;
	uint32_t blocks = 1u << (tree->height - block);
	uint8_t nodes[1 << TREE_BLOCK_HEIGHT][SLHDSA_MAX_N], stack[16][SLHDSA_MAX_N], pair[2][SLHDSA_MAX_N];
	for (uint32_t number = 0; number < blocks; number++) {
		uint32_t first = number << block, index = number;
		unsigned z = 0;
		tree->make_leaves(tree, first, 1u << block, nodes);
		for (; z < block; z++) {
			unsigned count = 1u << (block - z);
			keep_sibling(tree, z, first >> z, count, nodes);
			join(tree, z + 1, first >> (z + 1), count / 2, nodes);
		}
		keep_sibling(tree, z, index, 1, nodes);
		memcpy(stack[depth++], nodes[0], SLHDSA_MAX_N);
		for (; index & 1; index >>= 1) {
			memcpy(pair, stack[depth - 2], sizeof pair);
			join(tree, ++z, index >> 1, 1, pair);
			keep_sibling(tree, z, index >> 1, 1, pair);
			memcpy(stack[--depth - 1], pair[0], SLHDSA_MAX_N);
		}
	}
	memcpy(root, stack[0], tree->secret->hasher.params->n);
}

/* PRF on `count` lanes, whose addresses are set. */
static void make_secrets(const struct slhdsa_secret *secret, struct slhdsa_lanes *lanes, unsigned count)
{
	size_t n = secret->hasher.params->n;
	for (unsigned i = 0; i < count; i++)
		memcpy(lanes->value[i], secret->sk_seed, n);
	slhdsa_hash_lanes(&secret->hasher, lanes, count, n);
}

static void fors_leaves(struct tree *tree, uint32_t first, unsigned count, uint8_t (*leaves)[SLHDSA_MAX_N])
{
	size_t n = tree->secret->hasher.params->n;
	struct slhdsa_lanes lanes;
	for (unsigned done = 0; done < count; done += SLHDSA_LANES) {
		unsigned part = count - done < SLHDSA_LANES ? count - done : SLHDSA_LANES;
		for (unsigned i = 0; i < part; i++) {
			lanes.address[i] = tree->node_address;
			lanes.address[i].bytes[19] = ADDRESS_FORS_PRF;
			address_set_index(&lanes.address[i], tree->offset + first + done + i);
		}
		make_secrets(tree->secret, &lanes, part);
		for (unsigned i = 0; i < part; i++) {
			if (first + done + i == tree->target)
				memcpy(tree->leaf_signature, lanes.value[i], n);
			lanes.address[i].bytes[19] = ADDRESS_FORS_TREE;
		}
		slhdsa_hash_lanes(&tree->secret->hasher, &lanes, part, n);
		for (unsigned i = 0; i < part; i++)
			memcpy(leaves[done + i], lanes.value[i], n);
	}
	crypto_wipe(&lanes, sizeof lanes);
}

void slhdsa_fors_tree(const struct slhdsa_secret *secret, const struct slhdsa_address *address,
                      unsigned number, uint32_t target, uint8_t *signature, uint8_t root[SLHDSA_MAX_N])
{
	const struct slhdsa_params *params = secret->hasher.params;
	struct tree tree = {
	    .secret = secret,
	    .node_address = *address,
	    .height = params->fors_height,
	    .offset = (uint32_t)number << params->fors_height,
	    .target = target,
	    .path = signature + params->n,
	    .make_leaves = fors_leaves,
	    .leaf_signature = signature,
	};
	tree_build(&tree, root);
}

#define PAIR 2 /* WOTS keys made at once: their chains together fill the lanes better */

static void wots_secrets(const struct tree *tree, uint32_t first, uint8_t (*values)[SLHDSA_MAX_N])
{
	const struct slhdsa_params *params = tree->secret->hasher.params;
	unsigned chains = slhdsa_chains(params);
	struct slhdsa_lanes lanes;
	for (unsigned done = 0; done < PAIR * chains; done += SLHDSA_LANES) {
		unsigned left = PAIR * chains - done, part = left < SLHDSA_LANES ? left : SLHDSA_LANES;
		for (unsigned i = 0; i < part; i++) {
			lanes.address[i] = tree->wots_address;
			address_set_type(&lanes.address[i], ADDRESS_WOTS_PRF);
			address_set_keypair(&lanes.address[i], first + (done + i) / chains);
			address_set_chain(&lanes.address[i], (done + i) % chains);
		}
		make_secrets(tree->secret, &lanes, part);
		for (unsigned i = 0; i < part; i++)
			memcpy(values[done + i], lanes.value[i], params->n);
	}
	crypto_wipe(&lanes, sizeof lanes);
}

static void xmss_leaves(struct tree *tree, uint32_t first, unsigned count, uint8_t (*leaves)[SLHDSA_MAX_N])
{
	const struct slhdsa_hasher *hasher = &tree->secret->hasher;
	unsigned n = hasher->params->n, chains = slhdsa_chains(hasher->params);
	uint8_t values[PAIR * SLHDSA_MAX_CHAINS][SLHDSA_MAX_N];
	uint8_t starts[PAIR * SLHDSA_MAX_CHAINS], ends[PAIR * SLHDSA_MAX_CHAINS];
	for (uint32_t leaf = first; leaf < first + count; leaf += PAIR) {
		wots_secrets(tree, leaf, values);
		memset(starts, 0, sizeof starts);
		memset(ends, WOTS_W - 1, sizeof ends);
		if (tree->target != TREE_NO_TARGET && tree->target / PAIR == leaf / PAIR) {
			/* Stop the signing key's chains at the digits, where their values are the signature.
			 */
			unsigned at = (tree->target - leaf) * chains;
			memset(ends, 0, sizeof ends);
			memcpy(ends + at, tree->digits, chains);
			slhdsa_wots_advance(hasher, &tree->wots_address, leaf, PAIR, values, starts, ends);
			for (unsigned i = 0; i < chains; i++)
				memcpy(tree->leaf_signature + (size_t)i * n, values[at + i], n);
			memcpy(starts, ends, sizeof starts);
			memset(ends, WOTS_W - 1, sizeof ends);
		}
		slhdsa_wots_advance(hasher, &tree->wots_address, leaf, PAIR, values, starts, ends);
		for (unsigned i = 0; i < PAIR; i++)
			slhdsa_wots_compress(hasher, &tree->wots_address, leaf + i,
			                     (const uint8_t(*)[SLHDSA_MAX_N])values + i * chains,
			                     leaves[leaf - first + i]);
	}
	crypto_wipe(values, sizeof values);
}

void slhdsa_xmss_tree(const struct slhdsa_secret *secret, const struct slhdsa_address *address,
                      uint32_t target, const uint8_t *message, uint8_t *signature, uint8_t root[SLHDSA_MAX_N])
{
	const struct slhdsa_params *params = secret->hasher.params;
	struct tree tree = {
	    .secret = secret,
	    .node_address = *address,
	    .height = params->tree_height,
	    .target = target,
	    .make_leaves = xmss_leaves,
	    .wots_address = *address,
	    .leaf_signature = signature,
	};
	address_set_type(&tree.node_address, ADDRESS_TREE);
	if (target != TREE_NO_TARGET) {
		tree.path = signature + (size_t)slhdsa_chains(params) * params->n;
		slhdsa_wots_digits(params, message, tree.digits);
	}
	tree_build(&tree, root);
}
