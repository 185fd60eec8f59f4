//! A network that cuts a connection without a word: nothing more is heard of it, and nobody hangs up.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use crate::support::events::invoice_paid;
use crate::support::{Daemon, World, eventually, post_event};

/// A way to a server of PostgreSQL that can be cut.
struct Way {
    url: String,
    cuts: Arc<AtomicU32>,
}

impl Way {
    fn to(url: &str) -> Self {
        let server = url.rsplit_once('@').unwrap().1.split('/').next().unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = url.replacen(&server, &listener.local_addr().unwrap().to_string(), 1);
        let cuts = Arc::new(AtomicU32::new(0));
        let cut = Arc::clone(&cuts);
        thread::spawn(move || {
            for near in listener.incoming() {
                let (near, far) = (near.unwrap(), TcpStream::connect(&server).unwrap());
                let back = (far.try_clone().unwrap(), near.try_clone().unwrap(), Arc::clone(&cut));
                let there = (near, far, Arc::clone(&cut));
                for (from, to, cut) in [there, back] {
                    thread::spawn(move || pass(from, to, &cut));
                }
            }
        });
        Self { url, cuts }
    }

    /// Cuts all connections that there are. New ones can be made.
    fn cut(&self) {
        self.cuts.fetch_add(1, Ordering::SeqCst);
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, cuts: &AtomicU32) {
    let (began, mut bytes) = (cuts.load(Ordering::SeqCst), vec![0; 65_536]);
    while let Ok(length @ 1..) = from.read(&mut bytes) {
        if cuts.load(Ordering::SeqCst) != began {
            // Keeps both ends open.
            loop {
                thread::park();
            }
        }
        if to.write_all(&bytes[..length]).is_err() {
            break;
        }
    }
    to.shutdown(std::net::Shutdown::Both).ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_was_cut_without_a_word_is_replaced_on_postgres() {
    let world = World::postgres().await;
    world.with_anna("10").await;
    world.refer("ANNA", "cus_1").await;
    let way = Way::to(&world.url);
    let soon = [
        ("REFERRALD_DATABASE__STATEMENT_TIMEOUT_MS", "1000"),
        ("REFERRALD_DATABASE__ACQUIRE_TIMEOUT_MS", "1000"),
    ];
    let daemon = Daemon::start(&way.url, &soon);
    for sale in ["in_1", "in_2", "in_3"] {
        let event = invoice_paid(sale, "cus_1", 10_000);
        let taken = async || post_event(&world.client, &daemon, &event).await.0 == 200;
        eventually("the sale is taken", taken).await;
        // The connection that it went by was in use a moment ago: the next one goes by it unasked.
        way.cut();
    }
    assert_eq!(world.earned("anna").await, 3_000);
}
