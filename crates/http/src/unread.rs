//! Bodies that nobody reads to their end.
//!
//! When the answer does not wait for the body (it is refused, or too large), actix-http drains what comes of a chunked one
//! for as long as the client likes, without a deadline, so that the connection can be used again: who announces a chunk and
//! never ends it has the connection for good. A body that is not dropped before the answer is written makes it close the
//! connection instead, as it does where a length was announced.

use std::{
    cell::RefCell,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use actix_web::{
    HttpMessage,
    body::{BodySize, BoxBody, MessageBody},
    dev::{Payload, ServiceRequest, ServiceResponse},
    error::PayloadError,
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};

/// A body that lives until the answer is written.
#[derive(Clone)]
pub(crate) struct Unread(Rc<RefCell<Payload>>);

impl Unread {
    /// Takes care of a chunked body. Others need no care.
    pub(crate) fn of(request: &mut ServiceRequest) -> Option<Self> {
        // The decoder has refused what is not quite right.
        if !request.chunked().unwrap_or(true) {
            return None;
        }
        let body = Self(Rc::new(RefCell::new(request.take_payload())));
        request.set_payload(Payload::Stream { payload: Box::pin(body.clone()) });
        Some(body)
    }

    /// Ties it to the answer, with or without a body.
    pub(crate) fn until_sent<B: MessageBody + 'static>(
        self,
        mut response: ServiceResponse<B>,
    ) -> ServiceResponse<BoxBody> {
        response.response_mut().extensions_mut().insert(self.clone());
        response.map_body(|_, body| BoxBody::new(Sent { body: Box::pin(body), _unread: self }))
    }
}

impl Stream for Unread {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.borrow_mut().poll_next_unpin(context)
    }
}

/// The body of an answer, and that of its request.
struct Sent<B> {
    body: Pin<Box<B>>,
    _unread: Unread,
}

impl<B: MessageBody> MessageBody for Sent<B> {
    type Error = B::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        self.body.as_mut().poll_next(context)
    }
}
