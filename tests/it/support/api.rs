//! Calls of the API, and what most tests of it begin with.

use reqwest::Method;
use serde_json::{Value, json};

use super::{ADMIN_TOKEN, Daemon, World};

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

    /// A promoter with one code, its name in capitals.
    pub fn with_promoter(&self, user: &str, program: &str) {
        self.cli_ok(&["promoter", "create", user]);
        self.cli_ok(&["code", "create", &user.to_uppercase(), "--promoter", user, "--program", program]);
    }

    /// A promoter with an e-mail and one code, its name in capitals.
    pub fn with_promoter_at(&self, user: &str, email: &str, program: &str) {
        self.cli_ok(&["promoter", "create", user, "--email", email]);
        self.cli_ok(&["code", "create", &user.to_uppercase(), "--promoter", user, "--program", program]);
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
