//! The HTTP server: the only place that names actix-web.
