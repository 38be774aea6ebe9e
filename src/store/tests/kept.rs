//! What is handed over is there again.

use super::*;
use crate::base::{Facts, Piece, Target};
use crate::store::Recorder;

#[test]
fn pinned_first_newest_first_and_deleted_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let mut history = history(&folder, 1);
    for id in 1..=4 {
        history.put(&chat(id, &format!("q{id}"), "a")).unwrap();
    }
    let pin = Change::Pin {
        conversation: ConversationId(2),
        pinned: true,
    };
    history.apply(&pin).unwrap();
    let conversation = ConversationId(3);
    history.apply(&Change::Delete { conversation }).unwrap();
    assert_eq!(titles(&history), ["q2", "q4", "q1"]);
    assert_eq!(history.load(conversation).unwrap(), None);
    history.apply(&Change::Restore { conversation }).unwrap();
    assert_eq!(titles(&history), ["q2", "q4", "q3", "q1"]);
}

#[test]
fn a_title_is_the_first_question_until_somebody_gives_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut history = history(&folder, 1);
    let conversation = ConversationId(5);
    history
        .apply(&say(5, message(1, None, Role::User, "why?\nmore")))
        .unwrap();
    assert_eq!(titles(&history), ["why?"]);
    let rename = |title: &str| Change::Rename {
        conversation,
        title: title.to_owned(),
    };
    history.apply(&rename(" My \n title ")).unwrap();
    history
        .apply(&say(5, message(2, Some(1), Role::User, "again?")))
        .unwrap();
    assert_eq!(titles(&history), ["My title"]);
    history.apply(&rename("")).unwrap();
    assert_eq!(titles(&history), ["why?"]);
}

#[test]
fn a_draft_is_kept_and_an_empty_conversation_goes_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut history = history(&folder, 1);
    let draft = |text: &str| Change::Draft {
        conversation: ConversationId(7),
        text: text.to_owned(),
    };
    history.apply(&draft("half a thou")).unwrap();
    let kept = history.load(ConversationId(7)).unwrap().unwrap();
    assert_eq!(kept.draft, "half a thou");
    assert!(history.list(1, 0).unwrap().conversations[0].has_draft);
    history.apply(&draft("")).unwrap();
    assert_eq!(history.load(ConversationId(7)).unwrap(), None);
}

#[test]
fn route_model_persona_and_tags_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut history = history(&folder, 1);
    history.put(&chat(1, "q", "a")).unwrap();
    let conversation = ConversationId(1);
    history
        .apply(&Change::Route {
            conversation,
            target: Target::Route("fast".into()),
            model: Some("m".to_owned()),
            persona: Some("teacher".to_owned()),
            system: Some("Be kind.".to_owned()),
        })
        .unwrap();
    let tags = vec!["work".to_owned(), "中文".to_owned()];
    history
        .apply(&Change::Tag {
            conversation,
            tags: tags.clone(),
        })
        .unwrap();
    let kept = history.load(conversation).unwrap().unwrap();
    assert_eq!(kept.target, Target::Route("fast".into()));
    assert_eq!(
        (kept.model.as_deref(), kept.persona.as_deref()),
        (Some("m"), Some("teacher"))
    );
    assert_eq!(
        (kept.system.as_deref(), kept.tags),
        (Some("Be kind."), tags)
    );
}

#[tokio::test]
async fn what_streams_is_on_disk_within_a_second_and_whole_at_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder, 1);
    let mut chat = Conversation::new(ConversationId(1), at(0));
    chat.persona = Some("teacher".to_owned());
    let recorder = Recorder::begin(store.clone(), &chat, "why?", at(1), &mut dice(2));
    let mut answer = crate::base::Answer::default();
    for word in ["one ", "two ", "three"] {
        let chunk = crate::base::Chunk::Text(word.to_owned());
        recorder.push(&chunk);
        answer.push(&chunk);
    }
    // Another program looks.
    let other = history(&folder, 3);
    let seen = until(|| {
        let kept = other.load(ConversationId(1)).unwrap()?;
        let path: Vec<String> = kept
            .path()
            .iter()
            .map(|said| said.message.content.to_text())
            .collect();
        (path == ["why?", "one two three"]).then(|| kept.messages[1].state)
    });
    assert_eq!(seen, MessageState::Streaming);
    let response = answer.so_far_mut();
    response.instance = Some("east".into());
    response.model = Some("m".to_owned());
    response.cost = Some(0.000_123_4);
    recorder.finish(&answer, None);
    store.close(Duration::from_secs(20)).await;
    let kept = other.load(ConversationId(1)).unwrap().unwrap();
    let last = kept.path()[1];
    assert_eq!(last.state, MessageState::Whole);
    assert_eq!(last.message.content.to_text(), "one two three");
    assert_eq!(
        last.answer.as_deref(),
        Some(&Facts::of(answer.so_far(), None))
    );
    let summary = other.summary(ConversationId(1)).unwrap().unwrap();
    assert_eq!(
        (summary.instance.as_deref(), summary.questions),
        (Some("east"), 1)
    );
    assert_eq!(kept.persona.as_deref(), Some("teacher"));
}

/// Waits for something that another thread does, for a long time on a busy machine.
pub(super) fn until<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let begun = tokio::time::Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "it did not come");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn an_answer_whose_program_is_gone_is_marked_as_cut_and_found() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = history(&folder, 1);
    first
        .apply(&say(1, message(1, None, Role::User, "why?")))
        .unwrap();
    let streaming = KeptMessage {
        state: MessageState::Streaming,
        ..message(2, Some(1), Role::Assistant, "")
    };
    first.apply(&say(1, streaming)).unwrap();
    let pieces = [
        Piece::Reasoning("hm".to_owned()),
        Piece::Text("becau".to_owned()),
    ];
    first
        .try_append(pieces.iter().map(|piece| (MessageId(2), piece)), [])
        .unwrap();
    // As long as it lives, another program leaves it alone.
    let state =
        |history: &History| history.load(ConversationId(1)).unwrap().unwrap().messages[1].clone();
    let second = history(&folder, 2);
    assert_eq!(state(&second).state, MessageState::Streaming);
    drop(second);
    drop(first);
    let mut third = history(&folder, 3);
    let cut = state(&third);
    assert_eq!(cut.state, MessageState::Cut);
    assert_eq!(cut.message.content.to_text(), "becau");
    assert_eq!(cut.message.reasoning.as_deref(), Some("hm"));
    assert!(third.list(1, 0).unwrap().conversations[0].cut);
    assert_eq!(third.search("becau", ALL).unwrap().hits.len(), 1);
    // Going on with it takes the mark away.
    third
        .apply(&say(1, message(3, Some(2), Role::User, "go on")))
        .unwrap();
    assert!(!third.list(1, 0).unwrap().conversations[0].cut);
}

#[test]
fn an_answer_that_ends_is_written_over_and_its_branch_stays() {
    let folder = tempfile::tempdir().unwrap();
    let mut history = history(&folder, 1);
    history
        .apply(&say(1, message(1, None, Role::User, "q")))
        .unwrap();
    let streaming = KeptMessage {
        state: MessageState::Streaming,
        ..message(2, Some(1), Role::Assistant, "")
    };
    history.apply(&say(1, streaming)).unwrap();
    history
        .apply(&say(1, message(3, Some(2), Role::User, "next")))
        .unwrap();
    let finish = Change::Finish {
        conversation: ConversationId(1),
        message: Box::new(message(2, Some(1), Role::Assistant, "done")),
    };
    history.apply(&finish).unwrap();
    let kept = history.load(ConversationId(1)).unwrap().unwrap();
    let path: Vec<String> = kept
        .path()
        .iter()
        .map(|said| said.message.content.to_text())
        .collect();
    assert_eq!(path, ["q", "done", "next"]);
}
