// A recommender over a mosaic against plain key-value stores, asked about dates. See docs/flux-measured.md.
// Each of 200 people changes taste now and then in a year. The first word of a change is wrong one time in ten; half of
// the changes are confirmed later by a better source.

causal_mosaic memory = sparse_temporal_matrix();

const people = 200;
const days = 365;
const questions = 2000;
const genres = ["crime", "poems", "maps", "plays", "recipes", "travel", "science", "history"];

state latest = {};
// a key-value store: the last word on each person
state counts = {};
// another: how often each word was said of each person
state truth = [];

// the taste of each person on each day

function other_than(genre) {
    let g = genre;
    while g == genre {
        g = genres[random_int(0, len(genres) - 1)];
    }
    return g;
}

// All stores hear the same.
function hear(who, genre, since, weight) {
    memory.fact(who, "likes", genre, { "from": 1s * since, "weight": weight });
    latest[who] = genre;
    counts[who][genre] = (if contains(counts[who], genre) then counts[who][genre] else 0) + 1;
}

function play_year() {
    memory.forget(1000000.0);
    latest = {};
    counts = {};
    truth = [];
    for p in 0..people {
        let who = "p" ++ p;
        let row = [];
        let taste = other_than("");
        let change = 0;
        let since = 0;
        let confirm = -1;
        counts[who] = {};
        for d in 0..days {
            if d == change {
                if d > 0 {
                    taste = other_than(taste);
                    memory.end(who, "likes", 1s * d);
                }
                since = d;
                hear(who, if random() < 0.1 then other_than(taste) else taste, since, 0.5);
                change = d + random_int(20, 120);
                confirm = if random() < 0.5 then d + 10 else -1;
            }
            if d == confirm {
                hear(who, taste, since, 0.9);
            }
            row.push(taste);
        }
        truth.push(row);
    }
}

function most_said(who) {
    let best = nil;
    let most = 0;
    for genre, n in counts[who] {
        if n > most {
            best = genre;
            most = n;
        }
    }
    return best;
}

// The share of questions "what did this person like on this day" that each store answers rightly.
function ask(first_day, last_day) {
    let right = { "latest": 0, "counts": 0, "mosaic": 0 };
    for q in 0..questions {
        let p = random_int(0, people - 1);
        let d = random_int(first_day, last_day);
        let who = "p" ++ p;
        if latest[who] == truth[p][d] {
            right["latest"] += 1;
        }
        if most_said(who) == truth[p][d] {
            right["counts"] += 1;
        }
        if memory.at(who, "likes", 1s * d) == truth[p][d] {
            right["mosaic"] += 1;
        }
    }
    return right;
}

function measure() {
    random_seed(2026);
    play_year();
    return { "past": ask(0, days - 1), "now": ask(days - 1, days - 1) };
}

function main() {
    let r = measure();
    print("recommender: " ++ people ++ " people, " ++ days ++ " days, " ++ questions ++ " questions a column");
    print(pad_right("store", 26) ++ pad_left("any day", 10) ++ pad_left("last day", 10));
    for row in [["latest", "key-value, last word"], ["counts", "key-value, most said"], ["mosaic", "mosaic"]] {
        print(pad_right(row[1], 26) ++ pad_left(format("{:.1}%", r["past"][row[0]] * 100 / questions), 10) ++ pad_left(format("{:.1}%", r["now"][row[0]] * 100 / questions), 10));
    }
}

test "the mosaic answers dated questions that key-value stores do not" {
    let r = measure();
    assert(r["past"]["mosaic"] > r["past"]["latest"] + questions / 4, "against the last word");
    assert(r["past"]["mosaic"] > r["past"]["counts"] + questions / 4, "against what is said most");
    assert(r["now"]["mosaic"] >= r["now"]["latest"] - questions / 20, "no worse about today");
}
