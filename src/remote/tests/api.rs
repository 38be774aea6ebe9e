//! The plain paths, the socket itself, and peers that mean no good.

use std::os::unix::fs::MetadataExt;

use axum::body::Body;
use axum::http::{Request, Response, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::timeout;
use tower_service::Service;

use super::*;
use crate::base::ErrorKind;
use crate::remote::Origin;

async fn ask(rig: &Rig, request: Request<Body>) -> (StatusCode, Value) {
    let response: Response<Body> = rig.admin.router().call(request).await.unwrap();
    let status = response.status();
    let body = axum::body::to_bytes(response.into_body(), 1 << 20)
        .await
        .unwrap();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

fn from(by: &str, read_only: bool) -> axum::http::request::Builder {
    let origin = Origin {
        read_only,
        ..Origin::new(by)
    };
    Request::builder().extension(origin)
}

async fn get(rig: &Rig, path: &str) -> (StatusCode, Value) {
    let request = from("ops", false).uri(path).body(Body::empty()).unwrap();
    ask(rig, request).await
}

async fn post(rig: &Rig, read_only: bool, body: &Value) -> (StatusCode, Value) {
    let request = from("ops", read_only)
        .method("POST")
        .uri("/admin/v1/command")
        .header("llmdeck-by", "deploy.sh")
        .body(Body::from(body.to_string()))
        .unwrap();
    ask(rig, request).await
}

#[tokio::test]
async fn scripts_read_plain_json_with_times_in_seconds() {
    let rig = Rig::new();
    let (status, about) = get(&rig, "/admin/v1").await;
    assert_eq!(
        (status, &about["api"], &about["by"]),
        (StatusCode::OK, &json!(1), &json!("ops"))
    );
    let (_, board) = get(&rig, "/admin/v1/board").await;
    assert_eq!(board["instances"][0]["name"], "a");
    assert_eq!(board["totals"]["since_last_success"], 2.0);
    let (_, series) = get(
        &rig,
        "/admin/v1/series?scope=instance:a&window=60&buckets=6",
    )
    .await;
    assert_eq!(series["buckets"].as_array().unwrap().len(), 6);
    assert_eq!(series["scope"], json!({"instance": "a"}));
    assert_eq!(series["response_time"]["p50"], 1.25);
    rig.fake.ends(7);
    let (_, requests) = get(&rig, "/admin/v1/requests?limit=5").await;
    assert_eq!(requests[0]["request"], 7);
    let (_, failures) = get(&rig, "/admin/v1/failures").await;
    assert_eq!(failures["dropped"], 5);
}

#[tokio::test]
async fn scripts_give_commands_under_their_name() {
    let rig = Rig::new();
    let (status, changed) =
        post(&rig, false, &json!({"command": "disable", "instance": "a"})).await;
    assert_eq!(
        (status, &changed["what"]),
        (StatusCode::OK, &json!("a off"))
    );
    assert_eq!(
        changed["undo"],
        json!({"command": "enable", "instance": "a"})
    );
    assert_eq!(rig.fake.commands()[0].1, "ops:deploy.sh");
    let (status, refused) = post(&rig, false, &json!({"command": "enable", "instance": "a"})).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(refused["error"]["message"], "this pool only switches off");
    assert!(refused["error"]["hint"].is_string());
}

/// Returns the codes in the first column of the tables of `docs/admin-api.md` that begin so.
fn documented(begins: &str) -> Vec<&'static str> {
    include_str!("../../../docs/admin-api.md")
        .lines()
        .filter_map(|line| line.strip_prefix("| "))
        .filter_map(|line| line.split('`').nth(1))
        .filter(|code| code.starts_with(begins))
        .collect()
}

#[test]
fn the_documented_commands_are_the_real_ones() {
    use crate::base::{Command, LimitKind};
    let mut told: Vec<String> = documented("{\"command\"")
        .into_iter()
        .map(|example| {
            let command: Command = serde_json::from_str(example).expect(example);
            let value = serde_json::to_value(command).unwrap();
            value["command"].as_str().unwrap().to_owned()
        })
        .collect();
    told.sort();
    // The parser names all there are when it knows none of that name.
    let nothing = serde_json::from_str::<Command>(r#"{"command":"?"}"#).unwrap_err();
    let list = nothing.to_string();
    let mut real: Vec<String> = list
        .split('`')
        .skip(3)
        .step_by(2)
        .map(str::to_owned)
        .collect();
    real.sort();
    assert!(real.len() > 10, "{list}");
    assert_eq!(told, real);
    let text = include_str!("../../../docs/admin-api.md");
    for limit in LimitKind::ALL {
        assert!(text.contains(&format!("`{}`", limit.as_str())), "{limit:?}");
    }
}

#[tokio::test]
async fn the_documented_paths_are_the_real_ones() {
    let rig = Rig::new();
    let told = documented("/admin/v1");
    assert_eq!(told.len(), 8, "{told:?}");
    let (_, nothing) = get(&rig, "/admin/v1/nothing").await;
    for path in told {
        let path = path.split('?').next().unwrap();
        let request = from("ops", false).method("PUT").uri(path);
        let (status, _) = ask(&rig, request.body(Body::empty()).unwrap()).await;
        assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED, "{path} is there");
        let name = path.trim_start_matches("/admin/v1").trim_start_matches('/');
        let hint = nothing["error"]["hint"].as_str().unwrap();
        assert!(hint.contains(name), "{hint} names {name}");
    }
}

#[tokio::test]
async fn what_is_wrong_is_said() {
    let rig = Rig::new();
    let given = rig.fake.commands().len();
    for (body, part) in [
        (json!({"command": "explode"}), "explode"),
        (json!([]), "no command"),
    ] {
        let (status, refused) = post(&rig, false, &body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        let message = refused["error"]["message"].as_str().unwrap();
        assert!(message.contains(part), "{message}");
    }
    let (status, _) = post(&rig, true, &json!({"command": "disable", "instance": "a"})).await;
    assert_eq!(status, StatusCode::FORBIDDEN, "read-only");
    assert_eq!(rig.fake.commands().len(), given);
    for (path, status) in [
        ("/admin/v1/nothing", StatusCode::NOT_FOUND),
        ("/admin/v2/board", StatusCode::NOT_FOUND),
        ("/", StatusCode::NOT_FOUND),
        ("/admin/v1/command", StatusCode::METHOD_NOT_ALLOWED),
        ("/admin/v1/series?scope=x", StatusCode::BAD_REQUEST),
        ("/admin/v1/series?window=-1", StatusCode::BAD_REQUEST),
        ("/admin/v1/requests?limit=many", StatusCode::BAD_REQUEST),
        ("/admin/v1/line", StatusCode::UPGRADE_REQUIRED),
    ] {
        let (found, body) = get(&rig, path).await;
        assert_eq!(found, status, "{path}");
        assert!(body["error"]["message"].is_string(), "{path}: {body}");
    }
}

#[tokio::test]
async fn nobody_comes_in_for_whom_nobody_vouches() {
    let rig = Rig::new();
    for path in ["/admin/v1/board", "/admin/v1/line", "/admin/v1/events"] {
        let request = Request::builder().uri(path).body(Body::empty()).unwrap();
        assert_eq!(ask(&rig, request).await.0, StatusCode::FORBIDDEN, "{path}");
    }
}

/// Speaks HTTP by hand over the socket until the other end has nothing more to say, or for a moment.
async fn by_hand(rig: &Rig, said: &[u8]) -> String {
    let mut stream = UnixStream::connect(&rig.socket).await.unwrap();
    stream.write_all(said).await.unwrap();
    let mut heard = Vec::new();
    while !heard.windows(4).any(|end| end == b"\r\n\r\n") {
        let reading = stream.read_buf(&mut heard);
        if timeout(PATIENCE, reading).await.unwrap().unwrap() == 0 {
            break;
        }
    }
    // A refusal's words follow its head; a line that is open says no more that ends.
    if !heard.starts_with(b"HTTP/1.1 101") {
        let reading = stream.read_to_end(&mut heard);
        let _ = timeout(Duration::from_secs(2), reading).await;
    }
    String::from_utf8_lossy(&heard).into_owned()
}

fn line(version: u32) -> Vec<u8> {
    format!(
        "GET /admin/v1/line HTTP/1.1\r\nhost: x\r\nuser-agent: llmdeck/9.9.9\r\nconnection: upgrade\r\nupgrade: llmdeck-line/{version}\r\n\r\n"
    )
    .into_bytes()
}

#[tokio::test]
async fn another_version_of_the_line_is_explained() {
    let rig = Rig::new();
    let mut said = line(99);
    said.splice(..0, []);
    let heard = by_hand(&rig, &said).await;
    assert!(heard.starts_with("HTTP/1.1 426"), "{heard}");
    assert!(
        heard.contains("speaks line 1, but llmdeck/9.9.9 speaks line 99"),
        "{heard}"
    );
    assert!(heard.contains("use the same llmdeck at both ends"));
}

#[tokio::test]
async fn noise_on_the_line_ends_it_and_nothing_else() {
    let rig = Rig::new();
    let remote = rig.attach("eve").await;
    let mut seed = 1_u64;
    for _ in 0..10 {
        let mut said = line(1);
        said.extend((0..400).map(|_| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) as u8
        }));
        let heard = by_hand(&rig, &said).await;
        assert!(heard.starts_with("HTTP/1.1 101"), "{heard}");
    }
    until("they are gone", || rig.admin.consoles() == 1).await;
    let command = crate::base::Command::Disable {
        instance: "a".into(),
    };
    crate::deck::DeckSource::command(&remote, command, "")
        .await
        .unwrap();
}

#[tokio::test]
async fn the_socket_is_its_owners_alone_and_goes_with_the_gateway() {
    let mut rig = Rig::new();
    let mode = std::fs::metadata(&rig.socket).unwrap().mode();
    assert_eq!(mode & 0o777, 0o600);
    let second = rig.admin.listen(&rig.socket).err().unwrap();
    assert!(
        second
            .message()
            .starts_with("another 'llmdeck serve' listens on"),
        "{second}"
    );
    rig.listening = None;
    assert!(!rig.socket.exists());
    let way = Way::Socket(rig.socket.clone());
    let missing = Remote::connect(way, Visitor::default())
        .await
        .err()
        .unwrap();
    assert!(
        missing
            .message()
            .starts_with("no 'llmdeck serve' runs here"),
        "{missing}"
    );
}

#[tokio::test]
async fn a_socket_that_was_left_behind_is_taken_over_but_no_file_is() {
    let mut rig = Rig::new();
    rig.die();
    let way = Way::Socket(rig.socket.clone());
    let dead = Remote::connect(way, Visitor::default())
        .await
        .err()
        .unwrap();
    assert!(dead.message().contains("is gone"), "{dead}");
    rig.rise();
    rig.attach("eve").await;
    rig.listening = None;
    std::fs::write(&rig.socket, "precious").unwrap();
    let refused = rig.admin.listen(&rig.socket).err().unwrap();
    assert_eq!(refused.kind(), ErrorKind::Config);
    assert_eq!(std::fs::read_to_string(&rig.socket).unwrap(), "precious");
}
