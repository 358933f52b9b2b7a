//! Modules by digest: what is missing comes, what is wrong never stays.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::harness::{Reply, Run, Server, json, nobody, weir, weir_unread};
use serde_json::json;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

const CONTENT: &[u8] = b"\0asm\x01\0\0\0";

fn digest(content: &[u8]) -> String {
    Sha256::digest(content)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// A control plane with one module, whose bytes are `content`.
fn answer(line: &str, content: &[u8]) -> Reply {
    let sha256 = digest(CONTENT);
    if line == "GET /v1/modules" {
        return json(
            200,
            &json!({"modules": {"shard-router": {"sha256": sha256, "size": CONTENT.len()}}}),
        );
    }
    assert_eq!(line, format!("GET /v1/modules/{sha256}"));
    (200, content.to_vec())
}

async fn pull(server: &Server, folder: &Path) -> Run {
    weir(&[
        "modules",
        "pull",
        "--dir",
        folder.to_str().unwrap(),
        "--server",
        &server.url,
    ])
    .await
}

async fn verify(folder: &Path) -> Run {
    weir(&["modules", "verify", "--dir", folder.to_str().unwrap()]).await
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
}

#[tokio::test]
async fn pull_fetches_what_is_missing_and_nothing_twice() {
    let server = Server::start(|line| answer(line, CONTENT)).await;
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("new/folder");
    let run = pull(&server, &path).await;
    assert_eq!(
        (run.code, run.out.as_str()),
        (0, "fetched: shard-router\n"),
        "{run:?}"
    );
    let module = path.join(format!("{}.wasm", digest(CONTENT)));
    assert_eq!(fs::read(&module).unwrap(), CONTENT);
    assert_eq!(files(&path), [module, path.join("modules.json")]);
    assert_eq!(verify(&path).await.code, 0);
    assert_eq!(pull(&server, &path).await.out, "all modules are there\n");
    assert_eq!(server.requests.lock().unwrap().len(), 3);
}

#[tokio::test]
async fn a_damaged_download_is_not_stored() {
    let server = Server::start(|line| answer(line, b"\0asm\x01\0\0")).await;
    let folder = TempDir::new().unwrap();
    let run = pull(&server, folder.path()).await;
    assert!(run.code == 4 && run.err.contains("expected SHA-256"), "{run:?}");
    assert_eq!(files(folder.path()), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn a_name_that_is_no_digest_is_refused() {
    let server = Server::start(|_| {
        json(
            200,
            &json!({"modules": {"shard-router": {"sha256": "../../escape", "size": 8}}}),
        )
    })
    .await;
    let folder = TempDir::new().unwrap();
    let run = pull(&server, folder.path()).await;
    assert!(run.code == 4 && run.err.contains("is no SHA-256"), "{run:?}");
}

#[tokio::test]
async fn a_damaged_file_is_found_and_replaced() {
    let server = Server::start(|line| answer(line, CONTENT)).await;
    let folder = TempDir::new().unwrap();
    pull(&server, folder.path()).await;
    let module = folder.path().join(format!("{}.wasm", digest(CONTENT)));
    fs::write(&module, b"\0asm\x01\0\0\x01").unwrap();
    let stray = folder.path().join(format!("{}.wasm", "0".repeat(64)));
    fs::write(&stray, b"junk").unwrap();
    let run = verify(folder.path()).await;
    assert!(
        run.code == 1 && run.err.contains("is damaged") && run.err.contains("not what its name says"),
        "{run:?}"
    );
    let unread = ["modules", "verify", "--dir", folder.path().to_str().unwrap()];
    assert_eq!(weir_unread(&unread).await, 1, "damaged, though nobody reads it");
    fs::remove_file(&stray).unwrap();
    assert_eq!(pull(&server, folder.path()).await.code, 0);
    assert_eq!(verify(folder.path()).await.code, 0);
}

#[tokio::test]
async fn a_folder_without_a_catalog_is_said_to_be_none() {
    let folder = TempDir::new().unwrap();
    let run = verify(folder.path()).await;
    assert!(
        run.code == 3 && run.err.contains("modules.json does not exist"),
        "{run:?}"
    );
}

#[tokio::test]
async fn the_catalog_never_names_what_is_not_there() {
    let failing = Arc::new(AtomicBool::new(true));
    let is_failing = Arc::clone(&failing);
    let server = Server::start(move |line| match line {
        "GET /v1/modules" => answer(line, CONTENT),
        _ if is_failing.load(Ordering::Relaxed) => (503, Vec::new()),
        _ => answer(line, CONTENT),
    })
    .await;
    let folder = TempDir::new().unwrap();
    assert_eq!(pull(&server, folder.path()).await.code, 4);
    assert!(!folder.path().join("modules.json").exists());
    failing.store(false, Ordering::Relaxed);
    assert_eq!(pull(&server, folder.path()).await.code, 0);
}

#[tokio::test]
async fn a_list_is_for_people_and_programs() {
    let server = Server::start(|line| answer(line, CONTENT)).await;
    let run = weir(&["modules", "list", "--server", &server.url]).await;
    let expected = format!("shard-router  {}  8", digest(CONTENT));
    assert_eq!(run.out.lines().nth(1), Some(expected.as_str()), "{run:?}");
    let away = format!("http://{}", nobody().await);
    assert_eq!(weir(&["modules", "list", "--server", &away]).await.code, 4);
}
