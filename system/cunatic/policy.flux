// The policy that Cunatic begins with: how many waiting requests to take into the next batch.
function decide(queue, rate, cost) {
    let base = 4;
    if queue > 50 {
        base = 8;
    }
    return clamp(base, 1, 64);
}
