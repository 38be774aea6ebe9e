//! Knowing whether a request opened a connection, or went out on one that was kept from before.
//!
//! A kept connection may have been closed by the server in the very moment in which it is used again. That says
//! nothing about the server, so such a request is sent once more; one that failed on a new connection is not.

use std::cell::Cell;
use std::task::{Context, Poll};

use tower_layer::Layer;
use tower_service::Service;

tokio::task_local! {
    static OPENED: Cell<u32>;
}

/// Runs a request and tells whether it began to open a connection.
pub(super) async fn watch<T>(request: impl Future<Output = T>) -> (T, bool) {
    OPENED
        .scope(Cell::new(0), async {
            let outcome = request.await;
            (outcome, OPENED.with(Cell::get) > 0)
        })
        .await
}

/// Wraps reqwest's connector. It is called inside the request's own task, so the count is that request's.
#[derive(Clone, Copy)]
pub(super) struct CountConnects;

impl<S> Layer<S> for CountConnects {
    type Service = Counting<S>;

    fn layer(&self, inner: S) -> Counting<S> {
        Counting { inner }
    }
}

/// A connector that counts its calls.
#[derive(Clone)]
pub(super) struct Counting<S> {
    inner: S,
}

impl<S: Service<R>, R> Service<R> for Counting<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: R) -> S::Future {
        // Outside of a watched request nobody wants to know.
        let _ = OPENED.try_with(|opened| opened.set(opened.get() + 1));
        self.inner.call(request)
    }
}
