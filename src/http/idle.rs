//! Closing connections on which no request arrives, without an answer.
//!
//! actix-http has a timeout for the head of a first request, and answers 408 when it passes, even where no byte was
//! ever sent; a proxy that connects ahead would hand that answer to whoever it sends next. For the head of a later
//! request actix-http has no timeout at all once one byte of it has come. So each connection has a second handle on its
//! socket here, with which it is shut down when it has waited for a request too long; actix-http's own timeout is
//! longer, for a connection of which there is no second handle because the process has no more of them.

use std::any::Any;
use std::cell::RefCell;
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{Extensions, ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::web::Bytes;
use actix_web::{Error, rt};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::settings::HttpSettings;

/// How long a connection may be without a request.
#[derive(Debug, Clone, Copy)]
pub struct IdleLimits {
    /// From the connection to the end of the head of the first request: `http.header_timeout_ms`.
    first: Duration,
    /// From the end of an answer to the end of the next head: `http.keep_alive_s`, after which actix-http closes a
    /// connection on which nothing came, and then `http.header_timeout_ms` for what has begun to come.
    next: Duration,
}

impl From<&HttpSettings> for IdleLimits {
    fn from(http: &HttpSettings) -> Self {
        let first = Duration::from_millis(http.header_timeout_ms);
        Self { first, next: first.saturating_add(Duration::from_secs(http.keep_alive_s)) }
    }
}

impl IdleLimits {
    /// The timeout of actix-http, which answers 408: only where ours cannot be.
    pub fn fallback(self) -> Duration {
        self.first.saturating_mul(2)
    }

    /// Callback of the server for a new connection: its time without a request begins.
    pub fn begin(self, stream: &dyn Any, data: &mut Extensions) {
        let stream = stream.downcast_ref::<rt::net::TcpStream>();
        let Some(handle) = stream.and_then(|stream| stream.as_fd().try_clone_to_owned().ok()) else { return };
        let idle = Rc::new(Idle {
            socket: Arc::new(handle.into()),
            worker: Handle::current(),
            next: self.next,
            closing: RefCell::default(),
        });
        idle.close_after(self.first);
        data.insert(idle);
    }
}

/// A connection and what will close it.
struct Idle {
    socket: Arc<TcpStream>,
    /// The runtime of the connection, which may be stopping when an answer ends.
    worker: Handle,
    next: Duration,
    closing: RefCell<Option<JoinHandle<()>>>,
}

impl Idle {
    fn close_after(&self, limit: Duration) {
        self.keep_open();
        let socket = Arc::clone(&self.socket);
        let closing = self.worker.spawn(async move {
            tokio::time::sleep(limit).await;
            // An error says that it is closed already.
            let _ = socket.shutdown(Shutdown::Both);
        });
        self.closing.replace(Some(closing));
    }

    fn keep_open(&self) {
        if let Some(closing) = self.closing.take() {
            closing.abort();
        }
    }
}

impl Drop for Idle {
    fn drop(&mut self) {
        self.keep_open();
    }
}

/// A request that is being answered; at its end, however it ends, the connection waits for the next one.
struct Busy(Rc<Idle>);

impl Busy {
    fn begin(idle: &Rc<Idle>) -> Self {
        idle.keep_open();
        Self(Rc::clone(idle))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.close_after(self.0.next);
    }
}

/// The body of an answer, which is being given until all of it is sent.
struct Answer {
    body: BoxBody,
    _busy: Option<Busy>,
}

impl MessageBody for Answer {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        self.body.as_pin_mut().poll_next(cx)
    }
}

/// Middleware, the outermost: while a request is being answered its connection is not idle.
///
/// # Errors
/// What the next service returns.
pub async fn close_idle(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let busy = request.conn_data::<Rc<Idle>>().map(Busy::begin);
    let response = next.call(request).await?.map_into_boxed_body();
    Ok(response.map_body(|_, body| BoxBody::new(Answer { body, _busy: busy })))
}
