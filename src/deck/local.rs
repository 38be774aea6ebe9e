//! A deck over a driver in this process.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::broadcast;

use crate::base::{
    Board, Changed, ChatRequest, ChatStream, Command, DeckEvent, Error, Failures, Figures,
    InstanceName, LlmMetrics, Loaded, Sample, Scope, Series,
};
use crate::driver::LlmModelDriver;

use super::{Deck, DeckSource};

impl DeckSource for LlmModelDriver {
    fn chat(&self, request: ChatRequest) -> ChatStream {
        self.stream(request)
    }

    fn board(&self) -> Arc<Board> {
        Arc::new(Self::board(self))
    }

    fn series(&self, scope: &Scope, window: Duration, buckets: usize) -> Series {
        Self::series(self, scope, window, buckets)
    }

    fn window_metrics(&self, scope: &Scope, window: Duration) -> LlmMetrics {
        Self::window_metrics(self, scope, window)
    }

    fn requests(&self, limit: usize) -> Vec<Arc<Sample>> {
        Self::requests(self, limit)
    }

    fn failures(&self, limit: usize) -> Failures {
        Self::failures(self, limit)
    }

    fn figures(&self) -> Figures {
        self.monitor().figures()
    }

    fn loaded(&self) -> BoxFuture<'static, Vec<(InstanceName, Vec<Loaded>)>> {
        let driver = self.clone();
        Box::pin(async move { Self::loaded(&driver).await })
    }

    fn subscribe(&self) -> broadcast::Receiver<DeckEvent> {
        Self::subscribe(self)
    }

    fn command(&self, command: Command, by: &str) -> BoxFuture<'static, Result<Changed, Error>> {
        Self::command(self, command, by)
    }
}

impl From<LlmModelDriver> for Deck {
    fn from(driver: LlmModelDriver) -> Self {
        Self::new(driver)
    }
}
