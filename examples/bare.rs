//! A bare actix-web handler that answers 200 to everything: the floor that benchmarks compare with.

use actix_web::{App, HttpResponse, HttpServer, web};

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let port = std::env::args().nth(1).and_then(|p| p.parse().ok()).unwrap_or(8080);
    HttpServer::new(|| App::new().default_service(web::to(|| async { HttpResponse::Ok().finish() })))
        .bind(("127.0.0.1", port))?
        .run()
        .await
}
