// Two open timelines, each with its own version of most of 600,000 lists.
state all = [];
function change(times, what) { for i in 0..times { all[random_int(0, 599999)][2] = what ++ i; } }
function main() {
    for i in 0..600000 { push(all, [i, "value " ++ i, nil]); }
    let t = create_timeline();
    set_current_timeline(t);
    change(600000, "branch ");
    set_current_timeline("primary");
    change(1500000, "primary ");
    let u = create_timeline();
    set_current_timeline(u);
    change(600000, "other ");
    set_current_timeline(t);
    change(600000, "branch ");
    merge_timelines(u, "primary");
    change(600000, "branch ");
    print(gc_stats());
}
