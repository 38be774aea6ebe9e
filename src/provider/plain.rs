//! Plain HTTP/1.1 without TLS or a proxy: how servers on one's own machines and in one's own network are reached.
//!
//! reqwest gives every connection a task of its own, and request and answer go through channels between tasks. Here
//! whoever waits for an answer drives its connection, which is half the work; an answer that is dropped closes its
//! connection at once. The protocol itself is hyper's in both.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper::client::conn::http1;
use hyper::header::{HOST, HeaderMap, HeaderValue, USER_AGENT};
use hyper::{Method, Request, Response, Uri};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use reqwest::Url;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout};

use super::fault::{Transport, closed_unanswered};
use super::http::{KEEP_AT_MOST, KEEP_IDLE, PROGRAM};
use crate::base::Error;

/// The connections to one server.
pub(super) struct Plain(Arc<Pool>);

struct Pool {
    host: String,
    port: u16,
    /// As the `Host` header has it.
    authority: HeaderValue,
    connect: Duration,
    /// Connections that were used last are at the end, and used first.
    idle: Mutex<Idle>,
}

#[derive(Default)]
struct Idle {
    links: Vec<(Instant, Box<Link>)>,
    is_swept: bool,
}

/// A connection, and the way to put a request into it.
struct Link {
    sender: http1::SendRequest<Once>,
    connection: http1::Connection<TokioIo<TcpStream>, Once>,
    is_over: bool,
}

impl Plain {
    /// Makes a place for connections to where a URL points; opens none. `None` when it does not speak plain HTTP.
    pub(super) fn new(url: &Url, connect: Duration) -> Option<Self> {
        let host = url.host_str().filter(|_| url.scheme() == "http")?;
        let authority = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        Some(Self(Arc::new(Pool {
            host: host.trim_matches(['[', ']']).to_owned(),
            port: url.port_or_known_default()?,
            authority: HeaderValue::from_str(&authority).ok()?,
            connect,
            idle: Mutex::default(),
        })))
    }

    /// Posts a body and waits for the answer's headers; once more, silently, if it met a kept connection that the server
    /// was just closing.
    ///
    /// # Errors
    /// What `headers` tells, or what befell the connection.
    pub(super) async fn post(
        &self,
        path: &Uri,
        headers: impl Fn() -> Result<HeaderMap, Error>,
        body: Bytes,
    ) -> Result<Result<Answer, Transport>, Error> {
        let pool = &self.0;
        if let Some(link) = pool.take() {
            let asked = link.ask(pool, path, headers()?, body.clone()).await;
            match asked {
                Err(error) if closed_unanswered(&error) => {
                    tracing::debug!(host = %pool.host, "a kept connection was closed; asking on a new one");
                }
                asked => return Ok(asked),
            }
        }
        Ok(match pool.open().await {
            Ok(link) => link.ask(pool, path, headers()?, body).await,
            Err(error) => Err(error),
        })
    }
}

impl Pool {
    /// Takes a connection that is still good.
    fn take(&self) -> Option<Box<Link>> {
        let oldest = Instant::now().checked_sub(KEEP_IDLE);
        loop {
            let (since, mut link) = self.idle.lock().links.pop()?;
            let mut context = Context::from_waker(Waker::noop());
            link.drive(&mut context);
            if oldest.is_none_or(|oldest| since > oldest) && link.is_free() {
                return Some(link);
            }
        }
    }

    /// Keeps a connection for the next request.
    fn keep(self: &Arc<Self>, link: Box<Link>) {
        let mut idle = self.idle.lock();
        if idle.links.len() >= KEEP_AT_MOST {
            return;
        }
        idle.links.push((Instant::now(), link));
        if !idle.is_swept {
            idle.is_swept = true;
            tokio::spawn(sweep(Arc::downgrade(self)));
        }
    }

    async fn open(&self) -> Result<Box<Link>, Transport> {
        let found = lookup_host((self.host.as_str(), self.port));
        let addresses: Vec<_> = match timeout(self.connect, found).await {
            Ok(Ok(found)) => found.collect(),
            Ok(Err(error)) => return Err(Transport::unknown_name(error)),
            Err(error) => return Err(Transport::no_connection_in_time(error)),
        };
        // A name's first address may lead nowhere, and leaves time for the others.
        let each = self.connect / u32::try_from(addresses.len().max(1)).unwrap_or(u32::MAX);
        let mut last = Transport::unknown_name(std::io::ErrorKind::NotFound.into());
        for address in addresses {
            match timeout(each, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return Link::over(stream).await,
                Ok(Err(error)) => last = Transport::no_connection(error),
                Err(error) => last = Transport::no_connection_in_time(error),
            }
        }
        Err(last)
    }
}

/// Closes connections that nobody used for long; ends when there are none.
async fn sweep(pool: Weak<Pool>) {
    loop {
        tokio::time::sleep(KEEP_IDLE / 10).await;
        let Some(pool) = pool.upgrade() else { return };
        let Some(oldest) = Instant::now().checked_sub(KEEP_IDLE) else {
            continue;
        };
        let mut idle = pool.idle.lock();
        idle.links.retain_mut(|(since, link)| {
            link.drive(&mut Context::from_waker(Waker::noop()));
            *since > oldest && link.is_free()
        });
        if idle.links.is_empty() {
            idle.is_swept = false;
            return;
        }
    }
}

impl Link {
    async fn over(stream: TcpStream) -> Result<Box<Self>, Transport> {
        stream.set_nodelay(true).map_err(Transport::no_connection)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(Transport::unanswered)?;
        Ok(Box::new(Self {
            sender,
            connection,
            is_over: false,
        }))
    }

    /// Lets the connection do what it can.
    fn drive(&mut self, context: &mut Context<'_>) {
        if !self.is_over {
            // What went wrong is told to whoever waits for the answer.
            self.is_over = Pin::new(&mut self.connection).poll(context).is_ready();
        }
    }

    /// Tells whether it can take a request.
    fn is_free(&self) -> bool {
        !self.is_over && self.sender.is_ready()
    }

    async fn ask(
        mut self: Box<Self>,
        pool: &Arc<Pool>,
        path: &Uri,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Answer, Transport> {
        let mut request = Request::new(Once(Some(body)));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = path.clone();
        *request.headers_mut() = headers;
        let headers = request.headers_mut();
        // Somebody may have set these.
        headers
            .entry(HOST)
            .or_insert_with(|| pool.authority.clone());
        headers
            .entry(USER_AGENT)
            .or_insert_with(|| HeaderValue::from_static(PROGRAM));
        let mut asking = std::pin::pin!(self.sender.send_request(request));
        let answer = poll_fn(|context| {
            if !self.is_over {
                self.is_over = Pin::new(&mut self.connection).poll(context).is_ready();
            }
            asking.as_mut().poll(context)
        });
        let answer = answer.await.map_err(Transport::unanswered)?;
        Ok(Answer {
            response: answer,
            link: Some(self),
            pool: Arc::clone(pool),
        })
    }
}

/// An answer whose headers are there. Dropping it before its end closes its connection.
pub(super) struct Answer {
    response: Response<Incoming>,
    /// `None` once the answer is over.
    link: Option<Box<Link>>,
    pool: Arc<Pool>,
}

impl Answer {
    /// Returns the status and the headers.
    pub(super) fn head(&self) -> &Response<Incoming> {
        &self.response
    }

    /// Returns the next bytes of the body; `None` at its end.
    ///
    /// # Errors
    /// When the connection breaks.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, Transport> {
        let chunk = poll_fn(|context| self.poll_chunk(context)).await;
        if !matches!(chunk, Ok(Some(_)))
            && let Some(mut link) = self.link.take()
        {
            // After its end the connection has to turn to the next request.
            link.drive(&mut Context::from_waker(Waker::noop()));
            if chunk.is_ok() && link.is_free() {
                self.pool.keep(link);
            }
        }
        chunk
    }

    fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Transport>> {
        let Some(link) = &mut self.link else {
            return Poll::Ready(Ok(None));
        };
        loop {
            let mut polled = Pin::new(self.response.body_mut()).poll_frame(context);
            if polled.is_pending() {
                link.drive(context);
                polled = Pin::new(self.response.body_mut()).poll_frame(context);
            }
            return match polled {
                Poll::Pending if link.is_over => {
                    let closed = std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
                    Poll::Ready(Err(Transport::broken_off(closed)))
                }
                Poll::Pending => Poll::Pending,
                Poll::Ready(None) => Poll::Ready(Ok(None)),
                Poll::Ready(Some(Err(error))) => Poll::Ready(Err(Transport::broken_off(error))),
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(bytes) => Poll::Ready(Ok(Some(bytes))),
                    // Trailers say nothing that anybody reads.
                    Err(_) => continue,
                },
            };
        }
    }
}

/// A body that is there.
struct Once(Option<Bytes>);

impl HttpBody for Once {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Ready(self.get_mut().0.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}
