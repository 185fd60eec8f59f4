# Short names for what one types every day; `just` lists them. Nothing here is needed: every line can be typed as it stands.

_default:
    @just --list --unsorted

# The main job in a throw-away directory, every figure checked.
demo:
    cargo run --locked -- demo

# All tests, on SQLite and on a private PostgreSQL; with a filter only those.
test *filter:
    scripts/test {{filter}}

# Random histories against the model, without a database.
model histories='100000':
    REFERRALD_TEST_HISTORIES={{histories}} cargo test --locked --test model -- --nocapture

# The formatter and the lints.
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --locked -- -D warnings

# Format everything.
fmt:
    cargo fmt --all

# The documentation of the code, private items included, in target/doc/referrald.
doc:
    RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --locked --document-private-items

# Licences, forbidden crates and sources of the dependencies.
deny:
    cargo deny --workspace --locked --log-level error check licenses bans sources

# Known vulnerabilities of the dependencies; needs the network.
advisories:
    cargo deny --workspace --locked check advisories

# The throughput on this machine against the same server without a database; needs wrk.
bench *options='--quick':
    scripts/bench {{options}}

# Parsing, checking signatures and assessing alone.
bench-micro:
    cargo bench --locked --bench micro

# What runs on every change: format, lints, documentation, dependencies, build, tests.
ci:
    .ci/run

# A shell (or another command) beside a private PostgreSQL cluster, whose URL is in $REFERRALD_TEST_POSTGRES_URL.
postgres *command='bash':
    scripts/test --run {{command}}

# The release binary in target/release/referrald.
build:
    cargo build --release --locked
