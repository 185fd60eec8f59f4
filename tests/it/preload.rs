//! The large ledger that the benchmark makes by SQL is one that the daemon could have made: a change of the schema that
//! `benches/throughput/preload.rs` does not follow is seen here.

#[path = "../../benches/throughput/preload.rs"]
mod statements;

use sea_orm::Database;

use crate::support::events::{invoice_paid, invoice_paid_with_code};
use crate::support::{World, now};
use statements::Preload;

/// The first customer, who is referred by the first code.
const FIRST: &str = "cus_110000048271LkdIwHu7ixra";
/// The last one, whom nobody has referred.
const LAST: &str = "cus_110001930840LkdIwHu7ixra";

on_both_databases! {
    async fn the_large_ledger_of_the_benchmark_holds_and_the_daemon_goes_on_with_it(world: World) {
        for code in ["ANNA", "BERT"] {
            world.cli_ok(&["promoter", "create", code]);
        }
        world.cli_ok(&["program", "create", "default", "--rate", "10"]);
        for code in ["ANNA", "BERT"] {
            world.cli_ok(&["code", "create", code, "--promoter", code, "--program", "default"]);
        }
        let db = Database::connect(&world.url).await.unwrap();
        let preload = Preload { invoices: 200, codes: 2, rate_bps: 1_000, body: b"{}", now: now().unix() };
        preload.store(&db).await.unwrap();
        db.close().await.unwrap();
        assert!(world.cli_ok(&["verify"]).starts_with("200 invoices checked"));
        assert_eq!((world.events().await, world.entries().await.len()), (200, 100));
        // What the daemon is told next about customers of this ledger is theirs.
        world.expect("posted", &invoice_paid("in_first", FIRST, 1_000)).await;
        world.expect("recorded", &invoice_paid("in_last", LAST, 1_000)).await;
        world.expect("posted", &invoice_paid_with_code("in_new", "cus_new", 1_000, "BERT")).await;
        assert_eq!(world.sums("in_first").await, (100, 0));
        assert_eq!(world.sums("in_new").await, (100, 0));
    }
}
