//! What is denied in production code stands at the head of each of its crates, so that no test needs an exception.

const ROOTS: [&str; 4] = [
    include_str!("../../src/lib.rs"),
    include_str!("../../src/main.rs"),
    include_str!("../../entity/src/lib.rs"),
    include_str!("../../migration/src/lib.rs"),
];

fn denied(root: &str) -> Vec<&str> {
    let (_, head) = root.split_once("#![deny(").unwrap();
    head.split_once(")]").unwrap().0.split(',').map(str::trim).collect()
}

#[test]
fn every_crate_of_the_daemon_denies_the_same() {
    let first = denied(ROOTS[0]);
    assert!(first.contains(&"clippy::unwrap_used") && first.is_sorted(), "{first:?}");
    for root in ROOTS {
        assert_eq!(denied(root), first);
    }
}
