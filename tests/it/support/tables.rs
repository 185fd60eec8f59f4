//! What tests read and write behind the daemon's back: all SQL stands here but for `tampering.rs`, whose subject it is,
//! and for the locks of `lockstep` and `locks`. It is for what neither the API nor a command shows, and for what only
//! somebody at the SQL prompt, an older version or a newer one can do.

use std::collections::BTreeSet;
use std::fmt::Write;

use referrald::domain::inbox::PackedBody;
use referrald::store::packing::unpack;
use sea_orm::{ConnectionTrait, Database, DatabaseConnection, QueryResult, Statement};

use super::World;

/// What facts and their consequences are kept in.
const FACTS: [&str; 9] = [
    "invoice",
    "payment",
    "payment_link",
    "refund",
    "claim",
    "stripe_customer",
    "referral",
    "commission",
    "ledger_entry",
];

/// Events that have their payload.
const WITH_PAYLOAD: &str = "event JOIN event_payload ON event_payload.number = event.number";

/// The body in the first two columns, dictionary and frame.
fn packed(row: &QueryResult) -> PackedBody {
    let [dictionary, zstd] = [0, 1];
    let dictionary = row.try_get_by_index(dictionary).unwrap();
    PackedBody { dictionary, zstd: row.try_get_by_index(zstd).unwrap() }
}

impl World {
    /// Events kept, whatever became of them.
    pub async fn events(&self) -> i64 {
        self.count("event").await
    }

    /// Invoices known as paid.
    pub async fn paid_invoices(&self) -> i64 {
        self.count("invoice").await
    }

    pub async fn parked(&self) -> i64 {
        self.count("event WHERE outcome = 'parked'").await
    }

    pub async fn event_ids(&self) -> BTreeSet<String> {
        let rows = self.rows("SELECT id FROM event").await;
        let ids: BTreeSet<String> = rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect();
        assert_eq!(ids.len(), rows.len());
        ids
    }

    /// The numbers of all events, ascending.
    pub async fn event_numbers(&self) -> Vec<i64> {
        let rows = self.rows("SELECT number FROM event ORDER BY number").await;
        rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect()
    }

    /// Outcome and reason of an event, as `outcome(reason)`.
    pub async fn kept(&self, event: &str) -> String {
        let kept =
            format!("SELECT outcome || '(' || COALESCE(reason, '') || ')' FROM event WHERE id = '{event}'");
        self.text(&kept).await
    }

    /// Outcome and reason of every event that was kept of this raw body.
    pub async fn kept_of_body(&self, body: &[u8]) -> Vec<(String, String)> {
        let columns = "dictionary, zstd, outcome, COALESCE(reason, '')";
        let rows = self.rows(&format!("SELECT {columns} FROM {WITH_PAYLOAD}")).await;
        let rows = rows.iter().filter(|row| unpack(&packed(row)).unwrap() == body);
        rows.map(|row| (row.try_get_by_index(2).unwrap(), row.try_get_by_index(3).unwrap())).collect()
    }

    /// The packed body of an event; none when it was dropped.
    pub async fn body_of(&self, event: &str) -> Option<PackedBody> {
        let body = format!("SELECT dictionary, zstd FROM {WITH_PAYLOAD} WHERE id = '{event}'");
        self.rows(&body).await.first().map(packed)
    }

    /// As if another version had packed the body of an event: an older one, which knew no dictionary, or a newer one.
    pub async fn repack(&self, event: &str, body: &PackedBody) {
        let PackedBody { dictionary, zstd } = body;
        let hex = hex::encode(zstd);
        let zstd = if self.is_sqlite() { format!("x'{hex}'") } else { format!("'\\x{hex}'::bytea") };
        let number = format!("SELECT number FROM event WHERE id = '{event}'");
        let packed = format!("dictionary = {dictionary}, zstd = {zstd}");
        self.unguarded(&format!("UPDATE event_payload SET {packed} WHERE number = ({number})")).await;
    }

    pub async fn type_of(&self, event: &str) -> String {
        self.text(&format!("SELECT event_type FROM event WHERE id = '{event}'")).await
    }

    /// Events that have their payload.
    pub async fn payloads(&self) -> i64 {
        self.count("event_payload").await
    }

    /// 1 when this event has its payload.
    pub async fn payloads_of(&self, event: &str) -> i64 {
        self.count(&format!("{WITH_PAYLOAD} WHERE id = '{event}'")).await
    }

    /// How often Stripe was asked for what an event of this payment waits for.
    pub async fn lookups(&self, payment: &str) -> i64 {
        let most = format!("SELECT CAST(MAX(lookups) AS TEXT) FROM event WHERE waits_for = '{payment}'");
        self.text(&most).await.parse().unwrap()
    }

    /// Everything that was claimed, also what made no referral.
    pub async fn claims(&self) -> i64 {
        self.count("claim").await
    }

    pub async fn payment_links(&self) -> i64 {
        self.count("payment_link").await
    }

    /// Addresses kept of customers, as hashes of 16 bytes.
    pub async fn addresses(&self) -> i64 {
        let addresses = self.count("customer_email").await;
        assert_eq!(self.count("customer_email WHERE length(email_hash) = 16").await, addresses);
        addresses
    }

    /// Rows of all facts and of what follows from them.
    pub async fn facts(&self) -> i64 {
        let mut rows = 0;
        for table in FACTS {
            rows += self.count(table).await;
        }
        rows
    }

    /// As if the daemon had run so many days ago, too: all events are stored a second time, as `evt_old_…`, before them.
    pub async fn make_events_old(&self, days: i64) {
        let shift = i64::from(u16::MAX);
        self.unguarded(&format!(
            "UPDATE event SET number = number + {shift};
             UPDATE event_payload SET number = number + {shift};
             UPDATE ledger_head SET last_event_number = last_event_number + {shift}"
        ))
        .await;
        let received_at = super::now().unix() - days * 86_400;
        let columns = "event_type, api_version, created_at, outcome, reason, waits_for";
        let insert = format!("INSERT INTO event (number, id, received_at, {columns})");
        let old = format!("SELECT number - {shift}, 'evt_old_' || id, {received_at}, {columns} FROM event");
        let payloads = "INSERT INTO event_payload (number, dictionary, zstd)";
        let of_old = format!("SELECT number - {shift}, dictionary, zstd FROM event_payload");
        self.sql(&format!("{insert} {old}; {payloads} {of_old}")).await;
    }

    /// As if the clock had been so many seconds behind, or ahead, when this event was received.
    pub async fn receive_by_a_wrong_clock(&self, event: &str, ahead_s: i64) {
        let at = super::now().unix() + ahead_s;
        self.unguarded(&format!("UPDATE event SET received_at = {at} WHERE id = '{event}'")).await;
    }

    /// Changes what nobody may change of events.
    async fn unguarded(&self, sql: &str) {
        if self.is_sqlite() {
            let made = "SELECT GROUP_CONCAT(sql, '; ') FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'event%no_update'";
            let made = self.text(made).await;
            let off = "DROP TRIGGER event_no_update; DROP TRIGGER event_payload_no_update";
            self.sql(&format!("{off}; {sql}; {made}")).await;
        } else {
            let [off, on] = ["DISABLE", "ENABLE"].map(|word| {
                format!(
                    "ALTER TABLE event {word} TRIGGER USER; ALTER TABLE event_payload {word} TRIGGER USER"
                )
            });
            self.sql(&format!("{off}; {sql}; {on}")).await;
        }
    }

    /// An event that has waited for this payment for two hours.
    pub async fn park_an_old_event(&self, payment: &str) {
        let received_at = super::now().unix() - 7_200;
        self.sql(&format!(
            "UPDATE ledger_head SET last_event_number = last_event_number + 1; INSERT INTO event \
             (number, id, api_version, event_type, received_at, outcome, reason, waits_for) \
             SELECT last_event_number, 'evt_{payment}', '', 'charge.refunded', {received_at}, 'parked', \
             'invoice_unknown', '{payment}' FROM ledger_head"
        ))
        .await;
    }

    /// As if an older version had ignored the event of a dispute: it is there, its facts are not.
    pub async fn forget_the_dispute_of(&self, event: &str) {
        let ignored = "UPDATE event SET outcome = 'ignored', reason = 'unhandled_type'";
        self.sql(&format!("{ignored} WHERE id = '{event}'")).await;
        self.sql("DELETE FROM dispute").await;
    }

    /// A claim with a word of a newer version.
    pub async fn claim_like_a_newer_version(&self, customer: &str) {
        self.sql(&format!(
            "INSERT INTO claim (id, stripe_customer_id, code, code_key, precedence, claimed_at, lookback_s) \
             VALUES ('clm_newer', '{customer}', 'ANNA', 'anna', 999, 0, 0)"
        ))
        .await;
    }

    pub async fn take_the_newer_claim_away(&self) {
        self.sql(if self.is_sqlite() {
            "DROP TRIGGER claim_no_delete"
        } else {
            "ALTER TABLE claim DISABLE TRIGGER claim_no_delete"
        })
        .await;
        self.sql("DELETE FROM claim WHERE id = 'clm_newer'").await;
    }

    /// The next commit of a daemon that has posted something ends its connection before it is done; PostgreSQL only.
    pub async fn break_the_next_commit(&self) {
        self.sql(
            "CREATE SEQUENCE commits;
             CREATE FUNCTION break_off() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 -- A sequence is not rolled back.
                 IF nextval('commits') = 1 THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF;
                 RETURN NEW;
             END $$;
             CREATE CONSTRAINT TRIGGER break_off AFTER INSERT ON ledger_entry DEFERRABLE INITIALLY DEFERRED
                 FOR EACH ROW EXECUTE FUNCTION break_off()",
        )
        .await;
    }

    /// All invoices are in this currency from now on; a newer version may know some that an older one does not.
    pub async fn change_currency(&self, currency: &str) {
        self.sql(&format!("UPDATE invoice SET currency = '{currency}'")).await;
    }

    /// Holds the write lock of a SQLite database until the connection is closed.
    pub async fn hold_sqlite(&self) -> DatabaseConnection {
        let db = self.connection().await;
        db.execute_unprepared("BEGIN IMMEDIATE; CREATE TABLE held (id INTEGER)").await.unwrap();
        db
    }

    /// Transactions that somebody has begun on PostgreSQL and does nothing in.
    pub async fn idle_transactions(&self) -> i64 {
        self.count(
            "pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'",
        )
        .await
    }

    /// Every column of every table in which these words stand, as text or as bytes: `table.column` each.
    pub async fn where_is(&self, words: &str) -> String {
        let columns = if self.is_sqlite() {
            "SELECT tables.name, columns.name FROM sqlite_master AS tables, pragma_table_info(tables.name) AS columns \
             WHERE tables.type = 'table' ORDER BY 1, 2"
        } else {
            "SELECT CAST(table_name AS TEXT), CAST(column_name AS TEXT) FROM information_schema.columns \
             WHERE table_schema = 'public' ORDER BY 1, 2"
        };
        let mut found = String::new();
        for row in self.rows(columns).await {
            let [table, column]: [String; 2] = [0, 1].map(|at| row.try_get_by_index(at).unwrap());
            let text = format!("LOWER(CAST(\"{column}\" AS TEXT))");
            let hex = hex::encode(words);
            let holds = format!("\"{table}\" WHERE {text} LIKE '%{words}%' OR {text} LIKE '%{hex}%'");
            if self.count(&holds).await != 0 {
                write!(found, "{table}.{column} ").unwrap();
            }
        }
        found.trim_end().to_owned()
    }

    pub fn is_sqlite(&self) -> bool {
        self.url.starts_with("sqlite:")
    }

    /// A connection of the test's own.
    pub async fn connection(&self) -> DatabaseConnection {
        Database::connect(&self.url).await.unwrap()
    }

    async fn sql(&self, sql: &str) {
        let db = self.connection().await;
        db.execute_unprepared(sql).await.unwrap();
        db.close().await.unwrap();
    }

    /// Rows of each of these tables.
    pub async fn counts(&self, tables: &[&str]) -> Vec<i64> {
        let mut counts = Vec::new();
        for table in tables {
            counts.push(self.count(table).await);
        }
        counts
    }

    async fn count(&self, rows: &str) -> i64 {
        self.text(&format!("SELECT CAST(COUNT(*) AS TEXT) FROM {rows}")).await.parse().unwrap()
    }

    /// One text of the first row; `NULL` and no row are "".
    async fn text(&self, sql: &str) -> String {
        let rows = self.rows(sql).await;
        rows.first().and_then(|row| row.try_get_by_index::<Option<String>>(0).unwrap()).unwrap_or_default()
    }

    async fn rows(&self, sql: &str) -> Vec<QueryResult> {
        let db = self.reader.get_or_init(|| self.connection()).await;
        db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await.unwrap()
    }
}
