// A million facts: what adding, finding, branching and keeping them costs. Needs --clock, and --write for keeping.
causal_mosaic memory = sparse_temporal_matrix();
causal_mosaic lasting = sparse_temporal_matrix();
causal_mosaic again = sparse_temporal_matrix();
const FACTS = 1000000;
const ASKED = 200000;

function row(what, seconds, times) {
    print(format("| {} | {} | {:.3} |", what, times, seconds / times * 1000000));
}

function main() {
    let clock = args.clock;
    print("| what | times | microseconds each |");
    print("|---|---|---|");
    let start = clock.monotonic();
    for i in 0..FACTS { memory.fact(i, "likes", i % 1000, { weight: 0.5 }); }
    row("add a fact", clock.monotonic() - start, FACTS);
    sleep(10s);
    start = clock.monotonic();
    for i in 0..ASKED { i; }
    let loop = clock.monotonic() - start;
    let keys = map(range(0, ASKED), fn(i) => random_int(0, FACTS - 1));
    let wrong = 0;
    start = clock.monotonic();
    for k in keys { if memory.recall(k, "likes") != k % 1000 { wrong = wrong + 1; } }
    row("recall at random", clock.monotonic() - start - loop, ASKED);
    start = clock.monotonic();
    for k in keys { if memory.at(k, "likes", 5s) != k % 1000 { wrong = wrong + 1; } }
    row("at a time, at random", clock.monotonic() - start - loop, ASKED);
    start = clock.monotonic();
    for k in keys { if memory.recall(k, "hates") != nil { wrong = wrong + 1; } }
    row("recall what is not there", clock.monotonic() - start - loop, ASKED);
    start = clock.monotonic();
    for i in 0..100 {
        let t = create_timeline();
        set_current_timeline(t);
        memory.fact(i, "is new", true);
        set_current_timeline("primary");
        discard_timeline(t);
    }
    row("branch, add a fact, discard", clock.monotonic() - start, 100);
    print("");
    if args.files != nil {
        lasting.keep(args.files, "facts");
        start = clock.monotonic();
        for i in 0..FACTS { lasting.fact(i, "likes", i % 1000, { weight: 0.5 }); }
        lasting.save();
        row("add a fact that lasts", clock.monotonic() - start, FACTS);
        start = clock.monotonic();
        let n = again.keep(args.files, "facts");
        row("read a fact again", clock.monotonic() - start, n);
        if again.recall(77777, "likes") != 777 { wrong = wrong + 1; }
    }
    if wrong > 0 { fail format("{} answers are wrong", wrong); }
}
