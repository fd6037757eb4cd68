//! From a [`Reply`] to an actix response.

use actix_web::HttpResponse;
use actix_web::body::BoxBody;
use actix_web::http::StatusCode;

use crate::pipeline::Reply;

/// Makes the response. Header names go out as `X-User-Id`: some gateways and scripts compare them by letter.
pub fn response(reply: Reply, head_only: bool) -> HttpResponse<BoxBody> {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = if head_only || reply.body.is_empty() { BoxBody::new(()) } else { BoxBody::new(reply.body) };
    let mut response = HttpResponse::with_body(status, body);
    let head = response.head_mut();
    head.set_camel_case_headers(true);
    for (name, value) in reply.headers {
        head.headers_mut().append(name, value);
    }
    response
}
