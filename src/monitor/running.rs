//! Which requests are running, and which provider type has each of them now.

use std::collections::HashMap;

use parking_lot::Mutex;

use crate::base::{ProviderType, RequestId, RouteName};

/// A request between its begin and its end.
#[derive(Clone, Debug, Default)]
pub(super) struct Running {
    /// The route it is for.
    pub(super) route: Option<RouteName>,
    /// The type that is being asked, or was last.
    pub(super) provider_type: Option<ProviderType>,
    /// Tokens that arrived, as far as was told.
    pub(super) streamed: u64,
}

/// All running requests.
#[derive(Default)]
pub(super) struct Runnings(Mutex<HashMap<RequestId, Running>>);

impl Runnings {
    /// Adds one; tells whether it is new.
    pub(super) fn begin(&self, request: RequestId, route: Option<&RouteName>) -> bool {
        let running = Running {
            route: route.cloned(),
            ..Running::default()
        };
        self.0.lock().insert(request, running).is_none()
    }

    /// Notes that a type is being asked, and that so many tokens came. Returns how the request stood before, or
    /// `None` when it is not running.
    pub(super) fn update(
        &self,
        request: RequestId,
        provider_type: ProviderType,
        tokens: u32,
    ) -> Option<Running> {
        let mut all = self.0.lock();
        let running = all.get_mut(&request)?;
        let before = running.clone();
        running.provider_type = Some(provider_type);
        running.streamed += u64::from(tokens);
        Some(before)
    }

    /// Takes one out; `None` when it is not running.
    pub(super) fn end(&self, request: RequestId) -> Option<Running> {
        self.0.lock().remove(&request)
    }

    /// Returns the memory it holds, nearly.
    pub(super) fn memory_bytes(&self) -> usize {
        self.0.lock().capacity() * size_of::<(RequestId, Running)>()
    }
}
