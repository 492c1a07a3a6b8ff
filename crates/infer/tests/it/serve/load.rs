//! Many clients at once.

use std::sync::Barrier;
use std::thread;

use serde_json::{Value, json};

use super::slow;
use testing::http_client::Server;
use testing::run::{Run, texts};

#[test]
fn concurrent_clients_get_the_same_translations() {
    const CLIENTS: usize = 64;
    let run = Run::new();
    let server = Server::start(&run, &[]);
    let texts = texts(CLIENTS * 3);
    // Requests with different settings must not share a batch.
    let request = |client: usize| {
        let texts = &texts[client * 3..client * 3 + 1 + client % 3];
        json!({ "texts": texts, "beam": 1 + client % 2, "max_length": if client.is_multiple_of(5) { 4 } else { 20 } })
    };
    let expected: Vec<Vec<Value>> = (0..CLIENTS).map(|client| server.translations(request(client))).collect();
    let start = Barrier::new(CLIENTS);
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let (server, request, start) = (&server, &request, &start);
                scope.spawn(move || {
                    start.wait();
                    server.translations(request(client))
                })
            })
            .collect();
        for (client, expected) in clients.into_iter().zip(&expected) {
            assert_eq!(&client.join().unwrap(), expected);
        }
    });
}

#[test]
fn waiting_requests_share_batches() {
    let run = slow();
    let server = Server::start(&run, &["--threads", "1"]);
    thread::scope(|scope| {
        scope.spawn(|| server.translate(json!({ "text": "1" })));
        server.wait_for_metric("attend_batch_texts_count", 1.0);
        for client in 0..4 {
            let server = &server;
            scope.spawn(move || server.translate(json!({ "text": "2", "max_length": 10 + client / 2 })));
        }
        server.wait_for_metric("attend_queue_texts", 4.0);
    });
    // One text alone, then two batches of two texts with equal settings.
    assert_eq!(server.metric("attend_batch_texts_count"), 3.0);
    assert_eq!(server.metric("attend_batch_texts_sum"), 5.0);
    assert_eq!(server.metric("attend_batch_texts_bucket{le=\"1\"}"), 1.0);
}
