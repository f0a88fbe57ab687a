// Cunatic's improver. It holds one capability, args.gate: it may read the policy in force, propose another, and hear one
// word about it. It learns which of its ways of changing a policy bring something, and remembers what became of each.

causal_mosaic memory = sparse_temporal_matrix();

function number(low, high, digits) {
    return round(low + random() * (high - low), digits);
}

// A policy of a plain form with new constants.
function template(kind) {
    let body = match kind {
        0 => format("floor(queue * {} + rate * {} + cost * {} + {})", number(0, 1, 2), number(0, 2, 2), number(-2, 3, 2), number(0, 6, 1)),
        1 => format("floor(min(queue, rate * {} + {}))", number(0.5, 4, 2), number(0, 12, 1)),
        2 => format("floor(sqrt(queue * cost) * {} + {})", number(0.2, 4, 2), number(1, 8, 1)),
        _ => format("if queue > {} then floor(queue * {}) else floor(rate * {} + {})", random_int(4, 80), number(0.3, 1, 2), number(0.2, 2, 2), number(1, 6, 1))
    };
    return "function decide(queue, rate, cost) {\n    return clamp(" ++ body ++ ", 1, 64);\n}\n";
}

function next_proposal(way, current) {
    if way == "vary" { return args.gate.vary(current); }
    if way == "vary twice" { return args.gate.vary(args.gate.vary(current)); }
    return template(random_int(0, 3));
}

// What a verdict is worth to the choice of ways: how far the proposal came.
function worth(verdict) {
    return match verdict {
        "accepted" => 1,
        "canary" => 0.3,
        "shadow" => 0.1,
        _ => 0
    };
}

function main() {
    let ways = bandit(["vary", "vary twice", "template"]);
    let current = args.gate.current();
    memory.limit(20000);
    while args.gate.more() {
        let way = collapse(ways, learn);
        let proposal = next_proposal(way, current);
        let verdict = args.gate.propose(proposal, "by " ++ way);
        ways.reward(way, worth(verdict));
        memory.fact(way, "led to", verdict, { weight: 0.1 + worth(verdict) });
        if verdict == "accepted" || args.gate.changed() {
            current = args.gate.current();
        }
    }
}
