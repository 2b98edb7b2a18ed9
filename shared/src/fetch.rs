//! The one way out: an HTTP exchange with another party.

/// A request whose body has been read.
pub type Request = http::Request<Vec<u8>>;
/// A response whose body has been read.
pub type Response = http::Response<Vec<u8>>;

/// The other party could not be reached, did not answer in time, or answered with more than
/// [`LARGEST_ANSWER`] bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Unreachable;

/// How many bytes of an answer are read before the other party is given up.
pub const LARGEST_ANSWER: usize = 256 * 1024;

/// How many seconds the other party has to answer.
pub const PATIENCE_SECONDS: u64 = 8;

/// How many seconds one request waits, as one of its extensions, where that is to be fewer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Patience(pub u64);

/// Sends a request and waits for the answer, [`PATIENCE_SECONDS`] or its own
/// [`Patience`] at most. Never follows redirects.
pub trait Fetch {
    /// # Errors
    /// [`Unreachable`] when no usable response arrived.
    async fn fetch(&self, request: Request) -> Result<Response, Unreachable>;
}

impl<F: AsyncFn(Request) -> Result<Response, Unreachable>> Fetch for F {
    async fn fetch(&self, request: Request) -> Result<Response, Unreachable> {
        self(request).await
    }
}
