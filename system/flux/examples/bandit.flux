// collapse(b, learn) against UCB1 and simpler rules. See docs/flux-measured.md.
// Regret is counted with the true means, which no rule sees: the best mean less that of the arm that was chosen.

const means = [0.2, 0.3, 0.4, 0.45, 0.5, 0.55, 0.6, 0.8];
const rounds = 5000;
const runs = 40;

function reward_of(arm) {
    return if random() < means[arm] then 1 else 0;
}

function regret_of(choose, learn_from) {
    let regret = 0.0;
    for t in 0..rounds {
        let arm = choose(t);
        regret += 0.8 - means[arm];
        learn_from(arm, reward_of(arm));
    }
    return regret;
}

function with_learn() {
    let b = bandit(range(0, len(means)));
    return regret_of(fn(t) => collapse(b, learn), fn(arm, r) => b.reward(r));
}

// Auer, Cesa-Bianchi and Fischer's UCB1, written out.
function with_ucb1() {
    let pulls = map(means, fn(m) => 0);
    let sums = map(means, fn(m) => 0.0);
    let choose = fn(t) {
        if t < len(means) {
            return t;
        }
        let best = 0;
        let most = -1.0;
        for i in 0..len(means) {
            let bound = sums[i] / pulls[i] + sqrt(2 * log(t) / pulls[i]);
            if bound > most {
                most = bound;
                best = i;
            }
        }
        return best;
    };
    return regret_of(choose, fn(arm, r) {
        pulls[arm] += 1;
        sums[arm] += r;
    });
}

// A tenth of the time at random, else what has paid best.
function with_epsilon() {
    let pulls = map(means, fn(m) => 0);
    let sums = map(means, fn(m) => 0.0);
    let choose = fn(t) {
        if t < len(means) {
            return t;
        }
        if random() < 0.1 {
            return random_int(0, len(means) - 1);
        }
        let best = 0;
        for i in 0..len(means) {
            if sums[i] / pulls[i] > sums[best] / pulls[best] {
                best = i;
            }
        }
        return best;
    };
    return regret_of(choose, fn(arm, r) {
        pulls[arm] += 1;
        sums[arm] += r;
    });
}

function with_chance() {
    return regret_of(fn(t) => random_int(0, len(means) - 1), fn(arm, r) => nil);
}

function measure() {
    let rules = {
        "learn": with_learn,
        "ucb1": with_ucb1,
        "epsilon": with_epsilon,
        "chance": with_chance
    };
    let totals = {};
    for name, rule in rules {
        random_seed(2026);
        let total = 0.0;
        let worst = 0.0;
        for i in 0..runs {
            let regret = rule();
            total += regret;
            worst = max(worst, regret);
        }
        totals[name] = { "mean": total / runs, "worst": worst };
    }
    return totals;
}

function main() {
    let r = measure();
    print("bandit: " ++ len(means) ++ " arms, " ++ rounds ++ " rounds, " ++ runs ++ " runs");
    print(pad_right("rule", 26) ++ pad_left("regret", 10) ++ pad_left("worst run", 11));
    for row in [["learn", "collapse(b, learn)"], ["ucb1", "UCB1"], ["epsilon", "a tenth at random"], ["chance", "at random"]] {
        print(pad_right(row[1], 26) ++ pad_left(format("{:.1}", r[row[0]]["mean"]), 10) ++ pad_left(format("{:.1}", r[row[0]]["worst"]), 11));
    }
}

test "learn regrets no more than UCB1" {
    let r = measure();
    assert(r["learn"]["mean"] < r["ucb1"]["mean"] * 1.1, "against UCB1");
    assert(r["ucb1"]["mean"] < r["chance"]["mean"] / 2, "UCB1 learns at all");
}
