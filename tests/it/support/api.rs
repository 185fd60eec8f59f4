//! Calls of the API, and what most tests of it begin with.

use reqwest::Method;
use serde_json::{Value, json};

use super::{ADMIN_TOKEN, Daemon, World, command};

/// Status and body of a call of the API of a daemon.
pub async fn call(
    client: &reqwest::Client,
    daemon: &Daemon,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> (u16, Value) {
    let mut request = client.request(method, daemon.at(path)).bearer_auth(ADMIN_TOKEN);
    if let Some(body) = body {
        request = request.body(body.to_string());
    }
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap_or_default())
}

/// Status and stable `code` of a problem.
pub fn refusal((status, body): &(u16, Value)) -> (u16, &str) {
    (*status, body["code"].as_str().unwrap_or_default())
}

/// Where a referral is shown and changed.
pub fn path_of(referral: &Value) -> String {
    format!("/v1/referrals/{}", referral["id"].as_str().unwrap())
}

impl World {
    /// `GET` that must find something.
    pub async fn get(&self, path: &str) -> Value {
        let (status, body) = self.try_get(path).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    pub async fn try_get(&self, path: &str) -> (u16, Value) {
        call(&self.client, &self.daemon, Method::GET, path, None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        call(&self.client, &self.daemon, Method::POST, path, Some(&body)).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> (u16, Value) {
        call(&self.client, &self.daemon, Method::PATCH, path, Some(&body)).await
    }

    /// `PATCH` that must do it.
    pub async fn change(&self, path: &str, body: Value) -> Value {
        let (status, answer) = self.patch(path, body.clone()).await;
        assert_eq!(status, 200, "{path} {body}: {answer}");
        answer
    }

    /// Everything that a list of the API holds, page by page.
    pub async fn all(&self, list: &str) -> Vec<Value> {
        let (mut found, mut cursor) = (Vec::new(), String::new());
        loop {
            let mut page = self.get(&format!("{list}?limit=200{cursor}")).await;
            found.append(page["data"].as_array_mut().unwrap());
            cursor = match &page["next_cursor"] {
                Value::Null => return found,
                Value::String(next) => format!("&cursor={next}"),
                next => format!("&cursor={next}"),
            };
        }
    }

    /// Everything that a list with a query holds, page by page.
    pub async fn all_of(&self, list: &str) -> Vec<Value> {
        let (mut found, mut cursor) = (Vec::new(), String::new());
        loop {
            let mut page = self.get(&format!("{list}{cursor}")).await;
            found.append(page["data"].as_array_mut().unwrap());
            let Some(next) = page["next_cursor"].as_str() else { return found };
            cursor = format!("&cursor={next}");
        }
    }

    pub async fn codes(&self) -> Vec<Value> {
        self.all("/v1/codes").await
    }

    pub async fn commissions(&self) -> Vec<Value> {
        self.all("/v1/commissions").await
    }

    pub async fn referrals(&self) -> Vec<Value> {
        self.all("/v1/referrals").await
    }

    /// What `referrald … list` lists: promoters, or the versions of programs.
    pub fn listed(&self, what: &str) -> Vec<Value> {
        serde_json::from_str(&self.cli_ok(&[what, "list", "--format", "json"])).unwrap()
    }

    /// A program with these terms, as `program create` takes them.
    pub async fn program(&self, key: &str, terms: &str) {
        let create = ["program", "create", key].into_iter().chain(terms.split_whitespace());
        self.command(create).await;
    }

    pub async fn promoter(&self, user: &str) {
        self.command(["promoter", "create", user]).await;
    }

    pub async fn promoter_at(&self, user: &str, email: &str) {
        self.command(["promoter", "create", user, "--email", email]).await;
    }

    /// A code that was in use for long, so that references of checkout sessions count for it.
    pub async fn code(&self, code: &str, promoter: &str, program: &str) {
        let new = json!({ "code": code, "promoter": promoter, "program": program, "made_at": 1_500_000_000 });
        let (status, answer) = self.post("/v1/codes", new).await;
        assert_eq!(status, 201, "{answer}");
    }

    /// Program `default` at `percent`, promoter `anna` with code `ANNA`.
    pub async fn with_anna(&self, percent: &str) {
        let rate = format!("--rate {percent}");
        tokio::join!(self.program("default", &rate), self.promoter("anna"));
        self.code("ANNA", "anna", "default").await;
    }

    /// Program `default` at 10 %, `anna` with this e-mail and code `ANNA`, `bert` with code `BERT`.
    pub async fn with_anna_and_bert(&self, email: &str) {
        self.program("default", "--rate 10").await;
        self.with_promoter_at("anna", email, "default").await;
        self.with_promoter("bert", "default").await;
    }

    /// A promoter with one code, its name in capitals.
    pub async fn with_promoter(&self, user: &str, program: &str) {
        self.promoter(user).await;
        self.code(&user.to_uppercase(), user, program).await;
    }

    /// A promoter with an e-mail and one code, its name in capitals.
    pub async fn with_promoter_at(&self, user: &str, email: &str, program: &str) {
        self.promoter_at(user, email).await;
        self.code(&user.to_uppercase(), user, program).await;
    }

    /// Runs a command that must do it, beside what else the test does.
    async fn command(&self, arguments: impl IntoIterator<Item = &str>) {
        let mut command = command(&self.url);
        command.args(arguments);
        let ended = tokio::task::spawn_blocking(move || (command.output().unwrap(), command));
        let (output, command) = ended.await.unwrap();
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// (status, reason) of the commission of an invoice; no reason is "".
    pub async fn commission(&self, invoice: &str) -> (String, String) {
        let row = self.get(&format!("/v1/commissions/{invoice}")).await;
        let word = |field: &str| row[field].as_str().unwrap_or_default().to_owned();
        (word("status"), word("reason"))
    }

    /// Why an invoice earns nothing; "" when it earns.
    pub async fn reason(&self, invoice: &str) -> String {
        self.commission(invoice).await.1
    }

    /// Uses of a code given so far.
    pub async fn uses(&self, code: &str) -> i64 {
        self.get(&format!("/v1/codes/{code}")).await["uses"].as_i64().unwrap()
    }

    /// The referral of a customer, made by a claim of the API, that was made so many seconds ago.
    pub async fn refer_ago(&self, code: &str, customer: &str, seconds: i64) -> Value {
        let claimed_at = super::now().unix() - seconds;
        let body = json!({ "code": code, "customer": customer, "claimed_at": claimed_at });
        let (status, answer) = self.post_referral(&body).await;
        assert!(status == 200 || status == 201, "{status} {answer}");
        answer
    }
}

/// Waits for the next second: codes, programs and claims are compared by whole seconds.
pub async fn next_second() {
    let before = super::now();
    while super::now() == before {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}
