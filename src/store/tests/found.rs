//! What was said is found.

use super::*;

fn found(history: &mut History, query: &str) -> Vec<i64> {
    let found = history.search(query, ALL).unwrap();
    assert!(!found.more);
    found.hits.iter().map(|hit| hit.conversation.id.0).collect()
}

fn filled(folder: &tempfile::TempDir) -> History {
    let mut history = history(folder, 1);
    for (id, question, answer) in [
        (
            1,
            "What is a semaphore?",
            "A counter of permits.\nIt never goes below zero.",
        ),
        (
            2,
            "什么是信号量？",
            "信号量是许可的计数器。\n它永远不会小于零。",
        ),
        (
            3,
            "セマフォとは何ですか",
            "許可の数を数えるカウンタです。東京タワーは関係ありません。",
        ),
        (4, "Go or C#?", "Both; x=1 and {} too. ÄRGER mit Umlauten."),
    ] {
        history.put(&chat(id, question, answer)).unwrap();
    }
    history
}

#[test]
fn in_english_chinese_and_japanese() {
    let folder = tempfile::tempdir().unwrap();
    let mut history = filled(&folder);
    for (query, expected) in [
        ("semaphore", vec![1]),
        ("SEMAPH", vec![1]),
        ("permits zero", vec![1]),
        ("\"below zero\"", vec![1]),
        ("zero permits nothing", vec![]),
        ("信号量", vec![2]),
        ("许可", vec![2]),
        ("零", vec![2]),
        ("小于 许可", vec![2]),
        ("許可", vec![3]),
        ("カウンタ", vec![3]),
        ("何", vec![3]),
        ("京タ", vec![3]),
        ("go", vec![4, 1]),
        ("g", vec![4, 1]),
        ("c#", vec![4]),
        ("{}", vec![4]),
        ("ärger", vec![4]),
        ("是", vec![2]),
        ("nowhere", vec![]),
        ("", vec![]),
        ("\"", vec![]),
    ] {
        assert_eq!(found(&mut history, query), expected, "{query}");
    }
}

#[test]
fn the_matching_line_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let mut history = filled(&folder);
    let found = history.search("许可", ALL).unwrap();
    let hit = &found.hits[0];
    assert_eq!(
        (hit.line.as_str(), hit.role.as_str()),
        ("信号量是许可的计数器。", "assistant")
    );
    let (start, end) = hit.matched.unwrap();
    assert_eq!(&hit.line[start..end], "许可");
    assert_eq!(hit.message, Some(MessageId(21)));
}

#[test]
fn titles_and_tags_that_a_person_gave_are_found_and_old_words_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let mut history = filled(&folder);
    let conversation = ConversationId(2);
    let title = "Betriebssysteme".to_owned();
    history
        .apply(&Change::Rename {
            conversation,
            title,
        })
        .unwrap();
    let tags = vec!["uni".to_owned()];
    history.apply(&Change::Tag { conversation, tags }).unwrap();
    assert_eq!(found(&mut history, "betriebs"), [2]);
    assert_eq!(found(&mut history, "#uni"), [2]);
    history.apply(&Change::Delete { conversation }).unwrap();
    assert_eq!(found(&mut history, "betriebs"), [0; 0]);
    assert_eq!(found(&mut history, "信号量"), [0; 0]);
}

#[test]
fn what_is_removed_leaves_nothing_in_the_index() {
    let folder = tempfile::tempdir().unwrap();
    let mut history = filled(&folder);
    for id in 1..=4 {
        assert!(history.remove(ConversationId(id)).unwrap());
    }
    for table in ["message_text", "message_short"] {
        let check = format!("insert into {table}({table}) values('integrity-check')");
        history.connection.execute(&check, []).unwrap();
    }
    let path = history.path().to_owned();
    history
        .connection
        .execute_batch("pragma wal_checkpoint(truncate); vacuum; pragma wal_checkpoint(truncate)")
        .unwrap();
    let bytes = std::fs::read(path).unwrap();
    for word in ["semaphore", "永远不会", "sem", "カウン"] {
        let there = bytes
            .windows(word.len())
            .any(|window| window == word.as_bytes());
        assert!(!there, "'{word}' is still in the file");
    }
}

#[test]
fn a_bound_on_hits_and_time_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut history = history(&folder, 1);
    for id in 1..=20 {
        history
            .put(&chat(id, "the same question", "the same answer"))
            .unwrap();
    }
    let few = SearchLimit { hits: 5, ..ALL };
    let found = history.search("same", few).unwrap();
    assert_eq!((found.hits.len(), found.more), (5, true));
    assert_eq!(
        found.hits[0].conversation.id,
        ConversationId(20),
        "the newest first"
    );
    let now = SearchLimit {
        time: Duration::ZERO,
        ..ALL
    };
    assert!(history.search("same", now).unwrap().more);
    assert_eq!(
        history.search("same", ALL).unwrap().hits.len(),
        20,
        "the bound is gone with its search"
    );
}
