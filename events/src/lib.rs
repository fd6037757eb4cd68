//! Events of AWS API Gateway, as a Lambda authorizer gets them
//! (<https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-input.html>,
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-lambda-authorizer.html>): what their JSON
//! says of the request that somebody asks about, left where it lies.
//!
//! It is a crate of its own for its speed: to read an event is most of what an answer to it costs, and it takes a third
//! less where it is compiled for speed. The rest of okgate is compiled for size, since it gains little.

mod marks;
mod members;
mod reader;

pub use marks::is_plain;
pub use members::{Member, Members};
pub use reader::Text;
use reader::{Fault, Reader};

/// What an event says. Texts that are not there are empty; nothing may be there twice.
#[derive(Debug, Default)]
pub struct Event<'e> {
    /// `1.0` or `2.0`; API Gateway's REST APIs do not say.
    pub version: Text<'e>,
    /// `TOKEN` or `REQUEST`.
    pub kind: Text<'e>,
    /// The ARN of the method that was called, in format 1.0.
    pub method_arn: Text<'e>,
    /// The ARN of the route that was called, in format 2.0.
    pub route_arn: Text<'e>,
    /// What a `TOKEN` event is about.
    pub authorization_token: Option<Text<'e>>,
    /// The request's method, in format 1.0.
    pub http_method: Text<'e>,
    /// The request's path, in format 1.0.
    pub path: Text<'e>,
    /// The request's path, in format 2.0.
    pub raw_path: Text<'e>,
    /// The request's query, in format 2.0.
    pub raw_query_string: Text<'e>,
    /// The request's cookies, in format 2.0.
    pub cookies: Vec<Text<'e>>,
    /// The request's header fields; in format 1.0 the last of each name, and only where not all are there.
    pub headers: Option<Members<'e>>,
    /// All header fields of the request, in format 1.0.
    pub multi_value_headers: Option<Members<'e>>,
    /// The request's query parameters, decoded; in format 1.0 the last of each name.
    pub query_string_parameters: Option<Members<'e>>,
    /// All query parameters of the request, decoded, in format 1.0.
    pub multi_value_query_string_parameters: Option<Members<'e>>,
    /// What API Gateway adds.
    pub request_context: RequestContext<'e>,
}

/// What API Gateway says of a request.
#[derive(Debug, Default)]
pub struct RequestContext<'e> {
    /// The host that the client named.
    pub domain_name: Option<Text<'e>>,
    /// Who asked, in format 1.0.
    pub identity: Identity<'e>,
    /// The request, in format 2.0.
    pub http: Http<'e>,
}

/// Who asked, in format 1.0.
#[derive(Debug, Default)]
pub struct Identity<'e> {
    /// The client's address.
    pub source_ip: Option<Text<'e>>,
}

/// A request, in format 2.0.
#[derive(Debug, Default)]
pub struct Http<'e> {
    /// Its method.
    pub method: Text<'e>,
    /// The client's address.
    pub source_ip: Option<Text<'e>>,
}

impl<'e> Event<'e> {
    /// Reads an event.
    ///
    /// # Errors
    /// When it is no JSON, has something twice that counts, or of another type; with how many bytes come before that.
    pub fn read(json: &'e [u8]) -> Result<Self, usize> {
        Reader::whole(json, Self::written)
    }

    fn written(reader: &mut Reader<'e>) -> Result<Self, Fault> {
        let (mut event, mut seen) = (Self::default(), Seen::default());
        let mut headers = None;
        reader.object(|reader, name| {
            match &*name {
                b"version" => event.version = seen.once(0, reader.text())?,
                b"type" => event.kind = seen.once(1, reader.text())?,
                b"methodArn" => event.method_arn = seen.once(2, reader.text())?,
                b"routeArn" => event.route_arn = seen.once(3, reader.text())?,
                b"authorizationToken" => event.authorization_token = seen.once(4, reader.text_or_null())?,
                b"httpMethod" => event.http_method = seen.once(5, reader.text())?,
                b"path" => event.path = seen.once(6, reader.text())?,
                b"rawPath" => event.raw_path = seen.once(7, reader.text())?,
                b"rawQueryString" => event.raw_query_string = seen.once(8, reader.text())?,
                b"cookies" => event.cookies = seen.once(9, reader.texts())?,
                b"headers" => {
                    let here = reader.clone();
                    seen.once(10, reader.skip())?;
                    headers = Some(here);
                }
                b"multiValueHeaders" => event.multi_value_headers = seen.once(11, Members::multi(reader))?,
                b"queryStringParameters" => {
                    event.query_string_parameters = seen.once(12, Members::single(reader))?;
                }
                b"multiValueQueryStringParameters" => {
                    event.multi_value_query_string_parameters = seen.once(13, Members::multi(reader))?;
                }
                b"requestContext" => {
                    event.request_context = seen.once(14, RequestContext::written(reader))?;
                }
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        // In format 1.0 all of them come behind.
        if let Some(mut headers) = headers.filter(|_| event.multi_value_headers.is_none()) {
            event.headers = Members::single(&mut headers).inspect_err(|_| *reader = headers)?;
        }
        Ok(event)
    }
}

impl<'e> RequestContext<'e> {
    fn written(reader: &mut Reader<'e>) -> Result<Self, Fault> {
        let (mut context, mut seen) = (Self::default(), Seen::default());
        reader.object(|reader, name| {
            match &*name {
                b"domainName" => context.domain_name = seen.once(0, reader.text_or_null())?,
                b"identity" => context.identity = seen.once(1, Identity::written(reader))?,
                b"http" => context.http = seen.once(2, Http::written(reader))?,
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        Ok(context)
    }
}

impl<'e> Identity<'e> {
    fn written(reader: &mut Reader<'e>) -> Result<Self, Fault> {
        let (mut identity, mut seen) = (Self::default(), Seen::default());
        reader.object(|reader, name| {
            match &*name {
                b"sourceIp" => identity.source_ip = seen.once(0, reader.text_or_null())?,
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        Ok(identity)
    }
}

impl<'e> Http<'e> {
    fn written(reader: &mut Reader<'e>) -> Result<Self, Fault> {
        let (mut http, mut seen) = (Self::default(), Seen::default());
        reader.object(|reader, name| {
            match &*name {
                b"method" => http.method = seen.once(0, reader.text())?,
                b"sourceIp" => http.source_ip = seen.once(1, reader.text_or_null())?,
                _ => reader.skip()?,
            }
            Ok(())
        })?;
        Ok(http)
    }
}

/// Which members of an object were there, by number.
#[derive(Default)]
struct Seen(u16);

impl Seen {
    /// A member's value, unless there was one before.
    fn once<T>(&mut self, number: u8, value: Result<T, Fault>) -> Result<T, Fault> {
        let before = self.0;
        self.0 |= 1 << number;
        if self.0 == before { Err(Fault) } else { value }
    }
}
