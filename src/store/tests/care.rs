//! Full disks, damaged files, other programs, newer and older schemas.

use std::path::Path;

use super::kept::until;
use super::*;
use crate::base::Piece;
use crate::store::{Settings, file, schema};

#[cfg(unix)]
#[test]
fn only_the_owner_reads_any_of_it() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("a/llmdeck");
    let mut history = History::open(&inner, &mut dice(1)).unwrap();
    history.put(&chat(1, "q", "a")).unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&inner), 0o700);
    let files: Vec<_> = std::fs::read_dir(&inner)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert!(files.len() >= 3, "{files:?}");
    for path in files {
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

#[tokio::test]
async fn two_programs_write_at_once_and_see_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (store(&folder, 1), store(&folder, 2));
    let before = two.stamp().await.unwrap();
    assert_eq!(two.stamp().await.unwrap(), before);
    for id in 0..50 {
        let odd = chat(2 * id + 1, &format!("one {id}"), "a");
        one.save(Change::Begin(Box::new(odd)));
        let even = chat(2 * id + 2, &format!("two {id}"), "a");
        two.save(Change::Begin(Box::new(even)));
    }
    let patience = Duration::from_secs(60);
    one.close(patience).await;
    assert_ne!(two.stamp().await.unwrap(), before);
    two.close(patience).await;
    let mut after = history(&folder, 3);
    assert_eq!(after.list(1, 0).unwrap().total, 100);
    assert_eq!(after.search("one", ALL).unwrap().hits.len(), 50);
}

#[test]
fn a_newer_schema_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    drop(history(&folder, 1));
    let path = folder.path().join(crate::store::HISTORY_FILE);
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);
    let error = History::open(folder.path(), &mut dice(2)).unwrap_err();
    assert!(
        error.message().contains("newer llmdeck (its schema is 99"),
        "{error}"
    );
    assert!(error.hint().contains("use the newer program"));
    assert!(path.exists());
}

#[test]
fn an_older_schema_is_backed_up_and_brought_forward() {
    let folder = tempfile::tempdir().unwrap();
    let mut old = history(&folder, 1);
    old.put(&chat(1, "before", "a")).unwrap();
    let path = old.path().to_owned();
    drop(old);
    let steps = [
        schema::HISTORY[0],
        "alter table conversation add column colour text",
    ];
    let connection = file::open(&path, &steps).unwrap().connection;
    let colour: Option<String> = connection
        .query_row("select colour from conversation where id = 1", [], |row| {
            row.get(0)
        })
        .unwrap();
    assert_eq!(colour, None);
    let copy = file::with_suffix(&path, ".schema-1");
    let copy = rusqlite::Connection::open(copy).unwrap();
    let title: String = copy
        .query_row("select title from conversation", [], |row| row.get(0))
        .unwrap();
    assert_eq!(title, "before");
    assert!(copy.prepare("select colour from conversation").is_err());
    // A step that fails changes nothing.
    let broken = [steps[0], steps[1], "create table x(y); create nonsense"];
    assert!(file::open(&path, &broken).is_err());
    file::open(&path, &steps).unwrap();
}

#[test]
fn a_damaged_file_is_set_aside_and_said_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(crate::store::HISTORY_FILE);
    std::fs::write(&path, "this is not a database ".repeat(1000)).unwrap();
    let mut fresh = history(&folder, 1);
    let note = fresh.note().unwrap().to_owned();
    assert!(
        note.contains("was damaged") && note.contains(".damaged-"),
        "{note}"
    );
    fresh.put(&chat(1, "q", "a")).unwrap();
    assert_eq!(titles(&fresh), ["q"]);
    let kept = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.to_string_lossy().contains(".damaged-"))
        .unwrap();
    assert!(
        std::fs::read_to_string(kept)
            .unwrap()
            .starts_with("this is not")
    );
}

#[test]
fn damage_behind_sound_first_pages_is_set_aside_when_it_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    let mut before = history(&folder, 1);
    for id in 1..=50 {
        let long = "words ".repeat(500);
        before.put(&chat(id, "some question", &long)).unwrap();
    }
    before
        .connection
        .execute_batch("pragma wal_checkpoint(truncate)")
        .unwrap();
    let path = before.path().to_owned();
    drop(before);
    let mut bytes = std::fs::read(&path).unwrap();
    let end = bytes.len();
    bytes[8192..end].fill(0x5a);
    std::fs::write(&path, bytes).unwrap();
    let mut fresh = history(&folder, 2);
    let note = fresh.note().unwrap();
    assert!(note.contains("was damaged"), "{note}");
    fresh.put(&chat(1, "q", "a")).unwrap();
    assert_eq!(titles(&fresh), ["q"]);
}

#[tokio::test]
async fn damage_that_shows_while_it_runs_is_set_aside_too() {
    let folder = tempfile::tempdir().unwrap();
    let mut history = history(&folder, 1);
    for id in 1..=50 {
        history
            .put(&chat(id, "some question", &"words ".repeat(500)))
            .unwrap();
    }
    history
        .connection
        .execute_batch("pragma wal_checkpoint(truncate)")
        .unwrap();
    let path = history.path().to_owned();
    let mut bytes = std::fs::read(&path).unwrap();
    let end = bytes.len();
    bytes[8192..end].fill(0x5a);
    std::fs::write(&path, bytes).unwrap();
    history
        .connection
        .execute_batch("pragma shrink_memory")
        .unwrap();
    let store = Store::over(history, Settings::default()).unwrap();
    store.save(say(900, message(9001, None, Role::User, "still here")));
    let note = until(|| store.health().borrow().note.clone());
    assert!(note.contains("was damaged"), "{note}");
    store.close(Duration::from_secs(20)).await;
    let again = super::history(&folder, 2);
    assert_eq!(titles(&again), ["still here"]);
}

#[tokio::test]
async fn a_full_disk_loses_nothing_and_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut history = history(&folder, 1);
    history.put(&chat(1, "before", "a")).unwrap();
    let other = super::history(&folder, 2);
    // As good as a full disk: SQLite says the same, from the same place.
    let pages: i64 = history
        .connection
        .pragma_query_value(None, "page_count", |row| row.get(0))
        .unwrap();
    history
        .connection
        .pragma_update(None, "max_page_count", pages)
        .unwrap();
    let store = Store::over(history, Settings::default()).unwrap();
    let long = "not enough room for this ".repeat(2000);
    store.save(say(2, message(1001, None, Role::User, &long)));
    let streaming = KeptMessage {
        state: MessageState::Streaming,
        ..message(1002, Some(1001), Role::Assistant, "")
    };
    store.save(say(2, streaming));
    let piece = |text: &str| Change::Piece {
        conversation: ConversationId(2),
        message: MessageId(1002),
        piece: Piece::Text(text.to_owned()),
    };
    store.save(piece("one "));
    let failing = until(|| store.health().borrow().failing.clone());
    assert!(failing.message().contains("the disk is full"), "{failing}");
    store.save(piece("two"));
    // What is there can still be read.
    assert_eq!(store.list(10, 0).await.unwrap().total, 1);
    store
        .read_for_test(|history| {
            history
                .connection
                .pragma_update(None, "max_page_count", 1 << 30)
                .unwrap();
        })
        .await;
    until(|| store.health().borrow().failing.is_none().then_some(()));
    let kept = until(|| {
        let kept = other.load(ConversationId(2)).unwrap()?;
        (kept.messages.len() == 2 && kept.messages[1].message.content.to_text() == "one two")
            .then_some(kept)
    });
    assert_eq!(kept.messages[0].message.content.to_text(), long);
    assert_eq!(store.health().borrow().dropped, 0);
    store.close(Duration::from_secs(20)).await;
}

#[test]
fn a_folder_that_cannot_be_used_is_told_with_what_helps() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = History::open(&file.join("llmdeck"), &mut dice(1)).unwrap_err();
    assert!(error.message().contains("cannot be used"), "{error}");
    assert!(error.hint().contains("store.dir"));
}

#[test]
fn old_conversations_go_when_asked_for_and_pinned_ones_stay() {
    let folder = tempfile::tempdir().unwrap();
    let mut history = history(&folder, 1);
    for id in 1..=3 {
        history.put(&chat(id, &format!("q{id}"), "a")).unwrap();
    }
    let pin = Change::Pin {
        conversation: ConversationId(1),
        pinned: true,
    };
    history.apply(&pin).unwrap();
    let settings = Settings::default();
    let now = at(86_400 + 25);
    assert_eq!(history.retain(&settings, now).unwrap(), 0, "off by default");
    let settings = Settings {
        keep_days: 1,
        ..settings
    };
    assert_eq!(history.retain(&settings, now).unwrap(), 1);
    assert_eq!(titles(&history), ["q1", "q3"]);
}

#[test]
fn too_much_goes_oldest_first() {
    let folder = tempfile::tempdir().unwrap();
    let mut history = history(&folder, 1);
    let long = "words that take room ".repeat(1000);
    for id in 1..=300 {
        history.put(&chat(id, &format!("q{id}"), &long)).unwrap();
    }
    let settings = Settings {
        keep_mb: 4,
        ..Settings::default()
    };
    let gone = history.retain(&settings, at(0)).unwrap();
    assert!(gone > 0 && gone < 300, "{gone}");
    assert_eq!(titles(&history)[0], "q300");
    assert!(history.figures().unwrap().bytes < 6 << 20);
}

#[tokio::test]
async fn what_another_program_deleted_it_may_still_bring_back() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (store(&folder, 1), store(&folder, 2));
    let patience = Duration::from_secs(60);
    for id in 1..=3 {
        one.save(Change::Begin(Box::new(chat(id, &format!("q{id}"), "a"))));
    }
    let reader = history(&folder, 9);
    let there = |total| until(|| (reader.list(1, 0).unwrap().total == total).then_some(()));
    there(3);
    let delete = |id| Change::Delete {
        conversation: ConversationId(id),
    };
    one.save(delete(1));
    two.save(delete(2));
    two.save(delete(3));
    let conversation = ConversationId(3);
    two.save(Change::Restore { conversation });
    there(1);
    two.close(patience).await;
    let conversation = ConversationId(1);
    one.save(Change::Restore { conversation });
    one.close(patience).await;
    let after = history(&folder, 3);
    assert_eq!(titles(&after), ["q3", "q1"]);
    let rows: i64 = after
        .connection
        .query_row("select count(*) from conversation", [], |row| row.get(0))
        .unwrap();
    assert_eq!(rows, 2, "the other one is gone for good");
}
