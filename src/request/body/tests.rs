use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::stream::{self, LocalBoxStream};

use super::*;

type Source = LocalBoxStream<'static, Result<Bytes, ()>>;

fn pieces(pieces: &[Result<&'static str, ()>]) -> Source {
    let pieces: Vec<_> = pieces.iter().map(|p| p.map(|text| Bytes::from_static(text.as_bytes()))).collect();
    stream::iter(pieces).boxed_local()
}

/// So many pieces of 16 KiB.
fn long(count: usize) -> Source {
    stream::iter(vec![Ok(Bytes::from(vec![b'x'; 16 << 10])); count]).boxed_local()
}

fn body(source: Source) -> Body {
    Body::new(source, None, &BodyRoom::default())
}

fn soon() -> Instant {
    Instant::now() + Duration::from_millis(50)
}

async fn opened(body: &Body, limit: usize) -> Pieces {
    match body.open(limit, soon()).await {
        Ok(Opened::Pieces(pieces)) => pieces,
        other => panic!("{other:?}"),
    }
}

/// Everything that comes, and how it ends.
async fn all(pieces: &Pieces) -> (usize, Result<(), BodyError>) {
    let mut length = 0;
    while let Some(piece) = pieces.next().await {
        match piece {
            Ok(piece) => length += piece.len(),
            Err(error) => return (length, Err(error)),
        }
    }
    (length, Ok(()))
}

#[tokio::test]
async fn a_short_body_is_there_for_all_who_ask() {
    let too_long = |limit| Err(BodyError::TooLong { limit });
    for (source, limit, want) in [
        (&[][..], 0, Ok("")),
        (&[Ok("abc")], 3, Ok("abc")),
        (&[Ok("abc")], 2, too_long(2)),
        (&[Ok(""), Ok("ab"), Ok(""), Ok("c"), Ok("de")], 5, Ok("abcde")),
        (&[Ok("ab"), Ok("c"), Ok("de")], 4, too_long(4)),
        (&[Ok("ab"), Err(())], 9, Err(BodyError::BrokenOff)),
    ] {
        let body = body(pieces(source));
        for time in ["first", "again"] {
            let got = match body.open(limit, soon()).await {
                Ok(Opened::Whole(bytes)) => Ok(String::from_utf8(bytes.to_vec()).unwrap()),
                Ok(Opened::Pieces(pieces)) => panic!("{pieces:?}"),
                Err(error) => Err(error),
            };
            assert_eq!(got, want.map(str::to_owned), "{source:?} {limit} {time}");
        }
    }
}

#[tokio::test]
async fn a_body_is_taken_whole_or_not_at_all() {
    let too_long = |limit| Err(BodyError::TooLong { limit });
    for (source, promised, limit, want) in [
        (&[][..], Some(0), 0, Ok("")),
        (&[Ok("abc")], Some(3), 3, Ok("abc")),
        (&[Ok("abc")], None, 3, Ok("abc")),
        (&[Ok("abc")], Some(3), 2, too_long(2)),
        (&[Ok("abc")], None, 2, too_long(2)),
        (&[Ok(""), Ok("ab"), Ok("cde")], Some(5), 5, Ok("abcde")),
        (&[Ok("ab"), Ok("cd")], Some(4), 5, Ok("abcd")),
        (&[Ok("ab"), Ok("c")], None, 2, too_long(2)),
        (&[Ok("ab"), Err(())], Some(5), 9, Err(BodyError::BrokenOff)),
    ] {
        let body = Body::new(pieces(source), promised, &BodyRoom::default());
        let got = body.take(limit, soon()).await.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap());
        assert_eq!(got, want.map(str::to_owned), "{source:?} {promised:?} {limit}");
    }
    let never =
        Body::new(stream::pending::<Result<Bytes, ()>>().boxed_local(), Some(3), &BodyRoom::default());
    assert_eq!(never.take(3, soon()).await, Err(BodyError::TooSlow));
}

#[tokio::test]
async fn a_body_that_promises_to_be_too_long_is_not_read() {
    let body = Body::new(pieces(&[Ok("abc")]), Some(3), &BodyRoom::default());
    assert_eq!(body.open(2, soon()).await.unwrap_err(), BodyError::TooLong { limit: 2 });
    assert!(matches!(body.open(3, soon()).await, Ok(Opened::Whole(all)) if all == "abc"), "but can still be");
}

#[tokio::test]
async fn a_long_body_passes_once_up_to_the_limit() {
    for (count, limit, want) in [
        (4, 1 << 20, None),
        (5, 1 << 20, Some((80 << 10, Ok(())))),
        (64, 1 << 20, Some((1 << 20, Ok(())))),
        (65, 1 << 20, Some((1 << 20, Err(BodyError::TooLong { limit: 1 << 20 })))),
    ] {
        let room = BodyRoom::default();
        let body = Body::new(long(count), None, &room);
        let Some(want) = want else {
            assert!(matches!(body.open(limit, soon()).await, Ok(Opened::Whole(_))), "{count}");
            continue;
        };
        let pieces = opened(&body, limit).await;
        assert_eq!(room.taken(), SHORT, "{count}: read ahead");
        assert_eq!(all(&pieces).await, want, "{count}");
        assert_eq!(room.taken(), 0, "{count}: passed on");
        assert!(!pieces.rewind(), "{count}");
        assert_eq!(body.open(limit, soon()).await.unwrap_err(), BodyError::PassedOn, "{count}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_short_body_that_comes_late_can_be_read_again() {
    let room = BodyRoom::default();
    let late = stream::once(async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        Ok(Bytes::from_static(b"de"))
    });
    let body =
        Body::new(pieces(&[Ok("ab"), Ok("c")]).chain(late.boxed_local()).boxed_local(), Some(5), &room);
    let first = opened(&body, 9).await;
    assert!(!first.is_awaited(), "nobody reads yet");
    assert_eq!(first.next().await, Some(Ok(Bytes::from_static(b"abc"))));
    assert!(first.next().now_or_never().is_none() && first.is_awaited());
    let second = opened(&body, 9).await;
    assert_eq!(all(&second).await, (5, Ok(())));
    assert!(first.rewind());
    assert_eq!(all(&first).await, (5, Ok(())));
    assert_eq!(room.taken(), 5);
    drop((first, second, body));
    assert_eq!(room.taken(), 0);
}

#[tokio::test]
async fn where_there_is_no_room_a_short_body_passes_once_too() {
    let room = BodyRoom::new(3);
    let other = Body::new(pieces(&[Ok("ab")]), None, &room);
    assert!(matches!(other.open(9, soon()).await, Ok(Opened::Whole(_))));
    let body = Body::new(pieces(&[Ok("c"), Ok("de")]), None, &room);
    let first = opened(&body, 9).await;
    assert_eq!(room.taken(), 3);
    assert_eq!(all(&first).await, (3, Ok(())));
    assert_eq!(room.taken(), 2);
    assert_eq!(body.open(9, soon()).await.unwrap_err(), BodyError::PassedOn);
}

#[tokio::test]
async fn what_nobody_read_can_be_discarded() {
    let body = body(long(9));
    body.discard().await;
    assert_eq!(body.open(1 << 20, soon()).await.unwrap_err(), BodyError::PassedOn);
}
