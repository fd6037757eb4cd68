use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::mpsc;

use super::*;
use crate::keys::fixtures::run;
use crate::upstream::awc::Client;
use crate::upstream::{Fetch, FetchError, Incoming, Outgoing};

/// A server that answers the requests on each connection, with their paths, as `answer` says. The channel hears of each
/// request on which connection it came.
fn server(answer: fn(&mut std::net::TcpStream, &str)) -> (u16, mpsc::Receiver<(usize, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (tell, heard) = mpsc::channel();
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().flatten().enumerate() {
            let tell = tell.clone();
            std::thread::spawn(move || {
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
                let mut stream = stream;
                while let Some(first) = lines.next() {
                    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
                    if lines.by_ref().find(String::is_empty).is_none()
                        || tell.send((number, path.clone())).is_err()
                    {
                        return;
                    }
                    answer(&mut stream, &path);
                }
            });
        }
    });
    (port, heard)
}

fn get(client: &Client, port: u16, path: &str) -> Result<Incoming, FetchError> {
    let request = Outgoing::get(format!("http://127.0.0.1:{port}{path}"), Duration::from_secs(20));
    let client: Rc<dyn Fetch> = Rc::new(client.clone());
    run(client.send(request))
}

#[test]
fn an_interim_answer_is_not_the_answer_and_leaves_none_to_who_is_next() {
    let (port, heard) = server(|stream, path| {
        // Each piece on its own, as they come from a server that thinks in between.
        for piece in [
            "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 1",
            "02 Processing\r\n\r\n",
            &format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", path.len()),
            path,
        ] {
            stream.write_all(piece.as_bytes()).unwrap();
            stream.flush().unwrap();
            std::thread::yield_now();
        }
    });
    run(async {
        let client = Client::new();
        for path in ["/ada", "/bob", "/eve"] {
            let request = Outgoing::get(format!("http://127.0.0.1:{port}{path}"), Duration::from_secs(20));
            let answer = client.send(request).await.unwrap();
            assert_eq!((answer.status, &answer.body[..]), (200, path.as_bytes()));
            assert_eq!(heard.recv().unwrap(), (0, path.to_owned()), "on the same connection");
        }
    });
}

#[test]
fn an_answer_without_a_length_ends_with_its_connection_and_leaves_nothing_to_who_is_next() {
    let (port, heard) = server(|stream, path| {
        let body = format!("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n{path}");
        let _ = stream.write_all(format!("HTTP/1.1 200 OK\r\nX: y\r\n\r\n{body}").as_bytes());
        let _ = stream.shutdown(std::net::Shutdown::Both);
    });
    run(async {
        let client = Client::new();
        for (number, path) in ["/ada", "/bob"].into_iter().enumerate() {
            let request = Outgoing::get(format!("http://127.0.0.1:{port}{path}"), Duration::from_secs(20));
            let answer = client.send(request).await.unwrap();
            let body = format!("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n{path}");
            assert_eq!((answer.status, &answer.body[..]), (200, body.as_bytes()));
            assert_eq!(heard.recv().unwrap(), (number, path.to_owned()), "each on its own connection");
        }
    });
}

#[test]
fn heads_that_are_none_are_refused() {
    for text in [
        "220 hello\r\n\r\n",
        "HTTP/1.1",
        "HTTP/1.1 200 OK\r\nX: y\r\n",
        "HTTP/1.1 103 Early Hints\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n",
        "HTTP/1.1 1\r\n\r\n",
        "",
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
            lines.find(String::is_empty);
            let _ = stream.write_all(text.as_bytes());
            let _ = stream.shutdown(std::net::Shutdown::Both);
        });
        let got = get(&Client::new(), port, "/");
        assert!(matches!(got, Err(FetchError::Protocol { .. })), "{text:?}: {got:?}");
    }
    let (port, _heard) = server(|stream, _| {
        let endless = format!("X-More: {}\r\n", "x".repeat(1000));
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n");
        while stream.write_all(endless.as_bytes()).is_ok() {}
    });
    let got = get(&Client::new(), port, "/");
    assert!(matches!(got, Err(FetchError::Protocol { .. })), "{got:?}");
}

#[test]
fn what_a_head_says_of_its_end() {
    for (text, seen, left) in [
        ("", Ok(false), ""),
        ("HTT", Ok(false), "HTT"),
        ("HTTP/1.1 200 OK\r\n", Ok(false), "HTTP/1.1 200 OK\r\n"),
        ("no http", Err(()), "no http"),
        ("\r\nHTTP/1.1 100 Go\r\n\r\n", Err(()), "\r\nHTTP/1.1 100 Go\r\n\r\n"),
        ("HTTP/1.1 200 OK\r\n\r\n", Ok(true), "HTTP/1.0 200 OK\r\n\r\n"),
        ("HTTP/1.1 204 No\r\n\r\n", Ok(true), "HTTP/1.1 204 No\r\n\r\n"),
        ("HTTP/1.1 101 Up\r\n\r\n", Ok(true), "HTTP/1.1 101 Up\r\n\r\n"),
        ("HTTP/1.1 100 Go\r\n\r\n", Ok(false), ""),
        ("HTTP/1.1 100 Go\n\nHTTP/1.1 304 No\n\nx", Ok(true), "HTTP/1.1 304 No\n\nx"),
        (
            "HTTP/1.1 200 OK\r\ncontent-LENGTH : 0\r\n\r\n",
            Ok(true),
            "HTTP/1.1 200 OK\r\ncontent-LENGTH : 0\r\n\r\n",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: x\r\n\r\n",
            Ok(true),
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: x\r\n\r\n",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n",
            Ok(true),
            "HTTP/1.0 200 OK\r\nTransfer-Encoding: identity\r\n\r\n",
        ),
        (
            "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            Err(()),
            "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        ),
        (
            "HTTP/1.1 200 OK\r\n\r\ncontent-length: 5\r\n\r\n",
            Ok(true),
            "HTTP/1.0 200 OK\r\n\r\ncontent-length: 5\r\n\r\n",
        ),
    ] {
        let mut bytes = BytesMut::from(text);
        let got = look_at_head(&mut bytes).map_err(|_| ());
        assert_eq!((got, &bytes[..]), (seen, left.as_bytes()), "{text:?}");
    }
}
