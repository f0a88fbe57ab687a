// A planner against plain scripts: 1000 deliveries over three routes that break down. See docs/flux-measured.md.
// All strategies meet the same world: which routes are down and which tries slip is drawn before any of them acts.

const episodes = 1000;
const tries = 3;
const down_chance = [0.3, 0.2, 0.1];
const slip_chance = 0.4;
const prices = [1, 3, 9];

state world = nil;
state attempts = [0, 0, 0];
state spent = 0;

function draw_world() {
    let slips = [[], [], []];
    for route in 0..3 {
        for i in 0..tries {
            slips[route].push(random() < slip_chance);
        }
    }
    return { "down": map(down_chance, fn(p) => random() < p), "slips": slips };
}

function begin_delivery() {
    attempts = [0, 0, 0];
}

// One try of a route: fails, or delivers. Each try costs its price.
function deliver(route) {
    let n = attempts[route];
    attempts[route] = n + 1;
    spent += prices[route];
    if world.down[route] {
        fail "the route is down";
    }
    if world.slips[route][n] {
        fail "it slipped";
    }
    return true;
}

intention ByRoad {
    goal: "delivered"
    cost: 1
    retries: 2
    execute: {
        deliver(0);
    }
}

intention ByRail {
    goal: "delivered"
    cost: 3
    retries: 2
    execute: {
        deliver(1);
    }
}

intention ByAir {
    goal: "delivered"
    cost: 9
    retries: 2
    execute: {
        deliver(2);
    }
}

function plain_script() {
    return is_error(try deliver(0)) == false;
}

function retrying_script() {
    for i in 0..tries {
        if is_error(try deliver(0)) == false {
            return true;
        }
    }
    return false;
}

// The planner's work written out by hand.
function nested_script() {
    for route in 0..3 {
        for i in 0..tries {
            if is_error(try deliver(route)) == false {
                return true;
            }
        }
    }
    return false;
}

function planner() {
    return is_error(try achieve("delivered")) == false;
}

// What no strategy can beat: some try of some route would succeed.
function possible() {
    for route in 0..3 {
        if !world.down[route] && contains(world.slips[route], false) {
            return true;
        }
    }
    return false;
}

function measure() {
    let strategies = {
        "plain": plain_script,
        "retrying": retrying_script,
        "planner": planner,
        "by hand": nested_script
    };
    let won = {
        "plain": 0,
        "retrying": 0,
        "planner": 0,
        "by hand": 0,
        "possible": 0
    };
    let cost = {
        "plain": 0,
        "retrying": 0,
        "planner": 0,
        "by hand": 0,
        "possible": 0
    };
    random_seed(2026);
    for i in 0..episodes {
        world = draw_world();
        for name, run in strategies {
            begin_delivery();
            spent = 0;
            if run() {
                won[name] += 1;
            }
            cost[name] += spent;
        }
        if possible() {
            won["possible"] += 1;
        }
    }
    return { "won": won, "cost": cost };
}

intention Report {
    priority: 1.0
    execute: {
        report();
    }
}

function report() {
    let r = measure();
    print("planner: " ++ episodes ++ " deliveries, 3 routes, up to " ++ tries ++ " tries each");
    print(pad_right("strategy", 20) ++ pad_left("delivered", 10) ++ pad_left("cost each", 12));
    for name in ["plain", "retrying", "planner", "by hand"] {
        print(pad_right(name, 20) ++ pad_left(format("{:.1}%", r.won[name] * 100 / episodes), 10) ++ pad_left(format("{:.2}", r.cost[name] / episodes), 12));
    }
    print(pad_right("possible at all", 20) ++ pad_left(format("{:.1}%", r.won["possible"] * 100 / episodes), 10));
}

test "the planner recovers from failures that the scripts do not" {
    let r = measure();
    assert(r.won["planner"] > r.won["retrying"] + episodes / 10, "planner against retries");
    assert(r.won["retrying"] > r.won["plain"], "retries against one try");
    assert(r.won["planner"] == r.won["by hand"], "no worse than the same by hand");
    assert(r.won["planner"] <= r.won["possible"], "nobody beats what is possible");
}
