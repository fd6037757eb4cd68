//! What is answered where nothing is.

use actix_web::HttpRequest;
use actix_web::http::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use bytes::Bytes;

use crate::pipeline::Reply;

const REASON: &str =
    "The requested route does not exist. Make sure you are using the right path, domain, and port.";

/// A page, a line or a JSON object that says so, as the client likes it.
pub fn page(request: &HttpRequest) -> Reply {
    let accept = request.headers().get(ACCEPT).and_then(|a| a.to_str().ok()).unwrap_or_default();
    let at = |media_type: &str| accept.find(media_type).unwrap_or(usize::MAX);
    let (html, text, json) = (at("text/html"), at("text/plain"), at("application/json"));
    let (content_type, body) = if json < html && json < text {
        let body = format!(
            "{{\n  \"error\": {{\n    \"code\": 404,\n    \"message\": \"Not Found\",\n    \"reason\": \"{REASON}\"\n  }}\n}}\n"
        );
        ("application/json", body)
    } else if text < html {
        ("text/plain; charset=utf-8", format!("Error 404 - {REASON}\n"))
    } else {
        let body = format!(
            "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>404 - Route not found</title></head>\n<body><h1>Error 404</h1><p>{REASON}</p></body>\n</html>\n"
        );
        ("text/html; charset=utf-8", body)
    };
    Reply {
        status: 404,
        headers: vec![(CONTENT_TYPE, HeaderValue::from_static(content_type))],
        body: Bytes::from(body),
    }
}
