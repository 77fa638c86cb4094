//! The middleware in front of every handler: lets in who may call it.

use std::{
    future::{Ready, ready},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use actix_web::{
    Error, HttpMessage, HttpRequest,
    body::{EitherBody, MessageBody},
    dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready},
    http::Method,
    web::Data,
};

use super::{Caller, TABLE, Who, credentials::Known};
use crate::{AppState, problem::Problem};

/// Who may call one address, method by method.
#[derive(Clone)]
pub(crate) struct Rules {
    state: Data<AppState>,
    rules: Rc<[(Method, Who)]>,
}

impl Rules {
    pub(crate) fn of(path: &str, state: &Data<AppState>) -> Self {
        let rows = TABLE.iter().filter(|row| row.path == path);
        Self { state: state.clone(), rules: rows.flat_map(super::table::Row::each).collect() }
    }

    /// Who may call this. What is not in the table is for nobody but operators.
    fn who(&self, method: &Method) -> Who {
        self.rules.iter().find(|(known, _)| known == method).map_or(Who::Operators, |(_, who)| *who)
    }

    /// Whether somebody may come in, as far as it is known at once.
    fn look(&self, request: &HttpRequest, who: Who, named: Option<&str>) -> Result<Known, Problem> {
        let known = self.state.access.look(request)?;
        if let Known::Caller(caller) = &known {
            self.check(request, caller, who, named)?;
        }
        Ok(known)
    }

    fn check(
        &self,
        request: &HttpRequest,
        caller: &Caller,
        who: Who,
        named: Option<&str>,
    ) -> Result<(), Problem> {
        caller.may(who, named)?;
        caller.came_by_himself(request, &self.state.settings.cors_origins)
    }

    /// For a read whose `user_id`, if it has one, is known without the router.
    pub(crate) async fn admit(&self, request: &HttpRequest, named: &str) -> Result<(), Problem> {
        let who = self.who(request.method());
        if who == Who::Anyone {
            return Ok(());
        }
        match self.look(request, who, Some(named))? {
            Known::Caller(_) => Ok(()),
            Known::Bearer(bearer) => self.check(request, &bearer.verify().await?, who, Some(named)),
        }
    }
}

/// Stands in front of one address.
pub(crate) struct Door(pub(crate) Rules);

impl<S, B> Transform<S, ServiceRequest> for Door
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type InitError = ();
    type Transform = Keeper<S>;
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, inner: S) -> Self::Future {
        ready(Ok(Keeper { inner: Rc::new(inner), rules: self.0.clone() }))
    }
}

pub(crate) struct Keeper<S> {
    inner: Rc<S>,
    rules: Rules,
}

impl<S, B> Service<ServiceRequest> for Keeper<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Future = Entering<S::Future, B>;

    forward_ready!(inner);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let who = self.rules.who(request.method());
        if who == Who::Anyone {
            return Entering::Inside { inner: self.inner.call(request) };
        }
        match self.rules.look(request.request(), who, request.match_info().get("user_id")) {
            Ok(Known::Caller(caller)) => {
                request.extensions_mut().insert(caller);
                Entering::Inside { inner: self.inner.call(request) }
            }
            Ok(Known::Bearer(bearer)) => {
                let (inner, rules) = (Rc::clone(&self.inner), self.rules.clone());
                Entering::Asking {
                    asking: Box::pin(async move {
                        let found = bearer.verify().await.and_then(|caller| {
                            rules.check(
                                request.request(),
                                &caller,
                                who,
                                request.match_info().get("user_id"),
                            )?;
                            Ok(caller)
                        });
                        match found {
                            Ok(caller) => {
                                request.extensions_mut().insert(caller);
                                Ok(inner.call(request).await?.map_into_left_body())
                            }
                            Err(problem) => Ok(request.error_response(problem).map_into_right_body()),
                        }
                    }),
                }
            }
            Err(problem) => Entering::Refused { response: Some(request.error_response(problem)) },
        }
    }
}

type Asking<B> = Pin<Box<dyn Future<Output = Result<ServiceResponse<EitherBody<B>>, Error>>>>;

pin_project_lite::pin_project! {
    /// A request at the door.
    #[project = AtTheDoor]
    pub(crate) enum Entering<F, B> {
        Inside { #[pin] inner: F },
        Asking { asking: Asking<B> },
        Refused { response: Option<ServiceResponse> },
    }
}

impl<F, B> Future for Entering<F, B>
where
    F: Future<Output = Result<ServiceResponse<B>, Error>>,
    B: MessageBody,
{
    type Output = Result<ServiceResponse<EitherBody<B>>, Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            AtTheDoor::Inside { inner } => inner.poll(context).map_ok(ServiceResponse::map_into_left_body),
            AtTheDoor::Asking { asking } => asking.as_mut().poll(context),
            AtTheDoor::Refused { response } => match response.take() {
                Some(response) => Poll::Ready(Ok(response.map_into_right_body())),
                None => Poll::Pending, // it was answered
            },
        }
    }
}
